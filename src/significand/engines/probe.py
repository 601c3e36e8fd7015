"""Which engine runs which precision mode on this machine, and how.

It does not ask the engine what it supports; it runs a small network and looks at what was computed.
"""

import math
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from significand.engines.arithmetic import arithmetic
from significand.engines.base import EngineMissingError, engines_tried, get_engine, lacks, runs
from significand.engines.native import lacks_for, why_not_native
from significand.engines.operators import shares
from significand.meters.machine import cpu_flags, instruction_sets
from significand.plan.precision import MODES, PrecisionMode
from significand.plan.setup import Perceptron, Setup

PROBE = Perceptron((32, 64, 4), ("relu", "softmax"), "synthetic", 512, 0.5, 1, "sgd", 0.01, 0.9)


How = Literal["native", "other", "no"]


@dataclass(frozen=True)
class ModeSupport:
    """How one engine runs one mode on this machine.

    Attributes
    ----------
    how
        ``"native"``: in the mode's own format; ``"other"``: in another, `effective_precision`; ``"no"``: not at all.
    relative_output_error
        Against the same weights in float64, on a small network; NaN where it does not run.
    why
        The reason, or what to know; may be empty.
    latency_s
        Of a call with one example on one thread, roughly; NaN where it was not measured.
    arithmetic
        How numbers are stored, multiplied and summed; empty where it was not tried, or the engine refused to.
    """

    engine: str
    precision_mode: str
    how: How
    effective_precision: str
    relative_output_error: float
    why: str
    latency_s: float = math.nan
    arithmetic: str = ""


def probe_modes() -> list[ModeSupport]:
    """Run a small network in every mode on every engine, and say how each really computed."""
    # torch, which those who ask for the words alone do not need
    from significand.workload.mlp import MlpMaterial  # noqa: PLC0415

    instructions = instruction_sets(cpu_flags())
    material = MlpMaterial(PROBE, None)
    inputs = material.split(seed=0).train.inputs
    support = []
    with tempfile.TemporaryDirectory(prefix="significand-") as folder:
        for name in engines_tried():
            try:
                engine = get_engine(name)
            except EngineMissingError as error:
                support += [_unable(name, mode, str(error)) for mode in MODES.values()]
                continue
            for mode in MODES.values():
                if not runs(name, mode.name):
                    support.append(_unable(name, mode, lacks(mode.name)))
                    continue
                setup = Setup(PROBE, mode.name, name, batch_size=32, threads=1)
                path = Path(folder) / f"{name}-{mode.name}{engine.file_suffix}"
                try:
                    trained = material.untrained(setup, seed=0)
                    engine.save(trained, setup, inputs.by_name, path)
                    effective = "+".join(shares(engine.computes_in(path, setup, inputs.by_name)))
                    (outputs,) = engine.open(path, setup).predict(inputs.by_name)
                    (reference,) = trained.reference(inputs)
                    distance = float(np.linalg.norm(outputs - reference) / np.linalg.norm(reference))
                except Exception as error:  # noqa: BLE001 - an engine's own word is the answer here
                    support.append(_unable(name, mode, f"{type(error).__name__}: {error}"))
                    continue
                native = effective == mode.infers_in
                support.append(
                    ModeSupport(
                        name,
                        mode.name,
                        "native" if native else "other",
                        effective,
                        distance,
                        _why(name, mode, effective, instructions),
                        arithmetic=str(arithmetic(name, mode.name) or ""),
                    )
                )
    return support


def _unable(engine: str, mode: PrecisionMode, why: str) -> ModeSupport:
    return ModeSupport(engine, mode.name, "no", "", float("nan"), why)


def _why(engine: str, mode: PrecisionMode, effective_precision: str, instructions: Collection[str]) -> str:
    if effective_precision != mode.infers_in:
        reason = why_not_native(engine, mode, effective_precision, instructions)
        return f"{reason}; here only the weights are rounded to {mode.infers_in}"
    if lacking := lacks_for(mode, instructions):
        return f"this CPU has no {lacking}: measure whether the format pays"
    return ""
