"""Where a series changes its level: change points, of which those that matter are kept.

This module may import NumPy, SciPy and ruptures only.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CHANGE_SIGNIFICANCE = 0.005
"""Of a change of level, before Bonferroni's correction; chosen with the steady state's other limits by simulation."""

PENALTY = 2.0
"""Variances times log n that a change point must explain: the lenient BIC, as every change is tested afterwards."""

DIFFERENCES_WITHIN = 0.7
"""Of the first differences, sorted by size, the one at this share tells the noise. A disturbed value makes two of them
large and a step one, which of nine, of ten values, this leaves out."""

DIFFERENCE_POINT = 1.0364 * math.sqrt(2)
"""Size that this share of the differences of two normal values of deviation 1 does not exceed: the normal's 0.85 point,
times sqrt(2)."""

Series = NDArray[np.float64]


def level_starts(
    series: Series, tolerance: float, shortest: int, significance: float = CHANGE_SIGNIFICANCE
) -> list[int]:
    """Return the index at which each level begins; the first is 0.

    The series is cut by PELT with the least-squares cost (Killick et al., J. Am. Stat. Assoc. 107, 2012). Neighbouring
    levels are merged, the least different first, while they differ by less than `tolerance` or by less than a t test
    with Bonferroni's correction over all positions asks for.

    Parameters
    ----------
    series
        Shape (n,), n at least 2 x `shortest`; logs where ratios matter.
    tolerance
        Levels that differ by less do not matter, in the unit of the series.
    shortest
        Values that make a level.
    significance
        Of a change of level, before the correction over all positions.
    """
    from ruptures import KernelCPD  # noqa: PLC0415 - takes a second, and a few rounds are judged without

    n = len(series)
    # Without noise, whatever is within a small part of the tolerance is one level.
    from scipy.special import stdtrit  # noqa: PLC0415 - takes 0.3 s, for which an experiment need not wait to begin

    deviation = max(noise(series), tolerance / 10)
    ends = (
        KernelCPD(kernel="linear", min_size=shortest)
        .fit(series - series[0])
        .predict(pen=PENALTY * deviation**2 * math.log(n))
    )
    starts = [0, *ends[:-1]]
    while len(starts) > 1:
        levels = [float(np.mean(part)) for part in np.split(series, starts[1:])]
        lengths = np.diff([*starts, n])
        freedom = n - len(starts)
        spread = math.sqrt(squares_around_levels(series, starts) / freedom)
        quantile = float(stdtrit(freedom, 1 - significance / (2 * (n - 1))))
        needed = np.maximum(quantile * spread * np.sqrt(1 / lengths[:-1] + 1 / lengths[1:]), tolerance)
        excess = np.abs(np.diff(levels)) / needed
        weakest = int(np.argmin(excess))
        if excess[weakest] >= 1:
            break
        del starts[weakest + 1]
    return starts


def squares_around_levels(series: Series, starts: Sequence[int]) -> float:
    """Return the sum of squares around the levels that begin at `starts`."""
    return sum(float(np.sum((part - np.mean(part)) ** 2)) for part in np.split(series, starts[1:]))


def noise(series: Series) -> float:
    """Return the standard deviation from first differences, of which steps and single disturbances change the largest.

    Not from their median: where values jump between two levels (a neighbour on the core comes and goes), half of the
    differences are nearly 0. Of simulated runs of 10 rounds that are on either of two levels at random, the median
    called 30 % unsteady and let 10 % lose rounds, this share 16 % and 6 %; of 20 rounds 32 % and 13 %, and 5 % and 3 %.
    Of true steps as many are found, beside one disturbed round too.
    """
    sizes = np.abs(np.diff(series))
    return float(np.quantile(sizes, DIFFERENCES_WITHIN, method="lower")) / DIFFERENCE_POINT
