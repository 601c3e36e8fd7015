"""Repeated benchmarks and what they say together: the main job, from Python.

``python -m significand.statistical_analysis`` does the same as ``significand run``.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from significand.analysis.intervals import ci95_half_width
from significand.job import run_experiment_in
from significand.meters.openmp import told_of_runs
from significand.plan.paths import path_of
from significand.plan.problems import PlanError, shown
from significand.present.rows import given_rows
from significand.results.store import write_csv


def run_repeated_benchmarks(
    layer_sizes: list[int],
    activations: list[str],
    precision_modes: list[str],
    batch_size: int,
    n_samples: int | None,
    epochs: int,
    repeats: int,
    seed: int,
    output_dir: Path | str | None = None,
    *,
    data: Path | str = "synthetic",
    resume: bool = False,
    yes: bool = False,
    allow: Sequence[str] = (),
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
        Samples per step and per inference call, or a list of such numbers; samples in all, None for as many as there
        are; training epochs.
    repeats, seed
        Runs of each mode, and the seed of the first.
    output_dir
        Folder of the results; by default ``benchmarks/statistical`` below the nearest parent of the working directory
        that holds ``.git`` or ``pyproject.toml``, else below the working directory. Results of an earlier experiment
        there are moved to its ``history`` folder.
    data
        ``"synthetic"``, ``"digits"``, or the path of a .npz or .csv file.
    resume
        Go on with the interrupted experiment in `output_dir`, which must be the same one.
    yes
        Begin also a grid of more than 48 setups.
    allow
        With `resume`, what of the machine may differ, such as ``machine.host``, or ``machine.versions`` for all below
        it.
    **options
        Further fields of `significand.plan.experiment.Experiment`: ``engine``, ``threads`` (one value or several),
        ``optimizer``, ``learning_rate``, ``latency_rounds``, ...

    Returns
    -------
    list of dict
        One per precision mode, in the order given (of a grid one per setup), with the keys ``precision_mode``,
        ``repeats`` and for each of ``train_time`` (s per epoch), ``latency`` (s per sample), ``memory`` (peak MB),
        ``accuracy`` (of training, in [0, 1]) and ``energy`` (J per epoch) ``_mean``, ``_std`` (n - 1) and ``_ci95``
        (half-width, 1.96 standard errors), then further ones as in summary_stats.csv. Undefined numbers are NaN. A mode
        whose runs failed has
        ``failed_runs`` > 0.

    Raises
    ------
    significand.plan.problems.PlanError
        With one line for every mistake, before anything runs or is written.
    significand.job.ExperimentInterrupted
        On Ctrl-C, after the runs' processes have ended.

    Warns
    -----
    UserWarning
        When everything was written but the report or the pictures, with the remedy; before anything is measured, when
        the environment has variables about threads, which the runs are started without.
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
    if not isinstance(resume, bool):
        raise PlanError([f"resume: {shown(resume)} is neither True nor False; give one of them"])
    if overridden := told_of_runs():
        warnings.warn(overridden, stacklevel=2)
    outcome = run_experiment_in(output_dir, fields | options, resume=resume, yes=yes, allow=allow)
    if outcome.report_missing:
        warnings.warn(outcome.report_missing, stacklevel=2)
    return outcome.rows


def _ci95(values: Iterable[float | None]) -> float:
    """Return the half-width of the 95 % interval of the mean, 1.96 x s / sqrt(n); NaN with fewer than two values."""
    return ci95_half_width(values)


def _save_csv(rows: Iterable[Mapping[str, object]], path: Path | str) -> None:
    """Write rows as CSV in full precision; what is missing is an empty cell. The folder is created if needed."""
    target = path_of("path", path)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_csv(given_rows(rows), target)


def _save_tradeoff_plots(summary_rows: Iterable[Mapping[str, object]], out_dir: Path | str) -> None:
    """Write accuracy_vs_latency.png, accuracy_vs_energy.png and accuracy_vs_memory.png to a folder."""
    from significand.present.plots.write import save_tradeoff_plots  # noqa: PLC0415 - Matplotlib takes 0.3 s

    save_tradeoff_plots(given_rows(summary_rows), path_of("out_dir", out_dir))


def _save_pareto_plot(summary_rows: Iterable[Mapping[str, object]], out_dir: Path | str) -> None:
    """Write pareto_frontier.png to a folder."""
    from significand.present.plots.write import save_pareto_plot  # noqa: PLC0415 - the same

    save_pareto_plot(given_rows(summary_rows), path_of("out_dir", out_dir))


if __name__ == "__main__":
    import sys

    from significand.cli import program

    sys.argv[1:1] = ["run"]
    program()
