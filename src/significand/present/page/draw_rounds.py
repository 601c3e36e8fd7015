"""Measured steps in their order as a chart: disturbed ones as crosses, those not in the numbers hollow or thin."""

import altair as alt

from significand.present.page.rounds import RoundsFigure, Step
from significand.present.page.theme import mode_variable, variable
from significand.present.page.vegalite import Rows, Spec, along_y, position, spec_of, with_setup

_HEIGHT_PX = 220
_MOST_TICKS = 12
_CROSS = "M-0.9,-0.9L0.9,0.9M0.9,-0.9L-0.9,0.9"
_BOLD, _THIN = 2.8, 1.2


def rounds_spec(figure: RoundsFigure) -> Spec:
    """Draw one phase."""
    repeats = list(range(0, figure.repeats + 1, -(-figure.repeats // _MOST_TICKS)))
    x = alt.X(
        "x:Q",
        scale=alt.Scale(domain=[0, figure.repeats], nice=False),
        axis=alt.Axis(values=repeats, format="d", labelOverlap=True),
        title="Repeat, from 0",
    )
    y = along_y("y", figure.y)
    tooltip = [
        alt.Tooltip("label:N", title="Mode"),
        alt.Tooltip("repeat:Q", title="Repeat"),
        alt.Tooltip("y:Q", title="Time, × median", format=".3f"),
        alt.Tooltip("state:N", title="State"),
    ]
    layers = [
        alt.Chart(alt.NamedData("level")).mark_rule(color=variable("muted"), strokeDash=[4, 4], aria=False).encode(y=y),
        with_setup("quiet")
        .mark_point(size=34, strokeWidth=_THIN, opacity=0.8, aria=False)
        .encode(
            x=x,
            y=y,
            stroke=alt.Stroke("colour:N", scale=None),
            fill=alt.Fill("fill:N", scale=None),
            shape=alt.Shape("symbol:N", scale=None),
            tooltip=tooltip,
        ),
        with_setup("disturbed")
        .mark_point(shape=_CROSS, size=70, opacity=1, aria=False, stroke=variable("bad"))
        .encode(x=x, y=y, strokeWidth=alt.StrokeWidth("bold:Q", scale=None), tooltip=tooltip),
    ]
    data: dict[str, Rows] = {
        "level": [{"y": 1}],
        "quiet": [
            _step(step) | {"fill": mode_variable(step.setup) if step.counted else "transparent"}
            for step in figure.steps
            if not step.disturbed
        ],
        "disturbed": [
            _step(step) | {"bold": _BOLD if step.counted else _THIN} for step in figure.steps if step.disturbed
        ],
    }
    title = f"{figure.title} in their order, relative to the mode's median"
    return spec_of(layers, title, height=_HEIGHT_PX, data=data)


def _step(step: Step) -> dict[str, object]:
    state = {True: "disturbed", False: "quiet", None: "not known"}[step.disturbed]
    state += "" if step.counted else ", not in the numbers"
    where = {"x": position(step.position), "y": position(step.ratio)}
    return {"m": step.setup, "repeat": step.repeat, **where, "state": state}
