from pathlib import Path

import pytest

from conftest import blocks_of, small_experiment
from significand.runner.server import RunnerError, Server


def test_processes_that_cannot_start_are_an_error_with_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the forkserver fails, its last words are in the error."""
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(RunnerError, match="exit status 1"):
        Server(blocks_of(small_experiment())[0], None).ensure_up()


def test_a_missing_interpreter_leaves_no_scratch_files(monkeypatch: pytest.MonkeyPatch, scratch: Path) -> None:
    """When not even the process can be made the cause is told, and its temporary folder is gone."""
    monkeypatch.setattr("sys.executable", str(scratch / "no-python"))
    with pytest.raises(RunnerError, match="No such file"):
        Server(blocks_of(small_experiment())[0], None).ensure_up()
    assert not list(scratch.iterdir())
