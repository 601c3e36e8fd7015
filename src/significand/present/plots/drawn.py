"""What plots and page draw, as plain values: prepared by the modules around, and known to whoever draws.

Nothing is imported but the standard library: the process that draws need not import what works these values out.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """One axis: its label with the unit, its limits and its ticks, all in that unit."""

    label: str
    low: float
    high: float
    ticks: tuple[float, ...]
    tick_labels: tuple[str, ...]
    is_log: bool


COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7A4B2A", "#332288", "#7F7F7F", "#882255")
"""Of kinds, in their order, then again: Okabe and Ito's that are dark enough on white, and further ones."""


@dataclass(frozen=True)
class Point:
    """One setup in axis units: its means, the ends of its bars and of its box (None: no interval, so none).

    `row` is its place among the rows.
    """

    row: int
    label: str
    colour: str
    marker: str
    x: float
    y: float
    x_bar: tuple[float, float] | None
    y_bar: tuple[float, float] | None
    n_covering: int  # later points on the very same spot, which would hide this one
    on_frontier: bool
    x_box: tuple[float, float] | None = None
    y_box: tuple[float, float] | None = None


@dataclass(frozen=True)
class TradeoffFigure:
    """All that one plot shows. Without points, `message` says why."""

    x: Axis
    y: Axis
    points: tuple[Point, ...]
    staircase: tuple[tuple[float, float], ...]  # the corners of the frontier's line; empty where none is drawn
    better_hint: str
    footnote: str
    notes: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class Panel:
    """Points between axes of their own, which are those of all panels."""

    title: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class GridFigure:
    """All that one plot of a grid shows. Without points, `message` says why.

    Attributes
    ----------
    staircase
        The corners of the frontier's line, of all panels together; empty where none is drawn.
    colours, markers
        What each means, as (words, colour) and (words, marker).
    """

    x: Axis
    y: Axis
    panels: tuple[Panel, ...]
    staircase: tuple[tuple[float, float], ...]
    colours: tuple[tuple[str, str], ...]
    markers: tuple[tuple[str, str], ...]
    better_hint: str
    footnote: str
    notes: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class RatioPoint:
    """One setup: its row, its place on the axis, where it is drawn, its ratio and the interval (None: none)."""

    row: int
    value: int
    x: float
    ratio: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class RatioLine:
    """Setups that differ in the axis alone, joined by a line."""

    label: str
    colour: str
    marker: str
    points: tuple[RatioPoint, ...]


@dataclass(frozen=True)
class RatioPanel:
    """Lines with the same values on all other axes."""

    title: str
    series: tuple[RatioLine, ...]


@dataclass(frozen=True)
class RatioFigure:
    """All that one chart of ratios shows.

    Attributes
    ----------
    axis
        ``batch_size`` or ``threads``.
    values
        On that axis, in their order; they stand at equal distances, the first at 0.
    colours, markers
        What each means.
    caption
        What is to be seen, from the verdicts.
    """

    axis: str
    values: tuple[str, ...]
    x: Axis
    y: Axis
    panels: tuple[RatioPanel, ...]
    colours: tuple[tuple[str, str], ...]
    markers: tuple[tuple[str, str], ...]
    better_hint: str
    caption: str
    footnote: str


@dataclass(frozen=True)
class ForestRow:
    """One row: its label, the kind by its index, and whether it is a host, a kind, or the heading of one."""

    label: str
    kind: int
    role: str


@dataclass(frozen=True)
class ForestPoint:
    """What one row shows of one setup: ratio or difference, its interval, and a wider span; None where none is."""

    row: int
    point: float
    interval: tuple[float, float] | None
    span: tuple[float, float] | None


@dataclass(frozen=True)
class ForestPanel:
    """One setup."""

    title: str
    points: tuple[ForestPoint, ...]


@dataclass(frozen=True)
class ForestFigure:
    """All that one forest shows of one metric.

    Attributes
    ----------
    noun
        The metric.
    x
        Axis of ratios or differences.
    rows
        From the top to the bottom.
    panels
        A setup each, with the same rows.
    neutral
        Where there is no difference.
    better_hint, caption, footnote
        What to read.
    """

    noun: str
    x: Axis
    rows: tuple[ForestRow, ...]
    panels: tuple[ForestPanel, ...]
    neutral: float
    better_hint: str
    caption: str
    footnote: str

    @property
    def y(self) -> Axis:
        """The rows as an axis, the first at the top."""
        count = len(self.rows)
        return Axis(
            "",
            max(count, 1) - 0.5,
            -0.5,
            tuple(map(float, range(count))),
            tuple(row.label for row in self.rows),
            is_log=False,
        )


def kind_colour(kind: int) -> str:
    """Return the colour of a kind on white."""
    return COLOURS[kind % len(COLOURS)]
