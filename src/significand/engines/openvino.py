"""OpenVINO on the CPU: float32, bfloat16, float16, int8 as ONNX Runtime's file has it, int8 by nncf."""

import contextlib
import functools
import io
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from significand.engines import onnx_runtime
from significand.engines.base import Engine, Session
from significand.engines.onnx_prepare import QuantisationError
from significand.engines.onnx_rounded import round_weights
from significand.engines.openvino_graph import operators, stable_names, times
from significand.engines.operators import CALL, Operator
from significand.engines.signal_stack import signal_stack_kept
from significand.plan.precision import MODES
from significand.plan.problems import RunFailedError
from significand.plan.setup import Setup
from significand.workload.arrays import Feeds
from significand.workload.base import Outputs, Trained

HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16", "int8": "f32"}
"""What is computed that is not quantised, by the format of the mode. Left to itself, OpenVINO may choose 16 bits."""

TELEMETRY = "openvino_telemetry"

NOT_QUANTISED = ("AUGRUSequence", "GRUSequence", "LSTMSequence", "RNNSequence")
"""What nncf takes to 8 bits and the CPU plugin then refuses: "expects Constant for port 6"."""

LONGEST_REASON = 300


class OpenVinoEngine:
    """Takes networks as ONNX files; those quantised by nncf are in OpenVINO's own format, with weights beside it."""

    file_suffix = ".onnx"
    witness = staticmethod(onnx_runtime.unoptimised)

    def preload(self, setup: Setup) -> None:
        """Import OpenVINO, and nncf where the mode needs it; no thread is started."""
        with contextlib.suppress(RunFailedError):  # the run will say so
            _imported("openvino")
            if MODES[setup.precision].calibration == "nncf":
                _imported("nncf")

    def save(self, trained: Trained, setup: Setup, calibration: Feeds, path: Path) -> Sequence[str]:
        """Have ONNX Runtime's engine write the file; round its weights, or have nncf quantise it, as the mode says."""
        mode = MODES[setup.precision]
        if mode.quantisation and mode.calibration != "nncf":
            return onnx_runtime.ENGINE.save(trained, setup, calibration, path) or ()
        float32 = replace(setup, precision="float32")
        if mode.calibration == "nncf" and not trained.quantised:
            with TemporaryDirectory(dir=path.parent) as folder:
                source = Path(folder) / "float32.onnx"
                onnx_runtime.ENGINE.save(trained, float32, calibration, source)
                _quantise(source, path, calibration)
            return ("the network's file is in OpenVINO's own format, XML",)
        onnx_runtime.ENGINE.save(trained, float32, calibration, path)
        if mode.infers_in in {"bfloat16", "float16"} and not trained.quantised:
            round_weights(path, mode.infers_in)
        return ()

    def computes_in(self, path: Path, setup: Setup, feeds: Feeds) -> Sequence[Operator]:
        """Compile the network and read which kernels the plugin chose."""
        model = _read(path)
        shapes = {name: array.shape for name, array in _fed(_inputs(model), feeds).items()}
        compiled = _compiled(model, shapes, setup)
        wanted = HINTS[MODES[setup.precision].infers_in]
        got = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        note = "" if got == wanted else f"OpenVINO was asked for {wanted} and chose {got}"
        return operators(model, compiled, note)

    def profile(self, path: Path, setup: Setup, feeds: Feeds, calls: int) -> Mapping[str, float]:
        """Return the seconds of each operator in a call, by the plugin's own counters."""
        session = OpenVinoSession(path, setup, PERF_COUNT=True)
        request = session.request(feeds)
        names = stable_names(request.get_compiled_model())
        request.infer()  # the first may allocate
        first = request.get_profiling_info()
        begin = time.perf_counter()
        for _ in range(calls):
            request.infer()
        call_s = (time.perf_counter() - begin) / calls
        return {CALL: call_s, **times(first, request.get_profiling_info(), calls, names)}

    def open(self, path: Path, setup: Setup) -> "OpenVinoSession":
        """Read the file at `path`, and compile it where the size of the batch says all shapes."""
        return OpenVinoSession(path, setup)


