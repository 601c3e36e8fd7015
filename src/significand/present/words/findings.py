"""What a reader of results must not miss, each finding once for all setups that share it."""

import math
import re
from collections.abc import Callable, Iterator, Sequence

from significand.plan.phrases import BETWEEN_RUNS, counted, merged
from significand.present.rows import SummaryRow, made_up, mode_names, number, other_format, repeats, visible
from significand.present.varying import Grid, grid_of
from significand.present.words.network import MADE_UP
from significand.present.words.places import subject_words, with_place

NUMBERS = re.compile(r"\d+(\.\d+)?(e[+-]?\d+)?")

TellCounts = Callable[[Sequence[int], Sequence[int], str], tuple[str, str] | None]
"""Says of counts by setup, and of how many each is, who has some and how many in all; given how numbers are written."""


def who(grid: Grid, members: Sequence[int]) -> str:
    """Say which setups: by what they have in common where that fits no other, else their number too.

    Such as ``"float16 on onnxruntime"``, ``"int8 (3 of 8 setups)"``, ``"5 of 48 setups"``, ``"all setups"``.
    """
    if len(members) == len(grid.places):
        return "all setups"
    place = grid.common(members)
    matching = grid.matching(place)
    if "precision" not in place and len(members) > 1:
        told = "all setups" if len(members) == len(matching) else f"{len(members)} of {len(matching)} setups"
        return with_place(told, place)
    named = subject_words(place)
    return named if len(members) == len(matching) else f"{named} ({len(members)} of {len(matching)} setups)"


def findings(rows: Sequence[SummaryRow]) -> list[str]:
    """Return what a reader must not miss, a sentence each.

    Inputs that are made up, formats that were not what was asked for, errors that do not fit the format, failed runs,
    steps that others disturbed, runs without a steady state. Of a grid each once, for all setups that share it.
    """
    grid = grid_of(rows)
    if grid is not None:
        return grid_findings(grid, rows)
    names = [visible(name) for name in mode_names(rows)]
    others = [_other_format(row, row.get("engine")) for row in rows]
    flags = [_flag(row) for row in rows]

    def told(counts: Sequence[int], of: Sequence[int], form: str) -> tuple[str, str] | None:  # noqa: ARG001
        return counted(zip(names, counts, of, strict=True))

    return [
        *_made_up(rows),
        *(f"{who}{said}." for texts in (others, flags) for who, said in merged(zip(names, texts, strict=True)) if said),
        *_counts(rows, told),
    ]


def grid_findings(grid: Grid, rows: Sequence[SummaryRow]) -> list[str]:
    """Return the findings of a grid, which is that of the rows."""

    def told(counts: Sequence[int], of: Sequence[int], form: str) -> tuple[str, str] | None:
        members = [k for k, number_of in enumerate(counts) if number_of]
        if not members:
            return None
        return who(grid, members), f"{sum(counts):{form}} of {sum(of[k] for k in members):{form}}"

    return [
        *_made_up(rows),
        *_by_text(grid, rows, _other_format),
        *_by_text(grid, rows, _flag),
        *_counts(rows, told),
    ]


def _made_up(rows: Sequence[SummaryRow]) -> list[str]:
    return [f"{MADE_UP.capitalize()}."] if made_up(rows) else []


def _other_format(row: SummaryRow, engine: object = None) -> str:
    """Say which format it ran as instead of its own, and why, or what else to know; empty where there is nothing."""
    if not (other := other_format(row)):
        return f": {visible(row['precision_note'])}" if row.get("precision_note") else ""
    where = f" on {visible(engine)}" if engine else ""
    why = f": {visible(row['precision_note'])}" if row.get("precision_note") else ""
    return f" ran as {visible(other)}{where}{why}"


def _flag(row: SummaryRow) -> str:
    return f": {_of_runs(row['rounding_flag'])}" if row.get("rounding_flag") else ""


def _of_runs(said: object) -> str:
    """Write what several runs say as one text: what differs in numbers alone is said once, as the first run does."""
    alike: dict[str, list[str]] = {}
    for text in visible(said).split(BETWEEN_RUNS):
        alike.setdefault(NUMBERS.sub("#", text), []).append(text)
    more = {len(texts) - 1 for texts in alike.values()} - {0}
    return BETWEEN_RUNS.join(first for first, *_ in alike.values()) + ("; other runs much alike" if more else "")


def _by_text(grid: Grid, rows: Sequence[SummaryRow], text: Callable[[SummaryRow], str]) -> Iterator[str]:
    """Say every text once, of the setups of one precision that share it."""
    by_text: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(rows):
        if told := text(row):
            by_text.setdefault((str(row.get("precision_mode")), told), []).append(index)
    for (precision, told), members in by_text.items():
        name = who(grid, members) if "precision" in grid.values else f"{visible(precision)}, {who(grid, members)}"
        yield f"{name}{told}."


def _counts(rows: Sequence[SummaryRow], told: TellCounts) -> Iterator[str]:
    """Say what happened to some of the runs or steps, once for all setups."""
    runs = [repeats(row) for row in rows]
    steps, failed, disturbed, unknown, unsteady = (
        [count(row, key) for row in rows]
        for key in ("steps", "failed_runs", "disturbed_steps", "unknown_steps", "unsteady_runs")
    )
    if found := told(failed, [lost + kept for lost, kept in zip(failed, runs, strict=True)], ""):
        yield f"{found[0]}: {found[1]} runs failed and are in no number."
    if found := told(disturbed, steps, ","):
        yield (
            f"{found[0]}: others disturbed {found[1]} measured steps; they are in the numbers, and marked in steps.csv."
        )
    if found := told(unknown, steps, ","):
        yield (
            f"{found[0]}: nobody can tell whether others disturbed {found[1]} measured steps; see `significand doctor`."
        )
    if found := told(unsteady, runs, ""):
        reasons = [visible(row.get("steady_reason")) for row, shaken in zip(rows, unsteady, strict=True) if shaken]
        first, *more = BETWEEN_RUNS.join(reasons).split(BETWEEN_RUNS)
        yield f"{found[0]}: {found[1]} runs had no steady latency: {first}{', ...' if more else '.'}"


def count(row: SummaryRow, key: str) -> int:
    """Return a count; 0 where it is not known."""
    value = number(row, key)
    return round(value) if math.isfinite(value) else 0
