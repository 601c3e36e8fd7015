"""Samples and labels from a .csv file that anybody may have written."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from significand.plan.experiment import TableFormat
from significand.plan.problems import PlanError
from significand.workload.cells import cut, exact, is_decimal, is_missing, is_number, listed, lost_columns
from significand.workload.classes import classes_of_texts
from significand.workload.csv_shape import Lines, read_lines
from significand.workload.data_files import check_fits

LONGEST_LABEL = 200
"""Characters. A label that is longer is a text, and its column is not that of the label."""

ROOM_PER_BYTE = 8
"""Least memory that reading takes: a cell is two bytes in the file or more, and two references of 8 bytes here."""

GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}", re.ASCII)

FEWEST_ONE_HOT = 3
"""Two columns of which one is 1 may be a feature and its opposite."""


def read_csv(path: Path, form: TableFormat) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Read features and labels from a .csv file.

    Parameters
    ----------
    path
        UTF-8, one sample a line.
    form
        How it is to be read.

    Returns
    -------
    tuple[np.ndarray, np.ndarray, tuple[str, ...]]
        Features, float64, shape (samples, features); labels 0 .. classes - 1, int64, shape (samples,); and what the
        features are called.

    Raises
    ------
    PlanError
        With one line for everything that is wrong with the file.
    OSError
        When it cannot be read.
    """
    shown = repr(str(path))
    check_fits(path, ROOM_PER_BYTE * path.stat().st_size)
    lines = read_lines(path, form)
    label_at = _label_at(shown, lines, form.label_column)
    texts = [row[label_at] for row in lines.rows]
    longest = max(texts, key=len)
    if len(longest) > LONGEST_LABEL:
        found = f"{cut(repr(longest))} with {len(longest)} characters"
        raise PlanError([f"{shown} has the label {found}; at most {LONGEST_LABEL} fit: name the column of the label"])
    y, problems = classes_of_texts(_with_points(texts, lines), form.missing)
    features = [at for at in range(lines.width) if at != label_at]
    x, unfit = _numbers(lines, features, form.missing)
    problems = [f"has {problem}" for problem in problems] + unfit
    if not problems and form.label_column is None and _is_one_hot_at_the_end(x, texts):
        remedy = "give the class as one column, as DataFrame.idxmax(axis=1) makes it"
        problems = [f"has one-hot labels in its last columns; {remedy}"]
    if problems:
        raise PlanError([f"{shown} {problem}" for problem in problems])
    return x, y, tuple(lines.column(at) for at in features)


def _label_at(shown: str, lines: Lines, label_column: str | None) -> int:
    if label_column is None:
        label_at = lines.width - 1
    elif (count := (lines.names or []).count(label_column)) == 1:
        label_at = (lines.names or []).index(label_column)
    elif count:
        raise PlanError([f"{shown} has {count} columns {label_column!r}; give each its own name"])
    else:
        raise PlanError([f"{shown} has no column {label_column!r}; its columns: {listed(lines.names or [])}"])
    if lines.width < 2:
        remedy = f"it is read as separated by {lines.separator}; give separator where that is wrong"
        raise PlanError([f"{shown} has one column, where features and a label belong; {remedy}"])
    if not lines.rows:
        raise PlanError([f"{shown} has 0 samples of {lines.width - 1} features; at least one of each is needed"])
    return label_at


def _with_points(texts: Sequence[str], lines: Lines) -> Sequence[str]:
    """Return labels with decimal points for decimal commas where all are numbers, so that they are seen as such."""
    if lines.separator == "comma" or not all(map(is_decimal, texts)):
        return texts
    return [text.replace(",", ".") for text in texts]


Cells = list[tuple[int, int]]
"""Places in the features: row and column."""


