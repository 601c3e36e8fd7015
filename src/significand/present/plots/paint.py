"""What every PNG is painted with: axes, points with their bars, the frontier's key; and how it becomes a PNG."""

import io
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import Affine2D

from significand.present.plots.drawn import Axis, Point, TradeoffFigure
from significand.present.plots.marks import INK, PALE_INK, font, make_line, make_marker, make_text

DPI = 140
PX = DPI / 72  # pixels per typographic point
BOX_GID = "confidence-box"
LABEL_POINTS, SMALL_POINTS = 8.5, 7.5
MARKER_POINTS, CAP_POINTS = 7.0, 2.5
FOOT_LINE_INCHES = 0.155
GREY = "#8C8C8C"

_GRID = "#E6E6E6"


def new_figure(width: float, height: float) -> Figure:
    """Make an empty white figure, of so many inches, with an Agg canvas of its own."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    figure.set_layout_engine("none")
    FigureCanvasAgg(figure)
    return figure


def write_foot(figure: Figure, lines: Sequence[str]) -> None:
    """Write lines at the foot of a figure, which needs `FOOT_LINE_INCHES` for each."""
    width, height = figure.get_size_inches()
    for k, line in enumerate(reversed(lines)):
        at = (0.12 / width, (0.10 + k * FOOT_LINE_INCHES) / height)
        figure.add_artist(make_text(line, SMALL_POINTS, PALE_INK, at, figure.transFigure))


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file's content."""
    buffer = io.BytesIO()
    # Unlike savefig, this follows none of the user's savefig settings.
    FigureCanvasAgg(figure).print_png(buffer)  # type: ignore[no-untyped-call]  # Matplotlib has no types here
    return buffer.getvalue()


def draw_axes(axes: Axes, prepared: TradeoffFigure) -> None:
    """Draw everything of a tradeoff that stands between its axes, but labels."""
    frame(axes, prepared.x, prepared.y)
    if prepared.message:
        tell(axes, prepared.message)
        return
    hint(axes, prepared.better_hint)
    if prepared.staircase:
        draw_staircase(axes, prepared.staircase)
        draw_key(axes)
    for point in prepared.points:
        draw_point(axes, point, tell_frontier=bool(prepared.staircase))


def frame(axes: Axes, x: Axis, y: Axis) -> None:
    """Set limits, ticks, labels and grid lines, and draw nothing between them."""
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=INK, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xscale("log" if x.is_log else "linear")
    axes.set_yscale("log" if y.is_log else "linear")
    for axis, values in ((axes.xaxis, x), (axes.yaxis, y)):
        axis.set_ticks(values.ticks, values.tick_labels)
        axis.set_tick_params(which="major", color=INK, width=0.8, length=3.5, pad=3.5, direction="out")
        literal: dict[str, Any] = {"color": INK, "usetex": False, "parse_math": False}
        for label in axis.get_ticklabels():
            label.set(fontproperties=font(LABEL_POINTS), **literal)
        axis.set_label_text(values.label, fontproperties=font(9.5), **literal)
        axis.labelpad = 5.0
    axes.minorticks_off()
    axes.tick_params(bottom=True, left=True, labelbottom=True, labelleft=True)
    axes.tick_params(top=False, right=False, labeltop=False, labelright=False)
    axes.grid(visible=True, which="major", color=_GRID, linewidth=0.6, linestyle="-", alpha=1.0)
    axes.set_xlim(x.low, x.high)
    axes.set_ylim(y.low, y.high)


def tell(axes: Axes, message: str) -> None:
    """Say in the middle of empty axes why they are empty."""
    text = make_text(message, 11.0, PALE_INK, (0.5, 0.5), axes.transAxes)
    text.set(horizontalalignment="center")
    axes.add_artist(text)


def hint(axes: Axes, text: str) -> None:
    """Say something small above the axes, at the left."""
    above = axes.transAxes + Affine2D().translate(0.0, 4.5 * PX)
    axes.add_artist(make_text(text, SMALL_POINTS, PALE_INK, (0.0, 1.0), above))


def draw_staircase(axes: Axes, corners: Sequence[tuple[float, float]]) -> None:
    """Draw the frontier's line."""
    axes.add_line(make_line(*zip(*corners, strict=True), colour=PALE_INK, width=1.2, zorder=2.1))


def draw_point(axes: Axes, point: Point, *, tell_frontier: bool, points: float | None = None) -> None:
    """Draw a setup: its box, its bars, its marker, which may have a size of its own."""
    if point.x_box is not None and point.y_box is not None:
        (left, right), (low, high) = point.x_box, point.y_box
        box = Rectangle((left, low), right - left, high - low, gid=BOX_GID)
        box.set(facecolor=point.colour, edgecolor=point.colour, alpha=0.14, linewidth=0.8, zorder=2.0)
        axes.add_patch(box)
    for bar, cap in ((point.x_bar, "|"), (point.y_bar, "_")):
        if bar is not None:
            xs, ys = (bar, (point.y, point.y)) if cap == "|" else ((point.x, point.x), bar)
            line = make_line(xs, ys, colour=point.colour, width=1.1, zorder=2.3)
            line.set(marker=cap, markersize=2 * CAP_POINTS, markeredgewidth=1.1)
            axes.add_line(line)
    marker = make_marker(
        point.marker,
        points or marker_points(point),
        colour=point.colour,
        on_frontier=point.on_frontier if tell_frontier else None,
    )
    marker.set_data([point.x], [point.y])
    axes.add_line(marker)


def draw_key(axes: Axes) -> None:
    """Explain the frontier's marks above the axes, where no point can be."""
    entries = {
        "on the frontier": make_marker("o", 6.5, colour=GREY, on_frontier=True),
        "dominated": make_marker("o", 6.5, colour=GREY, on_frontier=False),
        "frontier": make_line((), (), colour=PALE_INK, width=1.2, zorder=2.0),
    }
    key = axes.legend(
        [*entries.values()],
        [*entries],
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=len(entries),
        frameon=False,
        prop=font(SMALL_POINTS),
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


def marker_points(point: Point) -> float:
    """Make a covered marker larger, so that it shows behind the ones drawn over it."""
    return MARKER_POINTS + 3.5 * min(point.n_covering, 4)
