"""Draw prepared values into pictures; the values themselves come from `significand.present.figures`.

The only numbers worked out here are positions on the page. What a user's Matplotlib style could change is set
explicitly, and neither pyplot nor rcParams is touched. `significand.present.plots` has it done in a process of its own.
"""

import contextlib
import io
import os
import sys
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, IdentityTransform

from significand.present.figures import Point, TradeoffFigure
from significand.present.labels import Pixels, nearest, place_beside, place_in_column
from significand.present.marks import INK, PALE_INK, dark, font, make_line, make_marker, make_text

DPI = 140
LOOK_EVERY_S = 1.0
LABEL_GID = "point-label"
LEADER_GID = "leader"
BOX_GID = "confidence-box"

_GRID = "#E6E6E6"
_LABEL_POINTS, _SMALL_POINTS = 8.5, 7.5
_MARKER_POINTS, _CAP_POINTS = 7.0, 2.5

# The page, in inches: axes of a fixed size between margins; the footnotes below and, where needed, a column
# of labels at the right make the page larger.
_AXES_INCHES = (5.35, 3.45)
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.80, 0.25, 0.38, 0.62
_FOOT_LINE_INCHES = 0.155
_COLUMN_GAP_INCHES = 0.35
_COLUMN_LEADING = 1.25  # times the height of a label

_PX = DPI / 72  # pixels per typographic point
_LEADER_FROM_PX = 20.0  # a label nearer than this needs no line to its point


def draw(prepared: TradeoffFigure) -> Figure:
    """Draw prepared values on a Figure with an Agg canvas of its own.

    Labels stand beside their points where all of them find a free place, and else in a column at the right.
    """
    axes, labels = _page(prepared, column_inches=0.0, axes_inches=_AXES_INCHES[1])
    sizes, anchors = _sizes(labels), _anchors(axes, prepared.points)
    boxes = place_beside(anchors, sizes, _obstacles(axes, prepared), _window(axes), marker_px=_MARKER_POINTS * _PX)
    if boxes is None:
        column = float(sizes[:, 0].max()) / DPI + _COLUMN_GAP_INCHES
        height = max(_AXES_INCHES[1], float(sizes[:, 1].sum()) * _COLUMN_LEADING / DPI)
        axes, labels = _page(prepared, column_inches=column, axes_inches=height)
        anchors = _anchors(axes, prepared.points)
        boxes = place_in_column(anchors, _sizes(labels), _window(axes), gap_px=_COLUMN_GAP_INCHES * DPI)
    for label, point, box, anchor in zip(labels, prepared.points, boxes, anchors, strict=True):
        label.set_position((box[0], box[1]))
        end = nearest(anchor, box)
        if np.hypot(*(end - anchor)) >= _LEADER_FROM_PX:
            line = make_line(*zip(anchor, end, strict=True), colour=dark(point.colour), width=0.7, zorder=2.2)
            line.set(transform=IdentityTransform(), gid=LEADER_GID, clip_on=False)
            axes.add_artist(line)
    figure = axes.figure
    assert isinstance(figure, Figure)  # noqa: S101  # narrows the type; _page makes no subfigures
    return figure


def png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    # Unlike savefig, this follows none of the user's savefig settings.
    FigureCanvasAgg(figure).print_png(buffer)  # type: ignore[no-untyped-call]  # Matplotlib has no types here
    return buffer.getvalue()


def serve() -> None:
    """Draw what comes through the socket whose number is the last argument, until nothing more comes."""
    program = os.getppid()
    with Connection(int(sys.argv[-1])) as connection, contextlib.suppress(EOFError, ConnectionError):
        while os.getppid() == program:  # when it is killed, another process may hold the other end open
            if connection.poll(LOOK_EVERY_S):
                connection.send([png(draw(prepared)) for prepared in connection.recv()])


def _page(prepared: TradeoffFigure, *, column_inches: float, axes_inches: float) -> tuple[Axes, list[Text]]:
    """Draw everything in its place but the labels of the points, which are only made."""
    foot = textwrap.wrap(prepared.footnote, 112) + textwrap.wrap("; ".join(prepared.notes), 90)
    width = _LEFT + _AXES_INCHES[0] + _RIGHT + column_inches
    below = _BOTTOM + _FOOT_LINE_INCHES * len(foot)
    height = below + axes_inches + _TOP
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    figure.set_layout_engine("none")
    FigureCanvasAgg(figure)
    axes = figure.add_axes(
        (_LEFT / width, below / height, _AXES_INCHES[0] / width, axes_inches / height), facecolor="white"
    )
    _draw_axes(axes, prepared)
    for k, line in enumerate(reversed(foot)):
        at = (0.12 / width, (0.10 + k * _FOOT_LINE_INCHES) / height)
        figure.add_artist(make_text(line, _SMALL_POINTS, PALE_INK, at, figure.transFigure))
    labels = [
        make_text(point.label, _LABEL_POINTS, dark(point.colour), (0.0, 0.0), IdentityTransform())
        for point in prepared.points
    ]
    for label in labels:
        label.set(gid=LABEL_GID, verticalalignment="bottom")
        axes.add_artist(label)
    return axes, labels


