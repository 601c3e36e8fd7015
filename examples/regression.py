"""Regression: how far a patient's diabetes will progress in a year, from ten measurements.

The data come with scikit-learn; nothing is downloaded. Run it with::

    significand run examples/regression.py --epochs 10

Targets are real numbers, so the loss is the mean squared error and the score is R²: 1 is perfect, and 0 is no better
than always saying the mean.
"""

import numpy as np
from sklearn.datasets import load_diabetes
from torch import nn


def model(width: int = 16) -> nn.Module:
    """Return a network with one hidden layer."""
    return nn.Sequential(nn.Linear(10, width), nn.ReLU(), nn.Linear(width, 1))


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return ten measurements of each of 442 patients, and the disease's progression.

    Both are brought to mean 0 and deviation 1: networks learn badly on anything else.
    """
    measured, progression = load_diabetes(return_X_y=True)
    return standardised(measured), standardised(progression[:, np.newaxis])


def standardised(values: np.ndarray) -> np.ndarray:
    """Return columns with mean 0 and deviation 1."""
    return ((values - values.mean(axis=0)) / values.std(axis=0)).astype(np.float32)
