"""Result folders as they are read again, and whether two of them may be compared: what must be the same, and is not.

Everything that a number depends on must be the same: the experiment, the method, the machine, the versions. What may
differ is how often it was repeated, from which seed, and what was only asked of the analysis.
"""

import math
import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from significand.plan.experiment import Experiment
from significand.plan.options import OPTIONS
from significand.plan.problems import capped, shown
from significand.results.difference import Difference
from significand.results.facts import FactsError, check_facts
from significand.results.files import TooLargeError, open_to_read
from significand.results.read import MANIFEST_BYTES, read_json_object, read_table
from significand.results.records import FIRST_METHOD, SCHEMA_VERSION, Run
from significand.results.resume import SAME_MEMORY
from significand.results.store import MANIFEST, RAW_RUNS
from significand.results.values import jsonable

FREE = frozenset({
    "precision_modes",  # modes of one folder only are not compared
    "repeats",
    "seed",  # where it differs, runs are not paired
    "watts_per_core",  # of an estimated energy, which is not compared
    "step_timeout_s",
    *("baseline", "margin", "accuracy_margin", "objectives"),  # asked of the analysis
    *("until", "until_metric", "max_repeats", "max_time_s"),  # how many repeats there are
})  # fmt: skip
"""Fields of an experiment that may differ."""

BEFORE = {"on_noise": "mark"}
"""What versions did that did not know a field yet, where that is not the field's default."""

MOST_REPEATS = 2**31
"""Of an experiment; no more can be planned."""

NEEDED = ("seed", "repeat", "precision_mode", "status")


class ResultsError(ValueError):
    """Results that cannot be read or compared. ``problems`` holds one line a reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = capped(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class Results:
    """One experiment's results, read from its folder.

    Attributes
    ----------
    folder
        Where they are.
    started_utc, state
        As manifest.json says them; empty where it does not.
    manifest
        What manifest.json says, checked.
    plan
        The experiment.
    experiment
        Its fields by name; those that the folder's version did not know are what it did, and those that this one does
        not know are as they are.
    facts
        What must be the same for a comparison, by dotted names such as ``machine.versions.torch``.
    columns
        Columns of raw_runs.csv.
    runs
        Finished and failed ones.
    """

    folder: Path
    started_utc: str
    state: str
    manifest: Mapping[str, object]
    plan: Experiment
    experiment: Mapping[str, object]
    facts: Mapping[str, object]
    columns: frozenset[str]
    runs: Sequence[Run]

    @property
    def complete(self) -> bool:
        """Whether the experiment came to its end."""
        return self.state == "finished"

    def finished(self, mode: str) -> list[Run]:
        """Return the mode's finished runs."""
        return [run for run in self.runs if run.precision_mode == mode and run.finished]

    def failed(self, mode: str) -> int:
        """Return how many of the mode's runs failed."""
        return sum(run.precision_mode == mode and not run.finished for run in self.runs)

    def modes(self) -> list[str]:
        """Return every mode that has runs, in the order of the first ones."""
        return list(dict.fromkeys(run.precision_mode for run in self.runs))

    def planned(self) -> list[str]:
        """Return every mode that the experiment asked for, whether it has runs or not."""
        return list(self.plan.precision_modes)


def read_results(folder: Path) -> Results:
    """Read a result folder.

    Raises
    ------
    ResultsError
        Where it is none, is damaged or holds what cannot be, or was written by a newer version.
    """
    manifest = _manifest(folder)
    stored = manifest["experiment"]
    filled = {name: option.default for name, option in OPTIONS.items()} | BEFORE
    filled |= stored if isinstance(stored, dict) else {}
    try:
        plan = check_facts(folder / MANIFEST, {**manifest, "experiment": filled})
    except FactsError as error:
        raise ResultsError(error.problems) from None
    columns, runs = _table(folder / RAW_RUNS)
    experiment = filled | plan.model_dump(mode="json")
    method = FIRST_METHOD | (recorded if isinstance(recorded := manifest.get("method"), dict) else {})
    facts = dict(_flat({"experiment": experiment, "machine": manifest["machine"], "method": method}))
    if manifest.get("data_sha256"):
        facts["data_sha256"] = manifest["data_sha256"]
    return Results(
        folder,
        _text(manifest.get("started_utc")),
        _text(manifest.get("state")),
        manifest,
        plan,
        experiment,
        facts,
        frozenset(columns),
        runs,
    )


