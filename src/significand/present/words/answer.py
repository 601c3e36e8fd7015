"""The answer of an experiment in lines, the same in the terminal and on the page."""

from typing import TYPE_CHECKING

from significand.present.rows import visible
from significand.present.varying import grid_of
from significand.present.words.environments import environment_lines
from significand.present.words.examples import examples_lines
from significand.present.words.grid import Told, grid_lines, refused_lines
from significand.present.words.network import network_lines
from significand.present.words.operators import operators_lines
from significand.present.words.verdicts import claim_lines, frontier_lines, target_lines

if TYPE_CHECKING:
    from significand.answers.folder import Folder


def answer(results: "Folder") -> list[Told]:
    """Return what the runs say.

    Where nothing but the precision varies, a sentence per mode; of a grid, where each precision pays, what was left
    out, and who is on the frontier. Setups that no engine runs are named with their reasons.
    """
    refused = [
        *refused_lines(results.experiment.refused),
        *environment_lines(results.manifest),
        *network_lines(results.manifest),
    ]
    grid = grid_of(results.rows)
    if grid is None:
        return [
            Told("", line)
            for line in (*claim_lines(results), *examples_lines(results), *operators_lines(results), *refused)
        ]
    claims = results.claims
    return [
        *(Told(visible(one.head), visible(one.text)) for one in grid_lines(grid, results.rows, claims.comparisons)),
        *(Told("", line) for line in (*examples_lines(results), *operators_lines(results), *refused)),
        *(Told("", visible(line)) for line in frontier_lines(claims, of_grid=True)),
        *(Told("", visible(line)) for line in target_lines(claims, results.reached, results.runs)),
    ]
