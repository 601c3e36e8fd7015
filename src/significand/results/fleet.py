"""A fleet's folder: one experiment on several hosts, each with an ordinary result folder below ``hosts``.

Anybody may have written it, and hosts send their parts over a network: sizes have bounds, what is read is checked, and
a host whose folder is damaged or of another experiment is named and left out. It never costs the others.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from significand.plan.experiment import Experiment
from significand.plan.problems import capped, listed, shown
from significand.results.comparable import ResultsError, differences
from significand.results.difference import flat
from significand.results.facts import FactsError, check_facts
from significand.results.files import TooLargeError, most_runs, most_table_bytes, open_to_read
from significand.results.fleet_state import BlockEntry
from significand.results.folder import checked_runs, filled, read_plan, refused
from significand.results.read import json_object
from significand.results.store import FLEET, HOSTS, RAW_RUNS
from significand.results.table import Codes, RunTable, setup_codes
from significand.results.table_file import read_tables

FLEET_BYTES = 500_000_000
"""Size of a fleet.json, at most: a block takes some 200 bytes."""

MOST_HOSTS = 10_000
MOST_BLOCKS = 2_000_000
MOST_PROBLEMS = 10
"""That are told."""

LONGEST = 500
"""Characters of a text in fleet.json that is shown."""

INSTRUCTIONS = {"amx": "AMX", "vnni": "VNNI", "avx512f": "AVX-512", "avx2": "AVX2"}
"""Sets that decide how fast narrow formats are, the strongest first; see `significand.meters.machine`."""

UNKNOWN = "unknown processor"


@dataclass(frozen=True, eq=False)
class Host:
    """One host's part.

    Attributes
    ----------
    name
        As its folder is called.
    folder
        Its result folder.
    manifest
        What its manifest says.
    kind
        Its processor's model; with the instruction sets that matter where two hosts share the model and not these.
    table
        Its runs.
    """

    name: str
    folder: Path
    manifest: Mapping[str, object]
    kind: str
    table: RunTable

    @property
    def machine(self) -> Mapping[str, object]:
        """Facts of the machine, as in the manifest."""
        machine = self.manifest.get("machine")
        return machine if isinstance(machine, Mapping) else {}

    @property
    def instructions(self) -> str:
        """The instruction sets that matter, in words."""
        return instruction_words(self.machine)


@dataclass(frozen=True, eq=False)
class Fleet:
    """One experiment on several hosts.

    Attributes
    ----------
    path
        Its folder.
    facts
        What fleet.json says beside experiment and blocks.
    experiment
        What was asked for.
    hosts
        Those that have runs, by name.
    blocks
        Which repeat ran where and when.
    problems
        What was left out and why, a line each.
    """

    path: Path
    facts: Mapping[str, object]
    experiment: Experiment
    hosts: Sequence[Host]
    blocks: Sequence[BlockEntry]
    problems: Sequence[str]

    @property
    def state(self) -> str:
        """Running, finished, interrupted or failed; empty where that is not known."""
        return _text(self.facts.get("state"))

    @property
    def shared(self) -> bool:
        """Whether repeats were dealt out among the hosts."""
        return self.facts.get("hosts") == "share"

    @cached_property
    def kinds(self) -> Sequence[str]:
        """The kinds of its hosts, those with most hosts first."""
        names, counts = np.unique([host.kind for host in self.hosts], return_counts=True)
        return [str(names[k]) for k in np.lexsort((names, -counts))]

    @cached_property
    def host_codes(self) -> Codes:
        """Which host each row of `runs` is of, shape (n_runs,)."""
        return np.repeat(np.arange(len(self.hosts)), [len(host.table) for host in self.hosts])

    @cached_property
    def runs(self) -> RunTable:
        """The runs of all hosts, host by host. Repeats of one number on two hosts are not the same repeat."""
        tables = [host.table for host in self.hosts]
        # Pieces stay where they are: nothing is copied.
        frame = pl.concat([table.frame for table in tables], rechunk=False)
        rounds_s = pl.concat([table.rounds_s for table in tables], rechunk=False)
        columns = frozenset[str]().union(*(table.columns for table in tables))
        setups, codes = setup_codes(frame, [setup.name for setup in self.experiment.setups()])
        return RunTable(frame, rounds_s, columns, setups, codes)


def read_fleet(path: Path) -> Fleet:
    """Read a fleet's folder.

    Raises
    ------
    significand.results.comparable.ResultsError
        Where it is none, fleet.json is damaged, or no host has runs.
    """
    facts = _facts(path)
    blocks, problems = _blocks(facts.pop("blocks", []))
    try:
        experiment = check_facts(path / FLEET, {**facts, "experiment": filled(facts)})
    except FactsError as error:
        raise ResultsError(error.problems) from None
    facts.pop("experiment")
    parts = list(_parts(path, experiment, problems))
    if not parts:
        raise ResultsError([f"{str(path)!r} has no host with runs; measure again", *_few(problems)])
    kinds = kinds_of([part.machine for part in parts])
    hosts = [replace(part, kind=kind) for part, kind in zip(parts, kinds, strict=True)]
    return Fleet(path, facts, experiment, hosts, blocks, _few(problems))


def _parts(path: Path, experiment: Experiment, problems: list[str]) -> Iterator[Host]:
    """Read the hosts, of no kind yet; what is wrong with others is added to the problems."""
    wanted = dict(flat({"experiment": experiment.to_json()}))
    manifests: dict[Path, Mapping[str, object]] = {}
    known = None
    for name in _host_names(path):
        folder = path / HOSTS / name
        if _text(name) != name:
            problems.append(f"host {shown(_text(name))}: the name of its folder is no UTF-8, or too long; rename it")
            continue
        try:
            # What is the same as the host's before need not be looked at again.
            told, own = read_plan(folder)
            if own != known and (found := differences(wanted, dict(flat({"experiment": own.to_json()})))[0]):
                problems.append(f"host {shown(name)}: {found[0].told(FLEET, 'its manifest')}; its runs are left out")
                continue
        except ResultsError as error:
            problems.append(f"host {shown(name)}: {error.problems[0]}")
            continue
        manifests[folder], known = told, own
    planned = [setup.name for setup in experiment.setups()]
    most, count = most_runs(), 0
    tables = read_tables([folder / RAW_RUNS for folder in manifests], planned)
    for (folder, manifest), table in zip(manifests.items(), tables, strict=True):
        try:
            runs = checked_runs(folder, table, empty=True)
        except ResultsError as error:
            problems.append(f"host {shown(folder.name)}: {error.problems[0]}")
            continue
        count += len(runs)
        if count > most:
            raise refused(f"{str(path)!r} has more than {most} runs, and no more fit the memory; read hosts alone")
        if len(runs):
            yield Host(folder.name, folder, manifest, "", runs)


def kinds_of(machines: Sequence[Mapping[str, object]]) -> list[str]:
    """Return the kind of each machine: see `Host`."""
    models = [_text(machine.get("cpu")).strip() or UNKNOWN for machine in machines]
    words = [instruction_words(machine) for machine in machines]
    variants: dict[str, set[str]] = {}
    for model, told in zip(models, words, strict=True):
        variants.setdefault(model, set()).add(told)
    return [
        f"{model} ({told or 'no AVX2'})" if len(variants[model]) > 1 else model
        for model, told in zip(models, words, strict=True)
    ]


def instruction_words(machine: Mapping[str, object]) -> str:
    """Say which instruction sets of a machine decide how fast narrow formats are: ``"AMX and VNNI"``, ``"AVX2"``."""
    sets = machine.get("instruction_sets")
    known = {str(one).partition("-")[0] for one in sets} if isinstance(sets, list) else set()
    told = [word for name, word in INSTRUCTIONS.items() if name in known]
    strong = [word for word in told if word in {"AMX", "VNNI"}]
    return " and ".join(strong) if strong else next(iter(told), "")


def _facts(path: Path) -> dict[str, object]:
    file = path / FLEET
    try:
        with open_to_read(file, min(FLEET_BYTES, most_table_bytes()), "it is no list of blocks") as opened:
            facts = json_object(opened.read())
    except TooLargeError as error:
        raise refused(str(error)) from None
    except OSError as error:
        raise refused(f"{str(file)!r} cannot be read ({error.strerror}); give a fleet's folder") from None
    if not isinstance(facts.get("experiment"), dict):
        raise refused(f"{str(file)!r} is damaged or without experiment; merge the hosts' folders again")
    return facts


def _host_names(path: Path) -> list[str]:
    """Return the names of the hosts' folders; links and what is hidden are none of them."""
    try:
        with os.scandir(path / HOSTS) as found:
            names = sorted(one.name for one in found if one.is_dir(follow_symlinks=False) and one.name[0] != ".")
    except OSError as error:
        raise refused(f"{str(path / HOSTS)!r} cannot be read ({error.strerror}); merge the hosts' folders") from None
    if len(names) > MOST_HOSTS:
        raise refused(f"{str(path / HOSTS)!r} has {len(names)} hosts, at most {MOST_HOSTS} are read; merge fewer")
    return names


