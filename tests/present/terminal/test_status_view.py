"""How far an experiment on several machines is, in words."""

from pathlib import Path

import pytest

from made_up_fleet import facts_of, fleet_experiment
from significand.present.terminal.status_view import status_lines
from significand.results.fleet_state import BlockEntry, FleetEnd, FleetState


def lines(place: str, state: FleetEnd, *hosts: str) -> list[str]:
    """Return what is said of an experiment of which each of some machines has a block."""
    blocks = [BlockEntry(0, host, 1, "finished") for host in hosts]
    told = FleetState(facts_of(fleet_experiment()), "each", place, state, [], blocks, "then")
    return list(status_lines(told, Path("out"), is_alive=False))


def test_blocks_are_counted() -> None:
    """One block is no blocks."""
    assert lines("hand", "finished", "a") == ["1 block finished; each on hand, as of then", "finished"]
    assert lines("hand", "finished", "a", "b")[0] == "2 blocks finished; each on hand, as of then"


@pytest.mark.parametrize(
    ("place", "state", "told"),
    [
        ("hand", "running", "add more with: significand merge out FOLDER"),
        ("merge", "interrupted", "add more with: significand merge out FOLDER"),
        ("dask", "interrupted", "interrupted; go on with: significand run --resume --output-dir=out"),
        ("dask", "running", "does not run here any more; go on with: significand run --resume --output-dir=out"),
    ],
)
def test_how_to_go_on_is_said(place: str, state: FleetEnd, told: str) -> None:
    """Where people bring the blocks, nothing can be resumed: they add folders."""
    assert lines(place, state, "a")[-1].endswith(told)
