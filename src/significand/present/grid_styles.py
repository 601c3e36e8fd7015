"""How the setups of a grid look: a colour per precision, a marker per combination of all else, panels for too many."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from significand.present.rows import SummaryRow, mode_names
from significand.present.styles import Style, mode_styles, shortened
from significand.present.varying import Grid
from significand.present.words.places import place_words

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")

MOST_MARKERS = 6
"""Kinds of markers in one panel, where panels can be made of an axis."""


@dataclass(frozen=True)
class Part:
    """The setups of one panel: what they have in common (empty where it is all of them), and their rows."""

    title: str
    members: tuple[int, ...]


@dataclass(frozen=True)
class Looks:
    """How a grid is drawn.

    Attributes
    ----------
    styles
        Of each row.
    parts
        The panels.
    colours, markers
        What each colour and each marker means; a single one needs no explanation, and is left out.
    """

    styles: Sequence[Style]
    parts: Sequence[Part]
    colours: Sequence[tuple[str, str]]
    markers: Sequence[tuple[str, str]]


def looks_of(grid: Grid, rows: Sequence[SummaryRow]) -> Looks:
    """Choose colours, markers and panels."""
    modes = mode_names(rows)
    by_mode = mode_styles(modes)
    apart = _panel_axes(grid)
    by_marker = [axis for axis in grid.further if axis not in apart]
    combinations = _combinations(grid, by_marker)
    parts = []
    for key in _combinations(grid, apart):
        members = [k for k, place in enumerate(grid.places) if tuple(place[axis] for axis in apart) == key]
        title = place_words(dict(zip(apart, key, strict=True)))
        parts += _chunks(grid, title, members, by_marker, combinations)
    marker = {key: MARKERS[k % len(MARKERS)] for k, key in enumerate(combinations)}
    keys = [tuple(place[axis] for axis in by_marker) for place in grid.places]
    meanings: dict[str, list[str]] = {}
    for key in combinations:
        meanings.setdefault(marker[key], []).append(place_words(dict(zip(by_marker, key, strict=True))))
    several = len(set(modes)) > 1
    return Looks(
        [Style(by_mode[mode].colour, marker[key]) for mode, key in zip(modes, keys, strict=True)],
        parts,
        [(shortened(mode), by_mode[mode].colour) for mode in dict.fromkeys(modes)] if several else (),
        [("; ".join(words), shape) for shape, words in meanings.items()] if len(combinations) > 1 else (),
    )


def _panel_axes(grid: Grid) -> tuple[str, ...]:
    """Return the axes that are told by panels: as few panels as leave few enough markers in each."""
    further = grid.further
    subsets = [some for n in range(len(further)) for some in itertools.combinations(further, n)]
    rest = {some: [axis for axis in further if axis not in some] for some in subsets}
    fitting = [some for some in subsets if len(_combinations(grid, rest[some])) <= MOST_MARKERS]
    if fitting:
        return min(fitting, key=lambda some: (len(_combinations(grid, some)), subsets.index(some)))
    longest = max(further, key=lambda axis: len(grid.values[axis]))
    return tuple(axis for axis in further if axis != longest)


def _combinations(grid: Grid, axes: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the combinations that setups have on some axes, in the order of the axes' values."""
    found = {tuple(place[axis] for axis in axes) for place in grid.places}
    return sorted(found, key=lambda key: [grid.values[a].index(v) for a, v in zip(axes, key, strict=True)])


def _chunks(
    grid: Grid, title: str, members: Sequence[int], axes: Sequence[str], combinations: Sequence[tuple[str, ...]]
) -> list[Part]:
    """Return the panel, or several where one has more combinations than there are markers."""
    parts = []
    for first in range(0, len(combinations), len(MARKERS)):
        here = combinations[first : first + len(MARKERS)]
        some = [k for k in members if tuple(grid.places[k][axis] for axis in axes) in here]
        ends = [place_words(dict(zip(axes, key, strict=True))) for key in (here[0], here[-1])]
        of_part = " to ".join(dict.fromkeys(ends)) if len(combinations) > len(MARKERS) else ""
        if some:
            parts.append(Part(", ".join(filter(None, [title, of_part])), tuple(some)))
    return parts
