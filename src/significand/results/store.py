"""A result folder: lock it, put earlier results aside, keep every finished run, write every file whole."""

import contextlib
import csv
import errno
import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np

from significand.plan.problems import PlanError
from significand.results.files import ForeignFileError, check_folder, open_own
from significand.results.journal import JOURNAL, Journal, append_run, cut_torn_line, first_line
from significand.results.lock import FolderLock
from significand.results.read import read_json_object
from significand.results.records import SCHEMA_VERSION, Run
from significand.results.values import cell, jsonable

RAW_RUNS = "raw_runs.csv"
STEPS = "steps.csv"
OPERATORS = "operators.csv"
EXAMPLES_CSV = "examples.csv"
EXAMPLES_NPZ = "examples.npz"
SUMMARY_CSV = "summary_stats.csv"
SUMMARY_JSON = "summary_stats.json"
COMPARISONS_CSV = "comparisons.csv"
COMPARISONS_JSON = "comparisons.json"
PARETO_JSON = "pareto.json"
ANSWER_JSON = "answer.json"
REPORT = "report.html"
MANIFEST = "manifest.json"
DETAILS = "details"
NETWORKS = "networks"
HISTORY = "history"
MOVING = ".moving"
"""Below history: an archive that is not complete, because a crash came or has yet to come."""

NEXT = ".significand.next.jsonl"
"""First line of the journal of an experiment that is about to begin, while earlier results are still in the folder."""

STAGED = {
    DETAILS: ".significand.next.details",
    RAW_RUNS: ".significand.next.csv",
    MANIFEST: ".significand.next.json",
}
"""What else an experiment begins with, and what it is called while earlier results are still in the folder."""

FLEET = "fleet.json"
"""Which block ran on which machine; its presence says that an experiment ran on several."""

HOSTS = "hosts"
"""The folder in which each machine has a result folder of its own."""

BUNDLE = "experiment.zip"
BLOCK_DATA = "block_data"
"""Data that are too large to travel: a folder, which machines may share."""

HOSTS_CSV = "hosts.csv"
HOST_RATIOS_CSV = "host_ratios.csv"
HOST_RATIOS_JSON = "host_ratios.json"
RATIO_BY_HOST = "ratio_by_host.png"

OF_FLEET = (FLEET, BUNDLE, BLOCK_DATA, HOSTS, HOSTS_CSV, HOST_RATIOS_CSV, HOST_RATIOS_JSON, RATIO_BY_HOST)
"""What an experiment on several machines leaves beside tables and a page."""

TEMPORARY = re.compile(r"\..+\.(csv|jsonl?|png|html|npz|zip)\.[0-9a-f]{8}")
"""Names that `replacing` gives to files before they are whole."""

PLOTS = (
    "accuracy_vs_latency.png",
    "accuracy_vs_energy.png",
    "accuracy_vs_memory.png",
    "pareto_frontier.png",
    "ratio_vs_batch_size.png",
    "ratio_vs_threads.png",
)
RESULTS = (
    JOURNAL,
    RAW_RUNS,
    STEPS,
    OPERATORS,
    EXAMPLES_CSV,
    EXAMPLES_NPZ,
    SUMMARY_CSV,
    SUMMARY_JSON,
    COMPARISONS_CSV,
    COMPARISONS_JSON,
    PARETO_JSON,
    ANSWER_JSON,
    MANIFEST,
    *PLOTS,
    REPORT,
    DETAILS,
    NETWORKS,
)
"""Everything an experiment leaves; nothing else in the folder is ever touched."""


NOTHING: Mapping[str, object] = {}


