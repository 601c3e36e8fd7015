"""Draw prepared values into pictures; the values themselves come from `significand.present.plots.figures`.

The only numbers worked out here are positions on the page. What a user's Matplotlib style could change is set
explicitly, and neither pyplot nor rcParams is touched. `significand.present.plots.write` has it done in a process of
its own.
"""

import textwrap
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import IdentityTransform

from significand.present.plots.draw_forest import draw_forest
from significand.present.plots.draw_grid import draw_grid, draw_ratio
from significand.present.plots.drawn import ForestFigure, GridFigure, Point, RatioFigure, TradeoffFigure
from significand.present.plots.labels import Pixels, nearest, place_beside, place_in_column
from significand.present.plots.marks import dark, make_line, make_text
from significand.present.plots.paint import (
    CAP_POINTS,
    DPI,
    FOOT_LINE_INCHES,
    LABEL_POINTS,
    MARKER_POINTS,
    PX,
    draw_axes,
    marker_points,
    new_figure,
    png,
    write_foot,
)
from significand.runner.companion import answer_with

LABEL_GID = "point-label"
LEADER_GID = "leader"


# The page, in inches: axes of a fixed size between margins; the footnotes below and, where needed, a column
# of labels at the right make the page larger.
_AXES_INCHES = (5.35, 3.45)
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.80, 0.25, 0.38, 0.62
_COLUMN_GAP_INCHES = 0.35
_COLUMN_LEADING = 1.25  # times the height of a label

_LEADER_FROM_PX = 20.0  # a label nearer than this needs no line to its point


def draw(prepared: TradeoffFigure) -> Figure:
    """Draw prepared values on a Figure with an Agg canvas of its own.

    Labels stand beside their points where all of them find a free place, and else in a column at the right.
    """
    figure, axes, labels = _page(prepared, column_inches=0.0, axes_inches=_AXES_INCHES[1])
    sizes, anchors = _sizes(labels), _anchors(axes, prepared.points)
    boxes = place_beside(anchors, sizes, _obstacles(axes, prepared), _window(axes), marker_px=MARKER_POINTS * PX)
    if boxes is None:
        column = float(sizes[:, 0].max()) / DPI + _COLUMN_GAP_INCHES
        height = max(_AXES_INCHES[1], float(sizes[:, 1].sum()) * _COLUMN_LEADING / DPI)
        figure, axes, labels = _page(prepared, column_inches=column, axes_inches=height)
        anchors = _anchors(axes, prepared.points)
        boxes = place_in_column(anchors, _sizes(labels), _window(axes), gap_px=_COLUMN_GAP_INCHES * DPI)
    for label, point, box, anchor in zip(labels, prepared.points, boxes, anchors, strict=True):
        label.set_position((box[0], box[1]))
        end = nearest(anchor, box)
        if np.hypot(*(end - anchor)) >= _LEADER_FROM_PX:
            line = make_line(*zip(anchor, end, strict=True), colour=dark(point.colour), width=0.7, zorder=2.2)
            line.set(transform=IdentityTransform(), gid=LEADER_GID, clip_on=False)
            axes.add_artist(line)
    return figure


def draw_any(prepared: TradeoffFigure | GridFigure | RatioFigure | ForestFigure) -> Figure:
    """Draw prepared values, whichever they are."""
    if isinstance(prepared, GridFigure):
        return draw_grid(prepared)
    if isinstance(prepared, ForestFigure):
        return draw_forest(prepared)
    return draw_ratio(prepared) if isinstance(prepared, RatioFigure) else draw(prepared)


def serve() -> None:
    """Say that all is imported, and draw what is asked for."""
    answer_with(lambda figures: [png(draw_any(prepared)) for prepared in figures])


def _page(prepared: TradeoffFigure, *, column_inches: float, axes_inches: float) -> tuple[Figure, Axes, list[Text]]:
    """Draw everything in its place but the labels of the points, which are only made."""
    foot = textwrap.wrap(prepared.footnote, 112) + textwrap.wrap("; ".join(prepared.notes), 90)
    width = _LEFT + _AXES_INCHES[0] + _RIGHT + column_inches
    below = _BOTTOM + FOOT_LINE_INCHES * len(foot)
    height = below + axes_inches + _TOP
    figure = new_figure(width, height)
    axes = figure.add_axes(
        (_LEFT / width, below / height, _AXES_INCHES[0] / width, axes_inches / height), facecolor="white"
    )
    draw_axes(axes, prepared)
    write_foot(figure, foot)
    labels = [
        make_text(point.label, LABEL_POINTS, dark(point.colour), (0.0, 0.0), IdentityTransform())
        for point in prepared.points
    ]
    for label in labels:
        label.set(gid=LABEL_GID, verticalalignment="bottom")
        axes.add_artist(label)
    return figure, axes, labels


def _sizes(labels: Sequence[Text]) -> Pixels:
    return np.array([label.get_window_extent().size for label in labels]).reshape(-1, 2)


def _window(axes: Axes) -> Pixels:
    return np.array(axes.get_window_extent().extents)


def _anchors(axes: Axes, points: Sequence[Point]) -> Pixels:
    return _on_page(axes, [(point.x, point.y) for point in points])


def _on_page(axes: Axes, positions: Sequence[tuple[float, float]]) -> Pixels:
    return np.asarray(axes.transData.transform(np.reshape(positions, (-1, 2))))


def _obstacles(axes: Axes, prepared: TradeoffFigure) -> Pixels:
    """Box all that a label must not cover: markers, bars with their caps, the frontier's line."""
    segments = [(corners, 3.0) for corners in pairwise(prepared.staircase)]
    for point in prepared.points:
        segments.append((((point.x, point.y),) * 2, (marker_points(point) / 2 + 1.5) * PX))
        if point.x_bar is not None:
            segments.append((((point.x_bar[0], point.y), (point.x_bar[1], point.y)), (CAP_POINTS + 0.8) * PX))
        if point.y_bar is not None:
            segments.append((((point.x, point.y_bar[0]), (point.x, point.y_bar[1])), (CAP_POINTS + 0.8) * PX))
    ends = np.array([_on_page(axes, corners) for corners, _ in segments]).reshape(-1, 2, 2)
    clearance = np.array([clearance for _, clearance in segments]).reshape(-1, 1)
    return np.hstack([ends.min(axis=1) - clearance, ends.max(axis=1) + clearance])
