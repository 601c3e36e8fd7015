"""Behaviour of the quantisation of weights alone."""

import logging
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

import made_up_networks
from conftest import setup_of
from made_up_networks import feeds, normal
from significand.engines.onnx_prepare import QuantisationError
from significand.engines.onnx_runtime import ENGINE
from significand.engines.onnx_weights import quantise_weights
from significand.plan.precision import BLOCK_SIZES
from significand.testing import WORKLOADS
from significand.workload.onnx_file import quantised_as
from significand.workload.ort import onnxruntime

pytestmark = pytest.mark.slow

LARGEST_ERROR = {8: 0.02, 4: 0.3}
"""Relative error of a few layers: half a step of 255, of 15, of what the weights of a block span, and room."""


def network(text: str, opset: int = 17, **weights: tuple[int, ...]) -> onnx.ModelProto:
    """Return a network of an ONNX text with normal weights of these shapes."""
    draw = np.random.default_rng(0)
    model = parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> {text}')
    for name, shape in weights.items():
        array = draw.standard_normal(shape, np.float32)
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    return model


def outputs(path: Path, x: np.ndarray) -> np.ndarray:
    """Run a file of one input."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(None, {session.get_inputs()[0].name: x})[0]
    return found


def error(wanted: np.ndarray, got: np.ndarray) -> float:
    """Return the norm of the difference relative to that of the first."""
    return float(np.linalg.norm(wanted - got) / np.linalg.norm(wanted))


def kinds(path: Path) -> list[str]:
    """Return the operators of a file's graph that multiply."""
    nodes = onnx.load(path).graph.node
    return [node.op_type for node in nodes if node.op_type in {"Conv", "Gemm", "MatMul", "MatMulNBits"}]


def built_in(name: str, folder: Path) -> tuple[Path, np.ndarray]:
    """Return the file of a built-in network, and some of its inputs."""
    x = import_module(f"significand.workload.networks.{name}").data()[0][:16]
    return WORKLOADS[name].trained().onnx_file(folder), x


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize(
    ("name", "products"),
    [
        ("cnn", ["Conv", "Conv", "MatMulNBits"]),
        # An embedding; twice four layers of attention, two products of values and two layers behind; a head.
        ("encoder", [*(1 + 2 * 6 + 1) * ["MatMulNBits"], *2 * 2 * ["MatMul"]]),
    ],
)  # fmt: skip
def test_every_linear_layer_of_a_network_is_quantised(
    tmp_path: Path, name: str, products: list[str], bits: int
) -> None:
    """However torch's exporter wrote it: convolutions and products of values stay as they are."""
    source, x = built_in(name, tmp_path)
    target = tmp_path / "b.onnx"
    quantise_weights(source, target, bits=bits, block_size=32)
    assert sorted(kinds(target)) == sorted(products)
    assert 0 < error(outputs(source, x), outputs(target, x)) < LARGEST_ERROR[bits]


@pytest.mark.parametrize(("mode", "bits"), [("int8-weights", 8), ("int4", 4)])
def test_every_layer_of_a_perceptron_is_quantised(tmp_path: Path, mode: str, bits: int) -> None:
    """The engine writes the mode's bits in blocks of 32, and the file is as much smaller."""
    setups = {one: setup_of((784, 512, 512, 10), ("relu", "relu", "softmax"), one) for one in (mode, "float32")}
    x = normal(64, 784)
    paths = {one: made_up_networks.written(ENGINE, setup, tmp_path, x) for one, setup in setups.items()}
    assert kinds(paths[mode]) == 3 * ["MatMulNBits"]
    told = [{one.name: one.i for one in node.attribute} for node in onnx.load(paths[mode]).graph.node]
    assert {(one["bits"], one["block_size"]) for one in told if "bits" in one} == {(bits, 32)}
    # A scale and a zero point for 32 weights are 5 bits more a weight at 8, and 36 for 32 at 4: 1.25 and 1.125 bits.
    share = paths[mode].stat().st_size / paths["float32"].stat().st_size
    assert share == pytest.approx((bits + 1.25) / 32, abs=0.01)
    first, second = (ENGINE.open(path, setups[one]).predict(feeds(x))[0] for one, path in paths.items())
    assert 0 < error(second, first) < LARGEST_ERROR[bits]


