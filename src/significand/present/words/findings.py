"""What a reader of a grid must not miss, each finding once for all setups that share it."""

import math
from collections.abc import Callable, Iterator, Sequence

from significand.present.grid import Grid
from significand.present.rows import SummaryRow, number, other_format, repeats, visible
from significand.present.words.places import subject_words, with_place


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


def grid_findings(grid: Grid, rows: Sequence[SummaryRow]) -> list[str]:
    """Return what a reader must not miss: formats that were not asked for, odd errors, failed and disturbed runs."""
    return [
        *_by_text(grid, rows, _other_format),
        *_by_text(grid, rows, lambda row: f": {visible(row['rounding_flag'])}" if row.get("rounding_flag") else ""),
        *_counts(grid, rows),
    ]


def _other_format(row: SummaryRow) -> str:
    other = other_format(row)
    note = f": {visible(row['precision_note'])}" if row.get("precision_note") else ""
    return f" ran as {visible(other)}{note}" if other else ""


def _by_text(grid: Grid, rows: Sequence[SummaryRow], text: Callable[[SummaryRow], str]) -> Iterator[str]:
    """Say every text once, of the setups of one precision that share it."""
    by_text: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(rows):
        if told := text(row):
            by_text.setdefault((str(row.get("precision_mode")), told), []).append(index)
    for (precision, told), members in by_text.items():
        name = who(grid, members) if "precision" in grid.values else f"{visible(precision)}, {who(grid, members)}"
        yield f"{name}{told}."


def _counts(grid: Grid, rows: Sequence[SummaryRow]) -> Iterator[str]:
    runs = [repeats(row) + count(row, "failed_runs") for row in rows]
    steps = [count(row, "steps") for row in rows]
    if failed := _having(rows, "failed_runs"):
        lost = sum(count(rows[k], "failed_runs") for k in failed)
        yield f"{who(grid, failed)}: {lost} of {sum(runs[k] for k in failed)} runs failed and are in no number."
    if disturbed := _having(rows, "disturbed_steps"):
        hit = sum(count(rows[k], "disturbed_steps") for k in disturbed)
        yield (
            f"{who(grid, disturbed)}: others disturbed {hit:,} of {sum(steps[k] for k in disturbed):,} measured steps; "
            "they are in the numbers, and marked in steps.csv."
        )
    if unknown := _having(rows, "unknown_steps"):
        hit = sum(count(rows[k], "unknown_steps") for k in unknown)
        yield (
            f"{who(grid, unknown)}: nobody can tell whether others disturbed {hit:,} of "
            f"{sum(steps[k] for k in unknown):,} measured steps; see `significand doctor`."
        )
    if unsteady := _having(rows, "unsteady_runs"):
        shaken = sum(count(rows[k], "unsteady_runs") for k in unsteady)
        reason, *others = visible(rows[unsteady[0]].get("steady_reason")).split(" | ")
        more = ", ..." if others or len(unsteady) > 1 else "."
        total = sum(repeats(rows[k]) for k in unsteady)
        yield f"{who(grid, unsteady)}: {shaken} of {total} runs had no steady latency: {reason}{more}"


def _having(rows: Sequence[SummaryRow], column: str) -> list[int]:
    return [k for k, row in enumerate(rows) if count(row, column)]


def count(row: SummaryRow, key: str) -> int:
    """Return a count; 0 where it is not known."""
    value = number(row, key)
    return round(value) if math.isfinite(value) else 0
