"""A network that is no perceptron, examined before anything is measured, and the experiment that fits what it is."""

import dataclasses
from pathlib import Path

from significand.plan.experiment import Experiment
from significand.plan.options import OPTIONS
from significand.plan.precision import MODES
from significand.plan.problems import PlanError
from significand.runner.examination import Request, examination
from significand.workload.examined import Examined, ProgramError


def examined_network(
    experiment: Experiment, folder: Path, functions: bytes | None = None
) -> tuple[Experiment, Examined]:
    """Examine the network of an experiment, and fill in what follows from it.

    Parameters
    ----------
    experiment
        As planned, before anything is known of the network.
    folder
        Where what runs need of it is kept; an empty one.
    functions
        A cloudpickle of the network's functions by name, where they are in no file.

    Raises
    ------
    PlanError
        With a line for each mistake of the user's functions, or of what the network does not allow.
    """
    request = Request(
        experiment.model,
        folder,
        experiment.set,
        experiment.seed,
        max(experiment.batch_size),
        experiment.epochs,
        data=Path(experiment.data).absolute() if experiment.data else None,
        shape=experiment.shape,
        pickled=functions,
        export="onnxruntime" in experiment.engine,
    )
    try:
        examined = examination(request)
    except ProgramError as error:
        raise PlanError(error.problems, error.trace) from None
    return _fitted(experiment, examined), examined


def _fitted(experiment: Experiment, examined: Examined) -> Experiment:
    """Return the experiment with what the network decides."""
    problems: list[str] = []
    fields: dict[str, object] = {}
    if experiment.n_samples is None:
        fields["n_samples"] = examined.n_train
    elif experiment.n_samples > examined.n_train:
        most = f"exceeds the {examined.n_train} examples there are"
        problems.append(f"n_samples: {experiment.n_samples} {most}; give at most {examined.n_train}, or leave it out")
    if (fixed := examined.fixed_batch) and experiment.batch_size != (fixed,):
        if experiment.batch_size == OPTIONS["batch_size"].default:
            fields["batch_size"] = (fixed,)
        else:
            given = ", ".join(map(str, experiment.batch_size))
            problems.append(f"batch_size: {given} given, but the file takes batches of {fixed} only; leave it out")
    if examined.quantised and experiment.precision_modes != (examined.quantised,):
        told = f"the file is {examined.quantised} already"
        if examined.quantised not in MODES:
            problems.append(f"model: {told}, which is no precision mode; give the network in float32")
        elif experiment.precision_modes != OPTIONS["precision_modes"].default:
            given = ",".join(experiment.precision_modes)
            problems.append(f"precision_modes: {given} given, but {told}; give --precision {examined.quantised}")
        fields |= {"precision_modes": (examined.quantised,), "baseline": (("precision", examined.quantised),)}
    if experiment.epochs and examined.not_alone:
        problems += _lonely_batches(experiment, examined)
    if problems:
        raise PlanError(problems)
    return dataclasses.replace(experiment, **fields)  # type: ignore[arg-type]  # by name


def _lonely_batches(experiment: Experiment, examined: Examined) -> list[str]:
    """Find batch sizes that leave one example over, where the network cannot be trained on one."""
    n = min(experiment.n_samples or examined.n_train, examined.n_train)
    if examined.n_test is None:  # some of them are held out
        n -= min(max(1, round(experiment.test_fraction * n)), n - 1)
    return [
        f"batch_size: {size} leaves a last batch of 1 of {n} training examples, and {examined.not_alone}; "
        f"give another, or {'more' if n == 1 else 'fewer'} samples"
        for size in experiment.batch_size
        if n % size == 1 or n == 1 or size == 1
    ]
