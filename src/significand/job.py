"""One experiment in one result folder, from its plan to its last file; or what is left of it, after an interruption."""

import contextlib
import dataclasses
import errno
import hashlib
import json
import shlex
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from significand.engines.base import engine_modes
from significand.meters.counters import EnergyPlan, choose_counter, idle_power_w
from significand.meters.energy import EnergyError
from significand.meters.machine import describe_machine, git_revision
from significand.meters.noise import NoiseMeter
from significand.plan.experiment import MOST_SETUPS, Experiment, Surroundings, plan_experiment, resumed_fields
from significand.plan.problems import PlanError
from significand.report import ReportError, import_parts, write_report
from significand.results.journal import JOURNAL, Journal, read_journal
from significand.results.records import METHOD, STEP_COLUMNS, Run, step_rows
from significand.results.resume import check_same, find_begun
from significand.results.store import (
    COMPARISONS_CSV,
    COMPARISONS_JSON,
    MANIFEST,
    PARETO_JSON,
    STEPS,
    SUMMARY_CSV,
    SUMMARY_JSON,
    RunDirectory,
    check_writable,
    read_details,
    read_json_object,
    write_csv,
    write_json,
)
from significand.results.values import jsonable
from significand.runner.block import Block
from significand.runner.conductor import Here, OnProgress
from significand.runner.server import RunnerError
from significand.workload.data import Dataset, DataSources

if TYPE_CHECKING:
    from significand.analysis.claims import Claims
    from significand.analysis.stopping import Reached

FEWEST_TO_PLAN = 5
"""Repeats before the number that a target will take is extrapolated."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What an experiment came to.

    Attributes
    ----------
    folder
        Where its files are.
    rows
        One summary row per precision mode, as in summary_stats.
    runs
        Every run, finished or failed, in the order of their ends.
    archive
        Where results of an earlier experiment in the same folder were put; None where there were none.
    claims
        What the runs say about the modes.
    precision
        How narrow the intervals are, where the experiment went on until they are narrow enough; else None.
    report
        Where report.html is; None where it could not be made.
    report_missing
        Why not, and what to do about it.
    note
        What came of going on with an experiment; empty where that was not asked for.
    refused
        Setups that no engine runs, with the reason.
    """

    folder: Path
    rows: list[dict[str, object]]
    runs: list[Run]
    archive: Path | None
    claims: "Claims"
    precision: "Reached | None"
    report: Path | None
    report_missing: str = ""
    note: str = ""
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def failed(self) -> list[Run]:
        """The runs that failed."""
        return [run for run in self.runs if not run.finished]


class ExperimentInterrupted(KeyboardInterrupt):
    """Ctrl-C during an experiment; what was finished is kept.

    Attributes
    ----------
    finished, planned
        Runs on disk, and runs that the experiment would have had.
    folder
        Where they are.
    """

    def __init__(self, finished: int, planned: int, folder: Path) -> None:
        self.finished, self.planned, self.folder = finished, planned, folder
        super().__init__(
            f"interrupted: {finished} of {planned} runs finished and kept in {folder}; "
            f"go on with: significand run --resume --output-dir {shlex.quote(str(folder))}"
        )


class ResultsLostError(OSError):
    """A result could not be written, or not be read again. What was written before is kept, where its folder is."""


def default_output_dir(start: Path | None = None) -> Path:
    """Return ``benchmarks/statistical`` below the repository root, or below `start` where there is none."""
    start = start or Path.cwd()
    for folder in (start, *start.parents):
        if (folder / ".git").exists() or (folder / "pyproject.toml").exists():
            return folder / "benchmarks" / "statistical"
    return start / "benchmarks" / "statistical"


