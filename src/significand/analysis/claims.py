"""From an experiment's runs to its claims: every setup against its baseline, and the frontier with its uncertainty."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from significand.analysis.background import background_of
from significand.analysis.comparison import Comparison, compare
from significand.analysis.intervals import Estimate
from significand.analysis.pareto import Zone, block_table, select_objectives
from significand.analysis.pareto_bootstrap import FrontierUncertainty, Hypervolume, frontier_uncertainty
from significand.analysis.resplits import overlap_of
from significand.analysis.summary import (
    FACTS,
    MOST_FOR_BOOTSTRAP,
    RATIO_STATISTICS,
    quality_of,
    sources,
    summarise,
)
from significand.analysis.turns import beside_baselines
from significand.plan.indifference import zones_of
from significand.plan.metrics import (
    ACCURACY,
    HELD_OUT,
    LATENCY,
    OF_TRAINING_ALONE,
    SCORES,
    SPECIFIED,
    SPECIFIED_COSTS,
    SUMMARISED,
    of_family,
    scored,
)
from significand.results.records import STATISTICS, Run, column, told_method
from significand.results.table import RunTable, setups_of

if TYPE_CHECKING:
    from significand.plan.experiment import Experiment


@dataclass(frozen=True)
class Claims:
    """What the runs of an experiment say about its setups.

    Attributes
    ----------
    setups, objectives
        Names of the setups, and of the frontier's objectives.
    comparisons
        Every setup against its baseline on every metric: first the primary family of tests, then the further one.
    frontier
        None where it is not defined, and then `frontier_missing` says why.
    score
        What kind of score the accuracies are.
    indifferent
        What does not matter on the frontier, as texts.
    """

    setups: Sequence[str]
    objectives: Sequence[str]
    comparisons: list[Comparison]
    frontier: FrontierUncertainty | None
    frontier_missing: str = ""
    score: str = ACCURACY
    indifferent: Sequence[str] = ()

    @property
    def sought(self) -> str:
        """What the frontier is of, in words: ``"latency and training accuracy"``."""
        return " and ".join(scored(self.score)[name].noun for name in self.objectives)

    @property
    def primary(self) -> list[Comparison]:
        """The comparisons of the primary family."""
        return [one for one in self.comparisons if one.family_name == "primary"]

    @property
    def further(self) -> list[Comparison]:
        """The comparisons of the further family."""
        return [one for one in self.comparisons if one.family_name == "further"]


Found = TypeVar("Found", Estimate, FrontierUncertainty, Hypervolume)


LAST_FACTS = {
    "interval_method": (
        "t, of test_accuracy widened for re-splits of one table; sequential t where intervals ended the experiment",
        "",
    ),
    "p_on_pareto_frontier": (
        "probability of being on the frontier of latency and accuracy (held-out if not trained)",
        "1",
    ),
    "score_kind": (
        f"what the accuracies are: {', '.join(SCORES)}; all but accuracy and agreement are in their own unit",
        "",
    ),
    "made_up_inputs": ("whether the network's inputs are made up", ""),
}
"""The last columns of summary_stats: what each means, and its unit."""


def compare_setups(
    runs: RunTable,
    baselines: Sequence[int],
    *,
    metrics: Sequence[str] = of_family("primary"),
    margin: float | None = None,
    accuracy_margin: float | None = None,
    score: str = ACCURACY,
    resolution_of: Mapping[str, float] = MappingProxyType({}),
) -> list[Comparison]:
    """Compare every setup with its baseline on every one of these metrics, paired by repeat, and judge all together.

    Latencies, and what follows from them alone, are paired round by round: see `significand.analysis.turns`.

    Parameters
    ----------
    runs
        Of one experiment on one host; failed ones are left out.
    baselines
        For each of the table's setups, the index of the one that it is compared with.
    metrics
        Names from `significand.plan.metrics.METRICS`.
    margin
        Costs whose ratio is surely within 1 / (1 + margin) and 1 + margin are called equivalent.
    accuracy_margin
        The same for accuracies, in percentage points, and for other scores, in their own unit.
    score
        What kind of score the accuracies are, a key of `significand.plan.metrics.SCORES`.
    resolution_of
        As for `significand.analysis.comparison.compare`.
    """
    kinds = scored(score)
    sizes = {"ratio": margin, "points": accuracy_margin, "difference": accuracy_margin}
    margins = {name: size for name in metrics if (size := sizes[kinds[name].scale]) is not None}
    beside_s = beside_baselines(runs, baselines)
    own_s = runs.numbers(LATENCY.column)
    usable = (beside_s > 0) & (own_s > 0)
    longer = np.divide(beside_s, own_s, out=np.full(len(runs), math.nan), where=usable)
    values = {name: runs.numbers(kinds[name].column) for name in metrics}
    for metric in map(kinds.__getitem__, metrics):
        if metric is LATENCY:
            values[metric.name] = beside_s
        elif power := metric.power_of_latency:
            values[metric.name] = values[metric.name] * longer**power
        elif metric.may_be_estimated:
            values[metric.name] = _of_one_source(runs, values[metric.name], baselines)
    finished = runs.finished
    comparisons = compare(
        {name: column[finished] for name, column in values.items()},
        setups=runs.codes[finished],
        blocks=np.unique(runs.counts("repeat")[finished], return_inverse=True)[1],
        names=runs.setups,
        baselines=baselines,
        margins=margins,
        energy_measured=bool((runs.texts("energy_kind").filter(pl.Series(finished)) == "measured").all()),
        score=score,
        overlaps={HELD_OUT: overlap_of(runs)},
        resolution_of=resolution_of,
        constructed=dict.fromkeys(OF_TRAINING_ALONE, _trained_alike(runs, baselines)),
    )
    background = dict(zip(runs.setups, background_of(runs, baselines).tolist(), strict=True))
    return [
        replace(one, background=background[one.setup]) if one.metric == "train_time" else one for one in comparisons
    ]


TRAINED_BY = ("training_precision", "options", "device", "batch_size", "threads", "variant")
"""Columns of runs that make their training what it is; engines only infer."""


def _trained_alike(runs: RunTable, baselines: Sequence[int]) -> list[int]:
    """Return the setups whose training is, step by step, that of their baselines: only what follows differs."""
    alike = []
    for setup, baseline in enumerate(baselines):
        sides = [runs.rows_of(one)[:1] for one in (setup, baseline)]
        if setup == baseline or not all(map(len, sides)):
            continue
        own, other = (runs.frame[list(TRAINED_BY)].row(int(side[0])) for side in sides)
        if own[0] and own == other:
            alike.append(setup)
    return alike


def _of_one_source(runs: RunTable, values: NDArray[np.float64], baselines: Sequence[int]) -> NDArray[np.float64]:
    """Return energies; NaN where a setup and its baseline have them from several counters or estimates."""
    known = values.copy()
    for setup, baseline in enumerate(baselines):
        rows = runs.rows_of(setup)
        if sources(runs, np.concatenate([rows, runs.rows_of(baseline)])) > 1:
            known[rows] = math.nan
    return known


def frontier_of(
    runs: RunTable, names: Sequence[str], indifferent: Mapping[str, float] = MappingProxyType({})
) -> FrontierUncertainty:
    """Return the frontier of the setups, by their means and with the probabilities that the repeats leave open.

    Parameters
    ----------
    runs
        Of one experiment on one host; failed ones are left out.
    names
        Objectives, as `significand.analysis.pareto.select_objectives` takes them.
    indifferent
        By objective, the difference that does not matter; see `significand.plan.indifference.zones_of`.

    Raises
    ------
    ValueError
        Where energy is an objective although it is an estimate.
    """
    finished = runs.finished
    objectives = select_objectives(names, runs.texts("energy_kind").filter(pl.Series(finished)).unique().to_list())
    repeats, blocks = np.unique(runs.counts("repeat"), return_inverse=True)
    table = block_table(
        np.column_stack([runs.numbers(one.column)[finished] for one in objectives]),
        blocks[finished],
        runs.codes[finished],
        (len(repeats), len(runs.setups)),
    )
    overlaps = [overlap_of(runs) if one.name == HELD_OUT else 0.0 for one in objectives]
    sizes = [(one, indifferent.get(one.name, 0.0)) for one in objectives]
    zones = [Zone(share=size) if one.scale == "ratio" else Zone(size=size) for one, size in sizes]
    return frontier_uncertainty(table, [not one.lower_is_better for one in objectives], overlaps=overlaps, zones=zones)


def claims_of(
    runs: RunTable,
    experiment: "Experiment",
    score: str = ACCURACY,
    resolution_of: Mapping[str, float] = MappingProxyType({}),
) -> Claims:
    """Return everything that an experiment's runs say, as its fields ask for it; the rest as of `compare`."""
    baselines = experiment.baselines(setups_of(runs, experiment))
    primary, further = (
        compare_setups(
            runs,
            baselines,
            metrics=metrics,
            margin=experiment.margin,
            accuracy_margin=experiment.accuracy_margin,
            score=score,
            resolution_of=resolution_of,
        )
        for metrics in (of_family("primary"), of_family("further"))
    )
    comparisons = [*primary, *(replace(one, family_name="further") for one in further)]
    frontier, missing = None, ""
    try:
        zones = zones_of(experiment.indifferent, points=SCORES[score].scale == "points")
        frontier = frontier_of(runs, experiment.objectives, zones)
    except ValueError as error:
        missing = str(error)
    if experiment.until is not None:  # stopped by the look of the intervals
        comparisons = sequential(comparisons)
        if frontier:
            frontier = replace(_sequential(frontier), hypervolume=_sequential(frontier.hypervolume))
    return Claims(
        runs.setups, experiment.objectives, comparisons, frontier, missing, score, tuple(experiment.indifferent)
    )


