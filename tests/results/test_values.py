import csv
import json
import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.results.store import write_csv, write_json
from significand.results.values import cell, jsonable

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)  # UTF-8 has no lone surrogates
VALUES = st.floats(allow_infinity=False) | st.integers() | st.booleans() | TEXT | st.none()


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a CSV file with the standard library."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_missing_number_is_an_empty_cell_and_null(tmp_path: Path) -> None:
    """NaN and None are empty in CSV and null in JSON, never 0; a real 0 stays 0."""
    row = {"a": math.nan, "b": None, "c": np.float64("nan"), "d": 0.0, "e": np.float32("nan")}
    write_csv([row], tmp_path / "a.csv")
    write_json([row], tmp_path / "a.json")
    assert read_rows(tmp_path / "a.csv") == [{"a": "", "b": "", "c": "", "d": "0.0", "e": ""}]
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == [
        {"a": None, "b": None, "c": None, "d": 0.0, "e": None}
    ]


@given(st.dictionaries(st.sampled_from("abcdef"), VALUES, min_size=1))
def test_csv_and_json_hold_the_same_values(row: dict[str, object]) -> None:
    """Both files give the same row: numbers to the last bit, texts whole, the missing as missing."""
    with tempfile.TemporaryDirectory() as name:
        write_csv([row], Path(name) / "a.csv")
        write_json([row], Path(name) / "a.json")
        (cells,) = read_rows(Path(name) / "a.csv")
        (values,) = json.loads((Path(name) / "a.json").read_text(encoding="utf-8"))
    assert list(cells) == list(values) == list(row)
    for key, value in values.items():
        if isinstance(value, float):
            assert float(cells[key]).hex() == value.hex()
        elif isinstance(value, bool):
            assert cells[key] == str(value).lower()
        else:
            assert cells[key] == ("" if value is None else str(value))


def test_jsonable_makes_plain_values() -> None:
    """NumPy numbers, paths and tuples become what JSON has; infinity, which it has not, becomes null."""
    given_value = {"a": (np.int64(1), np.bool_(True)), 2: Path("b"), "c": [math.inf, {"d": np.float32(0.5)}]}
    assert jsonable(given_value) == {"a": [1, True], "2": "b", "c": [None, {"d": 0.5}]}


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "0.1"), (np.float64(0.1), "0.1"), (np.float32(0.5), "0.5"), (True, "true"), (np.bool_(False), "false")],
)
def test_cells_of_numbers_and_truth_values_are_texts(value: object, text: str) -> None:
    """A number's cell is the shortest text that reads back as the same number, whoever's number it is."""
    assert cell(value) == text
