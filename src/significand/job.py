"""One experiment in one result folder, from its plan to its last file; or what is left of it, after an interruption."""

import contextlib
import contextvars
import dataclasses
import errno
import functools
import hashlib
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from significand.engines.base import engine_modes, engines_of_modules, packages_of
from significand.meters.counters import EnergyPlan, choose_counter, idle_power_w
from significand.meters.energy import EnergyError
from significand.meters.machine import describe_machine, git_revision
from significand.meters.noise import NoiseMeter
from significand.meters.openmp import overridden
from significand.plan.experiment import MOST_SETUPS, Experiment, Surroundings, plan_experiment, resumed_fields
from significand.plan.paths import expanded, path_of, shell_word
from significand.plan.phrases import lasting
from significand.plan.problems import PlanError, shown
from significand.plan.setup import Perceptron
from significand.present.page import ReportError, import_parts, write_report
from significand.results.difference import Difference, as_names
from significand.results.examples import example_arrays, write_examples
from significand.results.files import ForeignFileError
from significand.results.journal import JOURNAL, Journal, read_journal
from significand.results.read import read_details, read_json_object
from significand.results.records import (
    EXAMPLE_COLUMNS,
    METHOD,
    OPERATOR_COLUMNS,
    STEP_COLUMNS,
    Progress,
    Run,
    operator_rows,
    step_rows,
)
from significand.results.resume import Begun, check_same, find_begun
from significand.results.store import (
    ANSWER_JSON,
    COMPARISONS_CSV,
    COMPARISONS_JSON,
    EXAMPLES_CSV,
    EXAMPLES_NPZ,
    MANIFEST,
    NETWORKS,
    OPERATORS,
    PARETO_JSON,
    STEPS,
    SUMMARY_CSV,
    SUMMARY_JSON,
    RunDirectory,
    StrandedError,
    check_writable,
    write_csv,
    write_json,
)
from significand.results.values import jsonable
from significand.runner.against import other_environment
from significand.runner.block import Block
from significand.runner.conductor import Here, OnProgress
from significand.runner.examination import LOOK_EVERY_S
from significand.runner.fitting import examined_network, fitted
from significand.runner.launched import Launched, RunnerError, end_ahead
from significand.runner.server import Server
from significand.runner.servers import NewServer
from significand.workload.data import Dataset, DataSources, check_splits
from significand.workload.given import Data
from significand.workload.held import digest_of

if TYPE_CHECKING:
    from significand.analysis.claims import Claims
    from significand.analysis.stopping import Reached
    from significand.answers.folder import Folder
    from significand.results.table import RunTable

FEWEST_TO_PLAN = 5
"""Repeats before the number that a target will take is extrapolated."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What an experiment came to.

    Attributes
    ----------
    folder
        Where its files are.
    results
        What is in it and what that says.
    runs
        Every run, finished or failed, in the order of their ends.
    archive
        Where results of an earlier experiment in the same folder were put; None where there were none.
    report
        Where report.html is; None where it could not be made.
    report_missing
        Why not, and what to do about it; and, on a line of its own, why the pictures are missing.
    note
        What came of going on with an experiment; empty where that was not asked for.
    """

    folder: Path
    results: "Folder"
    runs: list[Run]
    archive: Path | None
    report: Path | None
    report_missing: str = ""
    note: str = ""

    @property
    def rows(self) -> list[dict[str, object]]:
        """One summary row per setup, as in summary_stats."""
        return [dict(row) for row in self.results.rows]

    @property
    def claims(self) -> "Claims":
        """What the runs say about the setups."""
        return self.results.claims

    @property
    def reached(self) -> "Reached | None":
        """How narrow the intervals are, where the experiment went on until they are narrow enough; else None."""
        return self.results.reached

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
            f"go on with: significand run --resume --output-dir={shell_word(folder)}"
        )


class ResultsLostError(OSError):
    """A result could not be written, or not be read again. What was written before is kept, where its folder is."""


