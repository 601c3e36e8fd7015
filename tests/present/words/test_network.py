"""Behaviour of the sentences on what a network's score is."""

import pytest

from significand.plan.metrics import ACCURACY, SCORES
from significand.present.words.network import network_lines


@pytest.mark.parametrize("score", [kind for kind in SCORES if kind != ACCURACY])
def test_a_score_that_is_no_accuracy_is_said(score: str) -> None:
    """One sentence says what the column holds."""
    (line,) = network_lines({"network": {"score": score}})
    assert SCORES[score].noun in line


@pytest.mark.parametrize(
    "manifest", [{}, {"network": None}, {"network": {"score": "accuracy", "notes": []}}, {"network": 5}]
)
def test_nothing_is_said_where_nothing_is_to_be_known(manifest: dict[str, object]) -> None:
    """Neither of the perceptron, nor of plain accuracy, nor of a damaged manifest."""
    assert not list(network_lines(manifest))


def test_notes_are_sentences() -> None:
    """Each begins with a capital and ends with a stop, and shows no control characters."""
    lines = list(network_lines({"network": {"notes": ["inputs are made up", "a\x1b[31mb"]}}))
    assert lines[0] == "Inputs are made up."
    assert "\x1b" not in lines[1]
