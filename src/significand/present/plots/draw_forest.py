"""Draw a prepared forest: a row per host, a panel per setup, kinds by colour."""

import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from significand.present.plots.draw_grid import thinned
from significand.present.plots.drawn import ForestFigure, ForestPanel, kind_colour
from significand.present.plots.marks import INK, PALE_INK, dark, make_line, make_marker, make_text
from significand.present.plots.paint import (
    CAP_POINTS,
    FOOT_LINE_INCHES,
    LABEL_POINTS,
    frame,
    hint,
    new_figure,
    tell,
    write_foot,
)

# In inches.
_ROW, _LEAST_HEIGHT = 0.19, 0.9
_WIDE, _SEVERAL = 4.6, 2.35  # axes of one panel, and of each of several
_BETWEEN, _RIGHT, _TOP, _BOTTOM = 0.25, 0.2, 0.55, 0.62
_CHARACTERS_PER_INCH = 16.5  # of the small font
_LABEL_CHARACTERS_PER_INCH = 13.0
_X_TICK = 0.42
_NOTHING = "no host has a pair of runs to compare"


def draw_forest(prepared: ForestFigure) -> Figure:
    """Draw a forest on a Figure with an Agg canvas of its own."""
    count = max(1, len(prepared.panels))
    wide = _WIDE if count == 1 else _SEVERAL
    left = max((len(row.label) for row in prepared.rows), default=0) / _LABEL_CHARACTERS_PER_INCH + 0.35
    high = max(_LEAST_HEIGHT, _ROW * len(prepared.rows))
    width = left + count * wide + (count - 1) * _BETWEEN + _RIGHT
    foot = textwrap.wrap(prepared.footnote, int((width - 0.24) * _CHARACTERS_PER_INCH))
    below = _BOTTOM + FOOT_LINE_INCHES * len(foot)
    height = below + high + _TOP
    figure = new_figure(width, height)
    for place, panel in enumerate(prepared.panels or (ForestPanel("", ()),)):
        x = left + place * (wide + _BETWEEN)
        axes = figure.add_axes((x / width, below / height, wide / width, high / height), facecolor="white")
        _draw_panel(axes, prepared, panel, is_first=place == 0, wide=wide)
    middle = (left + (count * wide + (count - 1) * _BETWEEN) / 2) / width
    text = make_text(prepared.x.label, 9.5, INK, (middle, (below - 0.42) / height), figure.transFigure)
    text.set(horizontalalignment="center")
    figure.add_artist(text)
    text = make_text(
        prepared.better_hint, LABEL_POINTS, PALE_INK, (left / width, 1 - 0.22 / height), figure.transFigure
    )
    figure.add_artist(text)
    write_foot(figure, foot)
    return figure


def _draw_panel(axes: Axes, prepared: ForestFigure, panel: ForestPanel, *, is_first: bool, wide: float) -> None:
    rows = prepared.rows
    y = prepared.y
    frame(axes, thinned(prepared.x, wide / _X_TICK), y)
    axes.tick_params(left=False, labelleft=False)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    if not panel.points:
        tell(axes, _NOTHING)
        return
    hint(axes, panel.title)
    axes.add_line(make_line((prepared.neutral,) * 2, (y.low, y.high), colour=PALE_INK, width=1.0, zorder=2.0))
    if is_first:
        _write_labels(axes, prepared)
    for point in panel.points:
        row = rows[point.row]
        colour, is_kind = kind_colour(row.kind), row.role == "kind"
        for ends, line_width in ((point.span, 1.0), (point.interval, 3.2 if is_kind else 1.1)):
            if ends is not None:
                bar = make_line(ends, (point.row, point.row), colour=colour, width=line_width, zorder=2.3)
                if line_width < 2:
                    bar.set(marker="|", markersize=2 * CAP_POINTS, markeredgewidth=1.0)
                axes.add_line(bar)
        marker = make_marker("D" if is_kind else "o", 6.5 if is_kind else 5.0, colour=colour, on_frontier=None)
        marker.set_data([point.point], [point.row])
        axes.add_line(marker)


def _write_labels(axes: Axes, prepared: ForestFigure) -> None:
    """Write what each row is, at the left of the first panel; kinds in their colour."""
    beside = blended_transform_factory(axes.transAxes, axes.transData)
    for place, row in enumerate(prepared.rows):
        colour = INK if row.role == "host" else dark(kind_colour(row.kind))
        text = make_text(row.label, LABEL_POINTS, colour, (-0.03, place), beside)
        text.set(horizontalalignment="right", verticalalignment="center")
        if row.role != "host":
            text.set_fontweight("bold")
        axes.add_artist(text)
