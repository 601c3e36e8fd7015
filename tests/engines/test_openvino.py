"""Behaviour of the OpenVINO engine."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

import made_up_networks
from conftest import setup_of
from made_up_networks import feeds, normal, reference
from significand.engines import onnx_runtime, openvino
from significand.engines.base import EngineMissingError, engine_modes, get_engine
from significand.engines.onnx_rounded import round_weights
from significand.engines.openvino import ENGINE
from significand.engines.openvino_graph import MISSING, kernel_format, operators
from significand.engines.operators import CALL, UNKNOWN, shares
from significand.plan.problems import PlanError, RunFailedError
from significand.plan.setup import Setup
from significand.testing import WORKLOADS
from significand.workload.arrays import Arrays, Feeds
from significand.workload.onnx_network import computed

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parents[1]
LARGEST_ERROR = {"float32": 1e-5, "bfloat16": 0.02, "float16": 3e-3, "int8": 0.2, "int8:nncf": 0.4}
NETWORKS = ("cnn", "encoder", "lstm")


def small(mode: str) -> Setup:
    """Return a setup of a small perceptron."""
    return replace(setup_of((64, 48, 5), ("gelu", "softmax"), "float32", "openvino"), precision=mode, batch_size=16)


def written(folder: Path, mode: str, x: np.ndarray) -> Path:
    """Write the perceptron in a mode, and return the file."""
    return made_up_networks.written(ENGINE, small(mode), folder, x)


def file_of(path: Path, text: str, **weights: np.ndarray) -> Path:
    """Write a network of an ONNX text."""
    model = parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {text}')
    model.graph.initializer.extend(numpy_helper.from_array(one, name) for name, one in weights.items())
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module", params=NETWORKS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Feeds]:
    """Return a built-in network as a float32 file, and inputs."""
    path = WORKLOADS[request.param].trained().onnx_file(tmp_path_factory.mktemp(request.param))
    x = np.tanh(normal(40, 64)).reshape(40, *((1, 8, 8) if request.param == "cnn" else (8, 8)))
    return path, {"input": x}


class Given:
    """A trained network that is a file."""

    form, quantised, note, quantised_types = "one", "", "", ("Conv", "MatMul", "Gemm")

    def __init__(self, path: Path) -> None:
        self._path = path

    def onnx_file(self, folder: Path) -> Path:
        """Copy it."""
        target = folder / "float32.onnx"
        target.write_bytes(self._path.read_bytes())
        return target


@pytest.mark.parametrize("mode", LARGEST_ERROR)
def test_every_network_runs_in_every_mode(exported: tuple[Path, Feeds], mode: str, tmp_path: Path) -> None:
    """Outputs are those of the file without optimisations, to the accuracy of the format; what ran is known."""
    source, given = exported
    path = tmp_path / "network.onnx"
    ENGINE.save(Given(source), small(mode), given, path)  # type: ignore[arg-type]  # a file of our own
    (outputs,) = ENGINE.open(path, small(mode)).predict(given)
    (expected,) = computed(source, Arrays(given), 8)
    assert np.linalg.norm(outputs - expected) / np.linalg.norm(expected) < LARGEST_ERROR[mode]
    found = ENGINE.computes_in(path, small(mode), given)
    assert UNKNOWN not in shares(found)
    assert ("int8" in shares(found)) == mode.startswith("int8")
    assert len({one.name for one in found}) == len(found)


def test_a_file_may_have_several_inputs_and_outputs_of_any_kind(tmp_path: Path) -> None:
    """A state without an axis of examples and whole numbers are taken; outputs come in the file's order."""
    text = """g (float[batch, 3] x, int64[batch] rows, float scale) => (int64[batch] twice, float[batch, 2] y)
        { scaled = Mul (x, scale)  y = MatMul (scaled, w)  twice = Add (rows, rows) }"""
    w = normal(3, 2)
    path = file_of(tmp_path / "n.onnx", text, w=w)
    x, rows = normal(7, 3), np.arange(7)
    given = {"x": x, "rows": rows, "scale": np.full(7, 2.0, np.float32)}
    for size in (7, 4):  # the setup's batch has another size than both
        batch = {name: array[:size] for name, array in given.items()}
        session = ENGINE.open(path, small("float32"))
        twice, y = session.predict(batch)
        assert np.array_equal(twice, 2 * rows[:size])
        assert np.allclose(y, 2 * x[:size] @ w, atol=1e-5)
        assert y.dtype == np.float64


