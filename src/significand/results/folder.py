"""A result folder's manifest and runs, read and checked: one folder, or one host's part of a fleet."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from significand import __version__
from significand.plan.experiment import Experiment
from significand.plan.options import OPTIONS
from significand.plan.paths import shell_word
from significand.plan.problems import shown
from significand.results.comparable import BEFORE, NEEDED, ResultsError
from significand.results.facts import FactsError, check_facts
from significand.results.files import TooLargeError, open_to_read
from significand.results.read import MANIFEST_BYTES, json_object
from significand.results.records import SCHEMA_VERSION, TableError
from significand.results.store import FLEET, HOSTS, MANIFEST, RAW_RUNS
from significand.results.table import RunTable
from significand.results.table_file import read_table

MOST_REPEATS = 2**31
"""Of an experiment; no more can be planned."""


def read_contents(path: Path, *, empty: bool = False) -> tuple[dict[str, object], Experiment, RunTable]:
    """Return what a result folder's manifest says, its experiment, and its runs.

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
    manifest, experiment = read_plan(path)
    table = path / RAW_RUNS
    try:
        runs: RunTable | Exception = read_table(table, [setup.name for setup in experiment.setups()])
    except (OSError, TooLargeError, TableError) as error:
        runs = error
    return manifest, experiment, checked_runs(path, runs, empty=empty)


def read_plan(path: Path) -> tuple[dict[str, object], Experiment]:
    """Return what a result folder's manifest says, and its experiment; errors as of `read_contents`."""
    manifest = read_manifest(path)
    try:
        return manifest, check_facts(path / MANIFEST, {**manifest, "experiment": filled(manifest)})
    except FactsError as error:
        raise ResultsError(error.problems) from None


def checked_runs(path: Path, runs: RunTable | Exception, *, empty: bool = False) -> RunTable:
    """Return the runs of a folder where they can be told apart, given those or the error of reading them.

    Raises
    ------
    significand.results.comparable.ResultsError
        As `read_contents`.
    """
    table = path / RAW_RUNS
    if isinstance(runs, TooLargeError):
        raise refused(str(runs))
    if isinstance(runs, Exception):
        cause = (runs.strerror or runs) if isinstance(runs, OSError) else runs
        raise refused(f"{str(table)!r} cannot be read ({cause}); measure again")
    if lacking := [name for name in NEEDED if name not in runs.columns]:
        raise refused(f"{str(table)!r} lacks the column {', '.join(lacking)}; it is no table of runs")
    _check_unique(table, runs)
    if not (len(runs) or empty):
        command = f"`significand run --resume --output-dir={shell_word(path)}`"
        raise refused(f"{str(path)!r} has no runs yet; go on with {command}")
    return runs


def filled(manifest: Mapping[str, object]) -> dict[str, object]:
    """Return the experiment's fields as the manifest has them; those that its version did not know are what it did."""
    stored = manifest.get("experiment")
    defaults = {name: option.default for name, option in OPTIONS.items()} | BEFORE
    return defaults | (stored if isinstance(stored, dict) else {})


def read_manifest(path: Path) -> dict[str, object]:
    """Read a folder's manifest, which has an experiment and a machine and is of a version that is known."""
    if not os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where a name is too long
        what = "is a file, no folder" if os.path.lexists(path) else "does not exist"
        raise refused(f"{str(path)!r} {what}; give a folder that `significand run` has written")
    file = path / MANIFEST
    if not os.path.lexists(file):
        raise refused(no_results(path))
    try:
        with open_to_read(file, MANIFEST_BYTES, "it is no manifest of an experiment") as opened:
            manifest = json_object(opened.read())
    except TooLargeError as error:
        raise refused(str(error)) from None
    except OSError as error:
        raise refused(f"{str(file)!r} cannot be read ({error.strerror}); give a readable one") from None
    machine = manifest.get("machine")
    if not isinstance(manifest.get("experiment"), dict) or not isinstance(machine, dict):
        raise refused(
            f"{str(file)!r} is damaged or without experiment and machine; give a folder that `significand run` has "
            "written"
        )
    version = manifest.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= SCHEMA_VERSION:
        versions = machine.get("versions")
        made_by = versions.get("significand") if isinstance(versions, dict) else None
        known = f"was made by significand {made_by}, " if isinstance(made_by, str) else "is "
        raise refused(
            f"{str(path)!r} {known}of schema version {shown(version)}; this significand, {__version__}, reads 1 to "
            f"{SCHEMA_VERSION}: upgrade it"
        )
    return manifest


def _check_unique(path: Path, runs: RunTable) -> None:
    """Refuse two runs of one setup with one seed, or in one repeat."""
    repeats = runs.counts("repeat")
    if (odd := repeats[(repeats < 0) | (repeats >= MOST_REPEATS)]).size:
        told = f"has the repeat {odd[0]}; they count from 0 to {MOST_REPEATS - 1}; correct the line"
        raise refused(f"{str(path)!r} {told}")
    for column in ("seed", "repeat"):
        numbers, places = np.unique(runs.counts(column), return_inverse=True)
        keys, counts = np.unique(runs.codes * max(numbers.size, 1) + places, return_counts=True)
        if (twice := keys[counts > 1]).size:
            setup, place = divmod(int(twice[0]), numbers.size)
            run = f"the run of {shown(runs.setups[setup])} with {column} {numbers[place]}"
            raise refused(f"{str(path)!r} has {run} twice; remove the wrong line")


def no_results(path: Path) -> str:
    """Say that a folder is no result folder, and what to give instead: of a fleet, one of its hosts'."""
    if not os.path.lexists(path / FLEET):
        return f"{str(path)!r} holds no results; give a folder that `significand run` has written"
    try:
        with os.scandir(path / HOSTS) as found:
            first = min((one.name for one in found if not one.name.startswith(".")), default="HOST")
    except OSError:
        first = "HOST"
    one = shell_word(path / HOSTS / first)
    return f"{str(path)!r} holds results of several hosts; give one host's, such as {one}, or `significand report` all"


def refused(problem: str) -> ResultsError:
    """Return the error of a single problem."""
    return ResultsError([problem])
