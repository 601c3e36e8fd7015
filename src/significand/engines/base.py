"""What an engine is, and the registry of engines. No engine is imported here, so no torch either."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from significand.plan.setup import Setup
from significand.workload.architecture import Weights


class Session(Protocol):
    """A trained network, loaded and ready to infer in one precision."""

    def bind(self, batch: np.ndarray) -> Callable[[], object]:
        """Return a call without arguments that infers on `batch`, float32, shape (batch, inputs).

        Converting the batch to the session's input type happens here, not in the call: the call is what is timed.
        """
        ...

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs on `x`, float32, shape (samples, inputs), as float64, shape (samples, outputs)."""
        ...


class Engine(Protocol):
    """Writes trained networks in its own format and opens them as sessions."""

    file_suffix: str

    def preload(self, setup: Setup) -> None:
        """Import what the setup needs, so that processes forked from this one need not."""
        ...

    def export_structure(self, setup: Setup) -> bytes:
        """Return the network's structure without weights, made once per experiment; may be empty."""
        ...

    def save(self, path: Path, structure: bytes, weights: Weights, setup: Setup, calibration: np.ndarray) -> None:
        """Write the network in the setup's inference format to `path`, a file.

        Parameters
        ----------
        path
            File to write, with the engine's suffix.
        structure
            As from `export_structure`.
        weights, setup
            What to write, in which precision.
        calibration
            Training samples, float32, shape (samples, inputs), from which static quantisation takes its scales.
        """
        ...

    def computes_in(self, path: Path, setup: Setup) -> str:
        """Return the format that a session on what `save` wrote really computes in.

        Found by looking at the engine's graph or operators, in a session that is thrown away: looking takes memory that
        the measured session shall not have. ``"float32"``, ``"int8"``, ...; where layers differ all of them, joined by
        ``+``.
        """
        ...

    def open(self, path: Path, setup: Setup) -> Session:
        """Load what `save` wrote, to run on the setup's threads."""
        ...


@dataclass(frozen=True)
class EngineEntry:
    """One line of the registry.

    Attributes
    ----------
    module
        Where the engine's class ``ENGINE`` is; imported on use only.
    modes
        Names of the precision modes it runs.
    native_modes
        Those of them that it computes in their own format on any CPU, with instructions for it or without.
    """

    module: str
    modes: tuple[str, ...]
    native_modes: tuple[str, ...]


_TORCH_MODES = ("float64", "float32", "bfloat16", "float16", "int8-dynamic")

ENGINES = {
    "onnxruntime": EngineEntry(
        "significand.engines.onnx_runtime",
        modes=("float32", "float16", "int8", "int8-dynamic"),
        native_modes=("float32", "int8", "int8-dynamic"),
    ),
    "torch": EngineEntry("significand.engines.torch_eager", modes=_TORCH_MODES, native_modes=_TORCH_MODES),
}


def engine_modes() -> dict[str, tuple[str, ...]]:
    """Return for each engine the modes that it runs."""
    return {name: entry.modes for name, entry in ENGINES.items()}


def get_engine(name: str) -> Engine:
    """Import the engine of that name and return it.

    Raises
    ------
    KeyError
        When there is none; plans are checked before, so this is a mistake in the program.
    """
    return cast("Engine", import_module(ENGINES[name].module).ENGINE)