def _draw_axes(axes: Axes, prepared: TradeoffFigure) -> None:
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=INK, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xscale("log" if prepared.x.is_log else "linear")
    axes.set_yscale("log" if prepared.y.is_log else "linear")
    for axis, values in ((axes.xaxis, prepared.x), (axes.yaxis, prepared.y)):
        axis.set_ticks(values.ticks, values.tick_labels)
        axis.set_tick_params(which="major", color=INK, width=0.8, length=3.5, pad=3.5, direction="out")
        literal: dict[str, Any] = {"color": INK, "usetex": False, "parse_math": False}
        for label in axis.get_ticklabels():
            label.set(fontproperties=font(_LABEL_POINTS), **literal)
        axis.set_label_text(values.label, fontproperties=font(9.5), **literal)
        axis.labelpad = 5.0
    axes.minorticks_off()
    axes.tick_params(bottom=True, left=True, labelbottom=True, labelleft=True)
    axes.tick_params(top=False, right=False, labeltop=False, labelright=False)
    axes.grid(visible=True, which="major", color=_GRID, linewidth=0.6, linestyle="-", alpha=1.0)
    axes.set_xlim(prepared.x.low, prepared.x.high)
    axes.set_ylim(prepared.y.low, prepared.y.high)
    if prepared.message:
        message = make_text(prepared.message, 11.0, PALE_INK, (0.5, 0.5), axes.transAxes)
        message.set(horizontalalignment="center")
        axes.add_artist(message)
        return
    above = axes.transAxes + Affine2D().translate(0.0, 4.5 * _PX)
    axes.add_artist(make_text(prepared.better_hint, _SMALL_POINTS, PALE_INK, (0.0, 1.0), above))
    if prepared.staircase:
        axes.add_line(make_line(*zip(*prepared.staircase, strict=True), colour=PALE_INK, width=1.2, zorder=2.1))
        _draw_key(axes)
    for point in prepared.points:
        _draw_point(axes, point, tell_frontier=bool(prepared.staircase))


def _draw_point(axes: Axes, point: Point, *, tell_frontier: bool) -> None:
    if point.x_box is not None and point.y_box is not None:
        (left, right), (low, high) = point.x_box, point.y_box
        box = Rectangle((left, low), right - left, high - low, gid=BOX_GID)
        box.set(facecolor=point.colour, edgecolor=point.colour, alpha=0.14, linewidth=0.8, zorder=2.0)
        axes.add_patch(box)
    for bar, cap in ((point.x_bar, "|"), (point.y_bar, "_")):
        if bar is not None:
            xs, ys = (bar, (point.y, point.y)) if cap == "|" else ((point.x, point.x), bar)
            line = make_line(xs, ys, colour=point.colour, width=1.1, zorder=2.3)
            line.set(marker=cap, markersize=2 * _CAP_POINTS, markeredgewidth=1.1)
            axes.add_line(line)
    marker = make_marker(
        point.marker,
        _marker_points(point),
        colour=point.colour,
        on_frontier=point.on_frontier if tell_frontier else None,
    )
    marker.set_data([point.x], [point.y])
    axes.add_line(marker)


def _draw_key(axes: Axes) -> None:
    """Explain the frontier's marks above the axes, where no point can be."""
    entries = {
        "on the frontier": make_marker("o", 6.5, colour="#8C8C8C", on_frontier=True),
        "dominated": make_marker("o", 6.5, colour="#8C8C8C", on_frontier=False),
        "frontier": make_line((), (), colour=PALE_INK, width=1.2, zorder=2.0),
    }
    key = axes.legend(
        [*entries.values()],
        [*entries],
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=len(entries),
        frameon=False,
        prop=font(_SMALL_POINTS),
        labelcolor=PALE_INK,
        numpoints=1,
        markerscale=1.0,
        borderpad=0.4,
        borderaxespad=0.0,
        handlelength=1.6,
        handletextpad=0.5,
        columnspacing=1.6,
    )
    for text in key.get_texts():
        text.set_usetex(False)


def _marker_points(point: Point) -> float:
    """Make a covered marker larger, so that it shows behind the ones drawn over it."""
    return _MARKER_POINTS + 3.5 * min(point.n_covering, 4)


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
        segments.append((((point.x, point.y),) * 2, (_marker_points(point) / 2 + 1.5) * _PX))
        if point.x_bar is not None:
            segments.append((((point.x_bar[0], point.y), (point.x_bar[1], point.y)), (_CAP_POINTS + 0.8) * _PX))
        if point.y_bar is not None:
            segments.append((((point.x, point.y_bar[0]), (point.x, point.y_bar[1])), (_CAP_POINTS + 0.8) * _PX))
    ends = np.array([_on_page(axes, corners) for corners, _ in segments]).reshape(-1, 2, 2)
    clearance = np.array([clearance for _, clearance in segments]).reshape(-1, 1)
    return np.hstack([ends.min(axis=1) - clearance, ends.max(axis=1) + clearance])