def test_open_axes_are_compiled_when_they_are_known(tmp_path: Path) -> None:
    """Where only the batch is open it is compiled with the file; else for the first batch, and how long is told."""
    path = file_of(
        tmp_path / "n.onnx",
        "g (float[batch, length, 3] x) => (float[batch, length, 2] y) { y = MatMul (x, w) }",
        w=normal(3, 2),
    )
    session = ENGINE.open(path, small("float32"))
    session.bind({"x": normal(16, 15).reshape(16, 5, 3)})
    assert session.compile_time_s > 0  # type: ignore[attr-defined]
    known = ENGINE.open(written(tmp_path, "float32", normal(4, 64)), small("float32"))
    known.bind(feeds(normal(16, 64)))
    assert np.isnan(known.compile_time_s)  # type: ignore[attr-defined]


def test_bound_calls_keep_their_own_batches(tmp_path: Path) -> None:
    """Each call gives what `predict` gives on the batch that it was bound to, in any order."""
    x = normal(32, 64)
    session = ENGINE.open(written(tmp_path, "float32", x), small("float32"))
    halves = [feeds(x[:16]), feeds(x[16:])]
    calls = [session.bind(half) for half in halves]
    for place in (1, 0, 1):
        (wanted,) = session.predict(halves[place])
        assert np.array_equal(calls[place]()[0], wanted)  # type: ignore[index]


def test_int8_runs_the_file_of_onnx_runtime(tmp_path: Path) -> None:
    """Both engines write the same bytes, which compute in 8 bits here too."""
    x = normal(64, 64)
    path = written(tmp_path, "int8", x)
    other = made_up_networks.written(onnx_runtime.ENGINE, small("int8"), tmp_path / "..", x)
    assert path.read_bytes() == other.read_bytes()
    assert list(shares(ENGINE.computes_in(path, small("int8"), feeds(x)))) == ["int8"]


def test_float32_is_what_runs(tmp_path: Path) -> None:
    """Products are float32, whatever OpenVINO would choose by itself, and the multiply-adds are those of the layers."""
    x = normal(16, 64)
    found = ENGINE.computes_in(written(tmp_path, "float32", x), small("float32"), feeds(x))
    assert [(one.format, one.multiply_adds) for one in found if one.format] == [
        ("float32", 16 * 64 * 48),
        ("float32", 16 * 48 * 5),
    ]


@pytest.mark.parametrize(("mode", "asked"), [("bfloat16", "bf16"), ("float16", "f16")])
def test_a_refused_format_is_told(tmp_path: Path, mode: str, asked: str) -> None:
    """Products in another format than the mode's say that OpenVINO was asked for it; weights are in it on disk."""
    x = normal(16, 64)
    found = ENGINE.computes_in(written(tmp_path, mode, x), small(mode), feeds(x))
    for one in found:
        assert (one.note == "") == (one.format in {mode, ""})
        assert one.note in {"", f"OpenVINO was asked for {asked} and chose f32"}
    assert (tmp_path / f"{mode}.onnx").stat().st_size < 0.6 * written(tmp_path, "float32", x).stat().st_size


def test_rounding_leaves_what_would_be_lost(tmp_path: Path) -> None:
    """Numbers beyond the format become its largest; a single tiny one stays as it is."""
    path = file_of(
        tmp_path / "n.onnx",
        "g (float[2] x) => (float[2] y) { a = Add (x, w)  y = Add (a, e) }",
        w=np.array([1e9, 0.1], np.float32),
        e=np.array(1e-9, np.float32),
    )
    round_weights(path, "float16")
    tensors = {one.name: numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}
    assert tensors["w.float16"].tolist() == [65504, np.float16(0.1)]
    assert tensors["e"] == np.float32(1e-9)
    (y,) = ENGINE.open(path, small("float16")).predict({"x": np.zeros(2, np.float32)})
    assert np.allclose(y, [65504, 0.1], rtol=1e-3)


@pytest.mark.parametrize(
    ("kernel", "number_format"),
    [
        ("brgemm_avx2_f32", "float32"),
        ("jit_gemm_I8", "int8"),
        ("brgemm_avx512_amx_bf16", "bfloat16"),
        ("jit_avx512_core_amx_i8", "int8"),
        ("ref_any_f32", "float32"),
        ("unknown_f32", UNKNOWN),
        ("brgemm_avx2_nf4", UNKNOWN),
        ("undef", UNKNOWN),
    ],
)
def test_the_format_is_in_the_name_of_the_kernel(kernel: str, number_format: str) -> None:
    """Where no kernel, or no known format, is named, it is unknown."""
    assert kernel_format(kernel) == number_format


