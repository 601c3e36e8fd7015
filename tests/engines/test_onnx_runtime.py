"""Behaviour of the ONNX Runtime engine."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from significand.engines.onnx_runtime import ENGINE, effective_precision
from significand.meters.machine import cpu_flags, instruction_sets
from significand.plan.precision import MODES
from significand.workload.architecture import Architecture
from significand.workload.model import initial_network, read_weights, reference_outputs

WIDE = Architecture((784, 512, 512, 10), ("relu", "relu", "softmax"))


def written(folder: Path, architecture: Architecture, mode: str) -> Path:
    weights = read_weights(initial_network(architecture.layer_sizes, architecture.activations, seed=1))
    x = np.random.default_rng(0).normal(size=(64, architecture.layer_sizes[0])).astype(np.float32)
    path = folder / f"{mode}.onnx"
    ENGINE.write(path, ENGINE.export_structure(architecture), architecture, weights, MODES[mode], x)
    return path


def test_int8_model_is_small_and_computes_in_int8(tmp_path: Path) -> None:
    """On 784-512-512-10 the int8 file is under 0.35 of the float32 file, and its session's products are int8."""
    int8, float32 = written(tmp_path, WIDE, "int8"), written(tmp_path, WIDE, "float32")
    assert int8.stat().st_size < 0.35 * float32.stat().st_size
    assert ENGINE.effective_precision(int8, WIDE, MODES["int8"], threads=1) == "int8"
    assert ENGINE.effective_precision(float32, WIDE, MODES["float32"], threads=1) == "float32"


def test_int8_weights_have_a_scale_per_output(tmp_path: Path) -> None:
    """Static quantisation gives every output unit its own scale."""
    model = onnx.load(written(tmp_path, WIDE, "int8"))
    scales = {t.name: numpy_helper.to_array(t).shape for t in model.graph.initializer if t.name.startswith("matrix")}
    assert scales["matrix0_scale"] == (512,)
    assert scales["matrix2_scale"] == (10,)


def test_float16_is_told_apart_from_what_the_cpu_runs(tmp_path: Path) -> None:
    """Where the CPU has no float16 arithmetic, a float16 session says float32."""
    precision = ENGINE.effective_precision(written(tmp_path, WIDE, "float16"), WIDE, MODES["float16"], threads=1)
    if "fp16" in instruction_sets(cpu_flags()):
        assert precision in {"float16", "float32"}
    else:
        assert precision == "float32"


def test_threads_reach_the_session(tmp_path: Path) -> None:
    """The session runs on the threads asked for."""
    session = ENGINE.open(written(tmp_path, WIDE, "float32"), WIDE, MODES["float32"], threads=1)
    assert session._session.get_session_options().intra_op_num_threads == 1  # type: ignore[attr-defined]


def test_quantisation_takes_its_scales_from_the_calibration_data(tmp_path: Path) -> None:
    """Ten times larger calibration data gives a ten times larger input scale."""
    weights = read_weights(initial_network(WIDE.layer_sizes, WIDE.activations, seed=1))
    x = np.random.default_rng(0).normal(size=(300, 784)).astype(np.float32)
    scales = []
    for factor in (1, 10):
        path = tmp_path / f"{factor}.onnx"
        ENGINE.write(path, ENGINE.export_structure(WIDE), WIDE, weights, MODES["int8"], factor * x)
        tensors = {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
        scales.append(float(tensors["input_scale"]))
    assert scales[1] == pytest.approx(10 * scales[0], rel=1e-5)


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


def test_the_structure_has_no_weights() -> None:
    """The structure exported once per experiment holds no tensor; its input and output sizes are the network's."""
    model = onnx.load_model_from_string(ENGINE.export_structure(WIDE))
    assert not model.graph.initializer
    assert model.graph.input[0].type.tensor_type.shape.dim[1].dim_value == 784
    assert model.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT


def test_the_bound_call_gives_what_predict_gives(tmp_path: Path) -> None:
    """The timed call computes the same outputs as `predict`, and they are those of the weights."""
    architecture = Architecture((8, 5, 3), ("gelu", "softmax"))
    session = ENGINE.open(written(tmp_path, architecture, "float32"), architecture, MODES["float32"], threads=1)
    x = np.random.default_rng(2).normal(size=(7, 8)).astype(np.float32)
    weights = read_weights(initial_network(architecture.layer_sizes, architecture.activations, seed=1))
    assert np.array_equal(session.bind(x)()[0], session.predict(x))  # type: ignore[index]
    expected = reference_outputs(architecture.layer_sizes, architecture.activations, weights, x)
    assert np.allclose(session.predict(x), expected, rtol=1e-5, atol=1e-6)


def test_nothing_is_reported_to_anybody(scratch: Path) -> None:
    """Importing the engine starts no thread and leaves no file, and the environment is as it was."""
    code = (
        "import os; before = dict(os.environ); import significand.engines.onnx_runtime;"
        "print(len(os.listdir('/proc/self/task')), dict(os.environ) == before)"
    )
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "HOME": str(scratch)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == ["1", "True"]
    assert not list(scratch.iterdir())
