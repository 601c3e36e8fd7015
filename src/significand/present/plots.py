"""Draw prepared values into PNG files; the values themselves come from `significand.present.figures`.

The only numbers worked out here are positions on the page. What a user's Matplotlib style could change is set
explicitly, and neither pyplot nor rcParams is touched: a plot looks the same wherever it is drawn, and
drawing it leaves a notebook as it was.
"""

import io
import secrets
import textwrap
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, IdentityTransform, Transform
from matplotlib.typing import ColorType
from numpy.typing import NDArray

from significand.present.figures import Point, SummaryRow, TradeoffFigure, pareto_figure, tradeoff_figure

DPI = 140
LABEL_GID = "point-label"
LEADER_GID = "leader"

_FONT = "DejaVu Sans"  # ships with Matplotlib, so it is the same everywhere
_INK, _PALE_INK, _GRID = "#222222", "#5A5A5A", "#E6E6E6"
_LABEL_POINTS, _SMALL_POINTS = 8.5, 7.5
_MARKER_POINTS, _CAP_POINTS = 7.0, 2.5

# The page, in inches: axes of a fixed size between margins; the footnotes below and, where needed, a column
# of labels at the right make the page larger.
_AXES_INCHES = (5.35, 3.45)
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.80, 0.25, 0.38, 0.62
_FOOT_LINE_INCHES = 0.155
_COLUMN_GAP_INCHES = 0.35
_COLUMN_LEADING = 1.25  # times the height of a label

# Where labels may go, in pixels.
_PX = DPI / 72  # pixels per typographic point
_REACH_PX = 170.0  # a label farther from its point than this is hard to attribute
_LEADER_FROM_PX = 20.0  # a label nearer than this needs no line to its point
_GRID_PX = 6.0
_MAX_BESIDE = 16  # more labels than this beside their points would be a tangle
_MAX_CANDIDATES = 250  # of the free places, the nearest ones are compared; more only cost time
_LABEL_PAD = np.array([-4.0, -2.0, 4.0, 2.0])

Pixels = NDArray[np.float64]  # one row per box (left, bottom, right, top) or per position (x, y)


def save_tradeoff_plots(summary_rows: Sequence[SummaryRow], out_dir: Path) -> list[Path]:
    """Plot training accuracy against latency, energy and memory.

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
    OSError
        If a file cannot be written.
    """
    costs = ("latency", "energy", "memory")
    # All are drawn before the first is written: a bad row leaves no half of a new set beside an old one.
    images = [_png(draw(tradeoff_figure(summary_rows, cost))) for cost in costs]
    return [
        _write_atomically(image, Path(out_dir) / f"accuracy_vs_{cost}.png")
        for cost, image in zip(costs, images, strict=True)
    ]


def save_pareto_plot(summary_rows: Sequence[SummaryRow], out_dir: Path) -> Path:
    """Plot the Pareto frontier: latency minimised against training accuracy maximised.

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
    ValueError
        As for `save_tradeoff_plots`.
    OSError
        If the file cannot be written.
    """
    return _write_atomically(_png(draw(pareto_figure(summary_rows))), Path(out_dir) / "pareto_frontier.png")


def draw(prepared: TradeoffFigure) -> Figure:
    """Draw prepared values on a Figure with an Agg canvas of its own.

    Labels stand beside their points where all of them find a free place, and else in a column at the right.
    """
    axes, labels = _page(prepared, column_inches=0.0, axes_inches=_AXES_INCHES[1])
    sizes = _sizes(labels)
    boxes = _place_beside(axes, prepared, sizes) if len(labels) <= _MAX_BESIDE else None
    if boxes is None:
        column = float(sizes[:, 0].max()) / DPI + _COLUMN_GAP_INCHES
        height = max(_AXES_INCHES[1], float(sizes[:, 1].sum()) * _COLUMN_LEADING / DPI)
        axes, labels = _page(prepared, column_inches=column, axes_inches=height)
        boxes = _place_in_column(axes, prepared.points, _sizes(labels))
    for label, point, box, anchor in zip(labels, prepared.points, boxes, _anchors(axes, prepared.points), strict=True):
        label.set_position((box[0], box[1]))
        nearest = _nearest(anchor, box)
        if np.hypot(*(nearest - anchor)) >= _LEADER_FROM_PX:
            line = _line(*zip(anchor, nearest, strict=True), colour=_dark(point.colour), width=0.7, zorder=2.2)
            line.set(transform=IdentityTransform(), gid=LEADER_GID, clip_on=False)
            axes.add_artist(line)
    figure = axes.figure
    assert isinstance(figure, Figure)  # noqa: S101  # narrows the type; _page makes no subfigures
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    # Unlike savefig, this follows none of the user's savefig settings.
    FigureCanvasAgg(figure).print_png(buffer)  # type: ignore[no-untyped-call]  # Matplotlib has no types here
    return buffer.getvalue()