def test_products_that_are_not_found_are_unknown(tmp_path: Path) -> None:
    """Of a network with three products, a compiled one that shows two leaves the third unknown, with its share."""
    two = "g (float[4, 8] x) => (float[4, 8] y) { a = MatMul (x, w)  b = Relu (a)  y = MatMul (b, w) }"
    three = two.replace("y = MatMul (b, w)", "c = MatMul (b, w)  d = Relu (c)  y = MatMul (d, w)")
    paths = [file_of(tmp_path / f"{place}.onnx", text, w=normal(8, 8)) for place, text in enumerate((two, three))]
    models = [openvino._read(path) for path in paths]
    compiled = openvino._compiled(models[0], {"x": (4, 8)}, small("float32"))
    assert operators(models[0], compiled)[-1].format == "float32"
    last = operators(models[1], compiled)[-1]
    assert (last.name, last.format, last.multiply_adds) == (MISSING, UNKNOWN, 4 * 8 * 8)


def test_a_convolution_and_a_cell_count_every_position(tmp_path: Path) -> None:
    """A convolution meets its weights at every place of its result; steps of a sequence meet both matrices."""
    text = "g (float[2, 3, 8, 8] x) => (float[2, 4, 6, 6] y) { y = Conv (x, w) }"
    path = file_of(tmp_path / "conv.onnx", text, w=normal(4, 27).reshape(4, 3, 3, 3))
    found = ENGINE.computes_in(path, small("float32"), {"x": normal(2, 192).reshape(2, 3, 8, 8)})
    assert [one.multiply_adds for one in found if one.format] == [2 * 36 * 4 * 27]
    assert any(one.is_conversion and one.kind == "Reorder" for one in found)
    text = "g (float[5, 2, 3] x) => (float[5, 1, 2, 4] y) { y = LSTM <hidden_size = 4> (x, w, r) }"
    cells = {"w": normal(16, 3)[None], "r": normal(16, 4)[None]}
    path = file_of(tmp_path / "lstm.onnx", text, **cells)
    found = ENGINE.computes_in(path, small("float32"), {"x": normal(5, 6).reshape(5, 2, 3)})
    assert sum(one.multiply_adds for one in found if one.format) == 5 * 2 * (16 * 3 + 16 * 4)


def test_a_profile_names_the_operators(tmp_path: Path) -> None:
    """Times go by the names of what `computes_in` finds, and the whole call is at least as long as any of them."""
    x = normal(16, 64)
    path = written(tmp_path, "int8", x)
    seconds = dict(ENGINE.profile(path, small("int8"), feeds(x), calls=5))  # type: ignore[attr-defined]
    whole = seconds.pop(CALL)
    assert set(seconds) <= {one.name for one in ENGINE.computes_in(path, small("int8"), feeds(x))}
    assert 0 < max(seconds.values()) <= whole


def test_what_openvino_cannot_read_or_shape_has_its_reason_in_one_line(tmp_path: Path) -> None:
    """The line says what could not be done, and holds nothing of OpenVINO's source files."""
    path = file_of(
        tmp_path / "n.onnx", "g (float[batch, 3] x) => (float[batch, 2] y) { y = MatMul (x, w) }", w=normal(3, 2)
    )
    with pytest.raises(RunFailedError, match=r"^OpenVINO cannot compile it for x of shape \(4, 5\): [^\n]+$") as caught:
        ENGINE.open(path, small("float32")).bind({"x": normal(4, 5)})
    assert ".cpp" not in str(caught.value)
    path.write_bytes(b"nothing")
    with pytest.raises(RunFailedError, match=r"^OpenVINO cannot read the network: [^\n]+$"):
        ENGINE.open(path, small("float32"))


def test_a_machine_without_a_cpu_device_fails_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What OpenVINO finds instead is named."""
    path = written(tmp_path, "float32", normal(4, 64))
    core = SimpleNamespace(available_devices=["GPU.0"])
    monkeypatch.setattr(openvino, "_imported", lambda name: SimpleNamespace(Core=lambda: core))  # noqa: ARG005
    with pytest.raises(RunFailedError, match=r"finds no CPU device here, but GPU\.0; install openvino anew"):
        ENGINE.open(path, small("float32"))


def test_a_broken_package_names_the_extra() -> None:
    """An import that fails is the reason of the run, with the command that brings the package."""
    with pytest.raises(RunFailedError, match=r"pip install 'significand\[openvino\]'"):
        openvino._imported("openvino_that_is_not_there")


def test_an_engine_that_is_not_installed_is_refused_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan that asks for it says what to install; others are not touched."""
    monkeypatch.setattr("significand.engines.base.find_spec", lambda name: None)  # noqa: ARG005
    with pytest.raises(PlanError, match=r"'openvino' is not installed; pip install 'significand\[openvino\]'"):
        setup_of((4, 2), ("softmax",), "float32", "openvino")
    with pytest.raises(EngineMissingError):
        get_engine("openvino")
    assert "float32" in engine_modes()["onnxruntime"]
    assert setup_of((4, 2), ("softmax",), "float32").engine == "onnxruntime"


