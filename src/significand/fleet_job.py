"""One experiment on several machines, in one folder: plan, look at the machines, give out blocks, keep, answer."""

import contextlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from significand.job import (
    ExperimentInterrupted,
    ResultsLostError,
    identity_of,
    plan_in,
    result_folder,
    with_home,
)
from significand.plan.experiment import Experiment, resumed_fields
from significand.plan.paths import shell_word
from significand.plan.problems import PlanError, shown
from significand.results.difference import as_names
from significand.results.fleet_state import (
    BlockEntry,
    FleetEnd,
    FleetError,
    FleetFile,
    FleetState,
    read_fleet_state,
    times_by_host,
)
from significand.results.fleet_store import FleetDirectory, is_fleet
from significand.results.hosts import HostFolders
from significand.results.journal import JOURNAL
from significand.results.records import Progress
from significand.results.sent_blocks import Receiver, different_facts, different_versions
from significand.results.store import BLOCK_DATA, BUNDLE, StrandedError
from significand.runner.bundle import Bundle, write_bundle
from significand.runner.conductor import OnProgress
from significand.runner.fleet import PATIENCE_S, Coordinator, Mode, Plan
from significand.runner.fleet_options import HAND, MODES, FleetOptions, NewPlace, place_of, problems_of
from significand.runner.places import FleetPlace, HostFacts, PlaceError

if TYPE_CHECKING:
    from significand.answers.fleet import FleetAnswer

FAR_OFF_S = 60.0
"""How far a machine's clock may be off before somebody is told."""


@dataclass(frozen=True)
class FleetOutcome:
    """What an experiment on several machines came to.

    Attributes
    ----------
    folder
        Where its files are.
    missing
        A line for everything that could not be had.
    failed_runs
        Runs that failed.
    archive
        Where results of an earlier experiment in the same folder were put; None where there were none.
    notes
        What else to know, a line each.
    bundle
        The bundle, where blocks are measured by hand; else None.
    answer
        What the machines say together; None where none of them has a whole block.
    """

    folder: Path
    missing: Sequence[str] = ()
    failed_runs: int = 0
    archive: Path | None = None
    notes: Sequence[str] = ()
    bundle: Path | None = None
    answer: "FleetAnswer | None" = None


def fleet_of(output_dir: Path | str | None) -> str:
    """Return where the experiment in a folder runs, if that is on several machines; else nothing.

    Raises
    ------
    PlanError
        Where fleet.json is damaged.
    """
    folder = result_folder(output_dir)
    return _read(folder).place if is_fleet(folder) else ""


def run_fleet_in(
    output_dir: Path | str | None,
    fields: Mapping[str, object],
    options: FleetOptions,
    on_progress: OnProgress = lambda progress: None,  # noqa: ARG005 - nobody watches
    *,
    resume: bool = False,
    yes: bool = False,
    allow: Sequence[str] = (),
    functions: bytes | None = None,
    new_place: NewPlace | None = None,
    patience_s: float = PATIENCE_S,
) -> FleetOutcome:
    """Plan one experiment, run it on several machines, and write what follows.

    Parameters
    ----------
    output_dir, fields, on_progress, resume, yes, functions
        As for `significand.job.run_experiment_in`.
    options
        Where blocks run, and who gets which.
    allow
        Fields of a machine that may be others than on this one, such as ``machine.versions.numpy``.
    new_place
        Makes the scheduler, given the bundle; by default the one that `options` name.
    patience_s
        How long a machine that is gone is waited for, where nobody else can do its blocks.

    Raises
    ------
    PlanError
        With one line for every mistake, before anything is measured.
    ExperimentInterrupted
        On Ctrl-C; finished blocks are kept.
    significand.runner.places.PlaceError
        Where the scheduler is gone; finished blocks are kept.
    ResultsLostError
        Where a block cannot be kept; those before are.
    """
    folder, allow = result_folder(output_dir), as_names(allow)
    with ExitStack() as kept:
        if resume and not is_fleet(folder) and (folder / JOURNAL).exists():
            here = f"resume: {str(folder)!r} holds an experiment of this machine"
            raise PlanError([f"{here}; leave --on out to go on with it, or give another folder"])
        before = _begun(folder, options) if resume and is_fleet(folder) else None
        hosts = options.hosts or (before.hosts if before else MODES[0])
        problems = problems_of(options, hosts, before.hosts if before else "")
        told, write = _prepared(folder, fields, problems, before, functions, allow, yes=yes, resume=resume, kept=kept)
        job = _FleetJob(folder, options, cast("Mode", hosts), told, allow, on_progress, patience_s)
        if options.on == HAND:
            return job.by_hand(before, write)
        scratch = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="significand-bundle-")))
        bundle = folder / BUNDLE if before else _written(scratch / BUNDLE, write)
        make = new_place or place_of(options, allow, folder, each=hosts == MODES[0])
        with make(bundle) as place:
            return job.run(place, before, write)


