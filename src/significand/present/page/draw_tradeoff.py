"""Accuracy against a cost as a chart: single runs, boxes, the frontier's line, the means with their labels."""

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np

from significand.present.page.setups import ShownMetric, ShownSetup
from significand.present.page.theme import mode_variable, variable
from significand.present.page.tradeoff import FRAME_PX, MeanPoint, Tradeoff
from significand.present.page.vegalite import (
    AS_WIDE_AS_THE_PAGE,
    LOOKS,
    Rows,
    Spec,
    along_x,
    along_y,
    position,
    spec_of,
    with_setup,
)

RUNS = "runs"

DRAWN = "drawn"
"""Parameter of a chart: the setups that are drawn."""

MOST_RUNS = 1500
"""Single runs that are drawn, of all modes together."""

_MARKER_PX2, _RUN_PX2 = 150, 36


def run_rows(setups: Sequence[ShownSetup], metrics: Mapping[str, ShownMetric]) -> Rows:
    """Return the data named `RUNS`: every run's values by metric; of too many runs, as many of each setup."""
    most = max(1, MOST_RUNS // max(1, len(setups)))
    rows: Rows = []
    for setup in setups:
        some = np.arange(0, len(setup.runs), -(-len(setup.runs) // most) or 1)
        values = {name: setup.runs.numbers(metric.column)[some] / metric.size for name, metric in metrics.items()}
        for place, repeat in enumerate(setup.runs.counts("repeat")[some].tolist()):
            own = {name: position(float(column[place])) for name, column in values.items()}
            rows.append({"m": setup.index, "repeat": repeat} | own)
    return rows


def tradeoff_spec(
    figure: Tradeoff,
    metrics: Mapping[str, ShownMetric],
    width: int | str = AS_WIDE_AS_THE_PAGE,
    only: str | None = None,
) -> Spec:
    """Draw a tradeoff. The data named `RUNS` are to be put in.

    Parameters
    ----------
    only
        An expression of Vega's for the list of setups that are drawn, by their index; None for all.
    """
    cost, accuracy = metrics[figure.cost], metrics[figure.accuracy]
    x, y = along_x("x", figure.x), along_y("y", figure.y)
    colour, symbol = alt.Color("colour:N", scale=None), alt.Shape("symbol:N", scale=None)
    everything = [
        alt.Tooltip("label:N", title="Mode"),
        *(alt.Tooltip(f"{name}_text:N", title=metric.title) for name, metric in metrics.items()),
        alt.Tooltip("ran:N", title="Computed in"),
        alt.Tooltip("chance:N", title="P on frontier"),
        alt.Tooltip("count:Q", title="Runs"),
    ]
    means = with_setup("points", [*LOOKS, "ran", "chance", "count", *(f"{name}_text" for name in metrics)])
    runs = with_setup(RUNS)
    if only is not None:
        drawn = f"indexof({only}, datum.m) >= 0"
        means, runs = means.transform_filter(drawn), runs.transform_filter(drawn)
    layers = [
        runs.mark_point(filled=True, size=_RUN_PX2, opacity=0.5, aria=False).encode(
            x=along_x(figure.cost, figure.x),
            y=along_y(figure.accuracy, figure.y),
            color=colour,
            shape=symbol,
            tooltip=[
                alt.Tooltip("label:N", title="Single run of"),
                alt.Tooltip("repeat:Q", title="Repeat"),
                alt.Tooltip(f"{figure.cost}:Q", title=cost.titled, format=".4~r"),
                alt.Tooltip(f"{figure.accuracy}:Q", title=accuracy.titled, format=".4~r"),
            ],
        ),
        means.transform_filter("isValid(datum.x1)")
        .mark_rect(fillOpacity=0.16, strokeOpacity=0.7, strokeWidth=1, aria=False)
        .encode(
            x=along_x("x1", figure.x),
            x2=alt.X2("x2:Q"),
            y=along_y("y1", figure.y),
            y2=alt.Y2("y2:Q"),
            color=colour,
            stroke=alt.Stroke("colour:N", scale=None),
            tooltip=everything,
        ),
        alt.Chart(alt.NamedData("steps"))
        .mark_line(color=variable("muted"), strokeWidth=1.4, aria=False)
        .encode(x=x, y=y, order=alt.Order("i:Q")),
        means.mark_point(size=_MARKER_PX2, strokeWidth=2, opacity=1).encode(
            x=x,
            y=y,
            stroke=alt.Stroke("edge:N", scale=None),
            fill=alt.Fill("fill:N", scale=None),
            shape=symbol,
            description=alt.Description("label:N"),
            tooltip=everything,
        ),
        means.transform_filter("isValid(datum.dx)")
        .mark_text(
            align="left",
            baseline="middle",
            dx=alt.expr("datum.dx"),
            dy=alt.expr("datum.dy"),
            aria=False,
            clip=width == AS_WIDE_AS_THE_PAGE,  # on a narrow page a long label would take the axes' room
        )
        .encode(x=x, y=y, text=alt.Text("label:N"))
        .properties(name="labels"),
    ]
    data: dict[str, Rows] = {
        "points": [_point(point) for point in figure.points],
        "steps": [{"i": i, "x": position(left), "y": position(up)} for i, (left, up) in enumerate(figure.steps)],
    }
    title = f"{accuracy.title} against {cost.title.lower()}"
    return spec_of(layers, title, height=FRAME_PX[1], data=data, width=width)


def tradeoff_part(spec: Spec, figure: Tradeoff, members: Sequence[int]) -> Spec:
    """Return the chart of a part of the setups: altair takes long, so that all parts of a pair are copies of one.

    Parameters
    ----------
    spec
        Of all setups, of which those in `DRAWN` are drawn.
    figure
        The part's points.
    members
        Its setups, by their index.
    """
    datasets = {**spec["datasets"], "points": [_point(point) for point in figure.points]}
    return {**spec, "datasets": datasets, "params": [{"name": DRAWN, "value": list(members)}]}


def _point(point: MeanPoint) -> dict[str, object]:
    own = mode_variable(point.setup)
    datum: dict[str, object] = {
        "m": point.setup,
        "x": position(point.x),
        "y": position(point.y),
        "fill": own if point.on_frontier else variable("paper"),
        "edge": variable("ink") if point.on_frontier else own,
    }
    if point.x_box and point.y_box:
        ends = zip(("x1", "x2", "y1", "y2"), (*point.x_box, *point.y_box), strict=True)
        datum |= {name: position(end) for name, end in ends}
    if point.label_px:
        datum |= {"dx": point.label_px[0], "dy": point.label_px[1]}
    return datum
