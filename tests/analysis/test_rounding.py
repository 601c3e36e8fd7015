import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from significand.analysis.rounding import (
    LARGEST_ERROR,
    UNIT_ROUNDOFF,
    check_error,
    check_witness,
    error_bounds,
    output_sensitivity,
)

FORMATS = st.sampled_from(list(UNIT_ROUNDOFF))
FLOATS = ["float64", "float32", "float16", "bfloat16"]
DEPTHS = st.integers(1, 8)
FAN_INS = st.integers(1, 4096)
SIZES = st.lists(st.integers(1, 2048), min_size=2, max_size=7)


@pytest.mark.parametrize(("name", "dtype"), [("float64", np.float64), ("float32", np.float32), ("float16", np.float16)])
def test_unit_roundoff_is_half_the_distance_to_the_next_number(name: str, dtype: type[np.floating]) -> None:
    """The unit roundoffs are those of NumPy's types, half of eps."""
    assert UNIT_ROUNDOFF[name] == np.finfo(dtype).eps / 2


def test_bounds_of_one_layer_by_hand() -> None:
    """In float16, u = 2^-11: low is 0.38 u / 3, high is 2 u and twice sqrt(100) float32 roundoffs of 2^-24."""
    bounds = error_bounds("float16", "float32", depth=1, widest_fan_in=100)
    assert bounds.low == pytest.approx(6.185e-5, rel=1e-3)
    assert bounds.high == pytest.approx(9.766e-4 + 1.19e-6, rel=1e-3)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_rounding_once_has_three_times_the_lower_bound(dtype: type[np.floating]) -> None:
    """Numbers spread evenly over a binade, rounded by NumPy, have the error that the lower bound is a third of."""
    numbers = np.random.default_rng(0).uniform(1, 2, 100_000)
    error = np.linalg.norm(numbers.astype(dtype) - numbers) / np.linalg.norm(numbers)
    name = np.dtype(dtype).name
    assert error == pytest.approx(3 * error_bounds(name, name, 1, 1).low, rel=0.02)


def test_quantising_once_is_above_the_lower_bound() -> None:
    """Rounding to 127 steps of the largest number, numbers being uniform, is within the band of int8."""
    numbers = np.random.default_rng(0).uniform(-1, 1, 100_000)
    error = np.linalg.norm(np.round(127 * numbers) / 127 - numbers) / np.linalg.norm(numbers)
    assert error_bounds("int8", "int8", 1, 1).low < error < error_bounds("int8", "int8", 1, 1).high


def test_float64_may_be_exact() -> None:
    """The yardstick itself has no error, and float32 in its place has too much."""
    assert check_error(0.0, "float64", "float64", [64, 10], 1.0) == ""
    assert check_error(1e-7, "float64", "float64", [64, 10], 1.0) != ""


@given(FORMATS, FORMATS, DEPTHS, FAN_INS)
def test_the_band_is_open_and_the_order_of_formats_does_not_matter(a: str, b: str, depth: int, fan_in: int) -> None:
    """0 <= low < high, whichever of the two formats holds the weights."""
    bounds = error_bounds(a, b, depth, fan_in)
    assert 0 <= bounds.low < bounds.high
    assert bounds == error_bounds(b, a, depth, fan_in)


@given(FORMATS, FORMATS, DEPTHS, FAN_INS)
def test_larger_networks_may_err_more(a: str, b: str, depth: int, fan_in: int) -> None:
    """The upper bound grows with depth and fan-in, the lower one stays."""
    bounds = error_bounds(a, b, depth, fan_in)
    for larger in (error_bounds(a, b, depth + 1, fan_in), error_bounds(a, b, depth, 2 * fan_in)):
        assert larger.low == bounds.low
        assert larger.high > bounds.high or bounds.high == math.inf


@given(DEPTHS, FAN_INS)
def test_finer_formats_err_less(depth: int, fan_in: int) -> None:
    """From float64 to int8 both bounds rise."""
    bands = [error_bounds(name, name, depth, fan_in) for name in [*FLOATS, "int8"]]
    for finer, coarser in itertools.pairwise(bands):
        assert finer.low < coarser.low
        assert finer.high < coarser.high


@given(SIZES, st.sampled_from(FLOATS), st.floats(0, 1))
def test_errors_within_the_band_pass_and_outside_are_named(sizes: list[int], name: str, sensitivity: float) -> None:
    """Just inside of either bound there is nothing to say; twice outside there is, and the words say which way."""
    bounds = error_bounds(name, name, len(sizes) - 1, max(sizes[:-1]))
    assume(2 * bounds.high <= LARGEST_ERROR)
    low = bounds.low * sensitivity
    assert check_error(low, name, name, sizes, sensitivity) == ""
    assert check_error(bounds.high, name, name, sizes, sensitivity) == ""
    assert "something coarser ran" in check_error(2 * bounds.high, name, name, sizes, sensitivity)
    if low / 2 < low:
        assert "finer format" in check_error(low / 2, name, name, sizes, sensitivity)


def test_words_carry_value_format_and_limit() -> None:
    """A sentence says the error, the format that was claimed, and the bound it breaks."""
    # By hand: (2 + 2 sqrt(64)) x 2^-24 x 4 = 4.3e-6; 0.38 x 2^-8 / 3 = 4.9e-4.
    assert check_error(3e-2, "float32", "float32", [64, 32, 32, 10], 1.0) == (
        "relative output error 3e-02 is above what float32 allows in 3 layers (4e-06): something coarser ran"
    )
    assert check_error(1e-7, "bfloat16", "bfloat16", [64, 10], 1.0) == (
        "relative output error 1e-07 is below what bfloat16 can reach (5e-04): it computed in a finer format"
    )
    assert "in 1 layer (" in check_error(3e-2, "float32", "float32", [64, 10], 1.0)


