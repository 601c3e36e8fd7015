"""The workers of a Dask scheduler: which there are, what they can do, and what they answer when they are asked."""

import asyncio
import concurrent.futures
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from significand.results.fleet_state import seconds_between, utc

if TYPE_CHECKING:
    from distributed import Client

RESOURCE = "significand"
"""What a worker offers of which a block takes 1, so that the scheduler never gives it two."""

ANSWER_S = 60.0
"""How long a worker, or the scheduler, is waited for when it is asked something."""

SENT_AT_ONCE = 8
"""Experiments on their way to workers: each is in the scheduler's memory meanwhile."""

WORKER = "dask worker {address} --nthreads 1 --resources significand=1"

NOT_IMPORTED = ("ImportError(", "ModuleNotFoundError(", "AttributeError(")
"""What an answer begins with where Dask could send the words of such an error only."""

Name = tuple[str, str]
"""Of a worker: its address, and its folder, which is another one when another process has taken the address."""


@dataclass(frozen=True)
class Answer:
    """What a worker answered, or why it did not, and when that was."""

    content: object
    utc: str


@dataclass(frozen=True)
class Worker:
    """A worker, and what its machine was found to be.

    Attributes
    ----------
    name
        See `Name`.
    facts
        What `significand.runner.task.describe_here` returned there, and how far its clock is ahead of ours.
    bundle
        Where it has the experiment; empty as long as it was not sent.
    is_there
        Whether the scheduler has it.
    """

    name: Name
    facts: Mapping[str, Any]
    bundle: str = ""
    is_there: bool = True

    @property
    def address(self) -> str:
        """Where it is reached."""
        return self.name[0]

    @property
    def host(self) -> str:
        """What its machine is called."""
        return str(self.facts["machine"]["host"])


class Workers:
    """The workers of a scheduler.

    Parameters
    ----------
    client
        Connected to it.
    address
        Of the scheduler, in the user's words.
    """

    def __init__(self, client: "Client", address: str) -> None:
        self._client = client
        self._start = WORKER.format(address=address)
        self._few = asyncio.Semaphore(SENT_AT_ONCE)

    def known(self) -> dict[Name, Mapping[str, Any]]:
        """Return what the scheduler knows of each worker.

        Raises
        ------
        OSError
            Where it does not answer, or the connection is lost.
        """
        try:  # Client.scheduler_info would return what it knew before
            scheduler: Any = self._client.scheduler
            told = self._client.sync(scheduler.identity, n_workers=-1, callback_timeout=ANSWER_S)  # type: ignore[no-untyped-call]
            return {(address, str(facts["local_directory"])): facts for address, facts in told["workers"].items()}
        except (AttributeError, RuntimeError) as error:  # the connection is closed
            raise ConnectionError(str(error)) from None

    def unusable(self, known: Mapping[Name, Mapping[str, Any]]) -> dict[Name, str]:
        """Return why blocks would not run on workers, a line for each on which they would not."""
        problems = {}
        for name, facts in known.items():
            told = f"on: the worker {facts.get('name') or name[0]}"
            if (facts.get("resources") or {}).get(RESOURCE, 0) < 1:
                problems[name] = f"{told} offers no resource {RESOURCE!r}; start it as {self._start}"
            elif facts.get("nthreads", 1) != 1:
                problems[name] = f"{told} has {facts['nthreads']} threads, and one is wanted; start it as {self._start}"
        return problems

    def ask(self, function: Callable[..., object], names: Sequence[Name]) -> dict[Name, Answer]:
        """Run a function on workers, on all at the same time; return what each answers, or why it does not."""
        answers: dict[Name, Answer] = self._client.sync(self._ask, function, names)  # type: ignore[no-untyped-call]
        return answers

    def ask_aside(
        self, function: Callable[..., object], names: Sequence[Name], *arguments: object
    ) -> "concurrent.futures.Future[dict[Name, Answer]]":
        """Do the same while the caller goes on."""
        return self._aside(self._ask(function, names, *arguments))

    def send_aside(
        self, function: Callable[..., object], name: Name, *arguments: object
    ) -> "concurrent.futures.Future[dict[Name, Answer]]":
        """Run a function with large arguments on a worker while the caller goes on, on few at the same time."""

        async def send() -> dict[Name, Answer]:
            async with self._few:
                return await self._ask(function, [name], *arguments)

        return self._aside(send())

    def _aside(
        self, asking: Coroutine[Any, Any, dict[Name, Answer]]
    ) -> "concurrent.futures.Future[dict[Name, Answer]]":
        loop: Any = self._client.loop
        return asyncio.run_coroutine_threadsafe(asking, loop.asyncio_loop)

    async def _ask(
        self, function: Callable[..., object], names: Sequence[Name], *arguments: object
    ) -> dict[Name, Answer]:
        async def ask(address: str) -> object:
            run: Awaitable[dict[str, object]] = self._client.run(
                function, *arguments, workers=[address], on_error="return"
            )
            try:
                return (await asyncio.wait_for(run, ANSWER_S))[address]
            except TimeoutError:
                return TimeoutError(f"no answer within {ANSWER_S:.0f} s")
            except Exception as error:  # noqa: BLE001 - whatever the way there raises
                return error

        async def asked(address: str) -> Answer:
            return Answer(await ask(address), utc())  # its clock is compared with ours, whoever answers later

        answers = await asyncio.gather(*(asked(address) for address, _ in names))
        return dict(zip(names, answers, strict=True))


def described(answers: Mapping[Name, Answer]) -> tuple[list[Worker], list[str]]:
    """Return the workers that said what they are, and a line for each that did not; see `task.describe_here`."""
    found, problems = [], []
    for name, answered in answers.items():
        answer = answered.content
        if facts := _facts_of(answered):
            found.append(Worker(name, facts))
        elif isinstance(answer, ImportError | AttributeError) or str(answer).startswith(NOT_IMPORTED):
            problems.append(
                f"on: the worker {name[0]} cannot import significand ({answer}); install the same version of it "
                "there, and start the worker in that environment"
            )
        else:
            problems.append(f"on: the worker {name[0]} does not say what it is ({str(answer)[:200]}); restart it")
    return found, problems


def _facts_of(answer: Answer) -> Mapping[str, Any]:
    try:
        facts = json.loads(answer.content) if isinstance(answer.content, str) else {}
        facts["offset_s"] = seconds_between(answer.utc, facts["utc"])
        is_one = isinstance(facts["machine"]["host"], str)
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}
    return facts if is_one else {}
