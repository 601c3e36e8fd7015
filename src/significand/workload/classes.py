"""From labels to classes 0, 1, ...: compared as the text or the integer they are, never as floats of 64 bits."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import numpy as np

from significand.workload.cells import INTEGER, NUMBER, cut, exact, is_missing

MOST_LIKELY_CLASSES = 20
FEWEST_PER_CLASS = 4
"""Labels written as real numbers, more than twenty different ones, and fewer than four samples of each on average, were
measured, not counted: rounded measurements are whole numbers too."""

INSTEAD = "significand measures classifiers, not regression: give class numbers or names"


def classes_of_texts(texts: Sequence[str], missing: Sequence[str] | None) -> tuple[np.ndarray, list[str]]:
    """Return the classes of labels that are texts.

    Where every label is an integer in its one form (``7``, not ``007``, ``+7`` or ``7.0``), they are integers and
    count by value, however large. Else they are texts: each spelling is a class.

    Parameters
    ----------
    texts
        One a sample.
    missing
        Words for a missing label; None for those of pandas where all other labels are numbers, and none in a column
        of text. The empty text is always missing.

    Returns
    -------
    tuple[np.ndarray, list[str]]
        Labels 0 .. classes - 1, int64; and a line for everything that is wrong with them.
    """
    kinds = set(texts)
    lacking = _missing_among(kinds, missing)
    kinds -= lacking
    problems = []
    if lacking:
        count = sum(text in lacking for text in texts)
        words = ", ".join(map(repr, sorted(lacking)))
        remedy = "fill or drop them, or say with missing what means a missing value"
        problems.append(f"{count} samples without a label ({words}); {remedy}")
    if not kinds:
        return np.zeros(len(texts), np.int64), problems
    names = sorted(kinds)
    if all(map(INTEGER.fullmatch, kinds)):
        names.sort(key=int)
    elif all(map(NUMBER.fullmatch, kinds)):
        problems += _reals_problem(kinds, len(texts))
        names.sort(key=float)
    if len(names) < 2 and not lacking:
        problems.append(f"one class, {cut(repr(names[0]))}; at least two are needed")
    number = {name: at for at, name in enumerate(names)} | dict.fromkeys(lacking, 0)
    return np.array([number[text] for text in texts], np.int64), problems


def classes_of_array(labels: np.ndarray, missing: Sequence[str] | None = None) -> tuple[np.ndarray, list[str]]:
    """Return the classes of an array of integers, truth values, whole floats or texts, shape (samples,).

    Returns
    -------
    tuple[np.ndarray, list[str]]
        As `classes_of_texts` does.
    """
    if labels.dtype.kind == "U":
        return classes_of_texts(labels.tolist(), missing)
    if labels.dtype.kind == "S":
        return classes_of_texts([text.decode("utf-8", "surrogateescape") for text in labels.tolist()], missing)
    problems = []
    if labels.dtype.kind == "f":
        nans = int(np.isnan(labels).sum())
        if nans:
            problems.append(f"{nans} samples without a label (NaN); fill or drop them")
        labels = labels[~np.isnan(labels)]
        odd = labels[np.isinf(labels) | (labels != np.floor(labels))]
        if odd.size:
            problems.append(f"labels that are not whole numbers, such as {odd[0]}; {INSTEAD}")
    names, y = np.unique(labels, return_inverse=True)
    if labels.dtype.kind == "f" and not problems and _is_measured(len(names), len(labels)):
        problems.append(_measured(len(names), len(labels), str(names[0])))
    if len(names) == 1 and not problems:
        problems.append(f"one class, {str(names[0])!r}; at least two are needed")
    return y.astype(np.int64).reshape(-1), problems


def one_hot_classes(rows: np.ndarray) -> np.ndarray | None:
    """Return the column of the 1 of each row; None where a row is anything but one 1 and zeros."""
    if rows.dtype.kind not in "biuf":
        return None
    ones = rows == 1
    if not ((ones | (rows == 0)).all() and (ones.sum(axis=1) == 1).all()):
        return None
    classes: np.ndarray = ones.argmax(axis=1).astype(np.int64)
    return classes


def _missing_among(kinds: set[str], missing: Sequence[str] | None) -> set[str]:
    if missing is not None:
        return {text for text in kinds if is_missing(text, missing)}
    said = {text for text in kinds if is_missing(text, None)}
    others = kinds - said
    among_numbers = bool(others) and all(map(NUMBER.fullmatch, others))
    return said if among_numbers else said & {""}


def _reals_problem(kinds: Iterable[str], samples: int) -> list[str]:
    """Return what is wrong with labels that are numbers, but not all of them integers."""
    known = sorted(kinds)
    odd = [text for text in known if not _is_whole(text)]
    if odd:
        return [f"labels that are not whole numbers, such as {cut(odd[0])}; {INSTEAD}"]
    return [_measured(len(known), samples, known[0])] if _is_measured(len(known), samples) else []


def _is_whole(text: str) -> bool:
    value = exact(text)  # a float would round 9007199254740993.5 to a whole number
    return isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value()


def _is_measured(classes: int, samples: int) -> bool:
    return classes > MOST_LIKELY_CLASSES and FEWEST_PER_CLASS * classes > samples


def _measured(classes: int, samples: int, example: str) -> str:
    return (
        f"labels that look measured: {classes} different real numbers in {samples} samples, such as {cut(example)}; "
        f"{INSTEAD}, integers without a decimal point"
    )
