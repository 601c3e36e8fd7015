"""A raw_runs.csv read into columns, whoever may have edited it: what is damaged is refused, by line and column."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import polars as pl

from significand.plan.problems import shown
from significand.plan.setup import name_of
from significand.results.files import ELSEWHERE, lines_of, most_runs, most_table_bytes, open_to_read, too_many_runs
from significand.results.records import TRUTH_VALUES, TableError
from significand.results.table import POLARS_TYPES, ROUNDS, TYPES, RunTable, tabled

KINDS = {int: "a whole number", float: "a number", bool: "true or false"}

MOST_BYTES = 8_000_000_000
"""Of a raw_runs.csv: some ten million runs. What is larger would not fit the memory of most machines."""

MOST_COLUMNS = 1_000
"""Of a table of runs: a short line would be filled up to all of them."""

_TRUTHS = [text for text, value in TRUTH_VALUES.items() if value is not None]


def read_table(path: Path, planned: Sequence[str] = ()) -> RunTable:
    """Read a raw_runs.csv.

    Columns that `Run` does not know are ignored; of those that the file lacks nothing is known. Bytes that are no
    UTF-8 cost a sign, not the table.

    Parameters
    ----------
    path
        The file.
    planned
        As for `table_of`.

    Raises
    ------
    OSError
        When it cannot be opened.
    TooLargeError
        When it is too large to be read here.
    TableError
        When it is no such table, or holds a cell that is not of its column's type.
    """
    header, lacked = _as_now(_header(path))
    known = [name for name in TYPES if name in header]
    if not known:
        raise TableError(f"{str(path)!r} has none of the columns of a table of runs")
    lazy = pl.scan_csv(
        path.absolute(),  # a name that begins with ~ is no home folder here
        glob=False,
        has_header=False,
        skip_rows=1,
        schema={str(place): pl.String() for place in range(len(header))},
        encoding="utf8-lossy",
        truncate_ragged_lines=True,
        extra_columns="ignore",
        missing_columns="insert",
    )
    place = {name: str(index) for index, name in enumerate(header)}
    texts = {name: pl.col(place[name]) for name in known}
    typed = {name: _typed(text, TYPES[name]) for name, text in texts.items()}
    damaged = [typed[name].is_null() & texts[name].is_not_null() for name in known if TYPES[name] is not str]
    blank = pl.all_horizontal(pl.all().is_null())
    most = most_runs()
    try:
        frame = (
            lazy.filter(~blank)
            .head(most + 1)
            .select(
                *(_without_nan(typed[name], TYPES[name]).alias(name) for name in known),
                (pl.any_horizontal(damaged) if damaged else pl.lit(value=False)).alias("_damaged"),
                pl.col(str(len(header) - 1)).is_null().alias("_ends early"),
            )
            .collect(engine="streaming")
        )
    except pl.exceptions.PolarsError as error:
        raise TableError(f"{str(path)!r} is not a CSV table: {str(error).splitlines()[0]}") from None
    if frame.height > most:
        raise too_many_runs(path, most)
    # A line that was cut off has no last cell. Nor has one whose last cell is empty: only then are separators counted.
    if frame["_damaged"].any() or (frame["_ends early"].any() and _may_be_cut(path, len(header))):
        _check_lines(path, header)
    missing = {name: pl.lit(None, POLARS_TYPES[kind]).alias(name) for name, kind in TYPES.items() if name not in known}
    frame = frame.select(missing.get(name, pl.col(name)) for name in TYPES).with_columns(**lacked)
    try:
        return tabled(frame, frozenset(header) | lacked.keys(), planned)
    except TableError:
        _check_lines(path, header)
        raise


def _as_now(header: list[str]) -> tuple[list[str], dict[str, pl.Expr]]:
    """Return the columns of any schema by their names of this one, and what gives those that the older ones lack."""
    if "setup" in header:
        return header, {}
    header = ["variant" if name == "label" else name for name in header]
    words = [pl.col(name).fill_null("") for name in ("precision_mode", "variant")]
    name = pl.struct(words).map_elements(lambda told: name_of(*told.values()), pl.String)
    return header, {"setup": name, "device": pl.lit("cpu"), "variant": words[1]}


def _header(path: Path) -> list[str]:
    with _opened(path) as file:
        try:
            header = next(csv.reader(lines_of(path, file)), [])
        except csv.Error as error:
            raise TableError(f"{str(path)!r} is not a CSV table: {error}") from None
    _check_columns(header)
    return header


def _check_columns(columns: Sequence[str]) -> None:
    if len(columns) > MOST_COLUMNS:
        raise TableError(f"it has {len(columns)} columns, at most {MOST_COLUMNS} are read; it is no table of runs")
    seen: set[str] = set()
    for name in columns:
        if name in seen:
            raise TableError(f"it has the column {shown(name)} twice; remove one")
        seen.add(name)


def _opened(path: Path) -> IO[str]:
    """Open a table as text; one that went through an editor may begin with a byte order mark."""
    raw = open_to_read(path, min(MOST_BYTES, most_table_bytes()), ELSEWHERE)
    return io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _typed(text: pl.Expr, kind: type) -> pl.Expr:
    """Return a column of texts in its type; null where that cannot be."""
    if kind is bool:
        return pl.when(text.is_in(_TRUTHS)).then(text == "true")
    return text if kind is str else text.cast(POLARS_TYPES[kind], strict=False)


def _without_nan(column: pl.Expr, kind: type) -> pl.Expr:
    return column.fill_nan(None) if kind is float else column


def _may_be_cut(path: Path, n_columns: int) -> bool:
    """Tell whether a line has too few cells, or a line break inside a cell makes it look so."""
    line = pl.col("line")
    separators = line.str.replace_all('"[^"]*"', "").str.count_matches(",", literal=True)
    lines = pl.scan_csv(
        path.absolute(),
        glob=False,
        has_header=False,
        skip_rows=1,
        schema={"line": pl.String()},
        separator="\x1f",
        quote_char=None,
        encoding="utf8-lossy",
        truncate_ragged_lines=True,
        extra_columns="ignore",
        missing_columns="insert",
    )
    cut = lines.filter(line.is_not_null()).select((separators < n_columns - 1).any())
    return bool(cut.collect(engine="streaming").item())


def _check_lines(path: Path, header: Sequence[str]) -> None:
    """Find the first line that ends too early or holds a cell that is not of its type, and say where it is.

    Raises
    ------
    TableError
        If there is one.
    """
    last = {name: index for index, name in enumerate(header)}
    kinds = [(name, index, TYPES[name]) for name, index in last.items() if name in TYPES and TYPES[name] is not str]
    kinds += [(ROUNDS, last[ROUNDS], str)] if ROUNDS in last else []
    for number, cells in _lines(path):
        if cells and len(cells) < len(header):
            raise TableError(f"line {number} ends before the column {header[len(cells)]}; remove the line")
        for name, index, kind in kinds if cells else ():
            if not _fits(cells[index], kind):
                told = KINDS.get(kind, "a number in each word")
                raise TableError(f"line {number}, column {name}: {cells[index]!r} is not {told}")


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Return the lines below the header as cells, with their numbers."""
    with _opened(path) as file:
        reader = csv.reader(lines_of(path, file))
        try:
            next(reader, None)
            for cells in reader:
                yield reader.line_num, cells
        except csv.Error as error:
            raise TableError(f"{str(path)!r} is not a CSV table: {error}") from None


def _fits(text: str, kind: type) -> bool:
    if kind is bool:
        return text in TRUTH_VALUES
    if (kind is not str and text != text.strip()) or "_" in text or not text.isascii():
        return False  # Python would read it, and nothing else
    try:
        for word in text.split() if kind is str else filter(None, [text]):
            (int if kind is int else float)(word)
    except ValueError:
        return False
    return kind is not int or not text or -(2**63) <= int(text) < 2**63
