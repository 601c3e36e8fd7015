"""Files of which a part is planted to run in another format: each engine's operators describe it rightly."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from conftest import setup_of
from made_up_networks import normal
from significand.engines.base import get_engine
from significand.engines.onnx_graph import EIGHT_BITS_UNPACKED, LEFT, NOT_FUSED, WEIGHTS_UNPACKED
from significand.engines.onnx_weights import quantise_weights
from significand.engines.operators import Operator, shares

pytestmark = pytest.mark.slow

X = normal(4, 8 * 16 * 16).reshape(4, 8, 16, 16)
LAYERS = 3
WORK = 8 * 8 * 9 * 16 * 16
"""Multiply-adds of each of the layers, which are alike, for one example."""


def three_convolutions(path: Path) -> Path:
    """Write three convolutions of the same size, with a ReLU behind each."""
    text = "\n".join(
        f"c{n} = Conv <pads = [1, 1, 1, 1]> ({f'r{n - 1}' if n else 'x'}, w{n})\nr{n} = Relu (c{n})"
        for n in range(LAYERS)
    )
    model = parser.parse_model(
        f"""<ir_version: 8, opset_import: ["" : 17]>
        net (float[batch, 8, 16, 16] x) => (float[batch, 8, 16, 16] r{LAYERS - 1}) {{ {text} }}"""
    )
    for n in range(LAYERS):
        model.graph.initializer.append(numpy_helper.from_array(normal(8, 72, seed=n).reshape(8, 8, 3, 3) / 8, f"w{n}"))
    for node in model.graph.node:
        node.name = f"{node.op_type} {node.output[0]}"
    onnx.save(model, path)
    return path


class Batches(CalibrationDataReader):  # type: ignore[misc]  # of a package without types
    """The examples, once."""

    def __init__(self) -> None:
        self._left = [{"x": X}]

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Give the next batch."""
        return self._left.pop() if self._left else None


def quantised(folder: Path, *excluded: str) -> Path:
    """Write the network in 8 bits by ONNX Runtime's own quantiser, but for layers that are excluded."""
    source, target = three_convolutions(folder / "float32.onnx"), folder / "int8.onnx"
    types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    quantize_static(
        source, target, Batches(), quant_format=QuantFormat.QDQ, nodes_to_exclude=list(excluded), **types,
        extra_options={"ActivationSymmetric": False},
    )  # fmt: skip
    return target


def without_output_quantised(path: Path, output: str) -> Path:
    """Take away the pair of operators behind an activation, so that the layer before it cannot be fused."""
    model = onnx.load(path)
    nodes = {node.output[0]: node for node in model.graph.node}
    (quantise,) = (node for node in model.graph.node if node.op_type == "QuantizeLinear" and node.input[0] == output)
    (dequantise,) = (node for node in model.graph.node if quantise.output[0] in node.input)
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name == dequantise.output[0]:
                node.input[place] = output
    for node in (quantise, dequantise):
        model.graph.node.remove(nodes[node.output[0]])
    onnx.save(model, path)
    return path


def layers(engine: str, path: Path) -> list[Operator]:
    """Return what multiplies, as the engine runs it."""
    setup = replace(setup_of((64, 5), ("relu",), "float32", engine), precision="int8", batch_size=len(X))
    return [one for one in get_engine(engine).computes_in(path, setup, {"x": X}) if one.format]


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_all_layers_in_int8(engine: str, tmp_path: Path) -> None:
    """The control: nothing is planted, nothing is told."""
    found = layers(engine, quantised(tmp_path))
    assert [(one.format, one.note) for one in found] == [("int8", "")] * LAYERS


@pytest.mark.parametrize(("engine", "notes"), [("onnxruntime", ["", "", LEFT]), ("openvino", ["", "", ""])])
def test_an_excluded_layer_is_a_third_of_the_work_in_float32(engine: str, notes: list[str], tmp_path: Path) -> None:
    """It stands in its place, and ONNX Runtime's graph tells that the quantiser left it."""
    found = layers(engine, quantised(tmp_path, "Conv c2", "Relu r2"))
    assert [one.format for one in found] == ["int8", "int8", "float32"]
    assert [one.note for one in found] == notes
    assert shares(found) == pytest.approx({"int8": 2 / 3, "float32": 1 / 3})


@pytest.mark.parametrize(("engine", "number_format"), [("onnxruntime", "int8"), ("openvino", "float32")])
def test_an_excluded_layer_between_quantised_ones_is_what_the_engine_makes_of_it(
    engine: str, number_format: str, tmp_path: Path
) -> None:
    """ONNX Runtime quantises the weights of a layer whose neighbours are quantised, whoever has excluded it."""
    found = layers(engine, quantised(tmp_path, "Conv c1"))
    assert [one.format for one in found] == ["int8", number_format, "int8"]


def test_a_pair_that_is_not_fused_is_told(tmp_path: Path) -> None:
    """Both operands are 8 bits in the file, and the product is one of float32 all the same."""
    found = layers("onnxruntime", without_output_quantised(quantised(tmp_path), "r1"))
    unfused = [one for one in found if one.format == "float32"]
    assert {one.note for one in unfused} <= {NOT_FUSED, WEIGHTS_UNPACKED.format("float32")}
    assert any(one.note == NOT_FUSED for one in unfused)
    assert shares(found)["int8"] == pytest.approx(1 - len(unfused) / LAYERS)


def two_products(path: Path) -> Path:
    """Write two products with matrices of the same size."""
    model = parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]>
        net (float[batch, 64] x) => (float[batch, 64] y) { a = MatMul (x, w0)  r = Relu (a)  y = MatMul (r, w1) }"""
    )
    for n in range(2):
        model.graph.initializer.append(numpy_helper.from_array(normal(64, 64, seed=n) / 8, f"w{n}"))
    onnx.save(model, path)
    return path


def one_of_few_bits(folder: Path, bits: int) -> Path:
    """Quantise the weights of both products, and put the first one back."""
    source, target = two_products(folder / "float32.onnx"), folder / "few.onnx"
    quantise_weights(source, target, bits=bits, block_size=32)
    model, plain = onnx.load(target), onnx.load(source)
    (node,) = (node for node in model.graph.node if "r" not in node.input and node.op_type == "MatMulNBits")
    place = list(model.graph.node).index(node)
    weights = plain.graph.node[0].input[1]
    back = onnx.helper.make_node("MatMul", [node.input[0], weights], node.output)
    model.graph.node.remove(node)
    model.graph.node.insert(place, back)
    kept = {tensor.name for tensor in model.graph.initializer}
    model.graph.initializer.extend(
        one for one in plain.graph.initializer if one.name == weights and weights not in kept
    )
    onnx.save(model, target)
    return target


@pytest.mark.parametrize(
    ("bits", "why"),
    [(4, WEIGHTS_UNPACKED.format("float32")), (8, EIGHT_BITS_UNPACKED)],
)
def test_a_product_of_which_only_the_weights_are_few_bits(bits: int, why: str, tmp_path: Path) -> None:
    """It is half of the work, beside a product that stayed float32, and says that its weights are unpacked."""
    path = one_of_few_bits(tmp_path, bits)
    setup = replace(setup_of((64, 64), ("relu",), "float32", "onnxruntime"), precision="int4", batch_size=4)
    found = get_engine("onnxruntime").computes_in(path, setup, {"x": normal(4, 64)})
    products = {one.format: one.note for one in found if one.format}
    assert products == {f"int{bits}": why, "float32": LEFT}
    assert shares(found) == pytest.approx({f"int{bits}": 0.5, "float32": 0.5})
