"""What a terminal shows of a result and of the modes. The command line prints it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from significand.engines.base import engine_modes
from significand.plan.metrics import METRICS, SPECIFIED
from significand.present.rows import (
    Cell,
    SummaryRow,
    cell,
    energy_estimated,
    formats,
    metrics_in,
    mode_names,
    number,
    other_format,
    quality_of,
    repeats,
    sequential,
    visible,
)
from significand.present.terminal.grid_lines import FirstThatFits, compared_words, grid_summary_view
from significand.present.varying import grid_of, ratio_texts
from significand.present.words.findings import count, findings
from significand.present.words.numbers import choose_unit, span, unit_per, with_half_width
from significand.present.words.population import THESE_MINUTES

if TYPE_CHECKING:
    from significand.engines.probe import ModeSupport  # which imports torch

ITSELF = ("×1", "")
"""In place of a ratio and its interval, of what the others are compared with."""

LONGEST_NAME = 24
"""Characters of a mode's name on one line; a longer name is broken, so that it leaves room for the numbers."""


def summary_view(rows: Sequence[SummaryRow]) -> RenderableType:
    """Return the summary as a table: per mode the mean and half-width of each metric, and the ratio to the baseline.

    Where the table is too wide for the console, every metric gets a line of its own: no digit is ever cut off.

    Parameters
    ----------
    rows
        Summary rows as `run_repeated_benchmarks` returns them.

    Raises
    ------
    ValueError
        If a row lacks its mode or its repeats, or holds something else than a number where one belongs.
    """
    grid = grid_of(rows)
    if grid is not None:
        return grid_summary_view(grid, rows, list(_footnotes(rows, compared_words(grid, rows))))
    units = metric_units(rows)
    setups = _setups(rows, units)
    compared = f"×: ratio to {visible(rows[0].get('ratio_baseline'))}" if any(one.ratios for one in setups) else ""
    estimated = "est. energy: CPU time restated in joules, not a measurement"
    below = [
        *_footnotes(rows, compared),
        *([estimated] if "energy" in units and any(map(energy_estimated, rows)) else []),
    ]
    return Group(
        FirstThatFits(
            _wide_table(setups, units, gap=2), _wide_table(setups, units, gap=1), _narrow_table(setups, units)
        ),
        Text(),
        *(Text(line, style="dim") for line in below),
        *(Text(line, style="yellow") for line in findings(rows)),
    )


