import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_up_grids import full_grid, grid_experiment, grid_results, grid_runs
from significand.answers.folder import Folder
from significand.present.plots.drawn import RatioFigure
from significand.present.plots.ratio_figures import ratio_axis, ratio_figures


def figures_of(results: Folder) -> dict[str, RatioFigure]:
    """Prepare all charts of ratios, by their axis."""
    return {one.axis: one for one in ratio_figures(results.rows, results.claims.comparisons)}


def test_there_is_a_chart_for_each_axis_of_numbers_that_varies() -> None:
    """For none where precisions or engines alone vary, nor where nothing is compared."""
    assert list(figures_of(full_grid())) == ["batch_size", "threads"]
    assert list(figures_of(grid_results(threads=1))) == ["batch_size"]
    assert figures_of(grid_results(threads=1, batch_size=8)) == {}
    assert figures_of(grid_results(threads=1, batch_size=8, engine="torch", precision_modes=("float32",))) == {}
    assert figures_of(grid_results(threads=1, precision_modes=("float32",))) == {}


def test_every_ratio_is_drawn_with_its_interval() -> None:
    """The numbers of the summary: a series per precision and engine, a panel per number of threads."""
    results = full_grid()
    figure = figures_of(results)["batch_size"]
    assert [panel.title for panel in figure.panels] == ["1 thread", "2 threads"]
    assert [series.label for series in figure.panels[0].series] == [
        "bfloat16, onnxruntime",
        "int8, onnxruntime",
        "bfloat16, torch",
    ]
    drawn = {point.row: point for panel in figure.panels for series in panel.series for point in series.points}
    compared = {k for k, row in enumerate(results.rows) if row["ratio_baseline"] != row["setup"]}
    assert drawn.keys() == compared
    for k, point in drawn.items():
        row = results.rows[k]
        assert point.ratio == row["latency_ratio"]
        assert point.interval == (row["latency_ratio_ci95_t_low"], row["latency_ratio_ci95_t_high"])
        assert figure.values[point.value] == str(row["batch_size"])


def test_series_stand_beside_each_other() -> None:
    """No two points of a panel stand at the same place, and each stands nearer to its own value than to another."""
    for figure in figures_of(full_grid()).values():
        for panel in figure.panels:
            xs = [point.x for series in panel.series for point in series.points]
            assert len(set(xs)) == len(xs)
            assert all(abs(p.x - p.value) < 0.25 for series in panel.series for p in series.points)


def test_the_caption_is_the_sentence() -> None:
    """From the verdicts: where int8 pays."""
    results = grid_results(engine="onnxruntime", threads=1, batch_size=(1, 8, 32), precision_modes=("float32", "int8"))
    caption = figures_of(results)["batch_size"].caption
    assert caption.startswith("int8 pays from batch 8 on (1.4")
    assert caption.endswith("at batch 1 no difference is shown.")
    unjudged = replace(results.claims.comparisons[0], verdict="worse")
    others = [
        unjudged if one.metric == "latency" and one.setup == "int8-b8" else one for one in results.claims.comparisons
    ]
    (figure,) = ratio_figures(results.rows, others)
    assert figure.caption != caption


def test_a_failed_setup_has_no_point_and_a_single_repeat_no_bar() -> None:
    """And the footnote says the latter."""
    changes: dict[str, Any] = {"engine": "onnxruntime", "threads": 1, "batch_size": (1, 8), "repeats": 1}
    experiment = grid_experiment(**changes, precision_modes=("float32", "int8"))
    runs = grid_runs(experiment, failed=["int8-b1"])
    figure = figures_of(grid_results(runs=runs, **changes, precision_modes=("float32", "int8")))["batch_size"]
    (series,) = figure.panels[0].series
    assert [(point.value, point.interval) for point in series.points] == [(1, None)]
    assert "no bar: a single pair has no interval" in figure.footnote


positive = st.floats(1e-3, 1e3)


@given(st.lists(st.tuples(positive, positive, positive), max_size=6))
def test_the_axis_holds_one_and_every_ratio(ratios: list[tuple[float, float, float]]) -> None:
    """With a tick at 1, ticks within its ends, and no more decades than the ratios need."""
    axis = ratio_axis("Ratio", [(ratio, min(a, ratio), max(b, ratio)) for ratio, a, b in ratios])
    assert all(axis.low < value < axis.high for value in (1.0, *(ratio for ratio, _, _ in ratios)))
    assert 1.0 in axis.ticks
    assert list(axis.ticks) == sorted(set(axis.ticks))
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)
    assert len(axis.ticks) == len(axis.tick_labels) == len(set(axis.tick_labels))
    widest = max((ratio for ratio, _, _ in ratios), default=1.0)
    assert axis.high <= max(1.0, widest) * 9


@pytest.mark.parametrize("bound", [math.inf, math.nan, 1e30])
def test_an_interval_without_measure_does_not_flatten_the_rest(bound: float) -> None:
    """It is cut off at the edge."""
    axis = ratio_axis("Ratio", [(0.9, 0.8, bound), (1.1, 1.0, 1.2)])
    assert axis.high < 12
