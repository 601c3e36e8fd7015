"""Behaviour of the display of progress."""

import io
import re
from collections.abc import Iterator

import pytest
from rich.console import Console

from significand.present.terminal.progress import REFRESH_S, STARTING, ProgressDisplay
from significand.results.records import Progress


def steps(count: int, blocks: int = 2) -> Iterator[Progress]:
    """Make the reports of an experiment of three runs a block."""
    for step in range(count):
        block = 1 + step * blocks // count
        yield Progress(block, blocks, 3 * (block - 1), 3 * blocks, step / count)


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


def test_without_a_terminal_every_block_is_a_line() -> None:
    """In a log, a line says that it starts, and one per block how far it is; no control character is written."""
    file, clock = io.StringIO(), Clock()
    with ProgressDisplay(Console(file=file, width=80), clock=clock) as display:
        display.update(Progress(0, 2, 0, 6, 0.0))
        for progress in steps(100):
            display.update(progress)
            clock.now += 2.0
    assert file.getvalue().splitlines() == [
        STARTING,
        "block 1 of 2, 0 of 6 runs ended",
        "block 2 of 2, 3 of 6 runs ended, 0:01:40 left",
    ]


def test_what_is_waited_for_is_said_before_the_first_block() -> None:
    """A scheduler's queue may take hours: a log has a line about it, a terminal shows it."""
    wait = Progress(0, 0, 0, 0, 0.0, "waiting in the queue")
    log, seen = io.StringIO(), io.StringIO()
    with ProgressDisplay(Console(file=log, width=80)) as display:
        display.update(wait)
    with ProgressDisplay(terminal(seen)) as display:
        display.update(wait)
        assert screen(seen.getvalue())[0].startswith("waiting in the queue")
    assert log.getvalue().splitlines() == ["waiting in the queue"]


def terminal(file: io.StringIO) -> Console:
    """Make a console that takes the file for a terminal, whatever the tests run in."""
    return Console(file=file, width=80, force_terminal=True, force_interactive=True, _environ={"TERM": "xterm"})


def screen(written: str) -> list[str]:
    """Tell what a terminal shows after all that was written to it."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[[?0-9;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", written):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part.endswith("A") and part.startswith("\x1b"):
            row -= int(part[2:-1] or 1)
        elif part == "\x1b[2K":
            lines[row] = ""
        elif not part.startswith("\x1b") and part != "\r":
            lines[row] += part
    return [line for line in lines if line.strip()]


def test_terminal_shows_a_bar_and_is_clean_afterwards() -> None:
    """While it runs there is one line with the bar; afterwards the screen is as before, with its cursor."""
    file, clock = io.StringIO(), Clock()
    with ProgressDisplay(terminal(file), clock=clock) as display:
        for progress in steps(4):
            clock.now += 10.0
            display.update(progress)
            (line,) = screen(file.getvalue())
        assert line.startswith("block 2 of 2, 3 of 6 runs ended")
        assert "━" in line
        assert line.rstrip().endswith("0:00:10 left")
    assert screen(file.getvalue()) == []
    assert file.getvalue().rindex("\x1b[?25h") > file.getvalue().rindex("\x1b[?25l")


def test_terminal_is_clean_after_an_error() -> None:
    """A bar does not outlive the experiment that it belongs to."""
    file = io.StringIO()

    def interrupted_experiment() -> None:
        with ProgressDisplay(terminal(file)) as display:
            display.update(Progress(1, 2, 0, 6, 0.1))
            assert screen(file.getvalue())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_experiment()
    assert screen(file.getvalue()) == []


def test_bar_is_refreshed_seldom() -> None:
    """However often it is told, the bar is drawn once in REFRESH_S: drawing takes time from the experiment."""
    file, clock = io.StringIO(), Clock()
    drawn = 0
    with ProgressDisplay(terminal(file), clock=clock) as display:
        for progress in steps(1000):
            before = file.tell()
            display.update(progress)
            drawn += file.tell() > before
            clock.now += REFRESH_S / 10
    assert 90 <= drawn <= 101


def test_time_left_starts_from_the_first_report() -> None:
    """What was done before the first report took a time that is not known, so it gives no forecast."""
    file, clock = io.StringIO(), Clock()
    with ProgressDisplay(Console(file=file, width=80), clock=clock) as display:
        display.update(Progress(2, 4, 3, 12, 0.5))
        clock.now += 60.0
        display.update(Progress(3, 4, 6, 12, 0.75))
    assert file.getvalue().splitlines() == [
        "block 2 of 4, 3 of 12 runs ended",
        "block 3 of 4, 6 of 12 runs ended, 0:01:00 left",
    ]


def test_quiet_console_shows_nothing() -> None:
    """A console that is quiet stays so."""
    file = io.StringIO()
    with ProgressDisplay(Console(file=file, quiet=True)) as display:
        display.update(Progress(1, 2, 0, 6, 0.1))
    assert file.getvalue() == ""
