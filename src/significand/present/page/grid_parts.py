"""The parts of the page that only a grid has: the legend of colours and markers, panels to choose, charts of ratios."""

from collections.abc import Sequence
from dataclasses import dataclass

from significand.answers.folder import Folder
from significand.present.grid_styles import Part, looks_of
from significand.present.page.setups import ShownSetup
from significand.present.plots.drawn import RatioFigure
from significand.present.plots.ratio_figures import ratio_figures
from significand.present.styles import OUTLINES
from significand.present.varying import grid_of


@dataclass(frozen=True)
class LegendEntry:
    """What one colour or one marker means: its words, the setup whose colour it is (None: no colour), its outline."""

    words: str
    setup: int | None
    outline: str


@dataclass(frozen=True)
class GridParts:
    """What the page needs of a grid.

    Attributes
    ----------
    legend
        Colours, then markers.
    parts
        Panels of the tradeoff; a single one is not offered for choice.
    """

    legend: Sequence[LegendEntry]
    parts: Sequence[Part]


def grid_parts(results: Folder, setups: Sequence[ShownSetup]) -> GridParts:
    """Prepare what the page needs of a grid; of an experiment without one, nothing."""
    grid = grid_of(results.rows)
    if grid is None:
        return GridParts((), ())
    looks = looks_of(grid, results.rows)
    return GridParts(_legend(looks.colours, looks.markers, setups), looks.parts)


def ratio_parts(results: Folder, setups: Sequence[ShownSetup]) -> list[tuple[RatioFigure, Sequence[LegendEntry]]]:
    """Prepare a chart for each of batch size and threads that varies, with its legend."""
    figures = ratio_figures(results.rows, results.claims.comparisons)
    return [(one, _legend(one.colours, one.markers, setups)) for one in figures]


def _legend(
    colours: Sequence[tuple[str, str]], markers: Sequence[tuple[str, str]], setups: Sequence[ShownSetup]
) -> list[LegendEntry]:
    first = {setup.style.colour: setup.index for setup in reversed(setups)}
    return [
        *(LegendEntry(words, first[colour], OUTLINES["s"]) for words, colour in colours),
        *(LegendEntry(words, None, OUTLINES[marker]) for words, marker in markers),
    ]
