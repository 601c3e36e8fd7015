"""Mean, spread and intervals of many groups of values at once: millions of rows in a few passes of array operations."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from significand.analysis.columns import numbers
from significand.analysis.intervals import NORMAL_95, check_level
from significand.analysis.measures import checked_codes
from significand.analysis.moments import Floats, grouped_spread


@dataclass(frozen=True, eq=False)
class GroupedEstimates:
    """One entry per group; all arrays have shape (n_groups,) and but for `n` the unit of the values.

    Attributes
    ----------
    n
        Values in the group that are not missing.
    mean
        NaN of nothing.
    std
        Sample standard deviation (n - 1); NaN with fewer than two values.
    ci95
        The specified half-width, 1.96 standard errors.
    t_half_width
        Half-width of Student's t interval at `level`, the headline.
    level
        Confidence level of the t interval.
    """

    n: NDArray[np.int64]
    mean: Floats
    std: Floats
    ci95: Floats
    t_half_width: Floats
    level: float


def grouped_estimates(values: ArrayLike, groups: ArrayLike, n_groups: int, level: float = 0.95) -> GroupedEstimates:
    """Estimate the mean of each group; the same numbers as `significand.analysis.intervals` gives group by group.

    Parameters
    ----------
    values
        One number per row, shape (n_rows,), in any unit; NaN is left out.
    groups
        Group of each row, shape (n_rows,): integers from 0.
    n_groups
        How many groups there are; one without rows has n = 0.
    level
        Confidence level of the t interval.

    Raises
    ------
    ValueError
        If lengths differ, a group is out of range, or `level` is not between 0 and 1.
    """
    check_level(level)
    column = numbers("values", values)
    if column.ndim != 1:
        raise ValueError(f"values has shape {column.shape}; it must be (n_rows,). Give one metric at a time.")
    codes = checked_codes("groups", groups, n_groups, column.size)
    present = ~np.isnan(column)
    if not present.all():
        column, codes = column[present], codes[present]
    mean, std, n = grouped_spread(column, codes, n_groups)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):  # empty groups, infinities, the largest numbers
        error = std / np.sqrt(n)
        factors = (NORMAL_95, stdtrit(np.where(n > 1, n - 1, np.nan), (1 + level) / 2))
        normal, t = (np.where(np.isfinite(half := factor * error), half, np.nan) for factor in factors)
    return GroupedEstimates(n, mean, std, normal, t, level)
