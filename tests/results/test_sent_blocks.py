"""A block that arrives is checked as any foreign file: whole, bounded, of this experiment, and of nothing else."""

import csv
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_up_fleet import facts_of, fleet_experiment, made_up_block
from made_up_place import made_to_fail, made_up_run
from significand.plan.setup import Setup
from significand.results.records import Run
from significand.results.sent_blocks import COLUMNS, BlockError, Receiver, SentBlock, different_facts, pack_block
from significand.runner.block import Block

EXPERIMENT = fleet_experiment()
SENT = made_up_block(EXPERIMENT, 2, "a")


def receiver(*allow: str) -> Receiver:
    """Return what checks blocks of the experiment."""
    return Receiver(facts_of(EXPERIMENT), EXPERIMENT, allow)


def repacked(content: bytes, **members: bytes) -> bytes:
    """Return a block with other files in it, dots in their names written as two underscores."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
        given = {name.replace("__", "."): value for name, value in members.items()}
        for name in dict.fromkeys([*old.namelist(), *given]):
            new.writestr(name, given.get(name) or old.read(name))
    return buffer.getvalue()


def journal_of(content: bytes) -> bytes:
    """Return the journal in a block."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read("journal.jsonl")


def rows_of(block: SentBlock) -> list[dict[str, str]]:
    """Return the runs of a block: the same in its journal as in what raw_runs.csv gets."""
    table = list(csv.DictReader(io.StringIO(block.rows.decode(), newline=""), COLUMNS))
    assert table == [json.loads(line)["run"] for line in block.lines.splitlines()]
    return table


def test_a_whole_block_is_taken() -> None:
    """What was sent is what arrives: machine, runs, and every byte."""
    block = receiver().receive(SENT, 2)
    assert (block.host, block.repeat, block.content) == ("a", 2, SENT)
    assert [row["setup"] for row in rows_of(block)] == ["float32", "int8"]


def test_failed_runs_are_of_a_block_too() -> None:
    """A run that failed, and so has no single times, makes a block no less whole."""
    block = receiver().receive(made_up_block(EXPERIMENT, 0, make=made_to_fail("int8")), 0)
    assert [row["status"] for row in rows_of(block)] == ["finished", "failed"]
    assert (block.finished, block.failed) == (1, 1)


@pytest.mark.slow
@given(st.integers(0, len(SENT) - 1))
def test_wherever_it_is_cut_off_it_is_not_taken(length: int) -> None:
    """The beginning of a block is no block."""
    with pytest.raises(BlockError):
        receiver().receive(SENT[:length], 2)


@pytest.mark.slow
@given(st.integers(0, len(SENT) - 1), st.integers(1, 255))
def test_a_byte_that_changed_is_found_or_means_nothing(place: int, change: int) -> None:
    """A byte that was changed on the way is found, unless what it says is the same."""
    changed = bytearray(SENT)
    changed[place] ^= change
    try:
        block = receiver().receive(bytes(changed), 2)
    except BlockError:
        return
    assert rows_of(block) == rows_of(receiver().receive(SENT, 2))


JOURNAL = journal_of(SENT)
FIRST, RUN = JOURNAL.splitlines(keepends=True)[:2]


def with_journal(journal: bytes) -> bytes:
    """Return the block with another journal."""
    return repacked(SENT, journal__jsonl=journal)


@pytest.mark.parametrize(
    ("content", "repeat", "told"),
    [
        (b"", 2, "cut off"),
        (b"PK not a zip", 2, "cut off"),
        (SENT, 1, "is nothing of repeat 1"),
        (repacked(SENT, evil__py=b"print()"), 2, "'evil.py', which is nothing of repeat 2"),
        (repacked(SENT, **{"../../x": b"1"}), 2, "is nothing of repeat 2"),
        (with_journal(FIRST), 2, "it lacks 2 of 2 runs"),
        (with_journal(JOURNAL + RUN), 2, "a run twice"),
        (with_journal(JOURNAL[:-1]), 2, "a line of it was cut off"),
        (with_journal(JOURNAL.replace(b'"repeat": "2"', b'"repeat": "3"')), 2, "none of repeat 2"),
        (with_journal(JOURNAL.replace(b'"seed": "9"', b'"seed": "10"')), 2, "none of repeat 2"),
        (with_journal(b"[" * 100_000 + b"\n"), 2, "damaged"),
        (with_journal(JOURNAL.replace(b'"threads": "1"', b'"threads": "x"')), 2, "'x' as 'threads'"),
        (with_journal(JOURNAL.replace(b'"finished"', b'{"a": 1}')), 2, "as 'status'"),
        (made_up_block(fleet_experiment(epochs=3), 2), 2, "experiment.epochs: 2 in the experiment, 3 in this block"),
        (made_up_block(EXPERIMENT, 2, python="3.9"), 2, "machine.python: '3.12.1' in the experiment, '3.9' in this"),
    ],
)
def test_what_is_no_block_of_this_experiment_is_refused(content: bytes, repeat: int, told: str) -> None:
    """Another repeat, another experiment or version, foreign files and damaged lines are refused, with the reason."""
    with pytest.raises(BlockError) as refused:
        receiver().receive(content, repeat)
    assert told in str(refused.value)


def test_a_version_may_differ_where_that_is_allowed() -> None:
    """What the user allows to differ is taken."""
    assert receiver("machine.python").receive(made_up_block(EXPERIMENT, 2, python="3.9"), 2).host == "bench"


def test_a_block_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block has a bound on its size."""
    monkeypatch.setattr("significand.results.sent_blocks.LARGEST_BLOCK", 1000)
    with pytest.raises(BlockError, match="at most"):
        receiver().receive(SENT, 2)


def test_compressed_files_are_refused() -> None:
    """What unpacks to more than was sent is no block: a few kB could stand for any number of zeros."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(SENT)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(BlockError, match="packed otherwise"):
        receiver().receive(buffer.getvalue(), 2)


def test_only_a_repeat_of_a_folder_is_packed(tmp_path: Path) -> None:
    """A folder with several repeats gives each of them alone; its machine may get another name."""
    (tmp_path / "details").mkdir()
    both = [made_up_block(EXPERIMENT, repeat, "a") for repeat in (0, 1)]
    lines = [line for content in both for line in journal_of(content).splitlines(keepends=True)]
    (tmp_path / "journal.jsonl").write_bytes(b"".join([*lines[:3], *lines[4:], b'{"run": {"cut']))
    packed = receiver().receive(pack_block(tmp_path, 1, "phone"), 1)
    assert (packed.host, {row["repeat"] for row in rows_of(packed)}) == ("phone", {"1"})


def test_memory_and_name_of_a_machine_may_differ() -> None:
    """Machines of one experiment differ in all but their programs."""
    one, other = facts_of(EXPERIMENT), facts_of(EXPERIMENT, host="b", memory_mb=1.0, cpu="Other")
    assert different_facts(one, other) == []


def _odd(block: Block, setup: Setup) -> tuple[Run, dict[str, object]]:
    run, _ = made_up_run(block, setup)
    return replace(run, reason='"quoted", and\nbroken ü'), {}


def test_texts_arrive_as_they_were() -> None:
    """Quotes, line breaks and letters of any alphabet come through."""
    block = receiver().receive(made_up_block(EXPERIMENT, 0, make=_odd), 0)  # type: ignore[arg-type]
    assert rows_of(block)[0]["reason"] == '"quoted", and\nbroken ü'
