"""Behaviour of the probe of modes."""

import math
import re

import pytest

from significand.engines.base import engine_modes, engines_tried
from significand.engines.onnx_runtime import OnnxRuntimeEngine
from significand.engines.probe import ModeSupport, _why, probe_modes
from significand.plan.precision import MODES, PrecisionMode

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def support() -> dict[tuple[str, str], ModeSupport]:
    return {(one.engine, one.precision_mode): one for one in probe_modes()}


def test_every_pair_is_answered(support: dict[tuple[str, str], ModeSupport]) -> None:
    """Each engine answers for each mode, and says no exactly where it does not run it."""
    assert len(support) == len(engines_tried()) * len(MODES)
    for (engine, mode), one in support.items():
        assert (one.how == "no") == (mode not in engine_modes()[engine])


def test_native_means_the_format_itself(support: dict[tuple[str, str], ModeSupport]) -> None:
    """Native is said only when what ran is what was asked for."""
    for (_, mode), one in support.items():
        if one.how != "no":
            assert (one.how == "native") == (one.effective_precision == MODES[mode].infers_in)
            assert 0 <= one.relative_output_error < 0.1
        else:
            assert math.isnan(one.relative_output_error)
            assert one.why


def test_float32_and_int8_are_native_on_the_default_engine(support: dict[tuple[str, str], ModeSupport]) -> None:
    """What the default job compares runs natively everywhere."""
    assert support["onnxruntime", "float32"].how == "native"
    assert support["onnxruntime", "int8"].how == "native"


@pytest.mark.parametrize(
    ("instructions", "effective", "words"),
    [
        ({"avx2"}, "float32", "no float16 arithmetic; torch keeps its numbers in float16; here"),
        ({"fp16"}, "float32", "no float16 kernels for this CPU; torch keeps its numbers in float16"),
        ({"avx2"}, "float16", "measure whether the format pays"),
        ({"fp16"}, "float16", ""),
    ],
)
def test_the_reason_follows_from_the_cpu(instructions: set[str], effective: str, words: str) -> None:
    """A missing format is put down to the CPU where it lacks instructions, else to the engine."""
    why = _why("onnxruntime", MODES["float16"], effective, instructions)
    assert words in why
    assert bool(why) == bool(words)


def test_an_engine_that_fails_is_answered_with_its_own_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """When an engine cannot write or open a network the answer is no, with the error."""

    def broken(*_: object, **__: object) -> None:
        raise OSError("no kernel")

    monkeypatch.setattr(OnnxRuntimeEngine, "open", broken)
    answers = [one for one in probe_modes() if one.engine == "onnxruntime" and one.precision_mode == "int8"]
    assert [(one.how, one.why) for one in answers] == [("no", "OSError: no kernel")]


@pytest.mark.parametrize("mode", MODES.values(), ids=str)
@pytest.mark.parametrize("instructions", [set(), {"avx2"}, {"fp16", "bf16", "vnni"}])
def test_no_speed_is_told_that_was_not_measured(mode: PrecisionMode, instructions: set[str]) -> None:
    """Whatever the CPU lacks, nothing is called slower or faster for it: int8 pays on AVX2 all the same."""
    for effective in (mode.infers_in, "float32"):
        why = _why("onnxruntime", mode, effective, instructions)
        assert not {"slow", "slower", "fast", "faster"} & set(re.findall(r"\w+", why))


def test_int8_without_dot_products_is_not_called_impossible() -> None:
    """A CPU without VNNI computes in int8 by other instructions: what it lacks is named, no more."""
    why = _why("onnxruntime", MODES["int8"], "int8", {"avx2"})
    assert "no instructions for sums of int8 products (VNNI, AMX)" in why
    assert "arithmetic" not in why
