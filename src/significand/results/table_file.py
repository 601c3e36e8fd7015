"""A raw_runs.csv read into columns, whoever may have edited it: what is damaged is refused, by line and column."""

import csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl

from significand.plan.problems import shown
from significand.plan.setup import name_of
from significand.results.files import (
    ELSEWHERE,
    LONGEST_LINE,
    TooLargeError,
    lines_of,
    most_runs,
    most_table_bytes,
    open_to_read,
    too_many_runs,
)
from significand.results.records import TRUTH_VALUES, TableError
from significand.results.table import POLARS_TYPES, ROUNDS, TYPES, RunTable, tabled

KINDS = {int: "a whole number", float: "a number", bool: "true or false"}

MOST_BYTES = 8_000_000_000
"""Of a raw_runs.csv: some ten million runs. What is larger would not fit the memory of most machines."""

MOST_COLUMNS = 1_000
"""Of a table of runs: a short line would be filled up to all of them."""

FILES_AT_ONCE = 100
"""That are read together: bounds what is read again where something in one of them is odd."""

BYTES_AT_ONCE = 2**20
"""Of a file whose separators are counted."""

_NO_OUTLINE = bytes(set(range(256)) - set(b'",\n'))

_PATH = "_path"
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
    frame, is_doubtful = _collected([path], header)
    if is_doubtful:
        _check_lines(path, header)
    try:
        return tabled(_completed(frame.drop(_PATH), lacked), frozenset(header) | lacked.keys(), planned)
    except TableError:
        _check_lines(path, header)
        raise


def read_tables(paths: Sequence[Path], planned: Sequence[str] = ()) -> list[RunTable | Exception]:
    """Read many small tables of runs: each as `read_table` gives it, or the error that it raises.

    Files with the same columns are read together, some at a time: to begin reading takes longer than a file of some
    hundred runs. Where anything in them is odd they are read one by one.
    """
    found: dict[Path, RunTable | Exception] = {}
    alike: dict[tuple[str, ...], list[Path]] = {}
    for path in paths:
        try:
            alike.setdefault(tuple(_header(path)), []).append(path)
        except (OSError, ValueError) as error:
            found[path] = error
    for names, files in alike.items():
        for start in range(0, len(files), FILES_AT_ONCE):
            some = files[start : start + FILES_AT_ONCE]
            together = _read_together(some, list(names), planned)
            found |= together or {path: _read_or_error(path, planned) for path in some}
    return [found[path] for path in paths]


def _read_or_error(path: Path, planned: Sequence[str]) -> RunTable | Exception:
    try:
        return read_table(path, planned)
    except (OSError, ValueError) as error:
        return error


def _read_together(paths: Sequence[Path], names: list[str], planned: Sequence[str]) -> dict[Path, RunTable | Exception]:
    """Return the tables of files with these columns; none where anything is odd."""
    header, lacked = _as_now(names)
    try:
        frame, is_doubtful = _collected(paths, header)
        if is_doubtful:
            return {}
        ends = np.cumsum(_counts(frame[_PATH], [str(path.absolute()) for path in paths]))
        whole = tabled(_completed(frame.drop(_PATH), lacked), frozenset(header) | lacked.keys(), planned)
    except (TableError, TooLargeError):
        return {}
    if ends[-1] != frame.height:
        return {}
    starts = [0, *ends[:-1].tolist()]
    return {path: whole.between(*ends_of) for path, *ends_of in zip(paths, starts, ends.tolist(), strict=True)}


def _counts(files: pl.Series, paths: Sequence[str]) -> list[int]:
    """Return how many rows are of each file."""
    counted = dict(files.value_counts().iter_rows())
    return [counted.get(path, 0) for path in paths]


def _collected(paths: Sequence[Path], header: Sequence[str]) -> tuple[pl.DataFrame, bool]:
    """Return the known columns of files with the same header, and whether their lines must be looked at one by one.

    Raises
    ------
    TableError, TooLargeError
        As `read_table`.
    """
    known = [name for name in TYPES if name in header]
    if not known:
        raise TableError(f"{str(paths[0])!r} has none of the columns of a table of runs")
    most = most_runs()
    try:
        try:
            frame = _rows(paths, header, known, most, typed=(float,))  # polars reads numbers thrice as fast as texts
        except pl.exceptions.PolarsError:  # one is none, or something else is odd: as texts it can be named
            frame = _rows(paths, header, known, most)
    except pl.exceptions.PolarsError as error:
        raise TableError(f"{str(paths[0])!r} is not a CSV table: {str(error).splitlines()[0]}") from None
    if frame.height > most:
        raise too_many_runs(paths[0], most)
    # A line that was cut off has no last cell. Nor has one whose last cell is empty: only then are separators counted.
    is_doubtful = bool(frame["_damaged"].any() or (frame["_ends early"].any() and _may_be_cut(paths, len(header))))
    return frame.drop("_damaged", "_ends early"), is_doubtful


