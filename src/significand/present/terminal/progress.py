"""How far an experiment is, on the screen from the first second on."""

import math
import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

if TYPE_CHECKING:
    from significand.results import records  # what it needs takes longer to import than this may

REFRESH_S = 0.25
"""The bar is drawn at most this often, and only between measured steps."""

STARTING = "starting the processes of the runs"


class ProgressDisplay:
    """A progress bar while it is used as a context: block, runs, time left. Without a terminal, a line per block.

    Nothing is drawn but on entering and in `update`, which the conductor calls while nothing is measured.

    Parameters
    ----------
    console
        Where it is drawn.
    clock
        Seconds from any origin.
    """

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._first: tuple[float, float] | None = None
        self._drawn_s = -math.inf
        self._block = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            auto_refresh=False,
            transient=True,
        )
        self._task = self._bar.add_task(STARTING, total=1.0, left="")

    def __enter__(self) -> Self:
        if self._console.is_interactive:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_interactive:
            self._bar.stop()

    def update(self, progress: "records.Progress") -> None:
        """Show how far the experiment is."""
        if not progress.block:
            self._begin(progress.note or STARTING)
            return
        now = self._clock()
        left = self._time_left(now, progress.share)
        text = f"block {progress.block} of {progress.blocks}, {progress.ended} of {progress.runs} runs ended"
        if progress.note:
            text += f", {progress.note}"
        if not self._console.is_interactive:
            if progress.block != self._block:
                self._console.print(", ".join(filter(None, [text, left])))
                self._block = progress.block
        elif now - self._drawn_s >= REFRESH_S:
            self._bar.update(self._task, description=text, completed=progress.share, left=left)
            self._bar.refresh()
            self._drawn_s = now

    def _begin(self, text: str) -> None:
        if self._console.is_interactive:
            self._bar.update(self._task, description=text)
            self._bar.refresh()
        else:
            self._console.print(text)

    def _time_left(self, now: float, share: float) -> str:
        """Extrapolate from the first update on: what was done before it took a time that is not known."""
        self._first = self._first or (now, share)
        elapsed, done = now - self._first[0], share - self._first[1]
        return f"{timedelta(seconds=round(elapsed * (1 - share) / done))} left" if done > 0 else ""
