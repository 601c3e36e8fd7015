"""ONNX Runtime on the CPU: float32, float16, int8 calibrated or dynamic, and int8 and int4 weights."""

import functools
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shutil import move
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from significand.engines.base import Engine, Session
from significand.engines.onnx_graph import operators
from significand.engines.onnx_quantise import quantise_dynamic, quantise_static, to_float16
from significand.engines.operators import CALL, Operator
from significand.meters.machine import cpu_flags, instruction_sets
from significand.plan.precision import MODES
from significand.plan.setup import Setup
from significand.workload.arrays import Feeds
from significand.workload.base import Outputs, Trained
from significand.workload.onnx_file import nodes_of
from significand.workload.ort import fed, onnxruntime

SPIN_DURATION_US = "1000"
"""How long ONNX Runtime's threads wait busily for the next call. Its default left about 50 ms of CPU time burning after
the last call, in which the next run would be measured; 1 ms left latency as it was (measured on two cores: 464 us by
default, 468 us so, 871 us without spinning, on 784-512-512-10 with 128 samples)."""


class OnnxRuntimeEngine:
    """Takes networks as ONNX files, and quantises them with ONNX Runtime's own tools."""

    file_suffix = ".onnx"

    def preload(self, setup: Setup) -> None:
        """Import the quantiser of weights, which takes long, where it is needed; this module has imported all else."""
        if MODES[setup.precision].quantisation == "weights":
            import significand.engines.onnx_weights  # noqa: F401, PLC0415

    def save(self, trained: Trained, setup: Setup, calibration: Feeds, path: Path) -> Sequence[str]:
        """Take the network as a float32 file, and convert it as the mode says."""
        mode = MODES[setup.precision]
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            source = trained.onnx_file(Path(folder))
            _name_operators(source)
            if mode.infers_in == "float32" or trained.quantised:
                _moved(source, path)
            elif mode.quantisation is None:
                to_float16(source, path)
            elif mode.block_size:
                from significand.engines.onnx_weights import quantise_weights  # noqa: PLC0415 - as `preload`

                quantise_weights(source, path, bits=4 if mode.infers_in == "int4" else 8, block_size=mode.block_size)
            else:
                # Without VNNI, products of 8-bit numbers are summed in 16 bits and can saturate; ONNX Runtime's
                # documentation of quantisation advises 7-bit weights there. Seen on AVX2: 18 % error of 8-bit weights
                # in a tanh network.
                reduce_range = "vnni" not in instruction_sets(cpu_flags())
                if mode.quantisation == "dynamic":
                    return quantise_dynamic(source, path, reduce_range=reduce_range)
                quantise_static(
                    source,
                    path,
                    calibration,
                    reduce_range=reduce_range,
                    calibration=mode.calibration,
                    types=trained.quantised_types,
                )
        return ()

    def computes_in(self, path: Path, setup: Setup, feeds: Feeds) -> Sequence[Operator]:
        """Have the optimised graph written beside `path`, and read its operators."""
        options = _options(setup.threads)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            optimised = Path(folder) / "optimised.onnx"
            options.optimized_model_filepath = str(optimised)
            onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            model = onnx.load(optimised, load_external_data=False)
        return operators(_with_batch(model, feeds))

    def profile(self, path: Path, setup: Setup, feeds: Feeds, calls: int) -> Mapping[str, float]:
        """Return the seconds of each operator in a call, by ONNX Runtime's profiler."""
        options = _options(setup.threads)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            options.enable_profiling, options.profile_file_prefix = True, str(Path(folder) / "profile")
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            call = OnnxRuntimeSession(session).bind(feeds)
            for _ in range(calls + 1):
                call()
            return kernel_times(json.loads(Path(session.end_profiling()).read_text("utf-8")), calls)

    def open(self, path: Path, setup: Setup) -> "OnnxRuntimeSession":
        """Load the file at `path`."""
        session = onnxruntime.InferenceSession(str(path), _options(setup.threads), providers=["CPUExecutionProvider"])
        return OnnxRuntimeSession(session)

    def witness(self, path: Path, setup: Setup, moved: float = 0.0) -> "OnnxRuntimeSession":
        """Load the file at `path` as `unoptimised` does."""
        return unoptimised(path, setup, moved)


