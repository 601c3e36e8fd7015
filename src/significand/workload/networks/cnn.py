"""A small convolutional network that reads handwritten digits of 8 x 8 pixels."""

import numpy as np
from numpy.typing import NDArray
from torch import nn

from significand.workload.networks._digits import digits


def model(width: int = 16) -> nn.Module:
    """Return two convolutions, each normalised and halved in size, and a linear layer.

    Parameters
    ----------
    width
        Channels of the first convolution; the second has twice as many.
    """
    return nn.Sequential(*_stage(1, width), *_stage(width, 2 * width), nn.Flatten(), nn.Linear(2 * width * 2 * 2, 10))


def data() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return images, shape (images, 1, 8, 8), and digits."""
    images, labels = digits()
    return images[:, np.newaxis], labels


def _stage(channels_in: int, channels_out: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(channels_in, channels_out, kernel_size=3, padding=1)
    return convolution, nn.BatchNorm2d(channels_out), nn.ReLU(), nn.MaxPool2d(2)
