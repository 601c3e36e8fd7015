"""The runs of an experiment as columns: what raw_runs.csv holds, read once, and what all statistics work on.

Runs are objects while they are measured (`significand.results.records.Run`). Their table is a polars frame with the
type of each column from that class. What is missing is null there; `RunTable.numbers` gives it as NaN, the form in
which NumPy's and SciPy's functions know it, and no cell of the frame is ever NaN.

polars takes 0.4 s to import: import this module where results are read or summarised, never for help.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from significand.plan.setup import Setup
from significand.results.records import FINISHED, Run, TableError, column_types

if TYPE_CHECKING:
    from significand.plan.experiment import Experiment

Codes = NDArray[np.int64]
Rows = NDArray[np.int64]

TYPES = column_types(Run)
POLARS_TYPES: dict[type, type[pl.DataType]] = {str: pl.String, bool: pl.Boolean, int: pl.Int64, float: pl.Float64}

ROUNDS = "round_latencies_s"
"""The column that holds several numbers, separated by blanks."""


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
        return (self._column("status") == FINISHED).fill_null(value=False).to_numpy()

    @cached_property
    def unsteady(self) -> NDArray[np.bool_]:
        """Which runs are known not to have come to a steady state, shape (n_runs,)."""
        return (~self._column("steady_state")).fill_null(value=False).to_numpy()

    @cached_property
    def beside_s(self) -> dict[tuple[int, ...], NDArray[np.float64]]:
        """What `significand.analysis.turns.beside_baselines` has worked out, by the baselines."""
        return {}

    @cached_property
    def _known(self) -> dict[str, NDArray[np.float64]]:
        return {}

    @cached_property
    def _counted(self) -> dict[str, NDArray[np.int64]]:
        return {}

    @cached_property
    def _told(self) -> "dict[str, tuple[list[str], Codes]]":
        return {}

    @cached_property
    def _rows(self) -> dict[tuple[int, bool], Rows]:
        return {}

    @cached_property
    def energy_sources(self) -> Codes:
        """From which counter or estimate each run has its energy, as codes, shape (n_runs,)."""
        source = pl.struct(pl.col("energy_kind", "energy_source").fill_null(""))
        return self.frame.select(source.rank("dense").alias("code"))["code"].cast(pl.Int64).to_numpy()

    @cached_property
    def names(self) -> pl.Series:
        """The name of each run among those of its experiment, as `Run.name`."""
        of = pl.DataFrame([self._column("repeat"), self._column("setup")])
        return of.select(
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
            self._known[column] = self._column(column).cast(pl.Float64).fill_null(missing).to_numpy()
        return self._known[column]

    def counts(self, column: str) -> NDArray[np.int64]:
        """Return a column of whole numbers, shape (n_runs,); 0 where it is missing."""
        if column not in self._counted:
            self._counted[column] = self._column(column).fill_null(0).to_numpy()
        return self._counted[column]

    def texts(self, column: str) -> pl.Series:
        """Return a column of texts; empty where it is missing."""
        return self._column(column).fill_null("")

    def rows_of(self, setup: int, *, finished: bool = True) -> Rows:
        """Return which rows hold the runs of a setup, by its code: the finished ones, or all."""
        if (setup, finished) not in self._rows:
            mine = self.codes == setup
            self._rows[setup, finished] = np.flatnonzero(mine & self.finished if finished else mine)
        return self._rows[setup, finished]

    def take(self, rows: Rows | NDArray[np.bool_]) -> "RunTable":
        """Return some of the runs, by their rows or a mark for each; a column is copied when it is asked for."""
        return _Part(self, np.flatnonzero(rows) if rows.dtype == np.bool_ else rows.astype(np.int64, copy=False))

    def _column(self, name: str) -> pl.Series:
        return self.frame[name]

    def between(self, start: int, end: int) -> "RunTable":
        """Return the runs of some neighbouring rows; nothing is copied."""
        rows = slice(start, end)
        return RunTable(self.frame[rows], self.rounds_s[rows], self.columns, self.setups, self.codes[rows])

    def said(self, column: str, rows: Rows) -> list[str]:
        """Return the different texts of a column in some rows, in the order of the first ones; none that is empty."""
        if column not in self._told:
            self._told[column] = _coded(self.texts(column))
        texts, codes = self._told[column]
        if len(texts) == 1:
            found = texts if rows.size else []
        else:
            there, first = np.unique(codes[rows], return_index=True)
            found = [texts[code] for code in there[first.argsort()]]
        return [text for text in found if text]


class _Part(RunTable):
    """Some runs of a table, of which a report needs few columns: those of all runs stay where they are."""

    _whole: RunTable
    _taken: Rows

    def __init__(self, whole: RunTable, rows: Rows) -> None:
        of_all = {"columns": whole.columns, "setups": whole.setups, "codes": whole.codes[rows]}
        self.__dict__.update(of_all, _whole=whole, _taken=rows)

    @cached_property
    def frame(self) -> pl.DataFrame:
        return self._whole.frame[self._taken]

    @cached_property
    def rounds_s(self) -> pl.Series:
        return self._whole.rounds_s[self._taken]

    def __len__(self) -> int:
        return self._taken.size

    def numbers(self, column: str) -> NDArray[np.float64]:
        return self._whole.numbers(column)[self._taken]

    def counts(self, column: str) -> NDArray[np.int64]:
        return self._whole.counts(column)[self._taken]

    def _column(self, name: str) -> pl.Series:
        return self._whole._column(name)[self._taken]


def table_of(runs: Sequence[Run], planned: Sequence[str] = ()) -> RunTable:
    """Return runs as columns.

    Parameters
    ----------
    runs
        Finished and failed ones.
    planned
        Names of the setups that the experiment has; others follow in the order of their first runs.
    """
    values = {name: [clean(getattr(run, name)) for run in runs] for name in TYPES}
    frame = pl.DataFrame(values, schema={name: POLARS_TYPES[kind] for name, kind in TYPES.items()}, strict=False)
    return tabled(frame, frozenset(TYPES), planned)


def tabled(frame: pl.DataFrame, columns: frozenset[str], planned: Sequence[str]) -> RunTable:
    """Return a frame of runs with what follows from it; `columns` and `planned` as for `RunTable` and `table_of`."""
    setups, codes = setup_codes(frame, planned)
    return RunTable(frame, _rounds_s(frame[ROUNDS]), columns, setups, codes)


def setups_of(runs: RunTable, experiment: "Experiment") -> list[Setup]:
    """Return the setups of a table as values, in its order; one that its experiment lacks is what its runs say."""
    known = {setup.name: setup for setup in experiment.setups()}
    return [known.get(name) or _foreign(runs, code, experiment) for code, name in enumerate(runs.setups)]


def _foreign(runs: RunTable, code: int, experiment: "Experiment") -> Setup:
    first = runs.rows_of(code, finished=False)[:1]
    texts = {
        name: next(iter(runs.said(name, first)), "")
        for name in ("precision_mode", "engine", "device", "variant", "options")
    }
    counts = {name: int(runs.counts(name)[first].sum()) for name in ("batch_size", "threads", "calibration_samples")}
    mode = texts.pop("precision_mode") or runs.setups[code]
    return Setup(experiment.workload, mode, **texts, **counts, name=runs.setups[code])  # type: ignore[arg-type]  # by kind


def setup_codes(frame: pl.DataFrame, planned: Sequence[str]) -> tuple[tuple[str, ...], Codes]:
    """Return the names of all setups, the planned ones first, and which of them each run is of."""
    named = frame["setup"].fill_null("")
    setups = tuple(dict.fromkeys([*planned, *named.unique(maintain_order=True).to_list()]))
    codes = named.replace_strict(list(setups), list(range(len(setups))), return_dtype=pl.Int64) if len(named) else named
    return setups, codes.cast(pl.Int64).to_numpy()


def _coded(texts: pl.Series) -> tuple[list[str], Codes]:
    """Return the different ones of many texts, and which each is; of a single one, nothing but that."""
    different = texts.unique(maintain_order=True)
    if len(different) < 2:
        return different.to_list(), np.empty(0, dtype=np.int64)
    place = pl.DataFrame({"text": different, "place": np.arange(len(different))})
    codes = texts.to_frame("text").join(place, on="text", how="left", maintain_order="left")["place"]
    return different.to_list(), codes.to_numpy()


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


def clean(value: object) -> object:
    """Return a value as a frame holds it: text is Unicode whatever a file said, and what is missing is null."""
    if isinstance(value, str):
        return value.encode(errors="surrogatepass").decode(errors="replace") or None
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124 - NaN alone differs from itself
