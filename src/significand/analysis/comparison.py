"""Setups against a baseline, paired by repeat."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit


@dataclass(frozen=True)
class PairedRatio:
    """A ratio of costs with its interval.

    Attributes
    ----------
    ratio, low, high
        Point and 95 % bounds, without unit; NaN where undefined.
    n
        Pairs behind it.
    """

    ratio: float
    low: float
    high: float
    n: int


def paired_ratio(values: Mapping[int, float], baseline: Mapping[int, float]) -> PairedRatio:
    """Return the ratio of `values` to `baseline`, paired by repeat.

    The mean of the log ratios with Student's t interval, taken back by exp: a geometric mean, so that the ratio of a
    to b is the inverse of that of b to a. Pairs in which either side is missing, not positive or infinite are left out.

    Parameters
    ----------
    values, baseline
        A cost by repeat.

    Returns
    -------
    PairedRatio
        All NaN without a pair; bounds NaN with a single one.
    """
    logs = [
        math.log(values[repeat]) - math.log(baseline[repeat])
        for repeat in sorted(values.keys() & baseline.keys())
        if 0 < values[repeat] < math.inf and 0 < baseline[repeat] < math.inf
    ]
    n = len(logs)
    if n == 0:
        return PairedRatio(math.nan, math.nan, math.nan, 0)
    centre = float(np.mean(logs))
    half = float(stdtrit(n - 1, 0.975) * np.std(logs, ddof=1) / math.sqrt(n)) if n > 1 else math.nan
    with np.errstate(over="ignore", under="ignore"):  # an interval of a few wild ratios may reach infinity
        ratio, low, high = (float(bound) for bound in np.exp([centre, centre - half, centre + half]))
    return PairedRatio(ratio, low, high, n)
