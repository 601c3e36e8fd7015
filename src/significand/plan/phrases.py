"""What is the same of several modes, runs or folders is said once."""

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

Told = TypeVar("Told", bound=Hashable)

BETWEEN_RUNS = " | "
"""Stands in summaries between what several runs say differently."""

MOST_NAMED = 6
"""Names in a sentence; more are counted."""


def merged(told: Iterable[tuple[str, Told]]) -> list[tuple[str, Told]]:
    """Return names and what is told of each, once for all names of which the same is told."""
    names: dict[Told, list[str]] = {}
    for name, what in told:
        names.setdefault(what, []).append(name)
    return [(named(group), what) for what, group in names.items()]


def counted(counts: Iterable[tuple[str, int, int]]) -> tuple[str, str] | None:
    """Return whose counts these are, and them all in one: ``("float32 (2), int8 (1)", "3 of 20")``.

    Parameters
    ----------
    counts
        A name, how many, of how many; names without any are left out.

    Returns
    -------
    tuple of str and str or None
        A name that is alone stands without its count; None where nobody has any.
    """
    some = [(name, count, of) for name, count, of in counts if count]
    if not some:
        return None
    names = some[0][0] if len(some) == 1 else named([f"{name} ({count})" for name, count, _ in some])
    return names, f"{sum(count for _, count, _ in some)} of {sum(of for _, _, of in some)}"


def named(names: Sequence[str]) -> str:
    """Write names one after the other: ``"float32, int8"``; of more than `MOST_NAMED` the others are counted."""
    separator = "; " if any("," in name for name in names) else ", "
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{separator.join(names[:MOST_NAMED])}{more}"


def lasting(seconds: float) -> str:
    """Say a long time in the unit that suits it: ``"18 minutes"``, ``"2.5 hours"``, ``"3.2 days"``."""
    for size_s, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size_s:
            return f"{seconds / size_s:.{0 if unit == 'minutes' else 1}f} {unit}"
    return f"{seconds:.0f} seconds"
