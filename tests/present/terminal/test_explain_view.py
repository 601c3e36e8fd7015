"""What a terminal shows of the operators of setups."""

import io

import pytest
from rich.console import Console

from significand.answers.explain import Explained, Ran
from significand.present.terminal.explain_view import explain_view

LONG = "/model/encoder/layer.11/attention/self/query/MatMul_quant"
REASON = "no kernel for float32 times 8-bit weights; they are unpacked in every call"
OPERATORS = [
    Ran(LONG, "DynamicQuantizeMatMul", "int8", False, 0.9, 10e-6, REASON),
    Ran("quantise", "QuantizeLinear", "", True, 0.0, 4e-6, ""),
]
BASE = Explained("float32", "onnxruntime", "float32", [Ran(LONG, "MatMul", "float32", False, 0.9, 22e-6, "")], 25e-6)
INT8 = Explained("int8-dynamic, openvino, batch 16", "openvino", "int8-dynamic", OPERATORS, 20e-6, 1.0, BASE)


def shown(*setups: Explained, width: int) -> str:
    """Print the view on a terminal of this width."""
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(explain_view(setups))
    return stream.getvalue()


@pytest.mark.parametrize("width", [30, 50, 80, 120, 200])
def test_nothing_is_cut_off_at_any_width(width: int) -> None:
    """Names, numbers and reasons are wrapped, or stand below each other, but are never cut."""
    for text in (shown(INT8, width=width), shown(BASE, INT8, width=width)):
        assert "…" not in text
        assert max(map(len, text.splitlines())) <= width
        assert "int8-dynamic" in text
        assert all(part in " ".join(text.split()) for part in ("dynamic", "50 %", "20 %", "30 %"))


def test_a_narrow_terminal_tells_each_value_behind_its_heading() -> None:
    """There is no room for columns."""
    lines = shown(INT8, width=40).splitlines()
    told = lines[lines.index("quantise") + 1]
    assert told.startswith("  kind QuantizeLinear; ")
