"""The memory that training and inference need at most: in a process of its own, which is not timed."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from significand.engines.base import get_engine
from significand.measure.infer import one_batch
from significand.measure.train import new_trainer
from significand.meters.memory import RESET, PeakMemory, Settled
from significand.plan.precision import MODES
from significand.plan.setup import Setup
from significand.workload.arrays import Arrays
from significand.workload.base import Examples, Material, Split
from significand.workload.training import master_dtype

STEPS = 3
"""Training steps, and inference calls, that are looked at, of as many as there are. The second step is the first that
holds all there ever is: weights, gradients, the optimizer's state and activations; the same memory serves every later
one."""


@dataclass(frozen=True)
class Peaks:
    """Peak resident memory of each phase above the level before it, in MB (10^6 bytes). Named as the columns.

    Attributes
    ----------
    training_peak_memory_mb
        Of the network in training; the data do not count.
    inference_peak_memory_mb
        Of the engine's session and a call.
    memory_method
        How they were found; see `significand.meters.memory.PeakMemory.method`.
    """

    training_peak_memory_mb: float
    inference_peak_memory_mb: float
    memory_method: str


def measure_peaks(
    material: Material,
    setup: Setup,
    seed: int,
    split: Split,
    path: Path,
    settled: Settled,
    new_meter: Callable[[], PeakMemory] = PeakMemory,
) -> Peaks:
    """Do what every phase of the run does once more, its first steps, and watch the memory.

    Before each phase it is done once unwatched: what its first use maps into the process is code, not the network's
    memory. Where the kernel's mark cannot be reset that would hide the peak, so there the code counts. Inference comes
    first, in a process that never held the training tensors.

    Parameters
    ----------
    material, setup, seed, split
        As for `significand.measure.train.train`.
    path
        The network that it wrote. It is left as it is.
    settled
        Is around each phase that is watched.
    new_meter
        Makes what watches.
    """
    rehearse = new_meter().method == RESET
    engine = get_engine(setup.engine)
    batch = one_batch(setup, split)

    def infer() -> object:
        session = engine.open(path, setup)
        call = session.bind(batch)
        for _ in range(STEPS):
            call()
        return session, call  # held until the peak was read

    if rehearse:
        with settled():  # or it would leave free blocks among others, which are not found again
            infer()
    with settled():
        memory = new_meter()
        session = infer()
        inference_mb = memory.peak_mb()
        del session

    if not setup.workload.epochs:
        return Peaks(math.nan, inference_mb, memory.method)
    kind = master_dtype(MODES[setup.precision])
    numbers = {
        name: array.astype(kind, copy=False) if array.dtype.kind == "f" else array
        for name, array in split.train.inputs.by_name.items()
    }
    split = Split(Examples(Arrays(numbers, split.train.inputs.form), split.train.targets), split.test)
    make = new_trainer(material, setup, seed, split) if rehearse else None
    with settled():
        memory = new_meter()
        trainer = make() if make else material.new_trainer(setup, seed, split.train)
        steps_an_epoch = math.ceil(len(split.train) / setup.batch_size)
        for done in range(0, min(STEPS, setup.workload.epochs * steps_an_epoch), steps_an_epoch):
            trainer.epoch(STEPS - done)
        training_mb = memory.peak_mb()
    return Peaks(training_mb, inference_mb, memory.method)