def default_output_dir(start: Path | None = None) -> Path:
    """Return ``benchmarks/statistical`` below the repository root, or below `start` where there is none."""
    start = start or working_directory()
    if start is None:
        raise PlanError(
            ["output_dir: the working directory was removed; give an absolute folder, or go to another one"]
        )
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
    allow: Sequence[str] = (),
    functions: bytes | None = None,
    keep_networks: bool = False,
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
    allow
        With `resume`, what of the machine may differ, such as ``machine.host``, or ``machine.versions`` for all below
        it. manifest.json says what did.

    keep_networks
        Keep the networks that are measured, in the folder's ``networks``.
    functions
        A cloudpickle of a network's functions by name, where they are in no file.

    Raises
    ------
    PlanError
        With one line for every mistake, before anything runs or is written.
    ExperimentInterrupted
        On Ctrl-C, after the runs' processes have ended; a bare KeyboardInterrupt where nothing was begun.
    significand.runner.launched.RunnerError
        When the runs' processes cannot be started; earlier results are where they were.
    ResultsLostError
        When a result cannot be written, as on a full disk or in a folder that was removed; what was written before is
        kept.
    """
    folder = result_folder(output_dir)
    allow = as_names(allow)
    if allow and not resume:
        raise PlanError([f"allow: {shown(list(allow))} means nothing without resume; leave it out"])
    fields = with_home(fields)
    begun = find_begun(folder, fields) if resume else Begun({}, None, None)
    stored = begun.facts.get("experiment")
    given = resumed_fields(stored, fields) if isinstance(stored, dict) else fields
    refused = dict(begun.experiment.refused) if begun.experiment else None
    with contextlib.ExitStack() as kept:
        plan = plan_in(given, folder, functions, begun.facts, allow, yes=yes or resume, kept=kept, refused=refused)
        return _run_planned(folder, plan, fields, on_progress, resume=resume, allow=allow, keep_networks=keep_networks)


def _run_planned(
    folder: Path,
    plan: "Plan",
    fields: Mapping[str, object],
    on_progress: OnProgress,
    *,
    resume: bool,
    allow: Sequence[str],
    keep_networks: bool,
) -> Outcome:
    identity = identity_of(plan)
    with RunDirectory(folder) as directory:
        journal, allowed = None, []
        if resume:
            begun = find_begun(folder, fields)  # again: it may have gone on until the folder was locked
            if begun.facts:
                allowed = check_same(folder, begun.facts, identity, allow)
            journal = begun.journal
        job = Job(
            directory,
            plan.experiment,
            plan.data,
            identity,
            journal,
            allowed,
            keep_networks=keep_networks,
            new_server=plan.new_server,
        )
        outcome = job.run(on_progress)
        return dataclasses.replace(outcome, note=_what_was_resumed(journal, outcome.runs) if resume else "")


def result_folder(output_dir: Path | str | None) -> Path:
    """Return the folder of the results, the default where none is given."""
    if output_dir is None:
        return default_output_dir()
    try:
        path_of("output_dir", output_dir)
    except (TypeError, ValueError) as error:
        raise PlanError([str(error)]) from None
    return Path(expanded("output_dir", os.fspath(output_dir)))  # pathlib would make ~ of ./~


def with_home(fields: Mapping[str, object]) -> Mapping[str, object]:
    """Return the fields with ``~`` in paths as the home folder, and that of another environment from the root."""
    data, against = fields.get("data"), fields.get("against")
    found = {"data": expanded("data", data)} if isinstance(data, str) else {}
    if isinstance(against, str | os.PathLike) and os.fspath(against):
        there = Path(expanded("against", os.fspath(against)))
        found["against"] = str((working_directory() or Path()) / there)
    return {**fields, **found}


def _what_was_resumed(journal: Journal | None, runs: Sequence[Run]) -> str:
    if journal is None:
        return "there was nothing to go on with: the experiment began anew"
    before = len(journal.runs)
    return f"{before} of {len(runs)} runs were there already{'' if before < len(runs) else ': nothing was measured'}"


class Job:
    """An experiment while it runs in its locked folder.

    Parameters
    ----------
    directory
        The folder.
    experiment, data, identity
        What is run: see `Plan` and `identity_of`.
    journal
        What the folder holds of it already; None where it begins.
    allowed
        What differed from then and was allowed to.
    keep_networks
        Whether the networks that are measured are kept.
    repeats
        Those that are run here; by default all of them.
    new_server
        As of `significand.runner.conductor.Here`.
    """

    def __init__(
        self,
        directory: RunDirectory,
        experiment: Experiment,
        data: Callable[[], Data],
        identity: Mapping[str, object],
        journal: Journal | None,
        allowed: Sequence[Difference],
        *,
        keep_networks: bool = False,
        repeats: Sequence[int] | None = None,
        new_server: NewServer = Server,
    ) -> None:
        self._directory = directory
        self._experiment = experiment
        self._data = data
        self._identity = identity
        self._journal = journal
        self._allowed = allowed
        self._keep_networks = keep_networks
        self._new_server = new_server
        self._repeats = range(experiment.most_repeats) if repeats is None else repeats
        self._summarised = repeats is None
        self._runs: list[Run] = list(journal.runs) if journal else []
        self._session = max((run.session for run in self._runs), default=0) + 1 if journal else 0
        self._archive: Path | None = None
        self._note = ""
        self._plots_missing = ""
        self._idle: dict[str, float] = {}
        self._open: contextlib.ExitStack
        self._started_s = time.perf_counter()

    def run(self, on_progress: OnProgress) -> Outcome:
        """Measure what is left, and write what follows from it."""
        with contextlib.ExitStack() as self._open:
            return self._run(on_progress)

    def measure(self, on_progress: OnProgress) -> list[Run]:
        """Measure what is left and leave the summaries to whoever has the other repeats; return all runs there are."""
        with contextlib.ExitStack() as self._open, self._ended_well():
            self._measure(on_progress)
            with self._storing():
                self._end("finished")
        return self._runs

    def _run(self, on_progress: OnProgress) -> Outcome:
        with self._ended_well():
            self._measure(on_progress)
            results = self._write_summaries()
            with futures.ThreadPoolExecutor(1) as beside:
                plots = beside.submit(contextvars.copy_context().run, write_plots, results)
                with self._storing():
                    self._end("finished")
                report, missing = self._write_report(results, lambda: futures.wait([plots]))
                with self._storing():
                    self._plots_missing = plots.result()
        missing = "\n".join(filter(None, [self._plots_missing, missing]))
        return Outcome(self._directory.folder, results, self._runs, self._archive, report, missing)

    @contextlib.contextmanager
    def _ended_well(self) -> Iterator[None]:
        """Say in the manifest, and to the caller, how it ended where it did not end well."""
        try:
            yield
        except KeyboardInterrupt:
            raise self._interrupted() from None
        except BaseException as error:
            self._try_to_end("failed")
            if isinstance(error, RunnerError) and self._directory.begun:
                raise RunnerError(f"{error}; {self._kept()}: go on with --resume") from None
            raise

    @property
    def _planned(self) -> int:
        return len(self._repeats) * len(self._experiment.setups())

    @property
    def _left(self) -> int:
        """How many runs are still to be measured."""
        wanted = frozenset(self._repeats)
        return self._planned - sum(run.repeat in wanted for run in self._runs)

    def _measure(self, on_progress: OnProgress) -> None:
        """Run what is not in the journal yet."""
        on_progress(Progress(0, self._experiment.most_repeats, len(self._runs), self._planned, 0.0))
        if not self._journal:
            self._directory.announce(self._identity)
        if not self._left or self._is_enough(self._blocks()):  # only what comes after was interrupted
            self._begin()
            return
        place = Here(
            self._data(),
            lambda progress: on_progress(dataclasses.replace(progress, note=self._note)),
            self._begin_and_keep,
            self._prepare_the_end,
            self._new_server,
        )
        energy = self._energy()
        timing = place.run(self._blocks_to_run(energy), self._keep, self._is_enough)
        with self._storing():
            self._directory.update_manifest(dataclasses.asdict(timing))

    def _prepare_the_end(self) -> None:
        if self._summarised:
            _prepare_answers(self._open)

    def _blocks_to_run(self, energy: EnergyPlan) -> Iterator[Block]:
        """Give every block with the setups that have not ended yet."""
        ended = {(run.repeat, run.setup) for run in self._runs}
        setups = self._experiment.setups()
        keep = (self._directory.folder / NETWORKS).absolute() if self._keep_networks else None
        for repeat in self._repeats:
            left = tuple(setup for setup in setups if (repeat, setup.name) not in ended)
            yield Block(self._experiment, repeat, left, energy, len(setups) - len(left), keep, profiled=True)

    def _blocks(self) -> int:
        """Return how many repeats are complete."""
        setups = len(self._experiment.setups())
        ended = Counter(run.repeat for run in self._runs)
        return sum(count == setups for count in ended.values())

    def _table(self) -> "RunTable":
        """Return the runs that there are by now, as columns."""
        from significand.results.table import table_of  # noqa: PLC0415 - see _prepare_the_end

        return table_of(self._runs, [setup.name for setup in self._experiment.setups()])

    def _results(self) -> "Folder":
        """Return what there is by now."""
        from significand.answers.folder import Folder  # noqa: PLC0415 - see _prepare_the_end

        folder = self._directory.folder
        return Folder(folder, read_json_object(folder / MANIFEST), self._experiment, self._table())

    def _is_enough(self, blocks: int) -> bool:
        """Tell before the next repeat whether the experiment is over, and say ahead how long it will take."""
        if self._experiment.until is None or blocks < FEWEST_TO_PLAN:
            return False
        from significand.analysis.stopping import reached_of  # noqa: PLC0415 - see _prepare_the_end

        reached = reached_of(self._table(), self._experiment)
        if reached is None:
            return False
        self._note = ""
        if needed := reached.repeats_needed:
            self._note = f"about {needed} repeats for ±{100 * reached.target:g} %"
            if needed > self._experiment.max_repeats:
                self._note += f", more than max_repeats ({self._experiment.max_repeats})"
        if blocks < self._experiment.fewest_repeats:
            return False
        most_s = self._experiment.max_time_s
        return reached.is_settled or (most_s is not None and time.perf_counter() - self._started_s >= most_s)

    def _energy(self) -> EnergyPlan:
        """Measure the idle machine where that is asked for, before anything of ours computes."""
        plan = EnergyPlan(self._experiment.watts_per_core, str(self._identity["energy_source"]))
        seconds = self._experiment.idle_baseline_s
        if not seconds:
            return plan
        end_ahead()  # it is still importing
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

    def _begin_and_keep(self) -> None:
        self._begin()
        if self._keep_networks:
            with self._storing():
                self._directory.networks()

    def _begin(self) -> None:
        here = working_directory()
        begun = {
            "working_directory": str(here) if here else None,
            "git_revision": git_revision(here) if here else None,
            "overridden_environment": overridden(),
            "started_utc": now_utc(),
            **self._idle,
        }
        if self._journal:
            resumed = {"state": "running", "resumed_utc": now_utc()}
            self._directory.reopen(self._journal, resumed | self._allowed_facts(), begun)
            return
        try:
            self._archive = self._directory.begin(self._identity, {"state": "running", **begun})
        except StrandedError as error:
            raise ResultsLostError(error.strerror) from None

    def _allowed_facts(self) -> dict[str, object]:
        """Say what differed and was allowed to, this time and the times before."""
        if not self._allowed:
            return {}
        before = read_json_object(self._directory.folder / MANIFEST).get("allowed")
        now = [
            {"field": one.field, "then": one.one, "now": one.other, "session": self._session} for one in self._allowed
        ]
        return {"allowed": [*(before if isinstance(before, list) else []), *now]}

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
                "ended_utc": now_utc(),
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
                if self._runs and self._summarised:
                    summary = self._write_summaries()
                    self._plots_missing = write_plots(summary)
        self._try_to_end("interrupted")
        if summary:
            with contextlib.suppress(KeyboardInterrupt):
                self._write_report(summary)
        finished = sum(run.finished for run in self._runs) if self._directory.is_ours() else 0
        return ExperimentInterrupted(finished, self._planned, self._directory.folder)

    def _write_summaries(self) -> "Folder":
        folder = self._directory.folder
        with self._storing():
            self._directory.check_ours()
            self._write_details(folder)
            results = self._results()
            write_summaries(results)
            return results

    def _write_report(
        self, results: "Folder", meanwhile: Callable[[], object] = lambda: None
    ) -> tuple[Path | None, str]:
        """Write the last file, and say why where that fails: every number is in the others."""
        try:
            self._directory.check_ours()
            return write_report(results.with_manifest(read_json_object(results.path / MANIFEST)), meanwhile), ""
        except (OSError, ReportError) as error:
            return None, str(error)

    def _write_details(self, folder: Path) -> None:
        """Write the tables that come from the runs' arrays."""
        steps: list[dict[str, object]] = []
        operators: list[dict[str, object]] = []
        scores: list[tuple[Run, Mapping[str, np.ndarray]]] = []
        for run in self._runs:
            details = self._details(run)
            steps += step_rows(run, details)
            operators += operator_rows(run, details)
            scores.append((run, {name: details[name] for name in details if name.startswith("test_")}))
        write_csv(steps, folder / STEPS, list(STEP_COLUMNS))
        write_csv(operators, folder / OPERATORS, list(OPERATOR_COLUMNS))
        write_examples(example_arrays(scores), folder / EXAMPLES_NPZ)

    def _details(self, run: Run) -> Mapping[str, np.ndarray]:
        try:
            return read_details(self._directory.details_path(run))
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
            first = {errno.ENOSPC: "make room", errno.EDQUOT: "make room"}.get(error.errno or 0, "")
            first = error.remedy if isinstance(error, ForeignFileError) else first
            remedy = f"{first}, and go on with --resume" if first else "go on with --resume"
            raise ResultsLostError(f"{error}; {self._kept()}: {remedy}") from None

    def _kept(self) -> str:
        return f"finished runs are kept in {str(self._directory.folder)!r}"


