"""What an interrupted experiment has left in its folder, and whether it may be gone on with."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from significand.plan.experiment import Experiment
from significand.plan.problems import PlanError, shown
from significand.results.difference import Difference, allow_problems, differing, flat, is_admitted
from significand.results.facts import FactsError, check_facts
from significand.results.journal import JOURNAL, Journal, JournalError, read_journal
from significand.results.records import FIRST_METHOD, Run
from significand.results.store import NEXT, RESULTS
from significand.results.values import jsonable

SAME_MEMORY = 0.01
"""How far a machine's memory may differ from itself: the kernel sets aside a little more or less at each boot."""

MAY_DIFFER = ("machine", "energy_source", "against")
"""What can be allowed to differ, with all below it. Runs of two experiments, data or methods are no repeats of each
other, whatever anybody allows."""

IDENTITY = ("energy_source", "experiment", "data_sha256", "network", "method", "machine", "against")
"""Compared value by value: the hash says the same of the experiment, but not what differs."""

WEIGHTS = "network.weights_sha256"
"""What a network begins with for the experiment's seed."""


@dataclass(frozen=True)
class Begun:
    """What an interruption has left.

    Attributes
    ----------
    facts
        What the experiment is and where it runs, checked; empty where nothing was begun.
    experiment
        The experiment; None where nothing was begun.
    journal
        Its journal; None where the interruption came before it had one.
    """

    facts: Mapping[str, object]
    experiment: Experiment | None
    journal: Journal | None


def find_begun(folder: Path, fields: Mapping[str, object]) -> Begun:
    """Find out what was begun in a folder.

    What was announced last counts, also where a kill came before earlier results were put aside for it. Where there are
    no results at all nothing is found, if `fields` say what to begin: the kill came before anything.

    Raises
    ------
    PlanError
        When there is nothing to resume, or it is damaged, with the reason and the remedy.
    """
    if fields and not any(os.path.lexists(folder / name) for name in (NEXT, *RESULTS)):
        return Begun({}, None, None)
    announced = os.path.lexists(folder / NEXT)
    path = folder / (NEXT if announced else JOURNAL)
    try:
        journal = read_journal(path)
        experiment = check_facts(path, journal.facts)
        _check_runs(path, journal.runs, experiment)
    except JournalError as error:
        raise PlanError([f"resume: {error}"]) from None
    except FactsError as error:
        raise PlanError([f"resume: {line}" for line in error.problems]) from None
    return Begun(journal.facts, experiment, None if announced else journal)


def _check_runs(path: Path, runs: Sequence[Run], experiment: Experiment) -> None:
    """Find out whether runs are those of the experiment."""
    setups = {setup.name: setup for setup in experiment.setups()}
    for number, run in enumerate(runs, 2):
        setup = setups.get(run.setup)
        is_its = setup is not None and (run.precision_mode, run.variant) == (setup.precision, setup.variant)
        is_planned = is_its and 0 <= run.repeat < experiment.most_repeats
        if not (is_planned and run.seed == experiment.seed + run.repeat):
            cause = f"the run {shown(run.name)} with seed {run.seed} is none of its experiment"
            raise JournalError(f"{str(path)!r} is damaged in line {number} ({cause}); start the experiment anew")


def check_same(
    folder: Path, then: Mapping[str, object], now: Mapping[str, object], allow: Sequence[str] = ()
) -> list[Difference]:
    """Find out whether an experiment is the one that was begun, on the same machine with the same versions.

    Parameters
    ----------
    then, now
        What the experiment is and where it runs.
    allow
        Fields that may differ, of those in `MAY_DIFFER`, such as ``machine.host``.

    Returns
    -------
    list of Difference
        What differs and was allowed to.

    Raises
    ------
    PlanError
        With a line for every other value that differs: its name, both values, and how to allow it where that is
        possible.
    """
    old, new = (
        {name: jsonable(facts.get(name)) for name in IDENTITY} for facts in ({"method": FIRST_METHOD, **then}, now)
    )
    found = telling(differing(old, _with_memory_of(old, new)))
    problems = _allow_problems(allow, [*dict(flat(old)), *dict(flat(new))])
    refused = [one for one in found if not (_can_be_allowed(one.field) and is_admitted(one.field, allow))]
    problems += [
        one.told_in_time() + (_way_to_allow(one.field) if _can_be_allowed(one.field) else "") for one in refused
    ]
    if any(not _can_be_allowed(one.field) for one in refused):
        problems.append(
            f"the experiment in {str(folder)!r} is another one; give no option but output_dir to go on with it as it "
            "was planned, or start anew without resume, which moves its results to history"
        )
    if problems:
        raise PlanError([f"resume: {line}" for line in problems])
    return found


def telling(differences: Iterable[Difference]) -> list[Difference]:
    """Leave out what says nothing of the network.

    A file that was opened only once, as where a cache was made of it, may be as it was: what came of it, weights and
    data, is compared, too. Initial weights that are drawn may be rounded otherwise by another processor or version.
    """
    found = list(differences)
    elsewhere = any(is_admitted(one.field, ["machine"]) for one in found)
    return [
        one
        for one in found
        if not (elsewhere and one.field == WEIGHTS)
        and not (is_admitted(one.field, ["network.files"]) and None in (one.one, one.other) and not _is_code(one))
    ]


def _is_code(one: Difference) -> bool:
    return one.field.endswith((".py", ".onnx"))


def _allow_problems(allow: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return a line for every allowed name that is no field, or of which nothing can be allowed."""
    never = [
        f"allow: {shown(name)} cannot be allowed to differ, because its runs would be no repeats of each other; allow "
        f"{' or '.join(MAY_DIFFER)}, or fields below, or start anew without resume"
        for name in allow
        if not _can_be_allowed(name) and any(is_admitted(field, [name]) for field in known)
    ]
    return [*allow_problems(allow, known), *never]


def _can_be_allowed(field: str) -> bool:
    return is_admitted(field, MAY_DIFFER)


def _way_to_allow(field: str) -> str:
    return f"; if its runs may be mixed all the same, give --allow {field}, or start anew without resume"


def _with_memory_of(old: Mapping[str, object], new: Mapping[str, object]) -> Mapping[str, object]:
    """Return `new` with the memory size of `old`, where they are about the same."""
    match old, new:
        case (
            {"machine": {"memory_mb": float(then)}},
            {"machine": {"memory_mb": float(now), **others}},
        ) if math.isclose(then, now, rel_tol=SAME_MEMORY):
            return {**new, "machine": {**others, "memory_mb": then}}
    return new
