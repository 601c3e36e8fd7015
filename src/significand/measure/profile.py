"""What each operator of a network takes: the engine's own profiler, in a process in which nothing is timed."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from significand.engines.base import get_engine, profile
from significand.engines.operators import CALL, Operator
from significand.measure.infer import one_batch
from significand.plan.setup import Setup
from significand.workload.base import Split

PROFILED_S = 0.5
FEWEST_CALLS, MOST_CALLS = 3, 200


@dataclass(frozen=True)
class Profile:
    """What a profiler gave.

    Attributes
    ----------
    times
        Seconds of each operator in a call, by its name.
    reason
        Why there are none; empty where there are.
    """

    times: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""


def profile_calls(setup: Setup, split: Split, path: Path) -> Profile:
    """Profile calls of the network at `path` for about `PROFILED_S`; a profiler that fails says why, and no more."""
    engine, batch = get_engine(setup.engine), one_batch(setup, split)
    try:
        call = engine.open(path, setup).bind(batch)
        call()
        begin = time.perf_counter()
        call()
        call_s = time.perf_counter() - begin
        calls = int(np.clip(PROFILED_S / max(call_s, 1e-9), FEWEST_CALLS, MOST_CALLS))
        # Plain numbers, which reach another process, whatever the engine has made them of.
        times = {str(name): float(time_s) for name, time_s in profile(engine, path, setup, batch, calls).items()}
    except Exception as error:  # noqa: BLE001 - the run goes on whatever an engine's profiler stumbles over
        return without_times(setup, f"{type(error).__name__}: {error}")
    return Profile(times, "" if times else f"{setup.engine} has no profiler, or it told nothing")


def without_times(setup: Setup, cause: str) -> Profile:
    """Return what is left of a profiler that failed: the first line of the cause."""
    return Profile(reason=f"{setup.engine}'s profiler failed: {cause}".splitlines()[0])


def operator_arrays(operators: Sequence[Operator], found: Profile) -> dict[str, np.ndarray]:
    """Return operators and their times as arrays, ``operator_`` before the columns of operators.csv.

    What the profiler saw under a name that is none of the operators' is a row without format, as is the whole call;
    where there are no times, its note says why.
    """
    others = [Operator(name, name) for name in found.times if name not in {one.name for one in operators}]
    rows = [*operators, *others, *([Operator(CALL, CALL, note=found.reason)] if found.reason else [])]
    columns: dict[str, list[object]] = {
        "name": [one.name for one in rows],
        "kind": [one.kind for one in rows],
        "format": [one.format for one in rows],
        "multiply_adds": [one.multiply_adds for one in rows],
        "is_conversion": [one.is_conversion for one in rows],
        "time_s": [found.times.get(one.name, math.nan) for one in rows],
        "note": [one.note for one in rows],
    }
    return {f"operator_{name}": np.array(values) for name, values in columns.items()} if rows else {}
