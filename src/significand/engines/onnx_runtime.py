"""ONNX Runtime on the CPU: float32, float16, int8 with calibrated scales, int8 with scales found at run time."""

import functools
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx

from significand.engines.base import Engine, Session
from significand.engines.onnx_graph import (
    INPUT,
    activation_name,
    effective_precision,
    graph_without_weights,
    refuse_external_data,
    with_weights,
)
from significand.meters.machine import cpu_flags, instruction_sets
from significand.plan.precision import MODES
from significand.plan.setup import Setup
from significand.workload.architecture import Weights

# From 1.29 on, ONNX Runtime's Linux packages report to their maker, from threads of their own, and leave files in the
# user's folders. It reads the variable when it is imported; the process's environment is left as it was.
_TELEMETRY_SWITCH = "ORT_DISABLE_TELEMETRY"
_given = os.environ.get(_TELEMETRY_SWITCH)
os.environ[_TELEMETRY_SWITCH] = _given or "1"
import onnxruntime  # noqa: E402 - after the switch
from onnxruntime.quantization import (  # noqa: E402
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

if _given is None:
    del os.environ[_TELEMETRY_SWITCH]

CALIBRATION_BATCH = 256

SPIN_DURATION_US = "1000"
"""How long ONNX Runtime's threads wait busily for the next call. Its default left about 50 ms of CPU time burning after
the last call, in which the next run would be measured; 1 ms left latency as it was (measured on two cores: 464 us by
default, 468 us so, 871 us without spinning, on 784-512-512-10 with 128 samples)."""


class OnnxRuntimeEngine:
    """Builds the ONNX graph once per experiment, puts weights in per run, quantises with ONNX Runtime's own tools."""

    file_suffix = ".onnx"

    def preload(self, setup: Setup) -> None:
        """Import nothing: this module has imported all."""

    def export_structure(self, setup: Setup) -> bytes:
        """Return the graph without weights, serialised."""
        return graph_without_weights(setup.workload)

    def save(self, path: Path, structure: bytes, weights: Weights, setup: Setup, calibration: np.ndarray) -> None:
        """Put the weights into the structure and write it, quantised where the mode says so."""
        mode = MODES[setup.precision]
        model = with_weights(structure, weights, np.float16 if mode.infers_in == "float16" else np.float32)
        if mode.quantisation is None:
            onnx.save(model, path)
            return
        # Without VNNI, products of 8-bit numbers are summed in 16 bits and can saturate; ONNX Runtime's documentation
        # of quantisation advises 7-bit weights there. Seen on AVX2: 18 % error of 8-bit weights in a tanh network.
        reduce_range = "vnni" not in instruction_sets(cpu_flags())
        with _quiet_logging():
            if mode.quantisation == "static":
                quantize_static(
                    model,
                    path,
                    _Batches(calibration),
                    quant_format=QuantFormat.QDQ,
                    per_channel=True,
                    reduce_range=reduce_range,
                    activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8,
                    # The outputs stay float32: probabilities in steps of 1/256 would tie.
                    nodes_to_exclude=[activation_name(len(weights) - 1)],
                )
            else:
                quantize_dynamic(model, path, per_channel=True, reduce_range=reduce_range, weight_type=QuantType.QInt8)

    def computes_in(self, path: Path, setup: Setup) -> str:
        """Have the optimised graph written beside `path`, and read the format of its matrix products.

        Raises
        ------
        ValueError
            When the file is no ONNX model in one piece; see `refuse_external_data`.
        """
        refuse_external_data(path)
        options = _options(setup.threads)
        optimised = path.with_suffix(".optimised.onnx")
        options.optimized_model_filepath = str(optimised)
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return effective_precision(onnx.load(optimised))

    def open(self, path: Path, setup: Setup) -> "OnnxRuntimeSession":
        """Load the file at `path`.

        What it refers to is not looked at here: this is measured, and `computes_in` has looked.
        """
        session = onnxruntime.InferenceSession(str(path), _options(setup.threads), providers=["CPUExecutionProvider"])
        return OnnxRuntimeSession(session)


class OnnxRuntimeSession:
    """An open ONNX Runtime session."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._dtype = np.float16 if session.get_inputs()[0].type == "tensor(float16)" else np.float32

    def bind(self, batch: np.ndarray) -> Callable[[], object]:
        """Return the plain call of the session on `batch`."""
        return functools.partial(self._session.run, None, {INPUT: batch.astype(self._dtype)})

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs as float64."""
        outputs: np.ndarray = self._session.run(None, {INPUT: x.astype(self._dtype)})[0]
        return outputs.astype(np.float64)


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only: it warns of every format that it emulates, and so do we
    options.add_session_config_entry("session.intra_op.spin_duration_us", SPIN_DURATION_US)
    return options


class _Batches(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime has no types
    """Calibration data in batches, as ONNX Runtime asks for it."""

    def __init__(self, x: np.ndarray) -> None:
        self._batches: Iterator[np.ndarray] = iter(
            x[start : start + CALIBRATION_BATCH] for start in range(0, len(x), CALIBRATION_BATCH)
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next batch, None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


@contextmanager
def _quiet_logging() -> Iterator[None]:
    """Silence advice that does not apply: the graph needs no preparation, its shapes are known."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


ENGINE: Engine = OnnxRuntimeEngine()
_: type[Session] = OnnxRuntimeSession
