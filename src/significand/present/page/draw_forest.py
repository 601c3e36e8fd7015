"""The forest of ratios by host as a chart, and which block ran where and when."""

from collections.abc import Sequence
from dataclasses import replace

import altair as alt

from significand.present.page.theme import variable
from significand.present.page.vegalite import Rows, Spec, along_x, position, spec_of
from significand.present.plots.drawn import COLOURS, ForestFigure, ForestPanel, ForestRow
from significand.present.styles import OUTLINES

_ROW_PX, _BLOCK_PX = 22, 22
_HOST_PX2, _KIND_PX2 = 50, 95
_LABEL_PX = 190


def kind_variable(kind: int) -> str:
    """Return the colour of a kind of host for a chart."""
    return variable(f"kind-{kind % len(COLOURS)}")


def kind_colours() -> dict[str, str]:
    """Return the colours of kinds on white, by the names that charts have for them."""
    return {f"kind-{k}": colour for k, colour in enumerate(COLOURS)}


def forest_specs(figure: ForestFigure) -> list[Spec]:
    """Draw every panel: altair takes long, so that all are copies of one with other data."""
    spec = _spec(figure)
    return [
        {**spec, "datasets": {"neutral": [{"x": figure.neutral}], "forest": _rows(figure, panel)}}
        for panel in figure.panels
    ]


def rows_axis(labels: Sequence[str], bold: Sequence[int] = ()) -> alt.Y:
    """Return an axis of rows with these labels, the first at the top."""
    words = "'" + "','".join(label.replace("'", "").replace("\\", "") for label in labels) + "'"
    weight = {"condition": {"test": f"indexof({list(bold)}, datum.value) >= 0", "value": "bold"}, "value": "normal"}
    ticks = alt.Axis(
        values=list(range(len(labels))),
        labelExpr=f"[{words}][datum.value]",
        labelFontWeight=weight,
        labelLimit=_LABEL_PX,
        grid=False,
        ticks=False,
        domain=False,
    )
    scale = alt.Scale(type="linear", domain=[len(labels) - 0.5, -0.5], nice=False, zero=False)
    return alt.Y("row:Q", scale=scale, axis=ticks, title=None)


def _spec(figure: ForestFigure) -> Spec:
    description = f"{figure.x.label} by host"
    # Beside the labels of the hosts a phone has no room for more.
    figure = replace(figure, x=replace(figure.x, label="Ratio (log scale)" if figure.x.is_log else "Difference"))
    x = along_x("x", figure.x)
    bold = [place for place, row in enumerate(figure.rows) if row.role != "host"]
    y = rows_axis([row.label for row in figure.rows], bold)
    colour = alt.Color("colour:N", scale=None)
    tooltip = [alt.Tooltip("label:N", title="Where"), alt.Tooltip("told:N", title="What, 95 % interval")]
    data = alt.Chart(alt.NamedData("forest"))
    layers = [
        alt.Chart(alt.NamedData("neutral")).mark_rule(color=variable("muted"), aria=False).encode(x=x),
        data.transform_filter("isValid(datum.from)")
        .mark_rule(strokeWidth=1.2, clip=True, aria=False)
        .encode(x=along_x("from", figure.x), x2=alt.X2("to:Q"), y=y, color=colour, tooltip=tooltip),
        data.transform_filter("isValid(datum.low)")
        .mark_rule(clip=True, aria=False)
        .encode(
            x=along_x("low", figure.x),
            x2=alt.X2("high:Q"),
            y=y,
            color=colour,
            strokeWidth=alt.StrokeWidth("wide:Q", scale=None),
            tooltip=tooltip,
        ),
        data.mark_point(opacity=1, stroke=variable("paper"), strokeWidth=1).encode(
            x=x,
            y=y,
            fill=alt.Fill("colour:N", scale=None),
            shape=alt.Shape("shape:N", scale=None),
            size=alt.Size("size:Q", scale=None),
            description=alt.Description("label:N"),
            tooltip=tooltip,
        ),
    ]
    return spec_of(layers, description, height=max(80, _ROW_PX * len(figure.rows)))


def _rows(figure: ForestFigure, panel: ForestPanel) -> Rows:
    rows: Rows = []
    for point in panel.points:
        of = figure.rows[point.row]
        is_kind = of.role == "kind"
        row: dict[str, object] = {
            "row": point.row,
            "x": position(point.point),
            "label": _label(figure.rows, point.row),
            "told": f"{point.point:.4g}",
            "colour": kind_variable(of.kind),
            "shape": OUTLINES["D" if is_kind else "o"],
            "size": _KIND_PX2 if is_kind else _HOST_PX2,
        }
        if point.interval:
            low, high = point.interval
            row |= {"low": position(low), "high": position(high), "wide": 4 if is_kind else 1.6}
            row["told"] = f"{point.point:.4g} [{low:.4g}, {high:.4g}]"
        if point.span:
            row |= {"from": position(point.span[0]), "to": position(point.span[1])}
        rows.append(row)
    return rows


def _label(rows: Sequence[ForestRow], place: int) -> str:
    """Say which row: of a kind's hosts together, which kind."""
    row = rows[place]
    heading = next((one.label for one in rows if one.kind == row.kind and one.role == "heading"), "")
    return f"{heading}: {row.label}" if row.role == "kind" and heading else row.label


def blocks_spec(hosts: Sequence[str], rows: Rows, unit: str) -> Spec:
    """Draw when each host measured which block: a bar each, what did not finish in another colour."""
    x = alt.X("start:Q", title=f"{unit} since the first block started", axis=alt.Axis(format="~g", tickCount=6))
    tooltip = [
        alt.Tooltip("host:N", title="Host"),
        alt.Tooltip("repeat:N", title="Repeat"),
        alt.Tooltip("state:N", title="State"),
        alt.Tooltip("when:N", title="Started"),
    ]
    layer = (
        alt.Chart(alt.NamedData("blocks"))
        .mark_rule(strokeWidth=12, aria=False)
        .encode(x=x, x2=alt.X2("end:Q"), y=rows_axis(hosts), color=alt.Color("colour:N", scale=None), tooltip=tooltip)
    )
    return spec_of(
        [layer], "Which block ran where and when", height=max(60, _BLOCK_PX * len(hosts)), data={"blocks": rows}
    )
