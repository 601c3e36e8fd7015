import math

import pytest

from conftest import small_experiment
from significand.analysis.claims import claims_of
from significand.analysis.stopping import Precision
from significand.present.claims_view import claim_lines
from significand.results.records import FAILED, Run


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


def test_every_mode_is_told_in_a_sentence_and_then_the_frontier() -> None:
    """Latency, memory and accuracy against the baseline, the quiet runs, and who is probably on the frontier."""
    both = [*runs("float32", 1.0), *runs("int8", 0.25, disturbed_steps=1)]
    sentence, frontier = claim_lines(claims_of(both, small_experiment()), both)
    assert sentence.startswith("int8 on onnxruntime: 4x lower latency than float32")
    assert sentence.endswith("0 of 6 runs quiet.")
    assert "the same peak memory" in sentence
    assert frontier == "On the Pareto frontier of latency and accuracy with probability: int8 > 0.99, float32 < 0.01."


def test_without_a_finished_run_nothing_is_claimed() -> None:
    """When every run failed the sentence says that nothing was compared, and there is no probability."""
    failed = [*runs("float32", math.nan, status=FAILED), *runs("int8", math.nan, status=FAILED)]
    lines = claim_lines(claims_of(failed, small_experiment()), failed)
    assert "not compared" in lines[0]
    assert not any("with probability" in line for line in lines)


@pytest.mark.parametrize(
    ("width", "words"),
    [
        (0.008, "Every interval is within ±1 % after 6 repeats"),
        (0.03, "Missed the target of ±1 %"),
        (math.nan, "unknown"),
    ],
)
def test_what_the_target_came_to_is_told(width: float, words: str) -> None:
    """Whether every interval was narrow enough, or which was not and how wide it is."""
    both = [*runs("float32", 1.0), *runs("int8", 0.25)]
    precision = Precision({"int8": width}, 0.01, {"int8": 30})
    assert words in claim_lines(claims_of(both, small_experiment(until=0.01)), both, precision)[-1]


def test_hostile_names_are_made_visible() -> None:
    """A mode's name cannot move the cursor."""
    both = [*runs("float32", 1.0), *runs("int8", 0.25)]
    named = [Run(**(one.to_row() | {"engine": "a\x1b[2J"})) for one in both]  # type: ignore[arg-type]
    assert "\x1b" not in " ".join(claim_lines(claims_of(named, small_experiment()), named))
