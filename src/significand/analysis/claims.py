"""From an experiment's runs to its claims: every mode against the baseline, and the frontier with its uncertainty."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from significand.analysis.comparison import Comparison, compare
from significand.analysis.pareto import block_table, select_objectives
from significand.analysis.pareto_bootstrap import FrontierUncertainty, frontier_uncertainty
from significand.analysis.summary import FURTHER_METRICS, SPECIFIED_METRICS, default_baseline, summarise
from significand.results.records import Run

if TYPE_CHECKING:
    from significand.plan.experiment import Experiment


@dataclass(frozen=True)
class Claims:
    """What the runs of an experiment say about its modes.

    Attributes
    ----------
    modes, objectives
        Names of the precision modes, and of the frontier's objectives.
    comparisons
        Every mode against the baseline on every compared metric.
    frontier
        None where it is not defined, and then `frontier_missing` says why.
    """

    modes: Sequence[str]
    objectives: Sequence[str]
    comparisons: list[Comparison]
    frontier: FrontierUncertainty | None
    frontier_missing: str = ""


SPECIFIED_OBJECTIVES = ("latency", "accuracy")
"""Of the frontier whose probabilities stand in the summary rows."""

COMPARED = ("latency", "train_time", "memory", "energy", "accuracy", "test_accuracy")
"""Metrics that are judged together; each further one would make it harder for all to be shown as different."""


def compare_modes(
    runs: Sequence[Run],
    modes: Sequence[str],
    baseline: str,
    *,
    margin: float | None = None,
    accuracy_margin: float | None = None,
) -> list[Comparison]:
    """Compare every mode with the baseline on every compared metric, paired by repeat.

    Parameters
    ----------
    runs
        Of one experiment on one host; failed ones are left out.
    modes, baseline
        Names of the precision modes, and the one that the others are compared with.
    margin
        Costs whose ratio is surely within 1 / (1 + margin) and 1 + margin are called equivalent.
    accuracy_margin
        The same for accuracies, in percentage points.
    """
    finished = [run for run in runs if run.finished]
    columns = SPECIFIED_METRICS | FURTHER_METRICS
    margins: dict[str, float] = {}
    for metric in COMPARED:
        size = accuracy_margin if "accuracy" in metric else margin
        if size is not None:
            margins[metric] = size
    return compare(
        {metric: [getattr(run, columns[metric]) for run in finished] for metric in COMPARED},
        setups=np.array([modes.index(run.precision_mode) for run in finished], dtype=np.int64),
        blocks=np.array([run.repeat for run in finished], dtype=np.int64),
        names=modes,
        baselines=modes.index(baseline),
        margins=margins,
        energy_measured=all(run.energy_kind == "measured" for run in finished),
    )


def frontier_of(runs: Sequence[Run], modes: Sequence[str], names: Sequence[str]) -> FrontierUncertainty:
    """Return the frontier of the modes, by their means and with the probabilities that the repeats leave open.

    Parameters
    ----------
    runs
        Of one experiment on one host; failed ones are left out.
    modes
        Names of the precision modes.
    names
        Objectives, as `significand.analysis.pareto.select_objectives` takes them.

    Raises
    ------
    ValueError
        Where energy is an objective although it is an estimate.
    """
    finished = [run for run in runs if run.finished]
    objectives = select_objectives(names, {run.energy_kind for run in finished})
    repeats = sorted({run.repeat for run in runs})
    table = block_table(
        np.array([[getattr(run, one.column) for one in objectives] for run in finished]).reshape(-1, len(objectives)),
        [repeats.index(run.repeat) for run in finished],
        [modes.index(run.precision_mode) for run in finished],
        (len(repeats), len(modes)),
    )
    return frontier_uncertainty(table, [one.maximise for one in objectives])


def claims_of(runs: Sequence[Run], experiment: "Experiment") -> Claims:
    """Return everything that an experiment's runs say, as its fields ask for it."""
    modes = experiment.precision_modes
    comparisons = compare_modes(
        runs,
        modes,
        experiment.baseline or default_baseline(modes),
        margin=experiment.margin,
        accuracy_margin=experiment.accuracy_margin,
    )
    if experiment.until is not None:  # stopped by the look of the intervals
        comparisons = [replace(one, estimate=replace(one.estimate, method="sequential t")) for one in comparisons]
    try:
        return Claims(modes, experiment.objectives, comparisons, frontier_of(runs, modes, experiment.objectives))
    except ValueError as error:
        return Claims(modes, experiment.objectives, comparisons, None, str(error))


def summary_rows(runs: Sequence[Run], experiment: "Experiment", claims: Claims) -> list[dict[str, object]]:
    """Return one row of summary_stats per precision mode."""
    modes = experiment.precision_modes
    likely: dict[str, float] = {}
    if claims.frontier and tuple(experiment.objectives) == SPECIFIED_OBJECTIVES:
        likely = dict(zip(modes, claims.frontier.p_on_frontier.tolist(), strict=True))
    return [
        summary.to_row()
        | {"interval_method": "t" if experiment.until is None else "sequential t"}
        | {"p_on_pareto_frontier": likely.get(summary.precision_mode, math.nan)}
        for summary in summarise(runs, modes, experiment.baseline)
    ]


def comparison_row(comparison: Comparison) -> dict[str, object]:
    """Return a comparison as one flat row of comparisons.csv."""
    estimate = comparison.estimate
    return {
        "metric": comparison.metric,
        "precision_mode": comparison.setup,
        "baseline": comparison.baseline,
        "scale": comparison.scale,
        "estimate": estimate.point,
        "low": estimate.low,
        "high": estimate.high,
        "level": estimate.level,
        "method": estimate.method,
        "n": estimate.n,
        "paired": comparison.paired,
        "left_out": comparison.left_out,
        "p_value": comparison.p_value,
        "p_adjusted": comparison.p_adjusted,
        "p_equivalence": comparison.p_equivalence,
        "tests_in_family": comparison.family,
        "verdict": comparison.verdict,
        "smallest_detectable": comparison.smallest_detectable,
        "margin": comparison.margin,
        "reason": comparison.reason,
    }
