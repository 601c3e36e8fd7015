"""PyTorch in eager mode: float64, float32, bfloat16, float16, and int8-dynamic through torchao."""

import functools
import logging
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from significand.engines.base import Engine, Session
from significand.plan.precision import MODES
from significand.plan.problems import RunFailedError
from significand.plan.setup import Setup
from significand.workload.arrays import Arrays, Feeds, Form, called
from significand.workload.base import Outputs, Trained
from significand.workload.training import as_arrays, tensor_of

WEIGHTS_AT = {
    "aten::linear": 1,
    "aten::addmm": 2,
    "aten::mm": 1,
    "aten::matmul": 1,
    "aten::_int_mm": 1,
    "aten::bmm": 1,
    "aten::baddbmm": 2,
    "aten::convolution": 1,
    "aten::mkldnn_rnn_layer": 1,
    "aten::_scaled_dot_product_flash_attention_for_cpu": 1,
    "aten::_transform_bias_rescale_qkv": 0,
}
"""Operators that multiply, and at which place each has its weights, or what stands for them."""


class TorchEngine:
    """Keeps the trained network as a pickled module in the inference format."""

    file_suffix = ".pt"

    def preload(self, setup: Setup) -> None:
        """Import torchao where the mode needs it."""
        if MODES[setup.precision].quantisation is not None:
            _import_torchao()

    def save(self, trained: Trained, setup: Setup, calibration: Feeds, path: Path) -> None:
        """Convert the network and write it."""
        mode = MODES[setup.precision]
        network = trained.module()
        if mode.quantisation == "dynamic":
            _quantise(network)
        else:
            network.to(getattr(torch, mode.infers_in))
        # cloudpickle writes also what pickle refuses: classes of a notebook, functions without a name.
        try:
            torch.save({"network": network, "form": trained.form}, path, pickle_module=cloudpickle)
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            told = f"the network cannot be written by torch.save ({error}); keep what cannot be pickled out of it"
            raise RunFailedError(told) from None

    def computes_in(self, path: Path, setup: Setup, feeds: Feeds) -> str:
        """Run one batch and read the types of the matrix products among the operators that ran."""
        session = self.open(path, setup)
        with _MatmulPrecision() as seen:
            session.predict(feeds)
        return "+".join(seen.precisions)

    def open(self, path: Path, setup: Setup) -> "TorchSession":
        """Load the network. The file is one that this engine wrote: it is not safe to load another's."""
        mode = MODES[setup.precision]
        torch.set_num_threads(setup.threads)
        if mode.quantisation == "dynamic":
            _import_torchao()
        dtype = torch.float32 if mode.quantisation else getattr(torch, mode.infers_in)
        return TorchSession(**torch.load(path, weights_only=False), dtype=dtype)


class TorchSession:
    """A network in eager mode, under inference mode."""

    def __init__(self, network: nn.Module, form: Form, dtype: torch.dtype) -> None:
        self._network = network
        self._form = form
        self._dtype = dtype

    def bind(self, feeds: Feeds) -> Callable[[], object]:
        """Return the call of the network on a batch under inference mode."""
        return functools.partial(self._infer, self._inputs(feeds))

    def predict(self, feeds: Feeds) -> Outputs:
        """Return the outputs, real numbers as float64."""
        return as_arrays(self._infer(self._inputs(feeds)))

    def _inputs(self, feeds: Feeds) -> Any:  # noqa: ANN401 - one tensor, a tuple or a dict
        tensors = {name: tensor_of(np.ascontiguousarray(array), self._dtype) for name, array in feeds.items()}
        return Arrays(feeds, self._form).as_given(tensors)

    @torch.inference_mode()
    def _infer(self, inputs: Any) -> Any:  # noqa: ANN401 - the network's own types
        return called(self._network, inputs)


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
        if (at := WEIGHTS_AT.get(func.name().split(".")[0])) is not None:
            weights = args[at]
            self.precisions[str(weights.dtype).removeprefix("torch.")] = None
        return func(*args, **(kwargs or {}))


def _quantise(network: nn.Module) -> None:
    torchao = _import_torchao()
    torchao.quantize_(network, torchao.Int8DynamicActivationInt8WeightConfig())
    if not any(type(one.weight.data) is not torch.Tensor for one in network.modules() if isinstance(one, nn.Linear)):
        raise RunFailedError("torchao quantises linear layers, and this network has none that it can take")


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
