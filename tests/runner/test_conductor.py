"""Behaviour of the conductor: isolation, turns, and runs that die."""

import math
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import blocks_of, eventually, forkserver_of, forkservers_of, small_experiment, workers_of
from made_up_server import MadeUpServer, Script
from significand.meters.counters import EnergyPlan
from significand.meters.steps import Step
from significand.plan.setup import Setup
from significand.results.records import Progress, Run
from significand.runner import conductor
from significand.runner.block import Block
from significand.runner.conductor import Here, turn_order
from significand.runner.groups import Room

pytestmark = pytest.mark.usefixtures("no_orphans", "scratch")


def run_all(on_progress: Callable[[Progress], None] = lambda progress: None, **changes: object) -> list[Run]:  # noqa: ARG005
    """Run an experiment in real processes."""
    runs: list[Run] = []

    def keep(run: Run, details: Mapping[str, np.ndarray]) -> None:
        assert bool(details) == run.finished
        runs.append(run)

    Here(None, on_progress).run(blocks_of(small_experiment(**changes)), keep)
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
    """An experiment in which nothing happens: its runs, its progress, and whether all slept before each turn.

    ``left`` is what it left in the temporary folder.
    """

    runs: list[Run]
    progress: list[Progress]
    asleep: list[bool]
    left: list[Path]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """Run such an experiment, for several tests, where a torch.py and a folder named significand lie."""
    folder, temporary = tmp_path_factory.mktemp("where"), tmp_path_factory.mktemp("temporary")
    (folder / "torch.py").write_text("raise SystemExit('wrong torch')", encoding="utf-8")
    (folder / "significand").mkdir()
    (folder / "significand" / "__init__.py").touch()
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

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("TMPDIR", str(temporary))
        patch.setattr("tempfile.tempdir", str(temporary))
        runs = run_all(look)
        eventually(lambda: not list(temporary.iterdir()))
    return Watched(runs, progress, asleep, list(temporary.rglob("*")))


@pytest.mark.slow
def test_no_run_computes_while_another_may_be_measured(undisturbed: Watched) -> None:
    """When the baton is about to be handed on, every worker and its training process is asleep, and stays so."""
    assert len(undisturbed.asleep) >= 6
    assert all(undisturbed.asleep)


def steps(setup: Setup, seed: int) -> Iterator[Step]:
    """Ask for two training turns and four rounds, with a preparation between, as a run does that nobody disturbs."""
    del setup, seed
    asked: list[Step] = ["measure", "measure", "prepare", "measure", "measure", "measure", "measure"]
    yield from asked


def taken(script: Script, **changes: object) -> tuple[MadeUpServer, list[Run]]:
    """Run made-up runs that ask for these steps, and return what they were let do, and their rows."""
    server, runs = MadeUpServer(script), []
    modes = ["float32", "float16", "int8"]
    experiment = small_experiment(**{"precision_modes": modes, "repeats": 2, "threads": 1} | changes)
    Here(None, new_server=server).run(blocks_of(experiment), lambda run, details: runs.append(run))  # noqa: ARG005
    return server, runs


def in_steps(granted: Sequence[tuple[int, str, Step]]) -> list[list[tuple[str, Step]]]:
    """Return measured steps in their order, those together that stand between two beginnings of the same run."""
    parts: list[list[tuple[str, Step]]] = []
    for _, name, step in granted:
        if step == "prepare":
            continue
        if step == "measure" and (not parts or (name, step) in parts[-1]):
            parts.append([])
        parts[-1].append((name, step))
    return parts


