"""Comparisons as sentences: what was gained or lost, how surely, and what could not be said."""

import math
from collections.abc import Sequence

from significand.analysis.comparison import BY_RANKS, Comparison
from significand.analysis.intervals import DEPENDENT, SESSIONS
from significand.present.words.factors import times, written

UNSEEN = 1e-9
"""A difference of ratios or points below this is rounding."""

LEAST_BACKGROUND = 0.005
"""Part of a ratio of training times that others' CPU time may make, from which on it is told."""

NEITHER = "no higher or lower on average"


HOPELESS_FROM = {"ratio": 10.0, "points": 100.0, "difference": math.inf}
"""By scale, the difference that there is hardly ever; nobody knows how large a score of the user's own may be."""

HOPELESS = "too few runs to show one"
HOPELESS_SESSIONS = "these two sessions differ too much to show one"


def sentence(name: str, comparisons: Sequence[Comparison], *, quiet_runs: tuple[int, int] | None = None) -> str:
    """Say how one setup compares with its baseline on one or several metrics.

    Parameters
    ----------
    name
        What the setup is called, for example ``"int8 on onnxruntime"``.
    comparisons
        Of that setup with one baseline, in the order in which they are told.
    quiet_runs
        Runs that nothing disturbed and whose latency was steady, and all runs; None where that is not known.

    Returns
    -------
    str
        For example ``"int8 on onnxruntime: 4.4x lower latency than float32 [4.2, 4.6]; training accuracy 0.3 points
        lower [-0.6, 0.0], no difference shown"``. A cost's ratio is told above 1, its interval in the same sense; an
        interval of points is that of setup minus baseline.

    Raises
    ------
    ValueError
        If the comparisons are of several setups or baselines.
    """
    sides = {(comparison.setup, comparison.baseline) for comparison in comparisons}
    if len(sides) > 1:
        told = "; ".join(f"{setup} against {baseline}" for setup, baseline in sorted(sides))
        raise ValueError(f"one sentence is about one setup and one baseline, not {told}. Make a sentence of each.")
    clauses = [
        _clause(comparison, f" than {comparison.baseline}" if first else "")
        for first, comparison in zip([True] + [False] * len(comparisons), comparisons, strict=False)
    ]
    if quiet_runs is not None:
        clauses.append(f"{quiet_runs[0]} of {quiet_runs[1]} pairs quiet and steady")
    return f"{name}: {'; '.join(clauses)}"


def _clause(comparison: Comparison, than: str) -> str:
    noun = comparison.measured.noun
    if math.isnan(comparison.estimate.point):
        told = f"{noun} not compared{than.replace(' than ', ' with ')}"
        return f"{told}: {comparison.reason}" + _left_out(comparison)
    told = _ratio(comparison, noun, than) if comparison.scale == "ratio" else _points(comparison, noun, than)
    return told + _judgement(comparison) + _doubts(comparison) + _left_out(comparison)


def _doubts(comparison: Comparison) -> str:
    """Say where signed ranks come to another result, and why an interval is wider than its runs' spread alone."""
    told = ""
    if comparison.reason == BY_RANKS:
        told = f" ({_by_ranks(comparison)})"
    elif comparison.disagreement == "shown" or (comparison.disagreement and comparison.verdict in {"better", "worse"}):
        does = "show one" if comparison.disagreement == "shown" else "do not show it"
        told = f", though signed ranks {does}: {_by_ranks(comparison)}"
    if comparison.estimate.method == DEPENDENT:
        told += f", widened as repeats resemble the one before (correlation {comparison.lag1:.1f})"
    excess = math.log(comparison.background) if comparison.background > 0 else 0.0
    if abs(excess) >= LEAST_BACKGROUND:
        whose = "its" if excess > 0 else "the baseline's"
        told += f", while others took {100 * math.expm1(abs(excess)):.1f} % more of {whose} CPU time"
    return told


def _by_ranks(comparison: Comparison) -> str:
    """Write what signed ranks say, in the sense in which the clause tells the mean."""
    point, low, high = comparison.ranks
    if comparison.scale != "ratio":
        size, interval = written(point, low, high, 0)
        return f"{with_points(size, comparison)}{interval}"
    _, factor, interval = times(point, low, high, beside=comparison.estimate.point)
    return f"{factor}x{interval}"


