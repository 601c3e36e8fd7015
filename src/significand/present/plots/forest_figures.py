"""The forest of ratios by host and kind, prepared: what the plot and the page draw."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from significand.answers.fleet import FleetAnswer, MetricOnHosts, is_over_hosts
from significand.present.axes import ANYTHING, choose_axis
from significand.present.plots.drawn import ForestFigure, ForestPanel, ForestPoint, ForestRow
from significand.present.plots.ratio_figures import ratio_axis
from significand.present.rows import Cell, visible
from significand.present.styles import shortened
from significand.present.words.hosts import hosts_words, short_kind

MOST_HOSTS = 40
"""That have a row each; of more, each kind has one."""

MOST_KINDS = 40
"""That have a row where hosts have none."""

MOST_PANELS = 4
"""Setups beside each other in the picture."""


MIDDLE = 5, 95
"""Percentiles of hosts between which a kind's thin bar lies, where hosts have no rows."""

LONGEST_LABEL = 28


def forest_figure(answer: FleetAnswer, metric: str) -> ForestFigure:
    """Prepare the forest of a metric, a panel for each setup that is compared.

    Raises
    ------
    KeyError
        Where no host has a value of it.
    """
    one = answer.ratios[metric]
    is_each = len(answer.fleet.hosts) <= MOST_HOSTS
    rows, hosts = _host_rows(answer, one) if is_each else _kind_rows(answer)
    setups = [k for k in answer.compared if np.isfinite(one.mean[:, k]).any()]
    panels = tuple(ForestPanel(visible(answer.setups[k]), tuple(_points(answer, one, k, rows, hosts))) for k in setups)
    ratio = one.metric.scale == "ratio"
    shown = [(point.point, *(point.interval or (math.nan, math.nan))) for panel in panels for point in panel.points] + [
        (bound, math.nan, math.nan) for panel in panels for point in panel.points for bound in point.span or ()
    ]
    if ratio:
        x = ratio_axis(f"Ratio of {one.metric.noun} to the baseline", shown)
    else:
        cells = [Cell(point, (high - low) / 2) for point, low, high in shown]
        unit = "points" if one.metric.scale == "points" else ""
        title = f"Difference of {one.metric.noun} to the baseline"
        x = choose_axis(title, [unit], [Cell(0.0, math.nan), *cells], possible=ANYTHING, min_span=0.5)
    return ForestFigure(
        noun=one.metric.noun,
        x=x,
        rows=tuple(rows),
        panels=panels,
        neutral=1.0 if ratio else 0.0,
        better_hint=_hint(one),
        caption=_caption(answer, one),
        footnote=_footnote(answer, one, is_each=is_each),
    )


def of_panels(figure: ForestFigure, most: int = MOST_PANELS) -> ForestFigure:
    """Return the figure with its first panels only, and what is left out in its footnote."""
    left = len(figure.panels) - most
    if left <= 0:
        return figure
    told = f"{left} more setup{'' if left == 1 else 's'}: see host_ratios.csv"
    return replace(figure, panels=figure.panels[:most], footnote=f"{figure.footnote}; {told}")


def _host_rows(answer: FleetAnswer, one: MetricOnHosts) -> tuple[list[ForestRow], dict[int, int]]:
    """Return the rows kind by kind, each with its hosts and what they say together; and the host of each row."""
    rows: list[ForestRow] = []
    hosts: dict[int, int] = {}
    several = len(answer.fleet.kinds) > 1
    for kind, name in enumerate(answer.fleet.kinds):
        members = np.flatnonzero(answer.kind_codes == kind).tolist()
        if several:
            rows.append(ForestRow(_short(short_kind(name)), kind, "heading"))
        for host in members:
            hosts[len(rows)] = host
            rows.append(ForestRow(_short(answer.fleet.hosts[host].name), kind, "host"))
        if len(members) > 1 and is_over_hosts(one.metric):
            rows.append(ForestRow(f"{hosts_words(len(members))} together", kind, "kind"))
    return rows, hosts


