from dataclasses import replace

from made_up_grids import full_grid, grid_evidence
from significand.evidence import Evidence
from significand.present.claims_view import claim_lines
from significand.present.words.answer import MOST_NAMED, answer


def lines_of(evidence: Evidence) -> list[str]:
    """Return the answer as it is printed."""
    refused = evidence.experiment.refused
    return [str(one) for one in answer(evidence.claims, evidence.rows, evidence.runs, evidence.precision, refused)]


def test_precisions_alone_are_told_as_ever() -> None:
    """Where nothing else varies, the lines are those of the claims."""
    evidence = grid_evidence(engine="onnxruntime", batch_size=8, threads=1)
    assert lines_of(evidence) == claim_lines(evidence.claims, evidence.runs, None)


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
    evidence = full_grid()
    silent = replace(evidence, claims=replace(evidence.claims, frontier=None, frontier_missing="no run finished"))
    assert lines_of(silent)[-1] == "No frontier: no run finished"


def test_two_frontiers_are_both_told() -> None:
    """By all finished runs, and by the repeats that every setup finished."""
    evidence = full_grid()
    frontier = evidence.claims.frontier
    assert frontier is not None
    other = replace(frontier, on_frontier_all_runs=~frontier.on_frontier)
    line = lines_of(replace(evidence, claims=replace(evidence.claims, frontier=other)))[-1]
    assert line.startswith("By the means over all finished runs the frontier is ")
    assert " others; over the " in line