def check_writable(folder: Path) -> None:
    """Find out, without creating anything, whether results could be written to `folder`.

    Raises
    ------
    PlanError
        Naming the folder, what is in the way, and the remedy.
    """
    existing = folder
    # Path.exists raises on a name that is too long or a folder that may not be searched.
    while not os.path.exists(existing) and existing != existing.parent:  # noqa: PTH110
        existing = existing.parent
    if not existing.is_dir():
        raise _refused(folder, f"{str(existing)!r} is not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise _refused(folder, f"no permission in {str(existing)!r}")
    try:  # the superuser may write everywhere, says access(2), but not in /proc or on a read-only disk
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        raise _refused(folder, f"{error.strerror} in {str(existing)!r}") from None


def _refused(folder: Path, cause: str | None, remedy: str = "") -> PlanError:
    remedies = f"{remedy}, or give another folder" if remedy else "give another folder"
    return PlanError([f"output_dir: {str(folder)!r} cannot be written: {cause}; {remedies}"])


def unwritable(folder: Path, error: OSError) -> PlanError:
    """Say why a folder cannot be written, with what is in the way, and the remedy."""
    if isinstance(error, ForeignFileError):
        return _refused(folder, error.strerror, error.remedy)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return _refused(folder, error.strerror, "make room")
    target = error.filename2 or error.filename
    inside = isinstance(target, str | Path) and Path(target).parent == folder
    return _refused(folder, f"{error.strerror} at {Path(target).name!r}" if inside else error.strerror)


class StrandedError(OSError):
    """Earlier results that were being put aside, could not be, and could not be put back either."""


class RunDirectory:
    """The folder of one experiment while it runs. Use it as a context; it is locked meanwhile.

    Parameters
    ----------
    folder
        Created where it does not exist.

    Attributes
    ----------
    begun
        Whether the folder holds this experiment's results, complete or not.

    Raises
    ------
    PlanError
        On entering, when the folder cannot be written or another experiment is running in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: FolderLock | None = None
        self._manifest: dict[str, object] = {}
        self._runs: list[Run] = []
        self._announced = False
        self.begun = False

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = FolderLock(self.folder)
        except OSError as error:
            raise unwritable(self.folder, error) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is None:
            return
        if self._announced and not self.begun and self._lock.is_held():
            with contextlib.suppress(OSError):  # it would hide why the experiment never began
                (self.folder / NEXT).unlink(missing_ok=True)
                self._remove_staged()
        self._lock.release()

    def is_ours(self) -> bool:
        """Return whether the folder is still the one that was locked, and not removed or another's by now."""
        return self._lock is not None and self._lock.is_held()

    def check_ours(self) -> None:
        """Find out whether the folder may still be written.

        Raises
        ------
        OSError
            When it is not the one that was locked.
        """
        if not self.is_ours():
            raise FileNotFoundError(errno.ENOENT, "the folder or its lock was removed or replaced", str(self.folder))

    def announce(self, identity: Mapping[str, object]) -> None:
        """Write down what is about to begin, before anything happens to earlier results.

        From then on an interruption leaves something to go on from. What is announced and never begins is taken back
        on leaving the context.

        Raises
        ------
        PlanError
                When the folder cannot be written.
        """
        try:
            self.check_ours()
            with replacing(self.folder / NEXT, "w") as file:
                file.write(first_line(identity))
        except OSError as error:
            raise unwritable(self.folder, error) from None
        self._announced = True

    def begin(self, identity: Mapping[str, object], facts: Mapping[str, object] = NOTHING) -> Path | None:
        """Put earlier results aside and start an empty table of runs.

        Everything that an experiment begins with is on the disk before the first of the earlier results moves.

        Parameters
        ----------
        identity
            What the experiment is and where it runs: what must be the same for it to be resumed.
        facts
            What else manifest.json shall say.

        Returns
        -------
        pathlib.Path or None
            Where the earlier results are now; None where there were none.

        Raises
        ------
        PlanError
            When the folder cannot be written after all; earlier results are where they were.
        StrandedError
            When they could not be put back there.
        """
        if not self._announced:
            self.announce(identity)
        try:
            self.check_ours()
            self._stage({"schema_version": SCHEMA_VERSION, **identity, **facts})
            staged = [(self.folder / source, self.folder / name) for name, source in STAGED.items()]
            return self._change_over([(self.folder / NEXT, self.folder / JOURNAL), *staged])
        except StrandedError:
            raise
        except OSError as error:
            raise unwritable(self.folder, error) from None

    def reopen(self, journal: Journal, facts: Mapping[str, object], defaults: Mapping[str, object] = NOTHING) -> None:
        """Go on with the experiment in this folder: everything that a crash may have left is put right.

        Parameters
        ----------
        journal
            What the folder's journal says.
        facts
            What manifest.json shall say from now on.
        defaults
            What manifest.json shall say where it does not, because a crash came before it was written.

        Raises
        ------
        PlanError
            When the folder cannot be written.
        """
        try:
            self.check_ours()
            check_folder(self.folder / DETAILS)
            os.close(open_own(self.folder / JOURNAL, os.O_WRONLY))
            self._remove_temporary_files()
            cut_torn_line(self.folder / JOURNAL, journal)
            self.begun = True
            self._runs = list(journal.runs)
            known = {**defaults, **read_json_object(self.folder / MANIFEST)}
            # What the experiment is stands in the journal, whatever became of the manifest.
            self.update_manifest({**known, "schema_version": SCHEMA_VERSION, **journal.facts, **facts})
            (self.folder / DETAILS).mkdir(exist_ok=True)
            self._write_runs(self.folder / RAW_RUNS)
        except OSError as error:
            raise unwritable(self.folder, error) from None

    def append(self, run: Run, details: Mapping[str, np.ndarray]) -> None:
        """Keep a run and the single times behind it; both are on the disk on return.

        Raises
        ------
        OSError
            When they cannot be written, or the folder is gone; it is not made again.
        """
        self.check_ours()
        check_folder(self.folder / DETAILS)
        if details:
            with replacing(self.details_path(run), "wb") as file:
                np.savez(file, **details)  # type: ignore[arg-type]  # arrays by name
            _sync(self.folder / DETAILS)
        else:  # a kill between the times of a run and its line has left times of a run that was never kept
            self.details_path(run).unlink(missing_ok=True)
        append_run(self.folder / JOURNAL, run)
        self._runs.append(run)
        self._write_runs(self.folder / RAW_RUNS)

    def networks(self) -> Path:
        """Make the folder in which networks are kept, where there is none, and return it.

        Raises
        ------
        OSError
            When it cannot be made, or leads elsewhere.
        """
        folder = self.folder / NETWORKS
        check_folder(folder)
        folder.mkdir(exist_ok=True)
        return folder

    def details_path(self, run: Run) -> Path:
        """Return where the single times behind a run are kept."""
        return self.folder / DETAILS / f"{run.name}.npz"

    def _write_runs(self, path: Path) -> None:
        write_csv([run.to_row() for run in self._runs], path, [one.name for one in fields(Run)])

    def _remove_temporary_files(self) -> None:
        """Remove what `replacing` and `begin` had made when a kill came."""
        details = self.folder / DETAILS
        for folder in (self.folder, *([] if details.is_symlink() else [details])):
            for path in folder.glob(".*"):
                if TEMPORARY.fullmatch(path.name):
                    path.unlink(missing_ok=True)
        self._remove_staged()

    def _remove_staged(self) -> None:
        for name in STAGED.values():
            path = self.folder / name
            with contextlib.suppress(OSError):  # what stays is in the way of what is made in its place, which says so
                if path.is_dir() and not path.is_symlink():
                    path.rmdir()
                else:
                    path.unlink(missing_ok=True)

    def update_manifest(self, facts: Mapping[str, object]) -> None:
        """Add facts to manifest.json, replacing those of the same name."""
        self.check_ours()
        self._manifest |= facts
        write_json(self._manifest, self.folder / MANIFEST)

    def _stage(self, manifest: Mapping[str, object]) -> None:
        """Bring to the disk what an experiment begins with, under names for the time being."""
        self._remove_temporary_files()
        self._manifest |= manifest
        (self.folder / STAGED[DETAILS]).mkdir()
        self._write_runs(self.folder / STAGED[RAW_RUNS])
        write_json(self._manifest, self.folder / STAGED[MANIFEST])
        _sync(self.folder)

    def _change_over(self, arrivals: Sequence[tuple[Path, Path]]) -> Path | None:
        """Move earlier results to history, and begin: all of it, or nothing.

        Renames are all that is left to do: those, and `arrivals`. An archive that a crash has left half moved is
        completed first.
        """
        history, moving = self.folder / HISTORY, self.folder / HISTORY / MOVING
        check_folder(history)
        check_folder(moving)
        earlier = [name for name in (*RESULTS, *OF_FLEET) if os.path.lexists(self.folder / name)]
        if any(os.path.lexists(moving / name) for name in earlier):  # these are of another experiment than those
            moving.rename(self._archive_name())
        archive = self._archive_name() if earlier or moving.exists() else None
        made = [folder for folder in (history, moving) if earlier and not folder.exists()]
        renames = [(self.folder / name, moving / name) for name in earlier]
        renames += [(moving, archive)] if archive else []
        renames += arrivals
        try:
            for folder in made:
                folder.mkdir()
            for source, target in renames:
                source.rename(target)
            _sync(self.folder)
            self.begun = True
        except BaseException as error:
            self._put_back(renames, made, error)
            raise
        return archive

    def _put_back(self, renames: Sequence[tuple[Path, Path]], made: Sequence[Path], cause: BaseException) -> None:
        """Undo renames, as many as were done, and remove folders that were made for them.

        Raises
        ------
        StrandedError
            When that is impossible.
        """
        self.begun = False
        try:
            for source, target in reversed(renames):
                if os.path.lexists(target) and not os.path.lexists(source):
                    target.rename(source)
        except OSError as error:
            self.begun = not os.path.lexists(self.folder / NEXT)
            remedy = "go on with --resume" if self.begun else "start anew, which moves the rest as well"
            raise StrandedError(
                error.errno,
                f"{cause if isinstance(cause, OSError) else error}; earlier results are partly in "
                f"{str(self.folder / HISTORY)!r} now, and could not be put back: make room, and {remedy}",
            ) from None
        for folder in reversed(made):
            with contextlib.suppress(OSError):  # an empty folder harms nobody
                folder.rmdir()

    def _archive_name(self) -> Path:
        """Return the name of an archive that is complete: the time now."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
        archive = self.folder / HISTORY / stamp
        count = 1
        while os.path.lexists(archive):
            count += 1
            archive = archive.with_name(f"{stamp}-{count}")
        return archive


def write_csv(rows: Sequence[Mapping[str, object]], path: Path, columns: Sequence[str] | None = None) -> None:
    """Write rows as CSV, whole or not at all, numbers in full precision, what is missing as an empty cell.

    Parameters
    ----------
    rows
        One dict a line. A key that a row lacks is an empty cell.
    path
        File to write; its folder must exist.
    columns
        Columns in order; by default every key in order of first appearance.
    """
    columns = columns or list(dict.fromkeys(key for row in rows for key in row))
    with replacing(path, "w") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([cell(row.get(column)) for column in columns] for row in rows)


def write_json(value: object, path: Path) -> None:
    """Write JSON, whole or not at all, numbers in full precision, what is missing as null."""
    with replacing(path, "w") as file:
        json.dump(jsonable(value), file, indent=2, ensure_ascii=False, allow_nan=False)
        file.write("\n")


@contextlib.contextmanager
def replacing(path: Path, mode: str) -> Iterator[IO]:  # type: ignore[type-arg]  # text or bytes, as the mode says
    """Open a file that takes the place of `path` when the block ends well, and vanishes when it does not."""
    # A file name that is not UTF-8 shall not cost the table that mentions it.
    text = {} if "b" in mode else {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
    name = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), mode, **text) as file:  # type: ignore[call-overload]  # noqa: PTH123 - the same
            yield file
            file.flush()
            os.fsync(file.fileno())
        name.replace(path)
    finally:
        with contextlib.suppress(OSError):  # it would hide why the file was not written
            name.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Bring the names in a folder to the disk: they are the folder's, not the files'."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