def _read(folder: Path) -> FleetState:
    try:
        return read_fleet_state(folder)
    except FleetError as error:
        raise PlanError([f"resume: {line}" for line in error.problems]) from None


def _begun(folder: Path, options: FleetOptions) -> FleetState:
    state = _read(folder)
    if options.hosts and state.hosts in MODES and options.hosts != state.hosts:
        raise PlanError(
            [f"resume: hosts: {state.hosts!r} then, {options.hosts!r} now; leave it out, or start anew without resume"]
        )
    return state


Write = Callable[[IO[bytes], Path | None], object]
"""Writes a bundle; and data that are too large for it into a folder, where one is given."""


def _prepared(
    folder: Path,
    fields: Mapping[str, object],
    problems: Sequence[str],
    before: FleetState | None,
    functions: bytes | None,
    allow: Sequence[str],
    *,
    yes: bool,
    resume: bool,
    kept: ExitStack,
) -> tuple[tuple[Mapping[str, object], Experiment], Write]:
    """Return what the experiment is, and what writes its bundle.

    One that was begun is in its bundle; what is given again must be the same.
    """
    fields = with_home(fields)
    if before is not None:
        bundle = Bundle(folder / BUNDLE)
        if problems:
            raise PlanError(problems)
        if fields:
            again = plan_in(
                resumed_fields(cast("Mapping[str, object]", bundle.facts["experiment"]), fields),
                folder, functions, {}, allow, yes=True, kept=kept, elsewhere=True,
                refused=dict(bundle.experiment.refused),
            )  # fmt: skip
            if differences := different_facts(bundle.facts, identity_of(again), ["machine"]):
                raise PlanError([f"resume: {one.told_in_time()}; leave it out" for one in differences])
        return (bundle.facts, bundle.experiment), lambda file, _: file.write((folder / BUNDLE).read_bytes())
    try:
        plan = plan_in(fields, folder, functions, {}, allow, yes=yes or resume, kept=kept, elsewhere=True)
    except PlanError as error:
        raise PlanError([*problems, *error.problems], error.trace) from None
    if plan.experiment.until is not None:
        problems = [*problems, "until: repeats on several machines are counted, not awaited; give --repeats instead"]
    if problems:
        raise PlanError(problems)
    facts = identity_of(plan)
    data = plan.data()

    def write(file: IO[bytes], into: Path | None) -> None:
        write_bundle(file, facts, data, plan.experiment.model, folder / BLOCK_DATA, into)

    return (facts, plan.experiment), write


def _written(path: Path, write: Write) -> Path:
    with path.open("wb") as file:
        write(file, None)
    return path


