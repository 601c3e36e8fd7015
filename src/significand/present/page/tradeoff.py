"""Accuracy against a cost: means with their boxes, single runs and the frontier, prepared for every pair of axes."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from significand.analysis.pareto import Zone, nondominated
from significand.plan.metrics import HELD_OUT
from significand.present.axes import choose_axis, possible_part, score_axis
from significand.present.page.setups import Mean, ShownMetric, ShownSetup, mean_of
from significand.present.plots.drawn import Axis
from significand.present.rows import Cell, made_up, repeats
from significand.present.styles import frontier_steps
from significand.present.words.network import MADE_UP
from significand.present.words.numbers import in_sentence, span

FRAME_PX = (680, 340)
"""Width and height of the chart for which the labels are placed."""

MOST_MISSING = 6
"""Setups without a point that are named."""

_MARKER_PX = 14.0
_CHARACTER_PX, _LINE_PX = 6.6, 15.0  # of the labels
_GAP_PX, _RISE_PX, _LINE_GAP_PX = 12.0, 18.0, 2.0  # beside a point, above and below it, from the frontier's line


@dataclass(frozen=True)
class MeanPoint:
    """A setup in the units of the axes.

    Attributes
    ----------
    setup
        Its index.
    x, y
        Means.
    x_box, y_box
        Their 95 % t intervals; None where there are none.
    on_frontier
        Whether no other mean is at least as good in both and better in one.
    label_px
        Where its label begins, in pixels right of and below the point; None where there is no room for it.
    """

    setup: int
    x: float
    y: float
    x_box: tuple[float, float] | None
    y_box: tuple[float, float] | None
    on_frontier: bool
    label_px: tuple[float, float] | None = None


@dataclass(frozen=True)
class Tradeoff:
    """One pair of axes and what is drawn between them; `caption` says what to see."""

    cost: str
    accuracy: str
    x: Axis
    y: Axis
    points: tuple[MeanPoint, ...]
    steps: tuple[tuple[float, float], ...]
    caption: str


def axes_offered(metrics: Mapping[str, ShownMetric]) -> tuple[list[str], list[str]]:
    """Return the costs and accuracies to choose from: what was measured; an estimated energy restates CPU time.

    The held-out score comes first: it is what a network is shipped for.
    """
    scores = (name for name, metric in metrics.items() if metric.kind.part)
    return (
        [name for name, metric in metrics.items() if metric.kind.is_cost and not metric.estimated],
        sorted(scores, key=lambda name: name != HELD_OUT),
    )


def tradeoffs(setups: Sequence[ShownSetup], metrics: Mapping[str, ShownMetric]) -> list[Tradeoff]:
    """Prepare every pair of a cost and an accuracy, the costs of one accuracy after the other."""
    costs, accuracies = axes_offered(metrics)
    return [tradeoff(setups, metrics[cost], metrics[accuracy]) for accuracy in accuracies for cost in costs]


def tradeoff(setups: Sequence[ShownSetup], cost: ShownMetric, accuracy: ShownMetric) -> Tradeoff:
    """Prepare one pair of axes. Setups without both means have no point, and the caption names them."""
    means = [(setup, mean_of(setup.row, cost), mean_of(setup.row, accuracy)) for setup in setups]
    drawn = [(setup, x, y) for setup, x, y in means if math.isfinite(x.value) and math.isfinite(y.value)]
    values = np.array([[x.value, y.value] for _, x, y in drawn]).reshape(-1, 2)
    members = nondominated(values, [False, True], [Zone(share=cost.zone), Zone(size=accuracy.zone / accuracy.size)])
    best = nondominated(values, [False, True])
    x_axis = choose_axis(cost.title, [cost.unit], _extent(drawn, cost, which=1))
    y_axis = score_axis(
        accuracy.kind, accuracy.kind.axis_title, (accuracy.size, accuracy.unit), _extent(drawn, accuracy, which=2)
    )
    points = [
        MeanPoint(
            setup.index, x.value, y.value, x.bounds, possible_part(accuracy.kind, y.bounds, accuracy.size), bool(on)
        )
        for (setup, x, y), on in zip(drawn, members, strict=True)
    ]
    on_line = sorted({(point.x, point.y) for point, on in zip(points, best, strict=True) if on})
    steps = frontier_steps(on_line, y_axis.low, x_axis.high)
    places = _label_places(points, [setup.label for setup, _, _ in drawn], steps, x_axis, y_axis)
    return Tradeoff(
        cost.name,
        accuracy.name,
        x_axis,
        y_axis,
        tuple(replace(point, label_px=at) for point, at in zip(points, places, strict=True)),
        steps,
        _caption(setups, drawn, cost, accuracy, near=bool((members & ~best).any())),
    )


def part_of(figure: Tradeoff, members: Collection[int]) -> Tradeoff:
    """Return the same axes and frontier with some setups' points alone; a legend tells them, not labels."""
    points = tuple(replace(point, label_px=None) for point in figure.points if point.setup in members)
    return replace(figure, points=points)


