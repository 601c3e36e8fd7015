"""A result folder, read once: what was asked for, the runs as columns, and everything that follows from them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from significand.analysis.claims import Claims, claims_of, summary_rows
from significand.analysis.stopping import Reached, reached_of
from significand.plan.experiment import Experiment, stored_experiment
from significand.plan.options import OPTIONS
from significand.plan.problems import shown
from significand.results.comparable import BEFORE, NEEDED, ResultsError, flat
from significand.results.records import FIRST_METHOD, SCHEMA_VERSION
from significand.results.store import DETAILS, MANIFEST, RAW_RUNS, read_details, read_json_object
from significand.results.table import RunTable, TableError, read_table


@dataclass(frozen=True, eq=False)
class Folder:
    """An experiment's results and what they say; what is not asked for is not worked out.

    Attributes
    ----------
    path
        Where its files are.
    manifest
        What manifest.json says: experiment, machine, versions, times.
    experiment
        What was asked for, with every setup that has runs.
    runs
        Finished and failed ones.
    """

    path: Path
    manifest: Mapping[str, object]
    experiment: Experiment
    runs: RunTable

    def with_manifest(self, manifest: Mapping[str, object]) -> "Folder":
        """Return the same results beside what the manifest says by now; what follows from the runs alone is kept."""
        other = replace(self, manifest=manifest)
        other.__dict__.update(
            {name: self.__dict__[name] for name in ("claims", "rows", "reached") if name in self.__dict__}
        )
        return other

    @property
    def started_utc(self) -> str:
        """When the experiment began; empty where that is not known."""
        return _text(self.manifest.get("started_utc"))

    @property
    def state(self) -> str:
        """Running, finished, failed or interrupted; empty where that is not known."""
        return _text(self.manifest.get("state"))

    @property
    def complete(self) -> bool:
        """Whether the experiment came to its end."""
        return self.state == "finished"

    @property
    def incomplete(self) -> str:
        """Say that the experiment did not come to its end; empty where it did, or that is not known."""
        state = self.manifest.get("state")
        if state is None or state == "finished":
            return ""
        return f"The experiment is {state}: these are its {len(self.runs)} runs so far."

    @cached_property
    def fields(self) -> Mapping[str, object]:
        """The experiment's fields as the manifest has them; those that its version did not know are what it did."""
        stored = self.manifest.get("experiment")
        return (
            {name: option.default for name, option in OPTIONS.items()}
            | BEFORE
            | (stored if isinstance(stored, dict) else {})
        )

    @cached_property
    def facts(self) -> Mapping[str, object]:
        """What must be the same for a comparison, by dotted names such as ``machine.versions.torch``."""
        recorded = self.manifest.get("method")
        method = FIRST_METHOD | recorded if isinstance(recorded, dict) else FIRST_METHOD
        facts = dict(flat({"experiment": self.fields, "machine": self.manifest.get("machine"), "method": method}))
        if self.manifest.get("data_sha256"):
            facts["data_sha256"] = self.manifest["data_sha256"]
        return facts

    def facts_with_runs(self, setups: Collection[str], columns: Collection[str]) -> Mapping[str, object]:
        """Return the facts, and what the finished runs of some setups say in some columns, as ``runs.column``.

        What no run says, as in a table that lacks the column, is not among them.
        """
        rows = [self.finished(setup) for setup in setups]
        every = np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)
        said = {f"runs.{column}": sorted(values) for column in columns if (values := self.runs.said(column, every))}
        return {**self.facts, **said}

    def finished(self, setup: str) -> np.ndarray:
        """Return the rows of a setup's finished runs."""
        return self._rows(setup, finished=True)

    def failed(self, setup: str) -> int:
        """Return how many of a setup's runs failed."""
        return len(self._rows(setup, finished=False)) - len(self.finished(setup))

    def _rows(self, setup: str, *, finished: bool) -> np.ndarray:
        if setup not in self.runs.setups:
            return np.empty(0, dtype=np.int64)
        return self.runs.rows_of(self.runs.setups.index(setup), finished=finished)

    def setups(self) -> list[str]:
        """Return every setup that has runs, in the order of the first ones."""
        _, first = np.unique(self.runs.codes, return_index=True)
        return [self.runs.setups[self.runs.codes[row]] for row in np.sort(first).tolist()]

    def planned(self) -> list[str]:
        """Return every setup that the experiment asked for, whether it has runs or not."""
        return _planned(self.fields)

    @cached_property
    def claims(self) -> Claims:
        """The setups against the baseline, and the frontier with its uncertainty."""
        return claims_of(self.runs, self.experiment)

    @cached_property
    def rows(self) -> Sequence[Mapping[str, object]]:
        """One summary row per setup, as in summary_stats."""
        return summary_rows(self.runs, self.experiment, self.claims)

    @cached_property
    def reached(self) -> Reached | None:
        """How narrow the intervals are, where the experiment went on until they were narrow enough; else None."""
        return reached_of(self.runs, self.experiment)

    def details(self, run: str) -> Mapping[str, np.ndarray]:
        """Return the single times behind a run, by the names of `significand.benchmark.Details`; empty without any.

        Raises
        ------
        ValueError
            When their file is damaged.
        """
        return read_details(self.path / DETAILS / f"{run}.npz")


