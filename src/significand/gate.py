"""Whether a comparison of two result folders lets a change pass."""

import math
from typing import Literal

from significand.analysis.comparison import Comparison
from significand.analysis.measures import MEASURES
from significand.compare import FolderComparison

FailOn = Literal["worse", "different"]


def failing(result: FolderComparison, fail_on: FailOn) -> list[Comparison]:
    """Return the comparisons that make a gate fail.

    Those whose verdict is worse (or also better, where anything ``"different"`` fails) and whose whole interval lies
    beyond the margin; without a margin, every such verdict. So a difference that may as well be smaller than the
    margin passes, even if its verdict is worse; where it is exactly the margin, the gate fails by chance with 2.5 % for
    each comparison. The size of a model is a fact of its file: where it has no spread, it is beyond the margin or it is
    not.
    """
    return [one for one in result.comparisons if _is_beyond(one, fail_on)]


def is_judged(result: FolderComparison) -> bool:
    """Tell whether any comparison has a verdict, so that a gate that holds means something."""
    return any(one.verdict != "not tested" or _is_exact(one) for one in result.comparisons)


def _is_beyond(comparison: Comparison, fail_on: FailOn) -> bool:
    verdicts = ("worse", "better") if fail_on == "different" else ("worse",)
    if comparison.verdict not in verdicts and not _is_exact(comparison):
        return False
    measure, estimate = MEASURES[comparison.metric], comparison.estimate
    bounds = (estimate.point, estimate.point) if _is_exact(comparison) else (estimate.low, estimate.high)
    band = 0.0 if comparison.margin is None else measure.band(comparison.margin)
    signed = [_log(bound) if measure.scale == "ratio" else bound for bound in bounds]
    worsened = sorted(signed if measure.lower_is_better else [-bound for bound in signed])
    return worsened[0] > band or (fail_on == "different" and worsened[1] < -band)


def _is_exact(comparison: Comparison) -> bool:
    """Tell whether it is untested only because it has no spread to test against, and needs none."""
    estimate = comparison.estimate
    constant = math.isnan(estimate.low) or estimate.low == estimate.high
    return (
        comparison.metric == "model_size"
        and comparison.verdict == "not tested"
        and constant
        and math.isfinite(estimate.point)
    )


def _log(ratio: float) -> float:
    return math.log(ratio) if ratio > 0 else -math.inf