def run_experiment_in(
    output_dir: Path | str | None,
    fields: Mapping[str, object],
    on_progress: OnProgress = lambda progress: None,  # noqa: ARG005 - nobody watches
    *,
    resume: bool = False,
    yes: bool = False,
) -> Outcome:
    """Plan, run, summarise and write one experiment.

    Parameters
    ----------
    output_dir
        Folder of the results; None for the default.
    fields
        Values by the names of `Experiment`'s fields.
    on_progress
        Called now and then while nothing is measured.
    resume
        Go on with the interrupted experiment in the folder. Fields left out are taken from it; where a given one, the
        data, the machine or a version differs, it is refused. Where nothing was begun yet, what `fields` say begins.
    yes
        Begin also a grid of more than `significand.plan.experiment.MOST_SETUPS` setups.

    Raises
    ------
    PlanError
        With one line for every mistake, before anything runs or is written.
    ExperimentInterrupted
        On Ctrl-C, after the runs' processes have ended; a bare KeyboardInterrupt where nothing was begun.
    significand.runner.server.RunnerError
        When the runs' processes cannot be started; earlier results are where they were.
    ResultsLostError
        When a result cannot be written, as on a full disk or in a folder that was removed; what was written before is
        kept.
    """
    folder = Path(output_dir) if output_dir is not None else default_output_dir()
    stored = find_begun(folder, fields).facts.get("experiment") if resume else None
    given = resumed_fields(stored, fields) if isinstance(stored, dict) else fields
    experiment, dataset = _plan(given, folder)
    if not (yes or resume):
        _check_size(experiment)
    identity = _identity(experiment, dataset)
    with RunDirectory(folder) as directory:
        journal = None
        if resume:
            begun = find_begun(folder, fields)  # again: it may have gone on until the folder was locked
            if begun.facts:
                check_same(folder, begun.facts, identity)
            journal = begun.journal
        outcome = _Job(directory, experiment, dataset, identity, journal).run(on_progress)
        return dataclasses.replace(outcome, note=_what_was_resumed(journal, outcome.runs) if resume else "")


def _what_was_resumed(journal: Journal | None, runs: Sequence[Run]) -> str:
    if journal is None:
        return "there was nothing to go on with: the experiment began anew"
    before = len(journal.runs)
    return f"{before} of {len(runs)} runs were there already{'' if before < len(runs) else ': nothing was measured'}"


