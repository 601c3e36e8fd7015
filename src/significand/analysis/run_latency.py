"""A run's latency, from the times of its single calls."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from significand.analysis.steady import find_steady_state


def latency_values(
    details: Mapping[str, NDArray[np.float64]], calls_per_timing: int, batch_size: int
) -> dict[str, object]:
    """Return what the rounds say, those before the steady state left out.

    Parameters
    ----------
    details
        ``call_latency_s``: time of a call in each timing, in seconds; ``call_round``: the round it belongs to. Both of
        shape (timings,), rounds in order.
    calls_per_timing
        Consecutive calls timed together.
    batch_size
        Samples per call.

    Returns
    -------
    dict
        By the names of `significand.results.records.Run`'s columns.
    """
    rounds = np.split(details["call_latency_s"], np.flatnonzero(np.diff(details["call_round"])) + 1)
    state = find_steady_state([float(calls.mean()) for calls in rounds])
    calls_s = np.concatenate(rounds[state.first_round :])
    # Not the mean: a neighbour of the virtual machine that slows one CPU down for some of the rounds would move it.
    batch_latency_s = float(np.median(calls_s))
    # Of calls timed together only the mean is known.
    p50, p95, p99 = np.percentile(calls_s, [50, 95, 99]) if calls_per_timing == 1 else [math.nan] * 3
    return {
        "inference_latency_per_sample_s": batch_latency_s / batch_size,
        "batch_throughput_samples_per_s": batch_size / batch_latency_s,
        "batch_latency_p50_s": float(p50),
        "batch_latency_p95_s": float(p95),
        "batch_latency_p99_s": float(p99),
        "latency_calls": len(calls_s) * calls_per_timing,
        "calls_per_timing": calls_per_timing,
        "round_latencies_s": " ".join(str(float(np.median(calls)) / batch_size) for calls in rounds),
        "steady_state": state.steady,
        "steady_from_round": state.first_round,
        "steady_reason": state.reason,
    }
