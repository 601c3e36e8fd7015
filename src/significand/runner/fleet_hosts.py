"""The machines that blocks are given to: which are there, what each has, and how they stand in words."""

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from significand.results.fleet_state import BlockEntry

NAMED = 4
"""Machines that the progress names."""


@dataclass
class FleetHost:
    """A machine, or a place in a scheduler's queue, that takes a block at a time.

    Attributes
    ----------
    name
        What it is called.
    is_there, gone_s
        Whether it is there, and since when it is not, by the coordinator's clock.
    why_not
        Why it gets no more blocks; empty where it does.
    running
        The block that it has.
    left
        Repeats that it has still to do, where every machine does all.
    finished
        Blocks that it has done.
    """

    name: str
    is_there: bool = True
    gone_s: float = 0.0
    why_not: str = ""
    running: BlockEntry | None = None
    left: deque[int] = field(default_factory=deque)
    finished: int = 0

    @property
    def is_usable(self) -> bool:
        """Whether it can be given a block."""
        return self.is_there and not self.why_not

    @property
    def reason(self) -> str:
        """Why it cannot."""
        return self.why_not or "it is gone"


def progress_words(hosts: Collection[FleetHost], repeats: int, *, each: bool) -> str:
    """Say how far each machine is, or the first and the last of many."""
    by_done = sorted(hosts, key=lambda host: host.finished)
    most = f" of {repeats}" if each else ""
    if len(by_done) > NAMED:
        there = sum(host.is_usable for host in hosts)
        return f"{there} of {len(hosts)} hosts there, from {by_done[0].finished} to {by_done[-1].finished} blocks{most}"
    names = sorted(hosts, key=lambda host: host.name)
    return ", ".join(f"{one.name} {one.finished}{most}{'' if one.is_usable else ' (gone)'}" for one in names)


def problems_of(
    hosts: Collection[FleetHost], failed: Collection[BlockEntry], left: int, repeats: int, *, each: bool
) -> Iterator[str]:
    """Say which blocks there are not, and why.

    Parameters
    ----------
    hosts
        All machines.
    failed
        Blocks that were given up.
    left
        How many could be given to nobody, where machines share.
    repeats
        How many the experiment has.
    each
        Whether every machine was to do all.
    """
    for one in failed:
        where = f" on {one.host}" if each else ""
        yield f"repeat {one.repeat}{where} was lost {one.attempt} times, the last time because: {one.reason}"
    for host in hosts:
        if host.left:
            yield f"{host.name} lacks {len(host.left)} of {repeats} repeats: {host.reason}"
    if left:
        reasons = [f"{host.name}: {host.reason}" for host in hosts][:NAMED]
        yield f"{left} of {repeats} repeats could be given to nobody: {'; '.join(reasons)}"
