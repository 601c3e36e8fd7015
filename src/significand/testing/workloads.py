"""Small networks on which engines are tried, with made-up inputs. torch and onnx are imported when one is made."""

import atexit
import functools
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from significand.plan.setup import Network, Perceptron
from significand.workload.arrays import Arrays, Form
from significand.workload.base import Trained

SEED = 1

Shapes = Mapping[str, tuple[int, ...]]
"""Shapes of an example's inputs by their names; of a number without axes, ``()``: the row of a table."""

TABLE = 4
"""Rows of the table that whole numbers index."""


@dataclass(frozen=True)
class Workload:
    """A network, its inputs, and what is known of it beforehand.

    Attributes
    ----------
    name
        What it is called in checks.
    value
        What stands in setups.
    shapes, form
        Its inputs, in order.
    multiply_adds
        Those of one example, counted by hand.
    layers
        How many products stand one behind the other, each of which adds its rounding.
    trained
        Makes the network, with the same weights every time.
    """

    name: str
    value: Perceptron | Network
    shapes: Shapes
    multiply_adds: int
    layers: int
    trained: Callable[[], Trained] = field(repr=False)
    form: Form = "one"

    @property
    def has_several(self) -> bool:
        """Whether it takes several inputs, and gives several outputs."""
        return len(self.shapes) > 1

    @property
    def is_perceptron(self) -> bool:
        """Whether it is the perceptron, whose error has a lower bound, too."""
        return isinstance(self.value, Perceptron)

    def inputs(self, n: int, seed: int = SEED) -> Arrays:
        """Return new inputs of n examples: normal numbers, float32, or rows of a table, int64."""
        generator = np.random.default_rng(seed)
        return Arrays(
            {
                name: generator.normal(size=(n, *shape)).astype(np.float32)
                if shape
                else generator.integers(0, TABLE, n)
                for name, shape in self.shapes.items()
            },
            self.form,
        )


@functools.cache
def scratch() -> Path:
    """Return a folder that is removed when this process ends."""
    folder = tempfile.mkdtemp(prefix="significand-testing-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _perceptron() -> Trained:
    from significand.workload.mlp import TrainedPerceptron, initial_network, read_weights  # noqa: PLC0415 - torch

    network = initial_network(PERCEPTRON.layer_sizes, PERCEPTRON.activations, SEED)
    return TrainedPerceptron(PERCEPTRON, read_weights(network))


def _module(name: str) -> Trained:
    from significand.testing.modules import trained_module  # noqa: PLC0415 - torch

    workload = WORKLOADS[name]
    return trained_module(name, workload.inputs(2), scratch() / f"structure-{name}", SEED)


def _onnx_file() -> Trained:
    from significand.testing.onnx_files import trained_file  # noqa: PLC0415 - onnx

    return trained_file(scratch() / "onnx-file.onnx", SEED)


PERCEPTRON = Perceptron((32, 48, 10), ("relu", "softmax"), "synthetic", 64, 0.5, 0, "sgd", 0.01, 0.9)
SEVERAL: Shapes = {"right": (24,), "left": (24,), "row": ()}
"""Inputs of which two could be taken for each other, in an order that is not the alphabet's."""


def _of_module(name: str, shapes: Shapes, multiply_adds: int, layers: int, form: Form = "one") -> Workload:
    value = Network(name, None, None, 0.5, 0, "sgd", 0.01, 0.9)
    return Workload(name, value, shapes, multiply_adds, layers, functools.partial(_module, name), form)


WORKLOADS: Mapping[str, Workload] = {
    one.name: one
    for one in (
        Workload("perceptron", PERCEPTRON, {"input": (32,)}, 32 * 48 + 48 * 10, 2, _perceptron),
        # Two convolutions of 3 x 3 on 8 x 8 and 4 x 4 positions, and a layer.
        _of_module("cnn", {"input": (1, 8, 8)}, 64 * 9 * 16 + 16 * 16 * 9 * 32 + 32 * 4 * 10, 3),
        # An embedding; twice four layers of attention, its two products and two layers behind; a head.
        _of_module("encoder", {"input": (8, 8)}, 8 * 8 * 32 + 2 * 8 * (8 * 32 * 32 + 2 * 8 * 32) + 32 * 10, 14),
        # Eight rows, at each of which four gates meet the input and the state; a head.
        _of_module("lstm", {"input": (8, 8)}, 8 * 4 * 64 * (8 + 64) + 64 * 10, 9),
        _of_module("several", SEVERAL, 2 * 24 * 32 + 32 * 3, 2, "dict"),
        Workload(
            "onnx-file",
            Network("onnx-file.onnx", None, None, 0.5, 0, "sgd", 0.01, 0.9),
            SEVERAL,
            2 * 24 * 32 + 32 * 3,
            2,
            _onnx_file,
            "dict",
        ),
    )
}
"""By name: a perceptron, the built-in networks, a network with several inputs and outputs, and the same as a file."""
