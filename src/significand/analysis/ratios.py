"""Ratios of costs, paired by repeat: their logs, their mean and its interval."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from significand.analysis.autocorrelation import widening_of
from significand.analysis.intervals import Estimate, mean_t, wider
from significand.analysis.measures import shown
from significand.plan.metrics import LATENCY


@dataclass(frozen=True, eq=False)
class Costs:
    """A cost of some runs and the repeats that they are of, shape (n_runs,) each; of a repeat one at most."""

    repeats: NDArray[np.int64]
    values: NDArray[np.float64]


def paired_ratio(costs: Costs, baseline: Costs) -> Estimate:
    """Return the ratio of costs to those of a baseline, paired by repeat.

    The mean of the log ratios with Student's t interval, taken back by exp: a geometric mean, so that the ratio of a
    to b is the inverse of that of b to a. Where neighbouring repeats resemble each other the interval is widened; see
    `significand.analysis.autocorrelation`. Pairs in which either side is missing, not positive or infinite are left
    out.

    Returns
    -------
    Estimate
        Without unit, at 95 %; all NaN without a pair, bounds NaN with a single one.
    """
    logs = mean_t(differences := log_ratios(costs, baseline))
    logs = wider(logs, widening_of(differences))
    point, low, high = (shown(LATENCY, bound) for bound in (logs.point, logs.low, logs.high))
    return replace(logs, point=point, low=low, high=high)


def log_ratios(costs: Costs, baseline: Costs) -> NDArray[np.float64]:
    """Return the log of the ratio in every repeat where both costs are positive and finite, by repeat."""
    _, own, other = np.intersect1d(costs.repeats, baseline.repeats, return_indices=True)
    sides = costs.values[own], baseline.values[other]
    usable = np.logical_and(*((side > 0) & (side < math.inf) for side in sides))
    ours, theirs = (logs_of(side[usable]) for side in sides)
    return ours - theirs


def logs_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return natural logarithms to the last bit as the C library has them: NumPy's depend on the processor."""
    return np.fromiter(map(math.log, values.tolist()), np.float64, values.size)
