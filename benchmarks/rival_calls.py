"""The callables that every tool measures, by a text that can be handed to another process.

It runs in the other tools' environment: NumPy, ONNX Runtime and the standard library only.
"""

import time
from collections.abc import Callable

import numpy as np
import onnxruntime

Call = Callable[[], object]

CALIBRATION_CALLS = 300
LOOP_S, LOOPS = 0.01, 30


def make(text: str) -> Call:
    """Return the callable that a text names.

    ``empty`` does nothing. ``spin|10`` is busy for 10 us. ``network|path|32|1|0.02`` infers a batch of 32 on one thread
    and is then busy for 2 % of the call's own median time; with 0 it is in the same frame and busy for no time.
    """
    kind, *values = text.split("|")
    if kind == "empty":
        return lambda: None
    if kind == "spin":
        return _busy_after(lambda: None, round(1e3 * float(values[0])))
    path, batch_size, threads, slowdown = values
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    feed = {given.name: np.random.default_rng(0).normal(size=(int(batch_size), given.shape[1])).astype(np.float32)}

    def infer() -> object:
        return session.run(None, feed)

    return _busy_after(infer, round(float(slowdown) * _median_ns(infer)))


def bare_s(call: Call) -> float:
    """Return the time of a call in a plain loop between two looks at the clock, in seconds: the median of some."""
    calls = range(max(1, round(LOOP_S * 1e9 / max(_median_ns(call), 1.0))))
    loops_s = []
    for _ in range(LOOPS):
        start = time.perf_counter()
        for _ in calls:
            call()
        loops_s.append((time.perf_counter() - start) / len(calls))
    return float(np.median(loops_s))


def _busy_after(call: Call, extra_ns: int) -> Call:
    clock = time.perf_counter_ns

    def frame() -> object:
        result = call()
        end = clock() + extra_ns
        while clock() < end:
            pass
        return result

    return frame


def _median_ns(call: Call) -> float:
    times_ns = []
    for _ in range(CALIBRATION_CALLS):
        start = time.perf_counter_ns()
        call()
        times_ns.append(time.perf_counter_ns() - start)
    return float(np.median(times_ns[CALIBRATION_CALLS // 3 :]))  # the first ones warm up
