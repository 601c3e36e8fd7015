"""fleet.json says which block ran where; anybody may have edited it."""

import json
from pathlib import Path

import pytest

from made_up_fleet import facts_of, fleet_experiment
from significand.results.fleet_state import (
    BlockEntry,
    FleetError,
    FleetFile,
    FleetState,
    read_fleet_state,
    times_by_host,
)
from significand.results.lock import FolderLock, is_locked


def state() -> FleetState:
    """Return what a fleet is in the middle of."""
    made = FleetState(facts_of(fleet_experiment()), "each", "dask://here:1")
    made.blocks = [BlockEntry(0, "a", 1, "finished", "x", "y", "z"), BlockEntry(1, "a", 1, "running", "x", "y")]
    made.machine("a").unfit = ("load: busy",)
    return made


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """State, machines and blocks come back as they were."""
    FleetFile(tmp_path, state()).write()
    again = read_fleet_state(tmp_path)
    assert (again.hosts, again.place, again.state) == ("each", "dask://here:1", "running")
    assert again.blocks == state().blocks
    assert again.machines == state().machines


def test_the_time_is_the_files(tmp_path: Path) -> None:
    """What was read says when it was written, not what time it is."""
    FleetFile(tmp_path, state()).write()
    path = tmp_path / "fleet.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"updated_utc": "2026-01-01T00:00:00.000+00:00"}))
    read = read_fleet_state(tmp_path)
    assert read.to_json()["updated_utc"] == "2026-01-01T00:00:00.000+00:00"
    FleetFile(tmp_path, read).write()
    assert read_fleet_state(tmp_path).updated_utc > "2026-01-02"


def test_a_machines_time_is_from_its_first_block_to_its_last() -> None:
    """Blocks that finished count, in any order; a time that is not known is left out."""
    blocks = [
        BlockEntry(1, "a", 1, "finished", "", "2026-01-01T02", "2026-01-01T03"),
        BlockEntry(0, "a", 1, "finished", "", "2026-01-01T01", "2026-01-01T02"),
        BlockEntry(2, "a", 1, "lost", "", "2026-01-01T04", "2026-01-01T05"),
        BlockEntry(0, "b", 1, "finished", "", "", "2026-01-01T02"),
    ]
    assert times_by_host(blocks) == {
        "a": {"started_utc": "2026-01-01T01", "ended_utc": "2026-01-01T03"},
        "b": {"ended_utc": "2026-01-01T02"},
    }


@pytest.mark.parametrize(
    "change",
    [
        {"state": "odd"},
        {"state": 3},
        {"blocks": 3},
        {"blocks": [3]},
        {"blocks": [{"repeat": "x", "host": "a", "state": "running"}]},
        {"blocks": [{"repeat": 0, "host": "a", "state": "odd"}]},
        {"machines": [{"name": 3}]},
        {"experiment": 3},
        {"experiment": {"epochs": "many"}},
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    """A file that is not what it should be is one named problem."""
    FleetFile(tmp_path, state()).write()
    told = json.loads((tmp_path / "fleet.json").read_text()) | change
    (tmp_path / "fleet.json").write_text(json.dumps(told))
    with pytest.raises(FleetError, match=r"fleet\.json"):
        read_fleet_state(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '"a"'])
def test_no_fleet_is_refused(tmp_path: Path, text: str) -> None:
    """A folder without such a file, or with something else in its place, is refused."""
    with pytest.raises(FleetError, match=r"has no fleet\.json"):
        read_fleet_state(tmp_path)
    (tmp_path / "fleet.json").write_text(text)
    with pytest.raises(FleetError):
        read_fleet_state(tmp_path)


def test_it_is_written_less_often_the_longer_it_takes(tmp_path: Path) -> None:
    """Writing takes a fixed share of the time at most, however many blocks there are."""
    times = iter([0.0, 10.0, 100.0, 400.0, 511.0, 600.0, 601.0])
    file = FleetFile(tmp_path, state(), lambda: next(times))
    file.write()  # takes 10 s: none for the next 500
    (tmp_path / "fleet.json").unlink()
    file.keep_up()
    file.keep_up()
    assert not (tmp_path / "fleet.json").exists()
    file.keep_up()
    assert (tmp_path / "fleet.json").exists()


def test_a_lock_is_seen_without_touching_it(tmp_path: Path) -> None:
    """Whether a folder is in use is found out by looking."""
    assert not is_locked(tmp_path)
    lock = FolderLock(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert is_locked(tmp_path)
    assert sorted(tmp_path.iterdir()) == before
    lock.release()
    assert not is_locked(tmp_path)
