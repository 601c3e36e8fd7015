from dataclasses import replace

from made_up_grids import full_grid, grid_results
from significand.answers.folder import Folder
from significand.present.words.answer import answer
from significand.present.words.verdicts import MOST_NAMED, claim_lines


def lines_of(results: Folder) -> list[str]:
    """Return the answer as it is printed."""
    return [str(one) for one in answer(results)]


def with_claims(results: Folder, **changes: object) -> Folder:
    """Return the same results, of which the claims say something else."""
    other = replace(results)
    claims = replace(results.claims, **changes)  # type: ignore[arg-type]  # by name
    other.__dict__.update(claims=claims, rows=results.rows)
    return other


def test_precisions_alone_are_told_as_ever() -> None:
    """Where nothing else varies, the lines are those of the claims."""
    results = grid_results(engine="onnxruntime", batch_size=8, threads=1)
    assert lines_of(results) == claim_lines(results)


def test_a_grid_is_told_by_what_pays_what_is_left_out_and_the_frontier() -> None:
    """In this order, and the frontier names few."""
    lines = lines_of(full_grid())
    assert lines[2].startswith("int8 on onnxruntime pays from batch 8 on (1.4")
    assert lines[-2] == "torch does not run int8: 8 setups left out."
    frontier = lines[-1].partition(": ")[2]
    assert frontier.split(";")[0].count(",") < MOST_NAMED
    assert "others are less likely to be" in frontier


def test_a_frontier_that_is_not_defined_says_why() -> None:
    """As for precisions alone."""
    results = full_grid()
    silent = with_claims(results, frontier=None, frontier_missing="no run finished")
    assert lines_of(silent)[-1] == "No frontier: no run finished"


def test_two_frontiers_are_both_told() -> None:
    """By all finished runs, and by the repeats that every setup finished."""
    results = full_grid()
    frontier = results.claims.frontier
    assert frontier is not None
    other = replace(frontier, on_frontier_all_runs=~frontier.on_frontier)
    line = lines_of(with_claims(results, frontier=other))[-1]
    assert line.startswith("By the means over all finished runs the frontier is ")
    assert " others; over the " in line
