import math

import pytest

from significand.present.rows import Cell, cell, energy_estimated, mode_names, number, other_format, repeats, visible


@pytest.mark.parametrize("value", [None, "", math.nan, "nan"])
def test_missing_cells_are_nan(value: object) -> None:
    """What a CSV, JSON or Python writes for a missing number is read as NaN, and so is a key that is not there."""
    assert math.isnan(number({"latency_mean": value}, "latency_mean"))
    assert math.isnan(number({}, "latency_mean"))


@pytest.mark.parametrize("value", ["fast", [1.0], {}])
def test_nonsense_is_refused(value: object) -> None:
    """An error names the row, the key, the value and the remedy."""
    with pytest.raises(ValueError, match=r"row of 'int8': latency_mean is .*; it must be a number\. Leave it out"):
        number({"precision_mode": "int8", "latency_mean": value}, "latency_mean")


@pytest.mark.parametrize("value", [None, -1, math.inf, "nan"])
def test_repeats_must_be_a_count(value: object) -> None:
    """Without a count of runs, no interval can be explained."""
    with pytest.raises(ValueError, match=r"row of 'int8': repeats is .*; it must be a count"):
        repeats({"precision_mode": "int8", "repeats": value})


def test_row_without_a_mode_is_found_by_its_number() -> None:
    """A row that has no name is told by its place."""
    with pytest.raises(ValueError, match=r"summary row 1: precision_mode is missing; the keys are \['repeats'\]"):
        mode_names([{"precision_mode": "int8"}, {"repeats": 5}])


@pytest.mark.parametrize(("count", "half_width"), [(1, 0.0), (5, None), (5, math.inf), (5, -0.1)])
def test_what_is_no_interval_has_no_bar(count: int, half_width: object) -> None:
    """A single run has no interval whatever its cell holds, and neither has a cell that cannot be a half-width."""
    row = {"precision_mode": "int8", "repeats": count, "memory_mean": 3.0, "memory_ci95": half_width}
    assert cell(row, "memory").bar is None
    assert cell(row, "memory").in_unit(1e3).bar is None


def test_bar_is_the_interval_in_its_unit() -> None:
    """Mean and half-width change their unit together."""
    assert Cell(3000.0, 500.0).in_unit(1e3).bar == (2.5, 3.5)


@pytest.mark.parametrize(
    ("mode", "effective", "other"),
    [
        ("float16", "float32", "float32"),
        ("float16", "float16", ""),
        ("int8-dynamic", "int8", ""),
        ("int8-dynamic", "float32", "float32"),
        ("int8", None, ""),
        ("fp8", "fp8", ""),
        ("fp8", "float16", "float16"),
    ],
)
def test_another_format_than_asked_for_is_told(mode: str, effective: str | None, other: str) -> None:
    """The format that counts is the one the mode infers in; an unknown mode is expected to be what it is called."""
    assert other_format({"precision_mode": mode, "effective_precision": effective}) == other


@pytest.mark.parametrize(
    ("kind", "estimated"), [("estimated", True), ("measured | estimated", True), ("measured", False), (None, False)]
)
def test_any_estimate_makes_the_energy_an_estimate(kind: str | None, estimated: bool) -> None:
    """Energy of which a part is estimated is not shown as measured; a row that does not say is left alone."""
    assert energy_estimated({"energy_kind": kind}) is estimated


def test_control_characters_are_made_visible() -> None:
    """No name can move the cursor, change colours or reverse the text."""
    assert visible("a\x1b[31mb\r\n\u202ec") == "a\ufffd[31mb\ufffd\ufffd\ufffdc"
