"""What operators say in words."""

import math

import pytest

from significand.answers.explain import WITHOUT, Explained, Ran
from significand.present.words.numbers import by_share, per_cent
from significand.present.words.operators import operators_sentence


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100 %"), (0.999, "> 99 %"), (0.94, "94 %"), (0.001, "< 1 %"), (0.0, "0 %"), (-0.03, "-3 %")],
)
def test_a_share_is_rounded_but_never_to_nothing_or_all(share: float, text: str) -> None:
    """A layer of a thousandth of the work is still there."""
    assert per_cent(share) == text


def test_what_is_not_known_is_a_dash() -> None:
    """A missing share is no share of 0."""
    assert per_cent(math.nan) == "–"


def test_several_formats_have_their_shares_and_a_single_one_needs_none() -> None:
    """As in ``int8 94 %, float32 6 %``."""
    assert by_share({"int8": 0.94, "float32": 0.06}) == "int8 94 %, float32 6 %"
    assert by_share({"float32": 1.0}) == "float32"


BASE = Explained("float32", "onnxruntime", "float32", [Ran("a", "Conv", "float32", False, 1.0, 22e-6, "")], 25e-6)


def int8(*operators: Ran, baseline: Explained | None = BASE) -> Explained:
    return Explained("int8", "onnxruntime", "int8", operators, 20e-6, 1.0, baseline)


FIRST = Ran("a", "QLinearConv", "int8", False, 0.9, 10e-6, "")
QUANTISE = Ran("q", "QuantizeLinear", "", True, 0.0, 4e-6, "")


def test_a_sentence_says_formats_conversions_and_the_layers_own_speed() -> None:
    """A user who finds int8 no faster asks whether it ran in int8, and where the time goes."""
    last = Ran("b", "Gemm", "float32", False, 0.1, 1e-6, "")
    wanted = (
        "int8 computed 1 of its 2 layers in int8 (by work: int8 90 %, float32 10 %); 20 % of its time goes into "
        "conversions; the layers themselves are 2.0 times faster than those of float32; 25 % is outside of all "
        "operators."
    )
    assert operators_sentence(int8(FIRST, QUANTISE, last), "int8") == wanted


def test_without_times_or_operators_the_sentence_says_only_what_is_known() -> None:
    """No profile, no shares; nothing recorded, a reason."""
    untimed = Ran("a", "QLinearConv", "int8", False, 1.0, math.nan, "")
    assert operators_sentence(int8(untimed), "int8") == "int8 computed its layer in int8."
    assert operators_sentence(int8(), "int8") == f"int8: {WITHOUT}."


def test_layers_that_take_the_same_are_called_as_fast() -> None:
    """A profile is of one run: a few per cent say nothing."""
    same = Ran("a", "QLinearConv", "int8", False, 1.0, 21.9e-6, "")
    assert "the layers themselves are as fast as those of float32" in operators_sentence(int8(same), "int8")


def test_shares_of_calls_that_the_profiler_slowed_are_called_rough() -> None:
    """What the profiler adds to a short operator is more than to a long one."""
    slowed = Explained("int8", "onnxruntime", "int8", [FIRST, QUANTISE], 20e-6, 2.14, BASE)
    told = "these shares are rough, because the profiler made calls 2.1 times as long"
    assert told in operators_sentence(slowed, "int8")
    assert "rough" not in operators_sentence(int8(FIRST, QUANTISE), "int8")


def test_where_the_profiler_slowed_calls_many_times_no_share_is_told() -> None:
    """A call of 20 µs is mostly the profiler's own work then."""
    slowed = Explained("int8", "onnxruntime", "int8", [FIRST, QUANTISE], 20e-6, 54.1, BASE)
    assert operators_sentence(slowed, "int8") == (
        "int8 computed its layer in int8; where its time goes is not known: calls of so short a network took 54 times "
        "as long under the profiler."
    )