def _prepare_answers(kept: contextlib.ExitStack) -> None:
    """Start what draws, and import what is needed after the runs, at a time when others import what runs need."""
    from significand.present.plots.write import one_artist  # noqa: PLC0415 - this is when

    rests = kept.enter_context(one_artist())
    import_module("significand.answers.folder")
    import_parts()
    rests()


def write_summaries(results: "Folder") -> None:
    """Write the tables of an experiment's runs into its folder."""
    # What takes long to import is imported while the forkserver starts.
    from significand.analysis.claims import comparison_row  # noqa: PLC0415

    claims, rows, folder = results.claims, results.rows, results.path
    write_csv(rows, folder / SUMMARY_CSV)
    write_json(rows, folder / SUMMARY_JSON)
    comparisons = [comparison_row(one) for one in claims.comparisons]
    write_csv(comparisons, folder / COMPARISONS_CSV)
    write_json(comparisons, folder / COMPARISONS_JSON)
    write_csv([one.to_row() for one in results.examples], folder / EXAMPLES_CSV, list(EXAMPLE_COLUMNS))
    missing = {"objectives": claims.objectives, "reason": claims.frontier_missing}
    frontier = claims.frontier.to_dict(claims.setups, claims.objectives) if claims.frontier else missing
    write_json(frontier, folder / PARETO_JSON)
    write_json(results.decision.to_dict(), folder / ANSWER_JSON)


