"""What the plots show, prepared from summary rows: units, labels, limits, bars, notes and the frontier.

Everything here is plain values in the units of the axes; `significand.present.plots` draws them as they are.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.ticker import MaxNLocator

from significand.analysis.pareto import frontier

SummaryRow = Mapping[str, object]

_SHORT_NAME_CHARACTERS = 26
_LOG_RATIO = 15.0  # beyond this ratio of largest to smallest, a linear axis piles the small ones up
_MARGIN = 0.14  # of the span, on either side: room for the labels of the outermost points
_MIN_RELATIVE_SPAN = 0.1  # a narrower axis would make differences of a few per cent look like everything
_MIN_ACCURACY_SPAN_PP = 1.0  # percentage points; the same reason

# Okabe and Ito's colours stay distinct under the common colour vision deficiencies.
_MODE_STYLES = {
    "float64": ("#000000", "D"),
    "float32": ("#0072B2", "o"),
    "bfloat16": ("#009E73", "^"),
    "float16": ("#D55E00", "s"),
    "int8": ("#CC79A7", "v"),
    "int8-dynamic": ("#E69F00", ">"),
}
# Five colours and seven markers share no factor, so 35 further names differ in the pair.
_FURTHER_COLOURS = ("#56B4E9", "#7A4B2A", "#7F7F7F", "#332288", "#882255")
_FURTHER_MARKERS = ("X", "<", "P", "p", "h", "*", "d")


@dataclass(frozen=True)
class Metric:
    """One measured quantity: its title and the units to show it in, as (size in the row's unit, name)."""

    title: str
    units: tuple[tuple[float, str], ...]


METRICS = {
    "train_time": Metric("Training time per epoch", ((1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s"))),
    "latency": Metric("Inference latency per sample", ((1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s"))),
    "memory": Metric("Peak memory", ((1e-6, "B"), (1e-3, "kB"), (1.0, "MB"), (1e3, "GB"))),
    "accuracy": Metric("Training accuracy", ((0.01, "%"),)),
    "energy": Metric("Energy per epoch", ((1e-6, "µJ"), (1e-3, "mJ"), (1.0, "J"), (1e3, "kJ"))),
}


@dataclass(frozen=True)
class Axis:
    """One axis: its label with the unit, its limits and its ticks, all in that unit."""

    label: str
    low: float
    high: float
    ticks: tuple[float, ...]
    tick_labels: tuple[str, ...]
    is_log: bool


@dataclass(frozen=True)
class Point:
    """One setup in axis units: its means, and the ends of its bars (None: no interval, so no bar)."""

    label: str
    colour: str
    marker: str
    x: float
    y: float
    x_bar: tuple[float, float] | None
    y_bar: tuple[float, float] | None
    n_covering: int  # later points on the very same spot, which would hide this one
    on_frontier: bool


@dataclass(frozen=True)
class TradeoffFigure:
    """All that one plot shows. Without points, `message` says why."""

    x: Axis
    y: Axis
    points: tuple[Point, ...]
    staircase: tuple[tuple[float, float], ...]  # the corners of the frontier's line; empty where none is drawn
    better_hint: str
    footnote: str
    notes: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class _Cell:
    """The mean of one metric in one row and the half-width of its interval, in the row's unit."""

    mean: float
    half_width: float | None

    @property
    def bar(self) -> tuple[float, float] | None:
        """The ends of the interval."""
        return None if self.half_width is None else (self.mean - self.half_width, self.mean + self.half_width)


def tradeoff_figure(rows: Sequence[SummaryRow], cost: str) -> TradeoffFigure:
    """Prepare training accuracy against a cost.

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


def pareto_figure(rows: Sequence[SummaryRow]) -> TradeoffFigure:
    """Prepare the Pareto frontier: latency minimised against accuracy maximised, by the means.

    Parameters
    ----------
    rows
        As for `tradeoff_figure`.

    Returns
    -------
    TradeoffFigure
        With the frontier's line, and every point marked as on it or off it.

    Raises
    ------
    ValueError
        As for `tradeoff_figure`.
    """
    return _figure(rows, "latency", with_frontier=True)


def setup_labels(rows: Sequence[SummaryRow]) -> list[str]:
    """Name every setup as short as tells it apart.

    Parameters
    ----------
    rows
        As for `tradeoff_figure`.

    Returns
    -------
    list of str
        For each row its mode; the engine too where there are several; and the format that it really ran in
        where that is not the one that the mode infers in, as in ``"float16 (ran as float32)"``. Long names
        are shortened.

    Raises
    ------
    ValueError
        If a row lacks its mode.
    """
    several_engines = len({str(row["engine"]) for row in rows if row.get("engine")}) > 1
    labels = []
    for index, row in enumerate(rows):
        mode, engine, effective = _mode(row, index), row.get("engine"), row.get("effective_precision")
        label = _short(mode) or "(no name)"
        if engine and several_engines:
            label += f", {_short(str(engine))}"
        if effective and effective != ("int8" if mode == "int8-dynamic" else mode):
            label += f" (ran as {_short(str(effective))})"
        labels.append(label)
    return labels


def choose_unit(metric: str, means: Sequence[float]) -> tuple[float, str]:
    """Choose the largest unit in which the largest of the means is at least 1.

    Parameters
    ----------
    metric
        A key of `METRICS`.
    means
        Finite means in the unit of the summary rows.

    Returns
    -------
    tuple of float and str
        The unit's size in the rows' unit, by which to divide, and its name.
    """
    units = METRICS[metric].units
    peak = max(map(abs, means), default=0.0) or 1.0
    return next(((size, name) for size, name in reversed(units) if size <= peak), units[0])


def _figure(rows: Sequence[SummaryRow], cost: str, *, with_frontier: bool) -> TradeoffFigure:
    labels = setup_labels(rows)
    styles = _styles(_mode(row, index) for index, row in enumerate(rows))
    costs = [_cell(row, index, cost) for index, row in enumerate(rows)]
    accuracies = [_cell(row, index, "accuracy") for index, row in enumerate(rows)]
    drawn = [i for i in range(len(rows)) if math.isfinite(costs[i].mean) and math.isfinite(accuracies[i].mean)]

    x_size, x_unit = choose_unit(cost, [costs[i].mean for i in drawn])
    y_size, y_unit = choose_unit("accuracy", [accuracies[i].mean for i in drawn])
    x_cells = [_rescaled(costs[i], x_size) for i in drawn]
    y_cells = [_rescaled(accuracies[i], y_size) for i in drawn]
    details = [x_unit, _energy_origin(rows)] if cost == "energy" else [x_unit]
    x_axis = _axis(METRICS[cost].title, details, x_cells)
    y_axis = _axis(METRICS["accuracy"].title, [y_unit], y_cells, largest=100.0, min_span=_MIN_ACCURACY_SPAN_PP)

    on_frontier = frontier([cell.mean for cell in x_cells], [cell.mean for cell in y_cells])
    spots = [(x.mean, y.mean) for x, y in zip(x_cells, y_cells, strict=True)]
    points = tuple(
        Point(
            label=labels[i],
            colour=styles[_mode(rows[i], i)][0],
            marker=styles[_mode(rows[i], i)][1],
            x=spots[k][0],
            y=spots[k][1],
            x_bar=x_cells[k].bar,
            y_bar=y_cells[k].bar,
            n_covering=spots[k + 1 :].count(spots[k]),
            on_frontier=bool(on_frontier[k]),
        )
        for k, i in enumerate(drawn)
    )
    members = sorted({(point.x, point.y) for point in points if point.on_frontier})
    return TradeoffFigure(
        x=x_axis,
        y=y_axis,
        points=points,
        staircase=_staircase(members, x_axis, y_axis) if with_frontier else (),
        better_hint="↖ better: up and to the left",
        footnote=_footnote([_repeats(rows[i], i) for i in drawn], with_frontier=with_frontier),
        notes=_notes(rows, labels, cost, drawn),
        message="" if drawn else ("No setup has both values to show" if rows else "There are no results to show"),
    )


def _mode(row: SummaryRow, index: int) -> str:
    mode = row.get("precision_mode")
    if mode is None:
        raise ValueError(
            f"summary row {index}: precision_mode is missing; the keys are {sorted(row)}. "
            "Give rows as run_repeated_benchmarks returns them."
        )
    return str(mode)


def _number(row: SummaryRow, index: int, key: str) -> float:
    """Read a number; a missing, None or empty cell (as in the CSV) is NaN."""
    value = row.get(key)
    if value is None or value == "":
        return math.nan
    try:
        return float(value)  # type: ignore[arg-type]  # anything that converts is welcome; the rest is refused
    except (TypeError, ValueError):
        raise ValueError(
            f"summary row {index}: {key} is {value!r}; it must be a number. Leave it out or give None where "
            "there is no value."
        ) from None


def _repeats(row: SummaryRow, index: int) -> int:
    repeats = _number(row, index, "repeats")
    if not (math.isfinite(repeats) and repeats >= 0):
        raise ValueError(
            f"summary row {index}: repeats is {row.get('repeats')!r}; it must be a count of 0 or more. "
            "Without it, nobody can say what a bar means."
        )
    return int(repeats)


def _cell(row: SummaryRow, index: int, metric: str) -> _Cell:
    half_width = _number(row, index, f"{metric}_ci95")
    has_interval = _repeats(row, index) >= 2 and math.isfinite(half_width) and half_width >= 0
    return _Cell(_number(row, index, f"{metric}_mean"), half_width if has_interval else None)


def _rescaled(cell: _Cell, size: float) -> _Cell:
    return _Cell(cell.mean / size, None if cell.half_width is None else cell.half_width / size)


def _styles(modes: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Give every mode its colour and marker; names beyond the six are numbered in their order."""
    styles = dict(_MODE_STYLES)
    for mode in modes:
        k = len(styles) - len(_MODE_STYLES)
        further = _FURTHER_COLOURS[k % len(_FURTHER_COLOURS)], _FURTHER_MARKERS[k % len(_FURTHER_MARKERS)]
        styles.setdefault(mode, further)
    return styles


def _short(text: str) -> str:
    """Shorten in the middle, since names tend to differ at their ends; make control characters visible."""
    visible = "".join(character if character.isprintable() else "\ufffd" for character in text)
    if len(visible) <= _SHORT_NAME_CHARACTERS:
        return visible
    tail = _SHORT_NAME_CHARACTERS // 3
    return f"{visible[: _SHORT_NAME_CHARACTERS - tail - 1]}…{visible[-tail:]}"


def _energy_origin(rows: Sequence[SummaryRow]) -> str:
    """Say whether the energy was measured; nothing where the rows do not say it."""
    kinds = [row.get("energy_kind") or None for row in rows]
    estimated = [row for row, kind in zip(rows, kinds, strict=True) if kind not in (None, "measured")]
    if not estimated:
        return "measured" if kinds and None not in kinds else ""
    sources = [str(row.get("energy_source", "")).lower() for row in estimated]
    from_cpu_time = all("cpu" in source and "time" in source for source in sources)
    partly = "partly " if len(estimated) < len(rows) else ""
    return f"{partly}estimated{' from CPU time' if from_cpu_time else ''}"


def _notes(rows: Sequence[SummaryRow], labels: Sequence[str], cost: str, drawn: Sequence[int]) -> tuple[str, ...]:
    """Say what a reader would otherwise miss: setups without a point, failed runs, bars not given."""
    notes = []
    for i, row in enumerate(rows):
        missing = [name for name in METRICS if not math.isfinite(_number(row, i, f"{name}_mean"))]
        if len(missing) == len(METRICS):
            notes.append(f"{labels[i]}: no finished run")
            continue
        if i not in drawn:
            wanted = [METRICS[name].title.lower() for name in (cost, "accuracy") if name in missing]
            notes.append(f"{labels[i]}: no value for {' and '.join(wanted)}")
        elif _repeats(row, i) >= 2 and None in (
            _cell(row, i, cost).half_width,
            _cell(row, i, "accuracy").half_width,
        ):
            notes.append(f"{labels[i]}: interval not given")
        n_failed = _number(row, i, "failed_runs")
        if n_failed >= 1:
            notes.append(f"{labels[i]}: {n_failed:.0f} failed run{'s' if n_failed > 1 else ''}")
    return tuple(notes)


def _footnote(repeats: Sequence[int], *, with_frontier: bool) -> str:
    several = sorted({n for n in repeats if n >= 2})
    parts = ["frontier: by the means alone"] if with_frontier and repeats else []
    if several:
        count = f"{several[0]}" if len(several) == 1 else f"{several[0]} to {several[-1]}"
        parts.append(f"bars: 95 % interval of the mean over {count} repeats, 1.96 × standard error")
    if len(several) < len(set(repeats)):
        parts.append("no bar: a single repeat has no interval")
    return "; ".join(parts)


def _axis(
    title: str,
    details: Sequence[str],
    cells: Sequence[_Cell],
    *,
    largest: float = math.inf,
    min_span: float = 0.0,
) -> Axis:
    """Choose limits around all bars with a margin, and ticks at round numbers from 0 to `largest`."""
    if not cells:
        return Axis(title, 0.0, 1.0, (), (), is_log=False)
    means = [cell.mean for cell in cells]
    ends = [end for cell in cells for end in (cell.bar or (cell.mean, cell.mean))]
    low, high = min(ends), max(ends)
    is_log = math.isinf(largest) and low > 0 and max(means) / min(means) >= _LOG_RATIO
    if is_log:
        margin = (high / low) ** _MARGIN
        low, high = low / margin, high * margin
        ticks = _log_ticks(low, high)
    else:
        span = max(high - low, min_span or _MIN_RELATIVE_SPAN * max(map(abs, means)) or 1.0)
        centre = (low + high) / 2
        low, high = centre - span * (0.5 + _MARGIN), centre + span * (0.5 + _MARGIN)
        floor = 0.0 if min(means) >= 0 else -math.inf
        ceiling = largest if max(means) <= largest else math.inf
        steps = MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        ticks = [float(tick) for tick in steps if max(low, floor) <= tick <= min(high, ceiling)]
    label = f"{title} ({', '.join([*filter(None, details), *(['log scale'] if is_log else [])])})"
    return Axis(label, low, high, tuple(ticks), _tick_labels(ticks, is_log=is_log), is_log)


def _log_ticks(low: float, high: float) -> list[float]:
    """Place ticks at 1, 2 and 5 times the powers of ten, or at fewer of them where these are too many."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    stride = 1 + len(decades) // 9
    factors = (1, 2, 5) if len(decades) <= 5 else (1,)
    ticks = [factor * 10.0**decade for decade in decades[::stride] for factor in factors]
    return [tick for tick in ticks if low <= tick <= high]


def _tick_labels(ticks: Sequence[float], *, is_log: bool) -> tuple[str, ...]:
    """Write ticks with just the decimals that tell them apart, never as an offset to a hidden number."""
    step = min((b - a for a, b in pairwise(ticks)), default=1.0)
    peak = max(map(abs, ticks), default=0.0)
    if is_log or peak >= 1e7 or step < 1e-6:
        return tuple(f"{tick:g}" for tick in ticks)
    decimals = next(d for d in range(9) if all(abs(round(tick, d) - tick) < step / 100 for tick in ticks))
    return tuple(f"{tick + 0.0:.{decimals}f}" for tick in ticks)


def _staircase(members: Sequence[tuple[float, float]], x_axis: Axis, y_axis: Axis) -> tuple[tuple[float, float], ...]:
    """Join the members (fastest first) by steps: at a given latency, the best accuracy that can be had."""
    corners = []
    reached = y_axis.low
    for x, y in members:
        corners += [(x, reached), (x, y)]
        reached = y
    return (*corners, (x_axis.high, reached)) if corners else ()
