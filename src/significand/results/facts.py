"""What a manifest or a journal says of an experiment, checked field by field before anything is made of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from significand.plan.experiment import Experiment, stored_experiment
from significand.plan.kinds import MOST_ITEMS
from significand.plan.problems import PlanError, capped, listed, shown

DEEPEST = 20
"""Objects and lists inside one another, at most. A manifest has four."""

MOST_ENTRIES = MOST_ITEMS
"""Of an object or a list, at most."""

LONGEST_TEXT = 5_000
"""Characters; a path may have 4096."""

LARGEST = 1e300
"""Of a number; with a larger one nothing can be worked out."""


class FactsError(ValueError):
    """Facts that are not what they should be. ``problems`` holds one line a field."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        self.problems = capped(f"{str(path)!r}: {line}; correct it, or measure again" for line in problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class _Kind:
    """What a fact can be: in words, and as a test."""

    name: str
    fits: Callable[[object], bool]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_TEXT


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST


TEXT = _Kind(f"a text of at most {LONGEST_TEXT} characters", _is_text)
NUMBER = _Kind("a number", _is_number)
COUNT = _Kind("a count", lambda value: isinstance(value, int) and _is_number(value) and value >= 0)
TRUTH = _Kind("true or false", lambda value: isinstance(value, bool))
OBJECT = _Kind("an object", lambda value: isinstance(value, dict))
LIST = _Kind("a list", lambda value: isinstance(value, list))
TEXTS = _Kind("a list of texts", lambda value: isinstance(value, list) and all(map(_is_text, value)))
NAMED_TEXTS = _Kind(
    "an object of texts",
    lambda value: isinstance(value, dict) and all(_is_text(one) or one is None for one in value.values()),
)

FACTS = {
    **dict.fromkeys(("experiment_hash", "data_sha256", "energy_source", "state", "working_directory"), TEXT),
    **dict.fromkeys(("started_utc", "resumed_utc", "ended_utc", "groups"), TEXT),
    "overridden_environment": NAMED_TEXTS,
    **dict.fromkeys(
        (
            "idle_power_w",
            "idle_others_cpu_s",
            "blocks_s",
            "measured_s",
            "prepared_s",
            "memory_mb",
            "elapsed_s",
        ),
        NUMBER,
    ),
    **dict.fromkeys(("finished_runs", "failed_runs"), COUNT),
    "method": NAMED_TEXTS,
    "network": OBJECT,
    "network_sources": NAMED_TEXTS,
    "functions_sha256": TEXT,
    "network.files": NAMED_TEXTS,
    **dict.fromkeys(("network.score", "network.weights_sha256"), TEXT),
    "git_revision": OBJECT,
    "git_revision.commit": TEXT,
    "git_revision.dirty": TRUTH,
    "allowed": LIST,
    **dict.fromkeys((f"machine.{name}" for name in ("host", "cpu", "architecture", "os", "python")), TEXT),
    **dict.fromkeys(("machine.frequency_governor", "machine.clock_source"), TEXT),
    **dict.fromkeys(("machine.physical_cores", "machine.logical_cpus", "machine.available_cpus"), COUNT),
    **dict.fromkeys(("machine.memory_mb", "machine.cpu_quota"), NUMBER),
    **dict.fromkeys(("machine.virtual_machine", "machine.turbo"), TRUTH),
    "machine.instruction_sets": TEXTS,
    "machine.versions": NAMED_TEXTS,
    "against": OBJECT,
    **dict.fromkeys(("against.path", "against.python"), TEXT),
    "against.versions": NAMED_TEXTS,
}
"""By its dotted name, what each fact is where it is known; null where it is not. The rest is in the experiment."""


def check_facts(path: Path, facts: Mapping[str, object]) -> Experiment:
    """Check what a file says of an experiment, and return the experiment.

    Parameters
    ----------
    path
        The file, for the errors.
    facts
        By name, with ``experiment``, an object; what `FACTS` does not know is left alone.

    Raises
    ------
    FactsError
        With one line for every field of the wrong type or value.
    """
    if problem := _shape_problem(facts):
        raise FactsError(path, [problem])
    problems = list(_problems(facts))
    experiment = facts.get("experiment")
    if not isinstance(experiment, Mapping):
        raise FactsError(
            path, [*problems, f"experiment: {shown(experiment)} is not an object; give its fields by name"]
        )
    try:
        plan = stored_experiment(experiment)
    except PlanError as error:
        raise FactsError(path, [*(f"experiment.{line}" for line in error.problems), *problems]) from None
    if problems:
        raise FactsError(path, problems)
    return plan


def allowed_fields(facts: Mapping[str, object]) -> list[str]:
    """Return the fields that differed when the experiment was resumed, and were allowed to."""
    entries = facts.get("allowed")
    names = [entry.get("field") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return list(dict.fromkeys(listed([name]) for name in names))


def _problems(facts: Mapping[str, object]) -> Iterator[str]:
    for field, kind in FACTS.items():
        holder, _, name = field.rpartition(".")
        inside = facts.get(holder) if holder else facts
        value = inside.get(name) if isinstance(inside, Mapping) else None
        if value is not None and not kind.fits(value):
            yield f"{field}: {shown(value)} is not {kind.name}; give {kind.name}, or null where it is not known"


def _shape_problem(facts: Mapping[str, object]) -> str:
    """Say what makes facts too deep or too wide to be looked at; empty where nothing does."""
    level: list[tuple[str, object]] = list(facts.items())  # each with the name at the top
    for _ in range(DEEPEST):
        inner: list[tuple[str, object]] = []
        for name, value in level:
            if isinstance(value, Mapping | list):
                if len(value) > MOST_ENTRIES:
                    return (
                        f"{listed([name])}: something in it has {len(value)} entries; at most {MOST_ENTRIES} are read"
                    )
                inner += [(name, one) for one in (value.values() if isinstance(value, Mapping) else value)]
        if not inner:
            return ""
        level = inner
    return f"{listed([level[0][0]])}: it is nested more than {DEEPEST} deep; write it flat"
