import io
from importlib import import_module

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from significand.workload.cells import BLANKS, exact, is_decimal, is_missing, is_number


def is_pandas_number(text: str) -> bool:
    """Tell whether pandas' default reader takes a cell for a number of a column of floats."""
    table = import_module("pandas").read_csv(
        io.StringIO(f"a;b\n0.5;x\n{text};x\n"), sep=";", keep_default_na=False, na_values=[]
    )
    return str(table["a"].dtype) == "float64"


@given(
    st.text("0123456789+-.eE_ infatyINFxd\u0663\u00a0\u0131", min_size=1, max_size=9)
    | st.floats(allow_nan=False).map(repr)
)
@example("1.")
@example(".5")
@example("1e5")
@example("1e")
@example("1_000")
@example("\u0663")
@example("\u0131nf")
@example("-Infinity")
@example("1e999")
def test_numbers_are_those_of_pandas(text: str) -> None:
    """What is a number here is one for pandas' default reader, and the other way round."""
    cell = text.strip(BLANKS)
    if cell:
        assert is_number(cell) == is_pandas_number(cell)


@pytest.mark.parametrize("length", [10, 100_000])
def test_long_cells_are_judged_at_once(length: int) -> None:
    """A cell of any length is judged in one pass."""
    assert is_number("9" * length)
    assert not is_number("9" * length + "x")


@pytest.mark.parametrize(
    ("text", "expected"), [("1,5", True), ("-2,5e3", True), ("7", True), ("1,", False), (",5", False)]
)
def test_decimal_commas_stand_between_digits(text: str, expected: bool) -> None:
    """A comma at an end of a cell is no decimal comma: it is as likely a separator."""
    assert is_decimal(text) is expected


def test_missing_words() -> None:
    """Without any given, the words of pandas are missing in any letters; given ones are taken as they are written."""
    assert all(is_missing(word, None) for word in ("", "NA", "nan", "NaN", "None", "NULL", "#N/A", "<NA>"))
    assert not any(is_missing(word, None) for word in ("?", "-", "0", "missing"))
    assert is_missing("", ("?",))
    assert is_missing("?", ("?",))
    assert not is_missing("NA", ("na",))


def test_exact_numbers_equal_floats_only_where_they_are_floats() -> None:
    """Nothing is rounded, at no exponent."""
    assert exact("0.5") == 0.5
    assert exact("0.1") != 0.1
    assert exact("1e-400") != 0.0
    assert exact("1e-99999999999999999999") != 0.0
