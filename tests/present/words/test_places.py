import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.present.words.places import ORDERED, at, place_words, subject_words, value_words, where, with_place

SIZES = ("1", "8", "32", "128")


@pytest.mark.parametrize(
    ("axis", "value", "words"),
    [
        ("batch_size", "8", "batch 8"),
        ("threads", "1", "1 thread"),
        ("threads", "2", "2 threads"),
        ("calibration_samples", "1", "1 calibration sample"),
        ("calibration_samples", "512", "512 calibration samples"),
        ("calibration_samples", "", ""),
        ("engine", "torch", "torch"),
        ("precision", "int8", "int8"),
        ("device", "gpu", "gpu"),
    ],
)
def test_a_value_is_told_with_what_it_counts(axis: str, value: str, words: str) -> None:
    """Numbers get their noun, in singular and plural; names stand alone."""
    assert value_words(axis, value) == words


def test_values_are_told_in_one_order() -> None:
    """Whatever the order in which they are given; a control character cannot break the line."""
    place = {"threads": "2", "batch_size": "8", "engine": "onnx\x1bruntime"}
    assert place_words(place) == "onnx\ufffdruntime, batch 8, 2 threads"
    assert with_place("int8", place) == "int8 on onnx\ufffdruntime at batch 8 with 2 threads"
    assert place_words({}) == ""


def test_where_a_mode_takes_no_examples_none_are_told() -> None:
    """float32 beside int8 with a number of examples is float32, and no more."""
    place = {"precision": "float32", "calibration_samples": ""}
    assert place_words(place) == subject_words(place) == "float32"
    assert (
        subject_words(place | {"precision": "int8", "calibration_samples": "32"}) == "int8 with 32 calibration samples"
    )
    assert at("calibration_samples", ["32", "512"]) == "with 32 and 512 calibration samples"


def test_the_subject_is_what_is_compared() -> None:
    """The first value stands alone, others behind it."""
    assert subject_words({"precision": "int8"}) == "int8"
    assert subject_words({"engine": "torch", "precision": "int8"}) == "int8 on torch"
    assert subject_words({"batch_size": "8"}) == "batch 8"
    assert subject_words({}) == "every setup"


@pytest.mark.parametrize(
    ("axis", "chosen", "words"),
    [
        ("batch_size", ("1",), "at batch 1"),
        ("batch_size", ("128",), "at batch 128"),
        ("batch_size", ("8", "32", "128"), "from batch 8 on"),
        ("batch_size", ("1", "8"), "up to batch 8"),
        ("batch_size", ("8", "32"), "from batch 8 to 32"),
        ("batch_size", ("1", "32"), "at batch 1 and 32"),
        ("threads", ("8", "32", "128"), "from 8 threads on"),
        ("threads", ("1", "8"), "up to 8 threads"),
        ("threads", ("8", "32"), "from 8 to 32 threads"),
        ("threads", ("1", "32"), "with 1 and 32 threads"),
        ("threads", ("1",), "with 1 thread"),
        ("engine", ("1", "8"), "on 1 and 8"),
        ("precision", ("32", "128"), "in 32 and 128"),
    ],
)
def test_neighbouring_numbers_are_told_together(axis: str, chosen: tuple[str, ...], words: str) -> None:
    """From, up to, or from to; a single value promises nothing of those beyond it, and names have no order."""
    assert where(axis, chosen, SIZES) == words


@given(st.sampled_from((*ORDERED, "engine")), st.integers(1, 6))
def test_different_parts_are_told_differently(axis: str, count: int) -> None:
    """No two selections of values have the same words."""
    present = [str(2**k) for k in range(count)]
    chosen = [some for n in range(1, count + 1) for some in itertools.combinations(present, n)]
    assert len({where(axis, some, present) for some in chosen}) == len(chosen)
    assert at(axis, present[:1]) == where(axis, present[:1], present)
