"""Everything that a result folder says, recomputed from its runs: what reports, tables and notebooks are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from significand.analysis.claims import Claims, claims_of, summary_rows
from significand.analysis.stopping import Reached, reached_of
from significand.plan.experiment import Experiment
from significand.plan.paths import shell_word
from significand.results.comparable import Results, ResultsError, read_results
from significand.results.read import read_details
from significand.results.records import Run
from significand.results.store import DETAILS


@dataclass(frozen=True)
class Evidence:
    """An experiment's results and what they say.

    Attributes
    ----------
    folder
        Where its files are.
    manifest
        What manifest.json says: experiment, machine, versions, times.
    experiment
        What was asked for.
    runs
        Finished and failed ones.
    rows
        One summary row per precision mode, as in summary_stats.
    claims
        The modes against the baseline, and the frontier with its uncertainty.
    precision
        How narrow the intervals are, where the experiment went on until they were narrow enough; else None.
    """

    folder: Path
    manifest: Mapping[str, object]
    experiment: Experiment
    runs: Sequence[Run]
    rows: Sequence[Mapping[str, object]]
    claims: Claims
    precision: Reached | None = None

    @property
    def incomplete(self) -> str:
        """Say that the experiment did not come to its end; empty where it did, or that is not known."""
        state = self.manifest.get("state")
        if state is None or state == "finished":
            return ""
        return f"The experiment is {state}: these are its {len(self.runs)} runs so far."

    def details(self, run: Run) -> Mapping[str, np.ndarray]:
        """Return the single times behind a run, by the names of `significand.benchmark.Details`; empty without any.

        Raises
        ------
        ValueError
            When their file is damaged.
        """
        # The name of a mode that somebody else wrote may lead out of the folder.
        return {} if "/" in run.name else read_details(self.folder / DETAILS / f"{run.name}.npz")


def read_evidence(folder: Path) -> Evidence:
    """Read a result folder; summary and claims are computed anew from its runs.

    Raises
    ------
    significand.results.comparable.ResultsError
        Where it is none, is damaged, has no runs, or was written by a newer version.
    """
    return evidence_from(read_results(folder))


def evidence_from(results: Results) -> Evidence:
    """Say what the results of a folder say.

    Raises
    ------
    significand.results.comparable.ResultsError
        Where they have no runs.
    """
    folder = results.folder
    if not results.runs:
        command = f"`significand run --resume --output-dir={shell_word(folder)}`"
        raise ResultsError([f"{str(folder)!r} has no runs yet; go on with {command}"])
    # A mode whose block was not reached has no runs; one that the manifest does not know was measured all the same.
    modes = tuple(dict.fromkeys([*results.planned(), *results.modes()]))
    experiment = replace(results.plan, precision_modes=modes)
    return evidence_of(folder, results.manifest, experiment, results.runs)


def evidence_of(folder: Path, manifest: Mapping[str, object], experiment: Experiment, runs: Sequence[Run]) -> Evidence:
    """Say what runs say."""
    claims = claims_of(runs, experiment)
    return Evidence(
        folder,
        manifest,
        experiment,
        runs,
        summary_rows(runs, experiment, claims),
        claims,
        reached_of(runs, experiment),
    )
