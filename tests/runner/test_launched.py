"""Behaviour of the process that forks the runs where it is begun ahead of the time."""

import contextlib
import subprocess
from pathlib import Path

import pytest

from conftest import blocks_of, small_experiment
from significand.plan.setup import HERE
from significand.runner.launched import Launched, RunnerError, begun_ahead, end_ahead, taken
from significand.runner.server import Server

pytestmark = [pytest.mark.usefixtures("no_orphans", "scratch"), pytest.mark.slow]


def test_what_nobody_takes_over_is_ended(scratch: Path) -> None:
    """Whoever begins it ahead leaves neither a process nor a folder, also where an error ends the program."""
    with contextlib.suppress(ZeroDivisionError), begun_ahead():
        assert list(scratch.iterdir())
        raise ZeroDivisionError
    assert taken() is None
    assert not list(scratch.iterdir())


def test_the_runs_are_forked_by_what_was_begun_ahead(scratch: Path) -> None:
    """It is taken over once, with its folder; it is not ended by who began it, but by who has it."""
    (block, *_) = blocks_of(small_experiment(repeats=1))
    with begun_ahead():
        ahead = taken()
        assert ahead
    assert list(scratch.iterdir())
    ahead.drop()
    assert not list(scratch.iterdir())
    with begun_ahead(), Server(block, None, variant=HERE) as server:
        assert taken() is None
        assert server.connection.closed is False


def test_data_in_a_folder_need_a_process_that_knows_it(tmp_path: Path) -> None:
    """A process that was begun before a network's folder was known would leave that behind: it is ended."""
    (block, *_) = blocks_of(small_experiment(repeats=1))
    server = Server(block, tmp_path / "network", variant=HERE)
    with begun_ahead(), pytest.raises(RunnerError), server:  # there is no such network
        pass
    assert taken() is None


def test_where_it_cannot_begin_that_is_told_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """No error ahead of the time: whoever needs the process tries again, and tells."""

    def refused(*_: object, **__: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(subprocess, "Popen", refused)
    with begun_ahead():
        assert taken() is None
    with pytest.raises(RunnerError, match="no more processes"):
        Launched()
    end_ahead()
