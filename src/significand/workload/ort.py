"""ONNX Runtime, imported so that it keeps to itself: import it from here."""

import os
from typing import Any

import numpy as np

from significand.workload.arrays import Feeds

# From 1.29 on, ONNX Runtime's Linux packages report to their maker, from threads of their own, and leave files in the
# user's folders. It reads the variable when it is imported; the process's environment is left as it was.
_TELEMETRY_SWITCH = "ORT_DISABLE_TELEMETRY"
_given = os.environ.get(_TELEMETRY_SWITCH)
os.environ[_TELEMETRY_SWITCH] = _given or "1"
import onnxruntime  # noqa: E402 - after the switch

if _given is None:
    del os.environ[_TELEMETRY_SWITCH]

__all__ = ["fed", "onnxruntime", "untimed_options"]


def fed(session: Any, feeds: Feeds) -> dict[str, np.ndarray]:  # noqa: ANN401 - ONNX Runtime has no types
    """Return a batch as a session takes it.

    Where it takes half precision, that is what it gets. What has no axis of examples, a number or a state, stands in
    full beside each example: the first one's is taken.
    """
    given = {}
    for value in session.get_inputs():
        array = feeds[value.name]
        array = np.asarray(array[0]) if array.ndim == len(value.shape) + 1 else array
        given[value.name] = array.astype(np.float16) if value.type == "tensor(float16)" else array
    return given


def untimed_options() -> Any:  # noqa: ANN401 - ONNX Runtime has no types
    """Return the settings of a session that nobody times: one thread, for others are at work, and no log.

    With a thread for each CPU, which wait busily, a call of ResNet-18 beside another run took twice as long. What goes
    wrong is also raised.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return options