def called(code: str, **environment: str) -> str:
    """Run a script in an interpreter of its own, and return what it prints."""
    full = os.environ | {"OPENBLAS_NUM_THREADS": "1", **environment}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=TESTS, env=full)
    return done.stdout.strip()


def test_nothing_is_reported_to_anybody(scratch: Path) -> None:
    """Preloading starts no thread, leaves no file in the user's folder, and keeps no trace of what it kept out."""
    code = """
import os, sys
from conftest import setup_of
from dataclasses import replace
from significand.engines.openvino import ENGINE
ENGINE.preload(replace(setup_of((4, 2), ("softmax",), "float32", "openvino"), precision="int8:nncf"))
print(len(os.listdir("/proc/self/task")), *(name in sys.modules for name in ("openvino", "nncf", "openvino_telemetry")))
"""
    assert called(code, HOME=str(scratch)) == "1 True True False"
    assert not list(scratch.iterdir())


@pytest.mark.usefixtures("warm_test")
def test_forks_of_a_process_that_has_imported_it_compute(tmp_path: Path) -> None:
    """Two forks, one after the other, give what the weights give; their parent starts no thread."""
    x = normal(16, 64)
    path = written(tmp_path, "float32", x)
    code = f"""
import os
from pathlib import Path
from significand.engines.openvino import ENGINE
from significand.runner.worker import in_own_process
from engines.test_openvino import small
from made_up_networks import feeds, normal
setup = small("float32")
ENGINE.preload(setup)
compute = lambda: float(ENGINE.open(Path({str(path)!r}), setup).predict(feeds(normal(16, 64)))[0].sum())
print(in_own_process("a", compute), in_own_process("b", compute), len(os.listdir("/proc/self/task")))
"""
    one, other, threads = called(code).split()
    assert float(one) == pytest.approx(float(reference(small("float32"), x).sum()))
    assert (other, threads) == (one, "1")


def test_idle_threads_sleep(tmp_path: Path) -> None:
    """In the second after some calls on two threads, this process takes less than 1 % of a CPU."""
    x = normal(16, 64)
    session = ENGINE.open(written(tmp_path, "float32", x), replace(small("float32"), threads=2))
    call = session.bind(feeds(x))
    for _ in range(20):
        call()
    begin = time.process_time()
    time.sleep(1.0)
    assert time.process_time() - begin < 0.01


def test_looking_at_engines_imports_no_openvino() -> None:
    """The package, its registry and the other engines leave it alone."""
    code = """
import sys
import significand
from significand.engines.base import engine_modes, get_engine, runs
dict(engine_modes()); runs("openvino", "int8:nncf"); get_engine("onnxruntime"); get_engine("torch")
print([name for name in ("openvino", "nncf", "torch._dynamo") if name in sys.modules])
"""
    assert called(code) == "[]"


@pytest.mark.usefixtures("warm_test")
def test_a_signal_is_handled_after_a_network_was_compiled(tmp_path: Path) -> None:
    """The plugin frees its own signal stack: left behind, a polite kill would be a segmentation fault."""
    code = f"""
import signal
from pathlib import Path
import numpy as np
from conftest import setup_of
from made_up_networks import feeds, written
from significand.engines.base import get_engine
x = np.ones((40, 8), np.float32)
engine = get_engine("openvino")
for mode in ("float32", "int8"):
    setup = setup_of((8, 6, 3), ("relu", "softmax"), mode, "openvino")
    engine.open(written(engine, setup, Path({str(tmp_path)!r}), x), setup).predict(feeds(x))
signal.signal(signal.SIGTERM, signal.default_int_handler)
try:
    signal.raise_signal(signal.SIGTERM)
except KeyboardInterrupt:
    print("interrupted")
"""
    tests = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tests)
    assert (done.returncode, done.stdout.strip()) == (0, "interrupted"), done.stderr
