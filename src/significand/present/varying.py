"""What varies among setups beside their precision, and how they are grouped by it: plain values from summary rows."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from significand.present.rows import SummaryRow, number, setup_name, visible
from significand.present.words.numbers import with_bounds
from significand.present.words.places import ORDERED, PARTIAL, TITLES, place_words

Place = Mapping[str, str]
"""Values by axis, as texts."""

_COLUMNS = {"precision": "precision_mode"}
"""Of a summary row, where the column is not called as the axis."""


@dataclass(frozen=True)
class Group:
    """Setups with the same values on all axes but those told line by line.

    Attributes
    ----------
    place
        These values, by axis; empty where nothing varies but what is told line by line.
    members
        Rows, by their index.
    """

    place: Place
    members: tuple[int, ...]

    @property
    def heading(self) -> str:
        """What the setups have in common: ``"onnxruntime, batch 8, 2 threads"``."""
        return place_words(self.place)


@dataclass(frozen=True)
class Grid:
    """The setups of summary rows as points of a grid.

    Attributes
    ----------
    values
        By axis that varies, its values: numbers rising, others in the order of the rows.
    places
        Of each row, its values on all these axes.
    baselines
        Of each row, the one that it is compared with, by its index; its own where there is none.
    """

    values: Mapping[str, tuple[str, ...]]
    places: Sequence[Place]
    baselines: Sequence[int]

    @cached_property
    def compared(self) -> tuple[str, ...]:
        """Return the axes on which setups differ from what they are compared with."""
        return tuple(
            axis
            for axis in self.values
            if any(self.places[k][axis] != self.places[of][axis] for k, of in enumerate(self.baselines))
        )

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """Return the axes that are told line by line: the precision, and what is compared."""
        told = [axis for axis in self.values if axis == "precision" or axis in self.compared]
        return tuple(told or [max(self.values, key=lambda axis: len(self.values[axis]))])

    @property
    def further(self) -> tuple[str, ...]:
        """Return the axes that vary beside the precision."""
        return tuple(axis for axis in self.values if axis != "precision")

    @property
    def of_groups(self) -> tuple[str, ...]:
        """Return the axes by which setups are grouped."""
        return tuple(axis for axis in self.values if axis not in self.lines)

    def groups(self) -> list[Group]:
        """Return the setups by what varies beside what is told line by line, in the order of the axes' values."""
        by_place: dict[tuple[str, ...], list[int]] = {}
        for index, place in enumerate(self.places):
            by_place.setdefault(tuple(place[axis] for axis in self.of_groups), []).append(index)
        ordered = sorted(by_place, key=lambda key: [self.values[a].index(v) for a, v in self._named(key)])
        return [Group(dict(self._named(key)), tuple(by_place[key])) for key in ordered]

    def _named(self, key: tuple[str, ...]) -> list[tuple[str, str]]:
        return list(zip(self.of_groups, key, strict=True))

    def line_label(self, index: int) -> str:
        """Say what tells a setup from the others of its group: ``"int8"``, ``"int8, torch"``."""
        return self.label(index, self.lines)

    def label(self, index: int, axes: Iterable[str]) -> str:
        """Say a setup's values on some of the axes."""
        return place_words({axis: self.places[index][axis] for axis in axes}) or "(no name)"

    def common(self, members: Sequence[int]) -> Place:
        """Return the values that all of these setups have, on the axes that vary."""
        return {
            axis: self.places[members[0]][axis]
            for axis in self.values
            if len({self.places[k][axis] for k in members}) == 1
        }

    def matching(self, place: Place) -> list[int]:
        """Return the setups that have these values."""
        return [k for k, one in enumerate(self.places) if all(one[axis] == v for axis, v in place.items())]


def grid_of(rows: Sequence[SummaryRow]) -> Grid | None:
    """Return summary rows as a grid; None where they differ in nothing but their precision, or do not name setups.

    Rows of a user's own, which may know no more than their precision and numbers, are no grid.
    """
    if len(rows) < 2 or not all(row.get("setup") and row.get("precision_mode") is not None for row in rows):
        return None
    read = {axis: [row.get(_COLUMNS.get(axis, axis)) for row in rows] for axis in TITLES}
    columns = {axis: ["" if value is None else visible(value) for value in column] for axis, column in read.items()}
    absent = {axis: {""} if axis in PARTIAL else set() for axis in columns}
    values = {axis: _ordered(axis, column) for axis, column in columns.items() if len({*column} - absent[axis]) > 1}
    if not set(values) - {"precision"}:
        return None
    by_name = {setup_name(row): index for index, row in reversed(list(enumerate(rows)))}
    return Grid(
        values,
        [{axis: columns[axis][index] for axis in values} for index in range(len(rows))],
        [by_name.get(str(row.get("ratio_baseline")), index) for index, row in enumerate(rows)],
    )


def ratio_of(row: SummaryRow, metric: str) -> tuple[float, float, float]:
    """Return the ratio to the baseline and its t interval; NaN for what does not exist, and of the baseline itself."""
    if row.get("ratio_baseline") == setup_name(row):
        return math.nan, math.nan, math.nan
    ratio, low, high = (number(row, f"{metric}_{name}") for name in ("ratio", "ratio_ci95_t_low", "ratio_ci95_t_high"))
    return (ratio, low, high) if math.isfinite(low) and math.isfinite(high) else (ratio, math.nan, math.nan)


def ratio_texts(row: SummaryRow, metric: str) -> tuple[str, str]:
    """Write the ratio to the baseline, ``"×1.18"``, and its interval; empty where there is none."""
    ratio, low, high = ratio_of(row, metric)
    if not math.isfinite(ratio):
        return "", ""
    shown, interval = with_bounds(ratio, low, high)
    return f"×{shown}", interval


def _ordered(axis: str, column: Sequence[str]) -> tuple[str, ...]:
    """Return the values of an axis once each: numbers rising, before what is none; others as they come."""
    distinct = tuple(dict.fromkeys(column))
    if axis not in ORDERED:
        return distinct
    return tuple(sorted(distinct, key=lambda value: (not value.isdecimal(), int(value) if value.isdecimal() else 0)))
