"""Folders of several machines become one experiment; what is no repeat of the others is refused by name and value."""

import json
import os
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from made_up_fleet import facts_of, fleet_experiment, made_up_block
from made_up_place import Make, made_up_run
from significand.merge_job import merge_folders
from significand.plan.experiment import Experiment
from significand.plan.problems import PlanError
from significand.plan.setup import Setup
from significand.results.fleet_state import FleetError, read_fleet_state
from significand.results.hosts import HostFolders
from significand.results.journal import read_journal
from significand.results.read import read_details, read_json_object
from significand.results.records import Run
from significand.results.sent_blocks import Receiver, pack_block
from significand.runner.block import Block

EXPERIMENT = fleet_experiment()
Folder = Callable[..., Path]


@pytest.fixture
def measured(tmp_path: Path) -> Folder:
    """Return what makes a folder of a machine with some repeats."""

    def make(
        host: str,
        *repeats: int,
        name: str = "",
        experiment: Experiment = EXPERIMENT,
        make: Make = made_up_run,
        **machine: object,
    ) -> Path:
        out = tmp_path / f"of-{name or host}"
        (out / "hosts").mkdir(parents=True)
        receiver = Receiver(facts_of(experiment, **machine), experiment)
        hosts = HostFolders(out, receiver)
        hosts.keep(
            [
                receiver.receive(made_up_block(experiment, r, host, make, facts_of(experiment, **machine)), r)
                for r in repeats
            ]
        )
        (folder,) = (out / "hosts").iterdir()
        return folder

    return make


def kept(out: Path) -> dict[str, list[int]]:
    """Return the repeats of each machine in a folder that was put together."""
    return {
        one.name: sorted({run.repeat for run in read_journal(one / "journal.jsonl").runs})
        for one in sorted((out / "hosts").iterdir())
    }


def test_folders_become_one(tmp_path: Path, measured: Folder) -> None:
    """Every machine has its folder, fleet.json says what there is, and the folders that were put in stay."""
    a, b = measured("a", 0, 1), measured("b", 0)
    merged = merge_folders(tmp_path / "all", [a, b])
    assert merged.blocks == {"a": 2, "b": 1}
    assert list(merged.notes) == ["2 of 4 repeats are missing: no machine has 2, 3"]
    assert kept(tmp_path / "all") == {"a": [0, 1], "b": [0]}
    state = read_fleet_state(tmp_path / "all")
    assert (state.hosts, state.place, state.state) == ("merged", "merge", "interrupted")
    assert len(read_journal(a / "journal.jsonl").runs) == 4


def test_more_is_added_and_nothing_doubled(tmp_path: Path, measured: Folder) -> None:
    """A second time adds what is new, says what was there, and changes nothing of it."""
    a = measured("a", 0)
    merge_folders(tmp_path / "all", [a])
    before = (tmp_path / "all" / "hosts" / "a" / "journal.jsonl").read_bytes()
    merged = merge_folders(tmp_path / "all", [a, measured("a", 0, 2, name="again"), measured("b", 1)])
    assert kept(tmp_path / "all") == {"a": [0, 2], "b": [1]}
    assert sum("has repeat 0 already; the first was kept" in note for note in merged.notes) == 2
    assert (tmp_path / "all" / "hosts" / "a" / "journal.jsonl").read_bytes().startswith(before)


def test_a_whole_fleet_can_be_put_in(tmp_path: Path, measured: Folder) -> None:
    """A folder that was put together can be put into another."""
    merge_folders(tmp_path / "one", [measured("a", 0), measured("b", 0)])
    assert merge_folders(tmp_path / "all", [tmp_path / "one", measured("c", 0)]).blocks == {"a": 1, "b": 1, "c": 1}


def test_two_machines_of_one_name_need_another(tmp_path: Path, measured: Folder) -> None:
    """Two phones that are both called localhost are refused, and put in under names that tell them apart."""
    one, two = measured("localhost", 0), measured("localhost", 0, name="two", cpu="Other 1")
    with pytest.raises(PlanError) as refused:
        merge_folders(tmp_path / "all", [one, two])
    (line,) = refused.value.problems
    assert line.startswith("both are from 'localhost', but machine.cpu: 'Made-up 9000' in ")
    assert "if it is the same machine, give --allow machine.cpu; " in line
    assert line.endswith(f"if these are two machines, name one: localhost-2={two}")
    assert not (tmp_path / "all").exists()
    merged = merge_folders(tmp_path / "all", [one, f"localhost-2={two}"])
    assert merged.blocks == {"localhost": 1, "localhost-2": 1}


