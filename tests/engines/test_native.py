"""Behaviour of the reasons for which a mode is not computed in its own format."""

import re

from significand.engines.native import why_not_native
from significand.plan.precision import MODES


def test_an_engine_that_could_is_named() -> None:
    """Of a network as a module, torch keeps numbers of 16 bits as they are; in what it sums them is not said."""
    reason = why_not_native("onnxruntime", MODES["float16"], "float32", ())
    assert re.fullmatch(
        r"this CPU has no float16 arithmetic; torch( and \S+ keep| keeps) its numbers in float16", reason
    )


def test_no_engine_is_named_that_cannot_run_the_network() -> None:
    """An ONNX file is nothing that torch could run."""
    reason = why_not_native("onnxruntime", MODES["float16"], "float32", (), is_onnx_file=True)
    assert reason == "this CPU has no float16 arithmetic"
