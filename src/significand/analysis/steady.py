"""Where the steady state of a run's latency rounds begins, or that there is none.

This module may import NumPy and SciPy only. The idea is Barrett et al., "Virtual Machine Warmup Blows Hot and
Cold", OOPSLA 2017: change points cut the measurements into levels, and a run is steady when its last level lasts. Added
here is a test for a trend, because a slow drift has no level at all.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from significand.analysis.levels import level_starts, noise, squares_around_levels

FEWEST_ROUNDS = 6
"""With fewer, no trend can be shown, and a level of two rounds cannot be told from two disturbed rounds."""

TOLERANCE = 0.02
"""Levels that differ by less, and trends that add up to less, do not matter. In simulated runs of 10 rounds with 1 %
noise a step of 2 % is found in one of five, of 3 % in two of five, of 5 % in six of seven: a smaller tolerance would
find little more. What it hides is small: a level 2 % higher through half the rounds moves their mean by 1 %."""

SHORTEST_LEVEL = 2
SHORTEST_LEVEL_SHARE = 8
"""A level has at least two rounds and an eighth of all rounds: what is shorter is a disturbance."""

TREND_SIGNIFICANCE = 0.01
"""With the significance of a change of level it was chosen by simulation, so that of steady runs of 5 to 100 rounds at
most 3 % are called unsteady, heavy tails and single disturbed rounds included; of strongly skewed noise up to 6 %.
Kendall's tau reaches it from six rounds on: of five, no trend can be shown."""

OUTLIER_DEVIATIONS = 4.0
LARGEST_LOG = math.log(sys.float_info.max)

Log = NDArray[np.float64]


@dataclass(frozen=True)
class SteadyState:
    """Which latency rounds of a run count.

    Attributes
    ----------
    steady
        Whether the rounds from `first_round` on stay on one level; None where too few rounds tell.
    first_round
        Index of the first round that counts in the run's latency; 0, so that all count, unless `steady`.
    reason
        In words, with rounds counted from 1; empty when the rounds are steady from the first on.
    """

    steady: bool | None
    first_round: int
    reason: str


def find_steady_state(round_means_s: Sequence[float] | NDArray[np.float64]) -> SteadyState:
    """Find where the steady state begins.

    The logarithms of the round means, outliers replaced by the running median, are cut into levels
    (`significand.analysis.levels`). The rounds are steady when the last level begins before their middle and has no
    trend (Kendall's tau, and a change over its rounds of at least `TOLERANCE` by the slope of Theil and Sen); a warm-up
    that fades out within the first half ends with it. Where a straight line explains all rounds better than the levels
    do, by Schwarz's criterion, the rounds have a trend and no levels.

    Parameters
    ----------
    round_means_s
        Mean time of a call in each round, in order, shape (rounds,), in seconds. What is no time (NaN, infinite, zero,
        negative) is left out.

    Returns
    -------
    SteadyState
        `steady` is None with fewer than `FEWEST_ROUNDS` times. A single slow first round is taken for a disturbance:
        warm-up is found from two rounds on.
    """
    means = np.asarray(round_means_s, dtype=np.float64).reshape(-1)
    rounds = np.flatnonzero(np.isfinite(means) & (means > 0))
    if len(rounds) < FEWEST_ROUNDS:
        return SteadyState(None, 0, f"too few rounds to tell ({len(rounds)}; at least {FEWEST_ROUNDS})")
    shortest = max(SHORTEST_LEVEL, math.ceil(len(rounds) / SHORTEST_LEVEL_SHARE))
    logs = _without_outliers(np.log(means[rounds]), shortest)
    starts = level_starts(logs, math.log1p(TOLERANCE), shortest)
    change = _trend(logs)
    if change and (len(starts) == 1 or _line_explains_better(logs, starts)):
        return SteadyState(False, 0, f"times {_by(change)} over the rounds")
    last, middle = starts[-1], len(logs) // 2
    if last == 0:
        return SteadyState(True, 0, "")
    if 2 * last >= len(logs):
        factor = _factor(_level(logs[last:]) - _level(logs[starts[-2] : last]))
        where = f"round {rounds[last] + 1} of {len(means)}"
        return SteadyState(False, 0, f"the level changed at {where}, by a factor of {factor:.2f}; no level lasted")
    change = _trend(logs[last:])
    fading = change * (_level(logs[last:]) - _level(logs[:last])) > 0
    if fading and not _trend(logs[middle:]):
        last = middle
    elif change:
        return SteadyState(False, 0, f"times {_by(change)} over the rounds from round {rounds[last] + 1} on")
    factor = _factor(_level(logs[:last]) - _level(logs[last:]))
    what = "were warm-up" if factor > 1 else "were quicker"
    return SteadyState(True, int(rounds[last]), f"rounds 1 to {rounds[last]} {what}: {factor:.2f} times the later ones")


def _without_outliers(logs: Log, shortest: int) -> Log:
    """Replace outliers by the running median (Hampel's filter), which keeps levels of `shortest` rounds as they are.

    The deviation is that of `significand.analysis.levels.noise`: steps do not count in it.
    """
    windows = np.lib.stride_tricks.sliding_window_view(logs, 2 * shortest - 1)
    centre = np.pad(np.median(windows, axis=1), shortest - 1, mode="edge")
    return np.where(np.abs(logs - centre) > OUTLIER_DEVIATIONS * noise(logs), centre, logs)


def _level(logs: Log) -> float:
    return float(np.mean(logs))


def _trend(logs: Log) -> float:
    """Return by how much the logarithm grows from the first to the last round; 0 where no trend shows."""
    if len(logs) < FEWEST_ROUNDS or np.ptp(logs) < math.log1p(TOLERANCE):
        return 0.0
    from scipy.stats import kendalltau, theilslopes  # noqa: PLC0415 - the same

    at = np.arange(len(logs))
    if not kendalltau(at, logs).pvalue <= TREND_SIGNIFICANCE:
        return 0.0
    change = float(theilslopes(logs, at).slope) * (len(logs) - 1)
    return change if abs(change) >= math.log1p(TOLERANCE) else 0.0


def _line_explains_better(logs: Log, starts: Sequence[int]) -> bool:
    """Compare a straight line with levels by Schwarz's criterion: n log(squares / n) + parameters x log n."""
    n = len(logs)
    at = np.arange(n) - (n - 1) / 2
    centred = logs - np.mean(logs)
    line = float(np.sum((centred - at * (at @ centred) / (at @ at)) ** 2))
    smallest = n * (TOLERANCE / 10) ** 2  # as without noise above
    parameters = 2 * len(starts) - 1  # the levels, and where they change
    gain = n * math.log(max(line, smallest) / max(squares_around_levels(logs, starts), smallest))
    return gain < (parameters - 2) * math.log(n)


def _by(change: float) -> str:
    """Say in words by how much the times change."""
    return f"{'grow' if change > 0 else 'fall'} by {100 * abs(_factor(change) - 1):.2g} %"


def _factor(change: float) -> float:
    """Take a change of the log back; times so far apart that their ratio is no number are as good as infinite."""
    return math.exp(change) if change < LARGEST_LOG else math.inf
