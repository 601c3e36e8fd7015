"""`--require`: the gate on which setup is to ship, after a run and on a result folder."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from significand.cli.common import BAD_INPUT, DONE, FAILED_GATE, complain, refuse
from significand.plan.problems import PlanError, nearest, shown

if TYPE_CHECKING:
    from significand.answers.choose import Decision

Require = Annotated[
    str | None,
    Parameter(
        show_default=False,
        metavar="NAME",
        help="exit with 1 if another setup is chosen, or nothing is decided: a setup as the table calls it, or a "
        "precision mode",
    ),
]


def check_require(require: str | None, fields: Mapping[str, object], *, resume: bool, elsewhere: bool) -> None:
    """Refuse a name that no setup of a planned experiment will have; of one that goes on, its folder tells later.

    Of several machines each has an answer of its own.

    Raises
    ------
    PlanError
        With the names that there are.
    """
    from significand.plan.options import OPTIONS
    from significand.plan.setup import name_of

    if require is None:
        return
    if elsewhere:
        told = f"require: {shown(require)} is of one machine's answer; leave it out with --on"
        raise PlanError([f"{told}, and ask each with `significand choose DIR/hosts/HOST --require {require}`"])
    option = OPTIONS["precision_modes"]
    given = fields.get("precision_modes")
    try:
        modes = option.default if given is None else option.kind.read(given)
    except ValueError:
        return  # told with all else that is wrong
    known = [*modes, *map(name_of, modes)]
    if (resume and given is None) or any(require == one or require.startswith(f"{one}-") for one in known):
        return
    told = f"{shown(require)} is none of the precisions{nearest(require, known)}; give one of {', '.join(modes)}"
    raise PlanError([f"require: {told}, or a setup as the table will call it"])


def unknown(require: str | None, decision: "Decision") -> list[str]:
    """Say what is wrong with a name that none of a decision's setups has."""
    known = dict.fromkeys(name for setup in decision.setups for name in (setup.name, setup.precision))
    if require is None or require in known:
        return []
    return [
        f"require: {shown(require)} is none of this folder's{nearest(require, known)}; give one of {', '.join(known)}"
    ]


def gate_of_choice(require: str | None, decision: "Decision") -> int:
    """Tell how the gate ended where there is one, and return the exit code."""
    if problems := unknown(require, decision):
        refuse(problems)
        return BAD_INPUT
    chosen = [setup for setup in decision.setups if setup.name == decision.chosen]
    if require is None or any(require in {setup.name, setup.precision} for setup in chosen):
        return DONE
    complain(f"--require {require}: {decision.chosen or 'nothing'} is chosen")
    return FAILED_GATE
