"""The shape of a .csv file: what separates its cells, whether its first line names them, and what is no data in it."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from significand.plan.experiment import TableFormat
from significand.plan.options import SEPARATORS
from significand.plan.problems import PlanError
from significand.workload.cells import BLANKS, INTEGER, brief, cut, is_decimal, is_missing, is_number

LINES_LOOKED_AT = 100
"""As many lines tell what separates the cells."""

SURELY_NAMES = 5
"""So many columns of a first line 0, 1, 2, ... are no accident."""

EXCEL_HINT = re.compile(r"sep=(.)\r?\n?")
"""A first line by which Excel is told the separator."""

UNNAMED = re.compile(r"(Unnamed: [0-9]+)?", re.ASCII)
"""What pandas calls a column that has no name, when it writes and when it reads."""

ROW_NUMBER = re.compile(r"[0-9]+", re.ASCII)


@dataclass(frozen=True)
class Lines:
    """A table of texts, all rows as long as each other.

    Attributes
    ----------
    rows, numbers
        The samples, without surrounding blanks, and the line of the file in which each ends.
    names
        Of the columns; None where the file names none.
    separator
        Word for what separates the cells, such as ``"comma"``.
    """

    rows: list[list[str]]
    numbers: list[int]
    names: list[str] | None
    separator: str

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.names if self.names is not None else self.rows[0])

    def without_column(self, at: int) -> "Lines":
        """Return the table without a column."""
        rows = [row[:at] + row[at + 1 :] for row in self.rows]
        return Lines(rows, self.numbers, self.names and self.names[:at] + self.names[at + 1 :], self.separator)

    def place(self, row: int, column: int) -> str:
        """Return where a cell is, in words."""
        return f"line {self.numbers[row]}, column {self.column(column)}"

    def column(self, at: int) -> str:
        """Return what a column is called: its name, or else its number from 1."""
        return brief(self.names[at]) if self.names and self.names[at] else str(at + 1)


def read_lines(path: Path, form: TableFormat) -> Lines:
    """Read a .csv file as texts.

    Raises
    ------
    PlanError
        With a line that says what is wrong with its shape.
    OSError
        When it cannot be read.
    """
    shown = repr(str(path))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            begin = list(islice(file, LINES_LOOKED_AT + 1))
            hint = EXCEL_HINT.fullmatch(begin[0]) if begin else None
            del begin[: 1 if hint else 0]
            separator = form.separator or _word_for(hint) or _find_separator(shown, begin, form)
            numbered = _split(_chain(begin, file), separator, first_line=2 if hint else 1)
    except UnicodeDecodeError as error:
        raise PlanError([f"{shown} is not in UTF-8 ({error.reason}); save it as UTF-8"]) from None
    except csv.Error as error:
        raise PlanError([f"{shown} is not a .csv text ({error}); save it anew as .csv"]) from None
    if not numbered:
        raise PlanError([f"{shown} is empty; give one sample a line, features first, the label last"])
    _check_even(shown, numbered, separator)
    rows, numbers = [row for _, row in numbered], [number for number, _ in numbered]
    if not _has_names(shown, rows, form):
        return Lines(rows, numbers, None, separator)
    return _without_row_numbers(Lines(rows[1:], numbers[1:], rows[0], separator), form.label_column)


def _chain(begin: Iterable[str], rest: Iterable[str]) -> Iterable[str]:
    yield from begin
    yield from rest


def _split(lines: Iterable[str], separator: str, first_line: int = 1) -> list[tuple[int, list[str]]]:
    """Return the cells of all lines that hold any, with the numbers of the lines, without trailing separators."""
    mark = SEPARATORS[separator]
    # Columns that are aligned with spaces have several between two cells, and some before the first.
    aligned = separator == "space"
    reader = csv.reader(
        (line.strip(" ") for line in lines) if aligned else lines, delimiter=mark, skipinitialspace=aligned
    )
    numbered = [(reader.line_num + first_line - 1, [cell.strip(BLANKS) for cell in row]) for row in reader]
    return _without_trailing([(number, row) for number, row in numbered if any(row)])


def _without_trailing(numbered: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Leave out a last column that is empty in every line; the first line, where it is names, may lack it."""
    if not numbered:
        return numbered
    width = max(len(row) for _, row in numbered)
    (_, first), *others = numbered
    trails = all(len(row) == width and not row[-1] for _, row in others)
    if width > 1 and others and trails and (len(first) == width - 1 or not first[-1]):
        return [(number, row[: width - 1]) for number, row in numbered]
    return numbered


def _word_for(hint: re.Match[str] | None) -> str | None:
    words = {mark: word for word, mark in SEPARATORS.items()}
    return words.get(hint[1]) if hint else None


def _find_separator(shown: str, begin: Sequence[str], form: TableFormat) -> str:
    """Return the separator that makes a table of the first lines, with numbers where features belong.

    Raises
    ------
    PlanError
        Where two of them do.
    """
    fitting: list[str] = []
    plain: list[str] = []
    for word in SEPARATORS:
        rows = _even_rows(begin, word)
        if rows:
            fitting.append(word)
            if _is_plain(rows, word, form):
                plain.append(word)
    if len(plain) > 1:
        raise PlanError([f"{shown} may be separated by {' or '.join(plain)}; give separator {' or '.join(plain)}"])
    if plain or fitting:
        return (plain or fitting)[0]
    # Nothing makes a table: what is found in the most lines is what it was meant to be.
    found = {word: sum(SEPARATORS[word] in line for line in begin) for word in SEPARATORS}
    return max(found, key=lambda word: found[word])


