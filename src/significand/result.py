"""A result folder for notebooks and scripts: its tables as data frames, and itself as a page.

Frames hold what raw_runs.csv, summary_stats.csv and comparisons.csv hold, in full precision, recomputed from the runs.
What is missing (an empty cell there) is null, whatever the column's type; no number is ever NaN.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from significand.analysis.claims import ComparisonRow, comparison_row
from significand.answers.fleet import FleetAnswer, folder_of, read_answer
from significand.answers.fleet_tables import hosts_frame, ratios_frame, runs_frame, summary_frame
from significand.answers.folder import Folder, read_folder
from significand.plan.paths import expanded, path_of
from significand.plan.problems import PlanError, listed
from significand.present.rows import visible
from significand.present.words.hosts import title_words
from significand.results.comparable import ResultsError
from significand.results.fleet_store import is_fleet
from significand.results.records import column_types
from significand.results.table import POLARS_TYPES, clean

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]  # its types are a package of their own


class Frames(NamedTuple):
    """A result's tables as pandas data frames; see `Result` for what each holds."""

    runs: "pd.DataFrame"
    summary: "pd.DataFrame"
    comparisons: "pd.DataFrame"


@dataclass(frozen=True, repr=False)
class Result:
    """What a result folder says. A notebook shows it as the core of its report.

    Attributes
    ----------
    source
        Everything behind it: manifest, experiment, runs, summary, claims.
    """

    source: Folder

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self.source.path

    @property
    def runs(self) -> "pl.DataFrame":
        """Every run, finished or failed, with the columns of raw_runs.csv; null in those that the folder lacks."""
        return self.source.runs.frame

    @property
    def summary(self) -> "pl.DataFrame":
        """One row per precision mode, with the columns of summary_stats.csv."""
        rows = self.source.rows
        return _frame(rows, {column: _type(value) for row in rows for column, value in row.items()})

    @property
    def comparisons(self) -> "pl.DataFrame":
        """Every mode against the baseline on every metric, with the columns of comparisons.csv."""
        return _frame([comparison_row(one) for one in self.source.claims.comparisons], column_types(ComparisonRow))

    def to_pandas(self) -> Frames:
        """Return the same three tables as pandas data frames.

        A missing number is NaN; counts and truth values that may be missing have pandas' nullable types.

        Raises
        ------
        ImportError
            Where pandas is not installed.
        """
        return Frames(*map(_pandas_frame, (self.runs, self.summary, self.comparisons)))

    def __repr__(self) -> str:
        finished = int(self.source.runs.finished.sum())
        runs = f"runs finished: {finished}, failed: {len(self.source.runs) - finished}"
        modes = ", ".join(map(visible, self.source.runs.setups))
        return f"<significand result of {modes}; {runs}; in {visible(self.folder)}>"

    def _repr_html_(self) -> str:
        from significand.present.page import core_html  # noqa: PLC0415 - charts take long to import

        return core_html(self.source)


@dataclass(frozen=True, repr=False)
class FleetResult(Result):
    """What a fleet's folder says: one experiment on several hosts, which its frames hold side by side.

    Attributes
    ----------
    source
        The first host's part.
    answer
        Everything behind it: all hosts, their runs, and what they show together.
    """

    answer: FleetAnswer

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self.answer.path

    @property
    def runs(self) -> "pl.DataFrame":
        """Every run of every host, the host's name first."""
        return runs_frame(self.answer)

    @property
    def summary(self) -> "pl.DataFrame":
        """One row per host and setup, with the columns of a fleet's summary_stats.csv."""
        return summary_frame(self.answer)

    @property
    def comparisons(self) -> "pl.DataFrame":
        """Each host's ratios and those of each kind of host, with the columns of host_ratios.csv."""
        return ratios_frame(self.answer)

    @property
    def hosts(self) -> "pl.DataFrame":
        """One row per host, with the columns of hosts.csv."""
        return hosts_frame(self.answer)

    def host(self, name: str) -> Result:
        """Return one host's results, as of an experiment on it alone.

        Raises
        ------
        KeyError
            Where there is no such host.
        """
        fleet = self.answer.fleet
        found = next((host for host in fleet.hosts if host.name == name), None)
        if found is None:
            raise KeyError(f"host {name!r}: there are {listed([host.name for host in fleet.hosts])}")
        return Result(folder_of(fleet, found))

    def __repr__(self) -> str:
        return f"<significand result of {title_words(self.answer)}; in {visible(self.folder)}>"

    def _repr_html_(self) -> str:
        from significand.present.page import fleet_core_html  # noqa: PLC0415 - as above

        return fleet_core_html(self.answer)


def load(folder: Path | str) -> Result:
    """Read a result folder.

    Parameters
    ----------
    folder
        That of an experiment, finished or interrupted, or one of those in its ``history``; or that of an experiment on
        several hosts.

    Returns
    -------
    Result
        With ``runs``, ``summary`` and ``comparisons`` as polars data frames; of several hosts a `FleetResult`, with
        ``hosts`` as well.

    Raises
    ------
    TypeError, ValueError
        Where `folder` is no path.
    significand.results.comparable.ResultsError
        Where it is none, is damaged, has no runs, or was written by a newer version.
    """
    given = str(path_of("folder", folder))
    try:
        path = Path(expanded("folder", given))
        if not is_fleet(path):
            return Result(read_folder(path))
        answer = read_answer(path)
        return FleetResult(folder_of(answer.fleet, answer.fleet.hosts[0]), answer)
    except PlanError as error:
        raise ResultsError(error.problems) from None


def _type(value: object) -> type:
    """Return which of the four types of columns holds a value; NumPy's numbers are numbers."""
    return next((kind for kind in (str, bool, int) if isinstance(value, kind)), float)


def _frame(rows: Sequence[Mapping[str, object]], types: Mapping[str, type]) -> "pl.DataFrame":
    """Return rows as a frame with just these columns."""
    return pl.DataFrame(
        {column: [clean(row.get(column)) for row in rows] for column in types},
        schema={column: POLARS_TYPES[kind] for column, kind in types.items()},
    )


def _pandas_frame(frame: "pl.DataFrame") -> "pd.DataFrame":
    """Convert a frame column by column: polars' own way needs pyarrow."""
    try:
        import pandas as pd  # noqa: PLC0415 - not everybody has it
    except ImportError:
        raise ImportError("pandas is not installed: pip install pandas, or take the polars frames") from None
    return pd.DataFrame({column.name: pd.Series(column.to_list(), dtype=_pandas_type(column)) for column in frame})


def _pandas_type(column: "pl.Series") -> str | None:
    """Name the type that holds a column; None leaves texts to pandas, whose versions differ in that."""
    nullable = column.null_count() > 0
    return {
        "Float64": "float64",
        "Int64": "Int64" if nullable else "int64",
        "Boolean": "boolean" if nullable else "bool",
    }.get(str(column.dtype))
