"""How long an inference call takes: short rounds of back-to-back calls."""

import gc
import math
import time
from collections.abc import Callable

import numpy as np

Clock = Callable[[], int]

SHORTEST_TIMING_NS = 5_000
"""Calls shorter than this are timed together: reading the clock and keeping the time costs about 0.06 us."""

PLAINLY_LONG_NS = 1_000 * SHORTEST_TIMING_NS
"""Two calls longer than this are no short ones that were disturbed."""

WARM_UP_NS = 2_000_000
"""Calls before this much of a round has passed are not counted: the caches and the threads' spinning belong to the
process that held the machine before."""

FEWEST_TIMINGS = 3


def calls_per_timing(
    call: Callable[[], object], clock: Clock = time.perf_counter_ns, *, before_s: float = math.inf
) -> int:
    """Return how many consecutive calls make a timing of at least 5 us, from the fastest of a few calls: mostly one.

    Parameters
    ----------
    call
        One inference call. It is called five times, or until two are so long that no disturbance explains it.
    before_s
        What a call before took, which is one of these two.
    clock
        Nanoseconds, monotonic.
    """
    fastest = before_s * 1e9
    for number in range(5):
        start = clock()
        call()
        fastest = min(fastest, clock() - start)
        if (number or math.isfinite(before_s)) and fastest > PLAINLY_LONG_NS:
            break
    return max(1, math.ceil(SHORTEST_TIMING_NS / max(fastest, 1)))


def measure_round(
    call: Callable[[], object], duration_s: float, group: int, clock: Clock = time.perf_counter_ns
) -> np.ndarray:
    """Call back to back for `duration_s` after a warm-up, and return the time of a call in each timing.

    Garbage collection is off meanwhile, as in `timeit`: a collection belongs to the harness, not to the call.

    Parameters
    ----------
    call
        One inference call on one batch.
    duration_s
        Counted part of the round, in seconds; at least three timings are taken however long they are.
    group
        Calls per timing, as from `calls_per_timing`.
    clock
        Nanoseconds, monotonic.

    Returns
    -------
    numpy.ndarray
        Seconds per call, one entry a timing, shape (timings,).
    """
    marks_ns: list[int] = []
    mark = marks_ns.append
    calls = range(group)
    collecting = gc.isenabled()
    gc.disable()
    try:
        warm_until = clock() + WARM_UP_NS
        call()
        while clock() < warm_until:
            call()
        now = clock()
        end = now + round(duration_s * 1e9)
        mark(now)
        while now < end or len(marks_ns) <= FEWEST_TIMINGS:
            for _ in calls:
                call()
            now = clock()  # the end of this timing and the start of the next
            mark(now)
    finally:
        if collecting:
            gc.enable()
    return np.diff(marks_ns) / (1e9 * group)
