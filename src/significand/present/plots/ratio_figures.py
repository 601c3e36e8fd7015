"""The ratio of the latency to the baseline's against batch size or threads, prepared: what plots and page draw."""

import math
from collections.abc import Sequence

from significand.analysis.comparison import Comparison
from significand.plan.metrics import LATENCY
from significand.present.axes import round_ticks
from significand.present.grid_styles import MARKERS
from significand.present.plots.drawn import Axis, RatioFigure, RatioLine, RatioPanel, RatioPoint
from significand.present.rows import SummaryRow, made_up, mode_names, repeats, sequential, visible
from significand.present.styles import mode_styles, shortened
from significand.present.varying import Grid, grid_of, ratio_of
from significand.present.words.grid import baseline_words, story_lines
from significand.present.words.network import MADE_UP
from significand.present.words.numbers import span
from significand.present.words.places import ORDERED, TITLES, place_words

MOST_SENTENCES = 4
"""In a caption."""


_MARGIN = 1.12
_FARTHEST = 8.0  # times the extreme ratio, beyond which an interval is cut off
_DODGE = 0.36  # of the distance between two values, over which the series are spread


def ratio_figures(rows: Sequence[SummaryRow], comparisons: Sequence[Comparison]) -> list[RatioFigure]:
    """Prepare a chart for each of batch size and threads that varies and on which there are ratios."""
    grid = grid_of(rows)
    if grid is None:
        return []
    figures = (_figure(axis, grid, rows, comparisons) for axis in ORDERED if axis in grid.values)
    return [figure for figure in figures if figure.panels]


def _figure(axis: str, grid: Grid, rows: Sequence[SummaryRow], comparisons: Sequence[Comparison]) -> RatioFigure:
    modes = mode_names(rows)
    styles = mode_styles(modes)
    ratios = {k: ratio_of(row, LATENCY.name) for k, row in enumerate(rows)}
    known = {k: one for k, one in ratios.items() if math.isfinite(one[0]) and one[0] > 0}
    engines = grid.values.get("engine", ("",))
    marker = {engine: MARKERS[k % len(MARKERS)] for k, engine in enumerate(engines)}
    others = [a for a in grid.values if a not in {axis, "precision", "engine"}]
    panels: dict[tuple[str, ...], dict[tuple[str, str], list[int]]] = {}
    for k in sorted(known, key=lambda k: [grid.values[a].index(grid.places[k][a]) for a in others]):
        place = grid.places[k]
        series = panels.setdefault(tuple(place[a] for a in others), {})
        series.setdefault((modes[k], place.get("engine", "")), []).append(k)
    names = list(dict.fromkeys(name for series in panels.values() for name in series))
    values = grid.values[axis]
    drawn_modes = list(dict.fromkeys(mode for mode, _ in names))
    drawn_engines = [engine for engine in engines if any(engine == one for _, one in names)]
    return RatioFigure(
        axis=axis,
        values=values,
        x=Axis(
            f"{TITLES[axis].capitalize()} (evenly spaced)",
            -0.5,
            len(values) - 0.5,
            tuple(map(float, range(len(values)))),
            tuple(map(shortened, values)),
            is_log=False,
        ),
        y=ratio_axis("Ratio of latency", list(known.values())),
        panels=tuple(
            RatioPanel(
                place_words(dict(zip(others, key, strict=True))),
                tuple(
                    RatioLine(
                        place_words({"precision": mode} | ({"engine": engine} if engine else {})),
                        styles[mode].colour,
                        marker[engine],
                        _points(
                            members,
                            [grid.places[k][axis] for k in members],
                            values,
                            known,
                            names.index(name),
                            len(names),
                        ),
                    )
                    for name, members in series.items()
                    for mode, engine in [name]
                ),
            )
            for key, series in panels.items()
        ),
        colours=tuple((shortened(mode), styles[mode].colour) for mode in drawn_modes),
        markers=tuple((shortened(engine), marker[engine]) for engine in drawn_engines)
        if len(drawn_engines) > 1
        else (),
        better_hint=f"↓ better: below 1 is faster than {visible(baseline_words(grid))}",
        caption=" ".join(map(str, story_lines(grid, rows, comparisons, MOST_SENTENCES))),
        footnote=_footnote(rows, known),
    )


def _points(
    members: Sequence[int],
    values_of: Sequence[str],
    values: Sequence[str],
    known: dict[int, tuple[float, float, float]],
    place: int,
    count: int,
) -> tuple[RatioPoint, ...]:
    """Place a series beside the others, so that their intervals do not hide each other."""
    shift = _DODGE * ((place + 0.5) / count - 0.5)
    points = []
    for k, value in zip(members, values_of, strict=True):
        ratio, low, high = known[k]
        at = values.index(value)
        points.append(RatioPoint(k, at, at + shift, ratio, (low, high) if math.isfinite(low) else None))
    return tuple(sorted(points, key=lambda point: point.value))


def ratio_axis(title: str, ratios: Sequence[tuple[float, float, float]]) -> Axis:
    """Choose a logarithmic axis that holds 1, all ratios, and their intervals unless these are without measure."""
    points = [ratio for ratio, _, _ in ratios] or [1.0]
    least, most = min(1.0, *points) / _FARTHEST, max(1.0, *points) * _FARTHEST
    bounds = [min(max(bound, least), most) for _, *both in ratios for bound in both if math.isfinite(bound)]
    low, high = min(1.0, *points, *bounds) / _MARGIN, max(1.0, *points, *bounds) * _MARGIN
    return Axis(f"{title} (log scale)", low, high, *_ticks(low, high), is_log=True)


def _ticks(low: float, high: float) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Place ticks at round ratios, 1 among them."""
    if high / low >= 6:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        factors = (1.0, 2.0, 5.0) if len(decades) <= 4 else (1.0,)
        ticks = [factor * 10.0**decade for decade in decades for factor in factors]
    else:
        ticks = round_ticks(low, high)
    kept = sorted({float(f"{tick:.6g}") for tick in (*ticks, 1.0) if low <= tick <= high})
    return tuple(kept), tuple(f"{tick:g}" for tick in kept)


def _footnote(rows: Sequence[SummaryRow], known: dict[int, tuple[float, float, float]]) -> str:
    parts = [*([MADE_UP] if made_up(rows) else []), "line at 1: as fast as the baseline"]
    if any(math.isfinite(low) for _, low, _ in known.values()):
        runs = span(repeats(rows[k]) for k in known)
        kind = "sequential t" if any(sequential(rows[k]) for k in known) else "t"
        parts.append(f"bars: 95 % {kind} intervals of the ratio, paired by repeat, over {runs} repeats")
    if any(math.isnan(low) for _, low, _ in known.values()):
        parts.append("no bar: a single pair has no interval")
    return "; ".join(parts)
