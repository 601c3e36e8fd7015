"""The page of a fleet: the answer by kind of host, the forest, the hosts, and when they measured what."""

import base64
from collections.abc import Callable, Sequence

import altair as alt
import polars as pl
from markupsafe import Markup

from significand.answers.fleet import FleetAnswer, folder_of
from significand.answers.fleet_tables import hosts_frame, ratios_frame, runs_frame, summary_frame
from significand.present.page.downloads import Download
from significand.present.page.draw_forest import blocks_spec, forest_specs, kind_colours
from significand.present.page.fleet_parts import (
    Bars,
    bars_of,
    blocks_table,
    hosts_table,
    kinds_table,
    means_table,
    subtitle,
)
from significand.present.page.provenance import Facts, machine_facts, workload_facts
from significand.present.page.setting import as_json, policy, resource, script, template
from significand.present.page.theme import CHART_CONFIG, declarations
from significand.present.page.vega import VegaScript
from significand.present.plots.drawn import ForestFigure
from significand.present.plots.forest_figures import forest_figure
from significand.present.rows import visible
from significand.present.words.hosts import (
    ABOUT,
    fleet_answers,
    fleet_findings,
    further_lines,
    rest_words,
    title_words,
)

MOST_BYTES = 5_000_000
"""Of the page."""

MOST_VIEWS = 160
"""Of the forest: a setup and a metric each."""

MOST_MACHINES = 12
"""Kinds whose machine facts are told in full."""

_LEAST_LINE_BYTES = 200
_OTHER_BYTES = 400_000  # of the page: text, style and tables

Frames = dict[str, tuple[Callable[[], pl.DataFrame], int]]
"""By the name of the file, what makes the table, and how many lines it has at least."""


def fleet_page(answer: FleetAnswer) -> str:
    """Return the page as self-contained HTML of at most `MOST_BYTES`: it asks no network for anything."""
    with VegaScript() as vega:
        forests = _forests(answer)
        bars = bars_of(answer)
        charts = _charts(forests, bars)
        hosts = hosts_frame(answer)
        scripts = [script(vega.text()), script(resource("page.js"))]
    room = MOST_BYTES - _OTHER_BYTES - sum(len(text.encode()) for text in (charts, *scripts))
    frames: Frames = {
        "hosts.csv": (lambda: hosts, hosts.height),
        "host_ratios.csv": (lambda: ratios_frame(answer), hosts.height * len(answer.compared)),
        "summary_stats.csv": (lambda: summary_frame(answer), hosts.height * len(answer.setups)),
        "raw_runs.csv": (lambda: runs_frame(answer), len(answer.fleet.runs)),
    }
    first = folder_of(answer.fleet, answer.fleet.hosts[0])
    html: str = template("fleet.html.j2").render(
        whole=True,
        title=title_words(answer),
        subtitle=subtitle(answer),
        **_answer(answer),
        forest=forests[0][1] if forests else None,
        forests=forests,
        setups=list(enumerate(panel.title for panel in forests[0][1].panels)) if forests else [],
        kinds=kinds_table(answer),
        hosts=hosts_table(answer, hosts),
        means=means_table(answer),
        blocks=blocks_table(answer.fleet.blocks),
        bars=bars,
        workload=workload_facts(first),
        machines=_machines(answer),
        downloads=_downloads(frames, room),
        charts=Markup(charts),  # noqa: S704 - JSON in which no tag can begin, see `as_json`
        scripts=scripts,
        policy=policy(scripts),
        style=Markup(  # noqa: S704 - our own style sheets
            f".significand{{{declarations(kind_colours())}}}\n" + resource("core.css") + resource("page.css")
        ),
    )
    return html.strip()


def fleet_core(answer: FleetAnswer) -> str:
    """Return the answer and the table of kinds alone; see `significand.present.page.fleet_core_html`."""
    html: str = template("fleet.html.j2").render(
        whole=False,
        title=title_words(answer),
        subtitle=subtitle(answer),
        kinds=kinds_table(answer),
        style=Markup(f".significand{{{declarations(kind_colours())}}}\n" + resource("core.css")),  # noqa: S704 - our own
        **_answer(answer),
    )
    return html.strip()


def _answer(answer: FleetAnswer) -> dict[str, object]:
    return {
        "answers": fleet_answers(answer),
        "rest": rest_words(answer),
        "further": further_lines(answer),
        "about": ABOUT,
        "findings": fleet_findings(answer),
    }


def _forests(answer: FleetAnswer) -> list[tuple[str, ForestFigure]]:
    """Return a forest for each metric, as many as the page has room for; all have the panels of the first."""
    made: list[tuple[str, ForestFigure]] = []
    for name in answer.ratios:
        figure = forest_figure(answer, name)
        views = len(made) * len(made[0][1].panels) if made else 0
        if figure.panels and (not made or views + len(figure.panels) <= MOST_VIEWS):
            made.append((name, figure))
    return made


def _charts(forests: Sequence[tuple[str, ForestFigure]], bars: Bars | None) -> str:
    """Return all charts as JSON: by figure its views, by what is chosen."""
    with alt.utils.schemapi.debug_mode(False):  # the specifications come from this package; the tests check them
        views = {
            f"{place} {name}": {"spec": spec, "caption": caption_of(figure)}
            for name, figure in forests
            for place, spec in _by_setup(forests[0][1], figure)
        }
        figures = {"forest": {"data": {}, "views": views}} if views else {}
        if bars is not None:
            spec = blocks_spec(bars.hosts, bars.rows, bars.unit)
            figures["blocks"] = {"data": {}, "views": {"": {"spec": spec}}}
    return as_json({"config": CHART_CONFIG, "data": {}, "figures": figures})


def _by_setup(first: ForestFigure, figure: ForestFigure) -> list[tuple[int, dict[str, object]]]:
    """Return a figure's specifications by the setups of the first; one that lacks the metric has no point."""
    titles = {panel.title: spec for panel, spec in zip(figure.panels, forest_specs(figure), strict=True)}
    bare = next(iter(titles.values()))
    empty = {**bare, "datasets": {**bare["datasets"], "forest": []}}
    return [(place, titles.get(panel.title, empty)) for place, panel in enumerate(first.panels)]


def caption_of(figure: ForestFigure) -> str:
    """Return what is said below a forest."""
    return f"{figure.caption} {figure.better_hint}. {figure.footnote[:1].upper()}{figure.footnote[1:]}."


def _machines(answer: FleetAnswer) -> list[tuple[str, Facts]]:
    """Return by kind the facts of its first machine."""
    told: list[tuple[str, Facts]] = []
    for kind in answer.fleet.kinds[:MOST_MACHINES]:
        host = next(host for host in answer.fleet.hosts if host.kind == kind)
        told.append((f"{visible(kind)}, as on {visible(host.name)}", machine_facts(host.manifest)))
    return told


def _downloads(frames: Frames, room: int) -> list[Download]:
    """Return tables inside the page, the first of them first; what does not fit is named."""
    made, left = [], room
    for name, (frame, rows) in frames.items():
        # A table of hundreds of thousands of lines is not even made.
        content = frame().write_csv().encode() if rows * _LEAST_LINE_BYTES <= left else b""
        address = f"data:text/csv;charset=utf-8;base64,{base64.b64encode(content).decode('ascii')}"
        fits = bool(content) and len(address) <= left
        left = left - len(address) if fits else 0
        made.append(Download(name, len(content) / 1000, address if fits else ""))
    return made
