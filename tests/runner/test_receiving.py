"""Blocks are checked alike wherever that is done, and the loss of the process that checks costs none of them."""

import contextlib
import functools
import os
import signal
from collections.abc import Iterator, Sequence

import psutil
import pytest

from made_up_fleet import facts_of, fleet_experiment, made_up_block
from significand.results.sent_blocks import BlockError, Receiver, SentBlock
from significand.runner import receiving
from significand.runner.places import Ended, Event, Went
from significand.runner.receiving import Checker, Found

EXPERIMENT = fleet_experiment()
HOSTS = [f"host{number}" for number in range(7)]


@pytest.fixture(autouse=True)
def few_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let three blocks be many."""
    monkeypatch.setattr(receiving, "TOGETHER", 3)


@functools.cache
def events() -> Sequence[Event]:
    """Return blocks of seven machines: one cut off, one of another program; one lost, and a machine that goes."""
    sent = {name: made_up_block(EXPERIMENT, 1, name) for name in HOSTS}
    sent["host2"] = sent["host2"][:500]
    sent["host4"] = made_up_block(EXPERIMENT, 1, "host4", python="3.9")
    ended: list[Event] = [Ended(name, 1, content) for name, content in sent.items()]
    return [*ended[:3], Went("host9", "it went"), Ended("host8", 1, reason="it was lost"), *ended[3:]]


def texts(found: list[Found]) -> list[object]:
    """Return what was found, so that it can be compared."""
    return [str(one) if isinstance(one, BlockError) else one for one in found]


def checked(checker: Checker) -> Iterator[Found]:
    """Check the events; they come back in their order."""
    come: list[Event] = []
    for some, found in checker.check(events()):
        assert len(some) == len(found)
        come += some
        yield from found
    assert come == events()


def processes() -> list[psutil.Process]:
    """Return the processes that check."""
    found = []
    for one in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # another test's, that has just ended
            if "receiving" in " ".join(one.cmdline()):
                found.append(one)
    return found


def expected() -> list[object]:
    """Return what is found where nothing but the receiver is there."""
    receiver = Receiver(facts_of(EXPERIMENT), EXPERIMENT)
    found: list[object] = []
    for event in events():
        if not isinstance(event, Ended) or event.reason:
            found.append(None)
            continue
        try:
            found.append(receiver.receive(event.content, event.repeat))
        except BlockError as error:
            found.append(str(error))
    return found


def test_what_is_found_in_another_process_is_what_is_found_here() -> None:
    """Blocks, refusals and what is no block are told as by the receiver itself, in their order."""
    with Checker(Receiver(facts_of(EXPERIMENT), EXPERIMENT)) as checker:
        assert not processes()
        assert texts([*checked(checker)]) == expected()
        assert len(processes()) == 1
        assert texts([*checked(checker)]) == expected()
    assert not processes()


def test_few_blocks_need_no_process() -> None:
    """What arrives one by one is checked where it arrives."""
    with Checker(Receiver(facts_of(EXPERIMENT), EXPERIMENT)) as checker:
        ((_, (block,)),) = checker.check(events()[:1])
        assert isinstance(block, SentBlock)
        assert not processes()


def test_a_process_that_is_killed_costs_no_block() -> None:
    """What it would have checked is checked here, and all that comes later."""
    with Checker(Receiver(facts_of(EXPERIMENT), EXPERIMENT)) as checker:
        found = []
        for one in checked(checker):
            for process in processes():
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
            found.append(one)
        assert texts(found) == expected()
        assert texts([*checked(checker)]) == expected()


def test_a_process_that_cannot_start_costs_no_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, all is checked here."""
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with Checker(Receiver(facts_of(EXPERIMENT), EXPERIMENT)) as checker:
        assert texts([*checked(checker)]) == expected()
