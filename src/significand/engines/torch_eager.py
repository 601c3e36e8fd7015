"""PyTorch in eager mode: float64, float32, bfloat16, float16, and int8-dynamic through torchao."""

import functools
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from significand.engines.base import Engine, Session
from significand.plan.precision import MODES
from significand.plan.setup import Setup
from significand.workload.architecture import Weights
from significand.workload.mlp import build_network, write_weights

MATMULS = frozenset({"aten::linear", "aten::addmm", "aten::mm", "aten::matmul", "aten::_int_mm"})


class TorchEngine:
    """Keeps the trained network as a state dict in the inference format."""

    file_suffix = ".pt"

    def preload(self, setup: Setup) -> None:
        """Import torchao where the mode needs it."""
        if MODES[setup.precision].quantisation is not None:
            _import_torchao()

    def export_structure(self, setup: Setup) -> bytes:
        """Return nothing: the network is built from its layer sizes each time, in microseconds."""
        return b""

    def save(self, path: Path, structure: bytes, weights: Weights, setup: Setup, calibration: np.ndarray) -> None:
        """Convert the network and write its state."""
        mode = MODES[setup.precision]
        network = build_network(setup.workload.layer_sizes, setup.workload.activations).eval()
        if mode.infers_in == "float64":
            network.double()  # before the weights come in: they are float64 as trained
        write_weights(network, weights)
        if mode.quantisation == "dynamic":
            _quantise(network)
        else:
            network.to(getattr(torch, mode.infers_in))
        torch.save(network.state_dict(), path)

    def computes_in(self, path: Path, setup: Setup) -> str:
        """Run one sample and read the types of the matrix products among the operators that ran."""
        session = self.open(path, setup)
        with _MatmulPrecision() as seen:
            session.predict(np.zeros((1, setup.workload.layer_sizes[0]), np.float32))
        return "+".join(seen.precisions)

    def open(self, path: Path, setup: Setup) -> "TorchSession":
        """Load the state and put it into a network that has no weights of its own yet."""
        mode = MODES[setup.precision]
        torch.set_num_threads(setup.threads)
        if mode.quantisation == "dynamic":
            _import_torchao()  # registers its tensors as safe to load
        state = torch.load(path, weights_only=True)
        with torch.device("meta"):
            network = build_network(setup.workload.layer_sizes, setup.workload.activations)
        network.load_state_dict(state, assign=True)
        dtype = torch.float32 if mode.quantisation == "dynamic" else getattr(torch, mode.infers_in)
        return TorchSession(network.eval(), dtype)


class TorchSession:
    """A network in eager mode, under inference mode."""

    def __init__(self, network: nn.Sequential, dtype: torch.dtype) -> None:
        self._network = network
        self._dtype = dtype

    def bind(self, batch: np.ndarray) -> Callable[[], object]:
        """Return the call of the network on `batch` under inference mode."""
        return functools.partial(self._infer, torch.from_numpy(batch).to(self._dtype))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs as float64."""
        outputs: np.ndarray = self._infer(torch.from_numpy(x).to(self._dtype)).double().numpy()
        return outputs

    @torch.inference_mode()
    def _infer(self, batch: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self._network(batch)
        return outputs


class _MatmulPrecision(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch
    """Sees every operator that runs, also those inside torchao's tensors, and notes the type of matrix products."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch
        self.precisions: dict[str, None] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Do without torch's compiler, which is not at work here: importing it takes seconds in every run."""
        return False

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - torch's own signature
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - torch's own signature
        if func.name().split(".")[0] in MATMULS:
            weights = args[2 if func.name().startswith("aten::addmm") else 1]
            self.precisions[str(weights.dtype).removeprefix("torch.")] = None
        return func(*args, **(kwargs or {}))


def _quantise(network: nn.Sequential) -> None:
    torchao = _import_torchao()
    torchao.quantize_(network, torchao.Int8DynamicActivationInt8WeightConfig())


def _import_torchao() -> Any:  # noqa: ANN401 - torchao has no types
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it warns of GPU kernels that a CPU build of torch cannot have
    try:
        from torchao import quantization  # noqa: PLC0415 - takes 0.3 s, and one mode needs it
    finally:
        logging.disable(before)
    return quantization


ENGINE: Engine = TorchEngine()
_: type[Session] = TorchSession
