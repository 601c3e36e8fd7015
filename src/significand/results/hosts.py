"""The folder of each machine that works on an experiment: an ordinary result folder, to which whole blocks are added.

What is on the disk can be relied on in the order in which it is written: the single times, then the journal's lines,
then everything that follows from them. All blocks that arrive together are brought to the disk together.
"""

import contextlib
import ctypes
import json
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from significand.plan.experiment import Experiment
from significand.plan.problems import PlanError, shown
from significand.results.difference import Difference, differing, is_admitted
from significand.results.files import (
    LONGEST_LINE,
    TooLargeError,
    check_folder,
    most_table_bytes,
    open_own,
    open_to_read,
)
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
    read_block,
)
from significand.results.store import DETAILS, HOSTS, MANIFEST, RAW_RUNS, replacing
from significand.results.values import jsonable

MOMENTARY = ("memory_mb", "available_cpus", "cpu_quota", "frequency_governor", "turbo", "clock_source")
"""Facts of a machine that may be otherwise at another hour; all others say that it is another machine."""

_HEADER = as_csv([dict(zip(COLUMNS, COLUMNS, strict=True))])
"""First line of a table of runs."""


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
        if not _is_begun(folder):
            self._begin_again(folder)
            return
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
            file.write(_HEADER + as_csv(rows))
        self._manifest(found, journal.facts)
        for repeat, path in _archives(folder):
            if repeat not in repeats:  # its lines were being added when a crash came
                self._keep_again(path, repeat)

    def _keep_again(self, path: Path, repeat: int) -> None:
        """Add a block that is among the single times already, where it is whole."""
        with contextlib.suppress(OSError, BlockError, TooLargeError):
            block = self._receiver.receive(read_block(path), repeat)
            if host_folder_name(block.host) == path.parent.parent.name:
                self.keep([block])

    def _begin_again(self, folder: Path) -> None:
        """Put right a folder whose journal has not begun, because a crash or a full disk came before.

        What it holds of blocks begins it anew. Where it holds none it is removed, and made again with its first block.
        """
        for repeat, path in _archives(folder):
            self._keep_again(path, repeat)
        if _is_begun(folder):
            return
        if _holds_something(folder):
            read_journal(folder / JOURNAL)  # says what is wrong with it: a person has to look
        for name in (JOURNAL, RAW_RUNS, MANIFEST):
            (folder / name).unlink(missing_ok=True)
        for path in (folder / DETAILS, folder):
            with contextlib.suppress(OSError):  # what is not ours stays, and is in nobody's way
                path.rmdir()

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
        differences = different_machines(host.machine, block.facts["machine"], self._receiver.allow)
        if not differences:
            return ""
        told = "; ".join(one.told_in_time() for one in differences)
        return f"{shown(block.host)} is not what it was: {told}; {if_one_machine(differences)}"

    def holds(self, block: SentBlock) -> bool:
        """Tell whether its machine has the very runs of a block already, not others of the same repeat."""
        host = self._hosts.get(block.host)
        if host is None or block.repeat not in host.repeats:
            return False
        with contextlib.suppress(OSError, BlockError, TooLargeError):
            path = host.folder / DETAILS / block_archive(block.repeat)
            kept = self._receiver.receive(read_block(path), block.repeat)
            return sorted(kept.lines.splitlines()) == sorted(block.lines.splitlines())
        return False

    def _begin(self, block: SentBlock) -> _Host:
        folder = self._out / host_folder_name(block.host)
        check_folder(folder)
        check_folder(folder / DETAILS)
        (folder / DETAILS).mkdir(parents=True, exist_ok=True)
        host = self._hosts[block.host] = _Host(folder, block.facts["machine"], set(), {})
        _write(folder / JOURNAL, os.O_TRUNC, block.first_line)
        _write(folder / RAW_RUNS, os.O_TRUNC, _HEADER)
        self._manifest(host, block.facts)
        return host

    def _manifest(self, host: _Host, facts: Mapping[str, object]) -> None:
        host.manifest = {"schema_version": SCHEMA_VERSION, **facts, "state": "running"}
        _write(host.folder / MANIFEST, os.O_TRUNC, _as_json(host.manifest))


def different_machines(
    one: Mapping[str, object], other: Mapping[str, object], allow: Collection[str] = ()
) -> list[Difference]:
    """Return in what two sets of facts are of two machines, given which fields of a machine may differ."""
    return [
        difference
        for difference in differing(one, other, "machine.")
        if difference.field.removeprefix("machine.") not in MOMENTARY and not is_admitted(difference.field, allow)
    ]


def if_one_machine(differences: Iterable[Difference]) -> str:
    """Say what to do where a machine is the same although its facts differ."""
    flags = " ".join(f"--allow {one.field}" for one in differences)
    return f"if it is the same machine, give {flags}"


def _is_begun(folder: Path) -> bool:
    """Tell whether the first line of a machine's journal is there; what else may be wrong with it is told elsewhere."""
    path = folder / JOURNAL
    if not os.path.lexists(path):
        return False
    try:
        with open_to_read(path, most_table_bytes(), "") as file:
            first = file.readline(LONGEST_LINE)
    except (OSError, TooLargeError):
        return True
    return first.endswith(b"\n") or len(first) == LONGEST_LINE


def _holds_something(folder: Path) -> bool:
    """Tell whether a machine's folder has runs or single times, whatever its journal says."""
    table, details = folder / RAW_RUNS, folder / DETAILS
    is_filled = os.path.lexists(table) and table.lstat().st_size > len(_HEADER)
    return is_filled or (os.path.lexists(details) and any(details.iterdir()))


def _archives(folder: Path) -> Iterator[tuple[int, Path]]:
    """Return the blocks among a machine's single times, and which repeat each is."""
    for path in sorted((folder / DETAILS).glob("r*.zip")):
        number = path.stem.removeprefix("r")
        if number.isdecimal() and number.isascii():
            yield int(number), path


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