class _Job:
    """An experiment while it runs in its locked folder."""

    def __init__(
        self,
        directory: RunDirectory,
        experiment: Experiment,
        dataset: Dataset | None,
        identity: Mapping[str, object],
        journal: Journal | None,
    ) -> None:
        self._directory = directory
        self._experiment = experiment
        self._dataset = dataset
        self._identity = identity
        self._journal = journal
        self._runs: list[Run] = list(journal.runs) if journal else []
        self._session = max((run.session for run in self._runs), default=0) + 1 if journal else 0
        self._archive: Path | None = None
        self._note = ""
        self._idle: dict[str, float] = {}
        self._started_s = time.perf_counter()

    def run(self, on_progress: OnProgress) -> Outcome:
        try:
            self._measure(on_progress)
            rows, claims = self._write_summaries()
            with self._storing():
                self._end("finished")
            report, missing = self._write_report(rows, claims)
        except KeyboardInterrupt:
            raise self._interrupted() from None
        except BaseException as error:
            self._try_to_end("failed")
            if isinstance(error, RunnerError) and self._directory.begun:
                raise RunnerError(f"{error}; {self._kept()}: go on with --resume") from None
            raise
        return Outcome(
            self._directory.folder,
            rows,
            self._runs,
            self._archive,
            claims,
            self._precision(),
            report,
            missing,
            refused=self._experiment.refused,
        )

    @property
    def _planned(self) -> int:
        return self._experiment.most_repeats * len(self._experiment.setups())

    def _measure(self, on_progress: OnProgress) -> None:
        """Run what is not in the journal yet."""
        if not self._journal:
            self._directory.announce(self._identity)
        if len(self._runs) == self._planned or self._is_enough(self._blocks()):  # only what comes after was interrupted
            self._begin()
            return
        place = Here(
            self._dataset,
            lambda progress: on_progress(dataclasses.replace(progress, note=self._note)),
            self._begin,
            _import_what_comes_later,
        )
        energy = self._energy()
        timing = place.run(self._blocks_left(energy), self._keep, self._is_enough)
        with self._storing():
            self._directory.update_manifest(dataclasses.asdict(timing))

    def _blocks_left(self, energy: EnergyPlan) -> list[Block]:
        """Return every block with the setups that have not ended yet."""
        ended = {(run.repeat, run.setup) for run in self._runs}
        setups = self._experiment.setups()
        return [
            Block(self._experiment, repeat, tuple(one for one in setups if (repeat, one.name) not in ended), energy)
            for repeat in range(self._experiment.most_repeats)
        ]

    def _blocks(self) -> int:
        """Return how many repeats are complete."""
        setups = len(self._experiment.setups())
        ended = Counter(run.repeat for run in self._runs)
        return sum(count == setups for count in ended.values())

    def _precision(self) -> "Reached | None":
        """Return how narrow the intervals are, where they decide when to stop."""
        from significand.analysis.stopping import reached_of  # noqa: PLC0415 - see write_summaries

        return reached_of(self._runs, self._experiment)

    def _is_enough(self, blocks: int) -> bool:
        """Tell before the next repeat whether the experiment is over, and say ahead how long it will take."""
        precision = self._precision()
        if precision is None or blocks < FEWEST_TO_PLAN:
            return False
        self._note = ""
        if needed := precision.repeats_needed:
            self._note = f"about {needed} repeats for ±{100 * precision.target:g} %"
            if needed > self._experiment.max_repeats:
                self._note += f", more than max_repeats ({self._experiment.max_repeats})"
        if blocks < self._experiment.fewest_repeats:
            return False
        most_s = self._experiment.max_time_s
        return precision.is_settled or (most_s is not None and time.perf_counter() - self._started_s >= most_s)

    def _energy(self) -> EnergyPlan:
        """Measure the idle machine where that is asked for, before anything of ours computes."""
        plan = EnergyPlan(self._experiment.watts_per_core, str(self._identity["energy_source"]))
        seconds = self._experiment.idle_baseline_s
        if not seconds:
            return plan
        meter = NoiseMeter(1)
        reading = meter.start()
        with contextlib.closing(plan.open()) as counter:
            try:
                power_w = idle_power_w(counter, seconds)
            except EnergyError as error:
                raise PlanError(
                    [f"idle_baseline_s: the idle machine could not be measured: {error}; leave it out"]
                ) from None
        # A neighbour who was busy meanwhile makes every energy too small: how busy is on the record.
        self._idle = {"idle_power_w": power_w, "idle_others_cpu_s": meter.since(reading).others_cpu_s}
        return dataclasses.replace(plan, idle_power_w=power_w)

    def _begin(self) -> None:
        begun = {
            "working_directory": str(Path.cwd()),
            "git_revision": git_revision(Path.cwd()),
            "started_utc": _now(),
            **self._idle,
        }
        if self._journal:
            self._directory.reopen(self._journal, {"state": "running", "resumed_utc": _now()}, begun)
        else:
            self._archive = self._directory.begin(self._identity, {"state": "running", **begun})

    def _keep(self, run: Run, details: Mapping[str, np.ndarray]) -> None:
        run = dataclasses.replace(run, session=self._session)
        with self._storing():
            self._directory.append(run, details)
        self._runs.append(run)

    def _end(self, state: str) -> None:
        if not self._directory.begun:
            return
        self._directory.update_manifest(
            {
                "state": state,
                "ended_utc": _now(),
                "elapsed_s": time.perf_counter() - self._started_s,
                "finished_runs": sum(run.finished for run in self._runs),
                "failed_runs": sum(not run.finished for run in self._runs),
            }
        )

    def _try_to_end(self, state: str) -> None:
        """Say in the manifest how it ended, if it lets itself be written: the cause is on its way to the user."""
        with contextlib.suppress(OSError, KeyboardInterrupt):
            self._end(state)

    def _interrupted(self) -> KeyboardInterrupt:
        """Close what Ctrl-C has interrupted, and return what to raise."""
        if not (self._journal or self._directory.begun):
            return KeyboardInterrupt()
        summary = None
        # A second Ctrl-C, or a full disk, costs the summaries but no run, and does not hide the first.
        with contextlib.suppress(KeyboardInterrupt, OSError, ValueError):
            if self._directory.begun:
                # The first may have come between the journal's line of a run and everything that follows from it.
                journal = read_journal(self._directory.folder / JOURNAL)
                self._runs = list(journal.runs)
                self._directory.reopen(journal, {"state": "interrupted"})
                if self._runs:
                    summary = self._write_summaries()
        self._try_to_end("interrupted")
        if summary:
            with contextlib.suppress(KeyboardInterrupt):
                self._write_report(*summary)
        finished = sum(run.finished for run in self._runs) if self._directory.is_ours() else 0
        return ExperimentInterrupted(finished, self._planned, self._directory.folder)

    def _write_summaries(self) -> "tuple[list[dict[str, object]], Claims]":
        with self._storing():
            self._directory.check_ours()
            steps = [row for run in self._runs for row in self._steps(run)]
            write_csv(steps, self._directory.folder / STEPS, list(STEP_COLUMNS))
            return write_summaries(self._runs, self._experiment, self._directory.folder)

    def _write_report(self, rows: Sequence[Mapping[str, object]], claims: "Claims") -> tuple[Path | None, str]:
        """Write the last file, and say why where that fails: every number is in the others."""
        from significand.evidence import Evidence  # noqa: PLC0415 - see write_summaries

        folder = self._directory.folder
        try:
            self._directory.check_ours()
            manifest = read_json_object(folder / MANIFEST)
            evidence = Evidence(folder, manifest, self._experiment, self._runs, rows, claims, self._precision())
            return write_report(evidence), ""
        except (OSError, ReportError) as error:
            return None, str(error)

    def _steps(self, run: Run) -> list[dict[str, object]]:
        try:
            return step_rows(run, read_details(self._directory.details_path(run)))
        except ValueError as error:
            raise ResultsLostError(
                f"{error}; {self._kept()}: remove that file, at the price of its lines in {STEPS}, and go on with "
                "--resume"
            ) from None

    @contextlib.contextmanager
    def _storing(self) -> Iterator[None]:
        """Say what a result that could not be written means."""
        try:
            yield
        except ResultsLostError:
            raise
        except OSError as error:
            folder = str(self._directory.folder)
            gone = isinstance(error, FileNotFoundError | NotADirectoryError)
            if gone and not (self._directory.folder / JOURNAL).exists():
                raise ResultsLostError(
                    f"the result folder {folder!r} was removed while the experiment ran; its runs are gone with it"
                ) from None
            if not self._directory.is_ours():
                raise ResultsLostError(
                    f"the result folder {folder!r} or its lock was removed or replaced while the experiment ran; what "
                    "is there now was left as it is"
                ) from None
            remedy = "make room, and go on with --resume" if error.errno == errno.ENOSPC else "go on with --resume"
            raise ResultsLostError(f"{error}; {self._kept()}: {remedy}") from None

    def _kept(self) -> str:
        return f"finished runs are kept in {str(self._directory.folder)!r}"