def _kind_rows(answer: FleetAnswer) -> tuple[list[ForestRow], dict[int, int]]:
    counts = np.bincount(answer.kind_codes, minlength=len(answer.fleet.kinds))
    return [
        ForestRow(f"{_short(short_kind(name))} ({counts[kind]})", kind, "kind")
        for kind, name in enumerate(answer.fleet.kinds[:MOST_KINDS])
    ], {}


def _points(
    answer: FleetAnswer, one: MetricOnHosts, setup: int, rows: Sequence[ForestRow], hosts: dict[int, int]
) -> Iterator[ForestPoint]:
    for place, row in enumerate(rows):
        if row.role == "host":
            found = _of_host(one, hosts[place], setup)
        elif row.role == "kind":
            found = _of_kind(answer, one, row.kind, setup, is_each=bool(hosts))
        else:
            continue
        if found is not None:
            yield replace(found, row=place)


def _of_host(one: MetricOnHosts, host: int, setup: int) -> ForestPoint | None:
    point, low, high = (float(one.shown(values)[host, setup]) for values in (one.mean, one.low, one.high))
    return ForestPoint(0, point, _pair(low, high), None) if math.isfinite(point) else None


def _of_kind(answer: FleetAnswer, one: MetricOnHosts, kind: int, setup: int, *, is_each: bool) -> ForestPoint | None:
    point, low, high = (float(one.shown(values)[kind, setup]) for values in (one.point, one.point_low, one.point_high))
    if is_each:
        ends = [float(one.shown(one.of_kind(f"prediction_{end}"))[kind, setup]) for end in ("low", "high")]
    else:
        values = one.shown(one.mean)[answer.kind_codes == kind, setup]
        known = values[np.isfinite(values)]
        ends = np.percentile(known, MIDDLE).tolist() if known.size else [math.nan, math.nan]
        if not math.isfinite(point) and known.size:  # of a score there is no mean over hosts
            point = float(np.median(known))
    return ForestPoint(0, point, _pair(low, high), _pair(*ends)) if math.isfinite(point) else None


def _pair(low: float, high: float) -> tuple[float, float] | None:
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _short(label: str) -> str:
    return shortened(label) if len(label) > LONGEST_LABEL else label


def _hint(one: MetricOnHosts) -> str:
    metric = one.metric
    if metric.scale == "ratio":
        told = "faster" if metric.name == "latency" else f"{'lower' if metric.lower_is_better else 'higher'}"
        return f"{'←' if metric.lower_is_better else '→'} {told}: better"
    return "→ higher: better" if not metric.lower_is_better else "← lower: better"


def _caption(answer: FleetAnswer, one: MetricOnHosts) -> str:
    count, kinds = len(answer.fleet.hosts), len(answer.fleet.kinds)
    of = f" of {kinds} kinds" if kinds > 1 else ""
    what = "ratio" if one.metric.scale == "ratio" else "difference"
    return f"The {what} of {one.metric.noun} to the baseline's on the same host, {hosts_words(count)}{of}."


def _footnote(answer: FleetAnswer, one: MetricOnHosts, *, is_each: bool) -> str:
    if not is_each:
        parts = [
            f"a row per kind, in brackets how many hosts: the middle {MIDDLE[1] - MIDDLE[0]} % of hosts (thin)",
            "mean over hosts with its 95 % interval (thick)"
            if is_over_hosts(one.metric)
            else "mean over their repeats with its 95 % interval (thick)"
            if answer.seeds_once
            else "their median",
        ]
        if len(answer.fleet.kinds) > MOST_KINDS:
            parts.append(f"the {MOST_KINDS} kinds with most hosts of {len(answer.fleet.kinds)}")
        return "; ".join(parts)
    parts = ["bars: 95 % t intervals of the host's own pairs"]
    if is_over_hosts(one.metric) and (one.hosts > 1).any():
        parts.append("diamonds: mean over the hosts of a kind with its 95 % interval (thick)")
        if np.isfinite(one.over.prediction_low).any():
            parts.append("where the next host is expected (thin)")
    return "; ".join(parts)
