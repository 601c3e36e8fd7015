"""How what measures ends: known ends become a line and an exit code."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from significand.cli.common import INTERRUPTED, SOME_RUN_FAILED, complain, note, refuse

if TYPE_CHECKING:
    from significand.results.records import Run

FAILED_NAMED = 3
"""Of the runs that failed for one reason, how many are named; raw_runs.csv has them all."""


def ended_by(error: BaseException) -> int:
    """Tell what ended an experiment, where it is one of the known ends, and return the exit code."""
    from significand.job import ExperimentInterrupted, ResultsLostError
    from significand.plan.problems import PlanError
    from significand.present.rows import visible
    from significand.runner.launched import RunnerError
    from significand.runner.places import PlaceError

    match error:
        case PlanError():
            for line in error.trace.splitlines():
                note(visible(line))
            return refuse(error.problems)
        case RunnerError() | ResultsLostError() | PlaceError():
            complain(error)
            return SOME_RUN_FAILED
        case ExperimentInterrupted():
            complain(error)
            return INTERRUPTED
    raise error


def failures(failed: "Sequence[Run]") -> list[str]:
    """Return a line for every reason for which runs failed."""
    by_reason: dict[str, list[str]] = {}
    for run in failed:
        by_reason.setdefault(run.reason, []).append(run.name)
    return [_failure(names, reason) for reason, names in by_reason.items()]


def _failure(names: Sequence[str], reason: str) -> str:
    if len(names) == 1:
        return f"run {names[0]} failed: {reason}"
    more = ", ..." if len(names) > FAILED_NAMED else ""
    return f"{len(names)} runs failed, {', '.join(names[:FAILED_NAMED])}{more}: {reason}"
