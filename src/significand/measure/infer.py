"""The second phase of a run: open the network, judge it, and time it."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from significand.engines.base import Session, get_engine
from significand.measure.stepping import NewSteps, TakeTurn
from significand.measure.train import PROBE_SAMPLES
from significand.meters.latency import Clock, calls_per_timing, measure_round
from significand.meters.steps import Attempt
from significand.plan.setup import Protocol, Setup
from significand.workload.data import Split
from significand.workload.mlp import predicted_classes

SLOWDOWN_CALIBRATION_S = 0.03
"""Time in which an inference call's own time is found, before a known share of it is added."""


@dataclass(frozen=True)
class Inference:
    """What inference came to.

    Attributes
    ----------
    rounds
        Per latency round the time of a call in each timing, in seconds.
    calls_per_timing
        Consecutive calls that were timed together.
    effective_precision
        What it really computed in.
    relative_output_error, train_accuracy, test_accuracy
        From the session itself.
    attempts
        Every measurement of every step.
    """

    rounds: list[np.ndarray]
    calls_per_timing: int
    effective_precision: str
    relative_output_error: float
    train_accuracy: float
    test_accuracy: float
    attempts: list[Attempt]


def one_batch(setup: Setup, split: Split) -> np.ndarray:
    """Return the batch that inference is timed on; where there are few samples they are repeated."""
    return np.resize(split.train_x, (setup.batch_size, split.train_x.shape[1]))


def infer(
    setup: Setup,
    protocol: Protocol,
    split: Split,
    reference: np.ndarray,
    path: Path,
    take_turn: TakeTurn,
    new_steps: NewSteps,
) -> Inference:
    """Open the network at `path`, judge it on the data, and time it round by round."""
    engine = get_engine(setup.engine)
    effective_precision = engine.computes_in(path, setup)
    session = engine.open(path, setup)
    call = session.bind(one_batch(setup, split))
    if setup.slowdown is not None:
        own_s = 0.0
        if setup.slowdown:  # of nothing, there is no share to find
            take_turn("again")  # alone on the machine, or the share would be one of a disturbed time
            own_s = float(np.median(measure_round(call, SLOWDOWN_CALIBRATION_S, calls_per_timing(call))))
        call = slowed(call, round(setup.slowdown * own_s * 1e9))
    group = calls_per_timing(call)
    steps = new_steps()  # before the session computes, which shows its threads
    judged = _judge(session, split, reference, setup.batch_size)
    rounds = [
        steps.measure(
            "inference",
            number,
            lambda: measure_round(call, protocol.round_duration_s, group),
            lambda calls_s: float(calls_s.mean()),
        )
        for number in range(protocol.latency_rounds)
    ]
    return Inference(rounds, group, effective_precision, *judged, steps.attempts)


def slowed(call: Callable[[], object], extra_ns: int, clock: Clock = time.perf_counter_ns) -> Callable[[], object]:
    """Return a call that does the same and is busy for `extra_ns` more.

    Sleeping would let the CPU rest and give it to others. An extra of 0 costs the frame, like any other: 0.1 us.
    """

    def frame() -> object:
        result = call()
        end = clock() + extra_ns
        while clock() < end:
            pass
        return result

    return frame


def _judge(session: Session, split: Split, reference: np.ndarray, batch_size: int) -> tuple[float, float, float]:
    """Return relative output error, training accuracy and held-out accuracy of a session, batch by batch."""

    def accuracy(x: np.ndarray, y: np.ndarray) -> float:
        right = sum(
            int(np.sum(predicted_classes(session.predict(x[at : at + batch_size])) == y[at : at + batch_size]))
            for at in range(0, len(x), batch_size)
        )
        return right / len(x)

    difference = np.linalg.norm(session.predict(split.test_x[:PROBE_SAMPLES]) - reference)
    size = np.linalg.norm(reference)
    error = float(difference / size) if size > 0 else math.nan
    return error, accuracy(split.train_x, split.train_y), accuracy(split.test_x, split.test_y)
