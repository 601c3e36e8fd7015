"""A result folder, read once: what was asked for, the runs as columns, and everything that follows from them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from significand.analysis.claims import Claims, claims_of, summary_rows
from significand.analysis.stopping import Reached, reached_of
from significand.answers.choose import Decision, decide
from significand.answers.examples import SetupExamples, examples_of
from significand.answers.explain import Explained, explain
from significand.plan.experiment import REFUSED, Experiment
from significand.plan.metrics import ACCURACY, SCORES, resolutions
from significand.plan.options import AXES
from significand.results.difference import flat
from significand.results.folder import filled, read_contents
from significand.results.read import read_details
from significand.results.records import FIRST_METHOD
from significand.results.store import DETAILS
from significand.results.table import RunTable

IDENTIFYING = ("files", "weights_sha256", "score")
"""Of what is known of a network, what must be the same for a comparison."""

MOST_CPUS = 2**20
"""That a manifest is believed to tell of."""


@dataclass(frozen=True, eq=False)
class Folder:
    """An experiment's results and what they say; what is not asked for is not worked out.

    Attributes
    ----------
    path
        Where its files are.
    manifest
        What manifest.json says: experiment, machine, versions, times.
    experiment
        What was asked for.
    runs
        Finished and failed ones.
    told_apart
        The axes by which its setups are named; None for those on which it has several values itself.
    """

    path: Path
    manifest: Mapping[str, object]
    experiment: Experiment
    runs: RunTable
    told_apart: frozenset[str] | None = None

    def with_manifest(self, manifest: Mapping[str, object]) -> "Folder":
        """Return the same results beside what the manifest says by now; what follows from the runs alone is kept."""
        other = replace(self, manifest=manifest)
        known = ("claims", "rows", "reached", "examples", "explained", "decision")
        other.__dict__.update({name: self.__dict__[name] for name in known if name in self.__dict__})
        return other

    @property
    def started_utc(self) -> str:
        """When the experiment began; empty where that is not known."""
        return _text(self.manifest.get("started_utc"))

    @property
    def state(self) -> str:
        """Running, finished, failed or interrupted; empty where that is not known."""
        return _text(self.manifest.get("state"))

    @property
    def complete(self) -> bool:
        """Whether the experiment came to its end."""
        return self.state == "finished"

    @property
    def incomplete(self) -> str:
        """Say that the experiment did not come to its end; empty where it did, or that is not known."""
        state = self.manifest.get("state")
        if state is None or state == "finished":
            return ""
        return f"The experiment is {state}: these are its {len(self.runs)} runs so far."

    @property
    def network(self) -> Mapping[str, object]:
        """What is known of a network that is no perceptron."""
        network = self.manifest.get("network")
        return network if isinstance(network, dict) else {}

    @property
    def score(self) -> str:
        """What kind of score the accuracies are, a key of `significand.plan.metrics.SCORES`."""
        kind = self.network.get("score")
        return kind if isinstance(kind, str) and kind in SCORES else ACCURACY

    @property
    def made_up(self) -> bool:
        """Whether the network's inputs are made up."""
        return self.network.get("made_up") is True

    @property
    def resolution_of(self) -> Mapping[str, float]:
        """By metric, the smallest difference that the meters of its machine can tell."""
        machine = self.manifest.get("machine")
        found = machine if isinstance(machine, dict) else {}
        cpus, usable = (_count(found.get(name)) for name in ("logical_cpus", "available_cpus"))
        return resolutions(max(1, cpus, usable), usable or None)

    @cached_property
    def fields(self) -> Mapping[str, object]:
        """The experiment's fields as the manifest has them; those that its version did not know are what it did."""
        return filled(self.manifest) | self.experiment.to_json()

    @cached_property
    def facts(self) -> Mapping[str, object]:
        """What must be the same for a comparison, by dotted names such as ``machine.versions.torch``."""
        recorded = self.manifest.get("method")
        method = FIRST_METHOD | recorded if isinstance(recorded, dict) else FIRST_METHOD
        told = {AXES.get(axis, axis) for axis in self.told_apart or ()}
        fields = {name: value for name, value in self.fields.items() if name not in ({*told, REFUSED} if told else ())}
        facts = dict(flat({"experiment": fields, "machine": self.manifest.get("machine"), "method": method}))
        facts |= dict(flat({"network": {name: self.network[name] for name in IDENTIFYING if self.network.get(name)}}))
        against = self.manifest.get("against")
        if isinstance(against, dict):  # where it is, says nothing of what ran there
            facts |= dict(flat({"against": {name: against.get(name) for name in ("python", "versions")}}))
        if self.manifest.get("data_sha256"):
            facts["data_sha256"] = self.manifest["data_sha256"]
        return facts

    def facts_with_runs(self, setups: Collection[str], columns: Collection[str]) -> Mapping[str, object]:
        """Return the facts, and what the finished runs of some setups say in some columns, as ``runs.column``.

        What no run says, as in a table that lacks the column, is not among them.
        """
        rows = [self.finished(setup) for setup in setups]
        every = np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)
        said = {f"runs.{column}": sorted(values) for column in columns if (values := self.runs.said(column, every))}
        return {**self.facts, **said}

    def finished(self, setup: str) -> np.ndarray:
        """Return the rows of a setup's finished runs."""
        return self._rows(setup, finished=True)

    def failed(self, setup: str) -> int:
        """Return how many of a setup's runs failed."""
        return len(self._rows(setup, finished=False)) - len(self.finished(setup))

    def _rows(self, setup: str, *, finished: bool) -> np.ndarray:
        if setup not in self.runs.setups:
            return np.empty(0, dtype=np.int64)
        return self.runs.rows_of(self.runs.setups.index(setup), finished=finished)

    def setups(self) -> list[str]:
        """Return every setup that has runs, in the order of the first ones."""
        return self._setups

    @cached_property
    def _setups(self) -> list[str]:
        _, first = np.unique(self.runs.codes, return_index=True)
        return [self.runs.setups[self.runs.codes[row]] for row in np.sort(first).tolist()]

    def planned(self) -> list[str]:
        """Return every setup that the experiment asked for, whether it has runs or not."""
        setups = self.experiment.setups()
        return [(setup if self.told_apart is None else setup.named(self.told_apart)).name for setup in setups]

    @cached_property
    def claims(self) -> Claims:
        """The setups against the baseline, and the frontier with its uncertainty."""
        return claims_of(self.runs, self.experiment, self.score, self.resolution_of)

    @cached_property
    def rows(self) -> Sequence[Mapping[str, object]]:
        """One summary row per setup, as in summary_stats."""
        return summary_rows(self.runs, self.experiment, self.claims, made_up=self.made_up)

    @cached_property
    def reached(self) -> Reached | None:
        """How narrow the intervals are, where the experiment went on until they were narrow enough; else None."""
        return reached_of(self.runs, self.experiment)

    @cached_property
    def examples(self) -> Sequence[SetupExamples]:
        """The setups against the baseline, example by example.

        Raises
        ------
        ValueError
            When the file of scores is damaged.
        """
        return examples_of(self)

    @cached_property
    def explained(self) -> Sequence[Explained]:
        """Every setup with its operators.

        Raises
        ------
        ValueError
            When the file of a run's arrays is damaged.
        """
        return explain(self)

    @cached_property
    def decision(self) -> Decision:
        """Which setup to ship, as the experiment asks."""
        return decide(self)

    def details(self, run: str) -> Mapping[str, np.ndarray]:
        """Return the single times behind a run, by the names of `DETAIL_ARRAYS` in results/contents; empty without any.

        Raises
        ------
        ValueError
            When their file is damaged.
        """
        # The name of a setup that somebody else wrote may lead out of the folder.
        return {} if "/" in run else read_details(self.path / DETAILS / f"{run}.npz")


def told_alike(folders: Sequence[Folder]) -> list[Folder]:
    """Return the folders with the setups of all named by the same axes: those on which any of them has several values.

    A setup is then known by its key whatever grid it was measured in: what one grid calls ``float32-b32`` another may
    call ``float32-onnxruntime-b32``. An axis on which all have one value stays a fact, which may have to be the same.
    """
    axes = frozenset().union(*(folder.experiment.varying for folder in folders))
    return [_named(folder, axes) if axes else folder for folder in folders]


def _named(folder: Folder, axes: frozenset[str]) -> Folder:
    known = {setup.name: setup.named(axes).name for setup in folder.experiment.setups()}
    names = tuple(known.get(name, name) for name in folder.runs.setups)
    return replace(folder, runs=replace(folder.runs, setups=names), told_apart=axes)


def read_folder(path: Path, *, empty: bool = False) -> Folder:
    """Read a result folder.

    Parameters
    ----------
    path
        Where it is.
    empty
        Whether it may have no runs yet.

    Raises
    ------
    significand.results.comparable.ResultsError
        Where it is none, is damaged, has no runs, or was written by a newer version.
    """
    return Folder(path, *read_contents(path, empty=empty))


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 < value <= MOST_CPUS else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