@pytest.mark.parametrize("cores", [1, 2, 8])
def test_the_runs_of_a_repeat_are_measured_at_the_same_time(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few can prepare at once, nobody goes on before all have had a step: a drifting machine hits all alike."""
    monkeypatch.setattr(conductor, "available_cpus", lambda: cores)
    server, runs = taken(steps)
    assert server.overlaps == 0
    assert len(runs) == 6
    parts = in_steps(server.granted)
    assert [sorted(name for name, _ in part) for part in parts] == 2 * 6 * [["float16", "float32", "int8"]]


def test_every_run_prepares_before_any_is_measured() -> None:
    """Before training and before inference all prepare; who is measured while another prepares is disturbed."""
    server, _ = taken(steps, repeats=1)
    kinds = [step for _, _, step in server.granted]
    assert kinds == 3 * ["prepare"] + 2 * 3 * ["measure"] + 3 * ["prepare"] + 4 * 3 * ["measure"]


@pytest.mark.parametrize(("run_mb", "at_once"), [(20.0, 2), (500.0, 1), (math.nan, 1)])
def test_small_networks_prepare_beside_each_other(run_mb: float, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as there are CPUs, once it is known that they need little memory; else as their threads leave room."""
    monkeypatch.setattr(conductor, "available_cpus", lambda: 2)
    monkeypatch.setattr(conductor, "room_for", lambda *_: Room(8, "", run_mb))
    preparing = {7: [0, 0], 8: [0, 0]}
    both = threading.Barrier(2)

    def watched(setup: Setup, seed: int) -> Iterator[Step]:
        del setup
        now = preparing[seed]
        now[0] += 1
        now[1] = max(now)
        if seed == 8 and at_once == 2:
            both.wait(10)  # only two at once get past
        now[0] -= 1
        yield "measure"

    server, _ = taken(watched, precision_modes=["float32", "int8"], threads=2)
    assert [most for _, most in preparing.values()] == [1, at_once]
    assert server.overlaps == 0


def test_nobody_goes_on_while_another_is_measured_again() -> None:
    """A step that is measured again comes after the others' and before anybody's next, in turns where several are."""
    again = {"float32": (1, 3), "int8": (3,)}

    def disturbed(setup: Setup, seed: int) -> Iterator[Step]:
        for number, step in enumerate(steps(setup, seed)):
            yield step
            if number in again.get(setup.precision, ()):
                yield "again"
                yield "again"

    server, _ = taken(disturbed, repeats=1)
    parts = in_steps(server.granted)
    assert [sorted(name for name, step in part if step == "measure") for part in parts] == 6 * [
        ["float16", "float32", "int8"]
    ]
    both = [name for name, _ in parts[2] if name != "float16"][:2]  # in the order of that step
    assert [[name for name, step in part if step == "again"] for part in parts] == [
        [],
        ["float32", "float32"],
        [*both, *both],
        [],
        [],
        [],
    ]
    assert server.overlaps == 0


def test_turns_stay_balanced_where_steps_are_measured_again() -> None:
    """Every step has the next order of turns, however many of the steps before it were disturbed."""

    def disturbed(setup: Setup, seed: int) -> Iterator[Step]:
        random = np.random.default_rng([seed, *setup.name.encode()])
        for step in steps(setup, seed):
            yield step
            if step == "measure":
                for _ in range(random.integers(3)):
                    yield "again"

    server, _ = taken(disturbed)
    orders = [[name for name, step in part if step == "measure"] for part in in_steps(server.granted)]
    names = ["float32", "float16", "int8"]
    assert orders == [[names[place] for place in turn_order(3, cycle)] for cycle in range(len(orders))]
    assert any(step == "again" for _, _, step in server.granted)


def test_what_a_run_finds_out_alone_is_found_before_all_are_measured() -> None:
    """A slowed run takes the time of its call alone, before the first round: the others wait for it."""

    def slowed(setup: Setup, seed: int) -> Iterator[Step]:
        del seed
        yield "measure"
        yield "prepare"
        if setup.precision == "int8":
            yield "again"
        yield "measure"

    server, _ = taken(slowed, repeats=1)
    names_and_steps = [(name, step) for _, name, step in server.granted if step != "prepare"]
    assert names_and_steps[3] == ("int8", "again")
    assert {step for _, step in names_and_steps[4:]} == {"measure"}


def test_a_run_that_hangs_is_ended_and_the_others_go_on() -> None:
    """What takes longer than the time-out is killed, and its row says what it was."""

    def hanging(setup: Setup, seed: int) -> Iterator[Step | None]:
        if setup.precision != "int8":
            yield from steps(setup, seed)
            return
        yield "measure"
        yield None

    server, runs = taken(hanging, repeats=1, step_timeout_s=0.2)
    (failed,) = (run for run in runs if not run.finished)
    assert failed.reason == "timed out: a measured step took longer than 0.2 s; raise step_timeout_s"
    assert len(runs) == 3
    assert server.overlaps == 0


@pytest.mark.parametrize("enough", range(5))
def test_blocks_are_run_until_it_is_enough(enough: int) -> None:
    """Before each block it is asked, with how many have ended; blocks are taken one by one."""
    server, runs, asked, made = MadeUpServer(steps), [], [], []

    def blocks() -> Iterator[Block]:
        for block in blocks_of(small_experiment(repeats=3)):
            made.append(block.repeat)
            yield block

    def is_enough(ended: int) -> bool:
        asked.append(ended)
        return ended == enough

    Here(None, new_server=server).run(blocks(), lambda run, details: runs.append(run.repeat), is_enough)  # noqa: ARG005
    run = min(enough, 3)
    assert runs == [repeat for repeat in range(run) for _ in range(2)]
    assert asked == list(range(min(enough, 2) + 1))
    assert made == list(range(min(enough + 1, 3)))


def test_without_blocks_no_process_is_started() -> None:
    """There is nothing to be ready for."""
    timing = Here(None, on_ready=lambda: pytest.fail("ready"), new_server=MadeUpServer(steps)).run([], print)
    assert timing.blocks_s == 0


def test_progress_counts_what_ended_before() -> None:
    """A block of which some setups ended before begins with their share done; the counts are the experiment's."""
    experiment = small_experiment(repeats=2)
    first, second = blocks_of(experiment)
    left = replace(first, setups=first.setups[1:], done=1)
    progress: list[Progress] = []
    Here(None, progress.append, new_server=MadeUpServer(steps)).run([left, second], lambda run, details: None)  # noqa: ARG005
    assert (progress[0].ended, progress[0].runs, progress[0].share) == (1, 4, 0.25)
    assert (progress[-1].ended, progress[-1].share) == (4, 1.0)
    assert [(one.block, one.blocks) for one in progress] == sorted((one.block, 2) for one in progress)


def test_setups_that_are_not_the_experiments_own_count_as_they_are() -> None:
    """A block may hold several variants of an experiment's one setup, as the self-test's do: shares end at 1."""
    experiment = small_experiment(precision_modes=["float32"], repeats=1)
    (plain,) = experiment.setups()
    variants = tuple(replace(plain, variant=name, name="") for name in ("one", "two", "three"))
    progress: list[Progress] = []
    Here(None, progress.append, new_server=MadeUpServer(steps)).run(
        [Block(experiment, 0, variants, EnergyPlan(5.0))],
        lambda run, details: None,  # noqa: ARG005
    )
    assert (progress[0].ended, progress[0].share, progress[-1].ended, progress[-1].share) == (0, 0, 3, 1)


@pytest.mark.slow
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


@pytest.mark.slow
def test_setups_of_a_repeat_are_paired(undisturbed: Watched) -> None:
    """float32 and int8 train alike from the same weights and data in each repeat; another repeat differs."""
    losses = {(run.precision_mode, run.repeat): run.final_train_loss for run in undisturbed.runs}
    for repeat in (0, 1):
        assert losses["float32", repeat] == losses["int8", repeat]
    assert losses["float32", 0] != losses["float32", 1]


@pytest.mark.slow
def test_isolated_runs_learn_the_same_as_a_run_in_this_process(undisturbed: Watched) -> None:
    """A run in a worker gives the accuracy that the same setup gives when called directly."""
    from test_benchmark import one  # noqa: PLC0415 - imports torch, which no other test here needs

    run = next(run for run in undisturbed.runs if run.precision_mode == "int8" and run.repeat == 0)
    direct = one("int8")
    assert run.final_train_accuracy == direct["final_train_accuracy"]
    assert run.test_accuracy == direct["test_accuracy"]


@pytest.mark.slow
@pytest.mark.usefixtures("warm_test")
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


@pytest.mark.slow
@pytest.mark.usefixtures("warm_test")
def test_a_hanging_worker_is_ended() -> None:
    """A worker that stops answering is killed after the time-out, and its row says what took too long."""
    runs = run_all(Once(0.2, lambda workers: workers[0].suspend()), step_timeout_s=2, repeats=1)
    failed = [run for run in runs if not run.finished]
    assert len(runs) == 2
    assert len(failed) == 1
    assert "timed out" in failed[0].reason
    assert "step_timeout_s" in failed[0].reason


@pytest.mark.slow
@pytest.mark.usefixtures("warm_test")
def test_a_forkserver_that_dies_or_hangs_costs_its_block_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed, or silent until the time-out and ended with its workers: its block fails and says so, the next runs."""
    monkeypatch.setattr("significand.runner.launched.STOP_TIMEOUT_S", 0.2)

    def stop_both(workers: list[psutil.Process]) -> None:
        forkserver_of().suspend()
        workers[0].suspend()

    faults = [Once(0.005, lambda workers: forkserver_of().kill()), Once(0.338, stop_both)]  # noqa: ARG005

    def fault_when_due(progress: Progress) -> None:
        for fault in faults:
            fault(progress)

    # Many steps are left when it dies: the kernel ends the workers a moment later, and they must not be done by then.
    runs = run_all(fault_when_due, epochs=40, repeats=3, step_timeout_s=2)
    assert [run.finished for run in runs] == [False, False, False, False, True, True]
    assert all("the process that forks the runs was killed by SIGKILL" in run.reason for run in runs[:2])
    reasons = [run.reason for run in runs[2:4]]
    assert any(reason.endswith("forks the runs did not answer any more and was ended") for reason in reasons), reasons
    assert not any("memory" in reason for reason in reasons)


@pytest.mark.slow
def test_what_lies_in_the_working_directory_is_not_run(undisturbed: Watched) -> None:
    """A torch.py or a significand folder where the user stands does not get into the runs' processes."""
    assert all(run.finished for run in undisturbed.runs)


@pytest.mark.slow
def test_nothing_is_left_in_the_temporary_folder(undisturbed: Watched) -> None:
    """The scratch files of the runs are gone at the end."""
    assert undisturbed.left == []


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["starting", "running"])
def test_nothing_outlives_a_killed_program(moment: str, tmp_path: Path, scratch: Path) -> None:
    """SIGKILL to the program, while it starts or while it measures, leaves no process and no temporary file behind."""
    process = subprocess.Popen(
        [sys.executable, "-m", "significand", "run", "--output-dir", str(tmp_path / "out"), "--repeats", "50", "-q"]
    )
    found = {
        "starting": lambda: bool(forkservers_of(process.pid)),
        "running": lambda: bool(workers_of(process.pid)),
    }[moment]
    try:
        assert eventually(found, 120)
        family = psutil.Process(process.pid).children(recursive=True)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert eventually(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in family))
    assert eventually(lambda: not list(scratch.iterdir())), list(scratch.rglob("*"))


