"""The ratio of the latency against batch size or threads as a chart: a line at 1, t intervals, a line per series."""

import altair as alt

from significand.present.page.theme import variable
from significand.present.page.vegalite import Rows, Spec, along_y, position, spec_of, with_setup
from significand.present.plots.drawn import RatioFigure, RatioLine
from significand.present.styles import OUTLINES

_HEIGHT_PX = 300
_POINT_PX2 = 90


def ratios_specs(figure: RatioFigure) -> list[Spec]:
    """Draw every panel: altair takes long, so that all are copies of one with other data."""
    spec = _spec(figure)
    rows = [[row for series in panel.series for row in _rows(series)] for panel in figure.panels]
    return [{**spec, "datasets": {"level": [{"y": 1}], "ratios": of_panel}} for of_panel in rows]


def _spec(figure: RatioFigure) -> Spec:
    words = "'" + "','".join(value.replace("'", "") for value in figure.x.tick_labels) + "'"
    ticks = alt.Axis(values=list(figure.x.ticks), labelExpr=f"[{words}][datum.value]", labelOverlap=True)
    scale = alt.Scale(type="linear", domain=[figure.x.low, figure.x.high], nice=False, zero=False)
    x, y = alt.X("x:Q", scale=scale, axis=ticks, title=figure.x.label), along_y("y", figure.y)
    colour = alt.Color("colour:N", scale=None)
    tooltip = [
        alt.Tooltip("label:N", title="Setup"),
        alt.Tooltip("told:N", title="Ratio of latency, 95 % interval"),
    ]
    layers = [
        alt.Chart(alt.NamedData("level")).mark_rule(color=variable("muted"), strokeDash=[4, 4], aria=False).encode(y=y),
        with_setup("ratios")
        .mark_line(strokeWidth=1.4, aria=False)
        .encode(x=x, y=y, color=colour, detail=alt.Detail("series:N")),
        with_setup("ratios")
        .transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=1.6, aria=False)
        .encode(x=x, y=along_y("low", figure.y), y2=alt.Y2("high:Q"), color=colour, tooltip=tooltip),
        with_setup("ratios")
        .mark_point(size=_POINT_PX2, opacity=1, stroke=variable("paper"), strokeWidth=1)
        .encode(
            x=x,
            y=y,
            fill=alt.Fill("colour:N", scale=None),
            shape=alt.Shape("shape:N", scale=None),
            description=alt.Description("label:N"),
            tooltip=tooltip,
        ),
    ]
    return spec_of(layers, f"{figure.y.label} against {figure.x.label.lower()}", height=_HEIGHT_PX)


def _rows(series: RatioLine) -> Rows:
    rows: Rows = []
    for point in series.points:
        row: dict[str, object] = {
            "m": point.row,
            "series": series.label,
            "shape": OUTLINES[series.marker],
            "x": position(point.x),
            "y": position(point.ratio),
            "told": f"{point.ratio:.4g}",
        }
        if point.interval:
            low, high = point.interval
            row |= {"low": position(low), "high": position(high), "told": f"{point.ratio:.4g} [{low:.4g}, {high:.4g}]"}
        rows.append(row)
    return rows
