"""Behaviour of the ONNX Runtime engine."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import made_up_networks
from conftest import setup_of
from made_up_networks import feeds, normal
from significand.engines import onnx_runtime
from significand.engines.onnx_runtime import ENGINE
from significand.engines.operators import shares
from significand.meters.machine import cpu_flags, instruction_sets
from significand.plan.setup import Perceptron, Setup
from significand.workload.onnx_file import external_files

pytestmark = pytest.mark.slow


def wide(mode: str) -> Setup:
    """Return a setup whose network takes some time."""
    return setup_of((784, 512, 512, 10), ("relu", "relu", "softmax"), mode)


def written(folder: Path, setup: Setup) -> Path:
    """Write a setup's network, and return the file."""
    return made_up_networks.written(ENGINE, setup, folder, batch(setup))


def batch(setup: Setup) -> np.ndarray:
    """Return made-up features."""
    assert isinstance(setup.workload, Perceptron)
    return normal(64, setup.workload.layer_sizes[0])


def seen(path: Path, setup: Setup) -> str:
    """Return what a network is found to compute in."""
    return "+".join(shares(ENGINE.computes_in(path, setup, feeds(batch(setup)))))


def test_int8_model_is_small_and_computes_in_int8(tmp_path: Path) -> None:
    """On 784-512-512-10 the int8 file is under 0.35 of the float32 file, and its session's products are int8."""
    int8, float32 = written(tmp_path, wide("int8")), written(tmp_path, wide("float32"))
    assert int8.stat().st_size < 0.35 * float32.stat().st_size
    assert seen(int8, wide("int8")) == "int8"
    assert seen(float32, wide("float32")) == "float32"


def test_int8_weights_have_a_scale_per_output(tmp_path: Path) -> None:
    """Static quantisation gives every output unit its own scale."""
    model = onnx.load(written(tmp_path, wide("int8")))
    scales = {t.name: numpy_helper.to_array(t).shape for t in model.graph.initializer if t.name.startswith("matrix")}
    assert scales["matrix0_scale"] == (512,)
    assert scales["matrix2_scale"] == (10,)


@pytest.mark.parametrize("mode", ["int8", "int8-dynamic"])
@pytest.mark.parametrize(("flags", "largest"), [({"avx2"}, 64), ({"avx2", "avx512_vnni"}, 127)])
def test_int8_weights_leave_room_where_sums_of_products_saturate(
    mode: str, flags: set[str], largest: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CPU without VNNI sums in 16 bits, which 255 x 127 twice exceeds: there weights have 7 bits."""
    monkeypatch.setattr(onnx_runtime, "cpu_flags", lambda: flags)
    model = onnx.load(written(tmp_path, wide(mode)))
    weights = [numpy_helper.to_array(t) for t in model.graph.initializer if t.name.endswith("quantized")]
    matrices = [matrix for matrix in weights if matrix.ndim == 2]
    assert len(matrices) == 3
    assert [max(abs(int(matrix.min())), int(matrix.max())) for matrix in matrices] == [largest] * 3


def test_float16_is_told_apart_from_what_the_cpu_runs(tmp_path: Path) -> None:
    """Where the CPU has no float16 arithmetic, a float16 session says float32."""
    precision = seen(written(tmp_path, wide("float16")), wide("float16"))
    if "fp16" in instruction_sets(cpu_flags()):
        assert precision in {"float16", "float32"}
    else:
        assert precision == "float32"


def test_threads_reach_the_session(tmp_path: Path) -> None:
    """The session runs on the threads asked for."""
    session = ENGINE.open(written(tmp_path, wide("float32")), wide("float32"))
    assert session._session.get_session_options().intra_op_num_threads == 1  # type: ignore[attr-defined]


def test_quantisation_takes_its_scales_from_the_calibration_data(tmp_path: Path) -> None:
    """Ten times larger calibration data gives a ten times larger input scale."""
    setup = wide("int8")
    x = normal(300, 784)
    scales = []
    for factor in (1, 10):
        path = made_up_networks.written(ENGINE, setup, tmp_path, factor * x)
        tensors = {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
        scales.append(float(tensors["input_scale"]))
    assert scales[1] == pytest.approx(10 * scales[0], rel=1e-5)


def test_ways_to_calibrate_give_other_scales(tmp_path: Path) -> None:
    """A value far off widens the range from minimum to maximum, and the others less; weights are the same."""
    x = normal(2000, 784)
    x[7, 3] = 100
    scales, weights = {}, set()
    for mode in ("int8", "int8:minmax", "int8:entropy", "int8:percentile"):
        setup = wide(mode)
        path = tmp_path / f"{setup.name}.onnx"
        ENGINE.save(made_up_networks.trained(setup), setup, feeds(x), path)
        tensors = {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
        scales[mode] = float(tensors["input_scale"])
        weights.add(tensors["matrix0_quantized"].tobytes())
    assert scales["int8"] == scales["int8:minmax"] > 100 / 255
    assert scales["int8:percentile"] < 20 / 255
    assert scales["int8:entropy"] < 60 / 255
    assert len(weights) == 1


@pytest.mark.parametrize("mode", ["float32", "float16", "int8", "int8-dynamic", "int4"])
def test_own_models_keep_their_tensors_in_the_file(tmp_path: Path, mode: str) -> None:
    """What the engine writes passes, in every mode."""
    assert external_files(written(tmp_path, setup_of((8, 5, 3), ("gelu", "softmax"), mode))) == []


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
