"""Made-up networks as ONNX files, one of whose layers has sums of 8-bit products that leave 16 bits, or none."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from significand.engines.onnx_quantise import quantise_static

TOKENS, WIDTH = 12, 64
IMAGE = (3, 12, 12)


class Network:
    """A graph, operator by operator; weights are normal, or, where a layer is to saturate, alike and of one sign.

    Of these a pair of products is 2 x 255 x 127 where activations are large: twice what 16 bits hold.
    """

    def __init__(self, seed: int, *, saturates: bool) -> None:
        self.rng = np.random.default_rng(seed)
        self.saturates = saturates
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 - of any operator
        """Append an operator; return the name of its output."""
        name = f"{kind}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, values: np.ndarray) -> str:
        """Return the name of a new tensor."""
        name = f"tensor{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.asarray(values, dtype=np.float32), name))
        return name

    def weights(self, *shape: int, fan_in: int, axis: int, planted: bool) -> str:
        """Return weights of a layer, whose outputs lie along an axis; the planted ones saturate."""
        if not (planted and self.saturates):
            return self.constant(1.5 * self.rng.normal(size=shape) / np.sqrt(fan_in))
        signs = self.rng.choice([-1, 1], size=[size if at == axis else 1 for at, size in enumerate(shape)])
        return self.constant(1.5 * signs * self.rng.normal(1, 0.1, size=shape) / fan_in)

    def linear(self, x: str, n_in: int, n_out: int, *, planted: bool = False) -> str:
        """Append a product with a bias, over the last axis."""
        product = self.add("MatMul", x, self.weights(n_in, n_out, fan_in=n_in, axis=1, planted=planted))
        return self.add("Add", product, self.constant(0.1 * self.rng.normal(size=n_out)))

    def write(self, path: Path, output: str, n_in: tuple[int, ...], n_out: tuple[int, ...]) -> None:
        """Write a file that takes any number of examples."""
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape])
            for name, shape in (("input", n_in), (output, n_out))
        ]
        graph = helper.make_graph(self.nodes, "g", ends[:1], ends[1:], self.tensors)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


def perceptron(path: Path, hidden: str, last: str | None, seed: int, *, saturates: bool) -> tuple[int, ...]:
    """Write a perceptron whose middle layer is the planted one; return the shape of an example."""
    network, x = Network(seed, saturates=saturates), "input"
    for layer, n_out in enumerate((64, 64, 10)):
        x = network.linear(x, 64, n_out, planted=layer == 1)
        kind = hidden if layer < 2 else last
        x = network.add(kind, x) if kind else x
    network.write(path, x, (64,), (10,))
    return (64,)


def cnn(path: Path, seed: int, *, saturates: bool) -> tuple[int, ...]:
    """Write four convolutions, a pooling and a product; return the shape of an example."""
    network, x = Network(seed, saturates=saturates), "input"
    for layer, n_in in enumerate((IMAGE[0], 16, 16, 16)):
        kernel = network.weights(16, n_in, 3, 3, fan_in=9 * n_in, axis=0, planted=layer == 2)
        bias = network.constant(0.1 * network.rng.normal(size=16) + 0.5)
        x = network.add("Relu", network.add("Conv", x, kernel, bias, pads=[1] * 4))
    x = network.linear(network.add("Flatten", network.add("GlobalAveragePool", x)), 16, 10)
    network.write(path, x, IMAGE, (10,))
    return IMAGE


def encoder(path: Path, seed: int, *, saturates: bool) -> tuple[int, ...]:
    """Write two layers of a transformer's encoder; return the shape of an example."""
    network, x = Network(seed, saturates=saturates), "input"
    ones, zeros = network.constant(np.ones(WIDTH)), network.constant(np.zeros(WIDTH))
    root = network.constant(np.array(1 / np.sqrt(WIDTH)))
    for layer in range(2):
        query, key, value = (network.linear(x, WIDTH, WIDTH) for _ in range(3))
        logits = network.add("MatMul", query, network.add("Transpose", key, perm=[0, 2, 1]))
        seen = network.add("MatMul", network.add("Softmax", network.add("Mul", logits, root), axis=-1), value)
        x = network.add("LayerNormalization", network.add("Add", x, network.linear(seen, WIDTH, WIDTH)), ones, zeros)
        inner = network.add("Sigmoid", network.linear(x, WIDTH, 2 * WIDTH))
        inner = network.linear(inner, 2 * WIDTH, WIDTH, planted=layer == 1)
        x = network.add("LayerNormalization", network.add("Add", x, inner), ones, zeros)
    network.write(path, network.linear(x, WIDTH, 10), (TOKENS, WIDTH), (TOKENS, 10))
    return (TOKENS, WIDTH)


def quantised(source: Path, target: Path, shape: tuple[int, ...], seed: int, *, reduce_range: bool) -> np.ndarray:
    """Write a file in 8 bits, by examples that are normal or, of odd seeds, positive; return further ones."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(320, *shape)) if seed % 2 == 0 else rng.uniform(size=(320, *shape))
    x = x.astype(np.float32)
    quantise_static(source, target, {"input": x[:256]}, reduce_range=reduce_range)
    return x[256:]
