"""Training in a mode's numerics, epoch by epoch."""

import copy
import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch.utils._pytree import tree_map_only

from significand.plan.precision import PrecisionMode
from significand.plan.problems import RunFailedError
from significand.workload.arrays import Arrays
from significand.workload.base import Examples
from significand.workload.copies import shared_in_copies
from significand.workload.trees import leaves

DTYPES = {name: getattr(torch, name) for name in ("float64", "float32", "bfloat16", "float16")}


def master_dtype(mode: PrecisionMode) -> type[np.floating[Any]]:
    """Return the type of the master weights, and so of the data that training takes."""
    return np.float64 if mode.trains_in == "float64" else np.float32


class TrainingDivergedError(RunFailedError):
    """The loss or a weight stopped being finite."""


@dataclass(frozen=True)
class Epoch:
    """Time and mean loss of one epoch, and the CPU time of this process meanwhile over all threads."""

    time_s: float
    cpu_time_s: float
    loss: float


def _undecorated(method: Any) -> Any:  # noqa: ANN401 - a function of torch's
    """Return a method of torch's optimisers without what prepares it for torch.compile.

    The decorators import torch._dynamo, which takes three seconds, and do nothing where nothing is compiled. Of a
    release that decorates otherwise the method is returned as it is.
    """
    return getattr(method, "__wrapped__", method)


class Sgd(torch.optim.SGD):
    """torch's own, ready three seconds sooner: see `_undecorated`."""

    add_param_group = _undecorated(torch.optim.SGD.add_param_group)
    zero_grad = _undecorated(torch.optim.SGD.zero_grad)
    step = torch.no_grad()(_undecorated(torch.optim.SGD.step))


class Adam(torch.optim.Adam):
    """The same of Adam."""

    add_param_group = _undecorated(torch.optim.Adam.add_param_group)
    zero_grad = _undecorated(torch.optim.Adam.zero_grad)
    step = torch.no_grad()(_undecorated(torch.optim.Adam.step))


class Recipe(Protocol):
    """What training minimises."""

    def outputs(self, network: nn.Module, inputs: Any, targets: Any) -> Any:  # noqa: ANN401 - the network's own types
        """Return what the network gives in training, or a loss already; called in the mode's autocast."""
        ...

    def loss(self, outputs: Any, targets: Any) -> torch.Tensor:  # noqa: ANN401
        """Return the loss of a batch, called outside autocast."""
        ...


