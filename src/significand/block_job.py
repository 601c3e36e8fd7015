"""Blocks of an experiment that was planned elsewhere, measured on this machine into a result folder of their own."""

import re
import tempfile
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from significand.engines.base import packages_of
from significand.job import Job, Plan, energy_problems, identity_of
from significand.meters.machine import available_cpus, describe_machine, host_name
from significand.plan.experiment import Experiment
from significand.plan.problems import PlanError, shown
from significand.results.difference import as_names
from significand.results.journal import JOURNAL
from significand.results.lock import HostLock
from significand.results.records import Run
from significand.results.resume import check_same, find_begun
from significand.results.sent_blocks import different_versions
from significand.results.store import BUNDLE, RunDirectory, check_writable
from significand.runner.bundle import Bundle
from significand.runner.conductor import OnProgress

REPEATS = re.compile(r"(\d+)(?:-(\d+))?")


@dataclass(frozen=True)
class Measured:
    """What blocks came to.

    Attributes
    ----------
    folder
        Where they are.
    runs
        All runs in it.
    host
        What this machine is called in it.
    """

    folder: Path
    runs: Sequence[Run]
    host: str

    @property
    def failed(self) -> list[Run]:
        """The runs that failed."""
        return [run for run in self.runs if not run.finished]


def run_blocks(
    source: Path,
    repeats: str,
    folder: Path,
    on_progress: OnProgress = lambda progress: None,  # noqa: ARG005 - nobody watches
    *,
    allow: Sequence[str] = (),
) -> Measured:
    """Measure whole repeats of an experiment on this machine.

    What the folder holds of them already is kept, and the rest is measured.

    Parameters
    ----------
    source
        A bundle, or a folder that holds one.
    repeats
        Which, from 0: ``"3"``, ``"0-9"``, ``"0,2,5-7"``.
    folder
        Of the results.
    on_progress
        Called now and then while nothing is measured.
    allow
        Fields of the machine that may be others than where the experiment was planned, such as
        ``machine.versions.numpy``.

    Raises
    ------
    PlanError
        With one line for every mistake, before anything runs or is written.
    significand.job.ExperimentInterrupted
        On Ctrl-C; what was finished is kept.
    significand.runner.launched.RunnerError
        When the runs' processes cannot be started.
    significand.job.ResultsLostError
        When a result cannot be written.
    """
    bundle = Bundle(source / BUNDLE if source.is_dir() else source)
    wanted = repeats_of(repeats, bundle.experiment)
    allow = as_names(allow)
    _check_machine(bundle, folder, allow)
    with ExitStack() as kept:
        try:
            kept.enter_context(HostLock(host_name()))
            scratch = kept.enter_context(tempfile.TemporaryDirectory(prefix="significand-bundle-"))
            data = bundle.unpack(Path(scratch))
        except OSError as error:
            raise PlanError([f"temporary folder: {error}; make room, or set TMPDIR to a folder with room"]) from None
        facts = bundle.facts
        sha256, network, sources = (facts.get(name) for name in ("data_sha256", "network", "network_sources"))
        plan = Plan(bundle.experiment, lambda: data, sha256, network, sources)
        identity = identity_of(plan)
        with RunDirectory(folder) as directory:
            journal, allowed = None, []
            if (folder / JOURNAL).exists():
                begun = find_begun(folder, {})
                allowed = check_same(folder, begun.facts, identity, allow)
                journal = begun.journal
            job = Job(directory, bundle.experiment, plan.data, identity, journal, allowed, repeats=wanted)
            runs = job.measure(on_progress)
    return Measured(folder, runs, host_name())


def repeats_of(text: str, experiment: Experiment) -> list[int]:
    """Return the repeats that a text names, each once.

    Raises
    ------
    PlanError
        Where it names none, or some that the experiment does not have.
    """
    found: dict[int, None] = {}
    for word in text.split(","):
        match = REPEATS.fullmatch(word.strip())
        if match is None or len(word) > 20:
            raise PlanError([f"repeat: {shown(word)} is no repeat; give one, such as 3, or several, as 0-9 or 0,2,5"])
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < experiment.most_repeats:
            most = experiment.most_repeats - 1
            raise PlanError([f"repeat: {shown(word)} is none of this experiment's; give some of 0 to {most}"])
        found |= dict.fromkeys(range(first, last + 1))
    return list(found)


def _check_machine(bundle: Bundle, folder: Path, allow: Collection[str]) -> None:
    """Find out what of this machine does not fit the experiment, and say all of it at once."""
    experiment, there = bundle.experiment, bundle.facts.get("machine")
    problems: list[str] = []
    try:
        check_writable(folder)
    except PlanError as error:
        problems += error.problems
    limit = available_cpus()
    problems += [
        f"threads: {number} exceeds the {limit} CPUs of {host_name()}; plan the experiment with --threads {limit}"
        for number in experiment.threads or ()
        if number > limit
    ]
    problems += energy_problems(experiment)
    here = describe_machine(packages=packages_of(experiment.engine))
    for one in different_versions(there if isinstance(there, dict) else {}, here, allow):
        told = one.told("the experiment", host_name())
        problems.append(f"{told}; install the same, or give --allow {one.field}")
    if problems:
        raise PlanError(problems)