class OpenVinoSession:
    """A network that is compiled for the shapes that it gets.

    With shapes left open, calls took 1.2 to 1.9 times as long (784-512-512-10, encoder, LSTM; AVX2): so it is compiled
    for the setup's batch, and anew for another.

    Attributes
    ----------
    compile_time_s
        What compiling took after the file was opened; NaN where it was compiled then.
    """

    compile_time_s = float("nan")

    def __init__(self, path: Path, setup: Setup, **properties: object) -> None:
        self._path, self._setup, self._properties = path, setup, properties
        self._compiled: dict[tuple[tuple[str, tuple[int, ...]], ...], Any] = {}
        model = _read(path)
        self._inputs = _inputs(model)
        shapes = {one.names[0]: one.shape_for(setup.batch_size) for one in self._inputs}
        if None not in shapes.values():
            self._compile(model, cast("Shapes", shapes))

    def bind(self, feeds: Feeds) -> Callable[[], object]:
        """Return the call of a request whose inputs are set; it gives views of what the request computed."""
        begin, number = time.perf_counter(), len(self._compiled)
        request = self.request(feeds)
        if len(self._compiled) > number:
            self.compile_time_s = time.perf_counter() - begin
        return functools.partial(request.infer, share_outputs=True)

    def predict(self, feeds: Feeds) -> Outputs:
        """Return the outputs, real numbers as float64."""
        outputs = self.request(feeds).infer().to_tuple()
        return [one.astype(np.float64) if one.dtype.kind == "f" else one for one in outputs]

    def request(self, feeds: Feeds) -> Any:  # noqa: ANN401 - OpenVINO's own
        """Return a request of the network compiled for a batch, with the batch as its inputs, which are not copied."""
        given = _fed(self._inputs, feeds)
        shapes = {name: array.shape for name, array in given.items()}
        compiled = self._compiled.get(tuple(shapes.items())) or self._compile(_read(self._path), shapes)
        request = compiled.create_infer_request()
        for name, array in given.items():
            request.set_tensor(name, _imported("openvino").Tensor(array, shared_memory=True))
        request.arrays = given  # which the tensors do not keep alive
        return request

    def _compile(self, model: Any, shapes: "Shapes") -> Any:  # noqa: ANN401 - OpenVINO's own
        compiled = self._compiled[tuple(shapes.items())] = _compiled(model, shapes, self._setup, **self._properties)
        return compiled


Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class _Input:
    """What a network takes; its shape is None where not even the number of axes is known, a size where it is open."""

    names: tuple[str, ...]
    shape: tuple[int | None, ...] | None
    dtype: np.dtype[Any]

    def shape_for(self, batch_size: int) -> tuple[int, ...] | None:
        """Return the shape for a batch, where it is open in its first axis at most; else None."""
        if self.shape is None:
            return None
        sizes = [batch_size if place == 0 and size is None else size for place, size in enumerate(self.shape)]
        known = [size for size in sizes if size is not None]
        return tuple(known) if len(known) == len(sizes) else None


def _inputs(model: Any) -> list[_Input]:  # noqa: ANN401 - OpenVINO's own
    return [
        _Input(tuple(sorted(one.get_names())), _sizes(one.partial_shape), np.dtype(one.element_type.to_dtype()))
        for one in model.inputs
    ]


def _sizes(shape: Any) -> tuple[int | None, ...] | None:  # noqa: ANN401 - OpenVINO's own
    if shape.rank.is_dynamic:
        return None
    return tuple(None if size.is_dynamic else size.get_length() for size in shape)


def _fed(inputs: Sequence[_Input], feeds: Feeds) -> dict[str, NDArray[Any]]:
    """Return a batch as a network takes it.

    What has no axis of examples, a number or a state, stands in full beside each example: the first one's is taken.
    """
    given = {}
    for one in inputs:
        array = feeds[next(name for name in one.names if name in feeds)]
        array = np.asarray(array[0]) if one.shape is not None and array.ndim == len(one.shape) + 1 else array
        given[one.names[0]] = np.require(array, one.dtype, ["C", "W"])
    return given


