"""Distributions of calls as a chart: a row per mode with bars, lines at the percentiles, slow calls as ticks."""

import altair as alt

from significand.present.page.calls import PERCENTILES, CallsFigure
from significand.present.page.theme import variable
from significand.present.page.vegalite import Rows, Spec, along_x, position, spec_of, with_setup

_ROW_PX = 58
_FLOOR, _BARS, _LINES, _NAME = 0.86, 0.56, 0.62, 0.14
"""In rows: where the bars stand, how high bars and lines are, where the name is."""

_DASHES = ((1, 0), (5, 3), (1.5, 2.5))


def calls_spec(figure: CallsFigure) -> Spec:
    """Draw the distributions."""
    rows = alt.Scale(domain=[0, len(figure.distributions)], reverse=True, nice=False)
    y1, colour = alt.Y("y1:Q", scale=rows, axis=None), alt.Color("colour:N", scale=None)
    unit = f"Time ({figure.unit})"
    legend = alt.Legend(title=None, symbolStrokeColor=variable("ink"), symbolStrokeWidth=1.8, symbolSize=400)
    dashes = alt.Scale(domain=[f"p{percentile}" for percentile in PERCENTILES], range=[*map(list, _DASHES)])
    layers = [
        with_setup("bars")
        .mark_rect(opacity=0.75, aria=False)
        .encode(x=along_x("x1", figure.x), x2=alt.X2("x2:Q"), y=y1, y2=alt.Y2("y2:Q"), color=colour),
        with_setup("ticks")
        .mark_rule(opacity=0.8, aria=False)
        .encode(
            x=along_x("x", figure.x),
            y=y1,
            y2=alt.Y2("y2:Q"),
            color=colour,
            tooltip=[
                alt.Tooltip("label:N", title="A slow call of"),
                alt.Tooltip("x:Q", title=unit, format=".4~r"),
            ],
        ),
        with_setup("lines")
        .mark_rule(color=variable("ink"), strokeWidth=1.8, aria=False)
        .encode(
            x=along_x("x", figure.x),
            y=y1,
            y2=alt.Y2("y2:Q"),
            strokeDash=alt.StrokeDash("p:N", scale=dashes, legend=legend),
            tooltip=[
                alt.Tooltip("label:N", title="Mode"),
                alt.Tooltip("p:N", title="Percentile of all calls"),
                alt.Tooltip("x:Q", title=unit, format=".4~r"),
                alt.Tooltip("calls:Q", title="Calls", format=","),
            ],
        ),
        with_setup("names")
        .mark_text(align="left", baseline="middle", aria=False, clip=True)
        .encode(x=alt.value(4), y=alt.Y("y1:Q", scale=rows, axis=None), text=alt.Text("label:N")),
    ]
    title = f"{figure.x.label}: distribution of all calls, a row per mode"
    height = _ROW_PX * len(figure.distributions)
    return spec_of(layers, title, height=height, data=_data(figure))


def _data(figure: CallsFigure) -> dict[str, Rows]:
    data: dict[str, Rows] = {"bars": [], "ticks": [], "lines": [], "names": []}
    for row, one in enumerate(figure.distributions):
        m, floor = one.setup.index, row + _FLOOR
        data["names"].append({"m": m, "y1": row + _NAME})
        data["bars"] += [
            {"m": m, "x1": position(left), "x2": position(right), "y1": floor, "y2": position(floor - _BARS * height)}
            for left, right, height in one.bars
        ]
        data["ticks"] += [{"m": m, "x": position(call), "y1": floor + 0.03, "y2": floor + 0.11} for call in one.slow]
        data["lines"] += [
            {"m": m, "x": position(value), "y1": floor, "y2": floor - _LINES, "p": f"p{percentile}", "calls": one.calls}
            for percentile, value in zip(PERCENTILES, one.percentiles, strict=False)
        ]
    return data