def read_folder(path: Path, *, empty: bool = False) -> Folder:
    """Read a result folder.

    Parameters
    ----------
    path
        Where it is.
    empty
        Whether it may have no runs yet.

    Raises
    ------
    significand.results.comparable.ResultsError
        Where it is none, is damaged, has no runs, or was written by a newer version.
    """
    manifest = _manifest(path)
    stored = manifest["experiment"]
    table = path / RAW_RUNS
    try:
        runs = read_table(table, _planned(stored if isinstance(stored, dict) else {}))
    except (OSError, TableError) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise _refused(f"{str(table)!r} cannot be read ({cause}); measure again") from None
    if lacking := [name for name in NEEDED if name not in runs.columns]:
        raise _refused(f"{str(table)!r} lacks the column {', '.join(lacking)}; it is no table of runs")
    _check_unique(table, runs)
    if not (len(runs) or empty):
        raise _refused(f"{str(path)!r} has no runs yet; go on with `significand run --resume`")
    fields = {name: option.default for name, option in OPTIONS.items()} | BEFORE | stored  # type: ignore[operator]  # a dict
    # A setup whose block was not reached has no runs; one that the manifest does not know was measured all the same.
    folder = Folder(path, manifest, stored_experiment({**fields, "precision_modes": runs.setups}), runs)
    try:
        known = folder.facts
    except RecursionError:
        known = {}
    if not known:
        raise _refused(f"{str(path / MANIFEST)!r} is damaged: it is nested too deeply; measure again")
    return folder


def _manifest(path: Path) -> dict[str, object]:
    if not path.is_dir():
        what = "is a file, no folder" if path.exists() else "does not exist"
        raise _refused(f"{str(path)!r} {what}; give a folder that `significand run` has written")
    if not (path / MANIFEST).exists():
        raise _refused(f"{str(path)!r} holds no results; give a folder that `significand run` has written")
    manifest = read_json_object(path / MANIFEST)
    if not isinstance(manifest.get("experiment"), dict) or not isinstance(manifest.get("machine"), dict):
        raise _refused(
            f"{str(path / MANIFEST)!r} is damaged or without experiment and machine; give a folder that "
            "`significand run` has written"
        )
    version = manifest.get("schema_version")
    if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
        raise _refused(
            f"{str(path)!r} has schema version {shown(version)}, this program reads 1 to {SCHEMA_VERSION}; compare "
            "with the version of significand that wrote it, or newer"
        )
    return manifest


def _check_unique(path: Path, runs: RunTable) -> None:
    """Refuse two runs of one setup with one seed, or in one repeat."""
    for column, told in (("seed", "with seed"), ("repeat", "of repeat")):
        numbers, places = np.unique(runs.counts(column), return_inverse=True)
        keys, counts = np.unique(runs.codes * max(numbers.size, 1) + places, return_counts=True)
        if (twice := keys[counts > 1]).size:
            setup, place = divmod(int(twice[0]), numbers.size)
            run = f"the run of {runs.setups[setup]!r} {told} {numbers[place]}"
            raise _refused(f"{str(path)!r} has {run} twice; remove the wrong line")


def _planned(fields: Mapping[str, object]) -> list[str]:
    modes = fields.get("precision_modes")
    return [str(mode) for mode in modes] if isinstance(modes, list | tuple) else []


def _refused(problem: str) -> ResultsError:
    return ResultsError([problem])


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
