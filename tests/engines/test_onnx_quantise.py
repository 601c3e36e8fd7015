"""Behaviour of the conversions of ONNX files, and of how the formats of what ONNX Runtime makes of them are seen."""

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, parser

from significand.engines.onnx_graph import operators
from significand.engines.onnx_prepare import QuantisationError
from significand.engines.onnx_quantise import quantise_dynamic, quantise_static, to_float16
from significand.engines.operators import shares
from significand.workload.onnx_file import quantised_as
from significand.workload.ort import onnxruntime

pytestmark = pytest.mark.slow

Feeds = dict[str, np.ndarray]


def network(text: str, **weights: tuple[int, ...]) -> onnx.ModelProto:
    """Return a network of an ONNX text, with weights of these shapes drawn by seed, small as after training."""
    draw = np.random.default_rng(0)
    model = parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {text}')
    for name, shape in weights.items():
        scale = 1 / np.sqrt(np.prod(shape[1:], dtype=float) or 1)
        model.graph.initializer.append(
            numpy_helper.from_array((scale * draw.standard_normal(shape)).astype(np.float32), name)
        )
    return model


def convolutions() -> onnx.ModelProto:
    """Make two convolutions with a normalisation between, and a last layer whose bias has two dimensions."""
    model = network(
        """net (float[batch, 1, 8, 8] x) => (float[batch, 10] logits) {
          a = Conv <pads = [1, 1, 1, 1]> (x, w0, b0)
          n = BatchNormalization (a, scale, shift, mean, var)
          r = Relu (n)
          c = Conv <strides = [2, 2]> (r, w1)
          t = Relu (c)
          f = Flatten (t)
          m = MatMul (f, w2)
          logits = Add (m, b2)
        }""",
        w0=(8, 1, 3, 3), b0=(8,), scale=(8,), shift=(8,), mean=(8,), w1=(16, 8, 3, 3), w2=(144, 10), b2=(1, 10),
    )  # fmt: skip
    model.graph.initializer.append(numpy_helper.from_array(np.ones(8, np.float32), "var"))
    return model


def attention() -> onnx.ModelProto:
    """Make attention over tokens that index a table, and a layer after it."""
    return network(
        """net (int64[batch, 12] ids) => (float[batch, 12, 16] y) {
          e = Gather (table, ids)
          q = MatMul (e, wq)
          k = MatMul (e, wk)
          v = MatMul (e, wv)
          kt = Transpose <perm = [0, 2, 1]> (k)
          s = MatMul (q, kt)
          p = Softmax <axis = -1> (s)
          o = MatMul (p, v)
          y = MatMul (o, wo)
        }""",
        table=(50, 16), wq=(16, 16), wk=(16, 16), wv=(16, 16), wo=(16, 16),
    )  # fmt: skip


def recurrent() -> onnx.ModelProto:
    """Make a recurrent cell over eight steps, and nothing else."""
    return network(
        """net (float[8, batch, 4] x) => (float[8, 1, batch, 16] y) {
          y = LSTM <hidden_size = 16> (x, w, r, b)
        }""",
        w=(1, 64, 4), r=(1, 64, 16), b=(1, 128),
    )  # fmt: skip


def branching() -> onnx.ModelProto:
    """Make two networks, of which a truth value chooses one: all weights are in the branches."""
    model = network(
        """net (float[batch, 16] x, bool c) => (float[batch, 16] y) {
          y = If (c) <
            then_branch = one () => (float[batch, 16] p) { p = MatMul (x, w) },
            else_branch = other () => (float[batch, 16] q) { q = MatMul (x, v) }
          >
        }""",
    )
    draw = np.random.default_rng(1)
    for attribute in model.graph.node[0].attribute:
        name = attribute.g.node[0].input[1]
        attribute.g.initializer.append(numpy_helper.from_array(draw.standard_normal((16, 16), np.float32), name))
    return model


def feeds_of(model: onnx.ModelProto, batch: int = 4) -> Feeds:
    """Draw a batch for a network."""
    draw = np.random.default_rng(2)
    feeds: Feeds = {}
    for value in model.graph.input:
        told = value.type.tensor_type
        shape = [size.dim_value or batch for size in told.shape.dim]
        if told.elem_type == TensorProto.FLOAT:
            feeds[value.name] = draw.standard_normal(shape, np.float32)
        else:
            feeds[value.name] = draw.integers(0, 50, shape) if shape else np.array(True)
    return feeds


