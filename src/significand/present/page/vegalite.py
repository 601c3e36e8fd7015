"""What all charts have in common as Vega-Lite specifications, made with altair from prepared values.

Data are by name. `SETUPS` (labels, colours and texts of tooltips, by the index ``m``) is needed by every chart and
stands once; whoever shows a chart puts it in.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from significand.present.page.setups import ShownMetric, ShownSetup, mean_texts
from significand.present.page.theme import mode_variable
from significand.present.plots.drawn import Axis
from significand.present.rows import formats
from significand.present.words.numbers import probability

Spec = dict[str, Any]
Rows = list[dict[str, object]]

SETUPS = "setups"

AS_WIDE_AS_THE_PAGE = "container"

LOOKS = ("label", "colour", "symbol")

_DIGITS = 5  # of a position in a chart: less than a tenth of a pixel


def setup_rows(setups: Sequence[ShownSetup], metrics: Mapping[str, ShownMetric], likely: Mapping[str, float]) -> Rows:
    """Return the data named `SETUPS`.

    Parameters
    ----------
    setups, metrics
        As the report shows them.
    likely
        By mode, the probability of being on the frontier; NaN where unknown.
    """
    return [
        {
            "m": setup.index,
            "label": setup.label,
            "colour": mode_variable(setup.index),
            "symbol": setup.style.outline,
            "count": len(setup.runs),
            "chance": probability(likely[setup.mode]) or "unknown",
            "ran": formats(setup.row) or "unknown",
            **{f"{name}_text": text for name, text in mean_texts(setup.row, metrics).items()},
        }
        for setup in setups
    ]


def with_setup(data: str, fields: Sequence[str] = LOOKS) -> alt.Chart:
    """Return a chart of the named data in which every datum has its setup's fields, found by ``m``."""
    looks = alt.LookupData(alt.NamedData(SETUPS), key="m", fields=list(fields))
    return alt.Chart(alt.NamedData(data)).transform_lookup("m", from_=looks)


def along_x(field: str, axis: Axis) -> alt.X:
    """Return a field on the horizontal axis."""
    return alt.X(f"{field}:Q", scale=_scale(axis), axis=_ticks(axis), title=axis.label)


def along_y(field: str, axis: Axis) -> alt.Y:
    """Return a field on the vertical axis."""
    return alt.Y(f"{field}:Q", scale=_scale(axis), axis=_ticks(axis), title=axis.label)


def _scale(axis: Axis) -> alt.Scale:
    limits = [axis.low, axis.high]
    if axis.is_log:
        return alt.Scale(type="log", domain=limits, nice=False)
    return alt.Scale(type="linear", domain=limits, nice=False, zero=False)


def _ticks(axis: Axis) -> alt.Axis:
    """Return the ticks of an axis, their numbers with as many decimals as the labels have that were prepared."""
    first = axis.tick_labels[0] if axis.tick_labels else ""
    plain = not axis.is_log and "e" not in first
    decimals = len(first.partition(".")[2])
    return alt.Axis(values=list(axis.ticks), format=f".{decimals}f" if plain else "~g", labelOverlap=True)


def position(value: float) -> float | None:
    """Return a number with the digits that can be seen; what is missing is null in JSON."""
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None


def spec_of(
    layers: Sequence[alt.Chart],
    description: str,
    *,
    height: float,
    data: Mapping[str, Rows] | None = None,
    width: int | str = AS_WIDE_AS_THE_PAGE,
) -> Spec:
    """Return layers, each over the ones before, as one specification.

    Parameters
    ----------
    layers
        From the bottom to the top.
    description
        What a screen reader says of it.
    height, width
        In pixels; `AS_WIDE_AS_THE_PAGE` follows the page.
    data
        By name, for this specification alone.
    """
    # alt.layer would copy every layer several times, which took a fifth of the time of the page.
    return {
        "layer": [_bare(layer.to_dict(validate=False)) for layer in layers],  # of this package; the tests check them
        "description": description,
        "height": height,
        "width": width,
        "datasets": data or {},
    }


def _bare(spec: Spec) -> Spec:
    return {key: value for key, value in spec.items() if key not in {"$schema", "config"}}