def write_plots(results: "Folder") -> str:
    """Draw and write the pictures; return why they could not be drawn, where so: every number is in other files."""
    from significand.present.plots.write import (  # noqa: PLC0415
        PlotError,
        one_artist,
        save_pareto_plot,
        save_ratio_plots,
        save_tradeoff_plots,
    )

    rows, folder = results.rows, results.path
    try:
        with one_artist():
            save_tradeoff_plots(rows, folder)
            save_pareto_plot(rows, folder)
            save_ratio_plots(rows, results.claims.comparisons, folder)
    except PlotError as error:
        return f"{error}, and draw them with --resume, which measures nothing again"
    return ""


@dataclasses.dataclass(frozen=True)
class Plan:
    """An experiment, what its network is measured with, and what is to be known of both.

    Attributes
    ----------
    data
        Gives what the network is measured with, once there is something to measure.
    sources
        The digests of a network's files by where they are; None where these do not tell it from another.
    against
        The environment that it is held against; see `significand.runner.against.other_environment`.
    new_server
        As of `significand.runner.conductor.Here`.
    functions_sha256
        Digest of the pickle of functions that are in no file; None where none were given.
    """

    experiment: Experiment
    data: Callable[[], Data]
    data_sha256: str | None
    network: Mapping[str, object] | None = None
    sources: Mapping[str, str] | None = None
    against: Mapping[str, object] | None = None
    new_server: NewServer = Server
    functions_sha256: str | None = None


