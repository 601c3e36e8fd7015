"""Blocks on the workers of a Dask scheduler: one task a block, pinned to its worker, never two on a machine.

Dask moves tasks between workers, keeps results of its own, and tries again by itself; all of that is switched off here.
What a task sends is bytes. Dask itself trusts whoever reaches the scheduler: see docs/many_machines.md.
"""

import contextlib
import queue
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future as Asked
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from significand.plan.problems import PlanError
from significand.runner import task
from significand.runner.dask_workers import ANSWER_S, RESOURCE, WORKER, Name, Worker, Workers, described
from significand.runner.places import Came, Ended, Event, HostFacts, PlaceError, Went

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_S = 15.0
LOOK_EVERY_S = 2.0
"""How often is looked which workers there are."""

GONE_S = 120.0
"""How long a scheduler that does not answer is waited for."""

ASK_AGAIN_S = 10.0
"""How long a worker that was asked what it is, and was not taken, is left alone."""

CUT = "the connection to the scheduler was lost"

Known = Mapping[Name, Mapping[str, Any]]
"""What the scheduler knows of each worker."""


class DaskPlace:
    """A Dask scheduler; see `significand.runner.places.FleetPlace`.

    Parameters
    ----------
    address
        As ``tcp://HOST:PORT``.
    bundle
        What the experiment needs: a file, sent once to each worker.
    allow
        Fields of the machine that may differ.
    with_doctor
        Whether each machine is looked at by the doctor.
    """

    queues = False

    def __init__(
        self, address: str, bundle: Callable[[], Path], allow: Sequence[str], *, with_doctor: bool = True
    ) -> None:
        self._address = address
        self._bundle = bundle
        self._allow = tuple(allow)
        self._with_doctor = with_doctor
        self._client: Client
        self._workers: Workers
        self._hosts: dict[str, Worker] = {}
        self._futures: dict[tuple[str, int], Future[bytes]] = {}
        self._done: queue.SimpleQueue[tuple[str, int, Future[bytes]] | Event] = queue.SimpleQueue()
        self._asking: Asked[dict[Name, object]] | None = None
        self._asked_s: dict[Name, float] = {}
        self._looked_s = 0.0
        self._answered_s = 0.0

    def __enter__(self) -> Self:
        """Connect to the scheduler."""
        import dask  # noqa: PLC0415 - an extra

        dask.config.set({"distributed.client.heartbeat": "5s", "distributed.scheduler.worker-saturation": 1.0})
        try:
            # A client waits as long for a scheduler that is lost as for the first answer, which may never come.
            self._connected(CONNECT_S).close()  # type: ignore[no-untyped-call]
            self._client = self._connected(GONE_S)
        except Exception as error:  # noqa: BLE001 - of several kinds
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            told = f"on: no Dask scheduler answers at {self._address} ({why})"
            remedy = "start one with `dask scheduler`, and check address, port, firewall and certificates (tls://)"
            raise PlanError([f"{told}; {remedy}"]) from None
        self._workers = Workers(self._client, self._address)
        self._answered_s = time.monotonic()
        return self

    def __exit__(self, *error: object) -> None:
        """End what still runs, and disconnect."""
        with contextlib.suppress(Exception):
            self.cancel()
        with contextlib.suppress(Exception):
            self._client.close(timeout=5)  # type: ignore[no-untyped-call]

    def hosts(self) -> Sequence[HostFacts]:
        """Return the machines on which workers run, after asking each what it is."""
        try:
            known = self._workers.known()
        except OSError:
            raise self._gone() from None
        if not known:
            start = WORKER.format(address=self._address)
            raise PlanError(
                [f"on: the Dask scheduler at {self._address} has no workers; start one on each machine: {start}"]
            )
        if unusable := self._workers.unusable(known):
            raise PlanError([*unusable.values()])
        found, problems = described(self._workers.ask(task.describe_here, list(known)))
        counts = Counter(worker.host for worker in found)
        remedy = "leave one there; where they are containers on several machines, set SIGNIFICAND_HOST for each"
        problems += [
            f"on: {count} workers run on {host}, and would disturb each other; {remedy}"
            for host, count in counts.items()
            if count > 1
        ]
        if problems:
            raise PlanError(problems)
        self._hosts = {worker.host: worker for worker in found}
        checks = self._unfit() if self._with_doctor else {}
        return [
            HostFacts(worker.host, worker.facts["machine"], checks.get(worker.host, ()), worker.facts["offset_s"])
            for worker in found
        ]

    def start(self, host: str, repeat: int) -> None:
        """Submit a block to the worker of a machine."""
        worker = self._hosts[host]
        if not worker.bundle:
            answer = self._workers.ask(keep_bundle, [worker.name], self._bundle().read_bytes())[worker.name]
            if not isinstance(answer, str):
                told = f"the experiment could not be sent there: {answer}"
                is_cut = self._client.status != "running"
                self._done.put(self._lost(worker, CUT) if is_cut else Ended(host, repeat, reason=told))
                return
            worker = self._hosts[host] = replace(worker, bundle=answer)
        future = self._submit(worker, f"{repeat}-", run_here, worker.bundle, repeat, self._allow)
        self._futures[host, repeat] = future
        future.add_done_callback(lambda done: self._done.put((host, repeat, done)))  # type: ignore[no-untyped-call]

    def avoid(self, machine: str) -> None:
        """Do nothing: every machine is chosen by its name."""

    def wait(self, timeout_s: float) -> Sequence[Event]:
        """Return what has happened."""
        events: list[Event | None] = []
        with contextlib.suppress(queue.Empty):
            events.append(self._event(self._done.get(timeout=timeout_s)))
            while True:
                events.append(self._event(self._done.get_nowait()))
        if self._client.status != "running":
            events += [self._lost(worker, CUT) for worker in list(self._hosts.values()) if worker.is_there]
        if time.monotonic() - self._looked_s >= LOOK_EVERY_S:
            events += self._changes()
            self._looked_s = time.monotonic()
        return [event for event in events if event is not None]

    def cancel(self) -> None:
        """Take every block back; what runs notices, and ends."""
        if self._futures:
            self._client.cancel(list(self._futures.values()), force=True)  # type: ignore[no-untyped-call]
        self._futures.clear()

    def _connected(self, timeout_s: float) -> "Client":
        from distributed import Client  # noqa: PLC0415 - an extra

        return Client(  # type: ignore[no-untyped-call]
            self._address, timeout=timeout_s, set_as_default=False, direct_to_workers=False, name="significand"
        )

    def _submit(self, worker: Worker, what: str, function: Callable[..., object], *arguments: object) -> "Future[Any]":
        """Submit a task to one worker, which has no other meanwhile, and to no other worker ever."""
        return self._client.submit(
            function,
            *arguments,
            key=f"significand-{what}{worker.host}-{time.monotonic_ns()}",
            workers=[worker.address],
            allow_other_workers=False,
            resources={RESOURCE: 1},
            retries=0,
            pure=False,
        )

    def _event(self, done: "tuple[str, int, Future[bytes]] | Event") -> Event | None:
        if not isinstance(done, tuple):
            return done
        host, repeat, future = done
        if self._futures.get((host, repeat)) is not future:
            return None  # it was given up
        if future.cancelled():  # type: ignore[no-untyped-call]
            return self._lost(self._hosts[host], CUT)
        del self._futures[host, repeat]
        try:
            content, reason = task.told(future.result(timeout=ANSWER_S))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            why = str(error).splitlines()[0][:300] if str(error) else ""
            content, reason = b"", f"{type(error).__name__}{': ' if why else ''}{why}"
        return Ended(host, repeat, content, reason)

    def _lost(self, worker: Worker, reason: str) -> Went:
        """Give a worker up, and its block with it; it may come back."""
        self._hosts[worker.host] = replace(worker, is_there=False)
        for key in [key for key in self._futures if key[0] == worker.host]:
            with contextlib.suppress(Exception):  # the connection may be lost
                self._client.cancel([self._futures.pop(key)], force=True)  # type: ignore[no-untyped-call]
        return Went(worker.host, reason)

    def _changes(self) -> list[Event]:
        """Return which machines went and came since the last look."""
        known: Known | None = None
        if self._client.status == "running":
            with contextlib.suppress(OSError):
                known = self._workers.known()
                self._answered_s = time.monotonic()
        if known is not None:
            return [*self._departures(known), *self._arrivals(known)]
        if self._client.status in {"running", "connecting"} and time.monotonic() - self._answered_s < GONE_S:
            return []
        raise self._gone()

    def _departures(self, known: Known) -> Iterator[Went]:
        for worker in list(self._hosts.values()):
            if worker.is_there and worker.name not in known:
                yield self._lost(worker, "the worker is gone: its machine, its network or its process ended")

    def _arrivals(self, known: Known) -> Iterator[Came]:
        """Return which machines that had gone have a worker again; workers are asked while others measure."""
        if self._asking is not None and self._asking.done():
            asked, self._asking = self._asking, None
            yield from self._taken(described(asked.result())[0], known)
        if self._asking is not None or all(worker.is_there for worker in self._hosts.values()):
            return
        now = time.monotonic()
        others = known.keys() - {worker.name for worker in self._hosts.values() if worker.is_there}
        others -= self._workers.unusable(known).keys()
        news = [name for name in others if now - self._asked_s.get(name, -ASK_AGAIN_S) >= ASK_AGAIN_S]
        if news:
            self._asked_s |= dict.fromkeys(news, now)
            self._asking = self._workers.ask_aside(task.describe_here, news)

    def _taken(self, found: Iterable[Worker], known: Known) -> Iterator[Came]:
        for worker in found:
            before = self._hosts.get(worker.host)
            if before is not None and not before.is_there and worker.name in known:
                same = worker.name == before.name
                self._hosts[worker.host] = replace(worker, bundle=before.bundle if same else "")
                yield Came(worker.host)

    def _gone(self) -> PlaceError:
        self._futures.clear()  # to take them back would wait for an answer; the workers notice by themselves
        return PlaceError(f"the Dask scheduler at {self._address} is gone")

    def _unfit(self) -> dict[str, tuple[str, ...]]:
        """Let the doctor look at every machine, all at the same time."""
        futures = {host: self._submit(worker, "doctor-", task.doctor_here) for host, worker in self._hosts.items()}
        deadline = time.monotonic() + task.DOCTOR_S + ANSWER_S
        found = {}
        for host, future in futures.items():
            answer: object = ""
            with contextlib.suppress(Exception):
                answer = future.result(timeout=max(1.0, deadline - time.monotonic()))
            found[host] = task.unfit_of(answer)
        return found


def keep_bundle(content: bytes, dask_worker: Any) -> str:  # noqa: ANN401 - Dask's own type
    """Write a bundle into the folder of a worker, which goes with it; return where."""
    folder = Path(dask_worker.local_directory)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"significand-{time.monotonic_ns()}.zip"
    path.write_bytes(content)
    return str(path)


def run_here(bundle: str, repeat: int, allow: Sequence[str]) -> bytes:
    """Run a block as a task of the worker that this is, and end it when nobody waits for it any more."""
    from distributed import get_worker  # noqa: PLC0415 - an extra

    worker = get_worker()
    key = worker.get_current_task()

    def is_cancelled() -> bool:
        known = worker.state.tasks.get(key)
        return known is None or known.state != "executing" or worker.status.name not in {"running", "paused"}

    return task.run_task(Path(bundle), repeat, allow, is_cancelled)
