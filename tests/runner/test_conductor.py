"""Behaviour of the conductor: isolation, turns, and runs that die."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import eventually, forkserver_of, small_experiment, workers_of
from significand.results.records import Progress, Run
from significand.runner import conductor
from significand.runner.conductor import run_experiment, turn_order
from test_benchmark import one

pytestmark = pytest.mark.usefixtures("no_orphans", "scratch")


def run_all(on_progress: Callable[[Progress], None] = lambda progress: None, **changes: object) -> list[Run]:  # noqa: ARG005
    runs: list[Run] = []

    def keep(run: Run, details: Mapping[str, np.ndarray]) -> None:
        assert bool(details) == run.finished
        runs.append(run)

    run_experiment(small_experiment(**changes), None, keep, on_progress)
    return runs


class Once:
    """Does something to the forkserver's workers, once, when a share of all steps is done."""

    def __init__(self, share: float, action: Callable[[list[psutil.Process]], None]) -> None:
        self.share, self.action, self.done = share, action, False

    def __call__(self, progress: Progress) -> None:
        """Look at the progress, and act when it is time."""
        if not self.done and progress.share >= self.share:
            self.done = True
            self.action(workers_of(os.getpid()))


@given(n=st.integers(1, 12))
def test_turns_are_balanced(n: int) -> None:
    """Over n pairs of cycles every setup stands at every place equally often, and each cycle holds each setup once."""
    places: Counter[tuple[int, int]] = Counter()
    for cycle in range(2 * n):
        order = turn_order(n, cycle)
        assert sorted(order) == list(range(n))
        places.update(enumerate(order))
    assert set(places.values()) == {2}


def test_turns_go_forth_and_back() -> None:
    """The first two cycles of three are A B C and C B A."""
    assert [turn_order(3, 0), turn_order(3, 1)] == [[0, 1, 2], [2, 1, 0]]


@pytest.mark.parametrize("n", range(2, 9))
def test_every_setup_follows_every_other_equally_often(n: int) -> None:
    """Over n pairs of cycles no two setups are neighbours more often than any others: neighbours in time are alike."""
    orders = [turn_order(n, cycle) for cycle in range(2 * n)]
    follows = Counter(pair for order in orders for pair in pairwise(order))
    assert len(follows) == n * (n - 1)
    assert len(set(follows.values())) == 1


@dataclass(frozen=True)
class Watched:
    """An experiment in which nothing happens: its runs, its progress, and whether all slept before each turn."""

    runs: list[Run]
    progress: list[Progress]
    asleep: list[bool]


@pytest.fixture(scope="module")
def undisturbed() -> Watched:
    """Run such an experiment, for several tests."""
    progress: list[Progress] = []
    asleep: list[bool] = []

    def all_asleep() -> bool:
        family = [one for worker in workers_of(os.getpid()) for one in (worker, *worker.children())]
        return all(one.status() == psutil.STATUS_SLEEPING for one in family)

    def look(now: Progress) -> None:
        progress.append(now)
        if 0 < now.share < 0.5:
            # A worker that has just said that it waits may still be on its way to sleep.
            asleep.append(eventually(all_asleep, 5) and all(all_asleep() for _ in range(3)))

    return Watched(run_all(look), progress, asleep)


def test_no_run_computes_while_another_may_be_measured(undisturbed: Watched) -> None:
    """When the baton is about to be handed on, every worker and its training process is asleep, and stays so."""
    assert len(undisturbed.asleep) >= 6
    assert all(undisturbed.asleep)


