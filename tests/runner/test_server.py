from pathlib import Path

import pytest

from conftest import small_experiment
from significand.meters.counters import EnergyPlan
from significand.runner.block import Block
from significand.runner.server import RunnerError, Server


def first_block() -> Block:
    """Return a block to start for."""
    experiment = small_experiment()
    return Block(experiment, 0, tuple(experiment.setups()), EnergyPlan(5.0))


def test_processes_that_cannot_start_are_an_error_with_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the forkserver fails, its last words are in the error."""
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(RunnerError, match="exit status 1"):
        Server(first_block(), None).ensure_up()


def test_a_missing_interpreter_leaves_no_scratch_files(monkeypatch: pytest.MonkeyPatch, scratch: Path) -> None:
    """When not even the process can be made the cause is told, and its temporary folder is gone."""
    monkeypatch.setattr("sys.executable", str(scratch / "no-python"))
    with pytest.raises(RunnerError, match="No such file"):
        Server(first_block(), None).ensure_up()
    assert not list(scratch.iterdir())
