import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.plan.metrics import METRICS, SPECIFIED, Metric
from significand.present.words.numbers import choose_unit, probability, span, with_bounds, with_half_width


@pytest.mark.parametrize(
    ("metric", "means", "unit"),
    [
        ("latency", [0.37e-6, 0.1e-6], (1e-9, "ns")),
        ("latency", [4.2e-5, 1e-7], (1e-6, "µs")),
        ("train_time", [1.0], (1.0, "s")),
        ("train_time", [3600.0], (1.0, "s")),
        ("memory", [0.999], (1e-3, "kB")),
        ("memory", [2048.0, 3.0], (1e3, "GB")),
        ("energy", [-0.012], (1e-3, "mJ")),
        ("accuracy", [0.004], (0.01, "%")),
    ],
)
def test_unit_suits_the_largest_mean(metric: str, means: list[float], unit: tuple[float, str]) -> None:
    """The unit is the largest in which the largest mean is at least 1; accuracy is always in per cent."""
    assert choose_unit(METRICS[metric], means) == unit


@pytest.mark.parametrize("means", [[], [0.0], [math.nan], [math.inf, math.nan]])
def test_without_a_size_the_unit_is_that_of_the_rows(means: list[float]) -> None:
    """Where no mean has a size, values stay in the unit of the rows."""
    assert choose_unit(METRICS["memory"], means) == (1.0, "MB")


def test_missing_means_do_not_count() -> None:
    """A failed mode has no say in the unit, wherever it stands among the others."""
    assert (
        choose_unit(METRICS["latency"], [math.nan, 2e-6])
        == choose_unit(METRICS["latency"], [2e-6, math.nan])
        == (1e-6, "µs")
    )


def test_value_below_the_smallest_unit_takes_it() -> None:
    """There is no unit below the smallest: it is used for what is smaller still."""
    assert choose_unit(METRICS["latency"], [1e-12]) == (1e-9, "ns")


@given(st.sampled_from(SPECIFIED), st.floats(1e-8, 1e3))
def test_shown_values_are_at_least_one(metric: Metric, mean: float) -> None:
    """In the chosen unit, a mean is at least 1 unless it is in the smallest unit, and below 1000 but in the largest."""
    units = metric.units
    size, name = choose_unit(metric, [mean])
    assert mean / size >= 1 or (size, name) == units[0]
    assert mean / size < 1000 * (1 + 1e-9) or (size, name) == units[-1]


@pytest.mark.parametrize(
    ("mean", "half_width", "text"),
    [
        (2.40107, 0.01802, "2.401±0.018"),
        (99.2489, 0.18488, "99.25±0.18"),
        (4.0087, 6.8468, "4.0±6.8"),
        (368.02, 130.19, "368±130"),
        (1.0, 0.00012, "1.00000±0.00012"),
        (-3.14159, 0.02, "-3.142±0.020"),
    ],
)
def test_the_half_width_decides_the_digits(mean: float, half_width: float, text: str) -> None:
    """The half-width has two significant digits, or all those before the point; the mean ends where it ends."""
    assert with_half_width(mean, half_width) == text


@pytest.mark.parametrize("half_width", [math.nan, math.inf, -1.0])
def test_without_an_interval_the_mean_stands_alone(half_width: float) -> None:
    """What is no interval is not shown as one, least of all as ±0."""
    assert with_half_width(3.14159, half_width) == "3.142"


@pytest.mark.parametrize("mean", [math.nan, math.inf])
def test_missing_mean_is_a_dash(mean: float) -> None:
    """Without a mean there is nothing to show, whatever the half-width."""
    assert with_half_width(mean, 0.1) == "–"


def test_zero_is_shown_as_zero() -> None:
    """An interval of no width is a fact about the runs, and a mean of zero is a number."""
    assert with_half_width(0.03882, 0.0) == "0.03882±0"
    assert with_half_width(0.0, 0.0) == "0±0"
    assert with_half_width(0.0, 0.25) == "0.00±0.25"


@pytest.mark.parametrize(
    ("mean", "half_width", "text"),
    [
        (2.4, 1.23e-9, "2.4±1.2e-09"),
        (1.23456e-12, 3e-13, "1.235e-12±3e-13"),
        (1.23456e12, 3e9, "1.235e+12±3e+09"),
        (12.5, 4.2e7, "12.5±4.2e+07"),
    ],
)
def test_huge_and_small_take_an_exponent(mean: float, half_width: float, text: str) -> None:
    """A half-width that is not zero never looks like zero, and no number is a row of digits that mean nothing."""
    assert with_half_width(mean, half_width) == text


@given(st.floats(-1e12, 1e12), st.floats(1e-15, 1e12))
def test_numbers_stay_short_and_true(mean: float, half_width: float) -> None:
    """Whatever the sizes, the text is short, and reads back as the same half-width to two digits."""
    text = with_half_width(mean, half_width)
    assert len(text) <= 22
    assert float(text.split("±")[1]) == pytest.approx(half_width, rel=0.06)


@pytest.mark.parametrize(
    ("point", "low", "high", "shown"),
    [
        (1.1764, 0.7094, 1.9521, ("1.18", "0.71–1.95")),
        (0.99649, 0.98829, 1.00476, ("0.9965", "0.9883–1.0048")),
        (36.2, 32.7, 40.1, ("36.2", "32.7–40.1")),
        (0.157, 1e-9, 405222.0, ("0.16", "0.00–405222.00")),
        (2.0, 2.0, 2.0, ("2", "")),
        (1.0, 1.0 - 1e-16, 1.0 + 2e-16, ("1", "")),
        (1.5, 1e-30, 1e40, ("1.5", "0.0–1e+40")),
        (1.0594, math.nan, math.nan, ("1.06", "")),
    ],
)
def test_a_ratio_keeps_the_digits_that_its_interval_supports(
    point: float, low: float, high: float, shown: tuple[str, str]
) -> None:
    """The interval is written as it is, not centred; however wide it is, the ratio itself stays readable."""
    assert with_bounds(point, low, high) == shown


@pytest.mark.parametrize(("p", "text"), [(0.995, "> 0.99"), (0.004, "< 0.01"), (0.5, "0.50"), (math.nan, "")])
def test_probabilities_are_never_certain(p: float, text: str) -> None:
    """A share of resamples is neither 0 nor 1."""
    assert probability(p) == text


@pytest.mark.parametrize(("counts", "text"), [((5, 5), "5"), ((10, 5, 7), "5 to 10")])
def test_a_span_is_of_the_least_and_the_largest(counts: tuple[int, ...], text: str) -> None:
    """However many lie between, and one number where all are equal."""
    assert span(counts) == text