def plan_in(
    fields: Mapping[str, object],
    folder: Path,
    functions: bytes | None,
    begun: Mapping[str, object],
    allow: Sequence[str],
    *,
    yes: bool,
    kept: contextlib.ExitStack,
    elsewhere: bool = False,
    refused: Mapping[str, str] | None = None,
) -> Plan:
    """Check the plan, the folder and the energy counter, and report what is wrong with any of them at once.

    What is wrong with a user's own functions shows when they are called, after everything else is right. What is
    measured `elsewhere` needs no energy counter here. What is resumed leaves out what was `refused` when it began.
    """
    sources = DataSources()
    problems: list[str] = []
    try:
        check_writable(folder)
    except PlanError as error:
        problems += error.problems
    try:
        surroundings = Surroundings(engine_modes(), sources.facts, engines_of_modules(), refused)
        experiment = plan_experiment(fields, surroundings)
    except PlanError as error:
        raise PlanError([*error.problems, *problems]) from None
    is_mlp = experiment.data is not None and isinstance(experiment.workload, Perceptron)
    dataset = sources.dataset(experiment.data or "", experiment.table_format) if is_mlp else None
    problems += [*([] if elsewhere else energy_problems(experiment)), *_split_problems(experiment, dataset)]
    against = None
    if elsewhere and experiment.against is not None:
        problems.append("against: two environments take turns on one machine; leave it out with --on")
    else:
        try:
            against = other_environment(experiment)
        except PlanError as error:
            problems += error.problems
    if problems:
        raise PlanError(problems)
    if not yes:
        _check_size(experiment)
    if is_mlp:
        return Plan(experiment, lambda: dataset, dataset.sha256() if dataset else None, against=against)
    if _is_begun(experiment, begun, functions):
        return _as_begun(experiment, begun, functions, folder, allow, kept, against)
    return dataclasses.replace(_examined(experiment, functions, kept, launches=not elsewhere), against=against)


