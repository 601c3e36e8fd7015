"""What an interrupted experiment has left in its folder, and whether it may be gone on with."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from significand.plan.problems import PlanError
from significand.results.journal import JOURNAL, Journal, JournalError, differences, read_journal
from significand.results.records import FIRST_METHOD
from significand.results.store import NEXT, RESULTS
from significand.results.values import jsonable

SAME_MEMORY = 0.01
"""How far a machine's memory may differ from itself: the kernel sets aside a little more or less at each boot."""

IDENTITY = ("energy_source", "experiment", "data_sha256", "method", "machine")
"""Compared value by value: the hash says the same of the experiment, but not what differs."""


@dataclass(frozen=True)
class Begun:
    """What an interruption has left.

    Attributes
    ----------
    facts
        What the experiment is and where it runs; empty where nothing was begun.
    journal
        Its journal; None where the interruption came before it had one.
    """

    facts: Mapping[str, object]
    journal: Journal | None


def find_begun(folder: Path, fields: Mapping[str, object]) -> Begun:
    """Find out what was begun in a folder.

    What was announced last counts, also where a kill came before earlier results were put aside for it. Where there are
    no results at all nothing is found, if `fields` say what to begin: the kill came before anything.

    Raises
    ------
    PlanError
        When there is nothing to go on from, with the reason and the remedy.
    """
    if fields and not any((folder / name).exists() for name in (NEXT, *RESULTS)):
        return Begun({}, None)
    announced = (folder / NEXT).exists()
    try:
        journal = read_journal(folder / (NEXT if announced else JOURNAL))
    except JournalError as error:
        raise PlanError([f"resume: {error}"]) from None
    return Begun(journal.facts, None if announced else journal)


def check_same(folder: Path, then: Mapping[str, object], now: Mapping[str, object]) -> None:
    """Find out whether an experiment is the one that was begun, on the same machine with the same versions.

    Raises
    ------
    PlanError
        With a line for every value that differs: its name and both values.
    """
    old, new = (
        {name: jsonable(facts.get(name)) for name in IDENTITY} for facts in ({"method": FIRST_METHOD, **then}, now)
    )
    lines = differences(old, _with_memory_of(old, new))
    if lines:
        remedy = (
            f"the experiment in {str(folder)!r} is another one; give no option but output_dir to go on with it as it "
            "was planned, or start anew without resume, which moves its results to history"
        )
        raise PlanError([f"resume: {line}" for line in [*lines, remedy]])


def _with_memory_of(old: Mapping[str, object], new: Mapping[str, object]) -> Mapping[str, object]:
    """Return `new` with the memory size of `old`, where they are about the same."""
    match old, new:
        case (
            {"machine": {"memory_mb": float(then)}},
            {"machine": {"memory_mb": float(now), **others}},
        ) if math.isclose(then, now, rel_tol=SAME_MEMORY):
            return {**new, "machine": {**others, "memory_mb": then}}
    return new