def test_other_experiments_and_versions_are_refused(tmp_path: Path, measured: Folder) -> None:
    """What differs is named with both values and folders; versions may be allowed to differ, experiments never."""
    a = measured("a", 0)
    other = measured("b", 0, experiment=fleet_experiment(epochs=3))
    newer = measured("c", 0, python="3.14.0")
    with pytest.raises(PlanError) as refused:
        merge_folders(tmp_path / "all", [a, other, newer])
    epochs, python = refused.value.problems
    assert epochs == (
        f"experiment.epochs: 2 in {a}, 3 in {other}; these are different experiments, and are never put together"
    )
    assert "machine.python: '3.12.1' in " in python
    assert python.endswith("; give --allow machine.python if they may be put together all the same")
    assert merge_folders(tmp_path / "all", [a, newer], allow=["machine.python"]).blocks == {"a": 1, "c": 1}


def test_a_new_kernel_may_be_allowed(tmp_path: Path, measured: Folder) -> None:
    """Folders of one machine, before and after an update, become one where that is allowed, at once or one by one."""
    before, after = measured("a", 0), measured("a", 1, name="after", os="Linux-7")
    with pytest.raises(PlanError, match=r"if it is the same machine, give --allow machine\.os"):
        merge_folders(tmp_path / "all", [before, after])
    assert merge_folders(tmp_path / "all", [before, after], allow=["machine.os"]).blocks == {"a": 2}
    merge_folders(tmp_path / "later", [before])
    notes = merge_folders(tmp_path / "later", [after]).notes
    assert "give --allow machine.os" in notes[0]
    assert merge_folders(tmp_path / "later", [after], allow=["machine.os"]).blocks == {"a": 2}


def test_equal_boards_of_one_name_need_another(tmp_path: Path, measured: Folder) -> None:
    """Where nothing but the runs tells two machines apart, the remedy is named; the same runs again need none."""

    def slower(block: Block, setup: Setup) -> tuple[Run, Mapping[str, np.ndarray]]:
        run, details = made_up_run(block, setup)
        return replace(run, ready_s=run.ready_s + 1), details

    one, two = measured("board", 0), measured("board", 0, name="two", make=slower)
    merged = merge_folders(tmp_path / "all", [one, two, one])
    other, again, _ = merged.notes
    assert other.endswith(f"the first was kept; if these are two machines, name one: board-2={two}")
    assert again.endswith("the first was kept")
    assert merge_folders(tmp_path / "all", [f"board-2={two}"]).blocks == {"board": 1, "board-2": 1}


def test_what_is_missing_is_said(tmp_path: Path, measured: Folder) -> None:
    """The whole is finished where no repeat is missing; until then it says which are, and a machine's times stay."""
    a = measured("a", 0, 1)
    manifest = json.loads((a / "manifest.json").read_text())
    times = {"started_utc": "2026-01-01T10:00:00.000+00:00", "ended_utc": "2026-01-01T11:00:00.000+00:00"}
    (a / "manifest.json").write_text(json.dumps(manifest | times))
    assert merge_folders(tmp_path / "all", [a]).notes == ["2 of 4 repeats are missing: no machine has 2, 3"]
    assert read_fleet_state(tmp_path / "all").state == "interrupted"
    assert merge_folders(tmp_path / "all", [measured("b", 2, 3)]).notes == []
    assert read_fleet_state(tmp_path / "all").state == "finished"
    told = read_json_object(tmp_path / "all" / "hosts" / "a" / "manifest.json")
    assert {name: told[name] for name in times} == times


def test_where_every_machine_does_all_it_is_said_what_each_lacks(tmp_path: Path, measured: Folder) -> None:
    """An experiment by hand goes on until every machine has every repeat."""
    whole = tmp_path / "all"
    merge_folders(whole, [measured("a", 0, 1, 2, 3)])
    told = json.loads((whole / "fleet.json").read_text())
    (whole / "fleet.json").write_text(json.dumps(told | {"hosts": "each", "place": "hand", "state": "running"}))
    assert merge_folders(whole, [measured("b", 1)]).notes == ["b lacks 3 of 4 repeats: 0, 2, 3"]
    assert read_fleet_state(whole).state == "running"


