"""`significand run` on other machines: its flags, and how it ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from significand.cli.common import DONE, SOME_RUN_FAILED, complain, print_json, say
from significand.cli.fleet_commands import tell_answer
from significand.plan.problems import PlanError, shown

if TYPE_CHECKING:
    from significand.fleet_job import FleetOutcome
    from significand.runner.conductor import OnProgress
    from significand.runner.fleet_options import FleetOptions


@dataclass(frozen=True)
class Elsewhere:
    """The flags that say where an experiment runs, as they were given."""

    on: str | None
    hosts: str | None
    slurm: str | None
    require_fit: bool
    allow_mixed: bool


def options_of(given: Elsewhere, folder: Path | str | None, *, resume: bool) -> "FleetOptions | None":
    """Return where an experiment runs, as it is asked or was begun; None for here.

    Raises
    ------
    PlanError
        Where flags are given that mean nothing here.
    """
    on, slurm = given.on, given.slurm or ""
    if on is None and resume:
        from significand.fleet_job import fleet_of

        on, _, before = fleet_of(folder).partition(" ")
        slurm = slurm or before
    if not on and given.on is None:
        values = {"hosts": given.hosts, "slurm": given.slurm}
        problems = [f"{name}: {shown(value)} means nothing without --on" for name, value in values.items() if value]
        flags = {"require_fit": given.require_fit, "allow_mixed": given.allow_mixed}
        problems += [f"{name}: it means nothing without --on" for name, is_given in flags.items() if is_given]
        if problems:
            raise PlanError([f"{line}; say where the blocks run, or leave it out" for line in problems])
        return None
    from significand.runner.fleet_options import FleetOptions

    return FleetOptions(on or "", given.hosts, slurm, require_fit=given.require_fit, allow_mixed=given.allow_mixed)


def run_elsewhere(
    folder: Path | str | None,
    fields: Mapping[str, object],
    options: "FleetOptions",
    on_progress: "OnProgress",
    *,
    resume: bool,
    yes: bool,
    allow: Sequence[str],
    keep_networks: bool,
) -> "FleetOutcome":
    """Run an experiment on other machines."""
    from significand.fleet_job import run_fleet_in

    if keep_networks:
        raise PlanError(["keep_networks: networks stay on the machines that measure them; leave it out with --on"])
    return run_fleet_in(folder, fields, options, on_progress, resume=resume, yes=yes, allow=allow)


def tell_fleet(outcome: "FleetOutcome", *, quiet: bool, as_json: bool) -> int:
    """Tell what an experiment on other machines came to, and return the exit code."""
    from significand.plan.paths import shell_word
    from significand.present.rows import visible

    for line in (*outcome.notes, *outcome.missing):
        complain(line)
    if as_json:
        print_json(_rows(outcome))
    elif outcome.bundle:
        bundle, folder = shell_word(outcome.bundle), shell_word(outcome.folder)
        say(f"Bundle: {visible(outcome.bundle)}")
        say(f"On each machine: significand block {bundle} 0 --output-dir HOST")
        say(f"Then: significand merge {folder} HOST ...")
    elif not quiet:
        tell_answer(outcome.answer)
        if outcome.archive:
            say(f"Earlier results: {visible(outcome.archive)}")
        say(f"Results: {visible(outcome.folder)}")
    if outcome.failed_runs:
        complain(f"{outcome.failed_runs} runs failed; each machine's raw_runs.csv says why")
    if outcome.missing:
        complain(
            f"not all blocks are there; go on with: significand run --resume --output-dir={shell_word(outcome.folder)}"
        )
    return SOME_RUN_FAILED if outcome.missing or outcome.failed_runs else DONE


def _rows(outcome: "FleetOutcome") -> object:
    """Return what summary_stats.json holds; or, of what people measure by hand, where the bundle is."""
    if outcome.bundle:
        return {"bundle": str(outcome.bundle), "folder": str(outcome.folder)}
    if outcome.answer is None:
        return []
    from significand.answers.fleet_tables import summary_frame

    return summary_frame(outcome.answer).to_dicts()
