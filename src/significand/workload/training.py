"""Training in a mode's numerics, epoch by epoch."""

import copy
import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from significand.plan.precision import PrecisionMode
from significand.workload.mlp import training_part

DTYPES = {name: getattr(torch, name) for name in ("float64", "float32", "bfloat16", "float16")}


def master_dtype(mode: PrecisionMode) -> type[np.floating[Any]]:
    """Return the type of the master weights, and so of the data that training takes."""
    return np.float64 if mode.trains_in == "float64" else np.float32


class TrainingDivergedError(RuntimeError):
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


class Trainer:
    """A network in training. One call of `epoch` is one measured step.

    Parameters
    ----------
    network, activations
        As from `significand.workload.mlp.initial_network`; its weights are trained in place.
    mode
        Decides the numerics: plain float64 or float32, or autocast to bfloat16 or float16 with master weights in
        float32, float16 with loss scaling.
    x, y
        Training data, shapes (samples, features) and (samples,). Features that are not of `master_dtype` are copied.
    batch_size
        Samples a step; the last step of an epoch takes what is left.
    optimizer, learning_rate, momentum
        ``"sgd"`` with momentum, or ``"adam"``.
    seed
        Decides the order of samples in every epoch.
    clock_ns
        Monotonic nanoseconds.
    """

    def __init__(
        self,
        network: nn.Sequential,
        activations: tuple[str, ...],
        mode: PrecisionMode,
        x: np.ndarray,
        y: np.ndarray,
        *,
        batch_size: int,
        optimizer: str,
        learning_rate: float,
        momentum: float,
        seed: int,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.network = network.double() if master_dtype(mode) is np.float64 else network
        self._part = training_part(self.network, activations)
        self._mode = mode
        self._x = torch.from_numpy(x.astype(master_dtype(mode), copy=False))
        self._binary = activations[-1] == "sigmoid"
        self._y = self._targets(torch.from_numpy(y), int(self.network[-2].out_features))  # type: ignore[arg-type]  # a linear layer
        self._batch_size = batch_size
        self._learning_rate = learning_rate
        self._optimizer = (
            Sgd(network.parameters(), lr=learning_rate, momentum=momentum)
            if optimizer == "sgd"
            else Adam(network.parameters(), lr=learning_rate)
        )
        self._scaler = torch.amp.GradScaler("cpu", enabled=mode.loss_scaling)
        self._generator = torch.Generator().manual_seed(seed)
        self._clock_ns = clock_ns
        self._epochs = 0

    def clone(self) -> "Trainer":
        """Return a trainer in the same state that shares nothing with this one but the data, which are only read."""
        memo: dict[int, object] = {id(self._x): self._x, id(self._y): self._y}
        return copy.deepcopy(self, memo)

    def epoch(self, steps: int | None = None) -> Epoch:
        """Train one epoch, or no more than its first `steps` steps."""
        self._epochs += 1
        cpu_start, start = time.process_time_ns(), self._clock_ns()
        total, seen = torch.zeros((), dtype=torch.float64), 0
        order = torch.randperm(len(self._x), generator=self._generator)
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
        self._optimizer.zero_grad()
        with torch.autocast("cpu", dtype=DTYPES[self._mode.trains_in], enabled=self._mode.autocast):
            outputs = self._part(self._x[batch])
        # The loss is taken outside autocast, in the master weights' format, as PyTorch's own autocast does for losses.
        loss = self._loss(outputs.to(self._x.dtype), self._y[batch])
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return loss.detach()

    def _loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if self._binary:
            return nn.functional.binary_cross_entropy_with_logits(outputs, targets)
        return nn.functional.cross_entropy(outputs, targets)

    def _targets(self, y: torch.Tensor, outputs: int) -> torch.Tensor:
        """Return class numbers for cross-entropy, or for binary cross-entropy one 0 or 1 per output."""
        if not self._binary:
            return y
        columns = y.unsqueeze(1) if outputs == 1 else nn.functional.one_hot(y, outputs)
        return columns.to(self._x.dtype)
