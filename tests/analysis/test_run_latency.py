"""Behaviour of a run's latency, taken from the times of its calls."""

import math
import statistics
from collections.abc import Sequence

import numpy as np
import pytest

from significand.analysis.run_latency import latency_values
from significand.results.records import Run


def values(rounds: Sequence[Sequence[float]], calls_per_timing: int = 1, batch_size: int = 1) -> Run:
    """Return what rounds of calls come to, as a run."""
    details = {
        "call_latency_s": np.array([call for calls in rounds for call in calls], dtype=float),
        "call_round": np.array([number for number, calls in enumerate(rounds) for _ in calls]),
    }
    return Run(**latency_values(details, calls_per_timing, batch_size))  # type: ignore[arg-type]  # by name


def test_latency_is_the_median_of_calls_by_hand() -> None:
    """Of 1 .. 6 s in two rounds the median is 3.5 s, with 2 samples a call 1.75 s; percentiles are interpolated."""
    run = values([[1.0, 2.0, 3.0], [6.0, 5.0, 4.0]], batch_size=2)
    assert run.inference_latency_per_sample_s == 1.75
    assert run.batch_throughput_samples_per_s == pytest.approx(2 / 3.5)
    assert run.batch_latency_p50_s == 3.5
    # statistics.quantiles' inclusive method places the p-th percentile at 1 + p (n - 1) of n sorted values.
    cuts = statistics.quantiles([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], n=100, method="inclusive")
    assert run.batch_latency_p95_s == pytest.approx(cuts[94])
    assert run.batch_latency_p99_s == pytest.approx(cuts[98])
    assert run.round_latencies_s == "1.0 2.5"
    assert (run.latency_calls, run.calls_per_timing) == (6, 1)


def test_a_slow_minority_of_calls_does_not_move_it() -> None:
    """It is no mean: one call of a second among calls of a millisecond changes nothing."""
    assert values([[1e-3, 1e-3, 1.0], [1e-3, 1e-3, 1e-3]]).inference_latency_per_sample_s == 1e-3


def test_of_calls_timed_together_no_percentile_is_known() -> None:
    """Only their mean is; they count with their number."""
    run = values([[1.0, 1.0], [1.0, 1.0]], calls_per_timing=50)
    assert run.latency_calls == 200
    assert all(math.isnan(getattr(run, f"batch_latency_{name}_s")) for name in ("p50", "p95", "p99"))
    assert run.inference_latency_per_sample_s == 1.0


def test_rounds_before_the_steady_state_do_not_count() -> None:
    """Four rounds twice as long come before twenty steady ones: these alone count, and every round is kept."""
    random = np.random.default_rng(3)
    rounds = [level * np.exp(random.normal(0, 0.002, 5)) for level in [2.0] * 4 + [1.0] * 20]
    run = values([list(calls) for calls in rounds])
    assert run.steady_from_round == 4
    assert run.latency_calls == 100
    assert run.inference_latency_per_sample_s == pytest.approx(float(np.median(np.concatenate(rounds[4:]))))
    assert len(run.round_latencies_s.split()) == 24


def test_rounds_may_hold_different_numbers_of_calls() -> None:
    """A round lasts for a time: quick ones hold more calls, and each keeps its own."""
    run = values([[1.0], [2.0, 4.0, 3.0], [5.0, 5.0]])
    assert run.round_latencies_s == "1.0 3.0 5.0"
    assert run.latency_calls == 6


def test_a_single_round_is_enough() -> None:
    """There is no steady state to tell of, and every call counts."""
    run = values([[2.0, 4.0]], batch_size=4)
    assert (run.inference_latency_per_sample_s, run.round_latencies_s) == (0.75, "0.75")
    assert (run.steady_state, run.steady_from_round) == (None, 0)
