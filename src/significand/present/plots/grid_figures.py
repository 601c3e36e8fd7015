"""What the plots of a grid show, prepared: panels of points, and what colours and markers mean."""

from collections.abc import Sequence
from dataclasses import replace

from significand.present.grid_styles import looks_of
from significand.present.plots.drawn import GridFigure, Panel, TradeoffFigure
from significand.present.plots.figures import pareto_figure, tradeoff_figure
from significand.present.rows import SummaryRow
from significand.present.varying import Grid

MOST_NOTES = 4


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
