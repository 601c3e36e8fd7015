"""From runs to one summary per setup."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from significand.analysis.intervals import (
    ci95_half_width,
    finite,
    mean,
    mean_bootstrap_t,
    mean_t,
    median_exact,
    sample_std,
)
from significand.analysis.pareto import frontier
from significand.analysis.ratios import Costs, paired_ratio
from significand.analysis.resplits import overlap_of
from significand.analysis.turns import beside_baselines
from significand.plan.metrics import LATENCY, METRICS, SPECIFIED, SPECIFIED_COSTS, SUMMARISED, Metric
from significand.plan.phrases import BETWEEN_RUNS
from significand.plan.setup import Setup
from significand.results.records import MetricSummary, Summary
from significand.results.table import Rows, RunTable

FACTS = {
    "failed_runs": ("runs that failed; they are in no other number", ""),
    "setup": ("name of the setup: its precision, and its values on the other axes that vary", ""),
    "engine": ("what executed the trained network", ""),
    "device": ("where it ran", ""),
    "options": ("what model() was called with; empty where with nothing", ""),
    "batch_size": ("samples per training step and per inference call", ""),
    "threads": ("threads of training and engine", ""),
    "calibration_samples": ("training examples that scales were taken from, at most; empty where none were", ""),
    "variant": ("the environment, here or other, where setups are held against another one; else empty", ""),
    "training_precision": ("what training computed in", ""),
    "effective_precision": ("what inference really computed in", ""),
    "effective_shares": ("shares of the multiply-adds in these formats", "1"),
    "precision_note": ("why that is not what was asked for, or what else to know", ""),
    "rounding_flag": ("what is odd where the output error does not fit the formats", ""),
    "energy_kind": ("measured or estimated", ""),
    "energy_source": ("the counter, or what the estimate rests on", ""),
    "energy_domains": ("what the counter covers", ""),
    "energy_assumptions": ("what an estimate assumed, what was subtracted, why a number is missing", ""),
    "memory_method": ("how the peaks were found", ""),
    "steps": ("measured steps of all finished runs", ""),
    "disturbed_steps": ("of these, steps that stayed disturbed by others and are in the numbers all the same", ""),
    "unknown_steps": ("of these, steps of which nobody can tell", ""),
    "remeasured_steps": ("of these, steps that were measured more than once", ""),
    "others_share": ("share of the CPU time the counted steps needed that others took, mean over runs", "1"),
    "unsteady_runs": ("runs whose latency rounds came to no steady state", ""),
    "steady_reason": ("what kept them from it", ""),
    "on_pareto_frontier": (
        "whether no other is as good in mean latency and mean accuracy (held-out if not trained) and better in one",
        "",
    ),
    "ratio_baseline": ("the setup that the ratios below are to", ""),
}
"""Columns of summary_stats that are no statistic of a metric: what each means, and its unit. Where the runs do not
agree on a text, it holds all of theirs, separated by ``|``."""

RATIO_STATISTICS = {
    "ratio": "ratio to the baseline, paired by repeat: a geometric mean; of latency, each repeat's is the median over "
    "rounds",
    "ratio_ci95_t_low": "lower bound of its 95 % t interval, of log ratios",
    "ratio_ci95_t_high": "its upper bound",
}
"""What the columns ``<cost>_<statistic>`` of summary_stats are, for each of `SPECIFIED_COSTS`; without unit."""

COMMON_FACTS = (
    "training_precision",
    "effective_precision",
    "effective_shares",
    "precision_note",
    "rounding_flag",
    "energy_kind",
    "energy_source",
    "energy_domains",
    "energy_assumptions",
    "memory_method",
)
"""Of the facts, texts of the finished runs."""

COUNTED_FACTS = ("steps", "disturbed_steps", "unknown_steps", "remeasured_steps")
"""Of the facts, sums over the finished runs."""

BOOTSTRAP_RESAMPLES = 999
"""Fewer than the 9,999 of a single estimate: five metrics of every setup are resampled after each experiment."""

MOST_FOR_BOOTSTRAP = 2_000
"""Of so many runs the bootstrap-t is the t interval but for its own chance, and resampling more would take minutes."""


def summarise(runs: RunTable, setups: Sequence[Setup], baselines: Sequence[int]) -> list[Summary]:
    """Return one summary per setup, in the order of the table's setups.

    Failed runs count in `failed_runs` and nowhere else. Ratios are paired by repeat with the baseline of each setup,
    given by its index. With no finished run every number is NaN.
    """
    beside_s = beside_baselines(runs, baselines)
    every = [runs.rows_of(code, finished=False) for code in range(len(runs.setups))]
    finished = [rows[runs.finished[rows]] for rows in every]
    overlap = overlap_of(runs)
    metrics = [_metrics(runs, rows, overlap) for rows in finished]
    on_frontier = frontier(
        *([of_setup[name].mean for of_setup in metrics] for name in (LATENCY.name, quality_of(runs)))
    )
    return [
        Summary(
            precision_mode=setup.precision,
            repeats=len(rows),
            metrics=of_setup,
            facts={
                **_facts(runs, setup, rows, all_rows),
                "on_pareto_frontier": bool(on),
                "ratio_baseline": runs.setups[baseline],
                **_ratios(runs, rows, finished[baseline], beside_s),
                **_bootstrap_intervals(runs, rows),
            },
        )
        for setup, baseline, rows, all_rows, of_setup, on in zip(
            setups, baselines, finished, every, metrics, on_frontier, strict=True
        )
    ]


def quality_of(runs: RunTable) -> str:
    """Return which metric says how good the setups are: that of training where there is one, else the held-out one."""
    trained, held_out = (
        bool(np.isfinite(runs.numbers(METRICS[name].column)[runs.finished]).any())
        for name in ("accuracy", "test_accuracy")
    )
    return "test_accuracy" if held_out and not trained else "accuracy"


def _facts(runs: RunTable, setup: Setup, rows: Rows, all_rows: Rows) -> dict[str, object]:
    """Return what is not a mean, of the finished runs of a setup and of all."""
    unsteady = rows[runs.unsteady[rows]]
    return {
        "failed_runs": len(all_rows) - len(rows),
        "setup": setup.name,
        "engine": setup.engine,
        "device": setup.device,
        "options": setup.options,
        "batch_size": setup.batch_size,
        "threads": setup.threads,
        "calibration_samples": setup.calibration_samples,
        "variant": setup.variant,
        **{name: _common(runs, rows, name) for name in COMMON_FACTS},
        **{name: int(runs.counts(name)[rows].sum()) for name in COUNTED_FACTS},
        "others_share": mean(runs.numbers("others_share")[rows]),
        "unsteady_runs": len(unsteady),
        "steady_reason": _common(runs, unsteady, "steady_reason"),
    }


def _metrics(runs: RunTable, rows: Rows, overlap: float) -> dict[str, MetricSummary]:
    return {
        metric.name: _metric(_values(runs, rows, metric), overlap if metric.part == "test" else 0.0)
        for metric in SUMMARISED
    }


def _values(runs: RunTable, rows: Rows, metric: Metric) -> NDArray[np.float64]:
    """Return a metric of the runs; nothing where it is measured in some and estimated in others: that has no mean."""
    if metric.may_be_estimated and sources(runs, rows) > 1:
        return np.empty(0)
    return runs.numbers(metric.column)[rows]


def sources(runs: RunTable, rows: Rows) -> int:
    """Count the different counters and estimates that the runs have their energies from."""
    return np.unique(runs.energy_sources[rows]).size


def _bootstrap_intervals(runs: RunTable, rows: Rows) -> dict[str, float]:
    """Return the bootstrap-t intervals of the specified metrics; NaN with fewer runs than they need, or many."""
    row: dict[str, float] = {}
    for metric in SPECIFIED:
        values = _values(runs, rows, metric)
        low = high = math.nan
        if values.size <= MOST_FOR_BOOTSTRAP:
            estimate = mean_bootstrap_t(values, resamples=BOOTSTRAP_RESAMPLES)
            low, high = estimate.low, estimate.high
        row |= {f"{metric.name}_ci95_bootstrap_t_low": low, f"{metric.name}_ci95_bootstrap_t_high": high}
    return row


def _metric(values: NDArray[np.float64], overlap: float) -> MetricSummary:
    t, median, known = mean_t(values, overlap=overlap), median_exact(values), finite(values)
    return MetricSummary(
        mean=mean(values),
        std=sample_std(values),
        ci95=ci95_half_width(values),
        ci95_t_low=t.low,
        ci95_t_high=t.high,
        median=median.point,
        median_ci_low=median.low,
        median_ci_high=median.high,
        median_ci_level=median.level if math.isfinite(median.low) else math.nan,
        min=float(known.min()) if known.size else math.nan,
        max=float(known.max()) if known.size else math.nan,
    )


def _ratios(runs: RunTable, rows: Rows, references: Rows, beside_s: NDArray[np.float64]) -> dict[str, float]:
    row: dict[str, float] = {}
    repeats = runs.counts("repeat")
    same_source = sources(runs, np.concatenate([rows, references])) <= 1
    for metric in SPECIFIED_COSTS:
        compared = rows if same_source or not metric.may_be_estimated else rows[:0]
        values = runs.numbers(metric.column)
        own = beside_s if metric is LATENCY else values
        ratio = paired_ratio(Costs(repeats[compared], own[compared]), Costs(repeats[references], values[references]))
        row |= {
            f"{metric.name}_ratio": ratio.point,
            f"{metric.name}_ratio_ci95_t_low": ratio.low,
            f"{metric.name}_ratio_ci95_t_high": ratio.high,
        }
    return row


def _common(runs: RunTable, rows: Rows, column: str) -> str:
    """Return what the runs agree on; where they differ, all of it, but for what is empty."""
    return BETWEEN_RUNS.join(runs.said(column, rows))
