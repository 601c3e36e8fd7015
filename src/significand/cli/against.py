"""The gate of `significand run --against`: what it needs, and how it ends."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from significand.cli.common import BAD_INPUT, DONE, FAILED_GATE, complain, end_gate, refuse
from significand.plan.problems import PlanError

if TYPE_CHECKING:
    from significand.analysis.claims import Claims
    from significand.answers.gate import FailOn


def check_gate(fail_on: str | None, fields: Mapping[str, object], folder: Path | str | None, *, resume: bool) -> None:
    """Refuse a gate where nothing is held against another environment.

    Raises
    ------
    PlanError
        With the remedy.
    """
    if fail_on is None or fields.get("against") is not None:
        return
    if resume:
        from significand.job import result_folder
        from significand.results.resume import find_begun

        begun = find_begun(result_folder(folder), fields).experiment
        if begun is not None and begun.against is not None:
            return
    told = f"fail_on: {fail_on!r} means nothing without --against, the environment to be held against"
    raise PlanError([f"{told}; give it, or judge two folders with `significand compare OLD NEW --fail-on {fail_on}`"])


def gate_of(claims: "Claims", fail_on: "FailOn") -> int:
    """Tell how the gate ended, and return the exit code; it judges the headlines, as that of two folders does."""
    from significand.answers.gate import failing, unjudged_setups
    from significand.present.terminal.compare_view import failing_lines

    lines, unjudged = failing_lines(failing(claims, fail_on, headlines_alone=True)), unjudged_setups(claims)
    for line in lines:
        complain(line)
    if unjudged:
        refuse([f"fail_on: nothing could be tested of {', '.join(unjudged)}; measure at least 2 repeats"])
    return end_gate(fail_on, FAILED_GATE if lines else BAD_INPUT if unjudged else DONE)
