"""Runs an experiment block by block: one isolated process per run, which take turns on the machine.

Every run of a block lives at once. A measured step begins only when every other run is idle, so nothing of ours
computes beside it; steps that nobody times run as many at once as there are cores for. The order of turns is a Latin
square, so a machine that drifts hits all setups alike.
"""

import contextlib
import dataclasses
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from multiprocessing import connection
from multiprocessing.connection import Connection
from typing import Any, cast

import numpy as np

from significand.meters.machine import available_cpus
from significand.meters.steps import Step
from significand.plan.experiment import Experiment, Setup
from significand.plan.precision import MODES
from significand.results.records import FAILED, Progress, Run
from significand.runner.protocol import (
    Done,
    Exited,
    Failed,
    Forked,
    Go,
    Ready,
    Waiting,
    describe_exit,
)
from significand.runner.server import Server
from significand.workload.data import Dataset


@dataclasses.dataclass(frozen=True)
class Timing:
    """Where the time between the first block's start and the last block's end went, in seconds.

    Attributes
    ----------
    blocks_s
        All of it.
    measured_s
        In measured steps: one run computes, all others are idle.
    prepared_s
        In steps that nobody times: data, warm-up, conversion, sessions, accuracy.
    """

    blocks_s: float
    measured_s: float
    prepared_s: float


MEASURED: tuple[Step, ...] = ("measure", "again")
"""Steps for which a run has the machine alone."""

OnRun = Callable[[Run, Mapping[str, np.ndarray]], None]
OnProgress = Callable[[Progress], None]


