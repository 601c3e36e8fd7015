"""A block on its way from the machine that measured it: packed there, and checked where it arrives.

It is a .zip file, nothing in it compressed: ``journal.jsonl``, the first line of the machine's journal and those of the
block's runs, and ``details``, the single times behind each. It comes from elsewhere, so nothing of it is believed: not
its size, not its names, not what stands in it.
"""

import csv
import io
import json
import os
import struct
import zipfile
import zlib
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import itemgetter
from pathlib import Path
from typing import Any

from significand.plan.experiment import Experiment
from significand.plan.problems import shown
from significand.results.difference import Difference, differing, is_admitted
from significand.results.facts import FactsError, check_facts
from significand.results.files import ELSEWHERE, LONGEST_LINE, most_table_bytes, open_to_read
from significand.results.journal import JOURNAL
from significand.results.records import FINISHED, LARGEST_WHOLE, SCHEMA_VERSION, TRUTH_VALUES, Run, run_name
from significand.results.resume import IDENTITY, telling
from significand.results.store import DETAILS
from significand.results.values import check_encodable

LARGEST_BLOCK = 1_000_000_000
"""Bytes of a block, at most. One of a dozen small networks has some hundred thousand."""

TOO_LARGE = "it is no block; move it away"

OF_EXPERIMENT = tuple(name for name in IDENTITY if name not in {"machine", "energy_source"})
"""What all machines of an experiment have in common."""

OF_PROGRAM = ("machine.python", "machine.versions")
"""What else they must have in common, unless it is allowed to differ."""

_FIRST, _END, _END_BYTES = b"PK\3\4", b"PK\5\6", 22
"""How a .zip file begins, and how the last of its bytes do (PKWARE, APPNOTE 6.3.10, 4.3.7 and 4.3.16)."""

COLUMNS = tuple(one.name for one in fields(Run))
_KINDS = {one.name: one.type for one in fields(Run)}
_FLOATS, _WHOLES = (itemgetter(*(name for name, kind in _KINDS.items() if kind is wanted)) for wanted in (float, int))
_TRUTHS = [name for name, kind in _KINDS.items() if kind not in {float, int, str}]
_HEADER = struct.Struct("<4s22xHH")
"""Of a file in an archive (the same, 4.3.7): signature, lengths of its name and of what is extra."""


class BlockError(ValueError):
    """A block that arrived and cannot be kept; the text says why."""


@dataclass(frozen=True)
class SentBlock:
    """A block that arrived whole.

    Attributes
    ----------
    facts
        What its experiment is, and the machine.
    first_line
        The same, as it came.
    repeat
        Which repeat it is.
    lines
        Of the journal, one for each run.
    rows
        The same runs, as raw_runs.csv has them.
    finished, failed
        How many of them did.
    content
        All of it, as it came.
    """

    facts: Mapping[str, Any]
    first_line: bytes
    repeat: int
    lines: bytes
    rows: bytes
    finished: int
    failed: int
    content: bytes

    @property
    def host(self) -> str:
        """The machine's name."""
        return str(self.facts["machine"]["host"])


def block_archive(repeat: int) -> str:
    """Return what a block that was sent is called among the single times of its machine."""
    return f"r{repeat:03d}.zip"


def pack_block(folder: Path, repeat: int, host: str = "") -> bytes:
    """Pack what a result folder holds of a repeat; `host` is another name for its machine.

    Raises
    ------
    BlockError
        Where its journal or its single times cannot be read, or are no files, or too large.
    """
    try:
        with open_to_read(folder / JOURNAL, most_table_bytes(), ELSEWHERE) as file:
            first, *others = file.readlines()
    except (OSError, ValueError) as error:
        raise BlockError(f"{str(folder)!r} holds no block ({error})") from None
    if host:
        facts = json.loads(first)
        facts["machine"]["host"] = host
        first = json.dumps(facts).encode() + b"\n"
    of_repeat = {name: line for line in others if (name := _name_in(line, repeat))}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(JOURNAL, b"".join([first, *of_repeat.values()]))
        for name, content in _details(folder / DETAILS, repeat, of_repeat):
            archive.writestr(f"{DETAILS}/{name}.npz", content)
            if buffer.tell() > LARGEST_BLOCK:
                raise BlockError(f"it has more than {LARGEST_BLOCK / 1e6:.0f} MB; {TOO_LARGE}")
    return buffer.getvalue()


