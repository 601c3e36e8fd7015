"""Folders of several machines become one experiment; what is no repeat of the others is refused by name and value."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from made_up_fleet import facts_of, fleet_experiment, made_up_block
from significand.merge_job import merge_folders
from significand.plan.experiment import Experiment
from significand.plan.problems import PlanError
from significand.results.fleet_state import FleetError, read_fleet_state
from significand.results.hosts import HostFolders
from significand.results.journal import read_journal
from significand.results.sent_blocks import Receiver, pack_block

EXPERIMENT = fleet_experiment()
Folder = Callable[..., Path]


@pytest.fixture
def measured(tmp_path: Path) -> Folder:
    """Return what makes a folder of a machine with some repeats."""

    def make(host: str, *repeats: int, name: str = "", experiment: Experiment = EXPERIMENT, **machine: object) -> Path:
        out = tmp_path / f"of-{name or host}"
        (out / "hosts").mkdir(parents=True)
        receiver = Receiver(facts_of(experiment, **machine), experiment)
        hosts = HostFolders(out, receiver)
        hosts.keep(
            [
                receiver.receive(made_up_block(experiment, r, host, facts=facts_of(experiment, **machine)), r)
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
    assert (merged.blocks, list(merged.notes)) == ({"a": 2, "b": 1}, [])
    assert kept(tmp_path / "all") == {"a": [0, 1], "b": [0]}
    state = read_fleet_state(tmp_path / "all")
    assert (state.hosts, state.place, state.state) == ("merged", "merge", "finished")
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


def test_half_a_repeat_is_left_out(tmp_path: Path, measured: Folder) -> None:
    """A repeat that was interrupted is no block: it is left out, and said."""
    a = measured("a", 0, 1)
    journal = a / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:4]))
    merged = merge_folders(tmp_path / "all", [a])
    assert kept(tmp_path / "all") == {"a": [0]}
    assert list(merged.notes) == [f"{a}: repeat 1 has 1 of 2 runs, and was left out; measure the rest of it there"]


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