def turn_order(n: int, cycle: int) -> list[int]:
    """Return in which order n setups take their turns in the given cycle.

    Cycles come in pairs, an order and its reverse: A B C, C B A, B C A, A C B, ... Over n pairs every setup stands at
    every place equally often, and follows every other one equally often (Williams, Australian Journal of Chemistry 2,
    1949): the machine drifts, and so neighbours are alike.
    """
    zigzag = [(place + 1) // 2 if place % 2 else (n - place // 2) % n for place in range(n)]
    order = [(setup + cycle // 2) % n for setup in zigzag]
    return order[::-1] if cycle % 2 else order


def run_experiment(
    experiment: Experiment,
    dataset: Dataset | None,
    on_run: OnRun,
    on_progress: OnProgress = lambda progress: None,  # noqa: ARG005 - nobody watches
    on_ready: Callable[[], None] = lambda: None,
    *,
    setups: Sequence[Setup] | None = None,
    done: Collection[tuple[int, str]] = (),
    session: int = 0,
    idle_power_w: float = 0.0,
    energy_source: str = "",
    is_enough: Callable[[int], bool] = lambda blocks: False,  # noqa: ARG005 - all repeats
    meanwhile: Callable[[], None] = lambda: None,
) -> Timing:
    """Run every setup in every repeat.

    Parameters
    ----------
    experiment
        What to run.
    dataset
        What its `data` names; None for synthetic data.
    on_run
        Called with each run as it ends, finished or failed, and the single times behind it.
    on_progress
        Called before each step, while nothing is measured.
    on_ready
        Called once, when the runs' processes can be had and before the first of them.
    setups
        What to run in every repeat, each under a name of its own; None for one setup per precision mode.
    done
        Runs that have ended in an earlier session of the experiment, as (repeat, name of the setup): they are left out.
    session
        How many sessions there were before; every run carries it.
    idle_power_w
        Power of the idle machine, to be subtracted from measured energy.
    energy_source
        The counter that all runs take; empty for the best there is.
    is_enough
        Asked before each repeat, with how many are complete, whether to stop there.
    meanwhile
        Called once while the runs' processes start, and nothing is measured.

    Raises
    ------
    significand.runner.server.RunnerError
        When the runs' processes cannot be started.
    """

    def in_session(run: Run) -> Run:
        return dataclasses.replace(run, session=session)

    setups = experiment.setups() if setups is None else setups
    with Server(setups, dataset, idle_power_w, energy_source, meanwhile) as server:
        on_ready()
        conductor = _Conductor(
            experiment, setups, server, lambda run, details: on_run(in_session(run), details), on_progress
        )
        start = time.perf_counter()
        for repeat in range(experiment.most_repeats):
            if is_enough(repeat):
                break
            left = [setup for setup in setups if (repeat, setup.name) not in done]
            if left:
                server.ensure_up()
            conductor.run_block(repeat, left)
        return Timing(time.perf_counter() - start, conductor.measured_s, conductor.prepared_s)


@dataclasses.dataclass
class _Worker:
    """A run's process, seen from here.

    ``busy`` while it computes or may compute: preparing, measuring, ending. ``wants`` the step it waits for otherwise.
    ``prepared`` counts its preparations so far: of a run that trains, one before training and one before inference.
    """

    setup: Setup
    seed: int
    repeat: int
    steps_left: int
    channel: Connection
    since: float
    prepared: int = 0
    pid: int | None = None
    wants: Step | None = None
    doing: Step = "prepare"
    listening: bool = True
    measured_s: float = 0.0
    ready_s: float = float("nan")
    verdict: str | None = None
    columns: Mapping[str, object] = dataclasses.field(default_factory=dict)
    details: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    ended: bool = False

    @property
    def wants_alone(self) -> bool:
        return self.wants in MEASURED

    @property
    def measuring(self) -> bool:
        return self.doing in MEASURED

    @property
    def busy(self) -> bool:
        return not self.ended and self.wants is None

    def what(self) -> str:
        return "measured step" if self.measuring else "preparation"


class _Conductor:
    """Passes the baton among the workers of a block and hands on what they bring."""

    def __init__(
        self, experiment: Experiment, setups: Sequence[Setup], server: Server, on_run: OnRun, on_progress: OnProgress
    ) -> None:
        self._experiment = experiment
        self._server = server
        self._on_run = on_run
        self._on_progress = on_progress
        self._setups = setups
        self._steps_per_run = experiment.epochs + experiment.latency_rounds
        self._runs = len(self._setups) * experiment.most_repeats
        self._steps_done = 0
        self._ended = 0
        self._repeat = 0
        self._cycle = 0
        self._workers: list[_Worker] = []
        self._unnamed: deque[_Worker] = deque()
        self._turns: list[int] = []
        self._server_end = ""
        self._preparing_since: float | None = None
        self.measured_s = 0.0
        self.prepared_s = 0.0

    def run_block(self, repeat: int, setups: Sequence[Setup]) -> None:
        """Run the setups of one repeat, taking turns; those left out have ended before."""
        self._repeat = repeat
        before = len(self._setups) - len(setups)
        self._ended += before
        self._steps_done += before * self._steps_per_run
        self._turns = []
        self._workers = []
        self._unnamed.clear()
        for setup in setups:
            self._fork(setup, repeat)
            while any(worker.busy for worker in self._workers):  # one after the other, so that none waits for a core
                self._listen()
        while not all(worker.ended for worker in self._workers):
            if not any(worker.busy for worker in self._workers):
                self._report()
                self._grant()
            self._listen()
        self._report()

    def _fork(self, setup: Setup, repeat: int) -> None:
        seed = self._experiment.seed + repeat
        since = time.perf_counter()
        try:
            channel = self._server.fork(setup, seed, repeat)
        except ConnectionError:
            self._lose_server()
            self._ended += 1
            self._steps_done += self._steps_per_run
            self._on_run(_failed(setup, seed, repeat, self._server_end), {})
            return
        worker = _Worker(setup, seed, repeat, self._steps_per_run, channel, since)
        self._workers.append(worker)
        self._unnamed.append(worker)

    def _grant(self) -> None:
        """Let the next worker measure alone, or as many prepare as there are cores for: the least far go first.

        A run that was measured while another has still to prepare for the same would be measured at another time.
        """
        now = time.perf_counter()
        if self._preparing_since is not None:
            self.prepared_s += now - self._preparing_since
            self._preparing_since = None
        least = min(worker.prepared for worker in self._workers if not worker.ended)
        if any(worker.wants_alone and worker.prepared == least for worker in self._workers):
            self._go(self._next_turn())
            return
        self._preparing_since = now
        # More threads than cores hinder each other many times over, also where nobody times them.
        together = max(1, available_cpus() // self._setups[0].threads)
        least_far = [worker for worker in self._workers if worker.wants == "prepare" and worker.prepared == least]
        for worker in least_far[:together]:
            worker.prepared += 1
            self._go(worker)

    def _next_turn(self) -> _Worker:
        while True:
            if not self._turns:
                self._turns = turn_order(len(self._workers), self._cycle)
                self._cycle += 1
            worker = self._workers[self._turns.pop(0)]
            if worker.wants_alone:
                return worker

    def _go(self, worker: _Worker) -> None:
        worker.doing = worker.wants or "prepare"
        worker.wants = None
        worker.since = time.perf_counter()
        with contextlib.suppress(ConnectionError):  # it just died; its end is on the way
            worker.channel.send(Go())

    def _listen(self) -> None:
        """Wait for the next message of anybody and act on it; end workers whose step takes too long."""
        limit = self._experiment.step_timeout_s
        deadline = min((worker.since + limit for worker in self._workers if worker.busy), default=time.perf_counter())
        channels = {worker.channel: worker for worker in self._workers if worker.listening and not worker.ended}
        ready = connection.wait([*channels, self._server.connection], max(0.0, deadline - time.perf_counter()))
        for source in ready:
            if source is not self._server.connection:
                self._hear(channels[source])  # type: ignore[index]  # what was waited for
        if self._server.connection in ready:  # after what the dead had still to say
            self._hear_server()
        now = time.perf_counter()
        for worker in self._workers:
            if not worker.busy or now - worker.since <= limit:
                continue
            if worker.pid is None or worker.verdict is not None:  # the forkserver itself does not answer
                self._lose_server()
                return
            worker.verdict = f"timed out: a {worker.what()} took longer than {limit:g} s; raise step_timeout_s"
            worker.since = now
            self._server.kill(worker.pid)

    def _hear(self, worker: _Worker) -> None:
        try:
            message = worker.channel.recv()
        except (EOFError, ConnectionError):
            worker.listening = False  # the forkserver will say how it ended
            return
        now = time.perf_counter()
        if worker.measuring:
            worker.measured_s += now - worker.since
            self.measured_s += now - worker.since
        if worker.doing == "measure" and worker.steps_left:
            worker.steps_left -= 1
            self._steps_done += 1
        worker.doing = "prepare"
        worker.wants = None
        match message:
            case Ready():
                worker.ready_s = now - worker.since
                worker.wants = "prepare"
            case Waiting(step):
                worker.wants = step
            case Done(row, details):
                worker.verdict = ""
                run = dataclasses.replace(
                    Run(**cast("dict[str, Any]", row)),
                    measured_s=worker.measured_s,
                    ready_s=worker.ready_s,
                )
                self._on_run(run, details)
            case Failed(reason, columns, details):
                worker.verdict = reason
                worker.columns, worker.details = columns, details
        worker.since = now

    def _hear_server(self) -> None:
        try:
            message = self._server.connection.recv()
        except (EOFError, ConnectionError):
            self._lose_server()
            return
        match message:
            case Forked(pid):
                self._unnamed.popleft().pid = pid
            case Exited(pid, status):
                worker = next(worker for worker in self._workers if worker.pid == pid)
                while worker.listening and worker.channel.poll():
                    self._hear(worker)
                self._end(worker, f"the run's process {describe_exit(status)}")

    def _lose_server(self) -> None:
        """End a block whose forkserver is dead: the kernel has ended its workers with it."""
        self._server_end = f"the process that forks the runs {self._server.stop() or 'was gone'}"
        for worker in self._workers:
            if not worker.ended:
                self._end(worker, self._server_end)

    def _end(self, worker: _Worker, cause: str) -> None:
        """Close the books on a worker that is no more; without a result, for `cause`, it is a failed run."""
        worker.ended = True
        worker.wants = None
        worker.channel.close()
        self._ended += 1
        self._steps_done += worker.steps_left
        if worker.verdict != "":
            run = _failed(worker.setup, worker.seed, worker.repeat, worker.verdict or cause)
            measured: dict[str, Any] = {"ready_s": worker.ready_s, "measured_s": worker.measured_s, **worker.columns}
            self._on_run(dataclasses.replace(run, **measured), worker.details)

    def _report(self) -> None:
        self._on_progress(
            Progress(
                block=self._repeat + 1,
                blocks=self._experiment.most_repeats,
                ended=self._ended,
                runs=self._runs,
                share=self._steps_done / (self._runs * self._steps_per_run),
            )
        )


def _failed(setup: Setup, seed: int, repeat: int, reason: str) -> Run:
    return Run(
        seed=seed,
        layer_sizes=setup.layers,
        precision_mode=setup.precision_mode,
        batch_size=setup.batch_size,
        epochs=setup.epochs,
        n_samples=setup.n_samples or 0,
        repeat=repeat,
        status=FAILED,
        reason=reason,
        engine=setup.engine,
        training_precision=MODES[setup.precision_mode].training_precision,
        data=setup.data,
        activations="+".join(setup.activations),
        optimizer=setup.optimizer,
        learning_rate=setup.learning_rate,
        threads=setup.threads,
        label=setup.label,
    )
