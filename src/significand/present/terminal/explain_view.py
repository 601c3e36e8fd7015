"""What a terminal shows of the operators of setups: where the time goes, and what each computes in."""

import math
from collections.abc import Iterator, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from significand.answers.explain import CONVERSIONS, OTHERS, OUTSIDE, PRODUCTS, Explained, Ran
from significand.plan.metrics import METRICS
from significand.present.rows import visible
from significand.present.words.numbers import by_share, choose_unit, per_cent
from significand.present.words.operators import does, in_unit, numbers, operators_sentence, times_faster

PARTS = {PRODUCTS: "layers", CONVERSIONS: "convert", OTHERS: "other", OUTSIDE: "outside"}
"""Titles of the columns of a call's time."""

TEXTS = {"operator", "kind", "layers compute in", "computes in", "why"}
"""Headings of columns that hold no numbers, and may be wrapped."""

LEAST, GAP = 16, 3
"""Columns' characters: of a text, where it is not shorter; between two columns."""

MOST_ROWS = 20
"""Operators that are shown of a setup, those that take longest; the others as one row."""

FOOTNOTES = (
    "of the first repeat; times of operators by the engine's own profiler, in a process that is not timed",
    "times are scaled to the call that was timed, which was not profiled",
    "layers: what multiplies; convert: quantise, dequantise, cast, reorder, transpose; outside: the rest of the call",
)


def explain_view(setups: Sequence[Explained], *, in_full: bool = False) -> RenderableType:
    """Return a sentence and a row for each setup, and of a single one all that it runs.

    Parameters
    ----------
    setups
        As from `significand.answers.explain.explain`.
    in_full
        Whether to show every operator of each, not only those that take longest.
    """
    parts: list[RenderableType] = [_summary(setups), Text()]
    parts += [Text(operators_sentence(one, visible(one.setup))) for one in setups]
    if in_full or len(setups) == 1:
        for one in setups:
            parts += [Text(), Text(visible(one.setup), style="bold"), _operators(one, None if in_full else MOST_ROWS)]
    parts += [Text(), *(Text(line, style="dim") for line in FOOTNOTES)]
    return Group(*parts)


def _summary(setups: Sequence[Explained]) -> RenderableType:
    size, unit = choose_unit(METRICS["batch_latency_p50"], [one.latency_s for one in setups])
    rows = []
    for one in setups:
        times = [per_cent(one.share_of_time(one.times_s.get(part, math.nan))) for part in PARTS]
        formats = by_share(one.by_format) if one.by_format else "–"
        rows.append(
            (visible(one.setup), formats, in_unit(one.latency_s, size), *times, times_faster(one.layers_speedup))
        )
    return _Columns(("", "layers compute in", f"call, {unit}", *PARTS.values(), "layers ×"), rows)


def _operators(one: Explained, most: int | None) -> RenderableType:
    size, unit = choose_unit(METRICS["batch_latency_p50"], [one.latency_s])
    base = [visible(one.baseline.setup)] if one.baseline else []
    headings = ("operator", "kind", "computes in", "work", f"time, {unit}", "time", *base, "why")
    rows = (row if base else (*row[:6], row[7]) for row in _rows(one, most, size))
    return _Columns(headings, list(rows))


class _Columns:
    """A table, or where that would cut something off, a few lines per row, each value behind its heading."""

    def __init__(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self._headings = headings
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = self._widths(options.max_width)
        yield self._stacked() if widths is None else self._table(widths)

    def _widths(self, room: int) -> list[int] | None:
        """Return the columns' widths: what holds texts takes what is left; None where words would have to be cut."""
        columns = [
            [heading, *cells] for heading, cells in zip(self._headings, zip(*self._rows, strict=True), strict=True)
        ]
        most = [max(map(cell_len, column)) for column in columns]
        least = [
            min(longest, LEAST) if column[0] in TEXTS else longest
            for column, longest in zip(columns, most, strict=True)
        ]
        left = room - sum(least) - GAP * (len(columns) - 1) - 1
        if left < 0:
            return None
        for place, longest in enumerate(most):
            more = min(left, longest - least[place])
            least[place] += more
            left -= more
        return least

    def _table(self, widths: Sequence[int]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for heading, width in zip(self._headings, widths, strict=True):
            table.add_column(
                heading, width=width, overflow="fold", justify="left" if heading in {"", *TEXTS} else "right"
            )
        for row in self._rows:
            table.add_row(*row)
        return table

    def _stacked(self) -> Group:
        lines = [Text()]
        for name, *values in self._rows:
            told = [f"{head} {value}" for head, value in zip(self._headings[1:], values, strict=True) if value]
            lines += [Text(name, style="bold", overflow="fold"), Text(f"  {'; '.join(told)}", overflow="fold")]
        return Group(*lines)


def _rows(one: Explained, most: int | None, size: float) -> Iterator[tuple[str, ...]]:
    """Write the operators, those that take longest first, then what is left over, so that shares add up to 100 %."""
    ordered = one.slowest_first
    shown, others = ordered[:most], ordered[len(ordered[:most]) :]
    for ran in shown:
        name, kind = visible(ran.name), visible(ran.kind)
        yield (name, kind, does(ran), *numbers(one, ran, size), visible(ran.note))
    if others:
        rest = Ran("", "", "", False, sum(ran.share_of_work for ran in others), _sum(others), "")
        yield (f"{len(others)} others", "", "", *numbers(one, rest, size), "")
    if one.times_s:
        outside_s = one.times_s[OUTSIDE]
        yield (OUTSIDE, "", "", "", in_unit(outside_s, size), per_cent(one.share_of_time(outside_s)), "", "")


def _sum(operators: Sequence[Ran]) -> float:
    return sum(ran.time_s for ran in operators if math.isfinite(ran.time_s))
