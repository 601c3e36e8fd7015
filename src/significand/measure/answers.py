"""What a network that tells classes has answered, and how far its probabilities are from the yardstick's."""

import math
from typing import Any

import numpy as np
import torch  # whose softmax is there already: SciPy's would take every job a quarter of a second to import
from numpy.typing import NDArray

from significand.workload.arrays import Arrays
from significand.workload.base import Outputs

LEAST_PROBABILITY = 2.0**-24
"""Smaller ones count as this: the least that float16 tells from 0, which quantised outputs often are."""

SUMS_TO_ONE = 0.01
"""How far from 1 probabilities of an example may add up to: in eight bits they do not exactly."""


def gives_classes(outputs: Outputs, targets: Arrays | None) -> bool:
    """Tell whether the one output has a number for each class, and targets, where there are any, name one each."""
    if len(outputs) != 1 or outputs[0].dtype.kind != "f" or outputs[0].ndim != 2 or outputs[0].shape[1] < 2:
        return False
    wanted = list(targets.by_name.values()) if targets else []
    return not wanted or (len(wanted) == 1 and wanted[0].dtype.kind in "iu" and wanted[0].ndim == 1)


def answers_of(outputs: Outputs) -> NDArray[np.int64]:
    """Return the class that is answered on each example: the first of the largest, shape (examples,)."""
    answers: NDArray[np.int64] = outputs[0].argmax(axis=1).astype(np.int64)
    return answers


def divergence(outputs: Outputs, reference: Outputs) -> float:
    """Return the mean Kullback-Leibler divergence of class probabilities from those of a reference, in nats.

    The reference decides whether both are probabilities already, or go through softmax. NaN where a number is not
    finite.
    """
    one, other = outputs[0].astype(np.float64), reference[0].astype(np.float64)
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        return math.nan
    are_probabilities = other.min() >= 0 and np.abs(other.sum(axis=1) - 1).max() <= SUMS_TO_ONE
    logs_one, logs_other = (_logs(values, are_probabilities) for values in (one, other))
    return float((np.exp(logs_other) * (logs_other - logs_one)).sum(axis=1).mean())


def _logs(values: NDArray[Any], are_probabilities: "bool | np.bool_") -> NDArray[np.float64]:
    if not are_probabilities:
        found: NDArray[np.float64] = torch.log_softmax(torch.from_numpy(values), dim=1).numpy()
        return found
    # Anew, since what is cut off below adds to the sum.
    kept = np.maximum(values, LEAST_PROBABILITY)
    logs: NDArray[np.float64] = np.log(kept / kept.sum(axis=1, keepdims=True))
    return logs
