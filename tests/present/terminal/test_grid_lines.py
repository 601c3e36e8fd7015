import io
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from rich.console import Console

from made_up_grids import FULL, GRID, full_grid, grid_experiment, grid_results, grid_runs
from significand.answers.folder import Folder
from significand.present.rows import SummaryRow
from significand.present.terminal.grid_lines import GridTable, grid_table
from significand.present.terminal.tables import summary_view
from significand.present.varying import grid_of


def printed(rows: Sequence[SummaryRow], width: int) -> list[str]:
    """Print the summary into a text, as into a pipe."""
    console = Console(width=width, file=io.StringIO(), highlight=False)
    console.print(summary_view(rows))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def table_of(rows: Sequence[SummaryRow]) -> GridTable:
    """Prepare the table."""
    grid = grid_of(rows)
    assert grid is not None
    return grid_table(grid, rows)


@pytest.fixture(scope="module")
def full() -> Folder:
    """Make 48 setups up, once."""
    return grid_results(**FULL)


@pytest.mark.parametrize("width", [44, 60, 80, 120])
def test_no_line_is_too_long_and_no_number_lost(full: Folder, width: int) -> None:
    """48 setups at any width: every heading, every setup, every mean and every ratio is whole."""
    lines = printed(full.rows, width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    table = table_of(full.rows)
    for heading, setups in table.groups:
        assert heading in lines
        for one in setups:
            assert one.means["latency"][0] in text
            assert one.ratio in text
            assert one.interval in text
            assert one.means["accuracy"][1] in text


def test_a_setup_is_one_line_of_80_columns(full: Folder) -> None:
    """Its precision, latency, ratio, accuracy and memory stand beside each other, below the heading of its group."""
    lines = printed(full.rows, 80)
    first = lines.index("onnxruntime, batch 1, 1 thread")
    setups = [line.split()[0] for line in lines[first + 1 : first + 4]]
    assert setups == ["float32", "bfloat16", "float16"]
    assert len(lines[first + 2].split()) == 6
    assert len([line for line in lines if line.startswith("  ") and line.split()[0] in FULL["precision_modes"]]) == 48


def test_the_head_says_what_is_compared_with_what() -> None:
    """And the footnote, that all else is equal."""
    lines = printed(full_grid().rows, 80)
    assert lines[0].split() == ["against", "float32", "latency", "accuracy", "memory"]
    assert any(line.startswith("×: latency relative to float32 with all else equal") for line in lines)


def test_marks_say_what_is_odd() -> None:
    """Another format, failed runs and disturbed steps have a mark each, and the key explains those that are used."""
    experiment = grid_experiment(**{"repeats": 3} | GRID)
    runs = grid_runs(experiment, failed=["int8-onnxruntime-b8-t2"])
    runs = [
        replace(run, effective_precision="float32", disturbed_steps=2) if run.setup == "bfloat16-torch-b1-t1" else run
        for run in runs
    ]
    rows = grid_results(runs=runs, repeats=3).rows
    marks = {f"{heading}: {one.label}": one.marks for heading, lines in table_of(rows).groups for one in lines}
    assert {name: mark for name, mark in marks.items() if mark} == {
        "onnxruntime, batch 8, 2 threads: int8": "!",
        "torch, batch 1, 1 thread: bfloat16": "*~",
    }
    lines = printed(rows, 80)
    assert "* ran in another format; ! runs failed; ~ steps disturbed by others" in lines
    assert any("5 of 5" in line or "3 of 3 runs failed" in line for line in lines)


def test_single_repeats_have_no_interval() -> None:
    """Neither a half-width nor an interval of the ratio is printed or promised."""
    rows = grid_results(repeats=1, batch_size=(1, 8), threads=1).rows
    lines = printed(rows, 80)
    assert not any("±" in line for line in lines if "no ±" not in line and "one run" not in line)
    assert not any("interval of the mean" in line or "t interval" in line for line in lines)


def test_without_a_baseline_there_are_no_ratios() -> None:
    """One precision at several batch sizes: a line each, and nothing is said of ratios."""
    rows = grid_results(engine="onnxruntime", threads=1, precision_modes=("float32",)).rows
    lines = printed(rows, 80)
    assert [line.split("  ")[0] for line in lines[2:6]] == ["batch 1", "batch 8", "batch 32", "batch 128"]
    assert not any("×" in line or "against" in line for line in lines)


def test_a_setup_without_a_finished_run_is_told() -> None:
    """At any width, and its missing numbers are dashes or words, never nan."""
    rows = [
        {key: math.nan if isinstance(value, float) else value for key, value in row.items()} | {"repeats": 0}
        if index == 1
        else row
        for index, row in enumerate(full_grid().rows)
    ]
    assert "    no finished run" in printed(rows, 44)
    assert not any("nan" in line for width in (44, 80) for line in printed(rows, width))
