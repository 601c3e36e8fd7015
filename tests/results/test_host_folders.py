"""Each machine's folder is an ordinary result folder, to which whole blocks are added; a crash cannot spoil it."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from made_up_fleet import facts_of, fleet_experiment, made_up_block
from significand.answers.folder import read_folder
from significand.plan.problems import PlanError
from significand.results.host_names import host_folder_name
from significand.results.hosts import HostFolders
from significand.results.journal import read_journal
from significand.results.read import read_details
from significand.results.sent_blocks import Receiver

EXPERIMENT = fleet_experiment()


def folders(out: Path) -> HostFolders:
    """Return the machines' folders in a folder, as they are."""
    (out / "hosts").mkdir(parents=True, exist_ok=True)
    made = HostFolders(out, Receiver(facts_of(EXPERIMENT), EXPERIMENT))
    made.read(EXPERIMENT)
    return made


def keep(made: HostFolders, *blocks: tuple[str, int]) -> list[str]:
    """Add blocks of machines."""
    receiver = Receiver(facts_of(EXPERIMENT), EXPERIMENT)
    return made.keep([receiver.receive(made_up_block(EXPERIMENT, repeat, host), repeat) for host, repeat in blocks])


def test_what_reads_a_folder_reads_a_machines(tmp_path: Path) -> None:
    """Tables, claims and single times are read from a machine's folder as from any other."""
    made = folders(tmp_path)
    assert keep(made, ("a", 0), ("a", 1), ("b", 0)) == ["", "", ""]
    made.end("finished", {"a": {"started_utc": "2026-01-01T00:00:00.000+00:00"}})
    results = read_folder(tmp_path / "hosts" / "a")
    assert len(results.rows) == 2
    assert [row["repeats"] for row in results.rows] == [2, 2]
    assert results.manifest["state"] == "finished"
    assert results.manifest["finished_runs"] == 4
    assert results.details("r001-int8")["call_latency_s"].size == 6
    assert read_details(tmp_path / "hosts" / "a" / "details" / "r000-float32.npz")
    assert read_details(tmp_path / "hosts" / "a" / "details" / "r003-float32.npz") == {}


def test_a_repeat_is_kept_once(tmp_path: Path) -> None:
    """A repeat that a machine has already is not added again, and the reason is given."""
    made = folders(tmp_path)
    assert keep(made, ("a", 0), ("a", 0)) == ["", "'a' has repeat 0 already; the first was kept"]
    assert len(read_journal(tmp_path / "hosts" / "a" / "journal.jsonl").runs) == 2


def test_a_machine_that_became_another_is_refused(tmp_path: Path) -> None:
    """Two machines of one name are not taken for one."""
    made = folders(tmp_path)
    keep(made, ("a", 0))
    receiver = Receiver(facts_of(EXPERIMENT), EXPERIMENT)
    other = receiver.receive(made_up_block(EXPERIMENT, 1, "a", cpu="Other"), 1)
    (reason,) = made.keep([other])
    what, remedy = reason.rsplit("; ", 1)
    assert what == "'a' is not what it was: machine.cpu: 'Made-up 9000' then, 'Other' now"
    assert remedy == "if it is the same machine, give --allow machine.cpu"


def test_what_of_a_machine_changed_may_be_allowed(tmp_path: Path) -> None:
    """After an update of its kernel a machine goes on where that is allowed; all else that changed is still told."""
    keep(folders(tmp_path), ("a", 0))
    receiver = Receiver(facts_of(EXPERIMENT), EXPERIMENT, ["machine.os"])
    made = HostFolders(tmp_path, receiver)
    made.read(EXPERIMENT)
    updated = receiver.receive(made_up_block(EXPERIMENT, 1, "a", os="Linux-7"), 1)
    other = receiver.receive(made_up_block(EXPERIMENT, 2, "a", os="Linux-7", physical_cores=7, cpu="Other"), 2)
    assert made.keep([updated]) == [""]
    (reason,) = made.keep([other])
    assert "machine.os" not in reason
    assert reason.count("--allow") == 2
    assert made.done == {"a": frozenset({0, 1})}


@pytest.mark.parametrize("left", [0, 1, 200, -1])
def test_a_crash_while_lines_were_added_costs_nothing(tmp_path: Path, left: int) -> None:
    """Lines of a block that a crash has cut off are taken out, and come again from the block itself."""
    made = folders(tmp_path)
    keep(made, ("a", 0), ("a", 1))
    journal = tmp_path / "hosts" / "a" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    whole = sorted(lines)
    journal.write_bytes(b"".join([*lines[:3], lines[3][:left] if left >= 0 else lines[3]]))
    assert folders(tmp_path).done == {"a": frozenset({0, 1})}
    assert sorted(journal.read_bytes().splitlines(keepends=True)) == whole
    assert len((tmp_path / "hosts" / "a" / "raw_runs.csv").read_text().splitlines()) == 5


