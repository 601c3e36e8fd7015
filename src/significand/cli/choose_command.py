"""`significand choose`: which setup of a result folder to ship."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from significand.cli.common import DONE, FAILED_GATE, complain, console, folder_of, print_json, refuse
from significand.cli.flags import flag
from significand.plan.problems import nearest, shown

if TYPE_CHECKING:
    from significand.answers.choose import Decision


def choose(
    folder: Annotated[Path, Parameter(converter=folder_of, help="result folder", name="DIR")],
    /,
    *,
    max_loss: Annotated[str | None, flag("max_loss")] = None,
    minimise: Annotated[str | None, flag("minimise")] = None,
    limit: Annotated[list[str] | None, flag("limit")] = None,
    require: Annotated[
        str | None,
        Parameter(
            show_default=False,
            metavar="NAME",
            help="exit with 1 if another setup is chosen, or nothing is decided: a setup as the table calls it, or a "
            "precision mode",
        ),
    ] = None,
    json: Annotated[bool, Parameter(negative="", show_default=False, help="print JSON instead of sentences")] = False,
) -> int:
    """Say which setup to ship: the cheapest that surely loses little enough and keeps within the limits.

    What is not given is what the experiment was asked. The exit code is 0; 1 where --require does not hold; 2 where the
    question has no answer.

    Example: significand choose benchmarks/statistical --max-loss 0.5 --require int8
    """
    from significand.answers.choose import decide, question_of
    from significand.answers.folder import read_folder
    from significand.present.words.decision import decision_details, decision_told
    from significand.results.comparable import ResultsError

    try:
        results = read_folder(folder)
    except ResultsError as error:
        return refuse(error.problems)
    given = {"max_loss": max_loss, "minimise": minimise, "limit": limit}
    question, problems = question_of(given, results.experiment)
    decision = decide(results, question)
    problems += [*decision.problems, *_unknown(require, decision)]
    if problems:
        return refuse(problems)
    if json:
        print_json(decision.to_dict())
    else:
        for line in (decision_told(decision), *decision_details(decision)):
            console().print(str(line), markup=False)
    if require is None or _is(require, decision):
        return DONE
    complain(f"--require {require}: {decision.chosen or 'nothing'} is chosen")
    return FAILED_GATE


def _unknown(require: str | None, decision: "Decision") -> list[str]:
    known = dict.fromkeys(name for setup in decision.setups for name in (setup.name, setup.precision))
    if require is None or require in known:
        return []
    return [
        f"require: {shown(require)} is none of this folder's{nearest(require, known)}; give one of {', '.join(known)}"
    ]


def _is(require: str, decision: "Decision") -> bool:
    """Tell whether a setup or a precision is what is chosen."""
    chosen = [setup for setup in decision.setups if setup.name == decision.chosen]
    return any(require in {setup.name, setup.precision} for setup in chosen)
