"""What the runs say about the modes, in lines: comparisons as sentences, the frontier, what stopped the experiment."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from significand.present.rows import visible
from significand.present.sentences import sentence

if TYPE_CHECKING:
    from significand.analysis.claims import Claims
    from significand.analysis.stopping import Precision
    from significand.results.records import Run

TOLD = ("latency", "memory", "accuracy")
"""Metrics that the sentences tell; comparisons.csv holds all."""


def claim_lines(claims: "Claims", runs: Sequence["Run"], precision: "Precision | None" = None) -> list[str]:
    """Return a sentence per mode against the baseline, then the frontier, then whether the target was reached.

    Parameters
    ----------
    claims
        As from `significand.analysis.claims.claims_of`.
    runs
        All runs behind them.
    precision
        How narrow the intervals are, where the experiment went on until they were narrow enough.
    """
    return [visible(line) for line in (*_comparisons(claims, runs), *_frontier(claims), *_target(precision, runs))]


def _comparisons(claims: "Claims", runs: Sequence["Run"]) -> Iterator[str]:
    engines = {run.precision_mode: run.engine for run in runs}
    for mode in dict.fromkeys(one.setup for one in claims.comparisons):
        told = [one for one in claims.comparisons if one.setup == mode and one.metric in TOLD]
        of_mode = [run for run in runs if run.precision_mode == mode and run.finished]
        quiet = sum(run.disturbed_steps == 0 for run in of_mode)
        name = f"{mode} on {engines[mode]}" if engines.get(mode) else mode
        yield f"{sentence(name, told, quiet_runs=(quiet, len(of_mode)) if of_mode else None)}."


def _frontier(claims: "Claims") -> Iterator[str]:
    if claims.frontier is None:
        yield f"No frontier: {claims.frontier_missing}"
        return
    on = claims.frontier.p_on_frontier.tolist()
    if all(map(math.isnan, on)):
        return
    names = claims.modes
    chances = sorted(zip(on, names, strict=True), key=lambda pair: -pair[0] if math.isfinite(pair[0]) else 1)
    listed = ", ".join(f"{name} {_probability(p)}" for p, name in chances if math.isfinite(p))
    yield f"On the Pareto frontier of {' and '.join(claims.objectives)} with probability: {listed}."


def _probability(p: float) -> str:
    if p > 0.99:
        return "> 0.99"
    return "< 0.01" if p < 0.01 else f"{p:.2f}"


def _target(precision: "Precision | None", runs: Sequence["Run"]) -> Iterator[str]:
    if precision is None:
        return
    repeats = len({run.repeat for run in runs})
    wanted = f"±{100 * precision.target:g} %"
    if precision.is_reached:
        yield f"Every interval is within {wanted} after {repeats} repeats (intervals are sequential)."
        return
    missed = "; ".join(
        f"{name} ±{100 * width:.2g} %" if math.isfinite(width) else f"{name} unknown"
        for name, width in precision.missed.items()
    )
    yield f"Missed the target of {wanted} after {repeats} repeats: {missed}. Raise max_repeats or max_time_s."