def _examined(
    experiment: Experiment, functions: bytes | None, kept: contextlib.ExitStack, *, launches: bool = False
) -> Plan:
    """Have the network's functions called, and fit the experiment to what they are.

    While the network is exported, what is needed next is made ready, where it `launches`: the process that will fork
    the runs, and what answers. Both take seconds to import.
    """
    material = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="significand-network-")))
    early: list[Launched] = []

    def meanwhile(exports: Callable[[], bool]) -> None:
        with contextlib.suppress(RunnerError):  # it is launched again, and says what is wrong
            early.append(Launched(material))
            kept.callback(early[0].drop)
            while exports() and not early[0].has_imported:  # which takes longest, and leaves it a core of two
                time.sleep(LOOK_EVERY_S)
            _prepare_answers(kept)

    examined = examined_network(experiment, material, functions, meanwhile if launches else None)
    experiment = fitted(experiment, examined)
    new_server = functools.partial(Server, early=early[0]) if early else Server
    return Plan(
        experiment,
        lambda: material,
        examined.data_sha256,
        examined.told(),
        examined.sources,
        new_server=new_server,
        functions_sha256=_sha256(functions),
    )


def _sha256(functions: bytes | None) -> str | None:
    return hashlib.sha256(functions).hexdigest() if functions else None