@pytest.mark.parametrize("cores", [1, 2])
def test_the_runs_of_a_repeat_are_measured_at_the_same_time(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few can prepare at once, no run is two turns ahead of another: a drifting machine hits all alike."""
    turns: list[str] = []
    go = conductor._Conductor._go

    def watched(self: conductor._Conductor, worker: conductor._Worker) -> None:
        if worker.wants_alone:
            turns.append(worker.setup.name)
        go(self, worker)

    monkeypatch.setattr(conductor._Conductor, "_go", watched)
    monkeypatch.setattr(conductor, "available_cpus", lambda: cores)
    modes = ["float32", "float16", "int8"]
    run_all(precision_modes=modes, repeats=1, epochs=2, latency_rounds=4, on_noise="mark", threads=1)
    done = dict.fromkeys(modes, 0)
    for mode in turns:
        done[mode] += 1
        assert max(done.values()) - min(done.values()) <= 1
    assert set(done.values()) == {6}


def test_every_setup_runs_in_every_repeat(undisturbed: Watched) -> None:
    """Each mode has one finished run per repeat, seeded base seed + repeat, with its own process's times."""
    runs, progress = undisturbed.runs, undisturbed.progress
    assert Counter((run.precision_mode, run.repeat) for run in runs) == Counter(
        {(mode, repeat): 1 for mode in ("float32", "int8") for repeat in (0, 1)}
    )
    assert all(run.finished and run.seed == 7 + run.repeat for run in runs)
    assert all(0 < run.ready_s < 20 and run.measured_s > 0 for run in runs)
    shares = [one.share for one in progress]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert progress[-1].ended == progress[-1].runs == 4


def test_setups_of_a_repeat_are_paired(undisturbed: Watched) -> None:
    """float32 and int8 train alike from the same weights and data in each repeat; another repeat differs."""
    losses = {(run.precision_mode, run.repeat): run.final_train_loss for run in undisturbed.runs}
    for repeat in (0, 1):
        assert losses["float32", repeat] == losses["int8", repeat]
    assert losses["float32", 0] != losses["float32", 1]


def test_isolated_runs_learn_the_same_as_a_run_in_this_process(undisturbed: Watched) -> None:
    """A run in a worker gives the accuracy that the same setup gives when called directly."""
    run = next(run for run in undisturbed.runs if run.precision_mode == "int8" and run.repeat == 0)
    direct = one("int8")
    assert run.final_train_accuracy == direct["final_train_accuracy"]
    assert run.test_accuracy == direct["test_accuracy"]


def test_a_killed_worker_is_a_failed_row_and_the_others_go_on() -> None:
    """SIGKILL to a worker at its start, in training, in inference, and to a training process: the others finish."""
    kills = [Once(share / 4, lambda workers: workers[0].kill()) for share in (0.0, 1.3, 2.7)]
    kills.append(Once(3.05 / 4, lambda workers: workers[0].children()[0].kill()))

    def kill_when_due(progress: Progress) -> None:
        for kill in kills:
            kill(progress)

    runs = run_all(kill_when_due, repeats=4)
    failed = {run.repeat: run for run in runs if not run.finished}
    assert Counter(run.repeat for run in runs) == dict.fromkeys(range(4), 2)
    assert sorted(failed) == [0, 1, 2, 3]
    assert sum(not run.finished for run in runs) == 4
    assert all("killed by SIGKILL" in run.reason and np.isnan(run.final_train_accuracy) for run in failed.values())
    assert failed[3].reason.startswith("the training process")


def test_a_hanging_worker_is_ended() -> None:
    """A worker that stops answering is killed after the time-out, and its row says what took too long."""
    runs = run_all(Once(0.2, lambda workers: workers[0].suspend()), step_timeout_s=2)
    failed = [run for run in runs if not run.finished]
    assert len(runs) == 4
    assert len(failed) == 1
    assert "timed out" in failed[0].reason
    assert "step_timeout_s" in failed[0].reason


def test_a_killed_forkserver_costs_its_block_only() -> None:
    """When the forkserver dies its block fails and says so; the next block runs in a new one."""
    # Many steps are left when it dies: the kernel ends the workers a moment later, and they must not be done by then.
    runs = run_all(Once(0.01, lambda workers: forkserver_of().kill()), epochs=40)  # noqa: ARG005
    assert [run.finished for run in runs] == [False, False, True, True]
    assert all("the process that forks the runs was killed by SIGKILL" in run.reason for run in runs[:2])


def test_a_forkserver_that_hangs_costs_its_block_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forkserver that no longer answers is ended with its workers after the time-out; the next block runs."""
    monkeypatch.setattr("significand.runner.server.STOP_TIMEOUT_S", 0.2)

    def stop_both(workers: list[psutil.Process]) -> None:
        forkserver_of().suspend()
        workers[0].suspend()

    runs = run_all(Once(0.01, stop_both), step_timeout_s=5)
    assert [run.finished for run in runs] == [False, False, True, True]
    reasons = [run.reason for run in runs[:2]]
    assert any(reason.endswith("forks the runs did not answer any more and was ended") for reason in reasons), reasons
    assert not any("memory" in reason for reason in reasons)


def test_what_lies_in_the_working_directory_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A torch.py or a significand folder where the user stands does not get into the runs' processes."""
    (tmp_path / "torch.py").write_text("raise SystemExit('wrong torch')", encoding="utf-8")
    (tmp_path / "significand").mkdir()
    (tmp_path / "significand" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    assert all(run.finished for run in run_all(repeats=1))


def test_nothing_is_left_in_the_temporary_folder(scratch: Path) -> None:
    """The scratch files of the runs are gone at the end."""
    run_all(repeats=1)
    assert eventually(lambda: not list(scratch.iterdir())), list(scratch.rglob("*"))


@pytest.mark.parametrize("moment", ["starting", "running"])
def test_nothing_outlives_a_killed_program(moment: str, tmp_path: Path, scratch: Path) -> None:
    """SIGKILL to the program, while it starts or while it measures, leaves no process and no temporary file behind."""
    process = subprocess.Popen(
        [sys.executable, "-m", "significand", "run", "--output-dir", str(tmp_path / "out"), "--repeats", "50", "-q"]
    )
    found = {
        "starting": lambda: bool(list(scratch.glob("significand-*/inductor"))),
        "running": lambda: bool(workers_of(process.pid)),
    }[moment]
    assert eventually(found, 60)
    family = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert eventually(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in family))
    assert eventually(lambda: not list(scratch.iterdir())), list(scratch.rglob("*"))


def test_equal_setups_stay_apart_by_their_labels() -> None:
    """Explicit setups of one mode each run in every repeat under their names, and one that has ended is left out."""
    experiment = small_experiment(precision_modes=["float32"], epochs=1, latency_rounds=1)
    (plain,) = experiment.setups()
    setups = [replace(plain, label=label, slowdown=share) for label, share in (("plain", 0.0), ("slow", 4.0))]
    runs: list[Run] = []
    run_experiment(
        experiment,
        None,
        lambda run, details: runs.append(run),  # noqa: ARG005
        setups=setups,
        done={(0, "float32-plain")},
    )
    assert all(run.finished for run in runs)
    assert {run.name for run in runs} == {"r000-float32-slow", "r001-float32-plain", "r001-float32-slow"}