@pytest.mark.parametrize("size", BLOCK_SIZES)
def test_larger_blocks_have_fewer_scales(tmp_path: Path, size: int) -> None:
    """There is a scale for each so many inputs of an output, the last block of which may be short."""
    onnx.save(
        network("net (float[n, 300] x) => (float[n, 7] y) { y = MatMul (x, w) }", w=(300, 7)), tmp_path / "a.onnx"
    )
    quantise_weights(tmp_path / "a.onnx", tmp_path / "b.onnx", bits=4, block_size=size)
    shapes = {one.name: list(one.dims) for one in onnx.load(tmp_path / "b.onnx").graph.initializer}
    assert shapes["w_scales"] == [7, -(-300 // size)]
    x = normal(9, 300)
    assert error(outputs(tmp_path / "a.onnx", x), outputs(tmp_path / "b.onnx", x)) < LARGEST_ERROR[4]


def test_products_that_share_weights_keep_sharing_them(tmp_path: Path) -> None:
    """They are written once, turned or not, and the network still gives the same."""
    text = """net (float[n, 64] x) => (float[n, 64] y) {
      a = Gemm <transB = 1> (x, w, b)
      c = Gemm <transB = 1> (a, w)
      y = MatMul (c, w)
    }"""
    onnx.save(network(text, w=(64, 64), b=(64,)), tmp_path / "a.onnx")
    quantise_weights(tmp_path / "a.onnx", tmp_path / "b.onnx", bits=8, block_size=64)
    names = [one.name for one in onnx.load(tmp_path / "b.onnx").graph.initializer]
    assert len(set(names)) == len(names)
    assert kinds(tmp_path / "b.onnx") == 3 * ["MatMulNBits"]
    x = normal(5, 64)
    assert error(outputs(tmp_path / "a.onnx", x), outputs(tmp_path / "b.onnx", x)) < LARGEST_ERROR[8]


def test_what_is_more_than_a_product_stays_one(tmp_path: Path) -> None:
    """A Gemm that scales its product, or turns the other operand, is as before beside one that is quantised."""
    text = """net (float[32, 32] x) => (float[32, 32] y) {
      a = Gemm <alpha = 0.5> (x, w, b)
      c = Gemm <transA = 1> (a, w)
      y = Gemm (c, w, b)
    }"""
    onnx.save(network(text, w=(32, 32), b=(32, 32)), tmp_path / "a.onnx")
    quantise_weights(tmp_path / "a.onnx", tmp_path / "b.onnx", bits=8, block_size=16)
    assert kinds(tmp_path / "b.onnx") == ["Gemm", "Gemm", "MatMulNBits"]
    x = normal(32, 32)
    assert 0 < error(outputs(tmp_path / "a.onnx", x), outputs(tmp_path / "b.onnx", x)) < LARGEST_ERROR[8]


def test_weights_in_branches_are_quantised(tmp_path: Path) -> None:
    """The quantiser enters branches, and finds weights that lie outside of them."""
    text = """net (float[n, 32] x) => (float[n, 32] y) {
      s = ReduceSum <keepdims = 0> (x)
      z = CastLike (s, s)
      c = Greater (s, z0)
      y = If (c) <
        then_branch = one () => (float[n, 32] p) { p = MatMul (x, w) },
        else_branch = other () => (float[n, 32] q) { q = Gemm <transB = 1> (x, w) }
      >
    }"""
    onnx.save(network(text, w=(32, 32), z0=()), tmp_path / "a.onnx")
    quantise_weights(tmp_path / "a.onnx", tmp_path / "b.onnx", bits=8, block_size=32)
    for x in (normal(4, 32), -normal(4, 32)):
        assert 0 < error(outputs(tmp_path / "a.onnx", x), outputs(tmp_path / "b.onnx", x)) < LARGEST_ERROR[8]


def test_a_network_without_such_products_fails(tmp_path: Path) -> None:
    """Convolutions alone are no success: the reason says what is lacking, and no file is left."""
    onnx.save(
        network("net (float[n, 1, 8, 8] x) => (float[n, 4, 6, 6] y) { y = Conv (x, w) }", w=(4, 1, 3, 3)),
        tmp_path / "a.onnx",
    )
    with pytest.raises(QuantisationError, match=r"^has no MatMul or Gemm with constant weights: nothing to quantise$"):
        quantise_weights(tmp_path / "a.onnx", tmp_path / "b.onnx", bits=4, block_size=32)
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]


@pytest.mark.parametrize(("bits", "form"), [(8, "int8-weights"), (4, "int4")])
def test_what_is_written_is_recognised(tmp_path: Path, bits: int, form: str) -> None:
    """A file of a user's in this form is measured as what it is, and not quantised again."""
    onnx.save(network("net (float[n, 64] x) => (float[n, 7] y) { y = MatMul (x, w) }", w=(64, 7)), tmp_path / "a.onnx")
    quantise_weights(tmp_path / "a.onnx", tmp_path / "b.onnx", bits=bits, block_size=32)
    assert quantised_as(onnx.load(tmp_path / "b.onnx")) == form
    with pytest.raises(QuantisationError, match=rf"quantised already \({form}\)"):
        quantise_weights(tmp_path / "b.onnx", tmp_path / "c.onnx", bits=4, block_size=32)


def test_the_import_leaves_the_log_alone() -> None:
    """The quantiser's module would have everybody's messages written to standard error."""
    code = "import logging; import significand.engines.onnx_weights; print(logging.root.handlers, logging.root.level)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", str(logging.WARNING)]
