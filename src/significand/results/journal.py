"""The journal of an experiment: what it is, and every run as it ended, one line each, on the disk before the next.

The first line says what the experiment is and where it runs; each further line holds a run, its values as the texts of
raw_runs.csv. Lines are only ever appended. A crash can tear the last line and nothing else, so everything else in a
result folder can be made again from here, and an experiment that was interrupted can go on.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from significand.plan.problems import shown
from significand.results.files import (
    ELSEWHERE,
    TooLargeError,
    counted,
    lines_of,
    most_table_bytes,
    open_own,
    open_to_read,
)
from significand.results.records import SCHEMA_VERSION, Run
from significand.results.values import cell, check_encodable, jsonable

JOURNAL = "journal.jsonl"


class JournalError(ValueError):
    """A journal that cannot be gone on from; the text says why, and what to do."""


@dataclass(frozen=True)
class Journal:
    """What a journal says.

    Attributes
    ----------
    facts
        What the experiment is and where it runs.
    runs
        Every run that ended, finished or failed, in the order of their ends.
    torn_bytes
        Length of a last line that a crash has cut off; it counts as not written.
    """

    facts: Mapping[str, object]
    runs: Sequence[Run]
    torn_bytes: int


def first_line(facts: Mapping[str, object]) -> str:
    """Return the first line of a journal."""
    return _line({"schema_version": SCHEMA_VERSION, **facts})


def append_run(path: Path, run: Run) -> None:
    """Add a run to an existing journal; it is on the disk on return.

    Raises
    ------
    OSError
        When it cannot be written; also when the journal is gone, which is never made anew.
    """
    values = {name: _text(value) for name, value in run.to_row().items()}
    # In one piece, so that only a crash in the middle of it can tear the line.
    with open(open_own(path, os.O_WRONLY | os.O_APPEND), "ab") as file:  # noqa: PTH123 - never made anew
        file.write(_line({"run": values}).encode())
        file.flush()
        os.fsync(file.fileno())


def read_journal(path: Path) -> Journal:
    """Read a journal.

    Raises
    ------
    JournalError
        When there is none, or it is none, or of another version, or damaged elsewhere than at its end, or holds a run
        twice, or is too large for the memory.
    """
    try:
        with open_to_read(path, most_table_bytes(), ELSEWHERE) as file:
            return _read(path, file)
    except OSError as error:
        raise JournalError(
            f"{str(path)!r} cannot be read ({error.strerror}); give the folder of an interrupted experiment, or start "
            "one anew without resuming"
        ) from None
    except TooLargeError as error:
        raise JournalError(str(error)) from None


def _read(path: Path, file: BinaryIO) -> Journal:
    lines = lines_of(path, file)
    first = next(lines, b"")
    if not first.endswith(b"\n"):
        raise JournalError(f"{str(path)!r} was cut off in its first line; start the experiment anew")
    facts = _object(path, 1, first)
    version = facts.pop("schema_version", None)
    if version != SCHEMA_VERSION:
        raise JournalError(
            f"{str(path)!r} has schema version {shown(version)}, this program writes {SCHEMA_VERSION}; "
            "finish it with the version of significand that began it, or start it anew"
        )
    runs: list[Run] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(counted(path, lines), 2):
        if not line.endswith(b"\n"):
            return Journal(facts, runs, len(line))
        run = _run(path, number, line)
        if seen.setdefault(run.name, number) != number:
            raise _damaged(path, number, f"the run {shown(run.name)} is in line {seen[run.name]} already")
        runs.append(run)
    return Journal(facts, runs, 0)


def cut_torn_line(path: Path, journal: Journal) -> None:
    """Remove a last line that was cut off, so that the next one begins where it began."""
    if journal.torn_bytes:
        descriptor = open_own(path, os.O_WRONLY)
        try:
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - journal.torn_bytes)
        finally:
            os.close(descriptor)


def _run(path: Path, number: int, line: bytes) -> Run:
    values = _object(path, number, line).get("run")
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise _damaged(path, number, "it holds no run")
    try:
        return Run.from_row(values)
    except ValueError as error:
        raise _damaged(path, number, str(error)) from None


def _object(path: Path, number: int, line: bytes) -> dict[str, object]:
    try:
        value = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        check_encodable(value)
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or nested without end
        raise _damaged(path, number, str(error)) from None
    if not isinstance(value, dict):
        raise _damaged(path, number, "it is not an object")
    return value


def _damaged(path: Path, number: int, cause: str) -> JournalError:
    return JournalError(f"{str(path)!r} is damaged in line {number} ({cause}); start the experiment anew")


def _line(value: Mapping[str, object]) -> str:
    return json.dumps(jsonable(value), allow_nan=False) + "\n"  # ASCII, so that any file name fits


def _text(value: object) -> str:
    return str(cell(value))
