"""The NumPy engine: the network as matrix products of NumPy arrays, in float32 or, slowly, in float16."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from significand.engines.base import Engine, Session
from significand.engines.operators import Operator
from significand.plan.setup import Setup
from significand.workload.architecture import Weights
from significand.workload.arrays import Feeds
from significand.workload.base import Outputs, Trained


def softmax(x: np.ndarray) -> np.ndarray:
    """Turn each row of logits into probabilities."""
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return shares


ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softmax": softmax,
    "linear": lambda x: x,
}


class NumpyEngine:
    """Keeps the weights in the setup's format, as arrays in an .npz file."""

    file_suffix = ".npz"
    modes = ("float32", "float16")
    native_modes = ("float32", "float16")
    needs_module = True  # it takes weights from a torch module, and reads no ONNX file
    is_tried = True  # by `significand modes`: it is quick

    def preload(self, setup: Setup) -> None:
        """Do nothing: NumPy is there already."""

    def save(self, trained: Trained, setup: Setup, calibration: Feeds, path: Path) -> None:
        """Write the weights in the mode's format, matrices ready to be multiplied from the right."""
        if unknown := set(setup.workload.activations) - ACTIVATIONS.keys():
            raise ValueError(f"numpy has no {', '.join(sorted(unknown))}; it has {', '.join(ACTIVATIONS)}")
        state = trained.module().state_dict()
        arrays = (state[name].numpy().T for name in state)  # a matrix and its bias, layer by layer
        np.savez(path, *(array.astype(setup.precision) for array in arrays))

    def computes_in(self, path: Path, setup: Setup, feeds: Feeds) -> Sequence[Operator]:
        """Multiply a batch, and look at the type that comes out of each layer's product."""
        session = self.open(path, setup)
        session.predict(feeds)
        return session.seen

    def open(self, path: Path, setup: Setup) -> "NumpySession":
        """Read the weights."""
        with np.load(path) as file:
            arrays = [file[name] for name in file.files]
        return NumpySession(list(zip(arrays[::2], arrays[1::2], strict=True)), setup.workload.activations)


class NumpySession:
    """The network as arrays."""

    def __init__(self, weights: Weights, activations: tuple[str, ...]) -> None:
        self._layers = [(*pair, ACTIVATIONS[name]) for pair, name in zip(weights, activations, strict=True)]
        self._dtype = weights[0][0].dtype
        self.seen: list[Operator] = []

    def bind(self, feeds: Feeds) -> Callable[[], object]:
        """Return the call on a batch that is converted already."""
        (x,) = feeds.values()
        return functools.partial(self._infer, x.astype(self._dtype))

    def predict(self, feeds: Feeds) -> Outputs:
        """Return the only output, as float64."""
        (x,) = feeds.values()
        return [self._infer(x.astype(self._dtype)).astype(np.float64)]

    def _infer(self, x: np.ndarray) -> np.ndarray:
        self.seen = []
        for number, (matrix, bias, activate) in enumerate(self._layers):
            products = x @ matrix
            self.seen.append(Operator(f"layer {number}", "matmul", products.dtype.name, len(x) * matrix.size))
            x = activate(products + bias)
        return x


ENGINE: Engine = NumpyEngine()
_: type[Session] = NumpySession