class _FleetJob:
    """An experiment on several machines while it runs in its locked folder."""

    def __init__(
        self,
        folder: Path,
        options: FleetOptions,
        mode: Mode,
        told: tuple[Mapping[str, object], Experiment],
        allow: Sequence[str],
        on_progress: OnProgress,
        patience_s: float,
    ) -> None:
        self._folder = folder
        self._options = options
        self._mode = mode
        self._facts, self._experiment = told
        self._allow = allow
        self._on_progress = on_progress
        self._patience_s = patience_s
        self._receiver = Receiver(self._facts, self._experiment, allow)
        self._folders = HostFolders(folder, self._receiver)

    def by_hand(self, before: FleetState | None, write: Write) -> FleetOutcome:
        """Write the bundle, for blocks that people measure themselves."""
        with FleetDirectory(self._folder) as directory:
            archive = None if before else self._begin(directory, self._state(None, []), write)
        return FleetOutcome(self._folder, archive=archive, bundle=self._folder / BUNDLE)

    def run(self, place: FleetPlace, before: FleetState | None, write: Write) -> FleetOutcome:
        """Give out what is left, and write what follows."""
        if place.queues:
            self._on_progress(Progress(0, 0, 0, 0, 0.0, "waiting in the queue for a first machine"))
        hosts = place.hosts()
        self._check(hosts)
        state = self._state(before, hosts)
        with FleetDirectory(self._folder) as directory:
            archive = None
            if before is None:
                archive = self._begin(directory, state, write)
            else:
                self._folders.read(self._experiment)
                self._put_right(state)
            return self._measure(place, hosts, state, archive)

    def _begin(self, directory: FleetDirectory, state: FleetState, write: Write) -> Path | None:
        try:
            return directory.begin_fleet(state, write)
        except StrandedError as error:
            raise ResultsLostError(error.strerror) from None

    def _measure(
        self, place: FleetPlace, hosts: Sequence[HostFacts], state: FleetState, archive: Path | None
    ) -> FleetOutcome:
        file = FleetFile(self._folder, state)
        runs = len(self._experiment.setups())
        plan = Plan(self._mode, self._experiment.most_repeats, runs, self._options.allow_mixed)
        coordinator = Coordinator(
            place, [host.name for host in hosts], plan, self._folders, self._receiver, state, file, self._on_progress,
            patience_s=self._patience_s,
        )  # fmt: skip
        try:
            missing = [*coordinator.run(), *self._of_absent(hosts)]
            views = self._end(place, state, file, "failed" if missing else "finished")
        except KeyboardInterrupt:
            self._break_off(place, state, file, "interrupted")
            planned = coordinator.planned * runs
            raise ExperimentInterrupted(self._folders.runs[0], planned, self._folder) from None
        except PlaceError as error:
            self._break_off(place, state, file, "failed")
            raise PlaceError(f"{error}; {self._how_to_go_on()}") from None
        except OSError as error:
            self._break_off(place, state, file, "failed")
            raise ResultsLostError(f"{error}; make room, and {self._how_to_go_on()}") from None
        notes = [*views.missing, *(f"{one.name}: {one.note}" for one in state.machines if one.note)]
        return FleetOutcome(self._folder, missing, self._folders.runs[1], archive, notes, answer=views.answer)

    def _break_off(self, place: FleetPlace, state: FleetState, file: FleetFile, how: FleetEnd) -> None:
        """End where something is told already; a second Ctrl-C or a full disk costs summaries only."""
        with contextlib.suppress(KeyboardInterrupt, OSError):
            self._end(place, state, file, how)

    def _end(self, place: FleetPlace, state: FleetState, file: FleetFile, how: FleetEnd) -> "Views":
        """End what runs elsewhere, and write what there is."""
        with contextlib.suppress(Exception):
            place.cancel()
        for block in state.blocks:
            if block.state in {"waiting", "running"}:
                block.state, block.reason = "lost", how
        state.state = how
        file.write()
        self._folders.end(how, times_by_host(state.blocks))
        return write_views(self._folder)

    def _of_absent(self, hosts: Sequence[HostFacts]) -> list[str]:
        """Say what machines lack that took part before and are not there now."""
        if self._mode == "share":
            return []
        there, repeats = {host.name for host in hosts}, self._experiment.most_repeats
        return [
            f"{name} lacks {repeats - len(done)} of {repeats} repeats: it is not there now"
            for name, done in self._folders.done.items()
            if name not in there and len(done) < repeats
        ]

    def _how_to_go_on(self) -> str:
        return (
            f"finished blocks are kept in {str(self._folder)!r}: go on with "
            f"significand run --resume --output-dir={shell_word(self._folder)}"
        )

    def _check(self, hosts: Sequence[HostFacts]) -> None:
        """Refuse machines that would measure something else, all of them at once."""
        problems = []
        here: Any = self._facts.get("machine")
        for host in hosts:
            for one in different_versions(here, host.machine, self._allow) if host.machine else ():
                told = one.told("this machine", host.name)
                problems.append(f"on: {told}; install the same there, or give --allow {one.field}")
            if self._options.require_fit and host.unfit:
                told = "; ".join(host.unfit)
                problems.append(
                    f"on: {host.name} is unfit: {told}; mend it (`significand doctor` says how), or take it away"
                )
        cpus = {host.machine.get("cpu"): host.name for host in reversed(hosts) if host.machine}
        if self._mode == "share" and len(cpus) > 1 and not self._options.allow_mixed:
            told = " and ".join(f"{shown(cpu)} (such as {name})" for cpu, name in cpus.items())
            problems.append(
                f"hosts: machines of different processors would share, {told}; take equal ones, give --hosts each, or "
                "--allow-mixed"
            )
        if problems:
            raise PlanError(problems)

    def _state(self, before: FleetState | None, hosts: Sequence[HostFacts]) -> FleetState:
        place = f"{self._options.on} {self._options.slurm}".strip()
        state = FleetState(self._facts, self._mode, place)
        if before is not None:
            state.machines, state.blocks = before.machines, before.blocks
        for host in hosts:
            if not host.machine:  # a place in a queue, whose machine shows with its first block
                continue
            entry = state.machine(str(host.machine.get("host", host.name)))
            entry.cpu = host.machine.get("cpu")
            entry.unfit, entry.clock_offset_s, entry.note = host.unfit, host.clock_offset_s, ""
            if host.clock_offset_s is not None and abs(host.clock_offset_s) > FAR_OFF_S:
                ahead = "ahead" if host.clock_offset_s > 0 else "behind"
                told = f"its clock is {abs(host.clock_offset_s):.0f} s {ahead}"
                entry.note = f"{told}: the times here are the submitting machine's"
            elif host.unfit:
                entry.note = f"unfit: {'; '.join(host.unfit)}"
        return state

    def _put_right(self, state: FleetState) -> None:
        """Correct what a killed program has left: what the machines' folders hold is what was finished."""
        kept = {(host, repeat) for host, repeats in self._folders.done.items() for repeat in repeats}
        for block in reversed(state.blocks):  # the last time is the one that came to something
            if block.state not in {"waiting", "running", "finished"}:
                continue
            # Where machines share, a place in a queue has none before its block is there.
            shared = sorted({host for host, _ in kept}) if self._mode == "share" else []
            places = [block.host] if block.host in self._folders.done else shared
            found = next((host for host in places if (host, block.repeat) in kept), None)
            if found is None:
                block.state, block.reason = "lost", block.reason or "the submitting program ended"
            else:
                kept.discard((found, block.repeat))
                block.host, block.state, block.reason = found, "finished", ""
        state.blocks += [BlockEntry(repeat, host, state="finished") for host, repeat in sorted(kept)]


@dataclass(frozen=True)
class Views:
    """The tables, pictures and the page of an experiment on several machines.

    Attributes
    ----------
    missing
        What could not be made, a line each.
    answer
        What they say; None where no machine has a whole block.
    """

    missing: Sequence[str]
    answer: "FleetAnswer | None"


def write_views(folder: Path) -> Views:
    """Write them."""
    from significand.fleet_files import write_fleet  # noqa: PLC0415 - takes long to import, and is for the end
    from significand.results.comparable import ResultsError  # noqa: PLC0415 - the same

    try:
        written = write_fleet(folder)
    except ResultsError as error:
        return Views(error.problems, None)
    return Views(written.missing, written.answer)