def _rows(
    paths: Sequence[Path], header: Sequence[str], known: Sequence[str], most: int, typed: Collection[type] = ()
) -> pl.DataFrame:
    """Return the rows of files, one more than `most` at most, with what is odd about each.

    Columns of the types in `typed` are read as such; with a cell that is not of its type there is a PolarsError.
    """
    kinds = [TYPES[name] if TYPES.get(name) in typed else str for name in header]
    lazy = pl.scan_csv(
        [path.absolute() for path in paths],  # a name that begins with ~ is no home folder here
        glob=False,
        has_header=False,
        skip_rows=1,
        schema={str(place): POLARS_TYPES[kind] for place, kind in enumerate(kinds)},
        encoding="utf8-lossy",
        truncate_ragged_lines=True,
        extra_columns="ignore",
        missing_columns="insert",
        include_file_paths=_PATH,
    )
    read = {name: pl.col(str(place)) for place, name in enumerate(header)}
    values = {name: read[name] if TYPES[name] in typed else _typed(read[name], TYPES[name]) for name in known}
    damaged = [values[name].is_null() & read[name].is_not_null() for name in known if TYPES[name] not in {str, *typed}]
    blank = pl.all_horizontal(pl.exclude(_PATH).is_null())
    return (
        lazy.filter(~blank)
        .head(most + 1)
        .select(
            *(_without_nan(values[name], TYPES[name]).alias(name) for name in known),
            (pl.any_horizontal(damaged) if damaged else pl.lit(value=False)).alias("_damaged"),
            pl.col(str(len(header) - 1)).is_null().alias("_ends early"),
            pl.col(_PATH),
        )
        .collect(engine="streaming")
    )


def _completed(frame: pl.DataFrame, lacked: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """Return a frame with all columns of runs; of those that the file lacks nothing is known."""
    missing = {
        name: pl.lit(None, POLARS_TYPES[kind]).alias(name) for name, kind in TYPES.items() if name not in frame.columns
    }
    return frame.select(missing.get(name, pl.col(name)) for name in TYPES).with_columns(**lacked)


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
    if kind is float:
        text = text.str.strip_chars_start()  # as polars does where it reads numbers itself
    return text if kind is str else text.cast(POLARS_TYPES[kind], strict=False)


def _without_nan(column: pl.Expr, kind: type) -> pl.Expr:
    return column.fill_nan(None) if kind is float else column


def _may_be_cut(paths: Sequence[Path], n_columns: int) -> bool:
    """Tell whether a line of one of them has too few cells, or a line break inside a cell makes it look so."""
    return any(_is_short(line, n_columns) for path in paths for line in _outlines(path))


def _outlines(path: Path) -> Iterator[bytes]:
    """Return what quotes and separators the lines have, each once and again: of a million lines, a few differ.

    Of lines without either the blank ones matter: these come as they are.
    """
    with path.open("rb") as file:
        while text := file.read(BYTES_AT_ONCE) + file.readline(LONGEST_LINE):
            text = text.removesuffix(b"\n")
            outlines = set(text.translate(None, _NO_OUTLINE).split(b"\n"))
            yield from text.split(b"\n") if b"" in outlines else outlines


def _is_short(line: bytes, n_columns: int) -> bool:
    """Tell whether a line has fewer cells, or ends within one; a blank one has not."""
    between_quotes = line.split(b'"')
    outside = b"".join(between_quotes[::2])
    is_whole = len(between_quotes) % 2 == 1
    return not (is_whole and outside.count(b",") >= n_columns - 1) and bool(line.strip())


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
    if kind is float:
        text = text.lstrip()  # an editor may align numbers
    if (kind is not str and text != text.strip()) or "_" in text or not text.isascii():
        return False  # Python would read it, and nothing else
    try:
        for word in text.split() if kind is str else filter(None, [text]):
            (int if kind is int else float)(word)
    except ValueError:
        return False
    return kind is not int or not text or -(2**63) <= int(text) < 2**63
