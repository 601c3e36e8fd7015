"""The flags of an experiment: one for each of its fields, made from `significand.plan.options`."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from significand.plan.options import GROUPS, OPTIONS


def flag(field: str, group: Group | None = None) -> Parameter:
    """Return the flag of a field, in a group of them; its help and default come from the table of options."""
    option = OPTIONS[field]
    grouped: dict[str, Any] = {} if group is None else {"group": group}
    return Parameter(
        name=(f"--{field.replace('_', '-')}", *option.aliases),
        help=f"{option.help} (default: {option.shown_default})",
        show_default=False,
        metavar="VALUE",
        allow_repeating=True,  # the last one wins, as in most programs
        **grouped,
    )


IN_HELP = {title: Group(title, sort_key=at) for at, title in enumerate(GROUPS)}
"""The groups of flags, in this order."""


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
        [(name, Annotated[_type(name), flag(name, IN_HELP[option.group])], None) for name, option in OPTIONS.items()],
        frozen=True,
        namespace={"__module__": __name__},
    )

NO_FLAGS = Flags()
