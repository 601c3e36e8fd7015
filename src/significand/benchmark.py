"""One setup, one seed: the specified single run, without isolation."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from significand.analysis.run_latency import latency_values
from significand.engines.base import engine_modes
from significand.measure.run import measure
from significand.meters.counters import EnergyPlan
from significand.meters.openmp import told_of_this_process, unbound
from significand.plan.experiment import Surroundings, plan_experiment
from significand.plan.problems import PlanError
from significand.results.records import Run
from significand.workload.data import DataSources
from significand.workload.material import material_of


def benchmark_one_setup(
    layer_sizes: Sequence[int],
    activations: Sequence[str],
    precision_mode: str,
    batch_size: int,
    n_samples: int | None = 512,
    epochs: int = 2,
    seed: int = 42,
    *,
    data: Path | str = "synthetic",
    **options: object,
) -> dict[str, object]:
    """Train and run one network in one precision mode once, and measure it, in this process.

    Parameters
    ----------
    layer_sizes, activations
        Units per layer, input first; one activation per transition.
    precision_mode
        A mode that the engine runs; `significand modes` lists them.
    batch_size, n_samples, epochs
        Samples per step and per inference call; samples in all, None for as many as there are; training epochs.
    seed
        Decides data split, initial weights and shuffling.
    data
        ``"synthetic"``, ``"digits"``, or the path of a .npz or .csv file.
    **options
        Further fields of `significand.plan.experiment.Experiment`: ``engine``, ``threads``, ``latency_rounds``, ...

    Returns
    -------
    dict
        One row of raw_runs.csv: the fields of `significand.results.records.Run`, units in their names.

    Raises
    ------
    significand.plan.problems.PlanError
        With one line for every mistake in the arguments, before anything runs.
    significand.workload.training.TrainingDivergedError
        When the loss stops being finite.
    significand.meters.steps.DisturbedError
        When others disturb a step and `on_noise` is ``"fail"``.

    Warns
    -----
    UserWarning
        When the environment has variables about threads that torch obeys in this process.
    """
    fields = {
        "layer_sizes": layer_sizes,
        "activations": activations,
        "precision_modes": [precision_mode],
        "batch_size": batch_size,
        "n_samples": n_samples,
        "epochs": epochs,
        "seed": seed,
        "data": data,
        "repeats": 1,
    }
    sources = DataSources()
    try:
        experiment = plan_experiment(fields | options, Surroundings(engine_modes(), sources.facts))
    except PlanError as error:
        raise PlanError(line.replace("precision_modes:", "precision_mode:", 1) for line in error.problems) from None
    (setup,) = experiment.setups()
    energy = EnergyPlan(experiment.watts_per_core)
    dataset = sources.dataset(experiment.data or "", experiment.table_format)
    if obeyed := told_of_this_process():
        warnings.warn(obeyed, stacklevel=2)
    with unbound():
        material = material_of(setup.workload, dataset)
        measured = measure(setup, experiment.protocol, experiment.seed, material, energy)
    latency = latency_values(measured.details, measured.calls_per_timing, setup.batch_size)
    return Run.of(setup, experiment.seed, 0, **measured.values, **latency).to_row()