def write_summaries(
    runs: Sequence[Run], experiment: Experiment, folder: Path
) -> "tuple[list[dict[str, object]], Claims]":
    """Summarise runs and write the tables and plots; return the summary rows and what they say."""
    # What takes long to import is imported while the forkserver starts.
    from significand.analysis.claims import claims_of, comparison_row, summary_rows  # noqa: PLC0415
    from significand.present.plots import save_pareto_plot, save_ratio_plots, save_tradeoff_plots  # noqa: PLC0415

    claims = claims_of(runs, experiment)
    rows = summary_rows(runs, experiment, claims)
    write_csv(rows, folder / SUMMARY_CSV)
    write_json(rows, folder / SUMMARY_JSON)
    comparisons = [comparison_row(one) for one in claims.comparisons]
    write_csv(comparisons, folder / COMPARISONS_CSV)
    write_json(comparisons, folder / COMPARISONS_JSON)
    missing = {"objectives": experiment.objectives, "reason": claims.frontier_missing}
    frontier = claims.frontier.to_dict(claims.names, experiment.objectives) if claims.frontier else missing
    write_json(frontier, folder / PARETO_JSON)
    save_tradeoff_plots(rows, folder)
    save_pareto_plot(rows, folder)
    save_ratio_plots(rows, claims.comparisons, folder)
    return rows, claims


