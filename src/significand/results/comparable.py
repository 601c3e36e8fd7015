"""Whether two results may be compared: what must be the same, and is not.

Everything that a number depends on must be the same: the experiment, the method, the machine, the versions. What may
differ is how often it was repeated, from which seed, and what was only asked of the analysis.
"""

import math
from collections.abc import Mapping, Sequence

from significand.plan.options import OPTIONS
from significand.plan.problems import capped
from significand.results.difference import Difference
from significand.results.resume import SAME_MEMORY, WEIGHTS

FREE = frozenset(name for name, option in OPTIONS.items() if option.free)
"""Fields of an experiment that may differ."""

BEFORE = {name: option.before for name, option in OPTIONS.items() if option.before is not None}
"""What versions did that did not know a field yet, where that is not the field's default."""

NEEDED = ("seed", "repeat", "precision_mode", "status")


class ResultsError(ValueError):
    """Results that cannot be read or compared. ``problems`` holds one line a reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = capped(problems)
        super().__init__("\n".join(self.problems))


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
        if field == WEIGHTS and one.get("experiment.seed") != other.get("experiment.seed"):
            continue  # they may be drawn
        if top != "experiment" and (field not in one or field not in other):
            unrecorded.append(field)
        elif not _same(field, one.get(field), other.get(field)):
            found.append(Difference(field, one.get(field), other.get(field)))
    return found, unrecorded


def _same(field: str, one: object, other: object) -> bool:
    if field == "machine.memory_mb" and isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=SAME_MEMORY)
    return one == other
