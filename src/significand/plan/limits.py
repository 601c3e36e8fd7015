"""Limits on metrics, as ``memory=50MB`` or ``latency=2ms``: read and written, with the units that a metric has."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from significand.plan.kinds import REAL
from significand.plan.metrics import METRICS, NO_UNIT, Metric
from significand.plan.pairs import Pairs
from significand.plan.problems import nearest, shown

OTHER_SPELLINGS = {"us": "µs", "μs": "µs", "KB": "kB", "uJ": "µJ", "μJ": "µJ"}
"""Of units: without the micro sign, with the Greek letter, and kilo as most people write it."""

_ANY_SCORE = {name: replace(one, units=one.units + NO_UNIT) if one.part else one for name, one in METRICS.items()}
"""Metrics before it is known what kind of score a network has: it may be a share or a plain number."""

_NUMBER = re.compile(r"[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Limits(Pairs):
    """Values that metrics may reach at most; those of which more is better, at least."""

    wanted = "no limit; give metric=value, such as memory=50MB"
    twice = "limited"

    def pair(self, part: str) -> tuple[str, str]:
        """Return the metric, and the part as it was given."""
        metric, _ = limit_of(part, _ANY_SCORE)
        return metric.name, "=".join(piece.strip() for piece in part.split("="))


def limit_of(text: str, metrics: Mapping[str, Metric] = METRICS) -> tuple[Metric, float]:
    """Return a metric and what it is limited to, in the unit of its column.

    Parameters
    ----------
    text
        As ``"memory=50MB"``.
    metrics
        What each metric is; see `significand.plan.metrics.scored`.

    Raises
    ------
    ValueError
        Where it is none, its metric is not known, or its unit does not fit.
    """
    name, equals, bound = (piece.strip() for piece in text.partition("="))
    name = name.replace("-", "_")
    if not equals:
        raise ValueError(f"{shown(text)} is no limit; give metric=value, such as memory=50MB")
    if name not in metrics:
        raise ValueError(f"{shown(name)} is not a metric{nearest(name, metrics)}; allowed: {', '.join(metrics)}")
    metric = metrics[name]
    units = {unit: size for size, unit in metric.units}
    number = _NUMBER.match(bound)
    unit = bound[number.end() :].strip() if number else ""
    unit = OTHER_SPELLINGS.get(unit, unit)
    example = f"{name}={_example(metric)}"
    if number is None or not REAL.fullmatch(number[0]):
        raise ValueError(f"{shown(text)} has no number; give {example}")
    if unit not in units:
        told = f"the unit {shown(unit)}, which is none of {metric.noun}" if unit else "no unit"
        listed = ", ".join(filter(None, units)) or "none"
        raise ValueError(f"{shown(text)} has {told}; allowed: {listed}: give {example}")
    limit = float(number[0]) * units[unit]
    if not (0 < limit < math.inf) and metric.scale == "ratio":
        raise ValueError(f"{shown(text)} can be kept by nothing; give a limit above 0, such as {example}")
    return metric, limit


def _example(metric: Metric) -> str:
    return f"{'90' if metric.scale == 'points' else '2'}{metric.units[-2 if len(metric.units) > 2 else -1][1]}"
