import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from made_up_pages import made_up_experiment
from significand.answers.folder import Folder
from significand.present.page.setup_table import MOST_REASONS, SYMBOLS, MetricCell, Row, Table, table_of
from significand.present.page.setups import metrics_of, setups_of


def prepared(results: Folder) -> Table:
    """Prepare the table of an results."""
    return table_of(results, setups_of(results), metrics_of(results.rows))


def cells(table: Table, row: Row) -> Mapping[str, MetricCell]:
    """Return a row's cells by metric."""
    return dict(zip([metric.name for metric in table.metrics], row.cells, strict=True))


def test_every_mode_has_means_changes_and_verdicts(tmp_path: Path) -> None:
    """The baseline has no change; the others have ratio, interval and a verdict in words with a symbol."""
    table = prepared(made_up_experiment(tmp_path / "a", n=8))
    baseline, slower, _ = table.rows
    assert baseline.is_baseline
    assert all(cell.change == () and cell.verdict is None for cell in baseline.cells)
    latency = cells(table, slower)["latency"]
    assert latency.sort == pytest.approx(2.8e-6, rel=0.05)
    assert latency.change[0].startswith("×1.39")
    assert latency.change[1].startswith("[1.3")
    assert latency.verdict is not None
    assert (latency.verdict.word, latency.verdict.symbol) == ("worse", "✗")


def test_what_no_difference_means_stands_beside_it(tmp_path: Path) -> None:
    """The smallest difference that the runs would have shown: a ratio for costs, points for accuracies."""
    table = prepared(made_up_experiment(tmp_path / "a", n=8))
    shown = cells(table, table.rows[1])
    training, memory, accuracy = (shown[name].verdict for name in ("train_time", "memory", "accuracy"))
    assert training is not None
    assert memory is not None
    assert accuracy is not None
    assert memory.word == accuracy.word == "no difference shown"
    assert (training.word, training.note) == ("not tested", "the same by construction")
    assert memory.note == "peaks less than 0.34 MB apart cannot be told apart"
    assert accuracy.note.startswith("detectable: 0.")
    assert shown["accuracy"].change[1] == "points"


def test_what_is_not_tested_is_called_so(tmp_path: Path) -> None:
    """An estimated energy has a ratio and no verdict, as a note below the table says; equal files do not differ."""
    table = prepared(made_up_experiment(tmp_path / "a"))
    shown = cells(table, table.rows[1])
    energy, size = shown["energy"].verdict, shown["model_size"].verdict
    assert energy is not None
    assert size is not None
    assert (energy.word, energy.note) == ("not tested", "")
    assert (size.word, size.note) == ("no difference shown", "identical in all 4 pairs")
    assert shown["model_size"].change == ("×1",)
    assert any("Estimated energy is CPU time" in note for note in table.notes)


def test_a_mode_without_finished_runs_has_its_reason(tmp_path: Path) -> None:
    """It stays in the table with dashes, its count of failed runs and why they failed."""
    table = prepared(made_up_experiment(tmp_path / "a", failed=["float16"]))
    row = table.rows[1]
    assert (row.finished, row.failed, row.reasons) == (0, 4, ("the loss is not finite",))
    assert all(cell.text == "–" and math.isnan(cell.sort) and cell.verdict is None for cell in row.cells)
    assert row.on_frontier == ""


def test_of_many_reasons_a_few_are_told(tmp_path: Path) -> None:
    """Each reason once, and how many others there are."""
    results = made_up_experiment(tmp_path / "a", ["float32", "int8"], n=6, failed=["int8"])
    reason = pl.format("reason {}", "repeat").alias("reason")
    runs = replace(results.runs, frame=results.runs.frame.with_columns(reason))
    reasons = prepared(replace(results, runs=runs)).rows[1].reasons
    assert len(reasons) == MOST_REASONS + 1
    assert reasons[-1] == "and 3 other reasons; see raw_runs.csv"


def test_another_format_than_asked_for_is_flagged_in_words(tmp_path: Path) -> None:
    """What was asked for, what ran, and why."""
    columns = {"effective_precision": "float32", "precision_note": "this CPU has no float16 arithmetic"}
    table = prepared(made_up_experiment(tmp_path / "a", columns=columns))
    same, other, quantised = table.rows
    assert (same.requested, same.effective, same.differs) == ("float32", "float32", "")
    assert (other.requested, other.effective, other.differs) == (
        "float16",
        "float32",
        "this CPU has no float16 arithmetic",
    )
    assert quantised.requested == "int8"


def test_single_runs_are_not_judged(tmp_path: Path) -> None:
    """One run of each: no interval, no verdict but not tested, and the notes say so."""
    table = prepared(made_up_experiment(tmp_path / "a", n=1))
    verdict = cells(table, table.rows[1])["latency"].verdict
    assert verdict is not None
    assert (verdict.word, verdict.note) == ("not tested", "a single pair has no spread")
    assert "No ±: a single run has no interval." in table.notes
    assert not any(note.startswith("±") for note in table.notes)


def test_sequential_intervals_are_called_so(tmp_path: Path) -> None:
    """Where the experiment stopped by the look of its intervals the notes say it."""
    table = prepared(made_up_experiment(tmp_path / "a", experiment={"until": 0.01}))
    assert "sequential t" in table.notes[0]


def test_every_verdict_has_a_symbol_of_its_own() -> None:
    """No verdict is told by its colour alone."""
    assert len(set(SYMBOLS.values())) == len(SYMBOLS) == 5
