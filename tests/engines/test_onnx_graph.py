"""Behaviour of the graph's building and reading."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from made_up_onnx import MATMUL, external, product
from significand.engines.onnx_graph import effective_precision, refuse_external_data

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
    assert effective_precision(model) == precision


def in_attribute() -> onnx.ModelProto:
    return product(helper.make_node("Constant", [], ["y"], value=external("beside")))


def in_subgraph() -> onnx.ModelProto:
    branch = helper.make_graph([], "branch", [], [], [external("beside")])
    return product(helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch))


def in_function() -> onnx.ModelProto:
    model = product(helper.make_node("Identity", ["x"], ["y"]))
    constant = helper.make_node("Constant", [], ["y"], value=external("beside"))
    model.functions.append(helper.make_function("own", "f", ["x"], ["y"], [constant], [helper.make_opsetid("", 21)]))
    return model


def in_sparse_tensor() -> onnx.ModelProto:
    model = product(helper.make_node("Identity", ["x"], ["y"]))
    model.graph.sparse_initializer.add().values.CopyFrom(external("beside"))
    return model


def without_saying_so() -> onnx.ModelProto:
    tensor = external("beside")
    tensor.data_location = TensorProto.DEFAULT
    return product(MATMUL, tensor)


@pytest.mark.parametrize("model", [in_attribute, in_subgraph, in_function, in_sparse_tensor, without_saying_so])
def test_external_data_is_found_wherever_it_is_named(tmp_path: Path, model: Callable[[], onnx.ModelProto]) -> None:
    """Attributes, subgraphs, functions and sparse tensors are searched too."""
    path = tmp_path / "network.onnx"
    path.write_bytes(model().SerializeToString())
    with pytest.raises(ValueError, match="'stolen' in another file"):
        refuse_external_data(path)


@pytest.mark.parametrize("content", [b"\xff" * 64, b"\x80\x04cposix\nsystem\n"], ids=["garbage", "pickle"])
def test_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    """Bytes that are no ONNX model are an error with the path and the remedy."""
    path = tmp_path / "network.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not an ONNX model") as caught:
        refuse_external_data(path)
    assert repr(str(path)) in str(caught.value)
