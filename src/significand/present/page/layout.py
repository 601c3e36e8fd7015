"""The page and its core: prepared contents and charts, set by one Jinja template."""

from collections.abc import Sequence
from typing import Any

import altair as alt
from markupsafe import Markup

from significand.answers.folder import Folder
from significand.present.grid_styles import Part
from significand.present.page.calls import PERCENTILES, CallsFigure, calls_figure
from significand.present.page.downloads import downloads
from significand.present.page.draw_calls import calls_spec
from significand.present.page.draw_learning import training_rows, training_spec
from significand.present.page.draw_ratios import ratios_specs
from significand.present.page.draw_rounds import rounds_spec
from significand.present.page.draw_tradeoff import DRAWN, RUNS, run_rows, tradeoff_part, tradeoff_spec
from significand.present.page.examples import examples_figure
from significand.present.page.grid_parts import grid_parts, ratio_parts
from significand.present.page.learning import AGAINST, TrainingFigure, training_figure
from significand.present.page.operators import PARTS, operators_figure
from significand.present.page.prepared import Contents, contents_of
from significand.present.page.rounds import RoundsFigure, rounds_figures
from significand.present.page.setting import as_json, policy, resource, script, template
from significand.present.page.setups import chances
from significand.present.page.theme import CHART_CONFIG, variable, variables
from significand.present.page.times import MOST_READ, read_times
from significand.present.page.tradeoff import FRAME_PX, Tradeoff, axes_offered, part_of, tradeoff, tradeoffs
from significand.present.page.vega import VegaScript, still_picture
from significand.present.page.vegalite import SETUPS, setup_rows
from significand.present.plots.drawn import RatioFigure

MOST_BYTES = 3_000_000
"""Of the page."""

MOST_BYTES_OF_A_GRID = 4_000_000

MOST_FILES = 192
"""Of single times that are read for the page of a grid: each takes a millisecond or more."""

_PANEL_PX = 300

_TEMPLATE = "page.html.j2"
_OTHER_BYTES = 250_000  # of the page: text, style and what is not counted one by one


def get_ready() -> None:
    """Compile the template, ahead of the time."""
    template(_TEMPLATE)


def page(results: Folder) -> str:
    """Return the whole page; see `significand.present.page.report_html`."""
    with VegaScript() as vega:
        contents = contents_of(results)
        grid = grid_parts(results, contents.setups)
        ratios = ratio_parts(results, contents.setups)
        times, unread = read_times(results, contents.setups, MOST_FILES if grid.parts else MOST_READ)
        pairs = tradeoffs(contents.setups, contents.metrics)
        calls = calls_figure(times, results.experiment.batch_size)
        training = training_figure(times)
        rounds = rounds_figures(times)
        charts = _charts(results, contents, pairs, calls, training, rounds, grid.parts, [one for one, _ in ratios])
        scripts = [script(vega.text()), script(resource("page.js"))]
    most = MOST_BYTES_OF_A_GRID if grid.parts else MOST_BYTES
    room = most - _OTHER_BYTES - sum(len(text.encode()) for text in (charts, *scripts))
    costs, accuracies = axes_offered(contents.metrics)
    html: str = template(_TEMPLATE).render(
        whole=True,
        contents=contents,
        costs=[contents.metrics[name] for name in costs],
        accuracies=[contents.metrics[name] for name in accuracies],
        pairs=pairs,
        grid=grid,
        ratios=ratios,
        calls=calls,
        percentiles=PERCENTILES,
        operators=operators_figure(results, contents.setups),
        parts=PARTS,
        examples=examples_figure(results, contents.setups),
        training=training,
        against=AGAINST,
        rounds=rounds,
        unread=unread,
        downloads=downloads(results, room),
        charts=Markup(charts),  # noqa: S704 - JSON in which no tag can begin, see `as_json`
        scripts=scripts,
        policy=policy(scripts),
        style=_style(contents, "core.css", "page.css"),
    )
    return html.strip()


