"""Behaviour of the probe of arithmetic, on arithmetic made in NumPy and on the engines of this machine."""

from collections.abc import Callable
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from significand.engines.arithmetic import DIGITS, SUMMED, Arithmetic, arithmetic, planted, told
from significand.engines.base import ENGINES

TYPES = {"float32": np.float32, "bfloat16": ml_dtypes.bfloat16, "float16": np.float16}

Round = Callable[[np.ndarray], np.ndarray]


def exact(values: np.ndarray) -> np.ndarray:
    """Round nothing. Float64 holds all that the planted numbers make."""
    return np.asarray(values, dtype=np.float64)


def rounding(number_format: str) -> Round:
    """Return what rounds to a format, to nearest, ties to even."""
    return lambda values: np.asarray(values).astype(TYPES[number_format]).astype(np.float64)


def computed(number_format: str, stored: Round, product: Round, total: Round, lanes: int = 1) -> Arithmetic:
    """Say what is told of arithmetic that rounds as given, with a sum for every so many inputs, added up at the end."""
    x, weights = (stored(values) for values in planted(number_format))
    sums = np.zeros((len(weights), lanes))
    for at in range(len(x)):
        sums[:, at % lanes] = total(sums[:, at % lanes] + product(weights[:, at] * x[at]))
    while lanes > 1:
        lanes //= 2
        sums = total(sums[:, :lanes] + sums[:, lanes:])
    return told(number_format, rounding(number_format)(sums[:, 0]))


@pytest.mark.parametrize("number_format", DIGITS)
@pytest.mark.parametrize("lanes", [1, 2, 8, 16, 32])
def test_what_is_rounded_is_told(number_format: str, lanes: int) -> None:
    """Products and sums are told apart, in whichever order and in how many parts sums are taken."""
    rounds = rounding(number_format)
    for product, total, words in (
        (rounds, rounds, f"products and sums in {number_format}"),
        (rounds, exact, f"products in {number_format}, sums wider"),
        (exact, exact, "products and sums wider"),
    ):
        assert str(computed(number_format, rounds, product, total, lanes)) == f"{number_format} stored, {words}"


@pytest.mark.parametrize("number_format", DIGITS)
def test_a_fused_product_is_wider_than_the_sum_that_it_goes_into(number_format: str) -> None:
    """A multiply-add that rounds once keeps the product, though every sum is rounded."""
    rounds = rounding(number_format)
    fused = computed(number_format, rounds, exact, rounds)
    assert str(fused) == f"{number_format} stored, products wider, sums in {number_format}"
    assert not fused.is_wider


@pytest.mark.parametrize("number_format", ["bfloat16", "float16"])
def test_numbers_that_are_not_stored_in_the_format_are_told(number_format: str) -> None:
    """Float32 in place of 16 bits is seen, though outputs are rounded."""
    assert (
        str(computed(number_format, exact, exact, exact)) == f"not stored in {number_format}, products and sums wider"
    )


@pytest.mark.parametrize(("number_format", "digits"), [("float32", 24), ("bfloat16", 8), ("float16", 11)])
def test_the_planted_numbers_are_those_of_the_format(number_format: str, digits: int) -> None:
    """By hand: terms have p digits, need p + 6 when summed, and less the number taken off leave 5 x 2^(1-p)."""
    _, weights = planted(number_format)
    terms = [Fraction(float(one)) for one in weights[0, :SUMMED]]
    unit = Fraction(1, 2 ** (digits - 1))
    assert all(1 <= one < 2 and (one / unit).denominator == 1 for one in terms)
    taken_off = Fraction(float(-weights[0].min()))
    assert sum(terms) - taken_off == 5 * unit
    assert float(taken_off) == float(rounding(number_format)(np.array(float(taken_off))))
    assert (taken_off / (64 * unit)).denominator == 1


def test_the_square_of_the_number_above_one_by_hand() -> None:
    """In float16 (1 + 2^-10)^2 is 1 + 2^-9 + 2^-20: what is left of it, times 4096, is 2^-8."""
    outputs = np.zeros(16)
    outputs[0], outputs[1] = 5 * 2.0**-10, 2.0**-8
    assert str(told("float16", outputs)) == "float16 stored, products and sums wider"
    outputs[1] = 0
    assert str(told("float16", outputs)) == "float16 stored, products in float16, sums wider"
    outputs[0] = 0
    assert str(told("float16", outputs)) == "float16 stored, products and sums in float16"


def test_8_bit_sums_that_saturate_are_told() -> None:
    """By hand: four pairs of 255 x 127 are 4 x 64770, but 4 x 32767 in 16 bits: 32.4 in place of 64."""
    outputs = np.array([64.0, 8.0])
    assert str(told("int8", outputs)) == "int8 stored, products and sums wider"
    outputs[0] = 64 * 32767 / 64770
    assert str(told("int8", outputs)) == "int8 stored, products wider, sums saturate"
    outputs[1] = 8 + 63 * 0.028
    assert not told("int8", outputs).weights_stored


@pytest.mark.slow
def test_torch_rounds_float32_sums_and_stores_16_bits() -> None:
    """The wide product is that of a fused multiply-add; whatever 16 bits are computed in, they are stored."""
    found = arithmetic("torch", "float32")
    assert found is not None
    assert found.sums == "rounded"
    for mode in ("bfloat16", "float16"):
        found = arithmetic("torch", mode)
        assert found is not None
        assert found.weights_stored
        assert found.inputs_stored


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["int8", "int8-dynamic"])
def test_our_8_bit_weights_do_not_saturate(mode: str) -> None:
    """Weights have 7 bits where sums have 16."""
    assert str(arithmetic("onnxruntime", mode)) == "int8 stored, products and sums wider"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "mode"), [("torch", "float64"), ("onnxruntime", "int4"), ("torch-compile", "float32")]
)
def test_what_the_layer_cannot_tell_is_not_told(engine: str, mode: str) -> None:
    """Nothing is said of float64, of weights alone in few bits, and of what takes long to compile."""
    assert mode in ENGINES[engine].modes
    assert arithmetic(engine, mode) is None
