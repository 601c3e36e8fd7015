"""The folder of each machine that works on an experiment: an ordinary result folder, to which whole blocks are added.

What is on the disk can be relied on in the order in which it is written: the single times, then the journal's lines,
then everything that follows from them. All blocks that arrive together are brought to the disk together.
"""

import contextlib
import ctypes
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from significand.plan.experiment import Experiment
from significand.plan.problems import PlanError, shown
from significand.results.difference import differing
from significand.results.files import check_folder, open_own
from significand.results.host_names import host_folder_name
from significand.results.journal import JOURNAL, JournalError, read_journal
from significand.results.records import SCHEMA_VERSION
from significand.results.sent_blocks import (
    COLUMNS,
    BlockError,
    Receiver,
    SentBlock,
    as_csv,
    block_archive,
    counted,
)
from significand.results.store import DETAILS, HOSTS, MANIFEST, RAW_RUNS, replacing
from significand.results.values import jsonable

MOMENTARY = ("memory_mb", "available_cpus", "cpu_quota", "frequency_governor", "turbo", "clock_source")
"""Facts of a machine that may be otherwise at another hour; all others say that it is another machine."""


@dataclass
class _Host:
    """A machine's folder as it is on the disk."""

    folder: Path
    machine: Mapping[str, object]
    repeats: set[int]
    manifest: dict[str, object]
    finished: int = 0
    failed: int = 0