def _ratio(comparison: Comparison, noun: str, than: str) -> str:
    point, low, high = comparison.estimate.point, comparison.estimate.low, comparison.estimate.high
    if _identical(point - 1, low, high):
        return f"the same {noun}{than.replace(' than ', ' as ')}"
    if abs(point - 1) < UNSEEN and comparison.estimate.n == 1:
        return f"the same {noun}{than.replace(' than ', ' as ')}"
    if abs(point - 1) < UNSEEN:
        return f"{noun} {NEITHER}{than}{written(point, low, high, 1)[1]}"
    word, factor, interval = times(point, low, high)
    if float(factor) == 1:  # to all digits that the interval supports
        return f"about the same {noun}{than.replace(' than ', ' as ')}{interval}"
    return f"{factor}x {word} {noun}{than}{interval}"


def _points(comparison: Comparison, noun: str, than: str) -> str:
    point, low, high = comparison.estimate.point, comparison.estimate.low, comparison.estimate.high
    # Negative, so that a small difference gets no more digits than its interval has.
    size, interval = written(-abs(point), low, high, 0)
    size = size.lstrip("-")
    if _identical(point, low, high):
        return f"the same {noun}{than.replace(' than ', ' as ')}"
    if abs(point) < UNSEEN and comparison.estimate.n == 1:
        return f"the same {noun}{than.replace(' than ', ' as ')}"
    if abs(point) < UNSEEN:
        return f"{noun} {NEITHER}{than}{interval}"
    return f"{noun} {with_points(size, comparison)} {'higher' if point > 0 else 'lower'}{than}{interval}"


def with_points(size: str, comparison: Comparison) -> str:
    """Write a difference with its unit: points of what is a share, and nothing behind any other score."""
    return f"{size} points" if comparison.scale == "points" else size


def _judgement(comparison: Comparison) -> str:
    if comparison.verdict == "not tested":
        # The size of a file that is the same in every pair is known without a test.
        known = comparison.measured.is_exact and comparison.estimate.low == comparison.estimate.high
        return f", {'' if known else 'not tested: '}{comparison.reason}"
    if comparison.verdict == "equivalent" and comparison.margin is not None:
        return f", equivalent within {margin_words(comparison)}"
    if comparison.reason and comparison.estimate.low == comparison.estimate.high:  # identical in all pairs
        return f", {comparison.reason}"
    if comparison.reason:
        return f", {comparison.verdict}: {comparison.reason}"
    if comparison.verdict != "no difference shown":
        return ""
    # The interval is that of one comparison, so it may exclude what all of them together cannot.
    together = f" among {comparison.family} comparisons" if comparison.p_value <= 1 - comparison.level else ""
    return f", no difference shown{together}{_detectable(comparison)}"


def margin_words(comparison: Comparison) -> str:
    """Say within what a difference would not matter: ``"5 %"``, ``"0.5 points"``, ``"0.5"``."""
    margin = comparison.margin or 0.0
    return f"{100 * margin:.3g} %" if comparison.scale == "ratio" else with_points(f"{margin:.3g}", comparison)


def _detectable(comparison: Comparison) -> str:
    size = comparison.smallest_detectable
    if math.isnan(size):
        return ""
    if is_hopeless(comparison):
        return f" ({why_hopeless(comparison)})"
    told = _factor(size) if comparison.scale == "ratio" else with_points(f"{size:.2g}", comparison)
    return f" (smallest detectable: {told})"


def is_hopeless(comparison: Comparison) -> bool:
    """Tell whether so few or so noisy runs could not have shown any difference that there may be."""
    return comparison.smallest_detectable >= HOPELESS_FROM[comparison.scale]


def why_hopeless(comparison: Comparison) -> str:
    """Say why no difference could have been shown."""
    return HOPELESS_SESSIONS if comparison.estimate.method == SESSIONS else HOPELESS


def _left_out(comparison: Comparison) -> str:
    if comparison.left_out == 0:
        return ""
    if not comparison.paired:
        return f", {comparison.left_out} runs left out"
    return f", {comparison.left_out} of {comparison.estimate.n + comparison.left_out} pairs left out"


def _identical(difference: float, low: float, high: float) -> bool:
    """Tell whether setup and baseline agree in all pairs, up to rounding."""
    return low == high and abs(difference) < UNSEEN


def _factor(ratio: float) -> str:
    """Write three significant digits, and of a factor near 1 two of what it has above 1."""
    excess = ratio - 1
    return f"{ratio:.{1 - math.floor(math.log10(excess))}f}x" if 0 < excess < 0.1 else f"{ratio:.3g}x"
