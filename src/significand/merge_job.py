"""Result folders of several machines put together as one experiment on several machines."""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from significand.fleet_job import write_views
from significand.plan.experiment import Experiment
from significand.plan.paths import path_of
from significand.plan.problems import PlanError, shown
from significand.results.difference import as_names
from significand.results.facts import FactsError, check_facts
from significand.results.fleet_state import (
    BlockEntry,
    FleetEnd,
    FleetError,
    FleetFile,
    FleetState,
    read_fleet_state,
    times_by_host,
    utc,
)
from significand.results.fleet_store import FleetDirectory, is_fleet
from significand.results.hosts import HostFolders, different_machines, if_one_machine
from significand.results.journal import JOURNAL, JournalError, read_journal
from significand.results.read import read_json_object
from significand.results.sent_blocks import BlockError, Receiver, different_facts, pack_block
from significand.results.store import HOSTS, MANIFEST, check_writable

if TYPE_CHECKING:
    from significand.answers.fleet import FleetAnswer

MOST_TOLD = 10
"""Missing repeats that are told one by one."""


@dataclass(frozen=True)
class Merged:
    """What was put together.

    Attributes
    ----------
    folder
        Where it is.
    archive
        Where earlier results in that folder were put; None where there were none.
    blocks
        How many blocks each machine has, by name.
    notes
        What was left out, and why, a line each.
    answer
        What the machines say together; None where none of them has a whole block.
    """

    folder: Path
    archive: Path | None
    blocks: Mapping[str, int]
    notes: Sequence[str]
    answer: "FleetAnswer | None"


@dataclass(frozen=True)
class _Source:
    """A folder that is put in: its facts, under the name that its machine shall have."""

    folder: Path
    facts: Mapping[str, Any]
    experiment: Experiment
    host: str
    counts: Mapping[int, int]

    @property
    def machine(self) -> Mapping[str, Any]:
        return {**self.facts["machine"], "host": self.host}


def merge_folders(out: Path, folders: Sequence[str | Path], *, allow: Sequence[str] = ()) -> Merged:
    """Put result folders together; those of one machine become one.

    Parameters
    ----------
    out
        Folder of the whole. What another merge, or `significand run --on hand`, has left there is added to.
    folders
        Result folders, or folders of several machines. ``NAME=FOLDER`` gives the machine another name.
    allow
        Fields of the machine that may differ, such as ``machine.versions.numpy``.

    Raises
    ------
    PlanError
        With one line for everything that does not fit together, before anything is written.
    """
    allow = as_names(allow)
    before = _before(out)
    sources = _sources(folders)
    first: Mapping[str, Any] = before.facts if before else sources[0].facts
    problems = [
        f"{one.told(str(out if before else sources[0].folder), str(source.folder))}{_remedy(one.field)}"
        for source in sources
        for one in different_facts(first, source.facts, allow)
    ]
    problems += _two_of_a_name(sources, allow)
    problems += _of_the_whole(out, sources)
    if problems:
        raise PlanError(problems)
    check_writable(out)
    receiver = Receiver(first, sources[0].experiment, allow)
    hosts = HostFolders(out, receiver)
    state = before or FleetState(first, "merged", "merge")
    with FleetDirectory(out) as directory:
        if before:
            archive = None
            hosts.read(sources[0].experiment)
        else:
            archive = directory.begin_fleet(state, None)
        notes = [note for source in sources for note in _put_in(source, hosts, receiver, state)]
        lacking = list(_lacking(sources[0].experiment, state.hosts, hosts.done))
        state.state = _ended(before, lacking)
        FleetFile(out, state).write()
        hosts.end("interrupted" if lacking else "finished", times_by_host(state.blocks))
        views = write_views(out)
    return Merged(
        out,
        archive,
        {name: len(repeats) for name, repeats in hosts.done.items()},
        [*notes, *lacking, *views.missing],
        views.answer,
    )


def _lacking(experiment: Experiment, mode: str, done: Mapping[str, Collection[int]]) -> Iterator[str]:
    """Say which repeats are not there: of each machine where every one shall do all, else those that nobody did."""
    wanted = set(range(experiment.fewest_repeats))
    if mode != "each":
        if left := wanted.difference(*done.values()):
            yield f"{len(left)} of {len(wanted)} repeats are missing: no machine has {_brief(left)}"
        return
    for name, repeats in done.items():
        if left := wanted.difference(repeats):
            yield f"{name} lacks {len(left)} of {len(wanted)} repeats: {_brief(left)}"


def _brief(repeats: Collection[int]) -> str:
    first = [str(repeat) for repeat in sorted(repeats)[:MOST_TOLD]]
    return ", ".join([*first, *(["..."] if len(repeats) > len(first) else [])])


