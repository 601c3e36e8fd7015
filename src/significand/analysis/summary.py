"""From runs to one summary per setup."""

import math
from collections.abc import Sequence

from significand.analysis.comparison import paired_ratio
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
from significand.analysis.turns import latencies_beside
from significand.plan.metrics import LATENCY, SPECIFIED, SPECIFIED_COSTS, SUMMARISED, Metric
from significand.plan.setup import Setup
from significand.results.records import MetricSummary, Run, Summary

FACTS = {
    "failed_runs": ("runs that failed; they are in no other number", ""),
    "setup": ("name of the setup: its precision, and its values on the other axes that vary", ""),
    "engine": ("what executed the trained network", ""),
    "device": ("where it ran", ""),
    "batch_size": ("samples per training step and per inference call", ""),
    "threads": ("threads of training and engine", ""),
    "training_precision": ("what training computed in", ""),
    "effective_precision": ("what inference really computed in", ""),
    "precision_note": ("why that is not what was asked for", ""),
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
    "on_pareto_frontier": ("whether no other is as good in mean latency and mean accuracy and better in one", ""),
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

BOOTSTRAP_RESAMPLES = 999
"""Fewer than the 9,999 of a single estimate: five metrics of every mode are resampled at the end of each experiment."""


def summarise(runs: Sequence[Run], setups: Sequence[Setup], baselines: Sequence[int]) -> list[Summary]:
    """Return one summary per setup, in their order.

    Failed runs count in `failed_runs` and nowhere else. Ratios are paired by repeat with the baseline of each, given by
    its index. With no finished run every number is NaN.
    """
    by_name = {setup.name: [run for run in runs if run.setup == setup.name] for setup in setups}
    finished = {name: [run for run in of_setup if run.finished] for name, of_setup in by_name.items()}
    metrics = {name: _metrics(of_setup) for name, of_setup in finished.items()}
    on_frontier = frontier(
        [metrics[name]["latency"].mean for name in by_name],
        [metrics[name]["accuracy"].mean for name in by_name],
    )
    names = list(by_name)
    return [
        Summary(
            precision_mode=setup.precision,
            repeats=len(finished[setup.name]),
            metrics=metrics[setup.name],
            facts={
                "failed_runs": len(by_name[setup.name]) - len(finished[setup.name]),
                "setup": setup.name,
                "engine": setup.engine,
                "device": setup.device,
                "batch_size": setup.batch_size,
                "threads": setup.threads,
                "training_precision": _common(finished[setup.name], "training_precision"),
                "effective_precision": _common(finished[setup.name], "effective_precision"),
                "precision_note": _common(finished[setup.name], "precision_note"),
                "rounding_flag": _common(finished[setup.name], "rounding_flag"),
                "energy_kind": _common(finished[setup.name], "energy_kind"),
                "energy_source": _common(finished[setup.name], "energy_source"),
                "energy_domains": _common(finished[setup.name], "energy_domains"),
                "energy_assumptions": _common(finished[setup.name], "energy_assumptions"),
                "memory_method": _common(finished[setup.name], "memory_method"),
                "steps": sum(run.steps for run in finished[setup.name]),
                "disturbed_steps": sum(run.disturbed_steps for run in finished[setup.name]),
                "unknown_steps": sum(run.unknown_steps for run in finished[setup.name]),
                "remeasured_steps": sum(run.remeasured_steps for run in finished[setup.name]),
                "others_share": mean([run.others_share for run in finished[setup.name]]),
                "unsteady_runs": sum(run.steady_state is False for run in finished[setup.name]),
                "steady_reason": _common(
                    [run for run in finished[setup.name] if run.steady_state is False], "steady_reason"
                ),
                "on_pareto_frontier": bool(on),
                "ratio_baseline": names[baseline],
                **_ratios(finished[setup.name], finished[names[baseline]]),
                **_bootstrap_intervals(finished[setup.name]),
            },
        )
        for setup, baseline, on in zip(setups, baselines, on_frontier, strict=True)
    ]


def _metrics(runs: Sequence[Run]) -> dict[str, MetricSummary]:
    return {metric.name: _metric(_values(runs, metric)) for metric in SUMMARISED}


def _values(runs: Sequence[Run], metric: Metric) -> list[float]:
    """Return a metric of the runs; nothing where it is measured in some and estimated in others: that has no mean."""
    if metric.may_be_estimated and len({(run.energy_kind, run.energy_source) for run in runs}) > 1:
        return []
    return [getattr(run, metric.column) for run in runs]


def _bootstrap_intervals(runs: Sequence[Run]) -> dict[str, float]:
    """Return the bootstrap-t intervals of the specified metrics; NaN with fewer runs than they need."""
    row: dict[str, float] = {}
    for metric in SPECIFIED:
        estimate = mean_bootstrap_t(_values(runs, metric), resamples=BOOTSTRAP_RESAMPLES)
        row |= {
            f"{metric.name}_ci95_bootstrap_t_low": estimate.low,
            f"{metric.name}_ci95_bootstrap_t_high": estimate.high,
        }
    return row


def _metric(values: Sequence[float]) -> MetricSummary:
    t, median, known = mean_t(values), median_exact(values), finite(values)
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


def _ratios(runs: Sequence[Run], baseline: Sequence[Run]) -> dict[str, float]:
    row: dict[str, float] = {}
    same_energy = len({(run.energy_kind, run.energy_source) for run in (*runs, *baseline)}) <= 1
    for metric in SPECIFIED_COSTS:
        name, column = metric.name, metric.column
        compared = runs if same_energy or not metric.may_be_estimated else ()
        costs = (
            [getattr(run, column) for run in compared] if metric is not LATENCY else latencies_beside(runs, baseline)
        )
        ratio = paired_ratio(
            {run.repeat: cost for run, cost in zip(compared, costs, strict=True)},
            {run.repeat: getattr(run, column) for run in baseline},
        )
        row |= {
            f"{name}_ratio": ratio.point,
            f"{name}_ratio_ci95_t_low": ratio.low,
            f"{name}_ratio_ci95_t_high": ratio.high,
        }
    return row


def _common(runs: Sequence[Run], column: str) -> str:
    """Return what the runs agree on; where they differ, all of it, but for what is empty."""
    return " | ".join(dict.fromkeys(text for run in runs if (text := getattr(run, column))))
