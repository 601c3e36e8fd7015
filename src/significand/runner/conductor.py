"""Runs an experiment block by block: one isolated process per run, which take turns on the machine.

Every run of a block lives at once. A measured step begins only when every other run is idle, so nothing of ours
computes beside it; steps that nobody times run several at once. The order of turns is a Latin square, so a machine that
drifts hits all setups alike.
"""

import contextlib
import dataclasses
import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from multiprocessing import connection
from multiprocessing.connection import Connection

import numpy as np

from significand.analysis.run_latency import latency_values
from significand.meters.machine import available_cpus
from significand.meters.steps import Step
from significand.plan.setup import Setup
from significand.results.records import FAILED, Progress, Run
from significand.runner.block import Block, OnRun, Timing
from significand.runner.groups import (
    Room,
    available_memory_mb,
    cut,
    memory_of_all_mb,
    own_memory_mb,
    processes_left,
    room_for,
)
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
from significand.runner.servers import NewServer, Servers
from significand.workload.given import Data

MEASURED: tuple[Step, ...] = ("measure", "again")
"""Steps for which a run has the machine alone."""

SMALL_MB = 64.0
"""Memory of a run that is ready to be measured, below which its network is small: see `_Conductor._preparing_at_once`.
Two that prepare at once then need little memory together, too."""

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


@dataclasses.dataclass
class Here:
    """The place that is the default: this machine, with a process per run, which take turns.

    Attributes
    ----------
    data
        What the experiment's network is measured with; see `significand.workload.given.Data`.
    on_progress
        Called before each step, while nothing is measured.
    on_ready
        Called once, when the runs' processes can be had and before the first of them.
    meanwhile
        Called once while the runs' processes start, and nothing is measured.
    new_server
        Makes what forks the runs' processes, those of one environment.
    """

    data: Data
    on_progress: OnProgress = lambda progress: None  # noqa: ARG005 - nobody watches
    on_ready: Callable[[], None] = lambda: None
    meanwhile: Callable[[], None] = lambda: None
    new_server: NewServer = Server

    def run(
        self,
        blocks: Iterable[Block],
        on_run: OnRun,
        is_enough: Callable[[int], bool] = lambda ended: False,  # noqa: ARG005 - all of them
    ) -> Timing:
        """Run blocks one after the other; see `significand.runner.block.Place`."""
        blocks = iter(blocks)
        first = next(blocks, None)
        if first is None:
            return Timing(0.0, 0.0, 0.0)
        with Servers(first, self.data, self.meanwhile, self.new_server) as servers:
            self.on_ready()
            conductor = _Conductor(first, servers, on_run, self.on_progress)
            start = time.perf_counter()
            for ended, block in enumerate(itertools.chain([first], blocks)):
                if is_enough(ended):
                    break
                if block.setups:
                    servers.ensure_up()
                conductor.run_block(block)
            blocks_s = time.perf_counter() - start
            return Timing(
                blocks_s,
                conductor.measured_s,
                conductor.prepared_s,
                _told(conductor.room, len(first.experiment.setups())),
                conductor.memory_mb,
            )


