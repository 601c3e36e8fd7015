"""Behaviour of the journal: what is in it comes back, and what a crash or a hand did to it is noticed."""

import json
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.results.journal import (
    JOURNAL,
    JournalError,
    append_run,
    cut_torn_line,
    first_line,
    read_journal,
)
from significand.results.records import SCHEMA_VERSION, Run

# As file names come to Python: bytes that are no UTF-8 are lone surrogates (PEP 383).
TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF))
BY_TYPE = {
    float: st.floats(),
    int: st.integers(0, 2**40),
    str: TEXT,
    bool | None: st.sampled_from([True, False, None]),
}
ROUNDS = st.lists(st.floats(), max_size=3).map(lambda times_s: " ".join(map(str, times_s)))
RUNS = st.builds(
    Run,
    **{column.name: BY_TYPE[column.type] for column in fields(Run)} | {"round_latencies_s": ROUNDS},  # type: ignore[index]
)

THREE = [Run(repeat=repeat, setup="int8", final_train_accuracy=0.1 * repeat) for repeat in range(3)]


def write(path: Path, runs: list[Run], facts: Mapping[str, object] | None = None) -> Path:
    """Write a journal as an experiment does."""
    path.write_text(first_line(facts or {}), encoding="ascii")
    for run in runs:
        append_run(path, run)
    return path


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Return a journal of three runs."""
    return write(tmp_path / JOURNAL, THREE, {"experiment": {"seed": 1}})


@given(st.lists(RUNS, max_size=3, unique_by=lambda run: run.name))
def test_runs_come_back_to_the_last_bit(runs: list[Run]) -> None:
    """Numbers with infinities and NaN, texts with anything in them: what was appended is what is read."""
    with tempfile.TemporaryDirectory() as name:
        read = read_journal(write(Path(name) / JOURNAL, runs))
    assert repr(read.runs) == repr(runs)
    for run, given_run in zip(read.runs, runs, strict=True):
        pairs = [(getattr(run, one.name), getattr(given_run, one.name)) for one in fields(Run) if one.type is float]
        assert [one.hex() for one, _ in pairs] == [other.hex() for _, other in pairs]


def test_facts_come_back_as_json_has_them(tmp_path: Path) -> None:
    """The first line holds the facts: tuples are lists, what JSON has not is null; the version is none of them."""
    path = write(tmp_path / JOURNAL, [], {"a": (1, math.nan), "b": Path("x"), "c": "\udcff"})
    assert json.loads(path.read_text(encoding="ascii"))["schema_version"] == SCHEMA_VERSION
    assert read_journal(path).facts == {"a": [1, None], "b": "x", "c": "\udcff"}


@pytest.mark.slow
def test_a_torn_last_line_costs_that_run_at_most(journal: Path) -> None:
    """Cut off at any byte after the first line, every whole line is read, and the rest is known as torn.

    It is tried at every byte where one whole run stands before, and at the ends of all lines.
    """
    content = journal.read_bytes()
    ends = [k + 1 for k, byte in enumerate(content) if byte == ord("\n")]
    assert len(ends) == 1 + len(THREE)
    near = [end + by for end in ends for by in (-2, -1, 0, 1) if ends[0] <= end + by < len(content)]
    for length in (*range(ends[1], ends[2]), *near):
        journal.write_bytes(content[:length])
        read = read_journal(journal)
        assert repr(read.runs) == repr(THREE[: content[:length].count(b"\n") - 1])
        cut_torn_line(journal, read)
        assert journal.read_bytes() == content[: content[:length].rfind(b"\n") + 1]


def test_after_a_torn_line_was_cut_the_next_run_has_its_own(journal: Path) -> None:
    """A journal that was torn takes further runs, and reads as if nothing had happened."""
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-7])
    cut_torn_line(journal, read_journal(journal))
    append_run(journal, THREE[2])
    assert journal.read_bytes() == whole
    cut_torn_line(journal, read_journal(journal))
    assert journal.read_bytes() == whole


@pytest.mark.parametrize("content", [b"", b'{"schema_version": 2', first_line({}).encode()[:-1]])
def test_a_journal_torn_in_its_first_line_is_refused(content: bytes, tmp_path: Path) -> None:
    """Without its first line a journal does not say of what it is."""
    (tmp_path / JOURNAL).write_bytes(content)
    with pytest.raises(JournalError, match="was cut off in its first line; start the experiment anew"):
        read_journal(tmp_path / JOURNAL)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b"{", "Expecting property name"),
        (b"\xff", "can't decode byte 0xff"),
        (b"[1]", "not an object"),
        (b"{}", "no run"),
        (b'{"run": {"seed": 1}}', "no run"),
        (b'{"run": {"seed": "x"}}', "invalid literal"),
        (b'{"run": {"steady_state": "maybe"}}', "neither true nor false"),
        (b"[" * 100_000, "recursion"),
        (b"", "Expecting value"),
        (b"\0" * 40, "Expecting value"),
    ],
)
def test_a_damaged_line_is_an_error_that_names_it(line: bytes, cause: str, journal: Path) -> None:
    """Damage anywhere but at the end is no crash's doing: nothing is guessed or left out."""
    lines = journal.read_bytes().split(b"\n")
    lines[2] = line
    journal.write_bytes(b"\n".join(lines))
    with pytest.raises(JournalError, match=rf"is damaged in line 3 \(.*{cause}.*\); start the experiment anew"):
        read_journal(journal)


def test_a_run_that_is_there_twice_is_an_error(journal: Path) -> None:
    """No run counts twice."""
    append_run(journal, THREE[1])
    with pytest.raises(JournalError, match=r"damaged in line 5 \(the run 'r001-int8' is in line 3 already\)"):
        read_journal(journal)


def test_a_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    """What another version wrote is not read as if this one had written it; both versions are named."""
    (tmp_path / JOURNAL).write_text('{"schema_version": 1}\n', encoding="ascii")
    with pytest.raises(JournalError, match=f"has schema version 1, this program writes {SCHEMA_VERSION}; finish it"):
        read_journal(tmp_path / JOURNAL)


def test_no_journal_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    """Where there is none, and where no file could have that name."""
    for name in (JOURNAL, "x" * 5000):
        with pytest.raises(JournalError, match=r"cannot be read .*; give the folder of an interrupted experiment"):
            read_journal(tmp_path / name)


def test_what_is_no_file_is_no_journal(tmp_path: Path) -> None:
    """A folder is refused, and a pipe too, at once: nobody may ever write to it."""
    os.mkfifo(tmp_path / JOURNAL)
    for path in (tmp_path / JOURNAL, tmp_path):
        with pytest.raises(JournalError, match=r"it is a (pipe|folder), not a file\); give the folder of"):
            read_journal(path)


def test_a_journal_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    """A run is never appended to a new file: it would be a journal without a beginning."""
    with pytest.raises(FileNotFoundError):
        append_run(tmp_path / JOURNAL, THREE[0])
    assert not list(tmp_path.iterdir())
