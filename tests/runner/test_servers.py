"""Behaviour of an experiment whose setups are measured in two environments: turns, and the loss of one of them."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import blocks_of, forkservers_of, small_experiment
from made_up_environment import made_up_environment, own_packages
from made_up_server import MadeUpServer
from significand.meters.steps import Step
from significand.plan.setup import HERE, OTHER, Setup
from significand.results.records import Progress, Run
from significand.runner.block import Block
from significand.runner.conductor import Here
from significand.runner.launched import RunnerError
from significand.workload.given import Data


def steps(setup: Setup, seed: int) -> Iterator[Step]:
    """Ask for two training turns and two rounds, with a preparation between."""
    del setup, seed
    asked: list[Step] = ["measure", "measure", "prepare", "measure", "measure"]
    yield from asked


def two_servers() -> tuple[
    dict[str, MadeUpServer], Callable[[Block, Data, Callable[[], None], str], MadeUpServer], list[tuple[int, str, Step]]
]:
    """Return a made-up server of each environment, what hands them out, and the steps of both in their order."""
    servers = {HERE: MadeUpServer(steps), OTHER: MadeUpServer(steps)}
    together: list[tuple[int, str, Step]] = []
    for server in servers.values():
        server.granted = together

    def new_server(first: Block, data: Data, meanwhile: Callable[[], None], variant: str) -> MadeUpServer:
        return servers[variant](first, data, meanwhile, variant)

    return servers, new_server, together


def test_setups_of_both_environments_take_turns() -> None:
    """Every setup is measured once before any is measured again, and each stands at every place equally often."""
    experiment = small_experiment(against="somewhere", repeats=2, threads=1, latency_rounds=2)
    _, new_server, granted = two_servers()
    runs: list[Run] = []
    Here(None, new_server=new_server).run(blocks_of(experiment), lambda run, details: runs.append(run))  # noqa: ARG005
    names = [setup.name for setup in experiment.setups()]
    assert names == ["float32-here", "float32-other", "int8-here", "int8-other"]
    assert sorted((run.repeat, run.setup) for run in runs) == [(k, name) for k in (0, 1) for name in names]
    assert all(run.finished for run in runs)
    measured = [name for _, name, step in granted if step == "measure"]
    turns = [measured[start : start + 4] for start in range(0, len(measured), 4)]
    assert all(sorted(turn) == names for turn in turns)
    places = Counter((place, name) for turn in turns for place, name in enumerate(turn))
    assert set(places.values()) == {len(turns) // 4}


def test_an_experiment_of_one_environment_has_one_server() -> None:
    """Variants of the self-test are all forked here."""
    asked: list[str] = []

    def new_server(first: Block, data: Data, meanwhile: Callable[[], None], variant: str) -> MadeUpServer:
        asked.append(variant)
        return MadeUpServer(steps)(first, data, meanwhile, variant)

    Here(None, new_server=new_server).run(blocks_of(small_experiment(repeats=1)), lambda run, details: None)  # noqa: ARG005
    assert asked == [HERE]


@pytest.mark.slow
@pytest.mark.usefixtures("no_orphans", "scratch")
def test_an_environment_that_cannot_start_is_named(tmp_path: Path) -> None:
    """Before anything is measured, with the last words of its forkserver; that of here is ended, too."""
    there = made_up_environment(tmp_path / "venv")
    broken = own_packages(there) / "onnxruntime"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('no such library')", encoding="utf-8")
    blocks = blocks_of(small_experiment(against=str(there)))
    with pytest.raises(RunnerError, match=r"cannot start in '.*venv': it .*: ImportError: no such library"):
        Here(None, on_ready=lambda: pytest.fail("ready")).run(blocks, lambda run, details: None)  # noqa: ARG005


@pytest.mark.slow
@pytest.mark.usefixtures("no_orphans", "scratch")
def test_the_loss_of_one_environment_costs_its_runs_alone(tmp_path: Path) -> None:
    """When its forkserver is killed, its runs of that repeat fail; the others end, and the next repeat has both."""
    experiment = small_experiment(against=str(made_up_environment(tmp_path / "venv")), precision_modes=["float32"])
    runs: list[Run] = []
    lost: list[int] = []

    def lose(progress: Progress) -> None:
        if not lost and progress.share > 0.2:
            _, other = forkservers_of(os.getpid())
            lost.append(other.pid)
            os.kill(other.pid, signal.SIGKILL)

    Here(None, lose).run(blocks_of(experiment), lambda run, details: runs.append(run))  # noqa: ARG005
    ended = {run.name: run for run in runs}
    assert {name for name, run in ended.items() if not run.finished} == {"r000-float32-other"}
    assert "the process that forks the runs was killed by SIGKILL" in ended["r000-float32-other"].reason
    assert sorted(ended) == [f"r00{k}-float32-{where}" for k in (0, 1) for where in (HERE, OTHER)]
