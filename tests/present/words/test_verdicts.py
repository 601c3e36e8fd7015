import math
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import small_experiment
from significand.analysis.stopping import Reached
from significand.answers.folder import Folder
from significand.plan.experiment import Experiment
from significand.present.words.verdicts import claim_lines
from significand.results.records import FAILED, Run
from significand.results.table import table_of


def runs(mode: str, latency_s: float, repeats: int = 6, **changes: object) -> list[Run]:
    """Return runs of a mode whose latency varies a little."""
    return [
        Run(
            precision_mode=mode,
            repeat=repeat,
            engine="onnxruntime",
            inference_latency_per_sample_s=latency_s * (1 + 0.01 * (repeat * 7 % 5)),
            peak_memory_mb=3.0,
            final_train_accuracy=0.9,
            test_accuracy=0.9,
            **changes,  # type: ignore[arg-type]
        )
        for repeat in range(repeats)
    ]


def told(runs: list[Run], experiment: Experiment, reached: Reached | None = None) -> list[str]:
    """Return the sentences of an experiment."""
    results = Folder(Path(), {}, experiment, table_of(runs, experiment.precision_modes))
    results.__dict__["reached"] = reached  # as if the intervals were so narrow
    return claim_lines(results)


def test_every_mode_is_told_in_a_sentence_and_then_the_frontier() -> None:
    """Latency, memory and accuracy against the baseline, the quiet runs, and who is probably on the frontier."""
    both = [*runs("float32", 1.0), *runs("int8", 0.25, disturbed_steps=1)]
    sentence, frontier = told(both, small_experiment())
    assert sentence.startswith("int8 on onnxruntime: 4x lower latency than float32")
    assert "size" not in sentence
    assert sentence.endswith("0 of 6 pairs quiet and steady.")
    assert "the same peak memory" in sentence
    assert (
        frontier == "On the Pareto frontier of latency and test accuracy with probability: int8 > 0.99, float32 < 0.01."
    )


def test_who_is_as_good_as_another_is_told() -> None:
    """Half a per cent slower and equally accurate, where one per cent does not matter; else nothing is said."""
    both = [*runs("float32", 1.005), *runs("int8", 1.0)]
    *_, last = told(both, small_experiment(indifferent="latency=1%,test_accuracy=0.1"))
    assert last == "float32 is as good as int8, within 1 % of latency and 0.1 points of test accuracy."
    assert not any("as good as" in line for line in told(both, small_experiment()))


def test_without_a_finished_run_nothing_is_claimed() -> None:
    """When every run failed the sentence says that nothing was compared, and there is no probability."""
    failed = [*runs("float32", math.nan, status=FAILED), *runs("int8", math.nan, status=FAILED)]
    lines = told(failed, small_experiment())
    assert "not compared" in lines[0]
    assert not any("with probability" in line for line in lines)


@pytest.mark.parametrize(
    ("width", "words"),
    [
        (0.008, "Every latency ratio is within ±1 % after 6 repeats (intervals are sequential)"),
        (
            0.03,
            "Missed the target of ±1 % for every latency ratio after 6 repeats (intervals are sequential): int8 ±3 %",
        ),
        (math.nan, "unknown"),
    ],
)
def test_what_the_target_came_to_is_told(width: float, words: str) -> None:
    """Whether every interval was narrow enough, or which was not and how wide it is."""
    both = [*runs("float32", 1.0), *runs("int8", 0.25)]
    precision = Reached({"int8": width}, 0.01, {"int8": 30})
    assert words in told(both, small_experiment(until=0.01), precision)[-1]


