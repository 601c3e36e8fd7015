"""What a scheduler must be able to do for blocks to run on its machines: little, so that one can be written quickly.

It says which machines there are, starts a block on one of them, tells what has happened, and ends what runs. Who gets
which block, what becomes of one that is lost, and what is kept is decided elsewhere, once for all schedulers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self


@dataclass(frozen=True)
class HostFacts:
    """A machine that takes blocks, one at a time.

    Attributes
    ----------
    name
        What it is called; where a scheduler chooses the machine, what the place in its queue is called.
    machine
        Its facts, as in a manifest; empty where they show only later.
    unfit
        What `significand doctor` finds bad there.
    clock_offset_s
        How far its clock is ahead of ours; None where nobody has looked.
    """

    name: str
    machine: Mapping[str, Any] = field(default_factory=dict)
    unfit: tuple[str, ...] = ()
    clock_offset_s: float | None = None


@dataclass(frozen=True)
class Began:
    """A block that waited in a queue is being measured now."""

    host: str
    repeat: int


@dataclass(frozen=True)
class Ended:
    """A block has ended.

    Attributes
    ----------
    host, repeat
        Which one.
    content
        What it came to.
    reason
        Why there is none.
    machine
        Where it was, where the scheduler has chosen.
    is_unfit
        Whether that machine has measured nothing because the doctor finds it unfit, as the reason says.
    """

    host: str
    repeat: int
    content: bytes = b""
    reason: str = ""
    machine: str = ""
    is_unfit: bool = False


@dataclass(frozen=True)
class Came:
    """A machine is there again, or for the first time."""

    host: str


@dataclass(frozen=True)
class Went:
    """A machine is gone, and a block that it had with it."""

    host: str
    reason: str = "the machine is gone"


Event = Began | Ended | Came | Went


class PlaceError(RuntimeError):
    """The scheduler is gone, or takes no blocks any more; the text says what to do."""


class FleetPlace(Protocol):
    """A scheduler with its machines. Use it as a context, at the end of which nothing of ours runs there any more.

    Attributes
    ----------
    queues
        Whether a block may wait before it begins, which `Began` then tells.
    """

    queues: bool

    def __enter__(self) -> Self:
        """Connect.

        Raises
        ------
        PlanError
            Where that is impossible, with the remedy.
        """
        ...

    def __exit__(self, *error: object) -> None:
        """Disconnect."""
        ...

    def hosts(self) -> Sequence[HostFacts]:
        """Return the machines that are there.

        Raises
        ------
        PlanError
            Where there are none, or some cannot be used, with the remedy.
        """
        ...

    def start(self, host: str, repeat: int) -> None:
        """Start a block on a machine that has none."""
        ...

    def avoid(self, machine: str) -> None:
        """Choose a machine no more, where the scheduler chooses; it is one that `Ended` named."""
        ...

    def wait(self, timeout_s: float) -> Sequence[Event]:
        """Return what has happened, in order; wait for something to happen, but not for ever.

        Raises
        ------
        PlaceError
            Where the scheduler is gone.
        """
        ...

    def cancel(self) -> None:
        """End every block that runs or waits."""
        ...
