"""PyTorch in eager mode: float64, float32, bfloat16, float16, and int8-dynamic through torchao."""

import functools
import logging
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import torch
from torch import nn

from significand.engines.base import Engine, Session
from significand.engines.operators import Operator
from significand.engines.torch_operators import operator_times, operators_of
from significand.plan.precision import MODES
from significand.plan.problems import RunFailedError
from significand.plan.setup import Setup
from significand.workload.arrays import Arrays, Feeds, Form, called
from significand.workload.base import Outputs, Trained
from significand.workload.training import as_arrays, tensor_of


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

    def computes_in(self, path: Path, setup: Setup, feeds: Feeds) -> Sequence[Operator]:
        """Run one batch, and see which operators run."""
        session = self.open(path, setup)
        return operators_of(session.network, session.bind_plainly(feeds))

    def profile(self, path: Path, setup: Setup, feeds: Feeds, calls: int) -> Mapping[str, float]:
        """Return the seconds of each operator in a call, by torch's profiler."""
        session = self.open(path, setup)
        operators = operators_of(session.network, session.bind_plainly(feeds))
        call = session.bind(feeds)
        call()
        return operator_times(operators, call, calls)

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
        self.network = network
        self.form = form
        self.dtype = dtype

    def bind(self, feeds: Feeds) -> Callable[[], object]:
        """Return the call of the network on a batch under inference mode."""
        return functools.partial(self._infer, self.inputs(feeds))

    def bind_plainly(self, feeds: Feeds) -> Callable[[], object]:
        """Return the call outside of inference mode, in which operators that are made of others would hide them."""
        return functools.partial(called, self.network, self.inputs(feeds))

    def predict(self, feeds: Feeds) -> Outputs:
        """Return the outputs, real numbers as float64."""
        return as_arrays(self._infer(self.inputs(feeds)))

    def inputs(self, feeds: Feeds) -> Any:  # noqa: ANN401 - one tensor, a tuple or a dict
        """Return a batch as the network takes it."""
        tensors = {name: tensor_of(np.ascontiguousarray(array), self.dtype) for name, array in feeds.items()}
        return Arrays(feeds, self.form).as_given(tensors)

    @torch.inference_mode()
    def _infer(self, inputs: Any) -> Any:  # noqa: ANN401 - the network's own types
        return called(self.network, inputs)


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
