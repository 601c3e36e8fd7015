"""The second phase of a run: open the network, judge it, and time it."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from significand.engines.base import Session, get_engine
from significand.measure.answers import answers_of, divergence, gives_classes
from significand.measure.stepping import NewSteps, TakeTurn
from significand.meters.latency import Clock, calls_per_timing, measure_round
from significand.meters.steps import Attempt
from significand.plan.setup import Protocol, Setup
from significand.workload.arrays import Feeds
from significand.workload.base import Examples, Material, Outputs, Split
from significand.workload.examined import are_values

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
    load_time_s, first_call_s
        Opening the file until the session is ready, and its first call, which may allocate.
    compile_time_s
        What the session says that compiling for the batch took, before its first call; NaN where it does not.
    relative_output_error, train_accuracy
        From the session itself.
    test_scores
        The score of each held-out example, or one for all of them, shape ().
    test_answers
        The class that was answered on each of these; empty where a network gives no classes.
    output_kl
        See `significand.measure.answers.divergence`; NaN where a network gives no classes.
    attempts
        Every measurement of every step.
    """

    rounds: list[np.ndarray]
    calls_per_timing: int
    load_time_s: float
    first_call_s: float
    compile_time_s: float
    relative_output_error: float
    train_accuracy: float
    test_scores: np.ndarray
    test_answers: np.ndarray
    output_kl: float
    attempts: list[Attempt]


def one_batch(setup: Setup, split: Split) -> Feeds:
    """Return the batch that inference is timed on; where there are few samples they are repeated."""
    return split.train.inputs.take(np.resize(np.arange(len(split.train)), setup.batch_size)).by_name


def infer(
    material: Material,
    setup: Setup,
    protocol: Protocol,
    split: Split,
    reference: Outputs,
    path: Path,
    take_turn: TakeTurn,
    new_steps: NewSteps,
) -> Inference:
    """Open the network at `path`, judge it on the data, and time it round by round."""
    engine = get_engine(setup.engine)
    material.load()
    batch = one_batch(setup, split)
    take_turn("again")  # alone on the machine, or the first call would be one of a disturbed time
    begin = time.perf_counter()
    session = engine.open(path, setup)
    ready = time.perf_counter()
    call = session.bind(batch)
    bound = time.perf_counter()
    call()
    load_time_s, first_call_s = ready - begin, time.perf_counter() - bound
    compile_time_s = getattr(session, "compile_time_s", math.nan)
    if setup.slowdown is not None:
        own_s = 0.0
        if setup.slowdown:  # of nothing, there is no share to find
            own_s = float(np.median(measure_round(call, SLOWDOWN_CALIBRATION_S, calls_per_timing(call))))
        call = slowed(call, round(setup.slowdown * own_s * 1e9))
    group = calls_per_timing(call, before_s=first_call_s)
    take_turn("prepare")  # nobody times what follows: as many at once as there are cores for
    steps = new_steps()  # before the session computes, which shows its threads
    judged = _judge(material, session, split, reference, setup)
    rounds = [
        steps.measure(
            "inference",
            number,
            lambda: measure_round(call, protocol.round_duration_s, group),
            lambda calls_s: float(calls_s.mean()),
        )
        for number in range(protocol.latency_rounds)
    ]
    return Inference(rounds, group, load_time_s, first_call_s, compile_time_s, **judged, attempts=steps.attempts)


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


def _judge(material: Material, session: Session, split: Split, reference: Outputs, setup: Setup) -> dict[str, Any]:
    """Return output error, scores and answers of a session, by the names of `Inference`."""
    probe = _outputs(session, split.test.inputs.take(slice(material.probe_examples)).by_name, setup.batch_size)
    is_trained, targets = bool(setup.workload.epochs), split.test.targets
    outputs = probe if targets is None else _outputs(session, split.test.inputs.by_name, setup.batch_size)
    are_classes = gives_classes(outputs, targets)
    return {
        "relative_output_error": relative_error(probe, reference),
        "output_kl": divergence(probe, reference) if are_classes else math.nan,
        "test_answers": answers_of(outputs) if are_classes else np.empty(0, dtype=np.int64),
        "train_accuracy": float(np.mean(_scores(material, session, split.train, setup))) if is_trained else math.nan,
        "test_scores": agreement(probe, reference)
        if targets is None
        else np.asarray(material.scores(outputs, targets)),
    }


def _scores(material: Material, session: Session, part: Examples, setup: Setup) -> np.ndarray:
    if part.targets is None:
        return np.array(math.nan)
    return np.asarray(material.scores(_outputs(session, part.inputs.by_name, setup.batch_size), part.targets))


def _outputs(session: Session, feeds: Feeds, batch_size: int) -> Outputs:
    """Return a session's outputs, computed in batches of the size that is timed, the last filled up and cut again."""
    n = len(next(iter(feeds.values())))
    batches = []
    for at in range(0, n, batch_size):
        rows = np.arange(at, at + batch_size)
        full = {name: array[np.minimum(rows, n - 1)] for name, array in feeds.items()}
        is_short = n - at < batch_size  # an output may have another axis first, where a call takes one example
        batches.append([output[: n - at] if is_short else output for output in session.predict(full)])
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def relative_error(outputs: Outputs, reference: Outputs) -> float:
    """Return the norm of the difference to the reference, over all outputs, divided by the reference's norm."""
    pairs = [(one.astype(float), other.astype(float)) for one, other in zip(outputs, reference, strict=True)]
    differences = [np.linalg.norm((one - other).ravel()) for one, other in pairs]
    size = np.linalg.norm([np.linalg.norm(other.ravel()) for _, other in pairs])
    return float(np.linalg.norm(differences) / size) if size > 0 else math.nan


def agreement(outputs: Outputs, reference: Outputs) -> np.ndarray:
    """Return for each example whether a network without labels says what the unquantised one says.

    The first output counts. Of a row of real numbers an example, as classifiers give, whether the largest is the same;
    of whole numbers, which share is equal; of anything else, 1 less the squared error in units of the reference's
    variance, whose mean is R².
    """
    one, other = outputs[0], reference[0]
    if one.dtype.kind != "f":
        equal: np.ndarray = (one == other).reshape(len(one), -1).mean(axis=1)
        return equal
    if not are_values(one.shape[1:], one.dtype.name):
        same: np.ndarray = (one.argmax(axis=1) == other.argmax(axis=1)).astype(float)
        return same
    squares = ((one - other) ** 2).reshape(len(one), -1).mean(axis=1)
    spread = float(other.var())
    explained: np.ndarray = 1 - squares / spread if spread > 0 else (squares == 0).astype(float)
    return explained
