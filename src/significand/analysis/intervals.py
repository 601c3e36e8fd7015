"""Mean, spread and interval of a sample of runs."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NORMAL_95 = 1.96
"""The 97.5 % point of the standard normal, rounded as the interface specifies it."""


def finite(values: Sequence[float | None]) -> NDArray[np.float64]:
    """Return `values` as an array, without what is missing (NaN or None).

    Parameters
    ----------
    values
        Numbers, shape (n,).
    """
    array = np.array([math.nan if value is None else value for value in values], dtype=np.float64)
    return array[~np.isnan(array)]


def mean(values: Sequence[float | None]) -> float:
    """Return the arithmetic mean; NaN of nothing."""
    sample = finite(values)
    return float(np.mean(sample)) if sample.size else math.nan


def sample_std(values: Sequence[float | None]) -> float:
    """Return the sample standard deviation (n - 1); NaN with fewer than two values."""
    sample = finite(values)
    with np.errstate(invalid="ignore"):  # the spread around an infinity is undefined
        return float(np.std(sample, ddof=1)) if sample.size > 1 else math.nan


def ci95_half_width(values: Sequence[float | None]) -> float:
    """Return the half-width of the 95 % interval of the mean, by the normal approximation.

    1.96 x s / sqrt(n), s the sample standard deviation (any textbook's large-sample interval). With few runs it is too
    narrow: on normal data it covers 87.8 % at n = 5 and 91.8 % at n = 10 instead of 95 %.

    Returns
    -------
    float
        In the unit of `values`; NaN with fewer than two values.
    """
    sample = finite(values)
    return NORMAL_95 * sample_std(values) / math.sqrt(sample.size) if sample.size > 1 else math.nan
