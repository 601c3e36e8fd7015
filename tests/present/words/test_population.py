"""Which population a held-out score is about."""

from pathlib import Path

import pytest

from made_up_pages import made_up_experiment
from significand.present.words.population import population_sentence


@pytest.mark.parametrize(
    ("drawn_from", "told"),
    [
        (100, "about the population behind the data"),
        (20, "on these held-out examples, the same in all repeats"),
        (0, "on data made anew"),
    ],
)
def test_the_population_follows_from_how_examples_were_held_out(tmp_path: Path, drawn_from: int, told: str) -> None:
    """Redrawn from one table, given by the user, or made for each repeat."""
    columns = {"n_test": 20, "test_drawn_from": drawn_from}
    results = made_up_experiment(tmp_path / "results", n=2, columns=columns, experiment={"data": "synthetic"})
    assert told in population_sentence(results)


def test_nothing_is_told_where_nobody_knows(tmp_path: Path) -> None:
    """As of data of which it was not written down what was drawn from."""
    assert population_sentence(made_up_experiment(tmp_path / "results", n=2, experiment={"data": "digits"})) == ""
