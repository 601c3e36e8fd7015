"""`significand choose`: which setup of a result folder to ship."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from significand.cli.common import console, folder_of, print_json, refuse
from significand.cli.flags import flag
from significand.cli.require import Require, gate_of_choice, unknown


def choose(
    folder: Annotated[Path, Parameter(converter=folder_of, help="result folder", name="DIR")],
    /,
    *,
    max_loss: Annotated[str | None, flag("max_loss")] = None,
    minimise: Annotated[str | None, flag("minimise")] = None,
    limit: Annotated[list[str] | None, flag("limit")] = None,
    require: Require = None,
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
    problems += [*decision.problems, *unknown(require, decision)]
    if problems:
        return refuse(problems)
    if json:
        print_json(decision.to_dict())
    else:
        for line in (decision_told(decision), *decision_details(decision)):
            console().print(str(line), markup=False)
    return gate_of_choice(require, decision)
