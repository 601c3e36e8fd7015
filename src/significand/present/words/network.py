"""What must be known of a network that is no perceptron: what its score is, and what was made up."""

from collections.abc import Iterator, Mapping

from significand.plan.metrics import SCORES
from significand.present.rows import mapping, visible

MADE_UP = "inputs are made up"
"""Beside every table and picture of what was measured with such inputs; a sentence of the answer says more."""


def network_lines(manifest: Mapping[str, object]) -> Iterator[str]:
    """Say it, a sentence each."""
    network = mapping(manifest.get("network"))
    score = SCORES.get(str(network.get("score")))
    if score and score.meaning:
        yield score.meaning
    notes = network.get("notes")
    for note in notes if isinstance(notes, list) else ():
        text = visible(note)
        yield f"{text[:1].upper()}{text[1:]}."
