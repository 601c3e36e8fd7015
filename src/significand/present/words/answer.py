"""The answer of an experiment in lines, the same in the terminal and on the page."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from significand.present.rows import visible
from significand.present.varying import grid_of
from significand.present.words.grid import Told, grid_lines, listed, refused_lines
from significand.present.words.verdicts import claim_lines, probability, target_lines

if TYPE_CHECKING:
    from significand.analysis.claims import Claims
    from significand.answers.folder import Folder

MOST_NAMED = 6
"""Setups of a grid that are named in one sentence."""

_UNLIKELY = 0.05


def answer(results: "Folder") -> list[Told]:
    """Return what the runs say.

    Where nothing but the precision varies, a sentence per mode; of a grid, where each precision pays, what was left
    out, and who is on the frontier. Setups that no engine runs are named with their reasons.
    """
    refused = refused_lines(results.experiment.refused)
    grid = grid_of(results.rows)
    if grid is None:
        return [Told("", line) for line in (*claim_lines(results), *refused)]
    claims = results.claims
    return [
        *(Told(visible(one.head), visible(one.text)) for one in grid_lines(grid, results.rows, claims.comparisons)),
        *(Told("", line) for line in refused),
        *(Told("", visible(line)) for line in _frontier(claims)),
        *(Told("", visible(line)) for line in target_lines(claims, results.reached, results.runs)),
    ]


def _frontier(claims: "Claims") -> Iterator[str]:
    if claims.frontier is None:
        yield f"No frontier: {claims.frontier_missing}"
        return
    known = zip(claims.frontier.p_on_frontier.tolist(), claims.setups, strict=True)
    chances = sorted(((p, name) for p, name in known if math.isfinite(p)), key=lambda pair: -pair[0])
    likely = [f"{name} {probability(p)}" for p, name in chances if p >= _UNLIKELY][:MOST_NAMED]
    if chances:
        left = len(chances) - len(likely)
        more = f"; {left} other{'s are' if left > 1 else ' is'} less likely to be" if left else ""
        named = ", ".join(likely) or "none with 0.05 or more"
        yield f"On the Pareto frontier of {' and '.join(claims.objectives)} with probability: {named}{more}."
    used, of_all = (
        [name for name, is_on in zip(claims.setups, marks, strict=True) if is_on]
        for marks in (claims.frontier.on_frontier, claims.frontier.on_frontier_all_runs)
    )
    if used != of_all:
        yield (
            f"By the means over all finished runs the frontier is {listed(of_all, MOST_NAMED)}; over the "
            f"{claims.frontier.n_blocks} of {claims.frontier.n_blocks_in_all} repeats that every ranked setup "
            f"finished, as in the probabilities, it is {listed(used, MOST_NAMED) or 'empty'}."
        )