def _numbers(lines: Lines, features: Sequence[int], missing: Sequence[str] | None) -> tuple[np.ndarray, list[str]]:
    """Return the features, and a line for everything that is wrong with them."""
    columns = [[row[at] for row in lines.rows] for at in features]
    comma = lines.separator != "comma" and any(
        "," in cell and is_decimal(cell) for column in columns for cell in column
    )
    x, gaps, odd = _converted(columns, comma, missing)
    infinite = [(int(row), int(number)) for row, number in np.argwhere(~np.isfinite(x))]

    def first(cells: Cells) -> str:
        row, number = min(cells)
        return f"{lines.place(row, features[number])} holds {cut(repr(columns[number][row]))}"

    problems = []
    if odd:
        row, number = min(odd)
        problems.append(f"is not numeric: {first(odd)}; features must be numbers{_hint(columns[number][row], comma)}")
    if gaps:
        remedy = "fill or drop them, or say with missing what means a missing value"
        problems.append(f"has {len(gaps)} missing values: {first(gaps)}, the first; {remedy}")
    if infinite:
        told = f"has {len(infinite)} values that float64 cannot hold: {first(infinite)}, the first"
        problems.append(f"{told}; fill, drop or scale them")
    if comma and not problems:
        problems += [
            f"has numbers in column {lines.column(features[number])} whose commas may group digits or be decimal ones; "
            "write them with a decimal point, or without groups"
            for number, column in enumerate(columns)
            if _may_group(column)
        ]
    if not problems:
        problems += [
            f"loses its column {lines.column(features[number])}: the values, such as {cut(columns[number][0])}, differ "
            "by too little for float64; scale them, or subtract what they have in common"
            for number in lost_columns(x, lambda at: [exact(_numeral(cell, comma)) for cell in columns[at]])
        ]
    return x, problems


def _converted(
    columns: Sequence[Sequence[str]], comma: bool, missing: Sequence[str] | None
) -> tuple[np.ndarray, Cells, Cells]:
    """Return the numbers of some columns, the cells that are missing, and those that are no numbers; both are 0."""
    x = np.zeros((len(columns[0]), len(columns)))
    gaps: Cells = []
    odd: Cells = []
    for number, column in enumerate(columns):
        if not comma and missing is None and all(map(is_number, column)):
            x[:, number] = list(map(float, column))
            continue
        for row, cell in enumerate(column):
            if is_missing(cell, missing):
                gaps.append((row, number))
            elif is_number(numeral := _numeral(cell, comma)):
                x[row, number] = float(numeral)
            else:
                odd.append((row, number))
    return x, gaps, odd


def _may_group(column: Sequence[str]) -> bool:
    """Tell whether a column reads as 999 and 1,234: decimal commas would make a thousandth of the larger ones."""
    with_comma = [cell for cell in column if "," in cell]
    return 0 < len(with_comma) < len(column) and all(map(GROUPED.fullmatch, with_comma))


def _numeral(cell: str, comma: bool) -> str:
    """Return a cell with a decimal point where it has a decimal comma; what then has a point is no number."""
    if not comma:
        return cell
    return cell.replace(",", ".") if "." not in cell else ""


def _hint(cell: str, comma: bool) -> str:
    if comma and "." in cell:
        return ": elsewhere in the file they have decimal commas, so write them without points"
    if is_decimal(cell):
        return ": write a decimal point, or separate the columns by semicolons"
    return ": write 1 and 0" if cell.lower() in {"true", "false"} else ""


def _is_one_hot_at_the_end(x: np.ndarray, labels: Sequence[str]) -> bool:
    """Tell whether the last three or more columns, the label among them, hold one 1 a row and zeros else."""
    truths = {"true": "1", "false": "0"}
    numbers = [truths.get(label.lower(), label) for label in labels]
    if not all(map(is_number, numbers)) or not set(map(float, numbers)) <= {0.0, 1.0}:
        return False
    total = np.array(numbers, dtype=float)
    for width, column in enumerate(x.T[::-1], 2):
        if not ((column == 0) | (column == 1)).all():
            return False
        total = total + column
        if width >= FEWEST_ONE_HOT and (total == 1).all():
            return True
        if (total > 1).any():
            return False
    return False