def core(results: Folder) -> str:
    """Return the core alone; see `significand.present.page.core_html`."""
    contents = contents_of(results)
    grid = grid_parts(results, contents.setups)
    costs, accuracies = axes_offered(contents.metrics)
    picture, caption = "", ""
    if costs and accuracies:
        pair = tradeoff(contents.setups, contents.metrics[costs[0]], contents.metrics[accuracies[0]])
        with alt.utils.schemapi.debug_mode(False):
            spec = _still(pair, contents, grid.parts)
        spec["datasets"] |= _shared(results, contents) | {RUNS: run_rows(contents.setups, contents.metrics)}
        picture, caption = still_picture({**spec, "config": CHART_CONFIG}), pair.caption
    html: str = template(_TEMPLATE).render(
        whole=False,
        contents=contents,
        grid=grid,
        picture=Markup(picture),  # noqa: S704 - drawn by Vega, which escapes its texts
        caption=caption,
        style=_style(contents, "core.css"),
    )
    return html.strip()


def _still(pair: Tradeoff, contents: Contents, parts: Sequence[Part]) -> dict[str, Any]:
    """Return a tradeoff as one specification, its panels beside each other."""
    if not parts:
        return tradeoff_spec(pair, contents.metrics, width=FRAME_PX[0])
    bare = part_of(pair, range(len(contents.setups)))
    if len(parts) == 1:
        return tradeoff_spec(bare, contents.metrics, width=FRAME_PX[0])
    specs = [
        tradeoff_spec(bare, contents.metrics, width=_PANEL_PX, only=str(list(part.members)))
        | {"title": {"text": part.title, "color": variable("ink"), "fontSize": 12, "anchor": "start"}}
        for part in parts
    ]
    shared = specs[0]["datasets"]
    panels = [{key: value for key, value in spec.items() if key != "datasets"} for spec in specs]
    return {"concat": panels, "columns": 2, "datasets": shared}


def _tradeoff_views(
    pairs: Sequence[Tradeoff], contents: Contents, parts: Sequence[Part]
) -> dict[str, dict[str, object]]:
    """Return a view for every choice: of axes, and of the panel where there are several."""
    metrics = contents.metrics
    views: dict[str, dict[str, object]] = {}
    for pair in pairs:
        key = f"{pair.cost} {pair.accuracy}"
        whole = tradeoff_spec(pair, metrics, only=DRAWN if parts else None)
        if not parts:
            views[key] = {"spec": whole, "caption": pair.caption}
        for place, part in enumerate(parts):
            spec = tradeoff_part(whole, part_of(pair, part.members), part.members)
            views[f"{key} {place}" if len(parts) > 1 else key] = {"spec": spec, "caption": pair.caption}
    return views


def _ratio_views(figure: RatioFigure) -> dict[str, dict[str, object]]:
    several = len(figure.panels) > 1
    return {str(place) if several else "": {"spec": spec} for place, spec in enumerate(ratios_specs(figure))}


def _charts(
    results: Folder,
    contents: Contents,
    pairs: Sequence[Tradeoff],
    calls: CallsFigure,
    training: TrainingFigure,
    rounds: Sequence[RoundsFigure],
    parts: Sequence[Part],
    ratios: Sequence[RatioFigure],
) -> str:
    """Return all charts as JSON: by figure the data that its views share, and its views by what is chosen."""
    metrics = contents.metrics
    with alt.utils.schemapi.debug_mode(False):  # the specifications come from this package; the tests check them
        figures = {
            "tradeoff": {
                "data": {RUNS: run_rows(contents.setups, metrics)},
                "views": _tradeoff_views(pairs, contents, parts),
            },
            **{f"ratio-{one.axis}": {"data": {}, "views": _ratio_views(one)} for one in ratios},
            "calls": {"data": {}, "views": {"": {"spec": calls_spec(calls)}}},
            "training": {
                "data": training_rows(training),
                "views": {
                    against: {"spec": training_spec(training, against), "caption": training.captions[against]}
                    for against in AGAINST
                },
            },
            **{f"steps-{one.phase}": {"data": {}, "views": {"": {"spec": rounds_spec(one)}}} for one in rounds},
        }
    return as_json({"config": CHART_CONFIG, "data": _shared(results, contents), "figures": figures})


def _shared(results: Folder, contents: Contents) -> dict[str, Any]:
    return {SETUPS: setup_rows(contents.setups, contents.metrics, chances(results))}


def _style(contents: Contents, *names: str) -> Markup:
    own = f".significand{{{variables(contents.setups)}}}\n"
    return Markup(own + "".join(map(resource, names)))  # noqa: S704 - our own style sheets
