"""When to stop measuring: how narrow the intervals are, and how many runs a target will take."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from significand.analysis.intervals import Sample, mean_t, sample_std
from significand.analysis.ratios import Costs, log_ratios, logs_of
from significand.analysis.turns import beside_baselines
from significand.plan.metrics import LATENCY, METRICS
from significand.plan.options import FEWEST_SEQUENTIAL
from significand.results.table import RunTable, setups_of

if TYPE_CHECKING:
    from significand.plan.experiment import Experiment

MOST_PLANNED = 1_000_000


def ratio_half_width(log_ratios: Sample, level: float = 0.95) -> float:
    """Return how far the interval of a mean log ratio reaches, as a share of the ratio: exp(half-width) - 1.

    Returns
    -------
    float
        NaN with fewer than two values.
    """
    logs = mean_t(log_ratios, level)
    return float(np.expm1(logs.high - logs.point))


def runs_needed(relative_std: float, target: float, level: float = 0.95) -> int | None:
    """Return how many runs make the half-width of the t interval at most `target`, if the spread stays what it is.

    The smallest n with t(n - 1) s / sqrt(n) <= target, s relative to the mean; it falls with n, so it is bisected.

    Parameters
    ----------
    relative_std
        Sample standard deviation divided by the mean, or that of log ratios.
    target
        Half-width divided by the mean.

    Returns
    -------
    int or None
        At least `FEWEST_SEQUENTIAL`; None where more than a million are needed or the spread is not known.
    """
    if not (math.isfinite(relative_std) and target > 0):
        return None

    def is_enough(n: int) -> bool:
        return bool(stdtrit(n - 1, 0.5 + level / 2) * relative_std / math.sqrt(n) <= target)

    low, high = FEWEST_SEQUENTIAL - 1, MOST_PLANNED
    if not is_enough(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


@dataclass(frozen=True)
class Reached:
    """How narrow the intervals of an experiment are, against its target.

    Attributes
    ----------
    half_widths
        By setup: of the ratio to the baseline, or of the mean where there is nothing to compare with, as a share; NaN
        where unknown.
    target
        What is wanted.
    runs_needed
        By setup, how many repeats the target will take if the spread stays; None where that cannot be said.
    metric
        Whose widths they are.
    without_pair
        Setups without a single pair of usable runs.
    """

    half_widths: Mapping[str, float]
    target: float
    runs_needed: Mapping[str, int | None]
    metric: str = "latency"
    without_pair: Collection[str] = ()

    @property
    def is_reached(self) -> bool:
        """Whether every interval is narrow enough."""
        return all(width <= self.target for width in self.half_widths.values())

    @property
    def is_settled(self) -> bool:
        """Whether more repeats are of no use: every interval is narrow enough, or its setup fails in every run."""
        return self.missed.keys() <= set(self.without_pair)

    @property
    def repeats_needed(self) -> int | None:
        """Repeats that the target will take for every setup that has a pair; None where that cannot be said."""
        needed = [number for name, number in self.runs_needed.items() if name not in self.without_pair]
        return None if None in needed else max(filter(None, needed), default=None)

    @property
    def missed(self) -> dict[str, float]:
        """The setups whose intervals are not, and how wide they are."""
        return {name: width for name, width in self.half_widths.items() if not width <= self.target}


def reached(
    costs: Mapping[str, Costs], baselines: Mapping[str, str], target: float, metric: str = "latency"
) -> Reached:
    """Return how narrow the intervals of all ratios to the baselines are.

    Parameters
    ----------
    costs
        By setup.
    baselines
        By setup, the one that it is compared with; where each is its own, the means are looked at.
    target
        Half-width wanted, as a share.
    metric
        What the costs are.
    """
    others = [name for name in costs if baselines[name] != name]
    widths: dict[str, float] = {}
    needed: dict[str, int | None] = {}
    without_pair = []
    for name in others or costs:
        logs = log_ratios(costs[name], costs[baselines[name]]) if others else _logs_of_mean(costs[name])
        if not logs.size:
            without_pair.append(name)
        widths[name] = ratio_half_width(logs)
        needed[name] = runs_needed(sample_std(logs), math.log1p(target))
    return Reached(widths, target, needed, metric, without_pair)


def reached_of(runs: RunTable, experiment: "Experiment") -> Reached | None:
    """Return how narrow the intervals of an experiment's runs are, where they decide when to stop; else None."""
    if experiment.until is None:
        return None
    places = experiment.baselines(setups_of(runs, experiment))
    baselines = {name: runs.setups[place] for name, place in zip(runs.setups, places, strict=True)}
    metric = METRICS[experiment.until_metric]
    values = runs.numbers(metric.column)
    if metric is LATENCY:
        values = beside_baselines(runs, places)
    repeats = runs.counts("repeat")
    rows = {name: runs.rows_of(code) for code, name in enumerate(runs.setups)}
    costs = {name: Costs(repeats[mine], values[mine]) for name, mine in rows.items()}
    return reached(costs, baselines, experiment.until, metric.name)


def _logs_of_mean(costs: Costs) -> NDArray[np.float64]:
    return logs_of(costs.values[(costs.values > 0) & (costs.values < math.inf)])