def _plan(fields: Mapping[str, object], folder: Path) -> tuple[Experiment, Dataset | None]:
    """Check the plan, the folder and the energy counter, and report what is wrong with any of them at once."""
    sources = DataSources()
    problems: list[str] = []
    try:
        check_writable(folder)
    except PlanError as error:
        problems += error.problems
    try:
        experiment = plan_experiment(fields, Surroundings(engine_modes(), sources.facts))
    except PlanError as error:
        raise PlanError([*error.problems, *problems]) from None
    if experiment.idle_baseline_s:
        counter = choose_counter(experiment.watts_per_core)
        if counter.kind != "measured":
            problems.append(
                f"idle_baseline_s: {experiment.idle_baseline_s:g} s of idle power cannot be measured: no energy "
                "counter can be read here; see what `significand doctor` says of energy, or leave it out"
            )
        elif experiment.idle_baseline_s < counter.shortest_window_s:
            problems.append(
                f"idle_baseline_s: {experiment.idle_baseline_s:g} s is too short for {counter.source}; give at least "
                f"{counter.shortest_window_s:g} s"
            )
    judged_by_energy = [name for name in ("objectives", "until_metric") if "energy" in getattr(experiment, name)]
    if judged_by_energy and choose_counter(experiment.watts_per_core).kind != "measured":
        problems += [
            f"{name}: 'energy' would be an estimate here, which restates CPU time and counts the same cost again; "
            "leave it out, or measure where an energy counter can be read (see `significand doctor`)"
            for name in judged_by_energy
        ]
    if problems:
        raise PlanError(problems)
    return experiment, sources.dataset(experiment.data, experiment.table_format)


def _check_size(experiment: Experiment) -> None:
    """Refuse a grid that was perhaps not meant to be so large."""
    number = len(experiment.setups())
    if number > MOST_SETUPS:
        duration = timedelta(seconds=round(experiment.estimated_s()))
        told = f"{number} setups x {experiment.repeats} repeats take about {duration}"
        raise PlanError([f"axes: {told}; more than {MOST_SETUPS} are begun with --yes only: give it, or fewer values"])


def _import_what_comes_later() -> None:
    """Import what is needed after the runs while the forkserver imports what is needed in them."""
    for module in ("significand.evidence", "significand.analysis.summary", "significand.present.plots"):
        import_module(module)
    import_parts()


def _identity(experiment: Experiment, dataset: Dataset | None) -> dict[str, object]:
    """Return what must be the same for an experiment to be gone on with, as JSON keeps it."""
    fields = experiment.to_json()
    text = json.dumps(jsonable(fields), sort_keys=True, allow_nan=False)
    return {
        "experiment_hash": hashlib.sha256(text.encode()).hexdigest(),
        "experiment": fields,
        "data_sha256": dataset.sha256() if dataset else None,
        "method": METHOD,
        "machine": describe_machine(),
        "energy_source": choose_counter(experiment.watts_per_core).source,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