class OnnxRuntimeSession:
    """An open ONNX Runtime session.

    Attributes
    ----------
    fixed_batch
        How many examples a call takes; None where the file leaves that open.
    """

    def __init__(self, session: onnxruntime.InferenceSession, held: Sequence[object] = ()) -> None:
        self._session = session
        self._held = held  # what the session uses and does not own
        first = next((value.shape[0] for value in session.get_inputs() if value.shape), None)
        self.fixed_batch = first if isinstance(first, int) else None

    def bind(self, feeds: Feeds) -> Callable[[], object]:
        """Return the plain call of the session on a batch."""
        return functools.partial(self._session.run, None, fed(self._session, feeds))

    def predict(self, feeds: Feeds) -> Outputs:
        """Return the outputs, real numbers as float64."""
        outputs = self._session.run(None, fed(self._session, feeds))
        return [one.astype(np.float64) if one.dtype.kind == "f" else one for one in outputs]


def unoptimised(path: Path, setup: Setup, moved: float = 0.0) -> OnnxRuntimeSession:
    """Load a file without optimisations, so that products of quantised operands are computed in float32.

    Parameters
    ----------
    path, setup
        As for `OnnxRuntimeEngine.open`.
    moved
        By what share of itself each scale that the file holds is moved, up or down by chance, each time the same.
    """
    options = _options(setup.threads)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    rng = np.random.default_rng(0)
    held = []
    for name, scale in (_scales(path) if moved else {}).items():
        near = np.asarray(scale * (1 + moved * rng.choice([-1, 1])), dtype=scale.dtype)
        held.append(onnxruntime.OrtValue.ortvalue_from_numpy(near))
        options.add_initializer(name, held[-1])
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return OnnxRuntimeSession(session, held)


def _scales(path: Path) -> dict[str, np.ndarray]:
    """Return the scales of a file, but for those of many channels, which lie beside it with other large tensors."""
    model = onnx.load(path, load_external_data=False)
    names = {node.input[1] for node in nodes_of(model) if node.op_type in {"QuantizeLinear", "DequantizeLinear"}}
    return {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.name in names and tensor.data_location != TensorProto.EXTERNAL
    }


def _with_batch(model: onnx.ModelProto, feeds: Feeds) -> onnx.ModelProto:
    """Fill in how many examples a batch has, wherever a graph leaves that open by the name that its inputs use."""
    sizes = {
        dim.dim_param: size
        for value in model.graph.input
        if value.name in feeds
        for dim, size in zip(value.type.tensor_type.shape.dim, feeds[value.name].shape, strict=False)
        if dim.dim_param
    }
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in sizes:
                dim.dim_value = sizes[dim.dim_param]
    return model


KERNEL = "_kernel_time"


def kernel_times(events: Sequence[Mapping[str, Any]], calls: int) -> dict[str, float]:
    """Return the mean seconds of each operator, and of all, in the last calls of a profile, by its name.

    Parameters
    ----------
    events
        As ONNX Runtime's profiler writes them: durations in microseconds, in the order of their ends.
    calls
        How many calls count; the one before them warms up.
    """
    durations: dict[str, list[float]] = {}
    for event in events:
        if event.get("cat") == "Session" and event["name"] == "model_run":
            durations.setdefault(CALL, []).append(event["dur"] / 1e6)
        elif event.get("cat") == "Node" and event["name"].endswith(KERNEL):
            durations.setdefault(event["name"].removesuffix(KERNEL), []).append(event["dur"] / 1e6)
    # What runs in a loop's body does so several times in a call.
    return {name: sum(seconds[len(seconds) // (calls + 1) :]) / calls for name, seconds in durations.items()}


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only: it warns of every format that it emulates, and so do we
    options.add_session_config_entry("session.intra_op.spin_duration_us", SPIN_DURATION_US)
    return options


def _name_operators(path: Path) -> None:
    """Give each operator a name of its own, by which the graph and the profiler call it; ONNX asks for none."""
    model = onnx.load(path, load_external_data=False)
    seen = {""}
    if len(names := [node.name for node in nodes_of(model)]) == len({*names} - seen):
        return
    for number, node in enumerate(nodes_of(model)):
        if node.name in seen:
            node.name = f"{node.op_type} {number}"
        seen.add(node.name)
    onnx.save(model, path)


def _moved(source: Path, path: Path) -> None:
    """Move a network to its place; weights beside it, which it names, keep their names, behind that of the file."""
    beside = [one for one in source.parent.iterdir() if one != source]
    if not beside:
        move(source, path)
        return
    model = onnx.load(source)  # with what lies beside it
    onnx.save(model, path, save_as_external_data=True, location=f"{path.name}.data")


ENGINE: Engine = OnnxRuntimeEngine()
_: type[Session] = OnnxRuntimeSession
