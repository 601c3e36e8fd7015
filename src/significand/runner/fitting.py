"""A network that is no perceptron, examined before anything is measured, and the experiment that fits what it is."""

import dataclasses
from pathlib import Path

from significand.engines.base import engines_of_modules
from significand.plan.experiment import Experiment, asked_of_training
from significand.plan.options import OPTIONS
from significand.plan.precision import MODES
from significand.plan.problems import PlanError
from significand.runner.examination import Meanwhile, Request, examination
from significand.workload.examined import Examined, ProgramError
from significand.workload.parts import n_held_out


def examined_network(
    experiment: Experiment,
    folder: Path,
    functions: bytes | None = None,
    meanwhile: Meanwhile | None = None,
) -> Examined:
    """Examine the network of an experiment.

    Parameters
    ----------
    experiment
        As planned, before anything is known of the network.
    folder
        Where what runs need of it is kept; an empty one.
    functions
        A cloudpickle of the network's functions by name, where they are in no file.
    meanwhile
        As of `significand.runner.examination.examination`.

    Raises
    ------
    PlanError
        With a line for each mistake of the user's functions.
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
        export=any(engine not in engines_of_modules() for engine in experiment.engines()),
    )
    try:
        return examination(request, meanwhile=meanwhile)
    except ProgramError as error:
        raise PlanError(error.problems, error.trace) from None


Fields = dict[str, object]


def fitted(experiment: Experiment, examined: Examined) -> Experiment:
    """Return the experiment with what the network decides.

    Raises
    ------
    PlanError
        With a line for everything that the network does not allow.
    """
    problems: list[str] = []
    fields = {
        **_with_samples(experiment, examined, problems),
        **_without_targets(experiment, examined, problems),
        **_with_fixed_batch(experiment, examined, problems),
        **_as_quantised(experiment, examined, problems),
    }
    if experiment.epochs and examined.targets is not None and examined.not_alone:
        problems += _lonely_batches(experiment, examined)
    if problems:
        raise PlanError(problems)
    return dataclasses.replace(experiment, **fields)  # type: ignore[arg-type]  # by name


def _with_samples(experiment: Experiment, examined: Examined, problems: list[str]) -> Fields:
    most = max(examined.n_train, examined.n_test or 0)
    if experiment.n_samples is None:
        return {"n_samples": most}
    if experiment.n_samples > most:
        told = f"exceeds the {most} examples there are"
        problems.append(f"n_samples: {experiment.n_samples} {told}; give at most {most}, or leave it out")
    return {}


def _without_targets(experiment: Experiment, examined: Examined, problems: list[str]) -> Fields:
    """Do not train what has no targets."""
    if not experiment.epochs or examined.targets is not None:
        return {}
    problems += [
        f"{name}: {metric!r} is of training, and the data have no targets; leave it out"
        for name, metric in asked_of_training(vars(experiment))
    ]
    return {"epochs": 0}


def _with_fixed_batch(experiment: Experiment, examined: Examined, problems: list[str]) -> Fields:
    fixed = examined.fixed_batch
    if not fixed or experiment.batch_size == (fixed,):
        return {}
    if experiment.batch_size != OPTIONS["batch_size"].default:
        given = ", ".join(map(str, experiment.batch_size))
        problems.append(f"batch_size: {given} given, but the file takes batches of {fixed} only; leave it out")
    return {"batch_size": (fixed,)}


def _as_quantised(experiment: Experiment, examined: Examined, problems: list[str]) -> Fields:
    """Measure a quantised file as what it is."""
    form = examined.quantised
    if not form or experiment.precision_modes == (form,):
        return {}
    told = f"the file is {form} already"
    if form not in MODES:
        problems.append(f"model: {told}, which is no precision mode; give the network in float32")
    elif experiment.precision_modes != OPTIONS["precision_modes"].default:
        given = ",".join(experiment.precision_modes)
        problems.append(f"precision_modes: {given} given, but {told}; give --precision {form}")
    baseline = experiment.baseline if experiment.against else (("precision", form),)
    return {"precision_modes": (form,), "baseline": baseline}


def _lonely_batches(experiment: Experiment, examined: Examined) -> list[str]:
    """Find batch sizes that leave one example over, where the network cannot be trained on one."""
    n = min(experiment.n_samples or examined.n_train, examined.n_train)
    if examined.n_test is None:  # some of them are held out
        n -= n_held_out(n, experiment.test_fraction)
    return [
        f"batch_size: {size} leaves a last batch of 1 of {n} training examples, and {examined.not_alone}; "
        f"give another, or {'more' if n == 1 else 'fewer'} samples"
        for size in experiment.batch_size
        if n % size == 1 or n == 1 or size == 1
    ]