def modes_view(support: Sequence["ModeSupport"]) -> RenderableType:
    """Return the table of which engine runs which mode on this machine."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    latencies = [one.latency_s for one in support]
    size, unit = choose_unit(METRICS["latency"], latencies)
    timed = [f"{unit}/call"] if any(map(math.isfinite, latencies)) else []
    for heading in ("engine", "mode", "runs", "error", *timed, "why"):
        is_text = heading in {"engine", "mode", "runs", "why"}
        table.add_column(heading, no_wrap=heading != "why", justify="left" if is_text else "right")
    styles = {"native": "green", "other": "yellow", "no": "dim"}
    for one in support:
        runs = f"as {one.effective_precision}" if one.how == "other" else one.how
        error = f"{one.relative_output_error:.0e}" if math.isfinite(one.relative_output_error) else "–"
        latency = [Text(f"{one.latency_s / size:.2g}" if math.isfinite(one.latency_s) else "–")] if timed else []
        told = Text(visible("; ".join(filter(None, [one.arithmetic, one.why]))), overflow="fold")
        table.add_row(
            Text(one.engine), Text(one.precision_mode), Text(runs, style=styles[one.how]), Text(error), *latency, told
        )
    untried = [name for name in engine_modes() if name not in {one.engine for one in support}]
    return Group(
        table,
        Text(),
        *(Text(f"{name} is not tried: it takes long to prepare; measure it with --engine {name}") for name in untried),
        Text(f"error: of the outputs, relative to the yardstick{'' if timed else ', on a small network'}", style="dim"),
    )


@dataclass(frozen=True)
class MetricUnit:
    """In what a metric is shown: its heading, the unit's size in the rows' unit, and its name."""

    heading: str
    size: float
    name: str


@dataclass(frozen=True)
class _ShownSetup:
    """One row as it is shown: texts by metric; empty where there is nothing to say."""

    mode: Text
    ran_as: Text
    means: dict[str, str]
    ratios: dict[str, tuple[str, str]]  # the ratio and its interval
    test_accuracy: str


def metric_units(rows: Sequence[SummaryRow]) -> dict[str, MetricUnit]:
    """Return in what each of the metrics shown is shown, the same for all rows; an estimate is called one."""
    units = {}
    quality = quality_of(rows)
    for metric in (metrics_in(rows)[one.name] for one in SPECIFIED):
        means = [number(row, f"{_source(metric.name, quality)}_mean") for row in rows]
        if quality != "accuracy" and not any(map(math.isfinite, means)):
            continue  # nothing was trained
        size, name = unit_per(metric, means)
        estimated = metric.may_be_estimated and any(map(energy_estimated, rows))
        heading = f"{'est. ' if estimated else ''}{metric.heading or metric.noun}"
        units[metric.name] = MetricUnit(heading, size, name)
    return units


def _source(metric: str, quality: str) -> str:
    """Return which metric stands in a column: where nothing was trained, the accuracy is that of the held-out part."""
    return quality if metric == "accuracy" else metric


def _setups(rows: Sequence[SummaryRow], units: Mapping[str, MetricUnit]) -> list[_ShownSetup]:
    quality = quality_of(rows)
    return [
        _ShownSetup(
            mode=Text(visible(name), style="bold", overflow="fold"),
            ran_as=_ran_as(row),
            means={metric: _shown(cell(row, _source(metric, quality)), unit) for metric, unit in units.items()},
            ratios={metric: ratio for metric in units if any(ratio := ratio_texts(row, metric))},
            test_accuracy=_shown(cell(row, "test_accuracy"), units["accuracy"]) if quality == "accuracy" else "",
        )
        for row, name in zip(rows, mode_names(rows), strict=True)
    ]


def _shown(value: Cell, unit: MetricUnit) -> str:
    scaled = value.in_unit(unit.size)
    return with_half_width(scaled.mean, scaled.half_width)


def _ran_as(row: SummaryRow) -> Text:
    effective = formats(row)
    if not effective:
        return Text()
    text = Text(f"infers {visible(effective)}", style="yellow" if other_format(row) else "dim", overflow="fold")
    if trained := visible(row.get("training_precision") or "").partition(" ")[0]:
        text.append(f"\ntrains {trained}", style="dim")
    if disturbed := count(row, "disturbed_steps"):
        text.append(f"\ndisturbed {disturbed}/{count(row, 'steps')}", style="yellow")
    return text


def _wide_table(setups: Sequence[_ShownSetup], units: Mapping[str, MetricUnit], *, gap: int) -> Table:
    """Lay out a column per metric: the ratio, its interval and the mean; of the accuracy the held-out one last.

    The ratio comes first: it holds for longer than the minutes that the mean is of.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, gap - 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("mode", max_width=LONGEST_NAME)
    for metric, unit in units.items():
        heading = f"{unit.heading}\n{unit.name}"
        if metric == "accuracy":
            parts = "train, test" if any(one.test_accuracy for one in setups) else "test"
            heading = f"{unit.heading} {unit.name}".rstrip() + f"\n{parts}"
        table.add_column(heading, justify="right", no_wrap=True)
    compared = {metric for one in setups for metric in one.ratios}
    for setup in setups:
        lines = {
            metric: [*(setup.ratios.get(metric, ITSELF) if metric in compared else ()), mean]
            for metric, mean in setup.means.items()
        }
        if "accuracy" in lines and setup.test_accuracy:
            lines["accuracy"].append(setup.test_accuracy)
        table.add_row(Group(setup.mode, setup.ran_as), *(Text("\n".join(cell)) for cell in lines.values()))
    return table


def _narrow_table(setups: Sequence[_ShownSetup], units: Mapping[str, MetricUnit]) -> Table:
    """Lay out a line per metric below each mode."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(max_width=LONGEST_NAME, overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for index, setup in enumerate(setups):
        if index:
            table.add_row()
        table.add_row(setup.mode)
        for line in setup.ran_as.split("\n"):
            if line:
                table.add_row(Text("  ").append_text(line))
        for metric, unit in units.items():
            part = "" if metric != "accuracy" else "train " if setup.test_accuracy else "test "
            heading = f"  {part}{unit.heading}"
            if metric in setup.ratios:
                table.add_row(Text(heading), Text(" ".join(setup.ratios[metric])))
                heading = ""
            table.add_row(Text(heading), Text(setup.means[metric]), Text(unit.name))
            if metric == "accuracy" and setup.test_accuracy:
                table.add_row(Text(f"  test {unit.heading}"), Text(setup.test_accuracy), Text(unit.name))
    return table


def _footnotes(rows: Sequence[SummaryRow], compared: str) -> list[str]:
    counts = {repeats(row) for row in rows}
    several = [count for count in counts if count >= 2]
    lines = []
    if several:
        lines.append(f"±: 95 % interval of {THESE_MINUTES}: mean over {span(several)} runs, 1.96 standard errors")
    if 1 in counts:
        lines.append("no ±: a single run has no interval" if several else "one run each: no interval")
    if compared:
        paired = f"{compared}, paired by repeat"
        lines.append(f"{paired}, with its 95 % t interval" if several else paired)
    if several and any(map(sequential, rows)):
        lines.append(
            "intervals are sequential: repeats went on until they were narrow, so they are a little too narrow"
        )
    if remeasured := sum(count(row, "remeasured_steps") for row in rows):
        steps = sum(count(row, "steps") for row in rows)
        left = sum(count(row, "disturbed_steps") for row in rows)
        outcome = f"{left} stayed disturbed" if left else "then all were quiet"
        lines.append(f"noise: {remeasured} of {steps} steps were disturbed by others and measured again; {outcome}")
    return lines
