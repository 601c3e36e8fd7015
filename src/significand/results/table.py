"""The runs of an experiment as columns: what raw_runs.csv holds, read once, and what all statistics work on.

Runs are objects while they are measured (`significand.results.records.Run`). Their table is a polars frame with the
type of each column from that class. What is missing is null there; `RunTable.numbers` gives it as NaN, the form in
which NumPy's and SciPy's functions know it, and no cell of the frame is ever NaN.

polars takes 0.4 s to import: import this module where results are read or summarised, never for help.
"""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from significand.plan.problems import shown
from significand.plan.setup import Setup
from significand.results.files import ELSEWHERE, lines_of, most_table_bytes, open_to_read
from significand.results.records import FINISHED, TRUTH_VALUES, Run, column_types

if TYPE_CHECKING:
    from significand.plan.experiment import Experiment

Codes = NDArray[np.int64]
Rows = NDArray[np.int64]

TYPES = column_types(Run)
POLARS_TYPES: dict[type, type[pl.DataType]] = {str: pl.String, bool: pl.Boolean, int: pl.Int64, float: pl.Float64}
KINDS = {int: "a whole number", float: "a number", bool: "true or false"}

ROUNDS = "round_latencies_s"
"""The column that holds several numbers, separated by blanks."""

MOST_BYTES = 8_000_000_000
"""Of a raw_runs.csv: some ten million runs. What is larger would not fit the memory of most machines."""

MOST_COLUMNS = 1_000
"""Of a table of runs: a short line would be filled up to all of them."""

_TRUTHS = [text for text, value in TRUTH_VALUES.items() if value is not None]


class TableError(ValueError):
    """A raw_runs.csv that cannot be read; the text says where, and what stands there."""


@dataclass(frozen=True, eq=False)
class RunTable:
    """Runs, finished and failed, as columns.

    Attributes
    ----------
    frame
        A row per run, a column per field of `Run`; null where nothing is known.
    rounds_s
        Latency of each round, by run: a list column, seconds per sample.
    columns
        Those that the file had, where the runs are from a file: an earlier version wrote fewer.
    setups
        Names of the setups, in order; one that was planned and has no run yet is among them.
    codes
        Which of these each run is of, shape (n_runs,).
    """

    frame: pl.DataFrame
    rounds_s: pl.Series
    columns: frozenset[str]
    setups: tuple[str, ...]
    codes: Codes

    def __len__(self) -> int:
        return self.frame.height

    @cached_property
    def finished(self) -> NDArray[np.bool_]:
        """Which runs came to their end, shape (n_runs,)."""
        return (self.frame["status"] == FINISHED).fill_null(value=False).to_numpy()

    @cached_property
    def _known(self) -> dict[str, NDArray[np.float64]]:
        return {}

    @cached_property
    def energy_sources(self) -> Codes:
        """From which counter or estimate each run has its energy, as codes, shape (n_runs,)."""
        source = pl.struct(pl.col("energy_kind", "energy_source").fill_null(""))
        return self.frame.select(source.rank("dense").alias("code"))["code"].cast(pl.Int64).to_numpy()

    @cached_property
    def names(self) -> pl.Series:
        """The name of each run among those of its experiment, as `Run.name`."""
        return self.frame.select(
            pl.format(
                "r{}-{}",
                pl.col("repeat").fill_null(0).cast(pl.String).str.zfill(3),
                pl.col("setup").fill_null(""),
            ).alias("name")
        )["name"]

    def numbers(self, column: str) -> NDArray[np.float64]:
        """Return a column of numbers or counts, shape (n_runs,): NaN for a number that is missing, 0 for a count."""
        if column not in self._known:
            missing = 0 if TYPES[column] is int else math.nan
            self._known[column] = self.frame[column].cast(pl.Float64).fill_null(missing).to_numpy()
        return self._known[column]

    def counts(self, column: str) -> NDArray[np.int64]:
        """Return a column of whole numbers, shape (n_runs,); 0 where it is missing."""
        return self.frame[column].fill_null(0).to_numpy()

    def texts(self, column: str) -> pl.Series:
        """Return a column of texts; empty where it is missing."""
        return self.frame[column].fill_null("")

    def rows_of(self, setup: int, *, finished: bool = True) -> Rows:
        """Return which rows hold the runs of a setup, by its code: the finished ones, or all."""
        mine = self.codes == setup
        return np.flatnonzero(mine & self.finished if finished else mine)

    def take(self, rows: Rows | NDArray[np.bool_]) -> "RunTable":
        """Return some of the runs, by their rows or a mark for each."""
        if rows.dtype == np.bool_:
            rows = np.flatnonzero(rows)
        return RunTable(self.frame[rows], self.rounds_s[rows], self.columns, self.setups, self.codes[rows])

    def said(self, column: str, rows: Rows) -> list[str]:
        """Return the different texts of a column in some rows, in the order of the first ones; none that is empty."""
        return [text for text in self.frame[column].gather(rows).unique(maintain_order=True).to_list() if text]

    def setup_names(self) -> list[str]:
        """Return the setups that have runs, in their order."""
        return [self.setups[code] for code in np.unique(self.codes).tolist()]


