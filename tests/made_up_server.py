"""A forkserver whose runs are threads that compute nothing: they ask for their steps as a real run's process does."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import numpy as np

from significand.meters.steps import Step
from significand.plan.setup import Setup
from significand.results.records import Measured
from significand.runner.block import Block
from significand.runner.protocol import Done, Exited, Forked, Ready, Waiting
from significand.runner.server import Server
from significand.workload.given import Data

Script = Callable[[Setup, int], Iterator[Step | None]]
"""The steps that a run asks for, by its setup and seed; None where it hangs until it is killed."""

MEASURED = Measured({"final_train_accuracy": 0.9}, {"call_latency_s": np.ones(4), "call_round": np.arange(4)}, 1)


class MadeUpServer(Server):
    """Forks threads; `new_server` of `significand.runner.conductor.Here`.

    Attributes
    ----------
    granted
        Every step that a run was let do, in order: seed, setup's name, what it had asked for.
    overlaps
        How many times a run was let compute beside one that was measured, or be measured beside one that computed.
    """

    def __init__(self, script: Script) -> None:
        self.granted: list[tuple[int, str, Step]] = []
        self.overlaps = 0
        self._script = script
        self._lock = threading.Lock()
        self._computing: dict[int, str] = {}
        self._threads: dict[int, threading.Thread] = {}
        self._killed: dict[int, threading.Event] = {}

    def __call__(self, first: Block, data: Data, meanwhile: Callable[[], None], variant: str = "") -> "MadeUpServer":
        """Take the place of the class."""
        del first, data, variant
        meanwhile()
        return self

    def ensure_up(self) -> None:
        """Open the connection, unless it is."""
        if not self._threads:
            self.connection, self._other_end = Pipe()

    def fork(self, setup: Setup, seed: int) -> Connection:
        """Begin a run in a thread."""
        ours, theirs = Pipe()
        pid = len(self._threads) + 1
        self._killed[pid] = threading.Event()
        self._threads[pid] = threading.Thread(target=self._live, args=(pid, theirs, setup, seed))
        self._tell(Forked(pid))
        self._threads[pid].start()
        return ours

    def kill(self, pid: int) -> None:
        """Let a run that hangs end as a killed one does."""
        self._killed[pid].set()

    def stop(self) -> str:
        """Wait for the runs to end."""
        for pid, thread in self._threads.items():
            self.kill(pid)
            thread.join()
        self.connection.close()
        self._other_end.close()
        return ""

    def _live(self, pid: int, channel: Connection, setup: Setup, seed: int) -> None:
        status = 0
        steps: Iterator[Step | None] = itertools.chain(["prepare"], self._script(setup, seed))
        for number, step in enumerate(steps):
            if step is None:
                self._killed[pid].wait()
                status = -9
                break
            channel.send(Waiting(step) if number else Ready())
            while not channel.poll(0.001) and not self._killed[pid].is_set():
                pass
            if not channel.poll():
                status = -9
                break
            channel.recv()
            with self._lock:
                self.granted.append((seed, setup.name, step))
                self.overlaps += bool(self._computing) and (step != "prepare" or "measured" in self._computing.values())
                self._computing[pid] = "prepare" if step == "prepare" else "measured"
            time.sleep(0.001)
            with self._lock:
                del self._computing[pid]
        else:
            channel.send(Done(MEASURED))
        channel.close()
        self._tell(Exited(pid, status))

    def _tell(self, message: Forked | Exited) -> None:
        with self._lock:
            self._other_end.send(message)
