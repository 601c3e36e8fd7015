"""What the runs say about the modes, in lines: comparisons as sentences, the frontier, what stopped the experiment."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from significand.plan.metrics import METRICS
from significand.present.rows import visible
from significand.present.sentences import sentence

if TYPE_CHECKING:
    from significand.analysis.claims import Claims
    from significand.analysis.comparison import Comparison
    from significand.analysis.stopping import Reached
    from significand.results.records import Run

MOST_MISSED = 6
"""Setups that missed the target, and are named."""


def claim_lines(claims: "Claims", runs: Sequence["Run"], precision: "Reached | None" = None) -> list[str]:
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
    return [
        visible(line)
        for line in (*_comparisons(claims, runs), *_frontier(claims), *target_lines(claims, precision, runs))
    ]


def _comparisons(claims: "Claims", runs: Sequence["Run"]) -> Iterator[str]:
    engines = {run.setup: run.engine for run in runs}
    for mode in dict.fromkeys(one.setup for one in claims.comparisons):
        of_mode = [one for one in claims.comparisons if one.setup == mode]
        told = [one for one in of_mode if _is_told(one)]
        name = f"{mode} on {engines[mode]}" if engines.get(mode) else mode
        yield f"{sentence(name, told, quiet_runs=_quiet_runs(runs, mode, of_mode[0].baseline))}."


def _is_told(comparison: "Comparison") -> bool:
    told = METRICS[comparison.metric].told
    return told == "always" or (told == "where it differs" and _differs(comparison))


def _differs(comparison: "Comparison") -> bool:
    """Tell whether the two differ, by a test or in every pair by the same."""
    estimate = comparison.estimate
    always_the_same = comparison.verdict == "not tested" and estimate.low == estimate.high
    return comparison.verdict in {"better", "worse"} or always_the_same


def _quiet_runs(runs: Sequence["Run"], mode: str, baseline: str) -> tuple[int, int] | None:
    """Count the pairs of which nothing disturbed either run, and all; None where nobody can tell of one of them."""
    finished = {(run.setup, run.repeat): run for run in runs if run.finished}
    pairs = [
        (run, finished[baseline, repeat])
        for (name, repeat), run in finished.items()
        if name == mode and (baseline, repeat) in finished
    ]
    if not pairs or any(run.unknown_steps for pair in pairs for run in pair):
        return None
    return sum(not any(run.disturbed_steps for run in pair) for pair in pairs), len(pairs)


def _frontier(claims: "Claims") -> Iterator[str]:
    if claims.frontier is None:
        yield f"No frontier: {claims.frontier_missing}"
        return
    on = claims.frontier.p_on_frontier.tolist()
    names = claims.names
    chances = sorted(zip(on, names, strict=True), key=lambda pair: -pair[0] if math.isfinite(pair[0]) else 1)
    listed = ", ".join(f"{name} {probability(p)}" for p, name in chances if math.isfinite(p))
    if listed:
        yield f"On the Pareto frontier of {' and '.join(claims.objectives)} with probability: {listed}."
    used, of_all = (
        [name for name, is_on in zip(names, marks, strict=True) if is_on]
        for marks in (claims.frontier.on_frontier, claims.frontier.on_frontier_all_runs)
    )
    if used != of_all:
        yield (
            f"By the means over all finished runs the frontier is {' and '.join(of_all)}; over the "
            f"{claims.frontier.n_blocks} of {claims.frontier.n_blocks_in_all} repeats that every ranked mode finished, "
            f"as in the probabilities, it is {' and '.join(used) or 'empty'}."
        )


def probability(p: float) -> str:
    """Write the probability of being on the frontier."""
    if p > 0.99:
        return "> 0.99"
    return "< 0.01" if p < 0.01 else f"{p:.2f}"


def target_lines(claims: "Claims", precision: "Reached | None", runs: Sequence["Run"]) -> Iterator[str]:
    """Say whether the intervals became as narrow as was asked for, and of which setups they did not."""
    if precision is None:
        return
    repeats = len({run.repeat for run in runs})
    wanted = f"±{100 * precision.target:g} %"
    noun = METRICS[precision.metric].noun
    what = f"every {noun} ratio" if len(claims.names) > 1 else f"the mean {noun}"
    after = f"after {repeats} repeats (intervals are sequential)"
    if precision.is_reached:
        yield f"{what.capitalize()} is within {wanted} {after}."
        return
    missed = "; ".join(f"{name} {_width(precision, name)}" for name in list(precision.missed)[:MOST_MISSED])
    if len(precision.missed) > MOST_MISSED:
        missed += f"; and {len(precision.missed) - MOST_MISSED} others"
    remedy = "mend what failed" if precision.is_settled else "raise --max-repeats or --max-time"
    yield f"Missed the target of {wanted} for {what} {after}: {missed}; {remedy}."


def _width(precision: "Reached", name: str) -> str:
    if name in precision.without_pair:
        return "unknown, as no pair of runs is usable"
    width = precision.half_widths[name]
    return f"±{100 * width:.2g} %" if math.isfinite(width) else "unknown"
