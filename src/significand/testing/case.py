"""A network that an engine has written in a mode, and what the checks ask of it."""

import functools
import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Never

import numpy as np
from numpy.typing import NDArray

from significand.engines.base import Engine, Session, get_engine
from significand.engines.operators import Operator, shares
from significand.plan.precision import MODES
from significand.plan.setup import Setup
from significand.testing.workloads import WORKLOADS, Workload, scratch
from significand.workload.arrays import Feeds
from significand.workload.base import Outputs, Trained

LARGEST_ERROR = {"float64": 1e-14, "float32": 1e-5, "bfloat16": 3e-2, "float16": 4e-3, "int8": 0.15, "int4": 0.3}
"""Relative output errors that a matrix product in a format cannot much exceed: its unit roundoff with room for sums
over 64 inputs, or for steps of 8 or 4 bits."""

BATCH, CALIBRATION = 8, 64
"""Examples of a call, and those from which scales are taken."""

OTHER_SEED = 2


def fail(told: str) -> Never:
    """Raise what a check has found."""
    raise AssertionError(told)


class Case:
    """An engine, a workload and a mode; what the checks need of them is made once, when it is first needed."""

    def __init__(
        self, engine: str, workload: Workload, mode: str, threads: int = 1, folder: Path | None = None
    ) -> None:
        self.engine_name, self.workload, self.mode = engine, workload, MODES[mode]
        self.setup = Setup(workload.value, mode, engine, BATCH, threads)
        self._folder = folder

    def __str__(self) -> str:
        return f"{self.engine_name}-{self.workload.name}-{self.mode.name}"

    @property
    def engine(self) -> Engine:
        """The engine."""
        return get_engine(self.engine_name)

    @cached_property
    def trained(self) -> Trained:
        """The network, for its yardstick; who writes it gets one of its own."""
        return self.workload.trained()

    @cached_property
    def told(self) -> object:
        """What the engine said when it wrote the network."""
        self.engine.preload(self.setup)
        return self.engine.save(self.workload.trained(), self.setup, self.calibration(), self._file)

    @property
    def path(self) -> Path:
        """Where the engine has written the network."""
        _ = self.told
        return self._file

    @cached_property
    def session(self) -> Session:
        """What was written, opened."""
        return self.engine.open(self.path, self.setup)

    @cached_property
    def operators(self) -> Sequence[Operator]:
        """What the engine says that it runs."""
        return self.engine.computes_in(self.path, self.setup, self.feeds())

    def feeds(self, n: int = BATCH, *, other: bool = False) -> Feeds:
        """Return new arrays: the first n examples of a batch, or of another."""
        inputs = self.workload.inputs(BATCH, OTHER_SEED) if other else self.workload.inputs(BATCH)
        return inputs.take(slice(n)).by_name

    def calibration(self) -> Feeds:
        """Return new arrays of examples to take scales from."""
        return self.workload.inputs(CALIBRATION).by_name

    @cached_property
    def reference(self) -> Outputs:
        """The yardstick on the batch."""
        return self.trained.reference(self.workload.inputs(BATCH))

    @cached_property
    def other_reference(self) -> Outputs:
        """The yardstick on the other batch."""
        return self.trained.reference(self.workload.inputs(BATCH, OTHER_SEED))

    @property
    def formats(self) -> str:
        """What the products compute in, as the engine says."""
        return "+".join(shares(self.operators))

    @property
    def limit(self) -> float:
        """Largest relative error that the formats allow which the engine says it computed in, and the mode's own."""
        told = [name for name in shares(self.operators) if name in LARGEST_ERROR]
        return self.workload.layers / 2 * max(LARGEST_ERROR[name] for name in [*told, self.mode.infers_in])

    @cached_property
    def _file(self) -> Path:
        folder = self._folder or Path(tempfile.mkdtemp(dir=scratch()))
        return folder / f"{self.mode.name.replace(':', '-')}{self.engine.file_suffix}"


@functools.cache
def case_of(engine: str, workload: str, mode: str) -> Case:
    """Return the same case for the same names, so that checks share what they need."""
    return Case(engine, WORKLOADS[workload], mode)


def largest_error(outputs: Sequence[NDArray[Any]], reference: Sequence[NDArray[Any]]) -> float:
    """Return the largest error of an output, the norm of the difference by that of the yardstick's.

    Infinite where there is another number of outputs or another shape, or where whole numbers differ.
    """
    if [np.shape(one) for one in outputs] != [np.shape(one) for one in reference]:
        return float("inf")
    return max(_error(np.asarray(one), other) for one, other in zip(outputs, reference, strict=True))


def _error(output: NDArray[Any], reference: NDArray[Any]) -> float:
    if reference.dtype.kind != "f":
        return 0.0 if np.array_equal(output, reference) else float("inf")
    error = float(np.linalg.norm((output - reference).ravel()) / np.linalg.norm(reference.ravel()))
    return error if error >= 0 else float("inf")  # NaN is no number to be near to


def arrays_of(result: object) -> list[NDArray[Any]]:
    """Return copies of what arrays can be read from the result of a bound call, real numbers as float64."""
    if isinstance(result, Mapping):
        return [one for value in result.values() for one in arrays_of(value)]
    if isinstance(result, list | tuple):
        return [one for value in result for one in arrays_of(value)]
    if hasattr(result, "is_floating_point"):  # a tensor of torch, of which NumPy may not have the type
        from significand.workload.training import as_arrays  # noqa: PLC0415 - torch, which is there then

        (result,) = as_arrays(result)
    array = np.array(result)
    if array.dtype.kind == "f":
        return [array.astype(np.float64)]
    return [array] if array.dtype.kind in "biu" else []