def test_what_does_not_fit_is_measured_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only some runs can live at once, each setup runs beside its baseline, once a repeat, and that is told."""
    scarce = Room(2, "a run may need 200 MB, 300 MB are available")
    monkeypatch.setattr("significand.runner.conductor.room_for", lambda *_: scarce)
    experiment = small_experiment(batch_size=[8, 16], epochs=1, latency_rounds=1)
    server, runs = MadeUpServer(steps), []
    timing = Here(None, new_server=server).run(blocks_of(experiment), lambda run, details: runs.append(run))  # noqa: ARG005
    names = ["float32-b8", "int8-b8", "float32-b16", "int8-b16"]
    assert sorted((run.repeat, run.setup) for run in runs) == sorted((k, name) for k in (0, 1) for name in names)
    assert timing.groups == f"the 4 setups of a repeat were measured in groups of at most 2: {scarce.reason}"
    for seed in (7, 8):
        measured = [name for its, name, step in server.granted if its == seed and step == "measure"]
        places = [{k for k, name in enumerate(measured) if name.endswith(f"b{size}")} for size in (8, 16)]
        assert max(places[0]) < min(places[1]) or max(places[1]) < min(places[0])


def test_equal_setups_stay_apart_by_their_variants() -> None:
    """Explicit setups of one mode each run in every repeat under their names, and one that has ended is left out."""
    experiment = small_experiment(precision_modes=["float32"], epochs=1, latency_rounds=1)
    (plain,) = experiment.setups()
    setups = tuple(
        replace(plain, variant=variant, slowdown=share, name="") for variant, share in (("plain", 0.0), ("slow", 4.0))
    )
    first, second = (replace(block, setups=setups) for block in blocks_of(experiment))
    runs: list[Run] = []
    Here(None, new_server=MadeUpServer(steps)).run(
        [replace(first, setups=setups[1:], done=1), second],
        lambda run, details: runs.append(run),  # noqa: ARG005
    )
    assert all(run.finished for run in runs)
    assert {run.name for run in runs} == {"r000-float32-slow", "r001-float32-plain", "r001-float32-slow"}
