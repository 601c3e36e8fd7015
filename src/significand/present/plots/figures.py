"""What the plots show, prepared from summary rows: units, labels, limits, bars, notes and the frontier.

Everything here is plain values in the units of the axes; `significand.present.plots.write` draws them as they are.
"""

import math
from collections.abc import Sequence

from significand.analysis.pareto import frontier
from significand.meters.energy import CPU_TIME
from significand.plan.metrics import SPECIFIED, Metric
from significand.plan.phrases import merged
from significand.present.axes import choose_axis, possible_part, score_axis
from significand.present.plots.drawn import Point, TradeoffFigure
from significand.present.rows import (
    Cell,
    SummaryRow,
    cell,
    energy_estimated,
    made_up,
    metrics_in,
    mode_names,
    number,
    quality_of,
    repeats,
    sequential,
)
from significand.present.styles import frontier_steps, mode_styles, setup_labels
from significand.present.words.network import MADE_UP
from significand.present.words.numbers import choose_unit, in_sentence, probability, span

SMALLEST_DRAWN, LARGEST_DRAWN = 1e-100, 1e100
"""Sizes beyond which an axis has no numbers any more. No cost of anything is near them."""


def tradeoff_figure(rows: Sequence[SummaryRow], cost: str) -> TradeoffFigure:
    """Prepare the score, of training where there is one, against a cost.

    Parameters
    ----------
    rows
        Summary rows with the specified keys (``precision_mode``, ``repeats``, ``<metric>_mean``, ...).
    cost
        The metric on the horizontal axis: ``latency``, ``energy``, ``memory`` or ``train_time``.

    Returns
    -------
    TradeoffFigure
        With an empty staircase.

    Raises
    ------
    ValueError
        If a row lacks its mode or its repeats, or holds something else than a number where one belongs.
    """
    return _figure(rows, cost, with_frontier=False)


def pareto_figure(rows: Sequence[SummaryRow], *, bare: bool = False) -> TradeoffFigure:
    """Prepare the Pareto frontier: latency minimised against accuracy maximised, by the means.

    Parameters
    ----------
    rows
        As for `tradeoff_figure`.
    bare
        Without boxes and probabilities.

    Returns
    -------
    TradeoffFigure
        With the frontier's line, and every point marked as on it or off it.

    Raises
    ------
    ValueError
        As for `tradeoff_figure`.
    """
    return _figure(rows, "latency", with_frontier=True, bare=bare)


def _figure(rows: Sequence[SummaryRow], cost: str, *, with_frontier: bool, bare: bool = False) -> TradeoffFigure:
    modes = mode_names(rows)
    labels = setup_labels(rows, modes)
    tells_chances = with_frontier and not bare
    if tells_chances:
        labels = [f"{label}{_chance(row)}" for label, row in zip(labels, rows, strict=True)]
    styles = mode_styles(modes)
    costs = [_with_drawn_bar(cell(row, cost)) for row in rows]
    quality, metrics = quality_of(rows), metrics_in(rows)
    accuracies = [_with_drawn_bar(cell(row, quality)) for row in rows]
    drawn = [i for i in range(len(rows)) if _can_be_drawn(costs[i].mean) and _can_be_drawn(accuracies[i].mean)]

    x_size, x_unit = choose_unit(metrics[cost], [costs[i].mean for i in drawn])
    y_size, y_unit = choose_unit(metrics[quality], [accuracies[i].mean for i in drawn])
    x_cells = [costs[i].in_unit(x_size) for i in drawn]
    y_cells = [accuracies[i].in_unit(y_size) for i in drawn]
    details = [x_unit, _energy_origin(rows)] if metrics[cost].may_be_estimated else [x_unit]
    x_boxes = [_box(rows[i], cost, x_size) if tells_chances else None for i in drawn]
    y_boxes = [_box(rows[i], quality, y_size) if tells_chances else None for i in drawn]
    x_axis = choose_axis(metrics[cost].axis_title, details, _widest(x_cells, x_boxes))
    score = metrics[quality]
    y_axis = score_axis(score, score.axis_title, (y_size, y_unit), _widest(y_cells, y_boxes))

    on_frontier = frontier([x.mean for x in x_cells], [y.mean for y in y_cells])
    spots = [(x.mean, y.mean) for x, y in zip(x_cells, y_cells, strict=True)]
    points = tuple(
        Point(
            row=i,
            label=labels[i],
            colour=styles[modes[i]].colour,
            marker=styles[modes[i]].marker,
            x=spots[k][0],
            y=spots[k][1],
            x_bar=x_cells[k].bar,
            y_bar=possible_part(score, y_cells[k].bar, y_size),
            n_covering=spots[k + 1 :].count(spots[k]),
            on_frontier=bool(on_frontier[k]),
            x_box=x_boxes[k],
            y_box=possible_part(score, y_boxes[k], y_size),
        )
        for k, i in enumerate(drawn)
    )
    members = sorted({(point.x, point.y) for point in points if point.on_frontier})
    return TradeoffFigure(
        x=x_axis,
        y=y_axis,
        points=points,
        staircase=frontier_steps(members, y_axis.low, x_axis.high) if with_frontier else (),
        better_hint="↖ better: up and to the left",
        footnote=_footnote(
            [repeats(rows[i]) for i in drawn],
            with_frontier=with_frontier,
            with_boxes=any(point.x_box and point.y_box for point in points),
            with_chances=tells_chances and any(_chance(rows[i]) for i in drawn),
            with_sequential=any(sequential(rows[i]) for i in drawn),
            with_made_up=made_up(rows),
        ),
        notes=_notes(rows, labels, cost, drawn),
        message="" if drawn else _message(rows, metrics[cost]),
    )


