"""What operators say in words."""

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from significand.answers.explain import WITHOUT, Explained, Ran
from significand.present.words.numbers import by_share, per_cent
from significand.present.words.operators import lines_of_many, operators_lines, operators_sentence


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


def test_why_there_are_no_times_is_told() -> None:
    """A dash without a cause helps nobody; of an engine that sees no operators at all neither."""
    untimed = Ran("a", "QLinearConv", "int8", False, 1.0, math.nan, "")
    told = replace(int8(untimed), untimed="onnxruntime's profiler failed: OSError: no counters")
    assert operators_sentence(told, "int8") == (
        "int8 computed its layer in int8; where its time goes is not known: onnxruntime's profiler failed: OSError: no "
        "counters."
    )
    assert operators_sentence(replace(told, operators=()), "int8") == "int8: nothing in it multiplies."


def of_many(engine: str, mode: str, share: float, convert_us: float, baseline: Explained | None = BASE) -> Explained:
    """Return a setup of which a share of the work is int8, of 20 µs a call, and conversions take so many of these."""
    layers = [
        replace(FIRST, share_of_work=share, time_s=(18 - convert_us) / 1e6),
        replace(FIRST, name="b", format="float32", share_of_work=1 - share, time_s=1e-6),
    ]
    operators = [one for one in layers if one.share_of_work]
    return Explained(
        f"{mode}-{engine}", engine, mode, [*operators, replace(QUANTISE, time_s=convert_us / 1e6)], 20e-6, 1.0, baseline
    )


def test_of_many_setups_a_few_sentences_say_what_matters_most() -> None:
    """What did not compute in its own format, the range of what conversions take, how fast layers are themselves."""
    setups = [
        replace(of_many("openvino", "float32", 0.0, 0.0, None), setup="float32-openvino"),
        of_many("openvino", "bfloat16", 0.0, 0.1),
        of_many("torch", "bfloat16", 0.0, 0.1),
        of_many("onnxruntime", "int8", 1.0, 1.0),
        of_many("openvino", "int8", 0.9, 8.0),
    ]
    formats, times = lines_of_many(setups)
    assert formats == (
        "Layers computed in other formats than their modes': bfloat16 on openvino, bfloat16 on torch in float32; int8 "
        "on openvino in int8 90 %, float32 10 %."
    )
    assert times == (
        "Conversions take 5 % to 40 % of the time of int8, whose layers themselves are 1.3 to 2.0 times as fast as the "
        "baseline's. `significand explain` tells setup by setup."
    )


def test_of_many_setups_times_that_are_not_known_are_counted_with_a_reason() -> None:
    """Those that are known are told all the same; where all layers are in their formats, that is said."""
    lost = replace(
        of_many("numpy", "int8", 1.0, 1.0), operators=[replace(FIRST, time_s=math.nan)], untimed="no profiler"
    )
    short = replace(of_many("torch", "int8", 1.0, 1.0), slowing=54.1)
    setups = [of_many("onnxruntime", "int8", 1.0, 1.0), lost, short, *[of_many("onnxruntime", "float32", 0.0, 0.0)] * 2]
    formats, times, missing = lines_of_many(setups)
    assert formats == "All layers of all 5 setups computed in the formats of their modes."
    assert times.startswith("Conversions take 5 % of the time of int8, whose layers")
    assert missing == (
        "Where the time goes is not known of 2 of 5 setups: no profiler. `significand explain` tells setup by setup."
    )


@pytest.mark.parametrize("number", [4, 5])
def test_the_answer_tells_few_setups_one_by_one_and_many_together(number: int) -> None:
    """Nine setups of three engines in three precisions are a question, too, and nine sentences no answer."""
    setups = [BASE, *(replace(of_many("onnxruntime", "int8", 1.0, 1.0), setup=f"int8-{k}") for k in range(number))]
    results: Any = SimpleNamespace(explained=setups)
    lines = operators_lines(results)
    if number == 4:
        assert [line.partition(" ")[0] for line in lines] == ["int8-0", "int8-1", "int8-2", "int8-3"]
    else:
        assert lines == lines_of_many(setups)


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