def table_of(runs: Sequence[Run], planned: Sequence[str] = ()) -> RunTable:
    """Return runs as columns.

    Parameters
    ----------
    runs
        Finished and failed ones.
    planned
        Names of the setups that the experiment has; others follow in the order of their first runs.
    """
    values = {name: [_clean(getattr(run, name)) for run in runs] for name in TYPES}
    frame = pl.DataFrame(values, schema={name: POLARS_TYPES[kind] for name, kind in TYPES.items()}, strict=False)
    return _table(frame, frozenset(TYPES), planned)


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
        path,
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
    try:
        frame = (
            lazy.filter(~blank)
            .select(
                *(_without_nan(typed[name], TYPES[name]).alias(name) for name in known),
                (pl.any_horizontal(damaged) if damaged else pl.lit(value=False)).alias("_damaged"),
                pl.col(str(len(header) - 1)).is_null().alias("_ends early"),
            )
            .collect(engine="streaming")
        )
    except pl.exceptions.PolarsError as error:
        raise TableError(f"{str(path)!r} is not a CSV table: {str(error).splitlines()[0]}") from None
    # A line that was cut off has no last cell. Nor has one whose last cell is empty: only then are separators counted.
    if frame["_damaged"].any() or (frame["_ends early"].any() and _may_be_cut(path, len(header))):
        _check_lines(path, header)
    missing = {name: pl.lit(None, POLARS_TYPES[kind]).alias(name) for name, kind in TYPES.items() if name not in known}
    frame = frame.select(missing.get(name, pl.col(name)) for name in TYPES).with_columns(**lacked)
    try:
        return _table(frame, frozenset(header) | lacked.keys(), planned)
    except TableError:
        _check_lines(path, header)
        raise


def _table(frame: pl.DataFrame, columns: frozenset[str], planned: Sequence[str]) -> RunTable:
    setups, codes = setup_codes(frame, planned)
    return RunTable(frame, _rounds_s(frame[ROUNDS]), columns, setups, codes)


def setups_of(runs: RunTable, experiment: "Experiment") -> list[Setup]:
    """Return the setups of a table as values, in its order; one that its experiment lacks is what its runs say."""
    known = {setup.name: setup for setup in experiment.setups()}
    return [known.get(name) or _foreign(runs, code, experiment) for code, name in enumerate(runs.setups)]


def _foreign(runs: RunTable, code: int, experiment: "Experiment") -> Setup:
    first = runs.rows_of(code, finished=False)[:1]
    texts = {name: next(iter(runs.said(name, first)), "") for name in ("precision_mode", "engine", "device", "variant")}
    counts = {name: int(runs.counts(name)[first].sum()) for name in ("batch_size", "threads")}
    mode = texts.pop("precision_mode") or runs.setups[code]
    return Setup(experiment.workload, mode, **texts, **counts, name=runs.setups[code])  # type: ignore[arg-type]  # by kind


def setup_codes(frame: pl.DataFrame, planned: Sequence[str]) -> tuple[tuple[str, ...], Codes]:
    """Return the names of all setups, the planned ones first, and which of them each run is of."""
    named = frame["setup"].fill_null("")
    setups = tuple(dict.fromkeys([*planned, *named.unique(maintain_order=True).to_list()]))
    codes = named.replace_strict(list(setups), list(range(len(setups))), return_dtype=pl.Int64) if len(named) else named
    return setups, codes.cast(pl.Int64).to_numpy()


def _as_now(header: list[str]) -> tuple[list[str], dict[str, pl.Expr]]:
    """Return the columns of any schema by their names of this one, and what gives those that the older ones lack."""
    if "setup" in header:
        return header, {}
    header = ["variant" if name == "label" else name for name in header]
    mode, variant = (pl.col(name).fill_null("") for name in ("precision_mode", "variant"))
    name = pl.when(variant == "").then(mode).otherwise(pl.format("{}-{}", mode, variant))
    return header, {"setup": name, "device": pl.lit("cpu"), "variant": variant}


def _header(path: Path) -> list[str]:
    with _opened(path) as file:
        try:
            header = next(csv.reader(lines_of(path, file)), [])
        except csv.Error as error:
            raise TableError(f"{str(path)!r} is not a CSV table: {error}") from None
    if len(header) > MOST_COLUMNS:
        raise TableError(f"it has {len(header)} columns, at most {MOST_COLUMNS} are read; it is no table of runs")
    if twice := next((name for index, name in enumerate(header) if name in header[:index]), None):
        raise TableError(f"it has the column {shown(twice)} twice; remove one")
    return header


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


def _rounds_s(texts: pl.Series) -> pl.Series:
    """Return the rounds of each run as numbers."""
    texts = texts.fill_null("")
    if texts.str.contains(r"^\s|\s\s|\s$|[^\S ]").any():
        texts = texts.str.replace_all(r"\s+", " ").str.strip_chars()
    words = texts.to_frame("text").select(pl.when(pl.col("text") != "").then(pl.col("text").str.split(" ")))["text"]
    try:
        numbers = words.cast(pl.List(pl.Float64))
    except pl.exceptions.PolarsError:
        raise TableError(f"the column {ROUNDS} holds something else than numbers") from None
    return numbers.fill_null([])


def _may_be_cut(path: Path, n_columns: int) -> bool:
    """Tell whether a line has too few cells, or a line break inside a cell makes it look so."""
    line = pl.col("line")
    separators = line.str.replace_all('"[^"]*"', "").str.count_matches(",", literal=True)
    lines = pl.scan_csv(
        path,
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


def _clean(value: object) -> object:
    """Return a value as a frame holds it: text is Unicode whatever a file said, and what is missing is null."""
    if isinstance(value, str):
        return value.encode(errors="surrogatepass").decode(errors="replace") or None
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124 - NaN alone differs from itself