def _ended(before: FleetState | None, lacking: Sequence[str]) -> FleetEnd:
    """Return how the whole stands: what lacks something goes on as it was, or has been interrupted."""
    if not lacking:
        return "finished"
    return before.state if before and before.state != "finished" else "interrupted"


def _before(out: Path) -> FleetState | None:
    if not is_fleet(out):
        return None
    try:
        return read_fleet_state(out)
    except FleetError as error:
        raise PlanError(error.problems) from None


def _sources(words: Sequence[str | Path]) -> list[_Source]:
    """Read what each folder holds."""
    found, problems = [], []
    for word in words:
        name, folder = _named(word)
        folders = sorted((folder / HOSTS).iterdir()) if is_fleet(folder) and (folder / HOSTS).is_dir() else [folder]
        if name and len(folders) > 1:
            problems.append(f"{word}: {str(folder)!r} holds {len(folders)} machines, not one; leave the name out")
        for one in folders:
            try:
                found.append(_read(one, name))
            except (JournalError, OSError) as error:
                problems.append(f"{str(one)!r} cannot be put in: {error}")
            except FactsError as error:
                problems += error.problems
    if not found and not problems:
        problems.append("nothing is to be put together; give the folders of several machines")
    if problems:
        raise PlanError(problems)
    return found


def _named(word: str | Path) -> tuple[str, Path]:
    """Return the name before ``=``, where there is one, and the folder."""
    text = os.fspath(word)
    name, equals, rest = text.partition("=")
    try:
        if equals and name and "/" not in name and not Path(text).exists():
            return name, path_of("the folder", rest)
        return "", path_of("the folder", text)
    except ValueError as error:
        raise PlanError([str(error)]) from None


def _read(folder: Path, name: str) -> _Source:
    path = folder / JOURNAL
    journal = read_journal(path)
    experiment = check_facts(path, journal.facts)
    facts: dict[str, Any] = dict(journal.facts)
    machine = facts.get("machine")
    host = name or (machine.get("host") if isinstance(machine, dict) else None)
    if not isinstance(machine, dict) or not host:
        raise JournalError(f"{str(path)!r} does not say which machine it is from; name it: NAME={folder}")
    return _Source(folder, facts, experiment, str(host), Counter(run.repeat for run in journal.runs))


def _remedy(field: str) -> str:
    if field.startswith("machine."):
        return f"; give --allow {field} if they may be put together all the same"
    return "; these are different experiments, and are never put together"


def _two_of_a_name(sources: Sequence[_Source], allow: Sequence[str]) -> list[str]:
    """Return a line for each folder whose machine has the name of another one."""
    first: dict[str, _Source] = {}
    problems = []
    for source in sources:
        known = first.setdefault(source.host, source)
        if differences := different_machines(known.machine, source.machine, allow):
            told = differences[0].told(str(known.folder), str(source.folder))
            remedies = f"{if_one_machine(differences)}; {_another_name(source)}"
            problems.append(f"both are from {shown(source.host)}, but {told}; {remedies}")
    return problems


def _another_name(source: _Source) -> str:
    return f"if these are two machines, name one: {source.host}-2={source.folder}"


def _of_the_whole(out: Path, sources: Sequence[_Source]) -> list[str]:
    """Return a line for each folder that is the one of the whole, or a machine's in it: it would be moved away."""
    whole = out.resolve()
    mine = [one.folder for one in sources if (real := one.folder.resolve()) == whole or whole / HOSTS in real.parents]
    remedy = "give another folder for the whole, or leave it out"
    return [f"{str(folder)!r} is the folder of the whole, or in it; {remedy}" for folder in mine]


def _put_in(source: _Source, hosts: HostFolders, receiver: Receiver, state: FleetState) -> list[str]:
    """Add the whole blocks of a folder; say what was left out."""
    notes = []
    whole = len(source.experiment.setups())
    manifest = read_json_object(source.folder / MANIFEST)
    times = {name: str(manifest.get(name) or "") for name in ("started_utc", "ended_utc")}
    for repeat, count in sorted(source.counts.items()):
        place = f"{source.folder}: repeat {repeat}"
        if count < whole:
            notes.append(f"{place} has {count} of {whole} runs, and was left out; measure the rest of it there")
            continue
        try:
            block = receiver.receive(pack_block(source.folder, repeat, source.host), repeat)
            is_there = hosts.holds(block)
            reason = hosts.keep([block])[0]
            if reason and not is_there:
                reason = f"{reason}; {_another_name(source)}"
        except BlockError as error:
            reason = str(error)
        if reason:
            notes.append(f"{place} was left out: {reason}")
        else:
            state.blocks.append(BlockEntry(repeat, source.host, 1, "finished", utc(), **times))
    entry = state.machine(source.host)
    entry.cpu = source.machine.get("cpu")
    return notes
