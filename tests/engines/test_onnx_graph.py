"""Behaviour of the graph's building and reading."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, parser

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


def test_work_behind_a_product_of_unknown_shape_is_counted_by_its_weights() -> None:
    """A graph may tell the shapes of its inputs only: 4 x 8 numbers become 4 x 32, and then 4 x 2."""
    model = parser.parse_model("""
        <ir_version: 10, opset_import: ["" : 21]>
        net (float[4, 8] x) => (y) { h = MatMul(x, a)  y = Gemm<transB = 1>(h, b) }""")
    weights = {"a": np.ones((8, 32), np.float32), "b": np.ones((2, 32), np.float32)}
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in weights.items())
    assert [one.multiply_adds for one in operators(model)] == [4 * 8 * 32, 4 * 32 * 2]
