"""Training curves as charts: the loss of every mode against epochs, or against the time training had taken by then."""

import altair as alt

from significand.present.page.learning import AGAINST, TrainingFigure
from significand.present.page.theme import variable
from significand.present.page.vegalite import Rows, Spec, along_x, along_y, position, spec_of, with_setup

SINGLE, MEANS = "single_losses", "mean_losses"

_HEIGHT_PX = 300


def training_rows(figure: TrainingFigure) -> dict[str, Rows]:
    """Return the data that all training charts share."""
    return {
        SINGLE: [
            {"m": curve.setup.index, "run": run, "epoch": epoch, "loss": position(loss), "time": position(time)}
            for curve in figure.curves
            for run, epoch, loss, time in curve.runs
        ],
        MEANS: [
            {
                "m": curve.setup.index,
                "epoch": epoch.number,
                "loss": position(epoch.loss),
                "time": position(epoch.time),
                "marked": epoch.marked,
            }
            for curve in figure.curves
            for epoch in curve.mean
        ],
    }


def training_spec(figure: TrainingFigure, against: str) -> Spec:
    """Draw the losses; the data of `training_rows` are to be put in.

    Parameters
    ----------
    figure
        What is drawn.
    against
        A key of `significand.present.page.learning.AGAINST`.
    """
    x = along_x("time", figure.time) if against == "time" else _against_epochs(figure)
    y = along_y("loss", figure.loss)
    colour = alt.Color("colour:N", scale=None)
    layers = [
        with_setup(SINGLE)
        .mark_line(opacity=0.18, strokeWidth=1, aria=False)
        .encode(x=x, y=y, color=colour, detail=[alt.Detail("m:N"), alt.Detail("run:N")]),
        with_setup(MEANS).mark_line(strokeWidth=2, aria=False).encode(x=x, y=y, color=colour, detail=alt.Detail("m:N")),
        with_setup(MEANS)
        .transform_filter("datum.marked")
        .mark_point(size=80, opacity=1, aria=False, stroke=variable("paper"), strokeWidth=1)
        .encode(
            x=x,
            y=y,
            fill=alt.Fill("colour:N", scale=None),
            shape=alt.Shape("symbol:N", scale=None),
            tooltip=[
                alt.Tooltip("label:N", title="Mode"),
                alt.Tooltip("epoch:Q", title="Epoch"),
                alt.Tooltip("loss:Q", title="Loss, mean over runs", format=".4~r"),
                alt.Tooltip("time:Q", title=figure.time.label, format=".4~r"),
            ],
        ),
    ]
    return spec_of(layers, f"Training loss of every mode against {AGAINST[against]}", height=_HEIGHT_PX)


def _against_epochs(figure: TrainingFigure) -> alt.X:
    last = max((epoch.number for curve in figure.curves for epoch in curve.mean), default=1)
    margin = max(0.3, last / 40)
    scale = alt.Scale(domain=[1 - margin, last + margin], nice=False, zero=False)
    return alt.X("epoch:Q", scale=scale, axis=alt.Axis(tickMinStep=1, format="d"), title="Epoch")
