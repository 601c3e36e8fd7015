"""Write the PNG files of a result folder, drawn in a process of its own.

Matplotlib obeys a file in the working directory, one in the home folder, variables that Jupyter sets, and whatever the
user's program has told it. It finds none of that in a process that is started for the purpose: a plot looks the same
wherever it is made, and making it leaves a notebook as it was. Nor can a Matplotlib that does not even import do harm.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

from significand.analysis.comparison import Comparison
from significand.answers.fleet import FleetAnswer
from significand.plan.metrics import LATENCY
from significand.present.cache import cache_folder
from significand.present.plots.drawn import ForestFigure, GridFigure, RatioFigure, TradeoffFigure
from significand.present.plots.figures import pareto_figure, tradeoff_figure
from significand.present.plots.forest_figures import forest_figure, of_panels
from significand.present.plots.grid_figures import grid_figure, grid_frontier_figure
from significand.present.plots.ratio_figures import ratio_figures
from significand.present.rows import SummaryRow
from significand.present.varying import grid_of
from significand.results.store import RATIO_BY_HOST, replacing
from significand.runner.companion import Companion
from significand.runner.interpreter import environment

DRAWING_TIMEOUT_S = 120.0
"""Matplotlib looks for all the machine's fonts when it is first used."""

# What runs need is imported at the same time, and somebody waits for that. What was registered first is done last:
# Matplotlib removes what it put aside, but nobody waits while Python takes it apart.
_SERVE = """
import atexit, gc, os
gc.disable()  # while it imports, nothing is garbage; and it draws little
os.nice(10)
atexit.register(os._exit, 0)
from significand.present.plots.drawing import serve
serve()
"""


_OF_MATPLOTLIB = ("MPL", "MATPLOTLIB", "FREETYPE_")
"""How variables begin that decide on how Matplotlib draws."""


_Figure = TradeoffFigure | GridFigure | RatioFigure | ForestFigure


class PlotError(RuntimeError):
    """Pictures that could not be drawn, and why. No number is lost with them."""


class _Artist:
    """The process that draws, seen from here. It imports Matplotlib while this process goes on."""

    def __init__(self) -> None:
        self._companion: Companion | None = None
        self._cause = ""
        self._ready = False

    def __enter__(self) -> Self:
        # Matplotlib reads a file in the working directory; where this module lies is none.
        try:
            self._companion = Companion(_SERVE, Path(__file__).parent, _environment())
        except (OSError, ValueError) as error:  # told when something is to be drawn
            self._cause = str(error)
        return self

    def __exit__(self, *_: object) -> None:
        if self._companion is not None:
            self._companion.close()

    def draw(self, figures: Sequence[_Figure]) -> list[bytes]:
        if self._companion is None:
            raise PlotError(_told(self._cause))
        connection = self._companion.connection
        try:
            self.rest()
            if not self._ready:  # it is no more, or it hangs
                _answer(connection, 0.0)
            connection.send(figures)
            images: list[bytes] = _answer(connection, DRAWING_TIMEOUT_S)
        except (EOFError, ConnectionError):
            raise PlotError(_told(self._companion.last_words())) from None
        return images

    def rest(self) -> None:
        """Wait until it has imported what it draws with, and rests; where it fails, that is told when it is to draw."""
        if self._ready or self._companion is None:
            return
        with contextlib.suppress(EOFError, ConnectionError):
            if self._companion.connection.poll(DRAWING_TIMEOUT_S):
                self._companion.connection.recv()
                self._ready = True


def _answer(connection: Connection, timeout_s: float) -> Any:  # noqa: ANN401 - whatever was sent
    if not connection.poll(timeout_s):
        raise PlotError(_told(f"nothing was drawn after {DRAWING_TIMEOUT_S:g} s"))
    return connection.recv()


_shared: ContextVar[_Artist | None] = ContextVar("_shared", default=None)


@contextlib.contextmanager
def one_artist() -> Iterator[Callable[[], None]]:
    """Have one process draw all that is drawn in the block; it starts at once, in the background.

    Within another such block it is that one's.

    Yields
    ------
    Callable
        Returns when the process rests until there is something to draw, or is no more.
    """
    with _artist() as artist:
        yield artist.rest


@contextlib.contextmanager
def _artist() -> Iterator[_Artist]:
    if shared := _shared.get():
        yield shared
        return
    with _Artist() as artist:
        token = _shared.set(artist)
        try:
            yield artist
        finally:
            _shared.reset(token)