@functools.cache
def _imported(name: str) -> Any:  # noqa: ANN401 - a module that may not be there
    """Import OpenVINO or nncf without what reports to their maker, by a thread and a file in the user's folder."""
    known = TELEMETRY in sys.modules
    before = sys.modules.get(TELEMETRY)
    sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # Python's own way to make an import fail
    try:
        return import_module(name)
    except ImportError as error:
        raise RunFailedError(f"{name} cannot be imported ({error}): pip install 'significand[openvino]'") from error
    finally:
        del sys.modules[TELEMETRY]
        if known:
            sys.modules[TELEMETRY] = cast("ModuleType", before)


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Say in one line what OpenVINO stumbles over; its own text begins with its source files."""
    try:
        yield
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        own = [line for line in lines if line and not line.endswith(":")]
        reason = " ".join(own or lines)[:LONGEST_REASON]
        if "alloc" in reason:  # memory, which has a remedy of its own
            raise
        raise RunFailedError(f"OpenVINO cannot {what}: {reason}") from error


def _core() -> Any:  # noqa: ANN401 - OpenVINO's own
    core = _imported("openvino").Core()
    if "CPU" not in (found := core.available_devices):
        raise RunFailedError(
            f"OpenVINO finds no CPU device here, but {', '.join(found) or 'none at all'}; install openvino anew"
        )
    return core


def _read(path: Path) -> Any:  # noqa: ANN401 - OpenVINO's own
    weights = path.with_name(f"{path.name}.bin")
    with _told("read the network"):
        return _core().read_model(path, weights) if weights.exists() else _core().read_model(path)


def _compiled(model: Any, shapes: Shapes, setup: Setup, **properties: object) -> Any:  # noqa: ANN401
    """Compile for one call at a time, on as many threads as the setup says, wherever the process may run."""
    what = f"compile it for {', '.join(f'{name} of shape {shape}' for name, shape in shapes.items())}"
    with signal_stack_kept(), _told(what):
        model.reshape({name: list(shape) for name, shape in shapes.items()})
        return _core().compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": HINTS[MODES[setup.precision].infers_in],
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": setup.threads,
                "NUM_STREAMS": 1,
                "ENABLE_CPU_PINNING": False,
                "ENABLE_HYPER_THREADING": True,  # or it would take fewer threads than asked for
                "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,  # nothing is quantised that the mode does not say
                **properties,
            },
        )


def _quantise(source: Path, target: Path, examples: Feeds) -> None:
    """Write a network in 8 bits by nncf, with scales from the examples, one at a time where the batch is open."""
    ov, nncf, model = _imported("openvino"), _imported("nncf"), _read(source)
    calls = list(_calls(_inputs(model), examples))
    try:
        with signal_stack_kept(), _quiet():
            quantised = nncf.quantize(
                model,
                nncf.Dataset(calls),
                subset_size=len(calls),
                ignored_scope=nncf.IgnoredScope(types=list(NOT_QUANTISED), validate=False),
            )
    except Exception as error:  # nncf raises what it likes on graphs that it did not expect
        reason = " ".join(str(error).split())[:LONGEST_REASON]
        raise QuantisationError(f"cannot be quantised by nncf: {type(error).__name__}: {reason}") from error
    if not any(node.get_type_name() == "FakeQuantize" for node in quantised.get_ops()):
        raise QuantisationError("has nothing that nncf quantises")
    written = source.with_suffix(".xml")
    ov.save_model(quantised, written, compress_to_fp16=False)
    written.replace(target)
    written.with_suffix(".bin").replace(target.with_name(f"{target.name}.bin"))


def _calls(inputs: Sequence[_Input], feeds: Feeds) -> Iterator[Feeds]:
    """Give examples as a network takes them, one by one or in its batches."""
    size = next((one.shape[0] for one in inputs if one.shape and one.shape[0]), 1)
    n = len(next(iter(feeds.values())))
    for at in range(0, n, size):
        rows = np.arange(at, at + size) % n
        yield _fed(inputs, {name: array[rows] for name, array in feeds.items()})


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep nncf's progress and advice from the user's terminal."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


ENGINE: Engine = OpenVinoEngine()
_: type[Session] = OpenVinoSession
