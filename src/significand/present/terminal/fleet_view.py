"""What a terminal shows of a fleet: the answer by kind of host, the hosts, and what must not be missed."""

import math
from collections.abc import Iterator
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from significand.answers.fleet import FleetAnswer, MetricOnHosts, read_answer
from significand.plan.metrics import LATENCY
from significand.present.rows import visible
from significand.present.words.hosts import (
    ABOUT,
    fleet_answers,
    fleet_findings,
    further_lines,
    rest_words,
    short_kind,
    title_words,
)
from significand.present.words.numbers import with_bounds

MOST_HOSTS = 40
"""That the table shows; hosts.csv has all."""

MOST_COLUMNS = 4
"""Setups with a column of their own."""


def fleet_answer(folder: Path) -> list[str]:
    """Return the answer of a fleet's folder in plain lines.

    Raises
    ------
    significand.results.comparable.ResultsError
        Where it is none, or no host has runs.
    """
    return list(_lines(read_answer(folder)))


def fleet_view(answer: FleetAnswer) -> RenderableType:
    """Return the answer, a table of hosts, and what must not be missed."""
    return Group(
        Text(title_words(answer), style="bold"),
        *_answer(answer),
        *(Text(line) for line in further_lines(answer)),
        Text(),
        _hosts(answer),
        Text(),
        Text(ABOUT, style="dim"),
        *(Text(line, style="yellow") for line in fleet_findings(answer)),
    )


def _lines(answer: FleetAnswer) -> Iterator[str]:
    yield f"{title_words(answer)}."
    for one in fleet_answers(answer):
        yield str(one.sentence)
    if rest := rest_words(answer):
        yield rest
    yield from further_lines(answer)
    yield ABOUT
    yield from fleet_findings(answer)


def _answer(answer: FleetAnswer) -> Iterator[RenderableType]:
    for one in fleet_answers(answer):
        yield Text.assemble((one.setup, "bold"), f" against {one.baseline}:")
        for clause in one.clauses:
            yield Padding(Text(clause), (0, 0, 0, 2))
    if rest := rest_words(answer):
        yield Text(rest)


def _hosts(answer: FleetAnswer) -> RenderableType:
    """Return a line per host: its kind, how much it did, and the ratio of the latency of the first setups."""
    fleet, latency = answer.fleet, answer.ratios.get(LATENCY.name)
    shown = answer.compared[:MOST_COLUMNS] if latency is not None else []
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("host", overflow="fold")
    table.add_column("kind", overflow="fold")
    table.add_column("runs", justify="right", no_wrap=True)
    for setup in shown:
        table.add_column(f"latency\n{visible(answer.setups[setup])}", justify="right", no_wrap=True)
    for place, host in enumerate(fleet.hosts[:MOST_HOSTS]):
        finished = int(host.table.finished.sum())
        runs = f"{finished}" if finished == len(host.table) else f"{finished}/{len(host.table)}"
        ratios = [Text(_ratio(latency, place, setup)) for setup in shown if latency is not None]
        table.add_row(Text(visible(host.name)), Text(short_kind(host.kind)), Text(runs), *ratios)
    left = len(fleet.hosts) - MOST_HOSTS
    below = [Text(f"and {left} more hosts in hosts.csv", style="dim")] if left > 0 else []
    told = "×: ratio of the latency to the baseline's on the same host, with its 95 % t interval"
    return Group(table, *below, *([Text(told, style="dim")] if shown else []))


def _ratio(one: MetricOnHosts, host: int, setup: int) -> str:
    point, low, high = (float(one.shown(values)[host, setup]) for values in (one.mean, one.low, one.high))
    if not math.isfinite(point):
        return "–"
    text, interval = with_bounds(point, low, high)
    return f"×{text} [{interval}]" if interval else f"×{text}"
