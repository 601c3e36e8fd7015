"""Behaviour of a loaded result: the tables of its files as frames, and itself as a page."""

import csv
import sys
from dataclasses import fields
from pathlib import Path

import polars as pl
import pytest

import significand
from made_up_results import made_up_folder, made_up_runs, with_values
from significand.analysis.claims import ComparisonRow, comparison_row
from significand.answers.folder import read_folder
from significand.result import Result, load
from significand.results.comparable import ResultsError
from significand.results.records import FAILED, SCHEMA_VERSION, Run, column_types
from significand.results.store import RAW_RUNS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder of two modes, with a failed run among them."""
    runs = made_up_runs(1) + made_up_runs(2, mode="int8", slower=0.5)
    failed = Run(seed=15, repeat=8, precision_mode="int8", status=FAILED, reason="died")
    return made_up_folder(tmp_path / "results", [*runs, failed])


def test_frames_have_the_columns_of_the_files(folder: Path) -> None:
    """Runs, summary and comparisons have the columns of their CSV files, in that order, and a row for each line."""
    result = load(folder)
    with (folder / RAW_RUNS).open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    assert result.runs.columns == lines[0]
    assert result.runs.height == len(lines) - 1 == 17
    assert result.summary.columns == list(read_folder(folder).rows[0])
    assert result.summary["precision_mode"].to_list() == ["float32", "int8"]
    assert result.comparisons.columns == [*comparison_row(result.source.claims.comparisons[0])]
    assert set(result.comparisons["precision_mode"]) == {"int8"}
    assert result.folder == folder


def test_numbers_are_those_of_the_files_to_the_last_bit(folder: Path) -> None:
    """A frame's numbers are not rounded, and a whole number is one."""
    runs = load(folder).runs
    with (folder / RAW_RUNS).open(encoding="utf-8", newline="") as file:
        written = [row["inference_latency_per_sample_s"] for row in csv.DictReader(file)]
    assert [repr(value) for value in runs["inference_latency_per_sample_s"].head(16)] == written[:16]
    assert runs.select("seed", "steady_state").schema == {"seed": pl.Int64(), "steady_state": pl.Boolean()}


def test_what_is_missing_is_null(folder: Path) -> None:
    """An empty cell is null in a number, a text and a truth value alike; no number is NaN."""
    result = load(folder)
    failed = result.runs.filter(pl.col("status") == FAILED)
    assert failed["reason"].to_list() == ["died"]
    assert failed["final_train_accuracy"].to_list() == failed["steady_state"].to_list() == [None]
    assert result.runs["reason"].null_count() == 16
    for frame in (result.runs, result.summary, result.comparisons):
        assert not frame.select(pl.col(pl.Float64).is_nan().any()).unpivot()["value"].any()


def test_columns_that_an_older_version_did_not_write_are_null(tmp_path: Path) -> None:
    """They are there, so that code that reads them works, and never 0: nobody counted disturbed steps then."""
    columns = [column.name for column in fields(Run)][:25]
    folder = made_up_folder(tmp_path / "old", made_up_runs(1), columns=columns, schema_version=1)
    assert SCHEMA_VERSION > 1
    runs = load(folder).runs
    assert runs.columns == [column.name for column in fields(Run)]
    assert runs["disturbed_steps"].null_count() == runs.height == 8
    assert runs["seed"].null_count() == 0


def test_a_single_mode_has_nothing_to_compare_and_its_columns_all_the_same(tmp_path: Path) -> None:
    """Code that looks for a verdict finds none, instead of no such column."""
    modes = {"precision_modes": ["float32"]}
    result = load(made_up_folder(tmp_path / "one", made_up_runs(1), experiment=modes))
    assert result.comparisons.filter(pl.col("verdict") == "worse").is_empty()
    assert result.comparisons.columns == [*column_types(ComparisonRow)]
    assert result.to_pandas().comparisons["n"].dtype == "int64"


def test_columns_of_comparisons_are_all_known(folder: Path) -> None:
    """Each has its type, and values of that type."""
    (row, *_) = (comparison_row(one) for one in read_folder(folder).claims.comparisons)
    assert list(row) == list(column_types(ComparisonRow))
    assert all(value is None or isinstance(value, column_types(ComparisonRow)[column]) for column, value in row.items())


def test_text_that_is_no_unicode_is_shown_all_the_same(tmp_path: Path) -> None:
    """A byte of another encoding, or half a character, costs a sign and not the frame."""
    runs = with_values(made_up_runs(1, n=2), "data", ["caf\udce9.csv", "plain"])
    (name, plain) = load(made_up_folder(tmp_path / "bytes", runs)).runs["data"]
    assert name.startswith("caf")
    assert "\ufffd" in name
    assert plain == "plain"


def test_pandas_frames_hold_the_same(folder: Path) -> None:
    """Missing numbers are NaN; a count stays a count, with pandas' nullable type only where one is missing."""
    result = load(folder)
    frames = result.to_pandas()
    assert [frame.shape for frame in frames] == [
        frame.shape for frame in (result.runs, result.summary, result.comparisons)
    ]
    runs = frames.runs
    assert runs["seed"].tolist() == result.runs["seed"].to_list()
    assert (runs["seed"].dtype, runs["peak_memory_mb"].dtype) == ("int64", "float64")
    assert runs["steady_state"].dtype == "boolean"
    assert runs["peak_memory_mb"].isna().sum() == runs["reason"].notna().sum() == 1
    assert frames.summary.set_index("precision_mode").loc["int8", "latency_ratio"] == pytest.approx(0.5, rel=0.02)


def test_without_pandas_the_error_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody must have it: only what needs it asks for it."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pandas is not installed: pip install pandas"):
        load(folder).to_pandas()


def test_a_notebook_shows_the_core_of_the_report(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The HTML of a result is that of its results; in a plain console it is a line."""
    result = load(folder)
    monkeypatch.setattr("significand.present.page.core_html", lambda results: f"<p>{len(results.runs)} runs</p>")
    assert result._repr_html_() == "<p>17 runs</p>"
    assert repr(result) == f"<significand result of float32, int8; runs finished: 16, failed: 1; in {folder}>"


def test_load_is_public_and_takes_text(folder: Path) -> None:
    """`significand.load` takes a path as text too, as notebooks have it."""
    result = significand.load(str(folder))
    assert isinstance(result, Result)
    assert result.folder == folder


def test_what_is_no_result_folder_is_refused(tmp_path: Path) -> None:
    """The error says what is missing."""
    with pytest.raises(ResultsError, match="holds no results; give a folder"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["\x1b[2J", "<script>"])
def test_the_line_cannot_move_the_cursor(name: str, tmp_path: Path) -> None:
    """Whatever a mode is called, the line shows it as text."""
    result = load(made_up_folder(tmp_path / "hostile", made_up_runs(1, mode=name)))
    assert "\x1b" not in repr(result)
    assert name.lstrip("\x1b") in repr(result)


@pytest.mark.parametrize(("folder", "kind"), [(5, TypeError), (None, TypeError), ("", ValueError), (b"x", TypeError)])
def test_what_is_no_path_is_said(folder: object, kind: type[Exception]) -> None:
    """The error names the argument and what it got."""
    with pytest.raises(kind, match=r"^folder: "):
        load(folder)  # type: ignore[arg-type]  # that is the point
