"""What the plots of a grid show, prepared: panels of points, and what colours and markers mean."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from significand.present.axes import Axis
from significand.present.grid_styles import looks_of
from significand.present.plots.figures import Point, TradeoffFigure, pareto_figure, tradeoff_figure
from significand.present.rows import SummaryRow
from significand.present.varying import Grid

MOST_NOTES = 4


@dataclass(frozen=True)
class Panel:
    """Points between axes of their own, which are those of all panels."""

    title: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class GridFigure:
    """All that one plot of a grid shows. Without points, `message` says why.

    Attributes
    ----------
    staircase
        The corners of the frontier's line, of all panels together; empty where none is drawn.
    colours, markers
        What each means, as (words, colour) and (words, marker).
    """

    x: Axis
    y: Axis
    panels: tuple[Panel, ...]
    staircase: tuple[tuple[float, float], ...]
    colours: tuple[tuple[str, str], ...]
    markers: tuple[tuple[str, str], ...]
    better_hint: str
    footnote: str
    notes: tuple[str, ...]
    message: str


def grid_figure(grid: Grid, rows: Sequence[SummaryRow], cost: str) -> GridFigure:
    """Prepare the score against a cost; see `significand.present.plots.figures.tradeoff_figure`."""
    return _paneled(tradeoff_figure(rows, cost), grid, rows)


def grid_frontier_figure(grid: Grid, rows: Sequence[SummaryRow]) -> GridFigure:
    """Prepare the frontier of all setups together; see `significand.present.plots.figures.pareto_figure`.

    Boxes and probabilities are left out: of many setups they would hide each other. They stand on the page.
    """
    return _paneled(pareto_figure(rows, bare=True), grid, rows)


def _paneled(whole: TradeoffFigure, grid: Grid, rows: Sequence[SummaryRow]) -> GridFigure:
    looks = looks_of(grid, rows)
    styled = {
        point.row: replace(point, colour=looks.styles[point.row].colour, marker=looks.styles[point.row].marker)
        for point in whole.points
    }
    panels = [Panel(part.title, tuple(styled[k] for k in part.members if k in styled)) for part in looks.parts]
    left = len(whole.notes) - MOST_NOTES
    return GridFigure(
        whole.x,
        whole.y,
        tuple(panel for panel in panels if panel.points) or (Panel("", ()),),
        whole.staircase,
        tuple(looks.colours),
        tuple(looks.markers),
        whole.better_hint,
        whole.footnote,
        whole.notes if left <= 0 else (*whole.notes[:MOST_NOTES], f"and {left} more notes; see summary_stats.csv"),
        whole.message,
    )