def _details(folder: Path, repeat: int, names: Iterable[str]) -> Iterator[tuple[str, bytes | memoryview]]:
    """Return the single times behind runs, by name: each in a file, or all in the block that was sent from elsewhere.

    Raises
    ------
    BlockError
        Where they are damaged, no files or too large, naming the file.
    """
    path = folder / block_archive(repeat)
    try:
        sent = members_of(read_block(path)) if os.path.lexists(path) else {}
        for name in names:
            path = folder / f"{name}.npz"
            if (content := sent.get(f"{DETAILS}/{name}.npz")) is not None:
                yield name, content
            elif os.path.lexists(path):
                yield name, read_block(path)
    except (OSError, ValueError) as error:
        remedy = "move it away, and the runs are taken without their single times"
        raise BlockError(f"{str(path)!r} cannot be read ({error}); {remedy}") from None


def read_block(path: Path) -> bytes:
    """Return what a file of a block, or of single times, holds: never a pipe or a device, and of bounded size.

    Raises
    ------
    OSError
        Where it cannot be read, or is no file.
    significand.results.files.TooLargeError
        Where it is too large.
    """
    with open_to_read(path, LARGEST_BLOCK, TOO_LARGE) as file:
        return file.read(LARGEST_BLOCK)


def members_of(content: bytes) -> dict[str, memoryview]:
    """Return what a block holds, by name, none of it copied.

    Raises
    ------
    BlockError
        Where it is cut off or damaged, or packed otherwise than a block is.
    """
    try:
        return _members(content)
    except BlockError:
        raise
    except Exception as error:  # noqa: BLE001 - zipfile raises many kinds on what was cut off
        raise BlockError(f"it was cut off or damaged on its way ({error})") from None


def _members(content: bytes) -> dict[str, memoryview]:
    # What is inside ends in the same way, so that the end of one of these might be taken for that of the whole.
    if not content.startswith(_FIRST) or not content[-_END_BYTES:].startswith(_END):
        raise BlockError("it was cut off on its way")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if len({member.filename for member in members}) < len(members) or any(one.compress_type for one in members):
            raise BlockError("it is packed otherwise than a block is")
        if sum(member.file_size for member in members) > len(content):
            raise BlockError("its files overlap")
        return {member.filename: _bytes_of(content, member) for member in members}


def _name_in(line: bytes, repeat: int) -> str:
    """Return what the run in a line is called, if it is of that repeat; a line that was cut off holds none."""
    try:
        row = json.loads(line)["run"]
        return run_name(repeat, row["setup"]) if row["repeat"] == str(repeat) else ""
    except (ValueError, KeyError, TypeError):
        return ""


