"""Behaviour of arrays as users give them, and of the parts that an examination leaves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from significand.plan.setup import Network
from significand.workload.arrays import Arrays, Form, called, load_arrays
from significand.workload.parts import split_of

X, Y = np.arange(24.0).reshape(12, 2), np.arange(12)
WORKLOAD = Network("cnn", None, None, 0.25, 1, "sgd", 0.1, 0.9)


def arrays(form: Form) -> Arrays:
    """Return inputs in a form."""
    return Arrays({"input": X} if form == "one" else {"a": X, "b": Y}, form)


@pytest.mark.parametrize("form", ["one", "tuple", "dict"])
def test_arrays_come_back_as_they_were_given(form: Form, tmp_path: Path) -> None:
    """Saved and loaded, of the same digest, names and types; called with, each form is what a function takes."""
    given = arrays(form)
    given.save(tmp_path / "saved")
    again = load_arrays(tmp_path / "saved")
    assert (again.sha256(), again.form, list(again.by_name)) == (given.sha256(), form, list(given.by_name))
    assert len(again.take(slice(3))) == 3
    wanted = {"one": ((X,), {}), "tuple": ((X, Y), {}), "dict": ((), {"a": X, "b": Y})}[form]
    args, named = called(lambda *args, **named: (args, named), given.as_given())
    assert all(one is other for one, other in zip(args, wanted[0], strict=True))
    assert named == wanted[1]


def test_a_digest_tells_form_names_types_and_content() -> None:
    """Whatever differs, the digest does."""
    others = [
        arrays("one"),
        arrays("tuple"),
        arrays("dict"),
        Arrays({"b": Y, "a": X}, "dict"),
        Arrays({"input": X.astype(np.float32)}),
        Arrays({"input": X.reshape(6, 4)}),
        Arrays({"input": X + 1}),
    ]
    assert len({one.sha256() for one in others}) == len(others)
    assert Arrays({"input": X.T.copy().T}).sha256() == arrays("one").sha256()


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """Leave examples as an examination does."""
    arrays("one").save(tmp_path / "train-inputs")
    Arrays({"target": Y}).save(tmp_path / "train-targets")
    return tmp_path


def test_a_quarter_is_held_out_by_seed(examples: Path) -> None:
    """Each example is in one part, inputs stay beside their targets, and another seed draws others."""
    split = split_of(examples, WORKLOAD, 1)
    rows = []
    for part in (split.train, split.test):
        assert part.targets
        assert np.array_equal(part.inputs.by_name["input"], X[part.targets.by_name["target"]])
        rows.append(part.targets.by_name["target"].tolist())
    assert [len(one) for one in rows] == [9, 3]
    assert sorted([*rows[0], *rows[1]]) == Y.tolist()
    drawn = [split_of(examples, WORKLOAD, seed).test.inputs.sha256() for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(("n_samples", "fraction", "sizes"), [(2, 0.01, (1, 1)), (2, 0.99, (1, 1)), (8, 0.25, (6, 2))])
def test_both_parts_have_an_example(examples: Path, n_samples: int, fraction: float, sizes: tuple[int, int]) -> None:
    """However few there are, and however they are to be shared out."""
    split = split_of(examples, replace(WORKLOAD, n_samples=n_samples, test_fraction=fraction), 1)
    assert (len(split.train), len(split.test)) == sizes


def test_the_users_own_parts_are_taken(examples: Path) -> None:
    """What is held out is what they gave, at any seed, also where it has no targets."""
    Arrays({"input": -X[:2]}).save(examples / "test-inputs")
    split = split_of(examples, WORKLOAD, 3)
    assert len(split.train) == 12
    assert np.array_equal(split.test.inputs.by_name["input"], -X[:2])
    assert split.test.targets is None


@pytest.mark.parametrize(("n_samples", "sizes"), [(4, (4, 4)), (5, (5, 5)), (8, (8, 5)), (None, (12, 5))])
def test_of_the_users_own_parts_no_more_are_taken_than_is_asked(
    examples: Path, n_samples: int | None, sizes: tuple[int, int]
) -> None:
    """A test part that is smaller stays as it is; of a larger one other seeds draw others, none twice."""
    Arrays({"input": -X[:5]}).save(examples / "test-inputs")
    splits = [split_of(examples, replace(WORKLOAD, n_samples=n_samples), seed) for seed in range(9)]
    assert {(len(one.train), len(one.test)) for one in splits} == {sizes}
    tested = [one.test.inputs.by_name["input"].tolist() for one in splits]
    assert all(len({tuple(row) for row in rows}) == len(rows) for rows in tested)
    assert (len({str(rows) for rows in tested}) > 1) == (sizes[1] < 5)