def _message(rows: Sequence[SummaryRow], cost: Metric) -> str:
    """Say why nothing is drawn."""
    if not rows:
        return "There are no results to show"
    only_inferred = quality_of(rows) == "test_accuracy" and cost.per == "epoch"
    if only_inferred and not any(math.isfinite(number(row, f"{cost.name}_mean")) for row in rows):
        return f"Nothing was trained: there is no {in_sentence(cost.axis_title)}"
    return "No setup has both values to show"


def _can_be_drawn(value: float) -> bool:
    return value == 0 or SMALLEST_DRAWN <= abs(value) <= LARGEST_DRAWN  # NaN is neither


def _with_drawn_bar(one: Cell) -> Cell:
    return one if one.half_width <= LARGEST_DRAWN else Cell(one.mean, math.nan)


def _widest(cells: Sequence[Cell], boxes: Sequence[tuple[float, float] | None]) -> list[Cell]:
    """Widen the cells where a box reaches beyond the bar, so that the axis holds both."""
    halves = [0.0 if box is None else (box[1] - box[0]) / 2 for box in boxes]
    return [
        Cell(one.mean, max(half, one.half_width) if one.bar else half or one.half_width)
        for one, half in zip(cells, halves, strict=True)
    ]


def _box(row: SummaryRow, metric: str, size: float) -> tuple[float, float] | None:
    """Return the t interval of a metric in the unit of its axis; None where there is none."""
    ends = [number(row, f"{metric}_ci95_t_{end}") for end in ("low", "high")]
    known = repeats(row) >= 2 and all(abs(end) <= LARGEST_DRAWN for end in ends)
    return (ends[0] / size, ends[1] / size) if known else None


def _chance(row: SummaryRow) -> str:
    """Say how probable it is that the setup is on the frontier; nothing where the row does not know."""
    chance = probability(number(row, "p_on_pareto_frontier"))
    return chance and f", P {chance}"


def _energy_origin(rows: Sequence[SummaryRow]) -> str:
    """Say whether the energy was measured; nothing where the rows do not say it."""
    estimated = [row for row in rows if energy_estimated(row)]
    if not estimated:
        return "measured" if rows and all(row.get("energy_kind") for row in rows) else ""
    from_cpu_time = all(row.get("energy_source") == CPU_TIME for row in estimated)
    partly = "partly " if len(estimated) < len(rows) else ""
    return f"{partly}estimated{' from CPU time' if from_cpu_time else ''}"


def _notes(rows: Sequence[SummaryRow], labels: Sequence[str], cost: str, drawn: Sequence[int]) -> tuple[str, ...]:
    """Say what a reader would otherwise miss: setups without a point, failed runs, bars not given."""
    notes: list[tuple[str, str]] = []
    quality, metrics = quality_of(rows), metrics_in(rows)
    specified = {quality if one.name == "accuracy" else one.name for one in SPECIFIED}
    for i, row in enumerate(rows):
        missing = [name for name in specified if not math.isfinite(number(row, f"{name}_mean"))]
        if len(missing) == len(specified):
            notes.append((labels[i], "no finished run"))
            continue
        if i not in drawn:
            wanted = {name: in_sentence(metrics[name].axis_title) for name in (cost, quality)}
            if lacking := [title for name, title in wanted.items() if name in missing]:
                notes.append((labels[i], f"no value for {' and '.join(lacking)}"))
            notes += [
                (labels[i], f"{title} {number(row, f'{name}_mean'):.3g} cannot be drawn")
                for name, title in wanted.items()
                if name not in missing and not _can_be_drawn(number(row, f"{name}_mean"))
            ]
        elif repeats(row) >= 2 and None in (
            _with_drawn_bar(cell(row, cost)).bar,
            _with_drawn_bar(cell(row, quality)).bar,
        ):
            notes.append((labels[i], "interval not given"))
        n_failed = number(row, "failed_runs")
        if n_failed >= 1:
            notes.append((labels[i], f"{n_failed:.0f} failed run{'s' if n_failed > 1 else ''}"))
    return tuple(f"{names}: {note}" for names, note in merged(notes))


def _footnote(
    counts: Sequence[int],
    *,
    with_frontier: bool,
    with_boxes: bool,
    with_chances: bool,
    with_sequential: bool,
    with_made_up: bool,
) -> str:
    several = {n for n in counts if n >= 2}
    parts = ["frontier: by the means alone"] if with_frontier and counts else []
    if with_chances:
        parts = ["frontier: by the means; P: probability of being on it, given the repeats"]
    if with_made_up:
        parts.insert(0, MADE_UP)
    if with_boxes:
        parts.append("boxes: 95 % t intervals")
    if several:
        parts.append(f"bars: 95 % interval of the mean over {span(several)} repeats, 1.96 × standard error")
    if several and with_sequential:
        parts.append("intervals are sequential: repeats went on until they were narrow")
    if len(several) < len(set(counts)):
        parts.append("no bar: a single repeat has no interval")
    return "; ".join(parts)