def test_the_metric_of_the_target_is_named() -> None:
    """Another metric is named; with a single mode it is that of the mean; what can never be known is said."""
    both = [*runs("float32", 1.0), *runs("int8", 0.25)]
    precision = Reached({"int8": math.nan}, 0.01, {"int8": None}, "train_time", ["int8"])
    assert told(both, small_experiment(until=0.01), precision)[-1] == (
        "Missed the target of ±1 % for every training time ratio after 6 repeats (intervals are sequential): int8 "
        "unknown, as no pair of runs is usable; mend what failed."
    )
    alone = small_experiment(until=0.01, precision_modes=["int8"])
    precision = Reached({"int8": 0.005}, 0.01, {"int8": 10}, "memory")
    assert told(both[6:], alone, precision)[-1].startswith("The mean peak memory is within")


@pytest.mark.parametrize(
    ("of_float32", "of_int8", "words"),
    [
        ([{}] * 5, [{}] * 5, "5 of 5 pairs quiet and steady."),
        ([{}] * 4 + [{"disturbed_steps": 1}], [{}] * 5, "4 of 5 pairs quiet and steady."),
        ([{}] * 5, [{"disturbed_steps": 2}] + [{}] * 4, "4 of 5 pairs quiet and steady."),
        ([{}] * 5, [{}] * 4 + [{"steady_state": False, "disturbed_steps": 1}], "4 of 5 pairs quiet and steady."),
        ([{"steady_state": False}] + [{}] * 4, [{}] * 4 + [{"steady_state": None}], "4 of 5 pairs quiet and steady."),
        ([{"status": FAILED}] + [{}] * 4, [{"disturbed_steps": 2}] + [{}] * 4, "4 of 4 pairs quiet and steady."),
        ([{"unknown_steps": 1}] + [{}] * 4, [{}] * 5, ""),
        ([{}] * 5, [{"unknown_steps": 1}] * 5, ""),
    ],
)
def test_quiet_runs_are_those_whose_pair_is_quiet(
    of_float32: list[dict[str, object]], of_int8: list[dict[str, object]], words: str
) -> None:
    """A run counts with the baseline's of its repeat; where others cannot be seen, nothing is said of them."""
    both = [
        replace(run, **changes)  # type: ignore[arg-type]  # by name
        for run, changes in zip(
            [*runs("float32", 1.0, 5), *runs("int8", 0.25, 5)], [*of_float32, *of_int8], strict=True
        )
    ]
    sentence = told(both, small_experiment())[0]
    assert sentence.endswith(words)
    assert ("quiet" in sentence) == bool(words)


def test_inference_memory_and_model_size_are_told_where_they_differ() -> None:
    """What is smaller in every pair by the same, or by a test, is told; what is not shown to differ is left out."""
    both = [
        *runs("float32", 1.0, model_size_mb=4.0, inference_peak_memory_mb=2.0),
        *runs("int8", 0.25, model_size_mb=1.0, inference_peak_memory_mb=2.0),
    ]
    sentence = told(both, small_experiment())[0]
    assert "4x lower model size, the same ratio in all 6 pairs" in sentence
    assert "inference memory" not in sentence


def test_two_frontiers_are_both_told() -> None:
    """Where a failed run leaves its repeat out, and the frontier over all runs is another, a line says both."""
    a, b = runs("float32", 1.0, 5), runs("int8", 2.0, 5)
    a[4] = replace(a[4], inference_latency_per_sample_s=10.0)
    b[4] = replace(b[4], status=FAILED)
    assert told([*a, *b], small_experiment())[-1] == (
        "By the means over all finished runs the frontier is int8; over the 4 of 5 repeats that every ranked mode "
        "finished, as in the probabilities, it is float32."
    )
    apart = [*a[:2], replace(b[0], status=FAILED), replace(b[1], status=FAILED), *b[2:4]]
    lines = told(apart, small_experiment())
    assert "over the 0 of 4 repeats" in lines[-1]
    assert not any("with probability" in line for line in lines)


def test_hostile_names_are_made_visible() -> None:
    """A mode's name cannot move the cursor."""
    both = [*runs("float32", 1.0), *runs("int8", 0.25)]
    named = [Run(**(one.to_row() | {"engine": "a\x1b[2J"})) for one in both]  # type: ignore[arg-type]
    assert "\x1b" not in " ".join(told(named, small_experiment()))
