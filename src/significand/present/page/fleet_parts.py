"""What the page of a fleet says beside its charts, prepared as plain values."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from significand.analysis.grouped import grouped_estimates
from significand.answers.fleet import LEVEL, FleetAnswer, MetricOnHosts
from significand.plan.metrics import LATENCY, SPECIFIED
from significand.present.page.theme import variable
from significand.present.page.vegalite import Rows
from significand.present.plots.forest_figures import MOST_HOSTS
from significand.present.rows import visible
from significand.present.words.hosts import (
    factor_words,
    hosts_words,
    kind_words,
    next_host_words,
    short_kind,
    spread_words,
)
from significand.present.words.numbers import unit_per, with_bounds, with_half_width, with_unit
from significand.results.fleet_state import BlockEntry
from significand.results.host_names import host_folder_name

MOST_ROWS = 200
"""Of a table of hosts; hosts.csv has all."""

MOST_KIND_ROWS = 120
MOST_MEANS = 240
"""Lines of the table of means; summary_stats.csv has all."""

MOST_BLOCK_LINES = 60
MOST_RATIO_COLUMNS = 4
MOST_BARS = 4_000
"""Blocks in the chart of when they ran."""


SPREAD_NOTE = (
    "Hosts differ by: standard deviation of the hosts' true ratios, as a share, with its 95 % interval. I²: how much "
    "of the variance of what hosts show is between them. Both need hosts with two repeats."
)


@dataclass(frozen=True)
class Cell:
    """A cell: its text, what it is sorted by, whether it is a figure, and what stands below it."""

    text: str
    sort: str = ""
    is_figure: bool = False
    below: str = ""


@dataclass(frozen=True)
class FleetTable:
    """A table: headings, lines of cells, and what is said below it."""

    headings: Sequence[str]
    lines: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Bars:
    """When blocks ran: the hosts with a row each, the bars, and the unit of the time."""

    hosts: Sequence[str]
    rows: Rows
    unit: str


def kinds_table(answer: FleetAnswer) -> FleetTable:
    """Return a line per setup and kind: what its hosts show of the latency, and how much they differ."""
    headings = ("Setup", "Kind of host", "Hosts", "Latency", "Interval", "Next host", "Hosts differ by", "I²", "Note")
    one = answer.ratios.get(LATENCY.name)
    if one is None:
        return FleetTable(headings, ())
    places = [(k, kind) for k in answer.compared for kind in range(len(answer.fleet.kinds)) if one.hosts[kind, k]]
    lines = [_kind_line(answer, one, kind, k) for k, kind in places[:MOST_KIND_ROWS]]
    left = len(places) - len(lines)
    notes = [
        SPREAD_NOTE,
        *([f"{left} more lines are in host_ratios.csv."] if left else []),
    ]
    return FleetTable(headings, lines, notes)


def hosts_table(answer: FleetAnswer, hosts: pl.DataFrame) -> FleetTable:
    """Return a line per host: what machine it is, what it did, and its ratios of the latency."""
    one = answer.ratios.get(LATENCY.name)
    shown = answer.compared[:MOST_RATIO_COLUMNS] if one is not None else []
    headings = (
        *("Host", "Kind", "For formats", "Cores", "Memory, GB", "System", "Runs", "Blocks", "Started", "Ended"),
        *(f"Latency, {visible(answer.setups[k])}" for k in shown),
    )
    lines = []
    for place, row in enumerate(hosts.head(MOST_ROWS).iter_rows(named=True)):
        cells = [*_machine_cells(row), *_work_cells(row)]
        cells += [_ratio_cell(one, place, k) for k in shown if one is not None]
        lines.append(cells)
    left = hosts.height - len(lines)
    clock = "Times are by the submitting machine's clock, of merged folders by each host's own."
    notes = [f"{clock} Latencies are ratios to the baseline's on the same host."]
    return FleetTable(headings, lines, [*notes, *([f"{left} more hosts are in hosts.csv."] if left else [])])


def means_table(answer: FleetAnswer) -> FleetTable:
    """Return a line per host and setup: means with the half-widths of their t intervals, never over hosts."""
    runs, n_setups = answer.fleet.runs, len(answer.setups)
    finished = runs.finished
    n_cells = len(answer.fleet.hosts) * n_setups
    cells = answer.cells[finished]
    counts = np.bincount(cells, minlength=n_cells)
    places = np.flatnonzero(counts)
    headings, columns = ["Host", "Setup", "Runs"], []
    for metric in (answer.metrics[one.name] for one in SPECIFIED):
        found = grouped_estimates(runs.numbers(metric.column)[finished], cells, n_cells, LEVEL)
        if metric.may_be_estimated or not np.isfinite(found.mean).any():
            continue
        size, unit = unit_per(metric, found.mean[places].tolist())
        headings.append(with_unit((metric.heading or metric.noun).capitalize(), unit))
        columns.append((found.mean / size, found.t_half_width / size))
    lines = [
        [
            Cell(visible(answer.fleet.hosts[cell // n_setups].name)),
            Cell(visible(answer.setups[cell % n_setups])),
            Cell(str(counts[cell]), is_figure=True),
            *(Cell(with_half_width(float(mean[cell]), float(half[cell])), is_figure=True) for mean, half in columns),
        ]
        for cell in places[:MOST_MEANS].tolist()
    ]
    left = places.size - len(lines)
    more = [f"{left:,} more lines are in summary_stats.csv."] if left else []
    return FleetTable(headings, lines, ["±: half-width of the 95 % t interval of the mean over a host's runs.", *more])


def blocks_table(blocks: Sequence[BlockEntry]) -> FleetTable:
    """Return a line per block, those first that did not finish."""
    headings = ("Repeat", "Host", "Attempt", "State", "Submitted", "Started", "Ended", "Reason")
    ranked = sorted(blocks, key=lambda one: (one.state == "finished", one.repeat, one.host))
    lines = [
        [
            Cell(str(one.repeat), is_figure=True),
            Cell(visible(one.host)),
            Cell(str(one.attempt), is_figure=True),
            *(Cell(visible(text)) for text in (one.state, *map(_time, _times(one)), one.reason)),
        ]
        for one in ranked[:MOST_BLOCK_LINES]
    ]
    left = len(blocks) - len(lines)
    return FleetTable(headings, lines, [f"{left:,} more blocks are in fleet.json."] if left else [])


def bars_of(answer: FleetAnswer) -> Bars | None:
    """Return when blocks ran, where hosts are few enough to see; None where that is not known."""
    hosts = [host.name for host in answer.fleet.hosts]
    if len(hosts) > MOST_HOSTS or len(answer.fleet.blocks) > MOST_BARS:
        return None
    places = {name: place for place, name in enumerate(hosts)}
    of_hosts = ((one, places.get(host_folder_name(one.host))) for one in answer.fleet.blocks)
    known = [(one, place, *ends) for one, place in of_hosts if place is not None and (ends := _ends(one)) is not None]
    if not known:
        return None
    first = min(start for _, _, start, _ in known)
    longest = max(end for _, _, _, end in known) - first
    size, unit = next(
        ((s, u) for s, u in ((86400, "days"), (3600, "hours"), (60, "minutes")) if longest > 2 * s), (1, "seconds")
    )
    gap = longest / 400  # so that neighbours can be told apart
    rows: Rows = [
        {
            "row": place,
            "start": round((start - first) / size, 5),
            "end": round((max(end - gap, start) - first) / size, 5),
            "host": visible(one.host),
            "repeat": str(one.repeat),
            "state": visible(one.state),
            "when": visible(_time(one.started_utc)),
            "colour": variable("accent" if one.state == "finished" else "bad"),
        }
        for one, place, start, end in known
    ]
    return Bars([visible(name) for name in hosts], rows, unit.capitalize())


def _kind_line(answer: FleetAnswer, one: MetricOnHosts, kind: int, setup: int) -> list[Cell]:
    point, low, high = (float(one.shown(values)[kind, setup]) for values in (one.point, one.point_low, one.point_high))
    told, interval = factor_words(one.metric, point, low, high)
    apart, share = spread_words(one, kind, setup)
    p_value = one.p_adjusted[kind, setup]
    unshown = "no difference shown" if math.isfinite(p_value) and p_value > 1 - LEVEL else ""
    note = ": ".join(filter(None, [unshown, str(one.reasons[kind, setup])]))
    return [
        Cell(visible(answer.setups[setup])),
        Cell(kind_words(answer, kind)),
        Cell(str(int(one.hosts[kind, setup])), is_figure=True),
        *(Cell(text or "–", is_figure=True) for text in (told, interval.strip(), next_host_words(one, kind, setup))),
        *(Cell(text or "–", is_figure=True) for text in (apart, share)),
        Cell(note),
    ]


def _machine_cells(row: Mapping[str, object]) -> Iterator[Cell]:
    yield Cell(visible(row["host"]), visible(row["host"]))
    yield Cell(short_kind(str(row["kind"])), str(row["kind"]))
    yield Cell(_text(row["instructions"]), _text(row["instructions"]))
    yield Cell(_text(row["physical_cores"]), _text(row["physical_cores"]), is_figure=True)
    memory = row["memory_mb"]
    told = f"{memory / 1000:.0f}" if isinstance(memory, float) else ""
    yield Cell(told, told, is_figure=True)
    yield Cell(_text(row["os"]), _text(row["os"]))


def _work_cells(row: Mapping[str, object]) -> Iterator[Cell]:
    finished, failed = row["finished_runs"], row["failed_runs"]
    yield Cell(f"{finished}{f', {failed} failed' if failed else ''}", str(finished), is_figure=True)
    done, lost = row["finished_blocks"], row["lost_blocks"]
    yield Cell(f"{done}{f', {lost} lost' if lost else ''}", str(done), is_figure=True)
    for name in ("first_started_utc", "last_ended_utc"):
        day, _, time = _time(_text(row[name])).partition(" ")
        yield Cell(day, _text(row[name]), is_figure=True, below=time)


def _ratio_cell(one: MetricOnHosts, host: int, setup: int) -> Cell:
    point, low, high = (float(one.shown(values)[host, setup]) for values in (one.mean, one.low, one.high))
    if not math.isfinite(point):
        return Cell("–", "", is_figure=True)
    text, interval = with_bounds(point, low, high)
    return Cell(f"×{text}", repr(point), is_figure=True, below=f"[{interval}]" if interval else "")


def _text(value: object) -> str:
    return "" if value is None else visible(value)


def _times(one: BlockEntry) -> tuple[str, str, str]:
    return one.submitted_utc, one.started_utc, one.ended_utc


def _time(text: str) -> str:
    """Return a time without the fraction of a second and the zone, which is UTC throughout."""
    return text[:19].replace("T", " ")


def _ends(one: BlockEntry) -> tuple[float, float] | None:
    """Return when a block started and ended, in seconds; None where that is not known."""
    try:
        start, end = (datetime.fromisoformat(text).timestamp() for text in (one.started_utc, one.ended_utc))
    except (ValueError, OverflowError, OSError):
        return None
    return (start, end) if start <= end else None


def subtitle(answer: FleetAnswer) -> str:
    """Say what kinds of hosts, how many repeats, and where they ran."""
    fleet = answer.fleet
    repeats = np.unique(fleet.runs.counts("repeat")).size
    dealt = "dealt out among the hosts" if fleet.shared else "on each host"
    kinds = [short_kind(kind) for kind in fleet.kinds[:3]]
    left = len(fleet.kinds) - len(kinds)
    more = [f"{left} more kind{'' if left == 1 else 's'}"] if left else []
    place = fleet.facts.get("place")
    parts = [
        f"{repeats} repeat{'' if repeats == 1 else 's'} {dealt}" if len(fleet.hosts) > 1 else hosts_words(1),
        *kinds,
        *more,
        ("merged by hand" if place == "merge" else f"by {visible(place)}") if isinstance(place, str) and place else "",
    ]
    return ", ".join(filter(None, parts))