def _is_begun(experiment: Experiment, begun: Mapping[str, object], functions: bytes | None) -> bool:
    """Tell whether this is the experiment that was begun, as far as files and functions do; it may be where not."""
    sources = begun.get("network_sources")
    if begun.get("functions_sha256") != _sha256(functions):
        return False
    if not isinstance(sources, dict) or jsonable(experiment.to_json()) != begun.get("experiment"):
        return False
    file = experiment.model.rpartition(":")[0] or experiment.model
    is_elsewhere = file.endswith((".py", ".onnx")) and os.path.realpath(file) not in sources
    try:
        return not is_elsewhere and all(digest_of(Path(path)) == digest for path, digest in sources.items())
    except OSError:
        return False


def _as_begun(
    experiment: Experiment,
    begun: Mapping[str, object],
    functions: bytes | None,
    folder: Path,
    allow: Sequence[str],
    kept: contextlib.ExitStack,
    against: Mapping[str, object] | None,
) -> Plan:
    """Return the plan of a network as it was examined when the experiment was begun: it is again only to be measured.

    What files do not tell, such as data from elsewhere, shows then, and is refused.
    """

    def data() -> Data:
        again = dataclasses.replace(_examined(experiment, functions, kept), against=against)
        check_same(folder, begun, identity_of(again), allow)
        return again.data()

    facts: Mapping[str, Any] = begun
    sha256, network, sources = (facts.get(name) for name in ("data_sha256", "network", "network_sources"))
    return Plan(experiment, data, sha256, network, sources, against, functions_sha256=_sha256(functions))


def energy_problems(experiment: Experiment) -> list[str]:
    """Return what is asked of an energy counter that none here can answer."""
    problems = []
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
    asked = {name: getattr(experiment, name) for name in ("objectives", "until_metric", "minimise")}
    asked["limit"] = [text.partition("=")[0] for text in experiment.limit]
    judged_by_energy = [name for name, metrics in asked.items() if "energy" in metrics]
    if judged_by_energy and choose_counter(experiment.watts_per_core).kind != "measured":
        problems += [
            f"{name}: 'energy' would be an estimate here, which restates CPU time and counts the same cost again; "
            "leave it out, or measure where an energy counter can be read (see `significand doctor`)"
            for name in judged_by_energy
        ]
    return problems


def _split_problems(experiment: Experiment, dataset: Dataset | None) -> list[str]:
    """Return what some repeat could not hold of the data."""
    if dataset is None:
        return []
    seeds = range(experiment.seed, experiment.seed + experiment.most_repeats)
    n_samples = experiment.n_samples or len(dataset.x)
    try:
        check_splits(dataset, n_samples, experiment.test_fraction, seeds)
    except PlanError as error:
        return [f"data: {problem}" for problem in error.problems]
    return []


def _check_size(experiment: Experiment) -> None:
    """Refuse a grid that was perhaps not meant to be so large."""
    number = len(experiment.setups())
    if number > MOST_SETUPS:
        least = "at least " if experiment.until else ""
        duration = lasting(experiment.estimated_s())
        told = f"{number} setups x {least}{experiment.fewest_repeats} repeats take {least or 'about '}{duration}"
        raise PlanError([f"axes: {told}; more than {MOST_SETUPS} are begun with --yes only: give it, or fewer values"])


def identity_of(plan: Plan) -> dict[str, object]:
    """Return what must be the same for an experiment to be gone on with, as JSON keeps it."""
    fields = plan.experiment.to_json()
    text = json.dumps(jsonable(fields), sort_keys=True, allow_nan=False)
    return {
        "experiment_hash": hashlib.sha256(text.encode()).hexdigest(),
        "experiment": fields,
        "data_sha256": plan.data_sha256,
        **({"network": plan.network} if plan.network else {}),
        **({"network_sources": plan.sources} if plan.sources or (plan.functions_sha256 and plan.sources == {}) else {}),
        **({"functions_sha256": plan.functions_sha256} if plan.functions_sha256 else {}),
        **({"against": plan.against} if plan.against else {}),
        "method": METHOD,
        "machine": describe_machine(packages=packages_of(plan.experiment.engine)),
        "energy_source": choose_counter(plan.experiment.watts_per_core).source,
    }


def working_directory() -> Path | None:
    """Return the working directory; None where somebody has removed it."""
    try:
        return Path.cwd()
    except OSError:
        return None


def now_utc() -> str:
    """Return the time of day as files say it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
