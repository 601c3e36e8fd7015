"""The summary of a grid in the terminal: a group per combination of what varies, a line per setup."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.text import Text

from significand.present.rows import Cell, SummaryRow, cell, metrics_in, number, other_format, quality_of, visible
from significand.present.varying import Grid, ratio_texts
from significand.present.words.findings import count, grid_findings
from significand.present.words.grid import baseline_words
from significand.present.words.numbers import unit_per, with_half_width

MARKS = {"*": "ran in another format", "!": "runs failed", "~": "steps disturbed by others"}
"""Behind a line; the sentences below the table say more."""

SHOWN = ("latency", "accuracy", "memory")
"""Metrics with a column; the ratio is that of the first."""

INDENT, GAP, MISSING = "  ", "  ", "–"


@dataclass(frozen=True)
class Line:
    """One setup as it is shown: texts, empty where there is nothing to say.

    Attributes
    ----------
    label
        What tells it from the others of its group.
    means
        By metric of `SHOWN`, the mean with its half-width, and the mean alone.
    ratio, interval
        To its baseline.
    marks
        Of `MARKS`.
    """

    label: str
    means: dict[str, tuple[str, str]]
    ratio: str
    interval: str
    marks: str


@dataclass(frozen=True)
class GridTable:
    """Groups of lines under their headings, and what stands at the head of the columns."""

    groups: Sequence[tuple[str, Sequence[Line]]]
    units: dict[str, str]
    against: str
    score: str
    judged: str

    @property
    def has_ratios(self) -> bool:
        """Whether any setup is compared."""
        return any(line.ratio for _, lines in self.groups for line in lines)


def grid_table(grid: Grid, rows: Sequence[SummaryRow]) -> GridTable:
    """Prepare the table: one unit per metric, that of the middle of all means, so that few numbers are long."""
    units = {}
    quality, metrics = quality_of(rows), metrics_in(rows)
    for name in SHOWN:
        source = quality if name == "accuracy" else name
        means = [mean for row in rows if math.isfinite(mean := number(row, f"{source}_mean"))]
        units[name] = unit_per(metrics[name], [median(means)] if means else [])
    groups = [
        (group.heading, [_line(grid, rows[k], k, units, quality) for k in group.members]) for group in grid.groups()
    ]
    return GridTable(
        groups,
        {name: unit for name, (_, unit) in units.items()},
        baseline_words(grid),
        metrics["accuracy"].heading,
        "train" if quality == "accuracy" else "test",
    )


def _line(grid: Grid, row: SummaryRow, index: int, units: dict[str, tuple[float, str]], quality: str) -> Line:
    ratio, interval = ratio_texts(row, SHOWN[0])
    cells = {
        name: cell(row, quality if name == "accuracy" else name).in_unit(size) for name, (size, _) in units.items()
    }
    return Line(
        label=grid.line_label(index),
        means={name: (with_half_width(one.mean, one.half_width), _alone(one)) for name, one in cells.items()},
        ratio=ratio,
        interval=interval,
        marks="".join(
            mark
            for mark, is_so in zip(
                MARKS, (other_format(row), count(row, "failed_runs"), count(row, "disturbed_steps")), strict=True
            )
            if is_so
        ),
    )


def _alone(one: Cell) -> str:
    """Write a mean without its half-width, with the digits that this supports."""
    return with_half_width(one.mean, one.half_width).partition("±")[0]


def grid_summary_view(grid: Grid, rows: Sequence[SummaryRow], lines_below: Sequence[str]) -> RenderableType:
    """Return the summary of a grid, as wide as the console allows: no digit is ever cut off.

    Parameters
    ----------
    lines_below
        What must be known to read the numbers.
    """
    prepared = grid_table(grid, rows)
    marks = {mark for _, lines in prepared.groups for line in lines for mark in line.marks}
    key = "; ".join(f"{mark} {told}" for mark, told in MARKS.items() if mark in marks)
    return Group(
        FirstThatFits(
            Group(*_table(prepared, SHOWN)),
            Group(*_table(prepared, SHOWN[:1])),
            Group(*_table(prepared, SHOWN[:1], gap=" ")),
            Group(*_stacked(prepared)),
        ),
        Text(),
        *(Text(line, style="dim") for line in (*lines_below, *([key] if key else []))),
        *(Text(line, style="yellow") for line in grid_findings(grid, rows)),
    )


def compared_words(grid: Grid, rows: Sequence[SummaryRow]) -> str:
    """Say what the ratios are; empty where there are none."""
    if not any(any(ratio_texts(row, SHOWN[0])) for row in rows):
        return ""
    return f"×: latency relative to {visible(baseline_words(grid))} with all else equal"


def _table(prepared: GridTable, with_half_widths: Sequence[str], gap: str = GAP) -> list[Text]:
    """Lay out a line per setup, below the heading of its group."""
    units = prepared.units
    against = ("against", visible(prepared.against)) if prepared.has_ratios else ("", "")
    judged = ", ".join(filter(None, [prepared.judged, units["accuracy"]]))
    head = ("", *against, "latency", prepared.score, "memory", "")
    below = ("", "", "", units["latency"], judged, f"peak, {units['memory']}", "")
    cells = [
        [
            (
                f"{INDENT if heading else ''}{line.label}",
                line.ratio,
                line.interval,
                line.means["latency"][0],
                *(line.means[name][name not in with_half_widths] for name in SHOWN[1:]),
                line.marks,
            )
            for line in lines
        ]
        for heading, lines in prepared.groups
    ]
    columns = zip(head, below, *(row for rows in cells for row in rows), strict=True)
    widths = [max(map(cell_len, column)) for column in columns]
    lines = [_row(head, widths, gap, "bold"), _row(below, widths, gap, "dim")]
    for (heading, _), rows in zip(prepared.groups, cells, strict=True):
        lines += [Text(heading, style="bold")] if heading else []
        lines += [_row(row, widths, gap) for row in rows]
    return lines


def _row(cells: Sequence[str], widths: Sequence[int], gap: str, style: str = "") -> Text:
    """Set the name at the left, numbers at the right of their columns, marks behind them."""
    rooms = [" " * (width - cell_len(one)) for one, width in zip(cells, widths, strict=True)]
    numbers = zip(rooms[1:-1], cells[1:-1], strict=True)
    padded = [f"{cells[0]}{rooms[0]}", *(f"{room}{one}" for room, one in numbers)]
    row = Text(gap.join(padded).rstrip(), style=style)
    room = " " * (sum(widths[:-1]) + len(gap) * (len(widths) - 1) - row.cell_len)
    return row.append(f"{room}{cells[-1]}", style="yellow") if cells[-1] else row


def _stacked(prepared: GridTable) -> list[Text]:
    """Lay out two lines per setup: what it is, and its ratio; below, its means."""
    lines = []
    for heading, setups in prepared.groups:
        lines += [Text(heading, style="bold")] if heading else []
        for one in setups:
            lines.append(Text(GAP.join(filter(None, [f"{INDENT}{one.label}", one.ratio, one.interval, one.marks]))))
            means = [
                f"{mean} {prepared.units[name]}".rstrip() for name in SHOWN if (mean := one.means[name][0]) != MISSING
            ]
            lines.append(Text(f"{2 * INDENT}{', '.join(means) or 'no finished run'}", style="dim"))
    return lines


class FirstThatFits:
    """Draws the first of its layouts that fits the width of the console, or else the last."""

    def __init__(self, *layouts: RenderableType) -> None:
        self._layouts = layouts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        unlimited = options.update(width=10_000)
        for layout in self._layouts[:-1]:
            if Measurement.get(console, unlimited, layout).maximum <= options.max_width:
                yield layout
                return
        yield self._layouts[-1]
