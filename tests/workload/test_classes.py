import numpy as np
import pytest

from significand.workload.classes import classes_of_array, classes_of_texts


def classes(labels: list[str], missing: tuple[str, ...] | None = None) -> list[int]:
    """Return the classes of texts with which nothing is wrong."""
    y, problems = classes_of_texts(labels, missing)
    assert problems == []
    assert y.dtype == np.int64
    found: list[int] = y.tolist()
    return found


def problem(labels: list[str], missing: tuple[str, ...] | None = None) -> str:
    """Return what is wrong with texts."""
    _, (line,) = classes_of_texts(labels, missing)
    return line


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["9007199254740993", "9007199254740992", "9007199254740993"], [1, 0, 1]),
        (["18446744073709551617", "18446744073709551616", "-5"], [2, 1, 0]),
        (["10", "9", "-3"], [2, 1, 0]),
        (["007", "7", "007"], [0, 1, 0]),
        (["+7", "7", "8"], [0, 1, 2]),
        (["-0", "0", "1"], [0, 1, 2]),
        (["1.0", "1", "2"], [1, 0, 2]),
        (["1e0", "1", "10e-1"], [2, 0, 1]),
        (["1.0", "2.0", "10.0"], [0, 1, 2]),
        (["1.50", "1.5", "b"], [1, 0, 2]),
        (["1_0", "10", "1_0"], [1, 0, 1]),
        (["\u0663", "3", "\u0663"], [1, 0, 1]),
        (["Cat", "cat", "Cat"], [0, 1, 0]),
    ],
)
def test_labels_are_the_texts_or_integers_that_they_are(labels: list[str], expected: list[int]) -> None:
    """Integers in their one form count by value; everything else is a class for each spelling. Nothing is merged."""
    assert classes(labels) == expected


@pytest.mark.parametrize("name", ["none", "NA", "nan", "null", "N/A", "inf", "True"])
def test_words_are_classes_among_words(name: str) -> None:
    """In a column of text a class may be called what elsewhere means that a value is missing."""
    assert sorted(set(classes([name, "some", name, "tomato"]))) == [0, 1, 2]


@pytest.mark.parametrize("word", ["", "NA", "nan", "None", "<NA>", "NULL"])
def test_words_are_missing_among_numbers(word: str) -> None:
    """Among numbers the words of pandas mean that there is no label, and how many samples lack one is said."""
    assert problem(["0", word, "1", word]).startswith(f"2 samples without a label ({word!r}); fill or drop them")


def test_the_empty_label_is_always_missing() -> None:
    """A sample without any label has no class, among texts too."""
    assert problem(["cat", "", "dog"]).startswith("1 samples without a label ('')")


def test_what_is_missing_can_be_said() -> None:
    """Words that are given are missing among texts too, and then no others are."""
    assert problem(["cat", "?", "dog"], ("?",)).startswith("1 samples without a label ('?')")
    assert classes(["0", "NA", "1"], ("?",)) == [0, 2, 1]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["0.5", "1", "2"], "not whole numbers, such as 0.5"),
        (["9007199254740993.5", "1", "2"], "not whole numbers, such as 9007199254740993.5"),
        (["inf", "1", "2"], "not whole numbers, such as inf"),
        (["1e-99999999999999999999", "1", "2"], "not whole numbers, such as 1e-9"),
        ([f"{at}.0" for at in range(50)], "look measured: 50 different real numbers in 50 samples, such as 0.0"),
    ],
)
def test_real_numbers_are_no_classes(labels: list[str], words: str) -> None:
    """A column of measured numbers is refused as what it is, also where all are whole."""
    line = problem(labels)
    assert words in line
    assert "significand measures classifiers, not regression" in line


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (np.array([2**53, 2**53 + 1, 2**53]), [0, 1, 0]),
        (np.array([2**64 - 1, 2**64 - 2, 0], np.uint64), [2, 1, 0]),
        (np.array([3.0, -1.0, 3.0], np.float16), [1, 0, 1]),
        (np.array([2**53, 2**53 + 1, 0], np.longdouble), [1, 2, 0]),
        (np.array([0, 1, np.longdouble("1e4000")]), [0, 1, 2]),
        (np.array([True, False, True]), [1, 0, 1]),
        (np.array(["007", "7", "nan", "b"]), [0, 1, 3, 2]),
        (np.array(["10", "9", "-3"]), [2, 1, 0]),
        (np.array([b"007", b"7", b"\xff"]), [0, 1, 2]),
        (np.array([" a", "a", " a"]), [0, 1, 0]),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, np.ndarray) else "",
)
def test_arrays_of_every_kind(labels: np.ndarray, expected: list[int]) -> None:
    """Integers, whole floats, truth values, texts and bytes are compared as they are, however large."""
    y, problems = classes_of_array(labels)
    assert problems == []
    assert y.tolist() == expected


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.array([0.0, np.nan, 1.0]), "1 samples without a label (NaN)"),
        (np.array([0.0, np.inf, 1.0]), "not whole numbers, such as inf"),
        (np.array([0.25, 1.0, 2.0], np.float16), "not whole numbers, such as 0.25"),
        (np.arange(50.0), "look measured"),
        (np.array(["0", "1", "nan"]), "1 samples without a label ('nan')"),
        (np.array([b"x", b"", b"y"]), "1 samples without a label ('')"),
        (np.array([3, 3, 3]), "one class, '3'"),
        (np.array(["a", "a"]), "one class, 'a'"),
    ],
)
def test_arrays_that_hold_no_classes(labels: np.ndarray, words: str) -> None:
    """Each fault of an array of labels is one line."""
    _, (line,) = classes_of_array(labels)
    assert words in line


def test_integers_are_never_taken_for_measured() -> None:
    """Class numbers may be as many as they like."""
    assert classes_of_array(np.arange(99))[1] == []
    assert classes([str(at) for at in range(99)]) == list(range(99))