@dataclasses.dataclass
class _Worker:
    """A run's process, seen from here.

    ``busy`` while it computes or may compute: preparing, measuring, ending. ``wants`` the step it waits for otherwise.
    ``prepared`` counts its preparations so far: one before training, one before the first call, and one before rounds.
    ``begun`` counts the steps since then that have begun, those that are measured again not counted twice; ``tries``
    the times that the last of them was measured.
    """

    setup: Setup
    block: Block
    steps_left: int
    server: Server
    channel: Connection
    since: float
    prepared: int = 0
    begun: int = 0
    tries: int = 0
    pid: int | None = None
    wants: Step | None = None
    doing: Step = "prepare"
    listening: bool = True
    measured_s: float = 0.0
    ready_s: float = float("nan")
    verdict: str | None = None
    values: Mapping[str, object] = dataclasses.field(default_factory=dict)
    details: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    ended: bool = False

    @property
    def wants_alone(self) -> bool:
        return self.wants in MEASURED

    @property
    def infers(self) -> bool:
        """Whether it waits to infer: all the memory it ever needs outside a measured step is taken."""
        return self.wants_alone and self.prepared > 2

    @property
    def step(self) -> int:
        """Which step since its last preparation it waits to measure, or to measure again."""
        return self.begun if self.wants == "again" else self.begun + 1

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

    def __init__(self, first: Block, servers: Servers, on_run: OnRun, on_progress: OnProgress) -> None:
        self._servers = servers
        self._on_run = on_run
        self._on_progress = on_progress
        experiment = first.experiment
        self._blocks = experiment.most_repeats
        self._limit_s = experiment.protocol.step_timeout_s
        self._runs = self._blocks * (first.done + len(first.setups))
        self._steps_per_run = experiment.epochs + experiment.latency_rounds
        self._steps_done = 0
        self._ended = 0
        self._cycle = 0
        self._block: Block
        self._workers: list[_Worker] = []
        self._unforked: deque[Setup] = deque()
        self._order: list[int] = []
        self._step = (0, 0)
        self._preparing_since: float | None = None
        self.room: Room | None = None
        self._has_weighed = False
        self.memory_mb = math.nan
        self.measured_s = 0.0
        self.prepared_s = 0.0

    def run_block(self, block: Block) -> None:
        """Run the setups of a block, taking turns; those of its repeat that are not in it have ended before."""
        self._block = block
        self._ended += block.done
        self._steps_done += block.done * self._steps_per_run
        names = [setup.name for setup in block.experiment.setups()]
        baselines = {name: names[place] for name, place in zip(names, block.experiment.baselines(), strict=True)}
        left = block.setups
        while left:
            group, *others = cut(left, baselines, self.room.runs if self.room else len(left))
            left = (*self._run_group(group, baselines), *itertools.chain.from_iterable(others))

    def _run_group(self, setups: Sequence[Setup], baselines: Mapping[str, str]) -> list[Setup]:
        """Run setups that take turns; return those that there was no room for, as it turned out."""
        self._step = (0, 0)
        self._workers = []
        self._unforked = deque(setups)
        sent_away: list[Setup] = []
        while self._unforked or not all(worker.ended for worker in self._workers):
            if not any(worker.busy for worker in self._workers):
                self._count_preparing()
                if self._workers:
                    self._report()
                if self.room is None and any(worker.wants_alone for worker in self._workers):
                    sent_away = self._look_for_room(setups, baselines)
                if not self._has_weighed and all(worker.ended or worker.infers for worker in self._workers):
                    self._has_weighed, self.memory_mb = True, memory_of_all_mb()
            self._grant()
            self._listen()
        self._count_preparing()
        self._report()
        return sent_away

    def _look_for_room(self, setups: Sequence[Setup], baselines: Mapping[str, str]) -> list[Setup]:
        """Find out what a run needs, now that the first are ready to be measured; return those that do not fit."""
        ready = [worker for worker in self._workers if worker.wants_alone and worker.pid]
        needed_mb = max((own_memory_mb(worker.pid) for worker in ready if worker.pid), default=0.0)
        self.room = room_for(needed_mb, available_memory_mb() + len(ready) * needed_mb, processes_left())
        kept = cut(setups, baselines, self.room.runs)[0]
        sent_away = [setup for setup in self._unforked if setup not in kept]
        self._unforked = deque(setup for setup in self._unforked if setup in kept)
        return sent_away

    def _fork(self, setup: Setup) -> None:
        since = time.perf_counter()
        server = self._servers.of(setup)
        try:
            channel = server.fork(setup, self._block.seed)
        except ConnectionError:
            end = self._lose_server(server)
            self._ended += 1
            self._steps_done += self._steps_per_run
            self._on_run(_failed(setup, self._block, end), {})
            return
        worker = _Worker(setup, self._block, self._steps_per_run, server, channel, since)
        self._workers.append(worker)

    def _grant(self) -> None:
        """Let the next worker measure alone, or as many prepare as may at once: the least far go first.

        Nobody is measured until all have prepared, or they would be measured at different times.
        """
        left = [worker for worker in self._workers if not worker.ended]
        busy = [worker for worker in left if worker.busy]
        if any(worker.measuring for worker in busy):
            return
        # Those to be forked are behind all others; but before the first are ready, nobody knows how many there may be.
        to_come = self._unforked and self.room is not None
        least = 0 if to_come else min((worker.prepared for worker in left), default=0)
        waiting = [worker for worker in left if worker.wants_alone and worker.prepared == least]
        if waiting and not busy:
            self._go(self._next_turn(waiting))
            return
        least_far = [worker for worker in left if worker.wants == "prepare" and worker.prepared == least]
        at_once = self._preparing_at_once(left)
        for worker in least_far[: max(0, at_once - len(busy))]:
            worker.prepared += 1
            worker.begun = worker.tries = 0
            self._go(worker)
            busy.append(worker)
        # One after the other, for the forkserver is one process; nor more than the first before their need is known.
        is_forking = any(worker.prepared == 0 for worker in busy)
        if self._unforked and len(busy) < at_once and not is_forking and (self.room or len(left) < at_once):
            self._fork(self._unforked.popleft())
        self._preparing_since = self._preparing_since or time.perf_counter()

    def _preparing_at_once(self, left: Sequence[_Worker]) -> int:
        """Return how many runs may prepare beside each other.

        More threads than cores hinder each other, also where nobody times them. But of a small network hardly anything
        is computed then: a Python process forks, opens, converts and closes, and leaves other cores idle.
        """
        cpus = available_cpus()
        if self.room and self.room.run_mb < SMALL_MB:
            return cpus
        threads = [worker.setup.threads for worker in left] + [setup.threads for setup in self._unforked]
        return max(1, cpus // max(threads, default=1))

    def _count_preparing(self) -> None:
        """Add the time in which somebody prepared, now that nobody does."""
        if self._preparing_since is not None:
            self.prepared_s += time.perf_counter() - self._preparing_since
            self._preparing_since = None

    def _next_turn(self, waiting: Sequence[_Worker]) -> _Worker:
        """Return who is measured next: nobody goes on to a step before all have had the last.

        Every step has the next order of turns. Whoever is measured again comes after the others, in the same order:
        later steps keep theirs, and stay balanced.
        """
        step = min(worker.step for worker in waiting)
        if (waiting[0].prepared, step) != self._step:
            self._step = (waiting[0].prepared, step)
            self._order = turn_order(len(self._workers), self._cycle)
            self._cycle += 1
        turns = [self._workers[place] for place in self._order]
        due = [worker for worker in turns if worker in waiting and worker.step == step]
        return min(due, key=lambda worker: worker.tries if worker.wants == "again" else 0)

    def _go(self, worker: _Worker) -> None:
        if worker.wants_alone:
            worker.tries = worker.tries + 1 if worker.wants == "again" else 1
            worker.begun = worker.step
        worker.doing = worker.wants or "prepare"
        worker.wants = None
        worker.since = time.perf_counter()
        with contextlib.suppress(ConnectionError):  # it just died; its end is on the way
            worker.channel.send(Go())

    def _listen(self) -> None:
        """Wait for the next message of anybody and act on it; end workers whose step takes too long."""
        limit = self._limit_s
        deadline = min((worker.since + limit for worker in self._workers if worker.busy), default=time.perf_counter())
        channels = {worker.channel: worker for worker in self._workers if worker.listening and not worker.ended}
        servers = {worker.server.connection: worker.server for worker in self._workers if not worker.ended}
        ready = connection.wait([*channels, *servers], max(0.0, deadline - time.perf_counter()))
        for source in ready:
            if source not in servers:
                self._hear(channels[source])  # type: ignore[index]  # what was waited for
        for source, server in servers.items():
            if source in ready:  # after what the dead had still to say
                self._hear_server(server)
        now = time.perf_counter()
        for worker in self._workers:
            if not worker.busy or now - worker.since <= limit:
                continue
            if worker.pid is None or worker.verdict is not None:  # the forkserver itself does not answer
                self._lose_server(worker.server)
                return
            worker.verdict = f"timed out: a {worker.what()} took longer than {limit:g} s; raise step_timeout_s"
            worker.since = now
            worker.server.kill(worker.pid)

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
            case Done(measured):
                worker.verdict = ""
                setup = worker.setup
                latency = latency_values(measured.details, measured.calls_per_timing, setup.batch_size)
                times = {"ready_s": worker.ready_s, "measured_s": worker.measured_s}
                block = worker.block
                run = Run.of(setup, block.seed, block.repeat, **measured.values, **latency, **times)
                self._on_run(run, measured.details)
            case Failed(reason, values, details):
                worker.verdict = reason
                worker.values, worker.details = values, details
        worker.since = now

    def _hear_server(self, server: Server) -> None:
        try:
            message = server.connection.recv()
        except (EOFError, ConnectionError):
            self._lose_server(server)
            return
        of_server = [worker for worker in self._workers if worker.server is server]
        match message:
            case Forked(pid):
                worker = next(worker for worker in of_server if worker.pid is None)
                worker.pid = pid
            case Exited(pid, status):
                worker = next(worker for worker in of_server if worker.pid == pid)
                while worker.listening and worker.channel.poll():
                    self._hear(worker)
                self._end(worker, f"the run's process {describe_exit(status)}")

    def _lose_server(self, server: Server) -> str:
        """End the runs whose forkserver is dead, and return how it ended: the kernel has ended its workers with it."""
        end = f"the process that forks the runs {server.stop() or 'was gone'}"
        for worker in self._workers:
            if worker.server is server and not worker.ended:
                self._end(worker, end)
        return end

    def _end(self, worker: _Worker, cause: str) -> None:
        """Close the books on a worker that is no more; without a result, for `cause`, it is a failed run."""
        worker.ended = True
        worker.wants = None
        worker.channel.close()
        self._ended += 1
        self._steps_done += worker.steps_left
        if worker.verdict != "":
            times = {"ready_s": worker.ready_s, "measured_s": worker.measured_s}
            run = _failed(worker.setup, worker.block, worker.verdict or cause, **times, **worker.values)
            self._on_run(run, worker.details)

    def _report(self) -> None:
        self._on_progress(
            Progress(
                block=self._block.repeat + 1,
                blocks=self._blocks,
                ended=self._ended,
                runs=self._runs,
                share=self._steps_done / (self._runs * self._steps_per_run),
            )
        )


def _told(room: Room | None, setups: int) -> str:
    """Say that blocks were cut into groups, where they were."""
    if room is None or room.runs >= setups:
        return ""
    return f"the {setups} setups of a repeat were measured in groups of at most {room.runs}: {room.reason}"


def _failed(setup: Setup, block: Block, reason: str, **values: object) -> Run:
    return Run.of(setup, block.seed, block.repeat, status=FAILED, reason=reason, **values)
