import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from made_up_grids import FULL, full_grid, grid_experiment, grid_results, grid_runs
from made_up_pages import made_up_details
from significand.answers.folder import Folder
from significand.present.page import core_html, report_html
from significand.present.page.draw_tradeoff import DRAWN
from significand.present.page.grid_parts import grid_parts
from significand.present.page.layout import MOST_BYTES_OF_A_GRID, MOST_FILES
from significand.present.page.prepared import contents_of
from significand.present.page.setups import setups_of
from significand.present.page.times import read_times
from significand.results.store import DETAILS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("cached_vega"),
]


@pytest.fixture(scope="module")
def page(cached_vega: None) -> str:  # noqa: ARG001 - it must be there first
    """Make the page of 40 setups, once."""
    return report_html(full_grid())


def charts(page: str) -> dict[str, Any]:
    """Return the charts of a page."""
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    figures: dict[str, Any] = json.loads(found[1])["figures"]
    return figures


def test_the_answer_stands_first(page: str) -> None:
    """Where int8 pays, before any chart and table; its subject in bold."""
    assert "<b><bdi>int8 on onnxruntime</bdi></b> pays from batch 8 on (1.4" in page
    assert page.index("pays from batch 8 on") < page.index('id="tradeoff"') < page.index('id="table"')
    assert "torch does not run int8: 8 setups left out." in page
    assert "in 40 setups" in contents_of(full_grid()).title


def test_the_table_has_columns_for_what_varies() -> None:
    """A row names its precision alone, and is sorted by numbers; groups begin where the place changes."""
    table = contents_of(full_grid()).table
    assert table.axes == ("Engine", "Batch size", "Threads")
    assert [(row.name, row.place) for row in table.rows[2:4]] == [
        ("int8", ("onnxruntime", "1", "1")),
        ("float32", ("onnxruntime", "1", "2")),
    ]
    assert [row.begins for row in table.rows[:7]] == [True, False, False, True, False, False, True]
    assert sum(row.is_baseline for row in table.rows) == 16
    assert {row.requested for row in table.rows if row.name == "int8"} == {"int8"}
    assert any("against float32 with all else equal" in note for note in table.notes)


def test_every_choice_has_its_view(page: str) -> None:
    """Each pair of axes in each panel; the views of a pair differ in the setups that they draw."""
    figures = charts(page)
    parts = grid_parts(full_grid(), setups_of(full_grid())).parts
    views = figures["tradeoff"]["views"]
    assert {key.split(" ")[-1] for key in views} == {str(k) for k in range(len(parts))}
    drawn = [views[f"latency accuracy {k}"]["spec"] for k in range(len(parts))]
    assert [spec["params"] for spec in drawn] == [[{"name": DRAWN, "value": list(part.members)}] for part in parts]
    for spec, part in zip(drawn, parts, strict=True):
        assert [point["m"] for point in spec["datasets"]["points"]] == list(part.members)
        assert not any("dx" in point for point in spec["datasets"]["points"])
    assert page.count("<option") == 4 + 2 + len(parts) + 2 + 4


def test_ratios_have_a_chart_for_each_axis(page: str) -> None:
    """With their intervals, and the sentence below."""
    figures = charts(page)
    assert list(figures["ratio-batch_size"]["views"]) == ["0", "1"]
    points = figures["ratio-batch_size"]["views"]["0"]["spec"]["datasets"]["ratios"]
    assert len(points) == 12
    assert all(point["low"] <= point["y"] <= point["high"] for point in points)
    assert len(figures["ratio-threads"]["views"]) == 4
    assert 'id="ratio-threads"' in page


def test_the_legend_tells_colours_and_markers() -> None:
    """Instead of all setups: three precisions and four markers."""
    parts = grid_parts(full_grid(), setups_of(full_grid()))
    assert [entry.words for entry in parts.legend] == [
        "float32",
        "bfloat16",
        "int8",
        "onnxruntime, 1 thread",
        "onnxruntime, 2 threads",
        "torch, 1 thread",
        "torch, 2 threads",
    ]
    assert [entry.setup is None for entry in parts.legend] == [False] * 3 + [True] * 4


def test_without_a_grid_there_are_no_parts(cached_vega: None) -> None:  # noqa: ARG001 - it must be there first
    """The page of precisions alone has no further sections and columns, and its old legend."""
    results = grid_results(engine="onnxruntime", batch_size=8, threads=1)
    page = report_html(results)
    assert grid_parts(results, setups_of(results)).parts == ()
    assert 'id="ratio-' not in page
    assert 'aria-label="Modes"' in page
    assert next(iter(charts(page)["tradeoff"]["views"])) == "latency test_accuracy"


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Make up 48 setups of 30 repeats, with the single times of every run."""
    folder = tmp_path_factory.mktemp("long")
    runs = grid_runs(grid_experiment(**{"repeats": 30} | FULL))
    (folder / DETAILS).mkdir()
    arrays = made_up_details(1, epochs=10, rounds=10, calls=280, disturbed=(2,))
    for run in runs:
        np.savez(folder / DETAILS / f"{run.name}.npz", **arrays)  # type: ignore[arg-type]  # by name
    return grid_results(folder, runs, **{"repeats": 30} | FULL)


def test_a_large_grid_stays_small(long: Folder) -> None:
    """48 setups of 30 repeats are less than 4 MB, the downloads of summary and comparisons among them."""
    page = report_html(long)
    assert len(page.encode()) < MOST_BYTES_OF_A_GRID
    assert 'download="summary_stats.csv"' in page


def test_not_every_file_of_single_times_is_read(long: Folder) -> None:
    """Of every setup as many, the same repeats, and the page says so."""
    setups = setups_of(long)
    times, notes = read_times(long, setups, MOST_FILES)
    assert sum(len(one.runs) for one in times) <= MOST_FILES
    assert {tuple(run.repeat for run in one.runs) for one in times} == {(0, 10, 19, 29)}
    assert notes == ["Single times are read of 192 of 1,440 runs, spread evenly."]
    assert read_times(long, setups[:2])[1] == []


def test_a_notebook_shows_the_panels_beside_each_other() -> None:
    """The core has a picture of every panel, and the table with its columns."""
    text = core_html(full_grid())
    assert all(f">{title}<" in text for title in ("batch 1", "batch 8", "batch 32", "batch 128"))
    assert "Batch size" in text
    assert "<script" not in text


def test_a_page_of_a_grid_needs_no_network(tmp_path: Path, page: str) -> None:
    """It is one file; no address but its own data is in it."""
    (tmp_path / "a.html").write_text(page)
    assert not re.search(r'(?:src|href)="(?!data:|#)[a-z]+:', page)
