"""Gives the blocks of an experiment to machines, and keeps what comes back: the same for every scheduler.

A machine has one block at a time. A block that is lost is given out again, twice at most; a machine that loses three in
a row gets no more. What arrives is kept once, whoever sends it again. Every step takes the same time however many
machines there are, but where one goes or is set aside: then all that are idle are looked at.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from significand.plan.problems import shown
from significand.results.fleet_state import BlockEntry, FleetFile, FleetState, utc
from significand.results.hosts import HostFolders
from significand.results.records import Progress
from significand.results.sent_blocks import BlockError, Receiver, SentBlock
from significand.runner.conductor import OnProgress
from significand.runner.fleet_hosts import NAMED, FleetHost, problems_of, progress_words
from significand.runner.places import Began, Came, Ended, Event, FleetPlace, Went
from significand.runner.receiving import Checker, Found

Mode = Literal["each", "share"]

MOST_ATTEMPTS = 3
"""Of a block."""

MOST_LOSSES = 3
"""In a row, of a machine."""

PATIENCE_S = 300.0
"""How long a machine that is gone is waited for, where nobody else can do its blocks."""

LOOK_EVERY_S = 1.0

REPORT_EVERY_S = 0.25
"""At most, where there are many machines."""

DONE_ALREADY = "it was done already, and the first is kept"


@dataclass(frozen=True)
class Plan:
    """What is to be given out.

    Attributes
    ----------
    mode
        ``"each"``: every machine does every repeat; ``"share"``: they are dealt out.
    repeats
        How many there are.
    runs_per_block
        How many setups a repeat has.
    mixed
        Whether machines of different processors may share.
    """

    mode: Mode
    repeats: int
    runs_per_block: int
    mixed: bool = False


class Coordinator:
    """Gives blocks out until every one is there, or cannot be had.

    Parameters
    ----------
    place
        The scheduler, connected.
    hosts
        The names of its machines.
    plan
        What is to be given out.
    folders
        Where blocks are kept; what they hold already is not measured again.
    receiver
        Checks what arrives.
    state, file
        What fleet.json says, and what writes it.
    on_progress
        Called when something has happened.
    clock
        Seconds from any origin.
    patience_s
        See `PATIENCE_S`.
    """

    def __init__(
        self,
        place: FleetPlace,
        hosts: Sequence[str],
        plan: Plan,
        folders: HostFolders,
        receiver: Receiver,
        state: FleetState,
        file: FleetFile,
        on_progress: OnProgress = lambda progress: None,  # noqa: ARG005 - nobody watches
        *,
        clock: Callable[[], float] = time.monotonic,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._place = place
        self._plan = plan
        self._folders = folders
        self._checker = Checker(receiver)
        self._state = state
        self._file = file
        self._on_progress = on_progress
        self._clock = clock
        self._patience_s = patience_s
        self._hosts = {name: FleetHost(name) for name in hosts}
        self._free: deque[FleetHost] = deque(self._hosts.values())
        self._idle: dict[str, FleetHost] = {}
        self._shared: deque[int] = deque()
        self._again: deque[tuple[int, str]] = deque()
        self._attempts: Counter[tuple[str, int]] = Counter()
        self._losses: Counter[str] = Counter()
        self._failed: list[BlockEntry] = []
        self._done: set[tuple[str, int]] = set()
        self._cpu: object = None
        self._running = 0
        self._next_report_s = 0.0
        self._take_stock()

    @property
    def planned(self) -> int:
        """How many blocks there are in all."""
        return self._plan.repeats * (len(self._hosts) if self._plan.mode == "each" else 1)

    def run(self) -> list[str]:
        """Give out what is left; return a line for everything that cannot be had, with the remedy.

        Raises
        ------
        significand.runner.places.PlaceError
            Where the scheduler is gone.
        OSError
            Where a block cannot be kept.
        """
        self._report()
        with self._checker:
            while True:
                self._deal()
                if self._is_over():
                    return self._problems()
                events = self._place.wait(LOOK_EVERY_S)
                self._take_in(events)
                if events:
                    self._report()
                self._file.keep_up()

    def _take_stock(self) -> None:
        """Find out what is left to do."""
        done = self._folders.done
        everywhere = frozenset().union(*done.values()) if done else frozenset()
        for host in self._hosts.values():
            if self._plan.mode == "each":
                own = done.get(host.name, frozenset())
                host.left.extend(repeat for repeat in range(self._plan.repeats) if repeat not in own)
                host.finished = self._plan.repeats - len(host.left)
                self._done |= {(host.name, repeat) for repeat in own}
        if self._plan.mode == "share":
            self._shared.extend(repeat for repeat in range(self._plan.repeats) if repeat not in everywhere)
            self._done |= {("", repeat) for repeat in everywhere}
            self._cpu = next((self._folders.machine(name).get("cpu") for name in done), None)

    def _key(self, host: str, repeat: int) -> tuple[str, int]:
        return (host if self._plan.mode == "each" else "", repeat)

    def _deal(self) -> None:
        """Give every free machine its next block."""
        while self._free:
            host = self._free.popleft()
            repeat = self._next(host) if host.is_usable else None
            if repeat is None:
                self._idle[host.name] = host
                continue
            key = self._key(host.name, repeat)
            self._attempts[key] += 1
            entry = BlockEntry(repeat, host.name, self._attempts[key], submitted_utc=utc())
            if not self._place.queues:
                _begin(entry)
            host.running = entry
            self._running += 1
            self._state.blocks.append(entry)
            self._place.start(host.name, repeat)

    def _wake(self, names: Sequence[str]) -> None:
        """Look again what idle machines could do."""
        self._free.extend(host for name in names if (host := self._idle.pop(name, None)) is not None)

    def _next(self, host: FleetHost) -> int | None:
        if self._plan.mode == "each":
            return host.left.popleft() if host.left else None
        for at, (repeat, loser) in enumerate(self._again):
            others = loser == host.name and any(o.is_usable and o is not host for o in self._hosts.values())
            if not others:  # whoever has lost it gets it again only where nobody else is there
                del self._again[at]
                return repeat
        return self._shared.popleft() if self._shared else None

    def _take_in(self, events: Sequence[Event]) -> None:
        """Act on what has happened, and keep the blocks that have arrived."""
        for some, found in self._checker.check(events):
            blocks = self._heard(some, found)
            for (event, block), reason in zip(blocks, self._folders.keep([one for _, one in blocks]), strict=True):
                if reason:
                    self._done.discard(self._key(event.host, event.repeat))
                    self._lose(event, reason)
                else:
                    self._finish(event, block)

    def _heard(self, events: Sequence[Event], found: Sequence[Found]) -> list[tuple[Ended, SentBlock]]:
        """Act on what has happened; return the blocks that are to be kept."""
        blocks: list[tuple[Ended, SentBlock]] = []
        for event, came in zip(events, found, strict=True):
            match event:
                case Began():
                    if (running := self._hosts[event.host].running) is not None:
                        _begin(running)
                case Came():
                    self._come(event.host)
                case Went():
                    self._go(event)
                case Ended():
                    if block := self._received(event, came):
                        blocks.append((event, block))
        return blocks

    def _received(self, event: Ended, came: Found) -> SentBlock | None:
        """Return the block that arrived, where there is one to keep."""
        key = self._key(event.host, event.repeat)
        if key in self._done:
            self._end_of(event, "lost", DONE_ALREADY)
            return None
        if event.is_unfit:
            self._refuse(event)
            return None
        if not isinstance(came, SentBlock):
            self._lose(event, event.reason or str(came))
            return None
        try:
            self._check_sender(event, came)
        except BlockError as error:
            self._lose(event, str(error))
            return None
        self._done.add(key)  # before it is kept: it may arrive twice at once
        return came

    def _check_sender(self, event: Ended, block: SentBlock) -> None:
        cpu = block.facts["machine"].get("cpu")
        if self._plan.mode == "each" and block.host != event.host:
            raise BlockError(f"it says that it is from {shown(block.host)}, and {shown(event.host)} was asked")
        if self._plan.mode == "share" and not self._plan.mixed:
            self._cpu = self._cpu or cpu
            if cpu != self._cpu:
                told = f"{shown(block.host)} has {shown(cpu)}, and others have {shown(self._cpu)}"
                raise BlockError(f"{told}; let equal machines share, or give --allow-mixed")

    def _finish(self, event: Ended, block: SentBlock) -> None:
        host = self._hosts[event.host]
        self._done.add(self._key(event.host, event.repeat))  # its machine may have gone while it was kept
        self._losses[event.machine or host.name] = 0
        host.finished += 1
        self._end_of(event, "finished", "", block.host)

    def _lose(self, event: Ended, reason: str, *, went: bool = False) -> None:
        """Give a block out again, or give it up. That its machine went says nothing of how well it measures."""
        host, key = self._hosts[event.host], self._key(event.host, event.repeat)
        if not self._has(host, event.repeat) and self._is_settled(event.host, event.repeat):
            return  # it was given up before, and is given out again already
        if key in self._done:  # somebody who had been given up has sent it meanwhile
            self._end_of(event, "lost", DONE_ALREADY)
            return
        again = self._attempts[key] < MOST_ATTEMPTS
        self._end_of(event, "lost" if again else "failed", reason, event.machine)
        if not went:
            self._blame(event.machine or host.name, reason)
        if again:
            self._give_back(host, event.repeat)

    @staticmethod
    def _has(host: FleetHost, repeat: int) -> bool:
        """Tell whether a machine has that block now."""
        return host.running is not None and host.running.repeat == repeat

    def _is_settled(self, host: str, repeat: int) -> bool:
        """Tell whether a block that its machine has no longer is done, given up, with another or to be given out."""
        key = self._key(host, repeat)
        given_up = (self._key(one.host, one.repeat) for one in self._failed if one.state == "failed")
        if key in self._done or key in given_up:
            return True
        if self._plan.mode == "each":
            return repeat in self._hosts[host].left
        waiting = repeat in self._shared or any(one == repeat for one, _ in self._again)
        return waiting or any(self._has(one, repeat) for one in self._hosts.values())

    def _refuse(self, event: Ended) -> None:
        """Give out a block again that an unfit machine has left alone, elsewhere: that is no attempt at it."""
        host, key = self._hosts[event.host], self._key(event.host, event.repeat)
        if not event.machine or not self._has(host, event.repeat):
            self._lose(event, event.reason)
            return
        self._attempts[key] -= 1
        entry = self._state.machine(event.machine)
        entry.unfit, entry.note = (event.reason,), f"unfit, so it gets no blocks: {event.reason}"
        self._place.avoid(event.machine)
        self._end_of(event, "lost", f"unfit: {event.reason}", event.machine)
        self._give_back(host, event.repeat)

    def _blame(self, name: str, reason: str) -> None:
        """Count what a machine has lost in a row, and give it nothing more where that is too much."""
        self._losses[name] += 1
        if self._losses[name] != MOST_LOSSES:
            return
        told = self._state.machine(name).note = f"it lost {MOST_LOSSES} blocks in a row: {reason}"
        if name in self._hosts:
            self._hosts[name].why_not = told
        else:
            self._place.avoid(name)
        self._wake([*self._idle])

    def _give_back(self, host: FleetHost, repeat: int) -> None:
        if self._plan.mode == "each":
            host.left.appendleft(repeat)
            self._wake([host.name])
        else:
            self._again.append((repeat, host.name))
            self._wake([*self._idle])

    def _end_of(
        self, event: Ended, state: Literal["finished", "lost", "failed"], reason: str, machine: str = ""
    ) -> None:
        """Write down how a block ended, and set its machine free, where it is the one that the machine has."""
        host = self._hosts[event.host]
        entry = host.running
        if entry is None or not self._has(host, event.repeat):
            # From before: its machine was given up meanwhile, and has come back with it.
            earlier = (one for one in reversed(self._state.blocks) if one.repeat == event.repeat)
            entry = next((one for one in earlier if one.host == event.host), None)
            if state == "finished":
                self._take_back(host, event.repeat)
        else:
            host.running = None
            self._running -= 1
            self._free.append(host)
        if entry is not None and entry.state != "finished":
            entry.state, entry.reason, entry.ended_utc = state, reason, utc()
            entry.host = machine or entry.host
            if state == "failed":
                self._failed.append(entry)

    def _take_back(self, host: FleetHost, repeat: int) -> None:
        """Let nobody do again what has arrived after all."""
        if repeat in host.left:
            host.left.remove(repeat)
        self._again = deque(one for one in self._again if one[0] != repeat)

    def _come(self, name: str) -> None:
        host = self._hosts.get(name)
        if host is not None:
            host.is_there = True
            self._wake([name])

    def _go(self, event: Went) -> None:
        host = self._hosts.get(event.host)
        if host is None:
            return
        host.is_there, host.gone_s = False, self._clock()
        if host.running is not None:
            self._lose(Ended(host.name, host.running.repeat), event.reason, went=True)
        self._wake([*self._idle])  # who has left a block to this machine may have to do it after all

    def _is_over(self) -> bool:
        """Tell whether nothing runs any more, and nothing more can be given out or waited for."""
        if self._running:
            return False
        open_to = [host for host in self._hosts.values() if host.left or self._shared or self._again]
        usable = [host for host in open_to if not host.why_not]
        now = self._clock()
        return all(not host.is_there and now - host.gone_s >= self._patience_s for host in usable)

    def _problems(self) -> list[str]:
        """Say which blocks there are not, and why."""
        left = len(self._shared) + len(self._again)
        failed = [one for one in self._failed if one.state == "failed"]  # it may have arrived after all
        each = self._plan.mode == "each"
        told = [*problems_of(self._hosts.values(), failed, left, self._plan.repeats, each=each)]
        lacking = self.planned - len(self._done)
        return told or (
            [f"{lacking} of {self.planned} blocks are not there, and nobody can say why"] if lacking else []
        )

    def _report(self) -> None:
        now = self._clock()
        if len(self._hosts) > NAMED and now < self._next_report_s and self._running:
            return
        self._next_report_s = now + REPORT_EVERY_S
        done, planned = len(self._done), self.planned
        per_block = self._plan.runs_per_block
        told = progress_words(self._hosts.values(), self._plan.repeats, each=self._plan.mode == "each")
        self._on_progress(Progress(max(done, 1), planned, done * per_block, planned * per_block, done / planned, told))


def _begin(block: BlockEntry) -> None:
    block.state, block.started_utc = "running", utc()
