import math
from dataclasses import replace

import pytest

from significand.analysis.comparison import BY_RANKS, Comparison, Verdict
from significand.analysis.intervals import DEPENDENT, Estimate
from significand.plan.metrics import METRICS
from significand.present.words.sentences import sentence

NAN, INF = math.nan, math.inf


def comparison(
    metric: str, bounds: tuple[float, float, float], verdict: Verdict, *, detectable: float = NAN, **changes: object
) -> Comparison:
    """Make a comparison of int8 with float32 over five pairs."""
    made = Comparison(
        metric=metric,
        setup="int8",
        baseline="float32",
        scale=METRICS[metric].scale,
        estimate=Estimate(*bounds, "t", 0.95, 5),
        paired=True,
        left_out=0,
        p_value=0.5 if verdict == "no difference shown" else 0.001,
        p_adjusted=1.0 if verdict == "no difference shown" else 0.01,
        p_equivalence=NAN,
        verdict=verdict,
        smallest_detectable=detectable,
        margin=None,
        level=0.95,
        family=12,
        reason="",
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # fields by name


FASTER = comparison("latency", (1 / 4.4, 1 / 4.62, 1 / 4.18), "better")
ACCURACY = comparison("accuracy", (-0.31, -0.62, 0.01), "no difference shown", detectable=0.452)


def test_sentence_tells_gain_loss_and_quiet() -> None:
    """Costs are told as factors above 1, accuracies in points, with intervals, and what was not shown as such."""
    assert sentence("int8 on onnxruntime", [FASTER, ACCURACY], quiet_runs=(4, 5)) == (
        "int8 on onnxruntime: 4.40x lower latency than float32 [4.18, 4.62]; training accuracy 0.31 points lower "
        "[-0.62, 0.01], no difference shown (smallest detectable: 0.45 points); 4 of 5 pairs quiet and steady"
    )


def test_an_interval_that_excludes_nothing_is_not_written_as_touching_it() -> None:
    """Bounds get as many digits as it takes to see on which side of no difference they lie."""
    points = comparison("accuracy", (-0.127, -0.2525, -0.0015), "no difference shown", p_value=0.048)
    assert "0.127 points lower than float32 [-0.253, -0.002], no difference shown among 12" in sentence("x", [points])
    ratio = comparison("latency", (1.1, 1.0002, 1.21), "worse")
    assert sentence("x", [ratio]) == "x: 1.1000x higher latency than float32 [1.0002, 1.2100]"
    touching = comparison("accuracy", (-0.127, -0.2525, 0.0), "no difference shown")
    assert "[-0.25, 0.00]" in sentence("x", [touching])


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (comparison("latency", (1.5, 1.4, 1.6), "worse"), "1.50x higher latency than float32 [1.40, 1.60]"),
        (
            comparison("memory", (0.99, 0.95, 1.03), "no difference shown", detectable=1.058),
            "1.010x lower peak memory than float32 [0.971, 1.053], no difference shown (smallest detectable: 1.058x)",
        ),
        (
            comparison("latency", (0.5, 0.1, 2.5), "no difference shown", detectable=12.34),
            "2.0x lower latency than float32 [0.4, 10.0], no difference shown (too few runs to show one)",
        ),
        (
            comparison("accuracy", (1.0, -90.0, 92.0), "no difference shown", detectable=150.0),
            "training accuracy 1 points higher than float32 [-90, 92], no difference shown (too few runs to show one)",
        ),
        (
            comparison("memory", (0.99998, 0.99, 1.01), "no difference shown", detectable=1.05),
            "about the same peak memory as float32 [0.990, 1.010], no difference shown (smallest detectable: 1.050x)",
        ),
        (
            comparison(
                "accuracy",
                (0.0, NAN, NAN),
                "not tested",
                estimate=Estimate(0.0, NAN, NAN, "t", 0.95, 1),
                reason="a single pair has no spread",
            ),
            "the same training accuracy as float32, not tested: a single pair has no spread",
        ),
        (
            comparison("latency", (0.9, 0.85, 0.95), "no difference shown", p_value=0.01),
            "1.111x lower latency than float32 [1.053, 1.176], no difference shown among 12 comparisons",
        ),
        (
            comparison("latency", (1.005, 0.999, 1.011), "equivalent", margin=0.02),
            "1.0050x higher latency than float32 [0.9990, 1.0110], equivalent within 2 %",
        ),
        (
            comparison("test_accuracy", (0.05, -0.1, 0.2), "equivalent", margin=0.5),
            "test accuracy 0.05 points higher than float32 [-0.10, 0.20], equivalent within 0.5 points",
        ),
        (
            comparison("model_size", (0.25, 0.25, 0.25), "not tested", reason="the same ratio in all 5 pairs"),
            "4x lower model size than float32, the same ratio in all 5 pairs",
        ),
        (
            comparison("accuracy", (-1e-15, -1e-15, -1e-15), "no difference shown", reason="identical in all 5 pairs"),
            "the same training accuracy as float32, identical in all 5 pairs",
        ),
        (
            comparison("latency", (1.0, 1.0, 1.0), "no difference shown", reason="identical in all 5 pairs"),
            "the same latency as float32, identical in all 5 pairs",
        ),
        (
            comparison("accuracy", (0.0, -0.21, 0.21), "no difference shown"),
            "training accuracy no higher or lower on average than float32 [-0.21, 0.21], no difference shown",
        ),
        (
            comparison("memory", (1.0, 0.8, 1.25), "no difference shown"),
            "peak memory no higher or lower on average than float32 [0.80, 1.25], no difference shown",
        ),
        (
            comparison("latency", (NAN, NAN, NAN), "not tested", reason="no pair of usable runs", left_out=5,
                       estimate=Estimate(NAN, NAN, NAN, "t", 0.95, 0)),
            "latency not compared with float32: no pair of usable runs, 5 of 5 pairs left out",
        ),
        (
            comparison("latency", (0.5, NAN, NAN), "not tested", reason="a single pair has no spread", left_out=1),
            "2x lower latency than float32, not tested: a single pair has no spread, 1 of 6 pairs left out",
        ),
        (
            comparison("latency", (0.5, 0.0, INF), "no difference shown", paired=False, left_out=2),
            "2x lower latency than float32 [0, inf], no difference shown, 2 runs left out",
        ),
        (
            comparison("latency", (0.5, 1e-9, 1e9), "no difference shown"),
            "2.0x lower latency than float32 [1e-09, 1e+09], no difference shown",
        ),
        (
            comparison("energy", (0.5, 0.4, 0.6), "not tested", reason="estimated energy restates CPU time"),
            "2.00x lower energy than float32 [1.67, 2.50], not tested: estimated energy restates CPU time",
        ),
    ],
)  # fmt: skip
def test_clause_of_each_outcome(told: Comparison, text: str) -> None:
    """Every outcome has its words: what was found, how surely, or why there is no test."""
    assert sentence("int8", [told]) == f"int8: {text}"