def sequential(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return comparisons of what was measured until the intervals were narrow enough, marked as such."""
    return [replace(one, estimate=_sequential(one.estimate)) for one in comparisons]


def _sequential(found: Found) -> Found:
    return replace(found, sequential=True)


def summary_rows(
    runs: RunTable, experiment: "Experiment", claims: Claims, *, made_up: bool = False
) -> list[dict[str, object]]:
    """Return one row of summary_stats per setup; `made_up` tells whether the network's inputs are."""
    setups = setups_of(runs, experiment)
    objectives = (LATENCY.name, quality_of(runs))
    is_sought = tuple(experiment.objectives) == objectives and not experiment.indifferent
    frontier = (claims.frontier if is_sought else None) or frontier_of(runs, objectives)
    return [
        summary.to_row()
        | {"interval_method": told_method("t", sequential=experiment.until is not None)}
        | {"p_on_pareto_frontier": likely, "score_kind": claims.score, "made_up_inputs": made_up}
        for summary, likely in zip(
            summarise(runs, setups, experiment.baselines(setups)), frontier.p_on_frontier.tolist(), strict=True
        )
    ]


def summary_columns() -> dict[str, tuple[str, str]]:
    """Return every column of summary_stats in order: what it means, and its unit."""
    units = {column.name: str(column.metadata["unit"]) for column in fields(Run)}
    specified = list(STATISTICS)[:3]
    columns = {"precision_mode": ("the precision mode asked for", ""), "repeats": ("finished runs", "")}
    for names in (specified, list(STATISTICS)[3:]):
        for metric in SUMMARISED:
            columns |= {
                f"{metric.name}_{name}": (
                    f"{metric.column}: {STATISTICS[name]}",
                    "1" if name == "median_ci_level" else units[metric.column],
                )
                for name in names
            }
    columns |= FACTS
    for cost in SPECIFIED_COSTS:
        columns |= {f"{cost.name}_{name}": (f"{cost.name}: {told}", "1") for name, told in RATIO_STATISTICS.items()}
    for metric in SPECIFIED:
        for end, bound in (
            ("low", "lower bound of the bootstrap-t interval of the mean at 95 %"),
            ("high", "its upper bound"),
        ):
            told = f"{metric.column}: {bound}" + (
                f"; none below ten runs or above {MOST_FOR_BOOTSTRAP:,}" if end == "low" else ""
            )
            columns[f"{metric.name}_ci95_bootstrap_t_{end}"] = (told, units[metric.column])
    return columns | LAST_FACTS


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """One line of comparisons.csv: its columns in order."""

    metric: str = column("what is compared", default="")
    precision_mode: str = column("the setup, by its name", default="")
    baseline: str = column("the setup that it is compared with", default="")
    scale: str = column(
        "ratio: setup over baseline; points: setup minus baseline, in percentage points; difference: the same of a "
        "score that is no share, in its own unit",
        default="",
    )
    estimate: float = column(
        "mean over pairs: geometric of ratios, arithmetic of others", "1, points or the score's, by scale"
    )
    low: float = column(
        "lower bound of its interval, which is not widened for the other comparisons",
        "1, points or the score's, by scale",
    )
    high: float = column("its upper bound", "1, points or the score's, by scale")
    level: float = column("confidence level of the interval; 1 - level is what all tests of a family share", "1")
    method: str = column(
        "how the interval was made: t, Welch t, t for re-splits or for dependent repeats (both widened), t over "
        "sessions, or sequential before one",
        default="",
    )
    n: int = column("pairs behind it; runs of both sides where runs are not paired", default=0)
    paired: bool = column("whether runs were compared repeat by repeat", default=False)
    left_out: int = column("pairs of which a side failed, is missing or has no usable number", default=0)
    p_value: float = column("two-sided p-value of no difference, of this test alone; empty where none was made", "1")
    p_adjusted: float = column("the same by Holm's method among the tests of its family", "1")
    p_equivalence: float = column(
        "p-value of a difference of at least the margin, by Holm's method; empty without one", "1"
    )
    family: str = column(
        "primary: latency, training time, memory, energy and accuracies; further: all others, judged apart", default=""
    )
    tests_in_family: int = column("tests of no difference made together", default=0)
    verdict: str = column("better, worse, no difference shown, equivalent or not tested", default="")
    smallest_detectable: float = column(
        "difference that these data would have shown with 80 % power: a ratio above 1, points or a difference",
        "1, points or the score's, by scale",
    )
    margin: float = column(
        "equivalence margin: a share of a cost, points or a difference; empty without one",
        "1, points or the score's, by scale",
    )
    reason: str = column("why there is no test, or what is unusual", default="")
    lag1: float = column("correlation of the differences of neighbouring repeats; empty below five", "1")
    rank_estimate: float = column(
        "a second opinion: Hodges and Lehmann's estimate, the median of the averages of every two pairs; none of more "
        "than 400",
        "1, points or the score's, by scale",
    )
    rank_low: float = column(
        "lower bound of its interval, by Wilcoxon's signed ranks, at 94 % for a level of 95 %; empty below five pairs. "
        "A cost is better or worse only where it leaves out 1",
        "1, points or the score's, by scale",
    )
    rank_high: float = column("its upper bound", "1, points or the score's, by scale")
    background: float = column(
        "by what the share of the CPUs that others still took multiplies the ratio of training times", "1"
    )

    @classmethod
    def of(cls, comparison: Comparison) -> "ComparisonRow":
        """Return a comparison as a line."""
        estimate = comparison.estimate
        return cls(
            metric=comparison.metric,
            precision_mode=comparison.setup,
            baseline=comparison.baseline,
            scale=comparison.scale,
            estimate=estimate.point,
            low=estimate.low,
            high=estimate.high,
            level=estimate.level,
            method=estimate.told_method,
            n=estimate.n,
            paired=comparison.paired,
            left_out=comparison.left_out,
            p_value=comparison.p_value,
            p_adjusted=comparison.p_adjusted,
            p_equivalence=comparison.p_equivalence,
            family=comparison.family_name,
            tests_in_family=comparison.family,
            verdict=comparison.verdict,
            smallest_detectable=comparison.smallest_detectable,
            margin=math.nan if comparison.margin is None else comparison.margin,
            reason=comparison.reason,
            lag1=comparison.lag1,
            background=comparison.background,
            **dict(zip(("rank_estimate", "rank_low", "rank_high"), comparison.ranks, strict=True)),
        )


def comparison_row(comparison: Comparison) -> dict[str, object]:
    """Return a comparison as one flat row of comparisons.csv."""
    return asdict(ComparisonRow.of(comparison))