def save_tradeoff_plots(summary_rows: Sequence[SummaryRow], out_dir: Path) -> list[Path]:
    """Plot the score, of training where there is one, against latency, energy and memory.

    Parameters
    ----------
    summary_rows
        One mapping per setup, with the keys that `run_repeated_benchmarks` returns. Values that are missing,
        None or NaN are allowed: a setup without a mean is named below the plot, an interval that does not
        exist gives no bar.
    out_dir
        Where the files go; it is created if needed.

    Returns
    -------
    list of pathlib.Path
        ``accuracy_vs_latency.png``, ``accuracy_vs_energy.png`` and ``accuracy_vs_memory.png``, at 140 DPI.

    Raises
    ------
    ValueError
        If a row lacks its mode or its repeats, or holds something else than a number where one belongs.
    PlotError
        If the pictures cannot be drawn.
    OSError
        If a file cannot be written.
    """
    costs = ("latency", "energy", "memory")
    # All are drawn before the first is written: a bad row leaves no half of a new set beside an old one.
    grid = grid_of(summary_rows)
    images = _drawn(
        [grid_figure(grid, summary_rows, cost) if grid else tradeoff_figure(summary_rows, cost) for cost in costs]
    )
    return [_write(image, Path(out_dir) / f"accuracy_vs_{cost}.png") for cost, image in zip(costs, images, strict=True)]


def save_pareto_plot(summary_rows: Sequence[SummaryRow], out_dir: Path) -> Path:
    """Plot the Pareto frontier: latency minimised against the score maximised.

    Parameters
    ----------
    summary_rows
        As for `save_tradeoff_plots`.
    out_dir
        Where the file goes; it is created if needed.

    Returns
    -------
    pathlib.Path
        ``pareto_frontier.png``, at 140 DPI.

    Raises
    ------
    ValueError, PlotError, OSError
        As for `save_tradeoff_plots`.
    """
    grid = grid_of(summary_rows)
    (image,) = _drawn([grid_frontier_figure(grid, summary_rows) if grid else pareto_figure(summary_rows)])
    return _write(image, Path(out_dir) / "pareto_frontier.png")


def save_ratio_plots(
    summary_rows: Sequence[SummaryRow], comparisons: Sequence[Comparison], out_dir: Path
) -> list[Path]:
    """Plot the ratio of the latency to the baseline's against batch size and threads, where these vary.

    Parameters
    ----------
    summary_rows
        As for `save_tradeoff_plots`.
    comparisons
        Of these setups, for the sentences below the plots.
    out_dir
        Where the files go; it is created if needed.

    Returns
    -------
    list of pathlib.Path
        ``ratio_vs_batch_size.png`` and ``ratio_vs_threads.png``, at 140 DPI: one for each axis that varies.

    Raises
    ------
    ValueError, PlotError, OSError
        As for `save_tradeoff_plots`.
    """
    figures = ratio_figures(summary_rows, comparisons)
    names = [f"ratio_vs_{figure.axis}.png" for figure in figures]
    images = _drawn(figures) if figures else []
    return [_write(image, Path(out_dir) / name) for image, name in zip(images, names, strict=True)]


def save_forest_plot(answer: FleetAnswer, out_dir: Path) -> list[Path]:
    """Plot the ratio of the latency to the baseline's, host by host and kind by kind.

    Parameters
    ----------
    answer
        What a fleet says.
    out_dir
        Where the file goes; it is created if needed.

    Returns
    -------
    list of pathlib.Path
        ``ratio_by_host.png``, at 140 DPI; none where no host has a ratio.

    Raises
    ------
    PlotError, OSError
        As for `save_tradeoff_plots`.
    """
    if LATENCY.name not in answer.ratios:
        return []
    (image,) = _drawn([of_panels(forest_figure(answer, LATENCY.name))])
    return [_write(image, Path(out_dir) / RATIO_BY_HOST)]


def _drawn(figures: Sequence[_Figure]) -> list[bytes]:
    with _artist() as artist:
        return artist.draw(figures)


def _write(image: bytes, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, "wb") as file:
        file.write(image)
    return path


def _environment() -> dict[str, str]:
    """Return an environment in which Matplotlib finds its own defaults, and keeps its list of fonts in our cache."""
    cache = cache_folder()
    # Where it can write nothing Matplotlib makes a temporary folder and removes it.
    kept = cache / "matplotlib" if cache else os.devnull
    plain = {name: value for name, value in environment().items() if not name.startswith(_OF_MATPLOTLIB)}
    return plain | {"MPLBACKEND": "agg", "MATPLOTLIBRC": os.devnull, "MPLCONFIGDIR": str(kept)}


def _told(cause: str) -> str:
    return f"the pictures (PNG) could not be drawn ({cause}); no number is lost: mend that, or install matplotlib again"