def test_half_a_repeat_is_left_out(tmp_path: Path, measured: Folder) -> None:
    """A repeat that was interrupted is no block: it is left out, and said."""
    a = measured("a", 0, 1)
    journal = a / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:4]))
    merged = merge_folders(tmp_path / "all", [a])
    assert kept(tmp_path / "all") == {"a": [0]}
    assert merged.notes[0] == f"{a}: repeat 1 has 1 of 2 runs, and was left out; measure the rest of it there"


def test_what_is_no_folder_of_results_is_refused(tmp_path: Path, measured: Folder) -> None:
    """Missing, empty, damaged folders, and no folder at all: every one is named before anything is written."""
    (tmp_path / "empty").mkdir()
    damaged = measured("a", 0)
    (damaged / "journal.jsonl").write_text("x\n")
    with pytest.raises(PlanError) as refused:
        merge_folders(tmp_path / "all", [tmp_path / "none", tmp_path / "empty", damaged])
    assert len(refused.value.problems) == 3
    with pytest.raises(PlanError, match="give the folders of several machines"):
        merge_folders(tmp_path / "all", [])
    with pytest.raises(PlanError, match="'' names nothing"):
        merge_folders(tmp_path / "all", [""])
    assert not (tmp_path / "all").exists()


def test_single_times_come_along(tmp_path: Path, measured: Folder) -> None:
    """What is packed from a folder that was put together is what was measured."""
    a = measured("a", 0)
    merge_folders(tmp_path / "all", [a])
    receiver = Receiver(facts_of(EXPERIMENT), EXPERIMENT)
    again = receiver.receive(pack_block(tmp_path / "all" / "hosts" / "a", 0), 0)
    assert json.loads(again.lines.splitlines()[0])["run"]["setup"] == "float32"
    times = read_details(tmp_path / "all" / "hosts" / "a" / "details" / "r000-float32.npz")
    assert times.keys() == read_details(a / "details" / "r000-float32.npz").keys() > set()


@pytest.mark.parametrize("name", ["r000.zip", "r000-int8.npz"])
def test_a_pipe_or_damaged_times_in_a_folder_are_named(tmp_path: Path, measured: Folder, name: str) -> None:
    """What is no file of single times is never waited for: the block is left out, and what to do is said."""
    a = measured("a", 0, 1)
    archive = a / "details" / "r000.zip"
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(a, [one for one in opened.namelist() if one.startswith("details/")])
    archive.unlink()
    (a / "details" / name).unlink(missing_ok=True)
    os.mkfifo(a / "details" / name)
    with ThreadPoolExecutor(1) as pool:
        merged = pool.submit(merge_folders, tmp_path / "all", [a]).result(60)
    assert kept(tmp_path / "all") == {"a": [1]}
    assert f"{name}' cannot be read (" in merged.notes[0]
    assert "it is a pipe, not a file" in merged.notes[0]
    (a / "details" / name).unlink()
    assert merge_folders(tmp_path / "all", [a]).blocks == {"a": 2}


def test_times_that_were_cut_off_are_named(tmp_path: Path, measured: Folder) -> None:
    """A block whose single times are damaged is left out until they are moved away: nothing is dropped silently."""
    a = measured("a", 0)
    os.truncate(a / "details" / "r000.zip", 1000)
    merged = merge_folders(tmp_path / "all", [a])
    assert merged.blocks == {}
    assert "r000.zip' cannot be read (it was cut off on its way); move it away" in merged.notes[0]


@pytest.mark.parametrize("whole", ["of-a/hosts/a", "of-a"])
def test_the_whole_is_none_of_its_parts(tmp_path: Path, measured: Folder, whole: str) -> None:
    """A folder into which the others would be put is refused among them, as it would be moved away; nothing happens."""
    a, b = measured("a", 0), measured("b", 0)
    with pytest.raises(PlanError, match="is the folder of the whole, or in it; give another folder for the whole"):
        merge_folders(tmp_path / whole, [a, b])
    assert len(read_journal(a / "journal.jsonl").runs) == 2


def test_a_damaged_list_of_blocks_costs_no_block(tmp_path: Path, measured: Folder) -> None:
    """What machines have measured can be put together whatever became of fleet.json, as it says itself."""
    merge_folders(tmp_path / "all", [measured("a", 0), measured("b", 0)])
    (tmp_path / "all" / "fleet.json").write_bytes(b'{"experiment": ')
    with pytest.raises(FleetError, match=r"is damaged; .* significand merge NEW"):
        read_fleet_state(tmp_path / "all")
    assert merge_folders(tmp_path / "new", [tmp_path / "all"]).blocks == {"a": 1, "b": 1}
