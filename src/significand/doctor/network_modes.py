"""One batch of a network through every engine and precision mode: does it run, in what, how exactly, how fast."""

import dataclasses
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path

from significand.engines.base import EngineMissingError, engine_modes, engines_of_modules, engines_tried, lacks, runs
from significand.engines.probe import How, ModeSupport
from significand.meters.counters import EnergyPlan
from significand.plan.experiment import Experiment, Surroundings, plan_experiment
from significand.plan.kinds import Settings
from significand.plan.precision import MODES
from significand.plan.problems import PlanError
from significand.plan.setup import is_onnx
from significand.results.records import Run
from significand.runner.block import Block
from significand.runner.conductor import Here
from significand.runner.fitting import examined_network
from significand.workload.examined import Examined

EXAMPLES = 64
"""Examples at most: enough for quantisers to find scales, and for an output error."""

QUICK: Mapping[str, object] = {
    "repeats": 1,
    "latency_rounds": 2,
    "round_duration_s": 0.02,
    "on_noise": "mark",
    "threads": 1,
}


def try_network(model: str, data: str | None = None, **fields: object) -> tuple[list[ModeSupport], Examined]:
    """Examine a network, training step included, and run it once in every mode on every engine that has it.

    Parameters
    ----------
    model, data
        As `significand.plan.options.Fields` has them.
    **fields
        Further ones.

    Raises
    ------
    PlanError
        With a line for each mistake in the user's functions or file.
    significand.runner.launched.RunnerError
        When runs cannot be had.
    """
    engines = [name for name in engines_tried() if any(not _why_not(name, mode, model) for mode in MODES)]
    modes = [mode for mode in MODES if any(runs(name, mode) for name in engines)]
    given = {**QUICK, "model": model, "data": data, "engine": engines, "precision_modes": modes, **fields}
    if given.get("set") is not None:
        given["set"] = Settings().read(given["set"])[:1]
    surroundings = Surroundings(engine_modes(), _no_perceptron, engines_of_modules())
    experiment = plan_experiment(given, surroundings)
    with tempfile.TemporaryDirectory(prefix="significand-network-") as folder:
        examined = examined_network(experiment, Path(folder))
        quick = _inferred_only(experiment, examined)
        ended: list[Run] = []
        block = Block(quick, 0, tuple(quick.setups()), EnergyPlan(quick.watts_per_core))
        Here(Path(folder)).run([block], lambda run, details: ended.append(run))  # noqa: ARG005 - single times are not kept
    ran = {(run.engine, run.precision_mode): _support(run) for run in ended}
    known = [(engine, mode) for engine in dict.fromkeys((*engines_tried(), *experiment.engine)) for mode in MODES]
    return [ran.get(pair) or _not_run(*pair, model, examined) for pair in known], examined


def _not_run(engine: str, mode: str, model: str, examined: Examined) -> ModeSupport:
    why = _why_not(engine, mode, model) or f"the file is {examined.quantised} already"
    return ModeSupport(engine, mode, "no", "", math.nan, why)


def _why_not(engine: str, mode: str, model: str) -> str:
    """Return why an engine does not run a mode of any such network; nothing where it does."""
    if is_onnx(model) and engine in engines_of_modules():
        return "it runs torch modules only, and no .onnx file"
    try:
        if mode in engine_modes()[engine]:
            return ""
    except EngineMissingError as error:
        return str(error)
    return lacks(mode)


def _no_perceptron(*_: object) -> None:
    raise PlanError(["the perceptron's modes are shown where no file is given"])


def _inferred_only(experiment: Experiment, examined: Examined) -> Experiment:
    """Return the experiment on a few examples and without training."""
    modes = (examined.quantised,) if examined.quantised in MODES else experiment.precision_modes
    return dataclasses.replace(
        experiment,
        epochs=0,
        n_samples=min(examined.n_train, EXAMPLES),
        batch_size=(examined.fixed_batch or 1,),
        precision_modes=modes,
    )


def _support(run: Run) -> ModeSupport:
    mode, effective = MODES[run.precision_mode], run.effective_precision
    how: How = "no" if not run.finished else "native" if effective == mode.infers_in else "other"
    return ModeSupport(
        run.engine,
        run.precision_mode,
        how,
        effective,
        run.relative_output_error,
        run.reason or run.precision_note,
        run.batch_latency_p50_s if math.isfinite(run.batch_latency_p50_s) else run.inference_latency_per_sample_s,
    )
