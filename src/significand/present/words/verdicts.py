"""What the runs say about the modes, in lines: comparisons as sentences, the frontier, what stopped the experiment."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from significand.plan.indifference import zone_of
from significand.plan.metrics import HELD_OUT, METRICS, scored
from significand.plan.phrases import merged
from significand.present.rows import enumerated, visible
from significand.present.words.numbers import probability
from significand.present.words.sentences import sentence

if TYPE_CHECKING:
    from significand.analysis.claims import Claims
    from significand.analysis.comparison import Comparison
    from significand.analysis.stopping import Reached
    from significand.answers.folder import Folder
    from significand.results.table import RunTable

MOST_NAMED = 6
"""Setups that are named in one sentence, of those that missed the target and of those of a grid."""

_UNLIKELY = 0.05


def claim_lines(results: "Folder") -> list[str]:
    """Return a sentence per setup against the baseline, then the frontier, then whether the target was reached."""
    claims, runs = results.claims, results.runs
    lines = (*_comparisons(claims, runs), *frontier_lines(claims), *target_lines(claims, results.reached, runs))
    return [visible(line) for line in lines]


def _comparisons(claims: "Claims", runs: "RunTable") -> Iterator[str]:
    judged = _judged(runs)
    for name in dict.fromkeys(one.setup for one in claims.comparisons):
        of_setup = [one for one in claims.comparisons if one.setup == name]
        told = [one for one in of_setup if _is_told(one, judged)]
        engines = runs.said("engine", runs.rows_of(runs.setups.index(name), finished=False))
        called = f"{name} on {engines[-1]}" if engines else name
        yield f"{sentence(called, told, quiet_runs=_quiet_runs(runs, name, of_setup[0].baseline))}."


def _judged(runs: "RunTable") -> str:
    """Return which score is told whatever it is: the held-out one, where there is any."""
    return HELD_OUT if np.isfinite(runs.numbers(METRICS[HELD_OUT].column)[runs.finished]).any() else "accuracy"


def _is_told(comparison: "Comparison", judged: str) -> bool:
    told = comparison.measured.told
    if comparison.measured.part:
        return comparison.metric == judged or _differs(comparison)
    return told == "always" or (told == "where it differs" and _differs(comparison))


def _differs(comparison: "Comparison") -> bool:
    """Tell whether the two differ, by a test or in every pair by the same."""
    estimate = comparison.estimate
    always_the_same = comparison.verdict == "not tested" and estimate.low == estimate.high
    return comparison.verdict in {"better", "worse"} or always_the_same


def _quiet_runs(runs: "RunTable", setup: str, baseline: str) -> tuple[int, int] | None:
    """Count the pairs whose runs were undisturbed and steady, and all; None where nobody can tell of one of them."""
    own, others = (runs.rows_of(runs.setups.index(name)) for name in (setup, baseline))
    repeats = runs.counts("repeat")
    _, first, second = np.intersect1d(repeats[own], repeats[others], return_indices=True)
    pairs = np.stack([own[first], others[second]])
    if not first.size or runs.counts("unknown_steps")[pairs].any():
        return None
    odd = (runs.counts("disturbed_steps")[pairs] > 0) | runs.unsteady[pairs]
    return int(np.count_nonzero(~odd.any(axis=0))), first.size


def frontier_lines(claims: "Claims", *, of_grid: bool = False) -> Iterator[str]:
    """Say how probably each setup is on the frontier; of a grid, only of some that probably are."""
    if claims.frontier is None:
        yield f"No frontier: {claims.frontier_missing}"
        return
    known = zip(claims.frontier.p_on_frontier.tolist(), claims.setups, strict=True)
    chances = sorted(((p, name) for p, name in known if math.isfinite(p)), key=lambda pair: -pair[0])
    likely = [(p, name) for p, name in chances if p >= _UNLIKELY][:MOST_NAMED] if of_grid else chances
    if chances:
        left = len(chances) - len(likely)
        more = f"; {left} other{'s are' if left > 1 else ' is'} less likely to be" if left else ""
        named = ", ".join(f"{name} {probability(p)}" for p, name in likely) or "none with 0.05 or more"
        yield f"On the Pareto frontier of {claims.sought} with probability: {named}{more}."
    yield from _as_good_as(claims)
    used, of_all = (
        [name for name, is_on in zip(claims.setups, marks, strict=True) if is_on]
        for marks in (claims.frontier.on_frontier, claims.frontier.on_frontier_all_runs)
    )
    if used != of_all:
        told = _first_of if of_grid else " and ".join
        yield (
            f"By the means over all finished runs the frontier is {told(of_all)}; over the "
            f"{claims.frontier.n_blocks} of {claims.frontier.n_blocks_in_all} repeats that every ranked "
            f"{'setup' if of_grid else 'mode'} finished, as in the probabilities, it is {told(used) or 'empty'}."
        )


def _as_good_as(claims: "Claims") -> Iterator[str]:
    """Say who is as good as whom, where the experiment says what does not matter."""
    assert claims.frontier is not None  # noqa: S101 - the caller has looked
    places = claims.frontier.as_good_as.tolist()
    told = merged((name, claims.setups[of]) for name, of in zip(claims.setups, places, strict=True) if of >= 0)
    for names, of in told:
        several = "are" if places.count(claims.setups.index(of)) > 1 else "is"
        yield f"{names} {several} as good as {of}, within {_indifference(claims)}."


def _indifference(claims: "Claims") -> str:
    """Say what does not matter: ``"1 % of latency and 0.1 points of test accuracy"``."""
    metrics, told = scored(claims.score), []
    for name, size in map(zone_of, claims.indifferent):
        metric = metrics[name]
        unit = {"ratio": " %", "points": " points", "difference": ""}[metric.scale]
        told.append(f"{100 * size if metric.scale == 'ratio' else size:.3g}{unit} of {metric.noun}")
    return enumerated(told)


def _first_of(names: Sequence[str]) -> str:
    if len(names) <= MOST_NAMED:
        return enumerated(names)
    return f"{', '.join(names[:MOST_NAMED])} and {len(names) - MOST_NAMED} others"


def target_lines(claims: "Claims", reached: "Reached | None", runs: "RunTable") -> Iterator[str]:
    """Say whether the intervals became as narrow as was asked for, and of which setups they did not."""
    if reached is None:
        return
    repeats = len(set(runs.counts("repeat").tolist()))
    wanted = f"±{100 * reached.target:g} %"
    noun = METRICS[reached.metric].noun
    what = f"every {noun} ratio" if len(claims.setups) > 1 else f"the mean {noun}"
    after = f"after {repeats} repeats (intervals are sequential)"
    if reached.is_reached:
        yield f"{what.capitalize()} is within {wanted} {after}."
        return
    missed = "; ".join(f"{name} {_width(reached, name)}" for name in list(reached.missed)[:MOST_NAMED])
    if len(reached.missed) > MOST_NAMED:
        missed += f"; and {len(reached.missed) - MOST_NAMED} others"
    remedy = "mend what failed" if reached.is_settled else "raise --max-repeats or --max-time"
    yield f"Missed the target of {wanted} for {what} {after}: {missed}; {remedy}."


def _width(reached: "Reached", name: str) -> str:
    if name in reached.without_pair:
        return "unknown, as no pair of runs is usable"
    width = reached.half_widths[name]
    return f"±{100 * width:.2g} %" if math.isfinite(width) else "unknown"