def _blocks(entries: object) -> tuple[list[BlockEntry], list[str]]:
    """Return the blocks, and what is wrong with others."""
    if not isinstance(entries, list) or len(entries) > MOST_BLOCKS:
        return [], [f"{FLEET}: blocks is no list of at most {MOST_BLOCKS} entries; it is left out"]
    made = list(map(_block, entries))
    wrong = [str(k) for k, one in enumerate(made) if one is None]
    problems = [f"{FLEET}: block {listed(wrong)} is damaged, and left out"] if wrong else []
    return [one for one in made if one is not None], problems


def _block(entry: object) -> BlockEntry | None:
    if not isinstance(entry, dict):
        return None
    values = dict(_values(entry))
    whole = all(isinstance(values.get(name), int) for name in ("repeat", "attempt"))
    texts = all(isinstance(value, str) for name, value in values.items() if name not in {"repeat", "attempt"})
    return BlockEntry(**values) if whole and texts and values.get("host") else None  # type: ignore[arg-type]  # by kind


def _values(entry: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for field in fields(BlockEntry):
        value = entry.get(field.name)
        if value is None:
            value = "" if field.name not in {"repeat", "attempt"} else 1 if field.name == "attempt" else None
        yield field.name, _text(value) if isinstance(value, str) else value


def _few(problems: Sequence[str]) -> tuple[str, ...]:
    """Return the first problems; of a thousand hosts all may have the same."""
    left = len(problems) - MOST_PROBLEMS
    return capped([*problems[:MOST_PROBLEMS], *([f"and {left} more like these"] if left > 0 else [])])


def _text(value: object) -> str:
    """Return a text as tables hold it: Unicode whatever a file or its name said, and not too long."""
    return value[:LONGEST].encode(errors="surrogatepass").decode(errors="replace") if isinstance(value, str) else ""
