"""Result folders as they are read again, and whether two of them may be compared: what must be the same, and is not.

Everything that a number depends on must be the same: the experiment, the method, the machine, the versions. What may
differ is how often it was repeated, from which seed, and what was only asked of the analysis.
"""

import csv
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from significand.plan.options import OPTIONS
from significand.plan.problems import nearest, shown
from significand.results.records import FIRST_METHOD, SCHEMA_VERSION, Run
from significand.results.resume import SAME_MEMORY
from significand.results.store import MANIFEST, RAW_RUNS, read_json_object, read_runs
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

NEEDED = ("seed", "repeat", "precision_mode", "status")


class ResultsError(ValueError):
    """Results that cannot be read or compared. ``problems`` holds one line a reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
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
    experiment
        Fields by name; those that the folder's version did not know are what it did.
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
        modes = self.experiment["precision_modes"]
        return [str(mode) for mode in modes] if isinstance(modes, list | tuple) else []


@dataclass(frozen=True)
class Difference:
    """A field that should be the same: its name and what it is in the one and in the other."""

    field: str
    one: object
    other: object

    def told(self, one: str, other: str) -> str:
        """Say it, given what the two are called: ``"machine.host: 'a' in OLD, 'b' in NEW"``."""
        return f"{self.field}: {shown(self.one)} in {one}, {shown(self.other)} in {other}"


def read_results(folder: Path) -> Results:
    """Read a result folder.

    Raises
    ------
    ResultsError
        Where it is none, is damaged, or was written by a newer version.
    """
    if not folder.is_dir():
        what = "is a file, no folder" if folder.exists() else "does not exist"
        raise _refused(f"{str(folder)!r} {what}; give a folder that `significand run` has written")
    if not (folder / MANIFEST).exists():
        raise _refused(f"{str(folder)!r} holds no results; give a folder that `significand run` has written")
    manifest = read_json_object(folder / MANIFEST)
    experiment, machine = manifest.get("experiment"), manifest.get("machine")
    if not isinstance(experiment, dict) or not isinstance(machine, dict):
        raise _refused(
            f"{str(folder / MANIFEST)!r} is damaged or without experiment and machine; give a folder that "
            "`significand run` has written"
        )
    version = manifest.get("schema_version")
    if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
        raise _refused(
            f"{str(folder)!r} has schema version {shown(version)}, this program reads 1 to {SCHEMA_VERSION}; compare "
            "with the version of significand that wrote it, or newer"
        )
    path = folder / RAW_RUNS
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            columns = frozenset(next(csv.reader(file), ()))
        runs = read_runs(path)
    except (OSError, ValueError, csv.Error) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise _refused(f"{str(path)!r} cannot be read ({cause}); measure again") from None
    if lacking := [name for name in NEEDED if name not in columns]:
        raise _refused(f"{str(path)!r} lacks the column {', '.join(lacking)}; it is no table of runs")
    twice = [key for key, count in Counter((run.precision_mode, run.seed) for run in runs).items() if count > 1]
    if twice:
        mode, seed = twice[0]
        raise _refused(f"{str(path)!r} has the run of {mode!r} with seed {seed} twice; remove the wrong line")
    experiment = {name: option.default for name, option in OPTIONS.items()} | BEFORE | experiment
    recorded = manifest.get("method")
    method = FIRST_METHOD | recorded if isinstance(recorded, dict) else FIRST_METHOD
    try:
        facts = dict(_flat({"experiment": experiment, "machine": machine, "method": method}))
    except RecursionError:
        raise _refused(f"{str(folder / MANIFEST)!r} is damaged: it is nested too deeply; measure again") from None
    if manifest.get("data_sha256"):
        facts["data_sha256"] = manifest["data_sha256"]
    return Results(
        folder,
        _text(manifest.get("started_utc")),
        _text(manifest.get("state")),
        experiment,
        facts,
        columns,
        runs,
    )


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


def is_admitted(field: str, allowed: Collection[str]) -> bool:
    """Tell whether a field or something that it is part of is among the allowed."""
    return any(field == name or field.startswith(f"{name}.") for name in allowed)


def allow_problems(allowed: Collection[str], known: Collection[str]) -> list[str]:
    """Return a line for every allowed name that is neither a field nor the beginning of one."""
    return [
        f"allow: {shown(name)} is not a field{nearest(name, known)}; give a field such as machine.versions.torch, or "
        "all fields below one, such as machine.versions"
        for name in allowed
        if not any(is_admitted(field, [name]) for field in known)
    ]


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