def outputs(path: Path, feeds: Feeds, optimised: Path | None = None) -> np.ndarray:
    """Run a file, in half precision where it takes that, and have the graph written that really ran."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if optimised:
        options.optimized_model_filepath = str(optimised)
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    halves = {one.name for one in session.get_inputs() if one.type == "tensor(float16)"}
    given = {name: array.astype(np.float16) if name in halves else array for name, array in feeds.items()}
    found: np.ndarray = session.run(None, given)[0]
    return found


def error(one: np.ndarray, other: np.ndarray) -> float:
    """Return the norm of the difference relative to that of the first."""
    return float(np.linalg.norm(one - other.astype(np.float64)) / np.linalg.norm(one))


def convert(mode: str, source: Path, target: Path, feeds: Feeds) -> list[str]:
    """Convert a file as a mode does."""
    if mode == "float16":
        to_float16(source, target)
    elif mode == "int8":
        quantise_static(source, target, feeds, reduce_range=True)
    elif mode == "int8-dynamic":
        return quantise_dynamic(source, target, reduce_range=True)
    return []


@pytest.mark.parametrize(
    ("made", "mode", "formats", "largest_error"),
    [
        (convolutions, "float16", "float32", 0.002),
        (convolutions, "int8", "int8", 0.05),
        (convolutions, "int8-dynamic", "int8", 0.05),
        (attention, "float16", "float32", 0.002),
        (attention, "int8", "int8", 0.05),
        (attention, "int8-dynamic", "int8+float32", 0.05),
        (recurrent, "float16", "float32", 0.002),
        (recurrent, "int8-dynamic", "int8", 0.05),
        (branching, "float16", "float32", 0.002),
        (branching, "int8-dynamic", "int8", 0.05),
    ],
)
def test_converted_networks_give_nearly_the_same_and_their_format_is_seen(
    tmp_path: Path, made: Callable[[], onnx.ModelProto], mode: str, formats: str, largest_error: float
) -> None:
    """Each kind of network runs in each mode, off by the format's rounding; ONNX Runtime computes halves in float32."""
    model = made()
    source, target, optimised = tmp_path / "a.onnx", tmp_path / "b.onnx", tmp_path / "optimised.onnx"
    onnx.save(model, source)
    feeds = feeds_of(model)
    convert(mode, source, target, feeds)
    assert 0 < error(outputs(source, feeds), outputs(target, feeds, optimised)) < largest_error
    assert "+".join(shares(operators(onnx.load(optimised)))) == formats
    assert quantised_as(onnx.load(target)) == ("" if mode == "float16" else mode)
    assert {path.name for path in tmp_path.iterdir()} == {"a.onnx", "b.onnx", "optimised.onnx"}


def test_halves_are_taken_and_given(tmp_path: Path) -> None:
    """A file in half precision has no other real numbers at its ends, and half the size."""
    source, target = tmp_path / "a.onnx", tmp_path / "b.onnx"
    onnx.save(convolutions(), source)
    to_float16(source, target)
    graph = onnx.load(target).graph
    assert {one.type.tensor_type.elem_type for one in (*graph.input, *graph.output)} == {TensorProto.FLOAT16}
    assert target.stat().st_size < 0.65 * source.stat().st_size


def test_dynamic_convolutions_are_warned_of(tmp_path: Path) -> None:
    """They are slow; other layers come without a warning."""
    for made, warned in ((convolutions, True), (attention, False)):
        onnx.save(made(), tmp_path / "a.onnx")
        assert bool(quantise_dynamic(tmp_path / "a.onnx", tmp_path / "b.onnx", reduce_range=False)) is warned


@pytest.mark.parametrize("mode", ["float16", "int8", "int8-dynamic"])
def test_a_conversion_that_changes_nothing_fails(tmp_path: Path, mode: str) -> None:
    """A network without such layers is no success: the reason says what it lacks, and no file is left."""
    number = "int64" if mode == "float16" else "float"
    onnx.save(
        network(f"net ({number}[batch, 4] x) => ({number}[batch, 4] y) {{ y = Add (x, x) }}"), tmp_path / "a.onnx"
    )
    feeds = {"x": np.ones((2, 4), np.float32)}
    with pytest.raises(QuantisationError, match=r"^has no .*: nothing to") as caught:
        convert(mode, tmp_path / "a.onnx", tmp_path / "b.onnx", feeds)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]


def test_layers_in_branches_are_told_of(tmp_path: Path) -> None:
    """Static quantisation leaves branches alone; the reason does not deny that there are such layers."""
    onnx.save(branching(), tmp_path / "a.onnx")
    with pytest.raises(QuantisationError, match="outside of its branches"):
        quantise_static(tmp_path / "a.onnx", tmp_path / "b.onnx", feeds_of(branching()), reduce_range=True)


@pytest.mark.parametrize("mode", ["float16", "int8", "int8-dynamic"])
def test_a_quantised_network_is_not_quantised_again(tmp_path: Path, mode: str) -> None:
    """Two roundings would be told as one."""
    onnx.save(attention(), tmp_path / "a.onnx")
    quantise_dynamic(tmp_path / "a.onnx", tmp_path / "b.onnx", reduce_range=True)
    with pytest.raises(QuantisationError, match="quantised already \\(int8-dynamic\\)"):
        convert(mode, tmp_path / "b.onnx", tmp_path / "c.onnx", feeds_of(attention()))


def test_what_the_tools_stumble_over_is_one_line(tmp_path: Path) -> None:
    """Calibration with an unknown input gives the runtime's reason; the process is left as it was."""
    onnx.save(attention(), tmp_path / "a.onnx")
    before = logging.root.manager.disable, tempfile.tempdir
    with pytest.raises(QuantisationError, match="cannot be quantised to int8 by ONNX Runtime's tools: ") as caught:
        quantise_static(tmp_path / "a.onnx", tmp_path / "b.onnx", {"other": np.ones(3)}, reduce_range=True)
    assert "\n" not in str(caught.value)
    assert (logging.root.manager.disable, tempfile.tempdir) == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]


