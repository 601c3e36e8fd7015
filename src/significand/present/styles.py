"""How a setup looks wherever it is drawn: one colour, marker and label in every plot and on the page."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from significand.present.rows import SummaryRow, other_format, visible
from significand.present.varying import grid_of

SHORT_NAME_CHARACTERS = 26


@dataclass(frozen=True)
class Style:
    """How a mode is drawn: its colour on white (``#RRGGBB``) and its marker, by Matplotlib's names."""

    colour: str
    marker: str

    @property
    def outline(self) -> str:
        """The marker as an SVG path around the origin, in a square from -1 to 1."""
        return OUTLINES[self.marker]


# Okabe and Ito's colours stay distinct under the common colour vision deficiencies.
MODE_STYLES = {
    "float64": Style("#000000", "D"),
    "float32": Style("#0072B2", "o"),
    "bfloat16": Style("#009E73", "^"),
    "float16": Style("#D55E00", "s"),
    "int8": Style("#CC79A7", "v"),
    "int8-dynamic": Style("#E69F00", ">"),
    "int8-weights": Style("#999933", "<"),
    "int4": Style("#661100", "P"),
}
# Five colours and seven markers share no factor, so 35 further names differ in the pair.
_FURTHER_COLOURS = ("#56B4E9", "#7A4B2A", "#7F7F7F", "#332288", "#882255")
_FURTHER_MARKERS = ("X", "<", "P", "p", "h", "*", "d")


def mode_styles(modes: Iterable[str]) -> dict[str, Style]:
    """Give every mode its style; names beyond the known ones are numbered in their order."""
    styles = dict(MODE_STYLES)
    for mode in modes:
        k = len(styles) - len(MODE_STYLES)
        further = Style(_FURTHER_COLOURS[k % len(_FURTHER_COLOURS)], _FURTHER_MARKERS[k % len(_FURTHER_MARKERS)])
        styles.setdefault(mode, further)
    return styles


def setup_labels(rows: Sequence[SummaryRow], modes: Sequence[str]) -> list[str]:
    """Name every setup as short as tells it apart.

    In a grid by its values on all axes that vary; else by its mode, and by the engine where there are several; and by
    the format that it really ran in where that is not the one that the mode infers in, as in ``"float16 (ran as
    float32)"``.

    Parameters
    ----------
    rows
        Summary rows, one per setup.
    modes
        Their precision modes.
    """
    grid = grid_of(rows)
    if grid is not None:
        names = [grid.label(index, grid.values) for index in range(len(rows))]
        return [_with_format(name, row) for name, row in zip(names, rows, strict=True)]
    several_engines = len({str(row["engine"]) for row in rows if row.get("engine")}) > 1
    labels = []
    for row, mode in zip(rows, modes, strict=True):
        label = shortened(mode) or "(no name)"
        if several_engines and row.get("engine"):
            label += f", {shortened(str(row['engine']))}"
        labels.append(_with_format(label, row))
    return labels


def _with_format(label: str, row: SummaryRow) -> str:
    other = other_format(row)
    return f"{label} (ran as {shortened(other)})" if other else label


def shortened(name: str) -> str:
    """Shorten in the middle, since names tend to differ at their ends."""
    shown = visible(name)
    if len(shown) <= SHORT_NAME_CHARACTERS:
        return shown
    tail = SHORT_NAME_CHARACTERS // 3
    return f"{shown[: SHORT_NAME_CHARACTERS - tail - 1]}…{shown[-tail:]}"


def frontier_steps(
    members: Sequence[tuple[float, float]], floor: float, right: float
) -> tuple[tuple[float, float], ...]:
    """Join the frontier's members by steps: at a given cost, the best accuracy that can be had.

    Parameters
    ----------
    members
        Cost and accuracy, the cheapest first.
    floor, right
        The accuracy from which the line rises, and the cost at which it ends: the limits of the axes.
    """
    corners: list[tuple[float, float]] = []
    reached = floor
    for x, y in members:
        corners += [(x, reached), (x, y)]
        reached = y
    return (*corners, (right, reached)) if corners else ()


def _polygon(*corners: tuple[float, float]) -> str:
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in corners) + "Z"


def _regular(corners: int, *, inner: float = 1.0) -> str:
    """Return a regular polygon with a corner at the top; with an inner radius, a star of half as many points."""
    turns = [2 * math.pi * k / corners for k in range(corners)]
    radii = [inner if k % 2 else 1.0 for k in range(corners)]
    return _polygon(
        *((round(r * math.sin(a), 3), round(-r * math.cos(a), 3)) for a, r in zip(turns, radii, strict=True))
    )


OUTLINES = {
    "o": "M1,0A1,1,0,1,1,-1,0A1,1,0,1,1,1,0Z",
    "s": _polygon((-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)),
    "D": _polygon((0, -1), (1, 0), (0, 1), (-1, 0)),
    "d": _polygon((0, -1), (0.6, 0), (0, 1), (-0.6, 0)),
    "^": _polygon((0, -1), (1, 1), (-1, 1)),
    "v": _polygon((0, 1), (-1, -1), (1, -1)),
    ">": _polygon((1, 0), (-1, 1), (-1, -1)),
    "<": _polygon((-1, 0), (1, -1), (1, 1)),
    "X": _polygon(
        *((-0.5, -1), (0, -0.5), (0.5, -1), (1, -0.5), (0.5, 0), (1, 0.5)),
        *((0.5, 1), (0, 0.5), (-0.5, 1), (-1, 0.5), (-0.5, 0), (-1, -0.5)),
    ),
    "P": _polygon(
        *((-0.35, -1), (0.35, -1), (0.35, -0.35), (1, -0.35), (1, 0.35), (0.35, 0.35)),
        *((0.35, 1), (-0.35, 1), (-0.35, 0.35), (-1, 0.35), (-1, -0.35), (-0.35, -0.35)),
    ),
    "p": _regular(5),
    "h": _regular(6),
    "*": _regular(10, inner=0.4),
}
"""Matplotlib's markers as SVG paths."""
