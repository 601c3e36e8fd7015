"""Whether a comparison of two result folders, or of two environments in one folder, lets a change pass."""

import math
from collections.abc import Sequence
from typing import Literal

from significand.analysis.claims import Claims
from significand.analysis.comparison import ESTIMATED_ENERGY, Comparison
from significand.analysis.measures import band
from significand.answers.compare import FolderComparison
from significand.plan.metrics import METRICS

FailOn = Literal["worse", "different"]


def failing(result: FolderComparison | Claims, fail_on: FailOn, *, headlines_alone: bool = False) -> list[Comparison]:
    """Return the comparisons that make a gate fail; of headlines alone, as folders are compared by, where asked.

    Those whose verdict is worse (or also better, where anything ``"different"`` fails) and whose whole interval lies
    beyond the margin; without a margin, every such verdict. So a difference that may as well be smaller than the
    margin passes, even if its verdict is worse; where it is exactly the margin, the gate fails by chance with 2.5 % for
    each comparison. What changed by the same in all of several runs has no spread to test against and no verdict: it is
    beyond the margin or it is not. So is the size of a model, a fact of its file, even of a single run.
    """
    some = [one for one in result.comparisons if one.measured.is_headline or not headlines_alone]
    return [one for one in some if _is_beyond(one, fail_on)]


def unjudged_setups(claims: Claims) -> list[str]:
    """Return the setups of which no headline is judged although they have a baseline; as `unjudged` of one folder."""
    by_setup: dict[str, list[Comparison]] = {}
    for one in claims.comparisons:
        if one.measured.is_headline:
            by_setup.setdefault(one.setup, []).append(one)
    return [setup for setup, some in by_setup.items() if not _is_judged(some)]


def unjudged(result: FolderComparison) -> list[str]:
    """Return the modes of which nothing is judged, so that a gate that holds means nothing for them.

    The size of a model is a judgement only where nothing else was asked for: it says nothing of the rest.
    """
    return [mode for mode in result.modes() if not _is_judged(result.of_mode(mode))] + list(result.unreached)


def _is_judged(comparisons: Sequence[Comparison]) -> bool:
    decisive = [one for one in comparisons if not METRICS[one.metric].is_exact] or comparisons
    return any(one.verdict != "not tested" or _is_exact(one) for one in decisive)


def _is_beyond(comparison: Comparison, fail_on: FailOn) -> bool:
    verdicts = ("worse", "better") if fail_on == "different" else ("worse",)
    if comparison.verdict not in verdicts and not _is_exact(comparison):
        return False
    metric, estimate = METRICS[comparison.metric], comparison.estimate
    bounds = (estimate.point, estimate.point) if _is_exact(comparison) else (estimate.low, estimate.high)
    within = 0.0 if comparison.margin is None else band(metric, comparison.margin)
    signed = [_log(bound) if metric.scale == "ratio" else bound for bound in bounds]
    worsened = sorted(signed if metric.lower_is_better else [-bound for bound in signed])
    return worsened[0] > within or (fail_on == "different" and worsened[1] < -within)


def _is_exact(comparison: Comparison) -> bool:
    """Tell whether it is untested only because it has no spread to test against, and needs none."""
    estimate = comparison.estimate
    if comparison.verdict != "not tested" or comparison.reason == ESTIMATED_ENERGY or not math.isfinite(estimate.point):
        return False
    single = math.isnan(estimate.low)
    return estimate.low == estimate.high or (single and METRICS[comparison.metric].is_exact)


def _log(ratio: float) -> float:
    return math.log(ratio) if ratio > 0 else -math.inf
