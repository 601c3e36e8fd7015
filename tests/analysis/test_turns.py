import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import small_experiment
from significand.analysis.claims import compare_setups
from significand.analysis.stopping import reached_of
from significand.analysis.summary import summarise
from significand.analysis.turns import latencies_beside
from significand.results.records import FAILED, Run
from significand.results.table import table_of

times_s = st.floats(1e-6, 1e-2)


def run(rounds_s: list[float], mode: str = "float32", repeat: int = 0, **changes: object) -> Run:
    """Return a finished run whose latency is the median of its rounds."""
    fields: dict[str, object] = {
        "precision_mode": mode,
        "setup": mode,
        "repeat": repeat,
        "inference_latency_per_sample_s": float(np.median(rounds_s)),
        "round_latencies_s": " ".join(map(str, rounds_s)),
    }
    return Run(**(fields | changes))  # type: ignore[arg-type]  # by name


def beside(ours: Run, reference: Run) -> float:
    return float(latencies_beside(table_of([reference, ours]), np.array([0]))[1])


@given(st.lists(times_s, min_size=1, max_size=20), st.floats(0.01, 100))
def test_what_rounds_have_in_common_cancels(levels_s: list[float], factor: float) -> None:
    """However the machine's speed jumps from round to round, a run at k times the cost comes out at k."""
    reference = run(levels_s)
    ours = run([factor * level_s for level_s in levels_s], "int8")
    ratio = beside(ours, reference) / reference.inference_latency_per_sample_s
    assert ratio == pytest.approx(factor, rel=1e-9)


def test_runs_that_fell_on_different_levels_are_equal_all_the_same() -> None:
    """Two medians on either side of a jump are 25 % apart; where most rounds agree, the ratio is one."""
    reference = run([1.0, 1.0, 1.0, 1.25, 1.25])
    ours = run([1.25, 1.0, 1.0, 1.25, 1.25])
    assert ours.inference_latency_per_sample_s == 1.25 * reference.inference_latency_per_sample_s
    assert beside(ours, reference) == reference.inference_latency_per_sample_s


@given(st.lists(st.tuples(times_s, times_s), min_size=1, max_size=20), st.randoms())
def test_the_inverse_ratio_is_the_inverse_and_order_does_not_matter(
    pairs: list[tuple[float, float]], random: object
) -> None:
    """A to b is the inverse of b to a, and rounds may come in any order."""
    first, second = (list(times) for times in zip(*pairs, strict=True))
    a, b = run(first), run(second)
    forth = beside(b, a) / a.inference_latency_per_sample_s
    back = beside(a, b) / b.inference_latency_per_sample_s
    assert forth * back == pytest.approx(1, rel=1e-9)
    random.shuffle(pairs)  # type: ignore[attr-defined]  # a Random
    first, second = (list(times) for times in zip(*pairs, strict=True))
    assert beside(run(second), run(first)) == pytest.approx(beside(b, a), rel=1e-9)


def test_rounds_that_do_not_count_in_either_are_left_out() -> None:
    """Warm-up of one of the two is in no ratio."""
    reference = run([1.0, 1.0, 1.0, 1.0, 1.0], steady_from_round=1)
    ours = run([9.0, 9.0, 9.0, 2.0, 2.0], inference_latency_per_sample_s=2.0, steady_from_round=3)
    assert beside(ours, reference) == 2
    assert beside(reference, ours) == 1


def test_a_round_without_a_time_is_left_out() -> None:
    """What is missing, infinite or no time costs its round and no other."""
    ours = run([2.0, math.nan, 0.0, 2.0, math.inf], inference_latency_per_sample_s=2.0)
    assert beside(ours, run([1.0, 1.0, 1.0, math.nan, math.inf], inference_latency_per_sample_s=1.0)) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"round_latencies_s": "1.0 1.0"},
        {"round_latencies_s": ""},
        {"round_latencies_s": "nan nan nan"},
        {"session": 1},
        {"repeat": 1},
        {"status": FAILED},
    ],
)
def test_without_common_turns_a_run_has_its_own_latency(changes: dict[str, object]) -> None:
    """Other rounds, none (of an older program), another session or repeat, a failed side: nothing to compare with."""
    reference = run([1.0, 1.0, 1.0])
    ours = run([3.0, 3.0, 7.0])
    assert beside(ours, replace(reference, **changes)) == 3  # type: ignore[arg-type]  # by name
    assert beside(replace(ours, **changes), reference) == 3  # type: ignore[arg-type]


def test_throughput_and_the_median_call_say_what_latency_says() -> None:
    """They are the same number in other words: inverse and equal ratios, with the same p-value."""
    runs = [
        replace(
            one,
            batch_throughput_samples_per_s=32 / one.inference_latency_per_sample_s,
            batch_latency_p50_s=32 * one.inference_latency_per_sample_s,
        )
        for one in two_modes()
    ]
    metrics = ["latency", "throughput", "batch_latency_p50"]
    latency, throughput, call = compare_setups(table_of(runs), [0, 0], metrics=metrics)
    assert throughput.estimate.point == pytest.approx(1 / latency.estimate.point)
    assert throughput.estimate.low == pytest.approx(1 / latency.estimate.high)
    assert call.estimate.point == pytest.approx(latency.estimate.point)
    assert throughput.p_value == pytest.approx(latency.p_value)
    assert (latency.verdict, throughput.verdict) == ("worse", "worse")


def two_modes(repeats: int = 12) -> list[Run]:
    """Return runs of two modes, 2 % apart, on a machine that jumps by a quarter, now and then between their rounds."""
    random = np.random.default_rng(5)
    runs = []
    for repeat in range(repeats):
        levels = random.choice([1.0, 1.25], 10)
        for mode, cost in (("float32", 1.0), ("int8", 1.02)):
            own = np.where(random.random(10) < 0.2, random.choice([1.0, 1.25], 10), levels)
            runs.append(run((cost * own * np.exp(0.01 * random.normal(size=10))).tolist(), mode, repeat))
    return runs


def test_every_answer_takes_latencies_turn_by_turn() -> None:
    """Comparison, summary and the rule that stops agree, and find what the medians of the runs do not show."""
    runs = two_modes()
    (by_turns,) = compare_setups(table_of(runs), [0, 0], metrics=["latency"])
    (by_runs,) = compare_setups(
        table_of([replace(one, round_latencies_s="") for one in runs]), [0, 0], metrics=["latency"]
    )
    assert by_turns.verdict == "worse"
    assert by_turns.estimate.low < 1.02 < by_turns.estimate.high
    assert by_runs.verdict == "no difference shown"
    row = summarise(table_of(runs), small_experiment(precision_modes=["float32", "int8"]).setups(), [0, 0])[1].to_row()
    assert row["latency_ratio"] == by_turns.estimate.point
    assert row["latency_ratio_ci95_t_low"] == by_turns.estimate.low
    experiment = small_experiment(precision_modes=["float32", "int8"], until=0.01, max_repeats=20)
    precision = reached_of(table_of(runs), experiment)
    assert precision is not None
    assert precision.half_widths["int8"] == pytest.approx(by_turns.estimate.high / by_turns.estimate.point - 1)