def _write_atomically(content: bytes, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


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
        figure.add_artist(_text(line, _SMALL_POINTS, _PALE_INK, at, figure.transFigure))
    labels = [
        _text(point.label, _LABEL_POINTS, _dark(point.colour), (0.0, 0.0), IdentityTransform())
        for point in prepared.points
    ]
    for label in labels:
        label.set(gid=LABEL_GID, verticalalignment="bottom")
        axes.add_artist(label)
    return axes, labels


def _draw_axes(axes: Axes, prepared: TradeoffFigure) -> None:
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=_INK, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xscale("log" if prepared.x.is_log else "linear")
    axes.set_yscale("log" if prepared.y.is_log else "linear")
    for axis, values in ((axes.xaxis, prepared.x), (axes.yaxis, prepared.y)):
        axis.set_ticks(values.ticks, values.tick_labels)
        axis.set_tick_params(which="major", color=_INK, width=0.8, length=3.5, pad=3.5, direction="out")
        literal: dict[str, Any] = {"color": _INK, "usetex": False, "parse_math": False}
        for label in axis.get_ticklabels():
            label.set(fontproperties=_font(_LABEL_POINTS), **literal)
        axis.set_label_text(values.label, fontproperties=_font(9.5), **literal)
        axis.labelpad = 5.0
    axes.minorticks_off()
    axes.tick_params(bottom=True, left=True, labelbottom=True, labelleft=True)
    axes.tick_params(top=False, right=False, labeltop=False, labelright=False)
    axes.grid(visible=True, which="major", color=_GRID, linewidth=0.6, linestyle="-", alpha=1.0)
    axes.set_xlim(prepared.x.low, prepared.x.high)
    axes.set_ylim(prepared.y.low, prepared.y.high)
    if prepared.message:
        message = _text(prepared.message, 11.0, _PALE_INK, (0.5, 0.5), axes.transAxes)
        message.set(horizontalalignment="center")
        axes.add_artist(message)
        return
    above = axes.transAxes + Affine2D().translate(0.0, 4.5 * _PX)
    axes.add_artist(_text(prepared.better_hint, _SMALL_POINTS, _PALE_INK, (0.0, 1.0), above))
    if prepared.staircase:
        axes.add_line(_line(*zip(*prepared.staircase, strict=True), colour=_PALE_INK, width=1.2, zorder=2.1))
        _draw_key(axes)
    for point in prepared.points:
        _draw_point(axes, point, tell_frontier=bool(prepared.staircase))


def _draw_point(axes: Axes, point: Point, *, tell_frontier: bool) -> None:
    for bar, cap in ((point.x_bar, "|"), (point.y_bar, "_")):
        if bar is not None:
            across = [point.y] * 2 if cap == "|" else [point.x] * 2
            line = _line(*((bar, across) if cap == "|" else (across, bar)), colour=point.colour, width=1.1, zorder=2.3)
            line.set(marker=cap, markersize=2 * _CAP_POINTS, markeredgewidth=1.1)
            axes.add_line(line)
    marker = _marker(
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
        "on the frontier": _marker("o", 6.5, colour="#8C8C8C", on_frontier=True),
        "dominated": _marker("o", 6.5, colour="#8C8C8C", on_frontier=False),
        "frontier": _line((), (), colour=_PALE_INK, width=1.2, zorder=2.0),
    }
    key = axes.legend(
        [*entries.values()],
        [*entries],
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=len(entries),
        frameon=False,
        prop=_font(_SMALL_POINTS),
        labelcolor=_PALE_INK,
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


def _marker(shape: str, points: float, *, colour: str, on_frontier: bool | None) -> Line2D:
    """Make a marker: filled with a dark edge on the frontier, hollow off it, plain where it is not asked."""
    edge, edge_points = {None: ("white", 0.6), True: (_INK, 1.2), False: (colour, 1.3)}[on_frontier]
    return Line2D(
        [],
        [],
        linestyle="none",
        marker=shape,
        markersize=points,
        markerfacecolor="white" if on_frontier is False else colour,
        markeredgecolor=edge,
        markeredgewidth=edge_points,
        fillstyle="full",
        zorder=2.9 if on_frontier is False else 3,  # a hollow marker must not hide a member
    )


def _line(xs: Iterable[float], ys: Iterable[float], *, colour: ColorType, width: float, zorder: float) -> Line2D:
    return Line2D([*xs], [*ys], color=colour, linewidth=width, linestyle="-", marker="none", zorder=zorder)


def _text(text: str, points: float, colour: ColorType, at: tuple[float, float], transform: Transform) -> Text:
    """Make a text that is drawn literally; what the font lacks would be an empty box and a warning."""
    literal = "".join(c if ord(c) in _known_characters() else "\ufffd" for c in text)
    made = Text(*at, literal, fontproperties=_font(points), color=colour, usetex=False, parse_math=False)
    made.set(transform=transform, zorder=4, clip_on=False)
    return made


def _dark(colour: str) -> tuple[float, float, float]:
    """Darken a marker's colour until text in it reads well on white."""
    red, green, blue = to_rgb(colour)
    return 0.65 * red, 0.65 * green, 0.65 * blue


@cache
def _font(points: float) -> FontProperties:
    return FontProperties(
        family=_FONT, size=points, style="normal", variant="normal", weight="normal", stretch="normal"
    )


@cache
def _known_characters() -> frozenset[int]:
    return frozenset(get_font(findfont(_font(_LABEL_POINTS))).get_charmap())


def _sizes(labels: Sequence[Text]) -> Pixels:
    return np.array([label.get_window_extent().size for label in labels]).reshape(-1, 2)


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


def _place_beside(axes: Axes, prepared: TradeoffFigure, sizes: Pixels) -> Pixels | None:
    """Place every label near its point and clear of all else; None where that is impossible.

    Labels are placed one after the other, each in its best free place. As the order matters, a few orders are
    tried, and the outcome with the shortest leaders is kept.
    """
    anchors = _anchors(axes, prepared.points)
    obstacles = _obstacles(axes, prepared)
    window = np.array(axes.get_window_extent().extents)
    x, y = anchors.T
    outcomes = []
    for order in (np.lexsort((x, -y)), np.lexsort((y, x)), np.lexsort((y, -x)), np.lexsort((x, y))):
        boxes = np.full((len(anchors), 4), np.nan)
        total = 0.0
        for n_placed, i in enumerate(order):
            done = order[:n_placed]
            candidates = _candidates(anchors[i], sizes[i], window)
            free = ~_overlaps(candidates, np.vstack([obstacles, boxes[done] + _LABEL_PAD]))
            candidates = candidates[free][:_MAX_CANDIDATES]
            costs = _costs(candidates, i, anchors, boxes, done)
            if not np.isfinite(costs).any():
                break
            boxes[i] = candidates[costs.argmin()]
            total += costs.min()
        else:
            outcomes.append((total, boxes))
    return min(outcomes, key=lambda outcome: outcome[0])[1] if outcomes else None


def _candidates(anchor: Pixels, size: Pixels, window: Pixels) -> Pixels:
    """List the boxes of a label on a grid around its anchor that lie in the window, nearest first."""
    n_x, n_y = ((_REACH_PX + size / 2) // _GRID_PX).astype(int)
    shifts = np.mgrid[-n_x : n_x + 1, -n_y : n_y + 1].reshape(2, -1).T * _GRID_PX
    low = anchor - size / 2 + shifts
    boxes = np.hstack([low, low + size])
    distance = np.hypot(*(_nearest(anchor, boxes) - anchor).T)
    inside = (low >= window[:2] + _LABEL_PAD[2]).all(axis=1) & (low + size <= window[2:]).all(axis=1)
    order = distance.argsort(kind="stable")
    kept: Pixels = boxes[order[(inside & (distance <= _REACH_PX))[order]]]
    return kept


def _overlaps(boxes: Pixels, obstacles: Pixels) -> NDArray[np.bool_]:
    """Tell for every box whether it overlaps any of the obstacles."""
    low, high = boxes[:, :2], boxes[:, 2:]
    overlaps = np.zeros(len(boxes), dtype=np.bool_)
    for obstacle in obstacles:
        overlaps |= ((low < obstacle[2:]) & (high > obstacle[:2])).all(axis=1)
    return overlaps


def _costs(candidates: Pixels, i: int, anchors: Pixels, boxes: Pixels, done: NDArray[np.intp]) -> Pixels:
    """Rate places for label i: short leaders that cross nothing are good, one that crosses a label is out."""
    ends = _nearest(anchors[i], candidates)
    distance = np.hypot(*(ends - anchors[i]).T)
    centre_shift = (candidates[:, :2] + candidates[:, 2:]) / 2 - anchors[i]
    # Right of the point and level with it reads best; the weights only break near ties.
    costs: Pixels = distance + 0.15 * np.abs(centre_shift[:, 1]) + 3.0 * (centre_shift[:, 0] < 0)
    rivals = np.delete(anchors, i, axis=0)
    if len(rivals):
        to_rivals = np.hypot(*np.moveaxis(_nearest(rivals, candidates[:, None]) - rivals, 2, 0)).min(axis=1)
        costs += 30.0 * (to_rivals < distance)
    along = _along(anchors[i], ends)
    for rival in rivals[np.hypot(*(rivals - anchors[i]).T) > 2 * _MARKER_POINTS * _PX]:
        costs += 40.0 * (np.abs(along - rival).max(axis=2) < _MARKER_POINTS * _PX / 2).any(axis=0)
    for j in done:
        other_end = _nearest(anchors[j], boxes[j])
        costs[_inside(along, boxes[j]).any(axis=0)] = np.inf
        costs[_inside(_along(anchors[j], other_end)[:, None], candidates).any(axis=0)] = np.inf
        costs += 50.0 * _cross(anchors[i], ends, anchors[j], other_end)
    return costs


def _nearest(anchors: Pixels, boxes: Pixels) -> Pixels:
    """Find the point of each box that is nearest to the anchor: where its leader ends."""
    nearest: Pixels = np.clip(anchors, boxes[..., :2], boxes[..., 2:])
    return nearest


def _along(start: Pixels, end: Pixels) -> Pixels:
    """Sample the line from `start` to each end, along a new first dimension."""
    return np.asarray(start + np.multiply.outer(np.linspace(0.0, 1.0, 40), end - start))


def _inside(positions: Pixels, boxes: Pixels) -> NDArray[np.bool_]:
    """Tell which positions are in a box or touch it."""
    return np.asarray(((positions > boxes[..., :2] - 1.0) & (positions < boxes[..., 2:] + 1.0)).all(axis=-1))


def _cross(start: Pixels, ends: Pixels, other_start: Pixels, other_end: Pixels) -> NDArray[np.bool_]:
    """Tell which of the lines from `start` to `ends` cross the other line; touching is not crossing."""

    def side(a: Pixels, b: Pixels, c: Pixels) -> Pixels:
        u, v = b - a, c - a
        return np.asarray(np.sign(u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]))

    parted = side(start, ends, other_start) * side(start, ends, other_end) < 0
    return np.asarray(parted & (side(other_start, other_end, start) * side(other_start, other_end, ends) < 0))


def _place_in_column(axes: Axes, points: Sequence[Point], sizes: Pixels) -> Pixels:
    """Stack the labels at the right of the axes, which fits always, in an order with few crossing leaders."""
    window = axes.get_window_extent()
    anchors = _anchors(axes, points)
    middles = window.y1 - (np.arange(len(points)) + 0.5) * window.height / len(points)
    places = np.column_stack([np.full(len(points), window.x1 + _COLUMN_GAP_INCHES * DPI), middles])
    order = np.lexsort((anchors[:, 0], -anchors[:, 1]))
    for _ in points:  # like a bubble sort: each pass parts neighbours whose leaders cross
        for upper in range(len(points) - 1):
            first, second = order[upper : upper + 2]
            if _cross(anchors[first], places[upper], anchors[second], places[upper + 1]):
                order[upper : upper + 2] = second, first
    boxes = np.empty((len(points), 4))
    boxes[order, :2] = places - sizes[order] * [0.0, 0.5]
    boxes[:, 2:] = boxes[:, :2] + sizes
    return boxes
