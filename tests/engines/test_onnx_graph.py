"""Behaviour of the graph's building and reading."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from significand.engines.onnx_graph import operators
from significand.engines.operators import shares

pytestmark = pytest.mark.slow


def graph(*nodes: onnx.NodeProto, **initializers: np.ndarray) -> onnx.ModelProto:
    tensors = [numpy_helper.from_array(array, name) for name, array in initializers.items()]
    return helper.make_model(helper.make_graph(list(nodes), "g", [], [], tensors))


@pytest.mark.parametrize(
    ("model", "precision"),
    [
        (graph(helper.make_node("Gemm", ["x", "w"], ["y"]), w=np.zeros((1, 1), np.float64)), "float64"),
        (graph(helper.make_node("MatMul", ["x", "w"], ["y"]), w=np.zeros((1, 1), np.float16)), "float16"),
        (graph(helper.make_node("QLinearMatMul", ["x"], ["y"])), "int8"),
        (
            graph(
                helper.make_node("DequantizeLinear", ["q", "s"], ["w"]),
                helper.make_node("Gemm", ["x", "w"], ["y"]),
                q=np.zeros((1, 1), np.int8),
                s=np.array(1, np.float32),
            ),
            "float32",
        ),
        (
            graph(
                helper.make_node("Cast", ["h"], ["w"], to=TensorProto.FLOAT),
                helper.make_node("Gemm", ["x", "w"], ["y"]),
                h=np.zeros((1, 1), np.float16),
            ),
            "float32",
        ),
        (
            graph(helper.make_node("Mystery", ["x"], ["w"]), helper.make_node("Gemm", ["x", "w"], ["y"])),
            "unknown",
        ),
        (
            graph(
                helper.make_node("QGemm", ["x"], ["a"]),
                helper.make_node("FusedGemm", ["a", "w"], ["y"]),
                w=np.zeros((1, 1), np.float32),
            ),
            "int8+float32",
        ),
    ],
    ids=["float64", "float16", "int8", "int8 weights, float32 arithmetic", "cast weights", "unknown", "mixed"],
)
def test_effective_precision_is_read_from_the_matrix_products(model: onnx.ModelProto, precision: str) -> None:
    """What counts is the type of the products: dequantised weights are float, a mixed graph names both."""
    assert "+".join(shares(operators(model))) == precision