def test_tensors_beside_the_file_are_taken(tmp_path: Path) -> None:
    """External data come into the converted file; nothing is written beside the user's."""
    folder, target = tmp_path / "theirs", tmp_path / "b.onnx"
    folder.mkdir()
    onnx.save(attention(), folder / "a.onnx", save_as_external_data=True, location="a.data", size_threshold=0)
    for mode in ("float16", "int8", "int8-dynamic"):
        convert(mode, folder / "a.onnx", target, feeds_of(attention()))
        assert sorted(path.name for path in folder.iterdir()) == ["a.data", "a.onnx"]
        assert outputs(target, feeds_of(attention())).shape == (4, 12, 16)


def test_all_operators_but_the_last(tmp_path: Path) -> None:
    """Without a list of operators all are quantised, but probabilities keep their steps."""
    model = network(
        """net (float[batch, 16] x) => (float[batch, 10] y) {
          a = Gemm (x, w, b)
          r = Relu (a)
          c = Gemm (r, v)
          y = Softmax <axis = -1> (c)
        }""",
        w=(16, 32), b=(32,), v=(32, 10),
    )  # fmt: skip
    for at, node in enumerate(model.graph.node):
        node.name = f"n{at}"
    onnx.save(model, tmp_path / "a.onnx")
    quantise_static(tmp_path / "a.onnx", tmp_path / "b.onnx", feeds_of(model, 64), reduce_range=True, types=None)
    found = onnx.load(tmp_path / "b.onnx").graph
    assert found.node[-1].op_type == "Softmax"
    assert len(np.unique(outputs(tmp_path / "b.onnx", feeds_of(model, 500)))) > 2000


def test_shares_count_the_positions_at_which_weights_are_applied() -> None:
    """Convolutions of few weights do most of the work: on 8 x 8 positions, and from 8 to 16 channels on 3 x 3."""
    model = onnx.shape_inference.infer_shapes(convolutions())
    last = next(node for node in model.graph.node if node.op_type == "MatMul")
    last.op_type = "MatMulInteger"  # not run: only looked at
    last.domain = "com.microsoft"
    convolved = 8 * 9 * 64 + 16 * 8 * 9 * 9
    found = shares(operators(model))
    assert found["float32"] == pytest.approx(convolved / (convolved + 1440))
    assert found["int8"] == pytest.approx(1440 / (convolved + 1440))


def graph(*nodes: onnx.NodeProto, given: tuple[int, ...] = (), **initializers: np.ndarray) -> onnx.ModelProto:
    """Return a graph to look at."""
    tensors = [numpy_helper.from_array(array, name) for name, array in initializers.items()]
    inputs = [helper.make_tensor_value_info(name, kind, [2, 4]) for name, kind in zip("xz", given, strict=False)]
    return helper.make_model(helper.make_graph(list(nodes), "g", inputs, [], tensors))


HALF = np.zeros((4, 4), np.float16)
NODE = helper.make_node


@pytest.mark.parametrize(
    ("model", "formats"),
    [
        (graph(NODE("Add", ["x", "x"], ["y"])), ""),
        (graph(NODE("MatMul", ["x", "z"], ["y"]), given=(TensorProto.FLOAT16, TensorProto.FLOAT16)), "float16"),
        (graph(NODE("Constant", [], ["w"], value=numpy_helper.from_array(HALF)), NODE("Conv", ["x", "w"], ["y"])),
         "float16"),
        (graph(NODE("Cast", ["x"], ["h"], to=TensorProto.BFLOAT16), NODE("Relu", ["h"], ["r"]),
               NODE("MatMul", ["r", "h"], ["y"])), "bfloat16"),
        (graph(NODE("FusedConv", ["x", "w"], ["y"], domain="com.microsoft"), w=HALF), "float16"),
        (graph(NODE("Conv", ["x", "w"], ["y"], domain="com.microsoft.nchwc"), w=HALF), "float16"),
        (graph(NODE("MatMulNBits", ["x", "b", "s"], ["y"], domain="com.microsoft", bits=4, K=4, N=4)), "int4"),
        (graph(NODE("MultiHeadAttention", ["x", "x", "x"], ["y"], domain="com.microsoft"), given=(TensorProto.FLOAT,)),
         "float32"),
        (graph(NODE("DynamicQuantizeLSTM", ["x"], ["y"], domain="com.microsoft")), "int8"),
        (graph(NODE("GRU", ["x", "w", "r"], ["y"], hidden_size=4), w=HALF, r=HALF), "float16"),
    ],
    ids=["none", "two values", "constant operator", "cast", "fused", "blocked", "4 bits", "attention", "lstm", "gru"],
)  # fmt: skip
def test_formats_are_read_from_what_multiplies(model: onnx.ModelProto, formats: str) -> None:
    """Weights tell the format, wherever they lie; values without weights tell it by what they are made of."""
    assert "+".join(shares(operators(model))) == formats