def test_the_coarsest_format_decides() -> None:
    """Weights in float16 and float32 arithmetic, or layers in different formats, err like the coarsest."""
    error = 3e-4
    assert check_error(error, "float16", "float32", [64, 10], 1.0) == ""
    assert check_error(error, "float32", "float32+float16", [64, 10], 1.0) == ""
    assert check_error(error, "float32", "float32", [64, 10], 1.0) != ""
    assert check_error(2.0, "int8", "int8+float32", [64, 10], 1.0) == ""


@pytest.mark.parametrize("name", UNIT_ROUNDOFF)
@pytest.mark.parametrize("error", [math.nan, math.inf, 2.01])
def test_an_error_that_no_rounding_makes_is_flagged(error: float, name: str) -> None:
    """Outputs that have nothing to do with the network's, or are none, are flagged, however coarse and deep it is."""
    flag = check_error(error, name, name, [2048] * 8, 1.0)
    assert flag.startswith(f"relative output error {error:.0e} is more than any rounding makes")


def test_an_error_that_no_rounding_makes_is_flagged_in_an_unknown_format() -> None:
    """Where the engine cannot say what ran, too large is too large all the same."""
    assert "overflowed" in check_error(3.0, "float32", "unknown", [64, 10], 1.0)


@pytest.mark.parametrize("effective", ["unknown", "", "float32+unknown"])
def test_formats_unknown_are_not_judged(effective: str) -> None:
    """Where the engine cannot say what ran there is nothing to compare with."""
    assert check_error(0.5, "float32", effective, [64, 10], 1.0) == ""


def test_outputs_without_sensitivity_only_have_an_upper_bound() -> None:
    """Saturated outputs may be exact in any format, but not wrong."""
    assert check_error(0.0, "bfloat16", "bfloat16", [64, 10], 0.0) == ""
    assert check_error(0.1, "float32", "float32", [64, 10], 0.0) != ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("float8", "float32", 1, 1), "format 'float8' is unknown; give one of float64"),
        (("float32", "tf32", 1, 1), "format 'tf32' is unknown"),
        (("float32", "float32", 0, 1), "depth is 0; a network has at least 1"),
        (("float32", "float32", 1, 0), "widest_fan_in is 0"),
    ],
)
def test_impossible_networks_are_refused(arguments: tuple[str, str, int, int], message: str) -> None:
    """An unknown format or a network without layers is an error with its value."""
    with pytest.raises(ValueError, match=message):
        error_bounds(*arguments)


def test_saturated_outputs_show_little() -> None:
    """The nearer probabilities are to 0 and 1, the less of a rounding error they show."""
    logits = np.random.default_rng(0).normal(size=(200, 10))
    shown = []
    for scale in (1, 10, 100, 1000):
        powers = np.exp(scale * (logits - logits.max(axis=1, keepdims=True)))
        shown.append(output_sensitivity(powers / powers.sum(axis=1, keepdims=True), "softmax"))
    assert shown == sorted(shown, reverse=True)
    assert shown[0] > 0.3
    assert shown[-1] < 0.05
    tanh = [output_sensitivity(np.tanh(scale * logits), "tanh") for scale in (1, 10)]
    assert tanh[0] > 0.3 > tanh[1]


def test_linear_outputs_show_what_varies() -> None:
    """Of normal outputs around zero nearly all varies between samples, around 100 a hundredth."""
    outputs = np.random.default_rng(0).normal(size=(1000, 10))
    assert output_sensitivity(outputs, "linear") == pytest.approx(1, abs=0.01)
    assert output_sensitivity(outputs + 100, "linear") == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize(
    "outputs",
    [
        np.zeros((50, 4)),
        np.tile(np.random.default_rng(0).normal(size=40), (50, 1)),
        np.random.default_rng(0).normal(size=(5, 6)),
        np.full((50, 4), math.nan),
        np.array([[math.inf, *range(60)]]),
        1e200 * np.random.default_rng(0).normal(size=(50, 4)),
    ],
    ids=["zero", "constant", "few", "nan", "infinite", "huge"],
)
def test_outputs_that_tell_nothing(outputs: np.ndarray) -> None:
    """Without different finite outputs, and enough of them, small errors prove nothing."""
    assert output_sensitivity(outputs, "linear") == pytest.approx(0, abs=1e-12)


def test_a_witness_is_believed_beyond_half_of_its_control() -> None:
    """3 % beside 0.8 % that moved scales change is flagged with half of the latter; 0.4 % is not."""
    assert check_witness(0.03, 0.008, may_saturate=True) == (
        "outputs differ by 3 % from the same file computed without optimisations; rounding explains 0.4 %: sums of 8-"
        "bit products saturate on this CPU; quantise weights to 7 bits (reduce_range)"
    )
    assert check_witness(0.004, 0.008, may_saturate=True) == ""
    assert check_witness(0.0041, 0.008, may_saturate=True) != ""


def test_saturation_is_only_blamed_where_it_can_be() -> None:
    """On a CPU with dot products of bytes something else is wrong, and that must be far beyond rounding."""
    assert check_witness(0.015, 0.01, may_saturate=False) == ""
    flag = check_witness(0.2, 0.01, may_saturate=False)
    assert "saturate" not in flag
    assert flag.endswith("the engine computes something else than its file says; try another version or engine")


@pytest.mark.parametrize(("error", "control"), [(math.nan, math.nan), (0.1, 0.0), (0.1, math.nan), (0.0, 0.0)])
def test_no_witness_flags_nothing(error: float, control: float) -> None:
    """Without outputs to compare, or scales to move, nothing is said."""
    assert check_witness(error, control, may_saturate=True) == ""