class Receiver:
    """Checks the blocks of one experiment as they arrive.

    Parameters
    ----------
    facts
        What the experiment is, and the machine whose versions all others must have.
    experiment
        The same, as an experiment.
    allow
        Fields of the machine that may differ, such as ``machine.versions.numpy``.
    """

    def __init__(self, facts: Mapping[str, object], experiment: Experiment, allow: Collection[str] = ()) -> None:
        self._facts = facts
        self._seed = experiment.seed
        self._setups = {setup.name: (setup.precision, setup.variant) for setup in experiment.setups()}
        self.allow = allow
        self._known: dict[bytes, Mapping[str, Any]] = {}

    def receive(self, content: bytes, repeat: int) -> SentBlock:
        """Return the block that was sent.

        Raises
        ------
        BlockError
            Where it is not whole, or not the repeat that was asked for, or of another experiment or program.
        """
        if len(content) > LARGEST_BLOCK:
            raise BlockError(f"it has {len(content) / 1e6:.0f} MB, at most {LARGEST_BLOCK / 1e6:.0f} MB are taken")
        journal = self._journal(content, repeat)
        first, *lines = journal.splitlines(keepends=True)
        facts = self.facts_in(first)
        rows = self._rows(lines, repeat)
        counts = counted(row.get("status", "") for row in rows)
        return SentBlock(facts, first, repeat, b"".join(lines), as_csv(rows), *counts, content)

    def facts_in(self, first_line: bytes) -> Mapping[str, Any]:
        """Return what the first line of a block's journal says; the same object for the same line.

        Raises
        ------
        BlockError
            Where it is of another experiment or program.
        """
        facts = self._known.get(first_line)
        if facts is None:
            facts = self._known[first_line] = self._checked(first_line)
        return facts

    def _journal(self, content: bytes, repeat: int) -> bytes:
        found = members_of(content)
        known = {JOURNAL, *(f"{DETAILS}/{run_name(repeat, setup)}.npz" for setup in self._setups)}
        if foreign := found.keys() - known:
            raise BlockError(f"it holds {shown(min(foreign))}, which is nothing of repeat {repeat}")
        if JOURNAL not in found:
            raise BlockError("it holds no journal")
        return bytes(found[JOURNAL])

    def _checked(self, first: bytes) -> Mapping[str, Any]:
        facts = _object(first)
        version = facts.pop("schema_version", None)
        if version != SCHEMA_VERSION:
            raise BlockError(f"it has schema version {shown(version)}, this program reads {SCHEMA_VERSION}")
        self.check_facts(facts)
        return facts

    def check_facts(self, facts: Mapping[str, Any]) -> None:
        """Find out whether the facts of a journal are those of this experiment, on a machine with a name.

        Raises
        ------
        BlockError
            Where they are not, naming the fields.
        """
        try:
            check_facts(Path(JOURNAL), facts)
        except FactsError as error:
            raise BlockError(error.problems[0]) from None
        if not isinstance(facts.get("machine"), dict) or not facts["machine"].get("host"):
            raise BlockError("it does not say which machine it is from")
        if differences := different_facts(self._facts, facts, self.allow):
            raise BlockError("; ".join(one.told("the experiment", "this block") for one in differences))

    def _rows(self, lines: Sequence[bytes], repeat: int) -> list[Mapping[str, str]]:
        rows: list[Mapping[str, str]] = []
        for value in _objects(lines):
            row = value.get("run")
            if not isinstance(row, dict):
                raise BlockError("a line of it holds no run")
            _check_row(row)
            setup = self._setups.get(row.get("setup", ""))
            its = (row.get("precision_mode"), row.get("variant", ""))
            if setup != its or row.get("repeat") != str(repeat) or row.get("seed") != str(self._seed + repeat):
                raise BlockError(f"the run {shown(row.get('setup'))} in it is none of repeat {repeat}")
            rows.append(row)
        names = {row["setup"] for row in rows}
        if len(names) < len(rows):
            raise BlockError("it holds a run twice")
        if lacking := self._setups.keys() - names:
            raise BlockError(f"it lacks {len(lacking)} of {len(self._setups)} runs, such as {shown(min(lacking))}")
        return rows


def counted(states: Iterable[str]) -> tuple[int, int]:
    """Return how many runs finished and how many failed, given the status of each."""
    counts = Counter(state == FINISHED for state in states)
    return counts[True], counts[False]


