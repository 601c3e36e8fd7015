"""Setups against their baseline, example by example."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from made_up_pages import made_up_experiment
from significand.answers.examples import SetupExamples
from significand.answers.folder import Folder, read_folder
from significand.present.words.answer import answer
from significand.present.words.examples import examples_lines
from significand.results.examples import example_arrays, write_examples
from significand.results.records import EXAMPLE_COLUMNS, Run
from significand.results.store import EXAMPLES_NPZ

Details = dict[str, np.ndarray]

RIGHT = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 1.0])
FLIPPED = np.array([0.0, 1.0, 1.0, 1.0, 0.0, 1.0])
ROWS = (np.array([5, 3, 9, 0, 2, 7]), np.array([5, 3, 9, 1, 4, 8]))
ANSWERS = np.array([1, 2, 0, 1, 2, 0])
OTHERS = np.array([0, 2, 0, 2, 0, 0])
"""Another answer where the score is another, and to the last but one, which was wrong before and after."""


def details_of(scores: np.ndarray, repeat: int, answers: np.ndarray | None = None) -> Details:
    """Return what a run keeps of the examples of a repeat."""
    found = {"test_score": scores, "test_example": ROWS[repeat]}
    return found if answers is None else found | {"test_answer": answers}


def folder_of(path: Path, scores: dict[str, tuple[np.ndarray, np.ndarray]], drawn_from: int = 10) -> Folder:
    """Return a folder of two repeats of modes with these scores and answers."""
    results = made_up_experiment(path / "results", list(scores), n=2, columns={"test_drawn_from": drawn_from})
    runs = [(run, details_of(scores[run.setup][0], run.repeat, scores[run.setup][1])) for run in _runs(results)]
    write_examples(example_arrays(runs), results.path / EXAMPLES_NPZ)
    return read_folder(results.path)


def _runs(results: Folder) -> list[Run]:
    return [
        Run(precision_mode=setup, repeat=repeat)
        for setup in results.setups()
        for repeat in range(results.experiment.repeats)
    ]


def flipped(tmp_path: Path, drawn_from: int = 10) -> SetupExamples:
    """Return int8, which loses an answer in each repeat, gains one, and answers a third otherwise."""
    (found,) = folder_of(tmp_path, {"float32": (RIGHT, ANSWERS), "int8": (FLIPPED, OTHERS)}, drawn_from).examples
    return found


def test_flips_behind_an_equal_mean_are_found(tmp_path: Path) -> None:
    """Over both repeats, the same row of the table in both being one example."""
    one = flipped(tmp_path)
    assert (one.setup, one.baseline, one.same_weights) == ("int8", "float32", True)
    found = one.found
    assert (found.n, found.examples, found.lost, found.gained, found.changed) == (12, 9, 2, 2, 6)
    assert found.difference.point == 0


def test_where_each_repeat_makes_its_own_data_a_row_is_another_example_each_time(tmp_path: Path) -> None:
    """Then every pair is an example of its own."""
    found = flipped(tmp_path, drawn_from=0).found
    assert (found.n, found.examples) == (12, 12)


def test_a_line_has_the_columns_of_the_file(tmp_path: Path) -> None:
    """All of them, in order."""
    row = flipped(tmp_path).to_row()
    assert list(row) == list(EXAMPLE_COLUMNS)
    assert (row["changed"], row["agreement"], row["same_weights"]) == (6, 0.5, True)


def test_the_answer_tells_what_an_equal_mean_hides(tmp_path: Path) -> None:
    """In a sentence, which says how many answers are others."""
    results = folder_of(tmp_path, {"float32": (RIGHT, ANSWERS), "int8": (FLIPPED, OTHERS)})
    wanted = "int8 has the same test accuracy as float32, but 6 of 12 answers changed: 2 right ones lost, 2 gained."
    assert wanted in [one.text for one in answer(results)]


def test_a_difference_is_told_with_its_interval(tmp_path: Path) -> None:
    """In percentage points of the score."""
    worse = np.array([0.0, 0.0, 1.0, 0.0, 0.0, 1.0])
    (line,) = examples_lines(folder_of(tmp_path, {"float32": (RIGHT, ANSWERS), "int8": (worse, ANSWERS)}))
    assert "4 right ones lost, 0 gained, test accuracy −33 points [−" in line


def test_the_same_answers_are_told_as_such(tmp_path: Path) -> None:
    """Nothing changed."""
    (line,) = examples_lines(folder_of(tmp_path, {"float32": (RIGHT, ANSWERS), "int8": (RIGHT, ANSWERS)}))
    assert line == "int8 gives the same answer as float32 to all 12 held-out examples."


def test_real_scores_are_told_by_their_difference(tmp_path: Path) -> None:
    """Where no score is right or wrong, there are no answers to lose."""
    none = np.empty(0, dtype=np.int64)
    (line,) = examples_lines(folder_of(tmp_path, {"float32": (RIGHT, none), "int8": (RIGHT - 0.25, none)}))
    assert line.startswith("int8: test accuracy −25")
    assert line.endswith("lower in 12 and higher in 0 of 12 examples.")


def test_only_examples_of_the_same_repeat_are_paired(tmp_path: Path) -> None:
    """A run that failed leaves its repeat out; one with a single score for all examples has nothing to pair."""
    results = made_up_experiment(tmp_path / "results", ["float32", "int8"], n=2, columns={"test_drawn_from": 10})
    whole = {"test_score": np.array([0.5]), "test_example": np.empty(0, dtype=np.int64)}
    kept = [(run, details_of(RIGHT, run.repeat)) for run in _runs(results) if (run.setup, run.repeat) != ("int8", 1)]
    write_examples(
        example_arrays([*kept, (replace(kept[0][0], setup="int8", repeat=1), whole)]), results.path / EXAMPLES_NPZ
    )
    (one,) = read_folder(results.path).examples
    assert (one.found.n, one.found.changed) == (6, 0)


def test_a_folder_without_scores_tells_nothing(tmp_path: Path) -> None:
    """As those of earlier versions."""
    results = made_up_experiment(tmp_path / "results", ["float32", "int8"], n=2)
    assert not list(results.examples)
    assert examples_lines(results) == []


@pytest.mark.parametrize(
    "spoilt",
    [
        {"setup": np.array([7] * 24)},
        {"score": np.array([1.0])},
        {"answer": np.array([0.5] * 24)},
    ],
)
def test_a_damaged_file_is_told_and_costs_no_other_line(tmp_path: Path, spoilt: Details) -> None:
    """Codes of no setup, arrays of different lengths, numbers that are not whole."""
    results = folder_of(tmp_path, {"float32": (RIGHT, ANSWERS), "int8": (FLIPPED, OTHERS)})
    path = results.path / EXAMPLES_NPZ
    with np.load(path) as arrays:
        write_examples(dict(arrays) | spoilt, path)
    (line,) = examples_lines(read_folder(results.path))
    assert line.startswith("Example by example nothing can be told: ")
    assert "do not fit together" in line
