"""Repeated benchmarks and what they say together: the main job, from Python.

``python -m significand.statistical_analysis`` does the same as ``significand run``.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from significand.analysis.intervals import ci95_half_width
from significand.engines.base import engine_modes
from significand.meters.machine import describe_machine, git_revision
from significand.plan.experiment import DataFacts, Experiment, Surroundings, plan_experiment
from significand.plan.problems import PlanError
from significand.results.records import Run
from significand.results.store import (
    SUMMARY_CSV,
    SUMMARY_JSON,
    RunDirectory,
    check_writable,
    write_csv,
    write_json,
)
from significand.runner.conductor import OnProgress, run_experiment
from significand.workload.data import Dataset, load_source

if TYPE_CHECKING:
    from significand.results.records import Summary


@dataclass(frozen=True)
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
    """

    folder: Path
    rows: list[dict[str, object]]
    runs: list[Run]
    archive: Path | None

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
        super().__init__(f"interrupted: {finished} of {planned} runs finished and kept in {folder}")


def run_repeated_benchmarks(
    layer_sizes: list[int],
    activations: list[str],
    precision_modes: list[str],
    batch_size: int,
    n_samples: int | None,
    epochs: int,
    repeats: int,
    seed: int,
    output_dir: Path | None = None,
    *,
    data: str = "synthetic",
    **options: object,
) -> list[dict[str, object]]:
    """Run a network in several precision modes repeatedly, write every result, and return the summaries.

    Repeat r uses ``seed + r`` for data, initial weights and shuffling, in every mode alike. Each run lives in a process
    of its own; the runs of a repeat take turns on the machine.

    Parameters
    ----------
    layer_sizes, activations
        Units per layer, input first; one activation per transition.
    precision_modes
        Modes to compare; `significand modes` lists them.
    batch_size, n_samples, epochs
        Samples per step and per inference call; samples in all, None for as many as there are; training epochs.
    repeats, seed
        Runs of each mode, and the seed of the first.
    output_dir
        Folder of the results; by default ``benchmarks/statistical`` below the nearest parent of the working directory
        that holds ``.git`` or ``pyproject.toml``, else below the working directory. Results of an earlier experiment
        there are moved to its ``history`` folder.
    data
        ``"synthetic"``, ``"digits"``, or the path of a .npz or .csv file.
    **options
        Further fields of `significand.plan.experiment.Experiment`: ``engine``, ``threads``, ``optimizer``,
        ``learning_rate``, ``latency_rounds``, ...

    Returns
    -------
    list of dict
        One per precision mode, in the order given, with the keys ``precision_mode``, ``repeats`` and for each of
        ``train_time`` (s per epoch), ``latency`` (s per sample), ``memory`` (peak MB), ``accuracy`` (of training, in
        [0, 1]) and ``energy`` (J per epoch) ``_mean``, ``_std`` (n - 1) and ``_ci95`` (half-width, 1.96 standard
        errors), then further ones as in summary_stats.csv. Undefined numbers are NaN. A mode whose runs failed has
        ``failed_runs`` > 0.

    Raises
    ------
    significand.plan.problems.PlanError
        With one line for every mistake, before anything runs or is written.
    ExperimentInterrupted
        On Ctrl-C, after the runs' processes have ended.
    """
    fields = {
        "layer_sizes": layer_sizes,
        "activations": activations,
        "precision_modes": precision_modes,
        "batch_size": batch_size,
        "n_samples": n_samples,
        "epochs": epochs,
        "repeats": repeats,
        "seed": seed,
        "data": data,
    }
    return run_experiment_in(output_dir, fields | options).rows


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

    Raises
    ------
    PlanError, ExperimentInterrupted
        As `run_repeated_benchmarks`.
    significand.runner.server.RunnerError
        When the runs' processes cannot be started; earlier results are where they were.
    OSError
        When a result cannot be written, as on a full disk; what was written before is kept.
    """
    folder = Path(output_dir) if output_dir is not None else default_output_dir()
    experiment, dataset = _plan(fields, folder)
    runs: list[Run] = []
    rows: list[dict[str, object]] = []
    archive: Path | None = None
    with RunDirectory(folder) as directory:
        started = time.perf_counter()

        def begin() -> None:
            nonlocal archive
            archive = directory.begin(
                {
                    "state": "running",
                    "experiment": experiment.model_dump(mode="json"),
                    "machine": describe_machine(),
                    "working_directory": str(Path.cwd()),
                    "git_revision": git_revision(Path.cwd()),
                    "started_utc": _now(),
                }
            )

        def keep(run: Run, details: Mapping[str, np.ndarray]) -> None:
            directory.append(run, details)
            runs.append(run)

        def end(state: str) -> None:
            directory.update_manifest(
                {
                    "state": state,
                    "ended_utc": _now(),
                    "elapsed_s": time.perf_counter() - started,
                    "finished_runs": sum(run.finished for run in runs),
                    "failed_runs": sum(not run.finished for run in runs),
                }
            )

        try:
            timing = run_experiment(experiment, dataset, keep, on_progress, begin)
            directory.update_manifest(asdict(timing))
            rows = _write_summaries(runs, experiment.precision_modes, folder)
            end("finished")
        except KeyboardInterrupt:
            if runs:
                _write_summaries(runs, experiment.precision_modes, folder)
            if directory.begun:
                end("interrupted")
            planned = experiment.repeats * len(experiment.precision_modes)
            raise ExperimentInterrupted(sum(run.finished for run in runs), planned, folder) from None
        except BaseException:
            if directory.begun:
                end("failed")
            raise
    return Outcome(folder, rows, runs, archive)


def _plan(fields: Mapping[str, object], folder: Path) -> tuple[Experiment, Dataset | None]:
    """Check the plan and the folder, and report what is wrong with either at once."""
    loaded: dict[tuple[str, str | None], Dataset | None] = {}

    def inspect_data(name: str, column: str | None) -> DataFacts | None:
        if (name, column) not in loaded:
            loaded[name, column] = load_source(name, column)
        dataset = loaded[name, column]
        return dataset.facts if dataset else None

    problems: list[str] = []
    try:
        check_writable(folder)
    except PlanError as error:
        problems += error.problems
    try:
        experiment = plan_experiment(fields, Surroundings(engine_modes(), inspect_data))
    except PlanError as error:
        raise PlanError([*error.problems, *problems]) from None
    if problems:
        raise PlanError(problems)
    return experiment, loaded[experiment.data, experiment.label_column]


def _write_summaries(runs: Sequence[Run], modes: Sequence[str], folder: Path) -> list[dict[str, object]]:
    from significand.analysis.summary import summarise  # noqa: PLC0415 - SciPy and moocore are needed at the end only

    summaries: list[Summary] = summarise(runs, modes)
    rows = [summary.to_row() for summary in summaries]
    _save_csv(rows, folder / SUMMARY_CSV)
    write_json(rows, folder / SUMMARY_JSON)
    _save_tradeoff_plots(rows, folder)
    _save_pareto_plot(rows, folder)
    return rows


def _ci95(values: Sequence[float | None]) -> float:
    """Return the half-width of the 95 % interval of the mean, 1.96 x s / sqrt(n); NaN with fewer than two values."""
    return ci95_half_width(values)


def _save_csv(rows: Sequence[Mapping[str, object]], path: Path) -> None:
    """Write rows as CSV in full precision; what is missing is an empty cell."""
    write_csv(rows, Path(path))


def _save_tradeoff_plots(summary_rows: Sequence[Mapping[str, object]], out_dir: Path) -> None:
    """Write accuracy_vs_latency.png, accuracy_vs_energy.png and accuracy_vs_memory.png to a folder."""
    from significand.present.plots import save_tradeoff_plots  # noqa: PLC0415 - Matplotlib takes 0.3 s

    save_tradeoff_plots(summary_rows, Path(out_dir))


def _save_pareto_plot(summary_rows: Sequence[Mapping[str, object]], out_dir: Path) -> None:
    """Write pareto_frontier.png to a folder."""
    from significand.present.plots import save_pareto_plot  # noqa: PLC0415 - the same

    save_pareto_plot(summary_rows, Path(out_dir))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


if __name__ == "__main__":
    import sys

    from significand.cli import program

    sys.argv[1:1] = ["run"]
    program()