def _manifest(folder: Path) -> dict[str, object]:
    """Read a folder's manifest, which has an experiment and a machine and is of a version that is known."""
    if not folder.is_dir():
        what = "is a file, no folder" if os.path.lexists(folder) else "does not exist"
        raise _refused(f"{str(folder)!r} {what}; give a folder that `significand run` has written")
    path = folder / MANIFEST
    if not os.path.lexists(path):
        raise _refused(f"{str(folder)!r} holds no results; give a folder that `significand run` has written")
    try:
        open_to_read(path, MANIFEST_BYTES, "it is no manifest of an experiment").close()
    except TooLargeError as error:
        raise _refused(str(error)) from None
    except OSError as error:
        raise _refused(f"{str(path)!r} cannot be read ({error.strerror}); give a readable one") from None
    manifest = read_json_object(path)
    if not isinstance(manifest.get("experiment"), dict) or not isinstance(manifest.get("machine"), dict):
        raise _refused(
            f"{str(path)!r} is damaged or without experiment and machine; give a folder that `significand run` has "
            "written"
        )
    version = manifest.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= SCHEMA_VERSION:
        raise _refused(
            f"{str(folder)!r} has schema version {shown(version)}, this program reads 1 to {SCHEMA_VERSION}; compare "
            "with the version of significand that wrote it, or newer"
        )
    return manifest


def _table(path: Path) -> tuple[Sequence[str], list[Run]]:
    """Read a table of runs in which each run is there once."""
    try:
        columns, runs = read_table(path)
    except TooLargeError as error:
        raise _refused(str(error)) from None
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise _refused(f"{str(path)!r} cannot be read ({cause}); measure again") from None
    if lacking := [name for name in NEEDED if name not in columns]:
        raise _refused(f"{str(path)!r} lacks the column {', '.join(lacking)}; it is no table of runs")
    if odd := next((run.repeat for run in runs if not 0 <= run.repeat < MOST_REPEATS), None):
        raise _refused(f"{str(path)!r} has the repeat {odd}; they count from 0 to {MOST_REPEATS - 1}; correct the line")
    for name in ("seed", "repeat"):
        counts = Counter((run.precision_mode, getattr(run, name)) for run in runs)
        if twice := next((key for key, count in counts.items() if count > 1), None):
            mode, number = twice
            raise _refused(
                f"{str(path)!r} has the run of {shown(mode)} with {name} {number} twice; remove the wrong line"
            )
    return columns, runs


def differences(one: Results, other: Results) -> tuple[list[Difference], list[str]]:
    """Return the fields that should be the same and are not, and those that only one of the two knows.

    The memory of a machine may differ a little from itself. The name of a data file does not matter where its content
    is known to be the same.
    """
    found, unrecorded = [], []
    same_data = "data_sha256" in one.facts and one.facts["data_sha256"] == other.facts.get("data_sha256")
    for field in dict.fromkeys([*one.facts, *other.facts]):
        top, _, name = field.partition(".")
        if (top == "experiment" and name in FREE) or (field == "experiment.data" and same_data):
            continue
        if top != "experiment" and (field not in one.facts or field not in other.facts):
            unrecorded.append(field)
        elif not _same(field, one.facts.get(field), other.facts.get(field)):
            found.append(Difference(field, one.facts.get(field), other.facts.get(field)))
    return found, unrecorded


def with_run_facts(results: Results, modes: Collection[str], columns: Collection[str]) -> Results:
    """Return results whose facts include what the finished runs of some modes say in some columns, as ``runs.column``.

    What no run says, as in a table that lacks the column, is not among the facts.
    """
    said = {
        f"runs.{column}": sorted(values)
        for column in columns
        if (values := {str(getattr(run, column)) for mode in modes for run in results.finished(mode)} - {""})
    }
    return replace(results, facts={**results.facts, **said})


def _refused(problem: str) -> ResultsError:
    return ResultsError([problem])


def _flat(facts: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", jsonable(value)


def _same(field: str, one: object, other: object) -> bool:
    if field == "machine.memory_mb" and isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=SAME_MEMORY)
    return one == other


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