def _extent(drawn: Sequence[tuple[ShownSetup, Mean, Mean]], metric: ShownMetric, which: int) -> list[Cell]:
    """Return what an axis must hold: the means with their intervals, and the outermost runs."""
    cells = []
    for setup, *means in drawn:
        mean = means[which - 1]
        cells.append(Cell(mean.value, (mean.high - mean.low) / 2))
        values = setup.runs.numbers(metric.column) / metric.size
        known = values[np.isfinite(values)]
        cells += [Cell(float(end), math.nan) for end in (known.min(), known.max())]
    return cells


def _label_places(
    points: Sequence[MeanPoint], labels: Sequence[str], steps: Sequence[tuple[float, float]], x: Axis, y: Axis
) -> list[tuple[float, float] | None]:
    """Find room around each point for its label, or say that there is none.

    The frontier is named first, and rather across its own line or a little farther off than not at all.
    """
    spots = [_on_frame(point.x, point.y, x, y) for point in points]
    taken = [_box(left, top, left, top, _MARKER_PX / 2) for left, top in spots]
    corners = [_on_frame(*corner, x, y) for corner in steps]
    line = [_box(*start, *end, _LINE_GAP_PX) for start, end in pairwise(corners)]
    places: list[tuple[float, float] | None] = [None] * len(points)
    for place in sorted(range(len(points)), key=lambda k: not points[k].on_frontier):
        (left, top), width = spots[place], len(labels[place]) * _CHARACTER_PX
        tries = [(_beside(width), [*line, *taken])]
        if points[place].on_frontier:
            tries += [(_around(width), [*line, *taken]), (_beside(width), taken), (_around(width), taken)]
        for shifts, obstacles in tries:
            boxes = [
                (by, _box(left + by[0], top + by[1], left + by[0] + width, top + by[1], _LINE_PX / 2)) for by in shifts
            ]
            free = next(
                (one for one in boxes if _inside(one[1]) and not any(_overlap(one[1], b) for b in obstacles)), None
            )
            if free:
                places[place] = free[0]
                taken.append(free[1])
                break
    return places


def _beside(width: float) -> list[tuple[float, float]]:
    """Return where a label may begin: right of, left of, above or below its point."""
    return [(_GAP_PX, 0.0), (-_GAP_PX - width, 0.0), (-width / 2, -_RISE_PX), (-width / 2, _RISE_PX)]


def _around(width: float) -> list[tuple[float, float]]:
    """Return the places between these, and those up to two lines farther up and down."""
    starts = (0.0, -width, -width / 2, _GAP_PX, -_GAP_PX - width)
    rises = (_RISE_PX, _RISE_PX + _LINE_PX, _RISE_PX + 2 * _LINE_PX)
    return [(start, sign * rise) for rise in rises for start in starts for sign in (-1, 1)]


def _box(x1: float, y1: float, x2: float, y2: float, margin: float) -> tuple[float, float, float, float]:
    return min(x1, x2) - margin, min(y1, y2) - margin, max(x1, x2) + margin, max(y1, y2) + margin


def _inside(box: tuple[float, float, float, float]) -> bool:
    return box[0] >= 0 and box[1] >= 0 and box[2] <= FRAME_PX[0] and box[3] <= FRAME_PX[1]


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _on_frame(x: float, y: float, x_axis: Axis, y_axis: Axis) -> tuple[float, float]:
    """Return a position in pixels from the left and from the top of the frame."""
    return _share(x, x_axis) * FRAME_PX[0], (1 - _share(y, y_axis)) * FRAME_PX[1]


def _share(value: float, axis: Axis) -> float:
    """Return where a value lies on its axis: 0 at the low end, 1 at the high one."""
    scale = math.log if axis.is_log else float
    low, high = scale(axis.low), scale(axis.high)
    return (scale(value) - low) / (high - low)


def _caption(
    setups: Sequence[ShownSetup],
    drawn: Sequence[tuple[ShownSetup, Mean, Mean]],
    cost: ShownMetric,
    accuracy: ShownMetric,
    *,
    near: bool,
) -> str:
    flagged = [f"{MADE_UP.capitalize()}."] if made_up([setup.row for setup in setups]) else []
    parts = [*flagged, "Better is up and to the left."]
    counts = {repeats(setup.row) for setup, _, _ in drawn}
    if any(x.bounds and y.bounds for _, x, y in drawn):
        parts.append(f"Marker: mean over {span(counts)} runs; box: 95 % t intervals of both means; faint: single runs.")
    if min(counts, default=2) < 2:
        parts.append("A single run has no interval, so no box.")
    if drawn:
        parts.append(
            "Filled and on the line: the frontier by the means, which no other mode beats in both. Hollow: beaten."
        )
    if near:
        parts.append("Filled and off the line: as good as one on it, by what was said not to matter.")
    points = {setup.index for setup, _, _ in drawn}
    missing = [setup for setup in setups if setup.index not in points]
    if len(missing) > MOST_MISSING:
        parts.append(f"Not shown: {len(missing)} of {len(setups)} setups, without a mean in both.")
    else:
        for setup in missing:
            what = (
                f"no {in_sentence(cost.title)} or {in_sentence(accuracy.title)}"
                if len(setup.runs)
                else "no finished run"
            )
            parts.append(f"Not shown: {setup.label}, {what}.")
    return " ".join(parts)