def _even_rows(begin: Sequence[str], word: str) -> list[list[str]]:
    try:
        rows = [row for _, row in _split(begin, word)]
    except csv.Error:
        return []
    if len(begin) > LINES_LOOKED_AT:
        rows = rows[:-1]  # a cell in quotes may go on
    return rows if rows and len(rows[0]) > 1 and len({len(row) for row in rows}) == 1 else []


def _is_plain(rows: Sequence[Sequence[str]], word: str, form: TableFormat) -> bool:
    label_at = rows[0].index(form.label_column) if form.label_column in rows[0] else len(rows[0]) - 1
    accepted = is_number if word == "comma" else _is_number_somehow
    samples = rows[1:] or rows
    if word != "comma" and any(row[label_at].startswith(",") or row[label_at].endswith(",") for row in samples):
        return False
    return all(
        accepted(cell) or is_missing(cell, form.missing)
        for row in samples
        for at, cell in enumerate(row)
        if at != label_at
    )


def _is_number_somehow(cell: str) -> bool:
    return is_number(cell) or is_decimal(cell)


def _check_even(shown: str, numbered: Sequence[tuple[int, list[str]]], separator: str) -> None:
    (first, heading), *others = numbered
    width = len(heading)
    ragged = [(number, row) for number, row in others if len(row) != width]
    if not ragged:
        return
    number, row = ragged[0]
    found = f"line {number} has {len(row)} columns, line {first} has {width}"
    remedy = "give every line the same columns, or say with separator what separates them"
    if len(ragged) == len(others) and {len(row) for _, row in ragged} == {width + 1}:
        remedy = "give the first column a name, or write the table without row names"
    raise PlanError([f"{shown}, separated by {separator}, is ragged: {found} ({len(ragged)} such lines); {remedy}"])


def _has_names(shown: str, rows: Sequence[Sequence[str]], form: TableFormat) -> bool:
    if form.label_column is not None:
        return True
    if form.header is not None:
        return form.header == "yes"
    names = _is_heading(rows[0], rows[1:], form.missing)
    if names is None:
        first = cut(", ".join(rows[0]))
        raise PlanError([f"{shown}: the first line ({first}) may be names or a sample; give header yes or no"])
    return names


def _is_heading(first: Sequence[str], others: Sequence[Sequence[str]], missing: Sequence[str] | None) -> bool | None:
    """Tell whether the first line names the columns, the label last; None where nobody can know.

    It does where a feature in it is no number; where its label alone is no number; and where it counts its columns, as
    pandas does for want of names (0, 1, 2, ...), if there are many or other lines hold no integers in such a place.
    """
    *features, label = first
    if any(not is_number(cell) and not is_decimal(cell) and not is_missing(cell, missing) for cell in features):
        return True
    labels = Counter(row[-1] for row in others)
    numeric = bool(labels) and all(is_number(text) or is_missing(text, missing) for text in labels)
    if numeric and not is_number(label) and not is_missing(label, missing):
        return True
    is_new = label not in labels
    counted = features[1:] if features[:1] == [""] else features
    if (step := _counts_to(counted)) and (is_new or label == str(step)):
        columns = len(first) + (not is_number(label))  # the name of the label's column is one more sign
        return True if counted != features or columns >= SURELY_NAMES or _stands_out(first, others) else None
    alone = is_new and labels and min(labels.values()) > 1
    # Years, for instance. As a sample it would be the only one of its class.
    if alone and len(features) > 1 and len(set(features)) == len(features) and all(map(INTEGER.fullmatch, features)):
        return None
    return False


def _counts_to(cells: Sequence[str]) -> int:
    """Return what comes next where cells count 0, 1, 2, ... or, three or more of them, 1, 2, 3, ...; else 0."""
    if not cells or not all(map(is_number, cells)):
        return 0
    values = [float(cell) for cell in cells]
    for begin in (0, 1) if len(cells) > 2 else (0,):
        if values == [begin + at for at in range(len(cells))]:
            return begin + len(cells)
    return 0


def _stands_out(first: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first line has an integer in a column that has no other."""
    return bool(others) and any(
        INTEGER.fullmatch(cell) and not any(INTEGER.fullmatch(row[at]) for row in others)
        for at, cell in enumerate(first)
    )


def _without_row_numbers(lines: Lines, label_column: str | None) -> Lines:
    """Leave out what pandas and R write in front: columns without a name that hold row numbers and nothing else."""
    while (
        lines.names
        and lines.width > 1
        and UNNAMED.fullmatch(lines.names[0])
        and lines.names[0] != label_column
        and lines.rows
        and all(ROW_NUMBER.fullmatch(row[0]) for row in lines.rows)
    ):
        lines = lines.without_column(0)
    return lines
