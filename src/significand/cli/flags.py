"""The flags of an experiment: one for each of its fields, made from `significand.plan.options`."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from significand.plan.options import GROUPS, OPTIONS


def flag(field: str) -> Parameter:
    """Return the flag of a field; its help and default come from the table of options."""
    option = OPTIONS[field]
    return Parameter(
        name=(f"--{field.replace('_', '-')}", *option.aliases),
        help=f"{option.help} (default: {option.shown_default})",
        show_default=False,
        metavar="VALUE",
        allow_repeating=True,  # the last one wins, as in most programs
    )


def _grouped(field: str) -> Parameter:
    title = OPTIONS[field].group
    return Parameter.combine(flag(field), Parameter(group=Group(title, sort_key=GROUPS.index(title))))


def _type(field: str) -> Any:  # noqa: ANN401 - a type
    """Return text, or of a field that may be given several times texts."""
    return list[str] | None if getattr(OPTIONS[field].kind, "repeatable", False) else str | None


if TYPE_CHECKING:

    class Flags:
        """One flag for each field of an experiment."""
else:
    # Every value stays text here: the experiment checks them all and reports every mistake at once.
    Flags = dataclasses.make_dataclass(
        "Flags",
        [(name, Annotated[_type(name), _grouped(name)], None) for name in OPTIONS],
        frozen=True,
        namespace={"__module__": __name__},
    )

NO_FLAGS = Flags()