def test_a_crash_that_also_cost_the_block_leaves_it_to_be_measured(tmp_path: Path) -> None:
    """Where the block itself is not whole either, its repeat is not there, and is measured again."""
    made = folders(tmp_path)
    keep(made, ("a", 0), ("a", 1))
    journal = tmp_path / "hosts" / "a" / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:4]))
    os.truncate(tmp_path / "hosts" / "a" / "details" / "r001.zip", 100)
    again = folders(tmp_path)
    assert again.done == {"a": frozenset({0})}
    assert keep(again, ("a", 1)) == [""]
    assert len(read_journal(journal).runs) == 4


@pytest.mark.parametrize("left", [None, 0, 1, 100])
def test_a_crash_before_the_first_block_leaves_nothing(tmp_path: Path, left: int | None) -> None:
    """A folder whose journal had not begun is begun again, with its first block or at the next start."""
    made = folders(tmp_path)
    keep(made, ("a", 0), ("b", 0))
    of_a = tmp_path / "hosts" / "a"
    first = (of_a / "journal.jsonl").read_bytes()[:left] if left is not None else b""
    for path in (of_a / "details" / "r000.zip", of_a / "raw_runs.csv", of_a / "manifest.json", of_a / "journal.jsonl"):
        path.unlink()
    if left is not None:
        (of_a / "journal.jsonl").write_bytes(first)
    again = folders(tmp_path)
    assert again.done == {"b": frozenset({0})}
    assert not of_a.exists()
    assert keep(again, ("a", 0)) == [""]
    assert len(read_journal(of_a / "journal.jsonl").runs) == 2


def test_a_journal_that_was_lost_comes_again_from_the_blocks(tmp_path: Path) -> None:
    """Where power went before the journal was on the disk, and a block was, nothing is measured again."""
    made = folders(tmp_path)
    keep(made, ("a", 0), ("a", 1))
    (tmp_path / "hosts" / "a" / "journal.jsonl").write_bytes(b"")
    assert folders(tmp_path).done == {"a": frozenset({0, 1})}
    assert len(read_folder(tmp_path / "hosts" / "a").rows) == 2


def test_runs_without_a_journal_are_not_removed(tmp_path: Path) -> None:
    """A folder with a table of runs, which somebody put there, is named and stays as it is."""
    mine = tmp_path / "hosts" / "mine"
    mine.mkdir(parents=True)
    text = "setup,repeat\n" + 1000 * "float32,0\n"
    (mine / "raw_runs.csv").write_text(text)
    with pytest.raises(PlanError, match=r"hosts/mine: .* move that folder away"):
        folders(tmp_path)
    assert (mine / "raw_runs.csv").read_text() == text


def test_a_pipe_among_the_blocks_is_not_awaited(tmp_path: Path) -> None:
    """A pipe that stands where a block should be costs nothing, until its repeat shall be written there."""
    keep(folders(tmp_path), ("a", 0))
    os.mkfifo(tmp_path / "hosts" / "a" / "details" / "r001.zip")
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(folders, tmp_path).result(60)
    assert made.done == {"a": frozenset({0})}
    with pytest.raises(OSError, match="is a pipe where a file should be"):
        keep(made, ("a", 1))


def test_a_damaged_folder_is_named(tmp_path: Path) -> None:
    """Folders that cannot be relied on are refused, all at once, each with its name."""
    made = folders(tmp_path)
    keep(made, ("a", 0), ("b", 0))
    (tmp_path / "hosts" / "a" / "journal.jsonl").write_text("no journal\n")
    (tmp_path / "hosts" / "b" / "journal.jsonl").unlink()
    (tmp_path / "hosts" / "b" / "details" / "r000.zip").write_text("no block")
    with pytest.raises(PlanError) as refused:
        folders(tmp_path)
    assert [line.partition(":")[2][:9] for line in refused.value.problems] == [" hosts/a:", " hosts/b:"]


def test_a_link_in_the_place_of_a_folder_is_not_followed(tmp_path: Path) -> None:
    """Nothing is written through a link that somebody put in a machine's place."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    made = folders(tmp_path / "f")
    (tmp_path / "f" / "hosts" / "a").symlink_to(elsewhere)
    with pytest.raises(OSError, match="a link where a folder should be"):
        keep(made, ("a", 0))
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".", "..", "-rf", "ü", "x" * 300, "a b", "a\n", "\udcff"])
def test_any_name_of_a_machine_makes_a_folder(name: str) -> None:
    """Whatever a machine is called, its folder is one plain name, and another one for another name."""
    made = host_folder_name(name)
    assert Path(made).name == made
    assert made not in {".", "..", ""}
    assert not made.startswith("-")
    assert made != host_folder_name(name + "x")
    assert host_folder_name("node-1.local") == "node-1.local"


def test_the_manifest_says_what_the_journal_says(tmp_path: Path) -> None:
    """A machine's manifest begins with the facts of its journal."""
    keep(folders(tmp_path), ("a", 0))
    manifest = json.loads((tmp_path / "hosts" / "a" / "manifest.json").read_text())
    assert manifest["machine"]["host"] == "a"
    assert manifest["state"] == "running"
