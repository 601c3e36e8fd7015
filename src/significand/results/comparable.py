"""Whether two results may be compared: what must be the same, and is not.

Everything that a number depends on must be the same: the experiment, the method, the machine, the versions. What may
differ is how often it was repeated, from which seed, and what was only asked of the analysis.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from significand.plan.problems import nearest, shown
from significand.results.resume import SAME_MEMORY
from significand.results.values import jsonable

FREE = frozenset({
    "precision_modes",  # modes of one folder only are not compared
    "repeats",
    "seed",  # where it differs, runs are not paired
    "watts_per_core",  # of an estimated energy, which is not compared
    "step_timeout_s",
    *("baseline", "margin", "accuracy_margin", "objectives"),  # asked of the analysis
    *("until", "until_metric", "max_repeats", "max_time_s"),  # how many repeats there are
})  # fmt: skip
"""Fields of an experiment that may differ."""

BEFORE = {"on_noise": "mark"}
"""What versions did that did not know a field yet, where that is not the field's default."""

NEEDED = ("seed", "repeat", "precision_mode", "status")


class ResultsError(ValueError):
    """Results that cannot be read or compared. ``problems`` holds one line a reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class Difference:
    """A field that should be the same: its name and what it is in the one and in the other."""

    field: str
    one: object
    other: object

    def told(self, one: str, other: str) -> str:
        """Say it, given what the two are called: ``"machine.host: 'a' in OLD, 'b' in NEW"``."""
        return f"{self.field}: {shown(self.one)} in {one}, {shown(self.other)} in {other}"


def differences(one: Mapping[str, object], other: Mapping[str, object]) -> tuple[list[Difference], list[str]]:
    """Return the facts that should be the same and are not, and those that only one of the two knows.

    The memory of a machine may differ a little from itself. The name of a data file does not matter where its content
    is known to be the same.
    """
    found, unrecorded = [], []
    same_data = "data_sha256" in one and one["data_sha256"] == other.get("data_sha256")
    for field in dict.fromkeys([*one, *other]):
        top, _, name = field.partition(".")
        if (top == "experiment" and name in FREE) or (field == "experiment.data" and same_data):
            continue
        if top != "experiment" and (field not in one or field not in other):
            unrecorded.append(field)
        elif not _same(field, one.get(field), other.get(field)):
            found.append(Difference(field, one.get(field), other.get(field)))
    return found, unrecorded


def is_admitted(field: str, allowed: Collection[str]) -> bool:
    """Tell whether a field or something that it is part of is among the allowed."""
    return any(field == name or field.startswith(f"{name}.") for name in allowed)


def allow_problems(allowed: Collection[str], known: Collection[str]) -> list[str]:
    """Return a line for every allowed name that is neither a field nor the beginning of one."""
    return [
        f"allow: {shown(name)} is not a field{nearest(name, known)}; give a field such as machine.versions.torch, or "
        "all fields below one, such as machine.versions"
        for name in allowed
        if not any(is_admitted(field, [name]) for field in known)
    ]


def flat(facts: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Return every value that is no mapping itself, with its dotted name."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", jsonable(value)


def _same(field: str, one: object, other: object) -> bool:
    if field == "machine.memory_mb" and isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=SAME_MEMORY)
    return one == other
