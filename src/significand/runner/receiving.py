"""Blocks that arrive are checked: where many come at once, in a process of its own, while those before are kept."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from significand.results.sent_blocks import BlockError, Receiver, SentBlock
from significand.runner.companion import Companion, answer_with
from significand.runner.places import Ended, Event

TOGETHER = 64
"""Blocks that are checked and kept in one go, at most: they are in the memory meanwhile."""

MOST_BYTES = 100_000_000
"""Of such blocks, that are sent to another process; it would hold them a second time."""

_SERVE = "from significand.runner.receiving import serve; serve()"

Found = SentBlock | BlockError | None
"""What came with an event: a block, what is wrong with it, or nothing."""


class Checker:
    """Checks what came with events. Use it as a context: the process is ended with it.

    Parameters
    ----------
    receiver
        Knows what a block must be.
    """

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._companion: Companion | None = None
        self._failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._companion is not None:
            self._companion.close()
            self._companion = None

    def check(self, events: Sequence[Event]) -> Iterator[tuple[Sequence[Event], Sequence[Found]]]:
        """Yield the events some at a time, with what came with each; meanwhile the next are checked already."""
        some = [events[at : at + TOGETHER] for at in range(0, len(events), TOGETHER)]
        if len(some) > 1:
            self._begin()
        asked = bool(some) and self._ask(some[0])
        for at, these in enumerate(some):
            found = (asked and self._answers(these)) or [self._checked(one) for one in these]
            # Only one question at a time: two that wait for each other to read would wait for ever.
            asked = at + 1 < len(some) and self._ask(some[at + 1])
            yield these, found

    def _begin(self) -> None:
        """Start the process where there is none; a few blocks aren't worth it, and without it all is done here."""
        if self._companion is not None or self._failed:
            return
        try:
            self._companion = Companion(_SERVE, Path(__file__).parent)
            self._companion.connection.recv()  # it is ready
            self._companion.connection.send(self._receiver)
            self._companion.connection.recv()
        except (OSError, ValueError, EOFError):
            self._give_up()

    def _give_up(self) -> None:
        self._failed = True
        with contextlib.suppress(OSError):
            self.__exit__()

    def _ask(self, events: Sequence[Event]) -> bool:
        contents = [_content(one) for one in events]
        if self._companion is None or sum(len(content) for content, _ in contents) > MOST_BYTES:
            return False
        try:
            self._companion.connection.send(contents)
        except OSError:
            self._give_up()
        return self._companion is not None

    def _answers(self, events: Sequence[Event]) -> list[Found]:
        """Return what the process has found; nothing where it is no more."""
        if self._companion is None:
            return []
        try:
            answers = self._companion.connection.recv()
        except (OSError, EOFError):
            self._give_up()
            return []
        return [
            replace(found, facts=self._receiver.facts_in(found.first_line), content=_content(event)[0])
            if isinstance(found, SentBlock)
            else found
            for event, found in zip(events, answers, strict=True)
        ]

    def _checked(self, event: Event) -> Found:
        return _found(self._receiver, *_content(event))


def serve() -> None:
    """Check what is asked for, with what comes first. What was sent isn't sent back."""
    receiver: Receiver

    def answer(asked: Receiver | Sequence[tuple[bytes, int]]) -> list[Found] | None:
        nonlocal receiver
        if isinstance(asked, Receiver):
            receiver = asked
            return None
        found = [_found(receiver, *one) for one in asked]
        return [replace(one, facts={}, content=b"") if isinstance(one, SentBlock) else one for one in found]

    answer_with(answer)


def _content(event: Event) -> tuple[bytes, int]:
    return (event.content, event.repeat) if isinstance(event, Ended) and not event.reason else (b"", -1)


def _found(receiver: Receiver, content: bytes, repeat: int) -> Found:
    if repeat < 0:
        return None
    try:
        return receiver.receive(content, repeat)
    except BlockError as error:
        return error
