"""What differs between two sets of facts that should be the same, and what of it was allowed."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from significand.meters.machine import PACKAGES
from significand.plan.problems import listed, nearest, shown
from significand.results.values import jsonable


@dataclass(frozen=True)
class Difference:
    """A field that should be the same: its name and what it is in the one and in the other."""

    field: str
    one: object
    other: object

    def told(self, one: str, other: str) -> str:
        """Say it, given what the two are called: ``"machine.host: 'a' in OLD, 'b' in NEW"``."""
        return f"{listed([self.field])}: {shown(self.one)} in {one}, {shown(self.other)} in {other}"

    def told_in_time(self) -> str:
        """Say it of two times: ``"machine.host: 'a' then, 'b' now"``."""
        return f"{listed([self.field])}: {_brief(self.one)} then, {_brief(self.other)} now"


def differing(one: Mapping[str, object], other: Mapping[str, object], prefix: str = "") -> Iterator[Difference]:
    """Find every value that differs, by its dotted name; what one side lacks is None.

    Values are compared as JSON keeps them: a tuple equals a list, NaN equals null. The version of a package that is
    optional is not known where it is missing: it was not installed, or not recorded yet.
    """
    for name in dict.fromkeys([*one, *other]):
        first, second = jsonable(one.get(name)), jsonable(other.get(name))
        if isinstance(first, dict) and isinstance(second, dict):
            yield from differing(first, second, f"{prefix}{name}.")
        elif first != second and not (None in (first, second) and _is_optional(f"{prefix}{name}")):
            yield Difference(f"{prefix}{name}", first, second)


def flat(facts: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Return every value that is no mapping itself, with its dotted name."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", jsonable(value)


def as_names(allow: Sequence[str]) -> Sequence[str]:
    """Return the allowed names; a single text is one name, not its letters."""
    return [allow] if isinstance(allow, str) else allow


def is_admitted(field: str, allowed: Collection[str]) -> bool:
    """Tell whether a field or something that it is part of is among the allowed."""
    return any(field == name or field.startswith(f"{name}.") for name in allowed)


def allow_problems(allowed: Collection[str], known: Collection[str]) -> list[str]:
    """Return a line for every allowed name that is neither a field nor the beginning of one."""
    return [
        f"allow: {shown(name)} is not a field{nearest(str(name), known)}; give a field such as machine.versions.torch, "
        "or all fields below one, such as machine.versions"
        for name in allowed
        if not any(is_admitted(field, [name]) for field in known)
    ]


def _is_optional(field: str) -> bool:
    """Tell whether a field is the version of a package that not every installation has."""
    before, _, package = field.partition("versions.")
    return before in {"machine.", "against."} and package not in {"", *PACKAGES}


def _brief(value: object) -> str:
    if value is None:
        return "nothing"
    return f"{len(value)} entries" if isinstance(value, dict) else shown(value)