class HostFolders:
    """The folders of all machines of an experiment.

    Parameters
    ----------
    out
        Folder of the whole experiment, which is locked.
    receiver
        Checks the blocks.
    """

    def __init__(self, out: Path, receiver: Receiver) -> None:
        self._out = out / HOSTS
        self._receiver = receiver
        self._hosts: dict[str, _Host] = {}

    @property
    def done(self) -> dict[str, frozenset[int]]:
        """The repeats that each machine has, by its name."""
        return {name: frozenset(host.repeats) for name, host in self._hosts.items()}

    @property
    def runs(self) -> tuple[int, int]:
        """How many runs finished, and how many failed."""
        hosts = self._hosts.values()
        return sum(host.finished for host in hosts), sum(host.failed for host in hosts)

    def machine(self, host: str) -> Mapping[str, object]:
        """Return the facts of a machine; nothing of one that has no block yet."""
        return self._hosts[host].machine if host in self._hosts else {}

    def read(self, experiment: Experiment) -> None:
        """Take in what the folders hold already; blocks that are not whole are made whole again, or taken out.

        Raises
        ------
        PlanError
            Where a folder is damaged, or of another experiment.
        """
        problems = []
        for folder in sorted(self._out.iterdir()) if self._out.is_dir() else ():
            try:
                self._read(folder, experiment)
            except (BlockError, JournalError) as error:
                problems.append(f"{HOSTS}/{folder.name}: {error}; move that folder away, and its blocks are redone")
            except OSError as error:
                problems.append(f"{HOSTS}/{folder.name}: {error}; move that folder away, and its blocks are redone")
        if problems:
            raise PlanError([f"resume: {line}" for line in problems])

    def _read(self, folder: Path, experiment: Experiment) -> None:
        check_folder(folder)
        journal = read_journal(folder / JOURNAL)
        self._receiver.check_facts(journal.facts)
        machine = journal.facts["machine"]
        host = str(machine["host"])  # type: ignore[index]  # checked
        whole = len(experiment.setups())
        counts = Counter(run.repeat for run in journal.runs)
        repeats = {repeat for repeat, count in counts.items() if count == whole}
        with (folder / JOURNAL).open("rb") as file:
            first, *lines = file.readlines()
        kept = [line for line, run in zip(lines, journal.runs, strict=False) if run.repeat in repeats]
        runs = [run for run in journal.runs if run.repeat in repeats]
        found = _Host(folder, machine, repeats, {}, *counted(run.status for run in runs))  # type: ignore[arg-type]
        self._hosts[host] = found
        if len(kept) < len(lines) or journal.torn_bytes:
            with replacing(folder / JOURNAL, "wb") as file:
                file.write(b"".join([first, *kept]))
        rows = [json.loads(line)["run"] for line in kept]
        with replacing(folder / RAW_RUNS, "wb") as file:
            file.write(as_csv([dict(zip(COLUMNS, COLUMNS, strict=True)), *rows]))
        self._manifest(found, journal.facts)
        for path in sorted((folder / DETAILS).glob("r*.zip")):
            number = path.stem.removeprefix("r")
            if number.isdecimal() and int(number) not in repeats:  # its lines were being added when a crash came
                with contextlib.suppress(OSError, BlockError):
                    self.keep([self._receiver.receive(path.read_bytes(), int(number))])

    def keep(self, blocks: Sequence[SentBlock]) -> list[str]:
        """Add blocks; return for each why it was not added, or nothing.

        Raises
        ------
        OSError
            Where they cannot be written.
        """
        reasons, added = [], []
        for block in blocks:
            reason = self._why_not(block)
            reasons.append(reason)
            if not reason:
                host = self._hosts.get(block.host) or self._begin(block)
                host.repeats.add(block.repeat)
                _write(host.folder / DETAILS / block_archive(block.repeat), os.O_TRUNC, block.content)
                added.append((host, block))
        if added:
            _bring_to_disk(self._out)
        for host, block in added:
            _write(host.folder / JOURNAL, os.O_APPEND, block.lines)
            _write(host.folder / RAW_RUNS, os.O_APPEND, block.rows)
            host.finished += block.finished
            host.failed += block.failed
        if added:
            _bring_to_disk(self._out)
        return reasons

    def end(self, state: str, times: Mapping[str, Mapping[str, object]]) -> None:
        """Say in each machine's manifest how it ended, and when it began and ended.

        Parameters
        ----------
        state
            finished, interrupted or failed.
        times
            By machine, ``started_utc`` and ``ended_utc``.
        """
        for name, host in self._hosts.items():
            counts = {"finished_runs": host.finished, "failed_runs": host.failed}
            told = host.manifest | {"state": state, **times.get(name, {}), **counts}
            _write(host.folder / MANIFEST, os.O_TRUNC, _as_json(told))
        if self._hosts:
            _bring_to_disk(self._out)

    def _why_not(self, block: SentBlock) -> str:
        host = self._hosts.get(block.host)
        if host is None:
            return ""
        if block.repeat in host.repeats:
            return f"{shown(block.host)} has repeat {block.repeat} already; the first was kept"
        if host.machine is block.facts["machine"]:
            return ""
        for one in differing(host.machine, block.facts["machine"], "machine."):
            if one.field.removeprefix("machine.") not in MOMENTARY:
                return f"{shown(block.host)} is not what it was: {one.told_in_time()}"
        return ""

    def _begin(self, block: SentBlock) -> _Host:
        folder = self._out / host_folder_name(block.host)
        check_folder(folder)
        check_folder(folder / DETAILS)
        (folder / DETAILS).mkdir(parents=True, exist_ok=True)
        host = self._hosts[block.host] = _Host(folder, block.facts["machine"], set(), {})
        _write(folder / JOURNAL, os.O_TRUNC, block.first_line)
        _write(folder / RAW_RUNS, os.O_TRUNC, as_csv([dict(zip(COLUMNS, COLUMNS, strict=True))]))
        self._manifest(host, block.facts)
        return host

    def _manifest(self, host: _Host, facts: Mapping[str, object]) -> None:
        host.manifest = {"schema_version": SCHEMA_VERSION, **facts, "state": "running"}
        _write(host.folder / MANIFEST, os.O_TRUNC, _as_json(host.manifest))


def _as_json(value: Mapping[str, object]) -> bytes:
    text = json.dumps(jsonable(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", errors="surrogateescape")


def _write(path: Path, how: int, content: bytes) -> None:
    """Write in one go; only `_bring_to_disk` waits for the disk."""
    with open(open_own(path, os.O_WRONLY | os.O_CREAT | how), "wb") as file:  # noqa: PTH123 - a file descriptor
        file.write(content)


def _bring_to_disk(folder: Path) -> None:
    """Bring everything that was written below a folder to the disk, in one call for any number of files.

    syncfs(2) waits for the whole file system. Where it is not to be had, sync(2) waits for all of them.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None:
            os.sync()
        elif syncfs(descriptor):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(descriptor)
