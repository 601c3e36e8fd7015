"""Draw prepared plots of a grid: panels beside each other, and at the right what colours and markers mean."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import IdentityTransform

from significand.present.plots.drawn import Axis, GridFigure, RatioFigure, RatioLine
from significand.present.plots.marks import INK, PALE_INK, make_line, make_marker, make_text
from significand.present.plots.paint import (
    CAP_POINTS,
    DPI,
    FOOT_LINE_INCHES,
    GREY,
    LABEL_POINTS,
    MARKER_POINTS,
    SMALL_POINTS,
    draw_point,
    draw_staircase,
    frame,
    hint,
    new_figure,
    tell,
    write_foot,
)

LEGEND_GID = "legend"

_MOST_COLUMNS = 3

# In inches.
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.80, 0.15, 0.38, 0.62
_SINGLE, _SMALL = (5.35, 3.45), (2.75, 2.05)  # axes of one panel, and of each of several
_BETWEEN = (0.30, 0.34)
_LINE = 0.185
_LEGEND_GAP, _LEGEND_INDENT = 0.25, 0.18
_X_TICK, _Y_TICK = 0.40, 0.20  # what the label of a tick needs
_CHARACTERS_PER_INCH = 16.5  # of the small font


def draw_grid(prepared: GridFigure) -> Figure:
    """Draw a tradeoff of a grid on a Figure with an Agg canvas of its own."""
    tells_frontier = bool(prepared.staircase)
    legend = _legend(prepared.colours, prepared.markers)
    if tells_frontier:
        legend += [
            (None, "frontier of all setups"),
            (make_marker("o", 6.5, colour=GREY, on_frontier=True), "on it"),
            (make_marker("o", 6.5, colour=GREY, on_frontier=False), "dominated"),
        ]
    # What is drawn first is larger, and shows behind what covers it.
    last = len(prepared.colours) - 1
    sizes = {colour: MARKER_POINTS - 1 + 1.6 * (last - k) for k, (_, colour) in enumerate(prepared.colours)}
    titles = [panel.title for panel in prepared.panels]
    foot = [prepared.footnote, "; ".join(prepared.notes)]
    figure, axes = _page(titles, prepared.x, prepared.y, prepared.better_hint, legend, foot)
    for one, panel in zip(axes, prepared.panels, strict=True):
        if prepared.message:
            tell(one, prepared.message)
        if prepared.staircase:
            draw_staircase(one, prepared.staircase)
        for point in panel.points:
            draw_point(one, point, tell_frontier=tells_frontier, points=sizes.get(point.colour, MARKER_POINTS))
    return figure


def draw_ratio(prepared: RatioFigure) -> Figure:
    """Draw ratios against an axis on a Figure with an Agg canvas of its own."""
    legend = _legend(prepared.colours, prepared.markers)
    titles = [panel.title for panel in prepared.panels]
    foot = [prepared.caption, prepared.footnote]
    figure, axes = _page(titles, prepared.x, prepared.y, prepared.better_hint, legend, foot)
    for one, panel in zip(axes, prepared.panels, strict=True):
        one.add_line(make_line((prepared.x.low, prepared.x.high), (1, 1), colour=PALE_INK, width=1.2, zorder=2.0))
        for series in panel.series:
            _draw_series(one, series)
    return figure


def _draw_series(axes: Axes, series: RatioLine) -> None:
    xs, ratios = [point.x for point in series.points], [point.ratio for point in series.points]
    axes.add_line(make_line(xs, ratios, colour=series.colour, width=1.0, zorder=2.2))
    for point in series.points:
        if point.interval:
            bar = make_line((point.x, point.x), point.interval, colour=series.colour, width=1.1, zorder=2.3)
            bar.set(marker="_", markersize=2 * CAP_POINTS, markeredgewidth=1.1)
            axes.add_line(bar)
        marker = make_marker(series.marker, MARKER_POINTS - 1, colour=series.colour, on_frontier=None)
        marker.set_data([point.x], [point.ratio])
        axes.add_line(marker)


def _legend(colours: Sequence[tuple[str, str]], markers: Sequence[tuple[str, str]]) -> list[tuple[Line2D | None, str]]:
    """Return what colours mean, then what markers mean."""
    entries: list[tuple[Line2D | None, str]] = []
    if colours:
        entries.append((None, "colour"))
        entries += [(make_line((), (), colour=colour, width=5.0, zorder=3), words) for words, colour in colours]
    if markers:
        entries.append((None, "marker"))
        entries += [(make_marker(shape, 6.5, colour=GREY, on_frontier=None), words) for words, shape in markers]
    return entries


def _page(
    titles: Sequence[str],
    x: Axis,
    y: Axis,
    better: str,
    legend: Sequence[tuple[Line2D | None, str]],
    foot: Sequence[str],
) -> tuple[Figure, list[Axes]]:
    """Make a figure with axes for every panel and a label for all, the legend at the right and sentences below."""
    count = len(titles)
    columns = min(count, _MOST_COLUMNS if count != 4 else 2)
    lines = math.ceil(count / columns)
    wide, high = _SINGLE if count == 1 else _SMALL
    across = columns * wide + (columns - 1) * _BETWEEN[0]
    down = lines * high + (lines - 1) * _BETWEEN[1]
    legend_wide = max((_LEGEND_INDENT + len(words) / _CHARACTERS_PER_INCH for _, words in legend), default=0.0) + 0.1
    width = _LEFT + across + (_LEGEND_GAP + legend_wide if legend else 0.0) + _RIGHT
    characters = int((width - 0.24) * _CHARACTERS_PER_INCH)
    below = [line for text in ([better] if count > 1 else []) + [*foot] for line in textwrap.wrap(text, characters)]
    bottom = _BOTTOM + FOOT_LINE_INCHES * len(below)
    height = bottom + max(down, len(legend) * _LINE) + _TOP
    figure = new_figure(width, height)
    made = []
    for k, title in enumerate(titles):
        line, column = divmod(k, columns)
        left = _LEFT + column * (wide + _BETWEEN[0])
        base = height - _TOP - (line + 1) * high - line * _BETWEEN[1]
        axes = figure.add_axes((left / width, base / height, wide / width, high / height), facecolor="white")
        frame(axes, thinned(x, wide / _X_TICK), thinned(y, high / _Y_TICK))
        axes.tick_params(labelbottom=k + columns >= count, labelleft=column == 0)
        hint(axes, title if count > 1 else better)
        made.append(axes)
    low = height - _TOP - down
    for label, at, turned in (
        (x.label, (_LEFT + across / 2, low - 0.42), 0),
        (y.label, (0.16, low + down / 2), 90),
    ):
        text = make_text(label, 9.5, INK, (at[0] / width, at[1] / height), figure.transFigure)
        text.set(rotation=turned, horizontalalignment="center", verticalalignment="baseline")
        if turned:
            text.set(horizontalalignment="left", verticalalignment="center")
        figure.add_artist(text)
    write_foot(figure, below)
    _draw_legend(figure, legend, (_LEFT + across + _LEGEND_GAP, height - _TOP))
    return figure, made


def thinned(axis: Axis, most: float) -> Axis:
    """Leave out the label, and ticks that there is no room for: of a logarithmic axis those between powers of ten."""
    ticks = list(zip(axis.ticks, axis.tick_labels, strict=True))
    powers = [one for one in ticks if axis.is_log and one[0] > 0 and math.log10(one[0]).is_integer()]
    if len(ticks) > most and len(powers) >= 2:
        ticks = powers
    ticks = ticks[:: max(1, math.ceil(len(ticks) / most))]
    kept = tuple(tick for tick, _ in ticks)
    return replace(axis, label="", ticks=kept, tick_labels=tuple(label for _, label in ticks))


def _draw_legend(figure: Figure, legend: Sequence[tuple[Line2D | None, str]], corner: tuple[float, float]) -> None:
    """Write the legend downwards from its upper left corner, in inches."""
    for k, (sign, words) in enumerate(legend):
        left, base = corner[0] * DPI, (corner[1] - (k + 0.75) * _LINE) * DPI
        indent = 0.0 if sign is None else _LEGEND_INDENT * DPI
        points = SMALL_POINTS if sign is None else LABEL_POINTS
        text = make_text(words, points, PALE_INK if sign is None else INK, (left + indent, base), IdentityTransform())
        text.set(gid=LEGEND_GID)
        figure.add_artist(text)
        if sign is not None:
            middle = base + 0.045 * DPI
            is_line = sign.get_marker() in ("none", "None", None)
            sign.set_data([left, left + 0.1 * DPI] if is_line else [left + 0.05 * DPI], [middle] * (1 + is_line))
            sign.set(transform=IdentityTransform(), clip_on=False)
            figure.add_artist(sign)
