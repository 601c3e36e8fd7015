"""A second opinion on 8-bit sums: the file that is measured, computed once more without the engine's optimisations."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from significand.engines.base import get_engine
from significand.measure.infer import relative_error
from significand.plan.precision import MODES
from significand.plan.setup import Setup
from significand.workload.arrays import Arrays
from significand.workload.onnx_file import nodes_of

MOVED = 2.0**-13
"""By how much scales are moved, relative, to see what rounding to neighbouring steps does to the outputs. From 2^-10 to
2^-18, right sessions stayed within 0.19 to 0.30 of what that changed, and saturating ones above 0.84 to 1.4."""

LARGEST_SAFE_WEIGHT = 64
"""Of 7 bits: twice its product with the largest unsigned byte, 255, is 32640, which 16 bits with a sign still hold."""

BATCH, MOST_EXAMPLES, LONGEST_S = 16, 256, 0.3
"""Examples in a call, where the file leaves that open; in all; and the time after which no further call is begun."""


@dataclass(frozen=True)
class Witness:
    """How a session's outputs differ from those of its file without optimisations. NaN where there is no such witness.

    Attributes
    ----------
    error
        Norm of the difference over the norm of the latter.
    control
        The same, of moving each scale of the file by `MOVED`, in place of optimising.
    may_saturate
        Whether the file holds weights with which a sum of two products of bytes may leave 16 bits.
    """

    error: float = math.nan
    control: float = math.nan
    may_saturate: bool = False


def witness(setup: Setup, inputs: Arrays, path: Path) -> Witness:
    """Compute some examples in the engine's session and in those of its witness.

    There is one where operands are quantised by scales that the file holds. Where they are found while it runs, the
    products are of integers without optimisations too, and both saturate; of weights alone, nothing does. Files that
    nncf made are OpenVINO's own.
    """
    engine, mode = get_engine(setup.engine), MODES[setup.precision]
    opens = getattr(engine, "witness", None)
    if opens is None or mode.quantisation != "static" or mode.calibration == "nncf":
        return Witness()
    try:
        plain, moved = opens(path, setup), opens(path, setup, MOVED)
    except Exception:  # noqa: BLE001 - without optimisations ONNX Runtime need not have all kernels
        return Witness()
    session = engine.open(path, setup)
    size, n, begin = plain.fixed_batch or min(setup.batch_size, BATCH), len(inputs), time.perf_counter()
    outputs: list[np.ndarray] = []
    expected: list[np.ndarray] = []
    controls: list[np.ndarray] = []
    for at in range(0, min(n, MOST_EXAMPLES), size):
        if at and time.perf_counter() - begin > LONGEST_S:
            break
        feeds = inputs.take(np.arange(at, at + size) % n).by_name
        outputs += session.predict(feeds)
        expected += plain.predict(feeds)
        controls += moved.predict(feeds)
    return Witness(relative_error(outputs, expected), relative_error(controls, expected), _has_large_weights(path))


def _has_large_weights(path: Path) -> bool:
    """Tell whether a file has quantised weights of more than 7 bits; vectors are biases, which are only added."""
    model = onnx.load(path, load_external_data=False)
    points = {node.input[0]: "".join(node.input[2:]) for node in nodes_of(model) if node.op_type == "DequantizeLinear"}
    tensors = {one.name: one for one in model.graph.initializer}
    for name, point in points.items():
        weights = tensors.get(name)
        if weights is not None and len(weights.dims) > 1 and weights.data_type in {TensorProto.INT8, TensorProto.UINT8}:
            values = numpy_helper.to_array(weights, str(path.parent)).astype(np.int16)
            zero = numpy_helper.to_array(tensors[point], str(path.parent)).flat[0] if point in tensors else 0
            if np.abs(values - int(zero)).max(initial=0) > LARGEST_SAFE_WEIGHT:
                return True
    return False
