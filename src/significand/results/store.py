"""A result folder: lock it, put earlier results aside, keep every finished run, write every file whole."""

import csv
import fcntl
import json
import math
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np

from significand.plan.problems import PlanError
from significand.results.records import SCHEMA_VERSION, Run

RAW_RUNS = "raw_runs.csv"
SUMMARY_CSV = "summary_stats.csv"
SUMMARY_JSON = "summary_stats.json"
MANIFEST = "manifest.json"
DETAILS = "details"
HISTORY = "history"
LOCK = ".significand.lock"

PLOTS = (
    "accuracy_vs_latency.png",
    "accuracy_vs_energy.png",
    "accuracy_vs_memory.png",
    "pareto_frontier.png",
)
RESULTS = (RAW_RUNS, SUMMARY_CSV, SUMMARY_JSON, MANIFEST, *PLOTS, DETAILS)
"""Everything an experiment leaves; nothing else in the folder is ever touched."""


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
        raise _unwritable(folder, f"{str(existing)!r} is not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise _unwritable(folder, f"no permission in {str(existing)!r}")
    try:  # the superuser may write everywhere, says access(2), but not in /proc or on a read-only disk
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        raise _unwritable(folder, f"{error.strerror} in {str(existing)!r}") from None


def _unwritable(folder: Path, cause: str | None) -> PlanError:
    return PlanError([f"output_dir: {str(folder)!r} cannot be written: {cause}; give another folder"])


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
        self._lock: IO[str] | None = None
        self._manifest: dict[str, object] = {}
        self.begun = False

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = self._acquire_lock()
        except OSError as error:
            raise _unwritable(self.folder, error.strerror) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            (self.folder / LOCK).unlink(missing_ok=True)
            self._lock.close()

    def begin(self, manifest: Mapping[str, object]) -> Path | None:
        """Put earlier results aside and start an empty table of runs.

        Returns
        -------
        pathlib.Path or None
            Where the earlier results are now; None where there were none.

        Raises
        ------
        PlanError
            When the folder does not let itself be written after all.
        """
        try:
            archive = self._archive()
            self.begun = True
            self.update_manifest({"schema_version": SCHEMA_VERSION} | dict(manifest))
            (self.folder / DETAILS).mkdir()
            write_csv([], self.folder / RAW_RUNS, [column.name for column in fields(Run)])
        except OSError as error:
            raise _unwritable(self.folder, error.strerror) from None
        return archive

    def append(self, run: Run, details: Mapping[str, np.ndarray]) -> None:
        """Add a run to the table and keep the single times behind it; both are on the disk on return."""
        if details:
            with replacing(self.folder / DETAILS / f"{run.name}.npz", "wb") as file:
                np.savez(file, **details)  # type: ignore[arg-type]  # arrays by name
        with (self.folder / RAW_RUNS).open("a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerow([_cell(value) for value in run.to_row().values()])
            file.flush()
            os.fsync(file.fileno())

    def update_manifest(self, facts: Mapping[str, object]) -> None:
        """Add facts to manifest.json, replacing those of the same name."""
        self._manifest |= facts
        write_json(self._manifest, self.folder / MANIFEST)

    def _acquire_lock(self) -> IO[str]:
        path = self.folder / LOCK
        while True:
            file = path.open("a+", encoding="ascii")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "another"
                file.close()
                raise PlanError(
                    [f"output_dir: {str(self.folder)!r} is in use by process {holder}; wait or give another folder"]
                ) from None
            # The holder before may have removed the file between our opening and locking it.
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                file.truncate(0)
                file.write(str(os.getpid()))
                file.flush()
                return file
            file.close()

    def _archive(self) -> Path | None:
        earlier = [self.folder / name for name in RESULTS if (self.folder / name).exists()]
        if not earlier:
            return None
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
        archive = self.folder / HISTORY / stamp
        count = 1
        while archive.exists():
            count += 1
            archive = archive.with_name(f"{stamp}-{count}")
        archive.mkdir(parents=True)
        for path in earlier:
            path.rename(archive / path.name)
        return archive


def read_runs(path: Path) -> list[Run]:
    """Read the runs of a raw_runs.csv."""
    with path.open(encoding="utf-8", newline="") as file:
        return [Run.from_row(row) for row in csv.DictReader(file)]


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
        writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)


def write_json(value: object, path: Path) -> None:
    """Write JSON, whole or not at all, numbers in full precision, what is missing as null."""
    with replacing(path, "w") as file:
        json.dump(jsonable(value), file, indent=2, ensure_ascii=False, allow_nan=False)
        file.write("\n")


def jsonable(value: object) -> object:
    """Return `value` with NaN and infinities as None and NumPy numbers as Python's: JSON knows neither."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value


@contextmanager
def replacing(path: Path, mode: str) -> Iterator[IO]:  # type: ignore[type-arg]  # text or bytes, as the mode says
    """Open a file that takes the place of `path` when the block ends well, and vanishes when it does not."""
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    name = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), mode, **text) as file:  # type: ignore[call-overload]  # noqa: PTH123 - the same
            yield file
            file.flush()
            os.fsync(file.fileno())
        name.replace(path)
    finally:
        name.unlink(missing_ok=True)


def _cell(value: object) -> object:
    if value is None or (isinstance(value, float | np.floating) and math.isnan(value)):
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        return repr(float(value))  # the shortest text that reads back as the same number
    return value