def test_small_negative_bound_is_not_minus_zero() -> None:
    """A bound that rounds to zero has no sign, and a small difference no more digits than its interval."""
    near = comparison("accuracy", (0.3, -0.001, 0.6), "no difference shown")
    assert sentence("int8", [near]) == (
        "int8: training accuracy 0.30 points higher than float32 [0.00, 0.60], no difference shown"
    )


def test_one_sentence_is_about_one_pair() -> None:
    """Comparisons of several setups are refused, naming them."""
    with pytest.raises(ValueError, match=r"bfloat16 against float32; int8 against float32.*sentence of each"):
        sentence("all", [FASTER, replace(FASTER, setup="bfloat16")])


def test_a_reason_stands_behind_its_verdict() -> None:
    """What cannot be told apart by the meter is still a difference that is not shown, and the reader hears both."""
    near = replace(comparison("memory", (1.05, 1.02, 1.08), "no difference shown"), reason="peaks cannot be told apart")
    assert sentence("x", [near]).endswith("[1.020, 1.080], no difference shown: peaks cannot be told apart")


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (
            replace(
                comparison(
                    "latency", (1 / 1.04, 1 / 1.07, 1 / 1.01), "no difference shown", ranks=(1 / 1.02, 1 / 1.05, 1.01)
                ),
                reason=BY_RANKS,
            ),
            "[1.010, 1.070], no difference shown: signed ranks do not show it (1.020x [0.990, 1.050])",
        ),
        (
            comparison("accuracy", (0.4, 0.1, 0.7), "better", ranks=(0.2, -0.1, 0.5)),
            "[0.10, 0.70], though signed ranks do not show it: 0.20 points [-0.10, 0.50]",
        ),
        (
            comparison("accuracy", (0.2, -0.1, 0.5), "no difference shown", ranks=(0.25, 0.05, 0.45)),
            "[-0.10, 0.50], no difference shown, though signed ranks show one: 0.25 points [0.05, 0.45]",
        ),
    ],
)
def test_a_second_opinion_is_told_where_it_is_another(told: Comparison, text: str) -> None:
    """In the sense in which the mean is told; where both say the same, it is not mentioned."""
    assert sentence("x", [told]).endswith(text)
    agreeing = replace(told, reason="", ranks=(told.estimate.point, told.estimate.low, told.estimate.high))
    assert "ranks" not in sentence("x", [agreeing])


def test_an_interval_that_was_widened_says_why() -> None:
    """Repeats that resemble the one before tell less than as many independent ones."""
    told = comparison("latency", (1.5, 1.2, 1.8), "worse", lag1=0.52)
    widened = replace(told, estimate=replace(told.estimate, method=DEPENDENT))
    assert sentence("x", [widened]).endswith(", widened as repeats resemble the one before (correlation 0.5)")
    assert "widened" not in sentence("x", [told])