def as_csv(rows: Iterable[Mapping[str, str]]) -> bytes:
    """Return rows as raw_runs.csv has them; a column that a row lacks is empty."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(
        row.values() if tuple(row) == COLUMNS else [row.get(column, "") for column in COLUMNS] for row in rows
    )
    return text.getvalue().encode("utf-8", errors="surrogateescape")


def different_facts(one: Mapping[str, Any], other: Mapping[str, Any], allow: Collection[str] = ()) -> list[Difference]:
    """Return in what two sets of facts differ that makes their runs no repeats of each other.

    Another experiment, other data, another network or method can never be; versions of the program and its libraries
    may differ where they are allowed to, and all else of the machine.
    """
    first, second = ({name: facts.get(name) for name in (*OF_EXPERIMENT, "machine")} for facts in (one, other))
    return [
        difference
        for difference in telling(differing(first, second))
        if not is_admitted(difference.field, ["machine"]) or _is_wrong(difference, allow)
    ]


def different_versions(
    one: Mapping[str, Any], other: Mapping[str, Any], allow: Collection[str] = ()
) -> list[Difference]:
    """Return in what the programs of two machines differ, given their facts, but for what may differ."""
    return [difference for difference in differing(one, other, "machine.") if _is_wrong(difference, allow)]


def _is_wrong(difference: Difference, allow: Collection[str]) -> bool:
    return is_admitted(difference.field, OF_PROGRAM) and not is_admitted(difference.field, allow)


def _check_row(row: Mapping[str, Any]) -> None:
    """Find out whether every text is of its column's type: who reads it later could not say which block it spoils."""
    # All at once where nothing is wrong: there may be hundreds of thousands of runs.
    if row.keys() == _KINDS.keys() and set(map(type, row.values())) == {str}:
        try:
            deque(map(float, filter(None, _FLOATS(row))), 0)
            deque(map(float, row["round_latencies_s"].split()), 0)
            largest = max(map(abs, map(int, filter(None, _WHOLES(row)))), default=0)
            if largest <= LARGEST_WHOLE and all(row[name] in TRUTH_VALUES for name in _TRUTHS):
                return
        except ValueError:
            pass
    for name, text in row.items():
        if not _fits(name, text):
            raise BlockError(f"a run in it has {shown(text)} as {shown(name)}")
    try:
        deque(map(float, row.get("round_latencies_s", "").split()), 0)
    except ValueError:
        raise BlockError("a run in it has latencies that are no numbers") from None


def _fits(name: str, text: object) -> bool:
    kind = _KINDS.get(name)
    if not isinstance(text, str) or kind is None:
        return False
    try:
        if text and kind is float:
            float(text)
        elif text and kind is int:
            return abs(int(text)) <= LARGEST_WHOLE
    except ValueError:
        return False
    return kind in {float, int, str} or text in TRUTH_VALUES


def _bytes_of(content: bytes, member: zipfile.ZipInfo) -> memoryview:
    """Return what a file in an archive holds, without copying it; `zipfile` takes many times as long for small ones."""
    signature, name, extra = _HEADER.unpack_from(content, member.header_offset)
    begin = member.header_offset + _HEADER.size + name + extra
    found = memoryview(content)[begin : begin + member.file_size]
    if signature != _FIRST or zlib.crc32(found) != member.CRC:
        raise BlockError(f"{member.filename} was damaged on its way")
    return found


def _object(line: bytes) -> dict[str, Any]:
    return _objects([line])[0]


def _objects(lines: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return the JSON object in each line, all of them read in one go."""
    if any(not line.endswith(b"\n") or len(line) > LONGEST_LINE for line in lines):
        raise BlockError("a line of it was cut off")
    text = b",".join(lines)
    try:
        values = json.loads(b"[" + text + b"]")
        if b"\\u" in text or not text.isascii():
            check_encodable(values)
    except (ValueError, RecursionError) as error:
        raise BlockError(f"a line of it is damaged ({error})") from None
    if len(values) != len(lines) or not all(isinstance(value, dict) for value in values):
        raise BlockError("a line of it is no object")
    return list(values)
