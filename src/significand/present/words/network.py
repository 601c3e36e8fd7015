"""What must be known of a network that is no perceptron: what its score is, and what was made up."""

from collections.abc import Iterator, Mapping

from significand.present.rows import mapping, visible

SCORES = {
    "R²": "accuracy is R² here: the share of the targets' variance that the outputs explain",
    "score": "accuracy is the mean of the network's own score() here",
    "none": "there are no labels: test accuracy is the agreement with the unquantised network",
}
"""By the kind of score that an examination has found, what the column of accuracies holds, where it is none."""


def network_lines(manifest: Mapping[str, object]) -> Iterator[str]:
    """Say it, a sentence each."""
    network = mapping(manifest.get("network"))
    if told := SCORES.get(str(network.get("score"))):
        yield f"{told[0].upper()}{told[1:]}."
    notes = network.get("notes")
    for note in notes if isinstance(notes, list) else ():
        text = visible(note)
        yield f"{text[:1].upper()}{text[1:]}."
