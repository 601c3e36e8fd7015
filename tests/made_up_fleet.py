"""Machines that nobody has: blocks as they would send them, and a scheduler that does what a test says."""

import io
import json
import zipfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from conftest import small_experiment
from made_up_place import Make, made_up_run
from made_up_results import MACHINE
from significand.meters.counters import EnergyPlan
from significand.plan.experiment import Experiment
from significand.results.fleet_state import FleetFile, FleetState
from significand.results.fleet_store import FleetDirectory
from significand.results.hosts import HostFolders
from significand.results.journal import JOURNAL, first_line
from significand.results.records import METHOD
from significand.results.sent_blocks import Receiver
from significand.results.store import DETAILS
from significand.results.values import cell
from significand.runner.block import Block
from significand.runner.fleet import Coordinator, Mode, Plan
from significand.runner.places import Ended, Event, HostFacts, Went


def facts_of(experiment: Experiment, **machine: object) -> dict[str, Any]:
    """Return what a journal's first line says of an experiment on a machine."""
    return {
        "experiment_hash": "0" * 64,
        "experiment": json.loads(json.dumps(experiment.to_json())),
        "data_sha256": None,
        "method": METHOD,
        "machine": {**MACHINE, "python": "3.12.1", **machine},
        "energy_source": "cpu-time",
    }


def made_up_block(
    experiment: Experiment,
    repeat: int,
    host: str = "bench",
    make: Make = made_up_run,
    facts: Mapping[str, Any] | None = None,
    **machine: object,
) -> bytes:
    """Return a block as a machine would send it."""
    block = Block(experiment, repeat, tuple(experiment.setups()), EnergyPlan(experiment.watts_per_core))
    told = dict(facts or facts_of(experiment, **machine))
    told["machine"] = {**told["machine"], "host": host, **machine}
    lines = [first_line(told)]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for setup in block.setups:
            run, details = make(block, setup)
            lines.append(json.dumps({"run": {name: str(cell(value)) for name, value in run.to_row().items()}}) + "\n")
            if details:
                content = io.BytesIO()
                np.savez(content, **details)  # type: ignore[arg-type]  # arrays by name
                archive.writestr(f"{DETAILS}/{run.name}.npz", content.getvalue())
        archive.writestr(JOURNAL, "".join(lines))
    return buffer.getvalue()


Answer = Callable[[str, int], "bytes | str | Ended | None"]
"""Gives what a machine sends for a repeat: a block, a reason why there is none, how it ends, or None for silence."""


MOST_WAITS = 10_000


class MadeUpScheduler:
    """Stands in for a scheduler: every block ends at once, as `answer` has it.

    Parameters
    ----------
    experiment
        What blocks are of.
    hosts
        Names of machines, or what is known of them.
    answer
        See `Answer`; by default the block.
    events
        What happens besides, one list for each time that somebody waits.
    together
        How many machines end at a time.
    queues
        Whether blocks wait before they begin.
    machine
        Says on which machine a block was, where the scheduler chooses it.
    """

    def __init__(
        self,
        experiment: Experiment,
        hosts: Sequence[str | HostFacts],
        answer: Answer | None = None,
        events: Sequence[Sequence[Event | BaseException]] = (),
        together: int = 1000,
        queues: bool = False,
        machine: Callable[[str, int], str] = lambda host, repeat: "",  # noqa: ARG005 - it is the host
    ) -> None:
        self.facts = [
            host if isinstance(host, HostFacts) else HostFacts(host, facts_of(experiment)["machine"] | {"host": host})
            for host in hosts
        ]
        self._answer: Answer = answer or (lambda host, repeat: made_up_block(experiment, repeat, host))
        self.queues = queues
        self._machine = machine
        self._events = deque(events)
        self._together = together
        self._running: deque[tuple[str, int]] = deque()
        self._besides: list[Event] = []
        self.started: list[tuple[str, int]] = []
        self.avoided: list[str] = []
        self.cancelled = False
        self.waited = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def hosts(self) -> Sequence[HostFacts]:
        """Return the machines."""
        return self.facts

    def start(self, host: str, repeat: int) -> None:
        """Take down that a block was started."""
        assert host not in [name for name, _ in self._running], "two blocks on a machine"
        self._running.append((host, repeat))
        self.started.append((host, repeat))

    def avoid(self, machine: str) -> None:
        """Take down that a machine is to be chosen no more."""
        self.avoided.append(machine)

    def wait(self, timeout_s: float) -> Sequence[Event]:
        """Return what happens besides, then ends of blocks."""
        assert timeout_s >= 0
        self.waited += 1
        assert self.waited < MOST_WAITS, "it waits for ever"
        happened: list[Event] = []
        for event in self._events.popleft() if self._events else ():
            if isinstance(event, BaseException):
                raise event
            happened.append(event)
            if isinstance(event, Went):
                self._running = deque(one for one in self._running if one[0] != event.host)
        for _ in range(min(self._together, len(self._running))):
            host, repeat = self._running.popleft()
            answer, machine = self._answer(host, repeat), self._machine(host, repeat)
            if answer is None:
                self._running.append((host, repeat))
            elif isinstance(answer, Ended):
                happened.append(answer)
            elif isinstance(answer, str):
                happened.append(Ended(host, repeat, reason=answer, machine=machine))
            else:
                happened.append(Ended(host, repeat, answer, machine=machine))
            happened += self._besides
            self._besides.clear()
        return happened

    def answer_with(self, answer: Answer) -> None:
        """Answer otherwise from now on."""
        self._answer = answer

    def happens_with_it(self, event: Event) -> None:
        """Let something happen in the same moment as the block ends that is asked for."""
        self._besides.append(event)

    def cancel(self) -> None:
        """Take down that all was taken back."""
        self.cancelled = True
        self._running.clear()


class MadeUpFleet:
    """A coordinator over a folder, ready to run.

    Parameters
    ----------
    folder
        Of the experiment; it is locked and begun.
    experiment
        What is run.
    hosts, mode, mixed
        The machines, and how blocks are dealt.
    """

    def __init__(
        self, folder: Path, place: MadeUpScheduler, experiment: Experiment, mode: Mode = "each", *, mixed: bool = False
    ) -> None:
        self.folder, self.place, self.experiment = folder, place, experiment
        facts = facts_of(experiment)
        self.state = FleetState(facts, mode, "made up")
        self._plan = Plan(mode, experiment.most_repeats, len(experiment.setups()), mixed)
        self.receiver = Receiver(facts, experiment)
        self.now_s = 0.0
        if not (folder / "fleet.json").exists():
            with FleetDirectory(folder) as directory:
                directory.begin_fleet(self.state, lambda file, _: file.write(b""))
        self.folders = HostFolders(folder, self.receiver)
        self.folders.read(experiment)

    def run(self, patience_s: float = 100.0) -> list[str]:
        """Give out all blocks; return what could not be had. Each look at the clock takes 10 s."""
        names = [host.name for host in self.place.facts]
        file = FleetFile(self.folder, self.state)

        def clock() -> float:
            self.now_s += 10.0
            return self.now_s

        coordinator = Coordinator(
            self.place, names, self._plan, self.folders, self.receiver, self.state, file, clock=clock,
            patience_s=patience_s,
        )  # fmt: skip
        return list(coordinator.run())


def fleet_experiment(**changes: object) -> Experiment:
    """Return a small experiment of some repeats."""
    return small_experiment(**{"repeats": 4, "threads": 1} | changes)