class Trainer:
    """A network in training. One call of `epoch` is one measured step.

    Parameters
    ----------
    network
        Its weights are trained in place.
    recipe
        What is minimised.
    mode
        Decides the numerics: plain float64 or float32, or autocast to bfloat16 or float16 with master weights in
        float32, float16 with loss scaling.
    part
        Training data. Numbers that are not of `master_dtype` are copied; whole ones stay whole.
    batch_size
        Samples a step; the last step of an epoch takes what is left.
    optimizer
        Makes the optimizer, given the network.
    learning_rate
        What the error of a diverging training names.
    seed
        Decides the order of samples in every epoch.
    clock_ns
        Monotonic nanoseconds.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        mode: PrecisionMode,
        part: Examples,
        *,
        batch_size: int,
        optimizer: Callable[[nn.Module], torch.optim.Optimizer],
        learning_rate: float,
        seed: int,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.network = network.double() if master_dtype(mode) is np.float64 else network
        self._dtype = DTYPES["float64" if master_dtype(mode) is np.float64 else "float32"]
        self._recipe = recipe
        self._mode = mode
        self._samples = len(part)
        self._inputs = _Tensors(part.inputs, self._dtype)
        self._targets = _Tensors(part.targets, self._dtype) if part.targets else None
        self._batch_size = batch_size
        self._learning_rate = learning_rate
        self._optimizer = optimizer(self.network)
        self._scaler = torch.amp.GradScaler("cpu", enabled=mode.loss_scaling)
        self._generator = torch.Generator().manual_seed(seed)
        self._drawn = torch.Generator().manual_seed(seed).get_state()  # for dropout, which draws from the global one
        self._clock_ns = clock_ns
        self._epochs = 0

    def clone(self) -> "Trainer":
        """Return a trainer in the same state that shares nothing with this one but the data, which are only read."""
        memo: dict[int, object] = {id(data): data for data in (self._inputs, self._targets)}
        return copy.deepcopy(self, memo | shared_in_copies(self.network))

    def epoch(self, steps: int | None = None) -> Epoch:
        """Train one epoch, or no more than its first `steps` steps."""
        self._epochs += 1
        self.network.train()
        before = torch.get_rng_state()
        torch.set_rng_state(self._drawn)
        try:
            return self._timed_epoch(steps)
        finally:
            self._drawn = torch.get_rng_state()
            torch.set_rng_state(before)

    def _timed_epoch(self, steps: int | None) -> Epoch:
        cpu_start, start = time.process_time_ns(), self._clock_ns()
        total, seen = torch.zeros((), dtype=torch.float64), 0
        order = torch.randperm(self._samples, generator=self._generator)
        for batch in itertools.islice(order.split(self._batch_size), steps):  # type: ignore[no-untyped-call]  # torch
            total += self._step(batch) * len(batch)
            seen += len(batch)
        time_s = (self._clock_ns() - start) / 1e9
        cpu_time_s = (time.process_time_ns() - cpu_start) / 1e9
        return Epoch(time_s, cpu_time_s, float(total) / seen)

    def check_finite(self, epoch: Epoch) -> None:
        """Raise where the epoch has ended in numbers that are not finite.

        Raises
        ------
        TrainingDivergedError
            When the loss or a weight is no longer finite.
        """
        if math.isfinite(epoch.loss) and all(bool(weight.isfinite().all()) for weight in self.network.parameters()):
            return
        what = "a weight is not finite" if math.isfinite(epoch.loss) else f"the loss is {epoch.loss}"
        raise TrainingDivergedError(
            f"diverged: {what} after epoch {self._epochs} in {self._mode.training_precision} with learning_rate "
            f"{self._learning_rate:g}; lower learning_rate"
        )

    def _step(self, batch: torch.Tensor) -> torch.Tensor:
        inputs, targets = self._inputs.of(batch), self._targets.of(batch) if self._targets else None
        self._optimizer.zero_grad()
        with torch.autocast("cpu", dtype=DTYPES[self._mode.trains_in], enabled=self._mode.autocast):
            outputs = self._recipe.outputs(self.network, inputs, targets)
        # The loss is taken outside autocast, in the master weights' format, as PyTorch's own autocast does for losses.
        loss = self._recipe.loss(in_dtype(outputs, self._dtype), targets)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return loss.detach()


class _Tensors:
    """Arrays as tensors, numbers in the master weights' format."""

    def __init__(self, arrays: Arrays, dtype: torch.dtype) -> None:
        self._arrays = arrays
        self._tensors = {name: tensor_of(array, dtype) for name, array in arrays.by_name.items()}

    def of(self, batch: torch.Tensor) -> Any:  # noqa: ANN401 - in the form in which they were given
        """Return some of the examples."""
        return self._arrays.as_given({name: tensor[batch] for name, tensor in self._tensors.items()})


def tensor_of(array: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """Return an array as a tensor, of the type where it holds numbers; without a copy where it is of that type."""
    tensor = torch.from_numpy(array)
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def as_arrays(outputs: Any) -> list[np.ndarray]:  # noqa: ANN401 - tensors in any form
    """Return a network's outputs in the order in which an ONNX graph has them, real numbers as float64."""
    return [(one.double() if one.is_floating_point() else one).detach().numpy() for one in leaves(outputs)]


def in_dtype(outputs: Any, dtype: torch.dtype) -> Any:  # noqa: ANN401 - tensors in any form
    """Return outputs with their numbers in a type."""
    if isinstance(outputs, torch.Tensor):
        return outputs.to(dtype) if outputs.is_floating_point() else outputs
    return tree_map_only(torch.Tensor, lambda one: one.to(dtype) if one.is_floating_point() else one, outputs)


def flag_optimizer(name: str, learning_rate: float, momentum: float) -> Callable[[nn.Module], torch.optim.Optimizer]:
    """Return what makes the optimizer of that name: ``"sgd"`` with momentum, or ``"adam"``."""

    def made(network: nn.Module) -> torch.optim.Optimizer:
        if name == "sgd":
            return Sgd(network.parameters(), lr=learning_rate, momentum=momentum)
        return Adam(network.parameters(), lr=learning_rate)

    return made
