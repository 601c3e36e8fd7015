"""Blocks on the workers of a Dask scheduler: one task a block, pinned to its worker, never two on a machine.

Dask moves tasks between workers, keeps results of its own, and tries again by itself; all of that is switched off here.
What a task sends is bytes. Dask itself trusts whoever reaches the scheduler: see docs/many_machines.md.
"""

import contextlib
import json
import queue
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from significand.plan.problems import PlanError
from significand.results.fleet_state import seconds_between, utc
from significand.runner import task
from significand.runner.places import Came, Ended, Event, HostFacts, PlaceError, Went

if TYPE_CHECKING:
    from distributed import Client, Future

RESOURCE = "significand"
"""What a worker offers of which a block takes 1, so that the scheduler never gives it two."""

CONNECT_S = 15.0
ANSWER_S = 60.0
LOOK_EVERY_S = 2.0
"""How often is looked which workers there are."""

GONE_S = 120.0
"""How long a scheduler that does not answer is waited for."""

WORKER = "dask worker {address} --nthreads 1 --resources significand=1"


@dataclass(frozen=True)
class _Worker:
    """A worker, and what its machine was found to be."""

    address: str
    facts: Mapping[str, Any]
    bundle: str = ""

    @property
    def host(self) -> str:
        return str(self.facts["machine"]["host"])


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

    def __init__(
        self, address: str, bundle: Callable[[], Path], allow: Sequence[str], *, with_doctor: bool = True
    ) -> None:
        self._address = address
        self._bundle = bundle
        self._allow = tuple(allow)
        self._with_doctor = with_doctor
        self._client: Client
        self._workers: dict[str, _Worker] = {}
        self._futures: dict[tuple[str, int], Future[bytes]] = {}
        self._done: queue.SimpleQueue[tuple[str, int, Future[bytes] | _Failed]] = queue.SimpleQueue()
        self._strangers: set[str] = set()
        self._looked_s = 0.0
        self._answered_s = 0.0

    def __enter__(self) -> Self:
        """Connect to the scheduler."""
        import dask  # noqa: PLC0415 - an extra
        from distributed import Client  # noqa: PLC0415

        dask.config.set({"distributed.client.heartbeat": "5s", "distributed.scheduler.worker-saturation": 1.0})
        try:
            self._client = Client(  # type: ignore[no-untyped-call]
                self._address, timeout=CONNECT_S, set_as_default=False, direct_to_workers=False, name="significand"
            )
        except Exception as error:  # noqa: BLE001 - of several kinds
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            told = f"on: no Dask scheduler answers at {self._address} ({why})"
            remedy = "start one with `dask scheduler`, and check address, port and firewall"
            raise PlanError([f"{told}; {remedy}"]) from None
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
        known = self._known_workers()
        if problems := self._problems_of(known):
            raise PlanError(problems)
        found = [_Worker(address, facts) for address, facts in self._described(list(known)).items()]
        counts = Counter(worker.host for worker in found)
        several = [host for host, count in counts.items() if count > 1]
        if several:
            remedy = "leave one there; where they are containers on several machines, set SIGNIFICAND_HOST for each"
            raise PlanError(
                [
                    f"on: {counts[host]} workers run on {host}, and would disturb each other; {remedy}"
                    for host in several
                ]
            )
        self._workers = {worker.host: worker for worker in found}
        checks = self._unfit() if self._with_doctor else {}
        return [
            HostFacts(worker.host, worker.facts["machine"], checks.get(worker.host, ()), worker.facts["offset_s"])
            for worker in found
        ]

    def start(self, host: str, repeat: int) -> None:
        """Submit a block to the worker of a machine."""
        worker = self._workers[host]
        if not worker.bundle:
            try:
                worker = self._workers[host] = self._with_bundle(worker)
            except Exception as error:  # noqa: BLE001 - whatever the worker or the way to it raises
                self._done.put((host, repeat, _Failed(f"the experiment could not be sent there: {error}")))
                return
        future = self._client.submit(
            run_here,
            worker.bundle,
            repeat,
            self._allow,
            key=f"significand-{host}-{repeat}-{time.monotonic_ns()}",
            workers=[worker.address],
            allow_other_workers=False,
            resources={RESOURCE: 1},
            retries=0,
            pure=False,
        )
        self._futures[host, repeat] = future
        future.add_done_callback(lambda done: self._done.put((host, repeat, done)))  # type: ignore[no-untyped-call]

    def wait(self, timeout_s: float) -> Sequence[Event]:
        """Return what has happened."""
        events: list[Event | None] = []
        with contextlib.suppress(queue.Empty):
            events.append(self._ended(*self._done.get(timeout=timeout_s)))
            while True:
                events.append(self._ended(*self._done.get_nowait()))
        if time.monotonic() - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = time.monotonic()
            events += self._changes()
        return [event for event in events if event is not None]

    def cancel(self) -> None:
        """Take every block back; what runs notices, and ends."""
        if self._futures:
            self._client.cancel(list(self._futures.values()), force=True)  # type: ignore[no-untyped-call]
        self._futures.clear()

    def _ended(self, host: str, repeat: int, future: "Future[bytes] | _Failed") -> Event | None:
        if self._futures.get((host, repeat)) is not future and not isinstance(future, _Failed):
            return None  # it was given up
        self._futures.pop((host, repeat), None)
        try:
            content, reason = task.told(future.result(timeout=ANSWER_S))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            why = str(error).splitlines()[0][:300] if str(error) else ""
            content, reason = b"", f"{type(error).__name__}{': ' if why else ''}{why}"
        return Ended(host, repeat, content, reason)

    def _changes(self) -> list[Event]:
        """Return which machines went and came since the last look."""
        try:
            known = self._known_workers()
            self._answered_s = time.monotonic()
        except (OSError, TimeoutError, ValueError, RuntimeError):
            if time.monotonic() - self._answered_s < GONE_S and self._client.status in {"running", "connecting"}:
                return []
            raise self._gone() from None
        if self._client.status not in {"running", "connecting"}:
            raise self._gone()
        events: list[Event] = []
        addresses = {worker.address for worker in self._workers.values()}
        for worker in list(self._workers.values()):
            if worker.address not in known and worker.facts.get("pid"):
                self._workers[worker.host] = _Worker(worker.address, {**worker.facts, "pid": 0})
                for key in [key for key in self._futures if key[0] == worker.host]:
                    self._client.cancel([self._futures.pop(key)], force=True)  # type: ignore[no-untyped-call]
                events.append(Went(worker.host, "the worker is gone: its machine, its network or its process ended"))
        news = [address for address in known if address not in addresses | self._strangers]
        self._strangers |= set(news)  # each is asked once
        with contextlib.suppress(Exception):  # it may be gone again, or be another's
            for address, facts in self._described(news).items() if news else ():
                worker = _Worker(address, facts)
                before = self._workers.get(worker.host)
                if before is not None and not before.facts.get("pid"):
                    self._workers[worker.host] = worker
                    events.append(Came(worker.host))
        return events

    def _gone(self) -> PlaceError:
        self._futures.clear()  # to take them back would wait for an answer; the workers notice by themselves
        return PlaceError(f"the Dask scheduler at {self._address} is gone")

    def _known_workers(self) -> dict[str, Any]:
        known = self._client.scheduler_info(n_workers=-1).get("workers")
        if known is None:  # the connection is closed
            raise ConnectionError(self._address)
        return dict(known)

    def _problems_of(self, known: Mapping[str, Any]) -> list[str]:
        start = WORKER.format(address=self._address)
        if not known:
            return [f"on: the Dask scheduler at {self._address} has no workers; start one on each machine: {start}"]
        problems = []
        for address, facts in known.items():
            name = f"the worker {facts.get('name') or address}"
            offered = (facts.get("resources") or {}).get(RESOURCE, 0)
            if offered < 1:
                problems.append(f"on: {name} offers no resource {RESOURCE!r}; start it as {start}")
            elif facts.get("nthreads", 1) != 1:
                problems.append(f"on: {name} has {facts['nthreads']} threads, and one is wanted; start it as {start}")
        return problems

    def _described(self, addresses: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Ask workers what their machines are.

        Raises
        ------
        PlanError
            Where one cannot say.
        """
        answers = self._client.run(task.describe_here, workers=list(addresses), on_error="return")
        found, problems = {}, []
        for address, answer in answers.items():
            facts = _facts_of(answer)
            if facts:
                found[address] = facts
            elif isinstance(answer, ModuleNotFoundError | ImportError | AttributeError):
                problems.append(
                    f"on: the worker {address} cannot import significand ({answer}); install the same version of it "
                    "there, and start the worker in that environment"
                )
            else:
                problems.append(f"on: the worker {address} does not say what it is ({str(answer)[:200]}); restart it")
        if problems:
            raise PlanError(problems)
        return found

    def _unfit(self) -> dict[str, tuple[str, ...]]:
        """Let the doctor look at every machine, all at the same time."""
        futures = {
            host: self._client.submit(
                task.doctor_here,
                key=f"significand-doctor-{host}-{time.monotonic_ns()}",
                workers=[worker.address],
                allow_other_workers=False,
                resources={RESOURCE: 1},
                retries=0,
                pure=False,
            )
            for host, worker in self._workers.items()
        }
        found = {}
        for host, future in futures.items():
            with contextlib.suppress(Exception):
                found[host] = unfit_of(future.result(timeout=2 * ANSWER_S))
        return found

    def _with_bundle(self, worker: _Worker) -> _Worker:
        """Send what the experiment needs to a worker, which keeps it as long as it lives."""
        content = self._bundle().read_bytes()
        answers = self._client.run(keep_bundle, content, workers=[worker.address])
        return _Worker(worker.address, worker.facts, str(answers[worker.address]))


class _Failed:
    """Stands for a block that could not even be submitted."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def result(self, timeout: float) -> bytes:
        """Return why."""
        del timeout
        return self._reason.encode()


def unfit_of(checks: object) -> tuple[str, ...]:
    """Return what a doctor found bad, from its answer as JSON; nothing where that is none."""
    try:
        found = json.loads(str(checks))
        return tuple(f"{one['name']}: {one['found']}"[:500] for one in found if one["level"] == "bad")
    except (ValueError, TypeError, KeyError):
        return ()


def _facts_of(answer: object) -> Mapping[str, Any]:
    try:
        facts = json.loads(answer) if isinstance(answer, str) else {}
        facts["offset_s"] = seconds_between(utc(), facts["utc"])
        is_one = isinstance(facts["machine"]["host"], str)
    except (ValueError, TypeError, KeyError):
        return {}
    return facts if is_one else {}


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
