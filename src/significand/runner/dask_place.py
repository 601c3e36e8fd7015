"""Blocks on the workers of a Dask scheduler: one task a block, pinned to its worker, never two on a machine.

Dask moves tasks between workers, keeps results of its own, and tries again by itself; all of that is switched off here.
What a task sends is bytes. Dask itself trusts whoever reaches the scheduler: see docs/many_machines.md.
"""

import contextlib
import functools
import hashlib
import os
import queue
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future as Asked
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from significand.plan.problems import PlanError
from significand.runner import task
from significand.runner.dask_task import drop_bundle, keep_bundle, run_here
from significand.runner.dask_workers import ANSWER_S, RESOURCE, WORKER, Answer, Name, Worker, Workers, described
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

FAREWELL_S = 5.0
"""How long workers may take to remove the experiment at the end, and the client to close."""

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
    folder
        Of the experiment. What an earlier program has sent to workers for it, and has not removed, is replaced.
    """

    queues = False

    def __init__(
        self,
        address: str,
        bundle: Callable[[], Path],
        allow: Sequence[str],
        *,
        with_doctor: bool = True,
        folder: Path | None = None,
    ) -> None:
        self._address = address
        self._bundle = bundle
        self._allow = tuple(allow)
        self._with_doctor = with_doctor
        whose = f"{socket.gethostname()}:{folder.resolve()}" if folder else secrets.token_hex()
        self._file = f"significand-{hashlib.sha256(os.fsencode(whose)).hexdigest()[:12]}", secrets.token_hex(8)
        self._client: Client
        self._workers: Workers
        self._hosts: dict[str, Worker] = {}
        self._futures: dict[tuple[str, int], Future[bytes]] = {}
        self._sending: dict[str, tuple[int, Asked[dict[Name, Answer]]]] = {}
        self._done: queue.SimpleQueue[tuple[str, int, Future[bytes] | Asked[dict[Name, Answer]]]] = queue.SimpleQueue()
        self._asking: Asked[dict[Name, Answer]] | None = None
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
            there = [worker.name for worker in self._hosts.values() if worker.bundle and worker.is_there]
            if there and self._client.status == "running":
                self._workers.ask_aside(drop_bundle, there, *self._file).result(FAREWELL_S)
        with contextlib.suppress(Exception):
            self._client.close(timeout=FAREWELL_S)  # type: ignore[no-untyped-call]

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
        """Submit a block to the worker of a machine, to which the experiment is sent before, while others go on."""
        worker = self._hosts[host]
        if worker.bundle:
            self._measure(worker, repeat)
            return
        asked = self._workers.send_aside(keep_bundle, worker.name, self._content, *self._file)
        self._sending[host] = repeat, asked
        asked.add_done_callback(lambda done: self._done.put((host, repeat, done)))

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
        while self._sending:
            self._sending.popitem()[1][1].cancel()
        if self._futures:
            self._client.cancel(list(self._futures.values()), force=True)  # type: ignore[no-untyped-call]
        self._futures.clear()

    @functools.cached_property
    def _content(self) -> bytes:
        return self._bundle().read_bytes()

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

    def _measure(self, worker: Worker, repeat: int) -> None:
        host = worker.host
        future = self._submit(worker, f"{repeat}-", run_here, worker.bundle, repeat, self._allow)
        self._futures[host, repeat] = future
        future.add_done_callback(lambda done: self._done.put((host, repeat, done)))  # type: ignore[no-untyped-call]

    def _sent(self, host: str, repeat: int, asked: "Asked[dict[Name, Answer]]") -> Event | None:
        """Submit the block of a worker that has the experiment now; one that does not answer is as good as gone."""
        if self._sending.get(host) != (repeat, asked):
            return None  # it was given up
        del self._sending[host]
        worker = self._hosts[host]
        try:
            answer = asked.result()[worker.name].content
        except Exception as error:  # noqa: BLE001 - the client may have been closed meanwhile
            answer = error
        match answer:
            case (str(path), ""):
                self._hosts[host] = replace(worker, bundle=path)
                self._measure(self._hosts[host], repeat)
                return None
            case (_, str(reason)):
                return Ended(
                    host, repeat, reason=f"the experiment cannot be kept there: {reason[: task.LONGEST_REASON]}"
                )
        is_cut = self._client.status != "running"
        return self._lost(worker, CUT if is_cut else f"the experiment could not be sent there: {str(answer)[:300]}")

    def _event(self, done: "tuple[str, int, Future[bytes] | Asked[dict[Name, Answer]]]") -> Event | None:
        host, repeat, future = done
        if isinstance(future, Asked):
            return self._sent(host, repeat, future)
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
        if worker.host in self._sending:
            self._sending.pop(worker.host)[1].cancel()
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
        self._sending.clear()
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
