"""Behaviour of the pictures of a grid: everything has room, and the files are the specified ones."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from made_up_grids import FULL, full_grid, grid_results
from significand.answers.folder import Folder
from significand.present.plots.draw_grid import draw_grid, draw_ratio
from significand.present.plots.grid_figures import grid_figure, grid_frontier_figure
from significand.present.plots.ratio_figures import ratio_figures
from significand.present.plots.write import one_artist, save_pareto_plot, save_ratio_plots, save_tradeoff_plots
from significand.present.varying import grid_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def full() -> Folder:
    """Make 48 setups up, once."""
    return grid_results(**FULL)


@pytest.fixture(scope="module")
def figures(full: Folder) -> list[Figure]:
    """Draw every kind of plot, once."""
    results, grid = full, grid_of(full.rows)
    assert grid is not None
    return [
        draw_grid(grid_figure(grid, results.rows, "energy")),
        draw_grid(grid_frontier_figure(grid, results.rows)),
        *map(draw_ratio, ratio_figures(results.rows, results.claims.comparisons)),
    ]


def boxes_of(figure: Figure) -> dict[str, np.ndarray]:
    """Return every text that is shown, and where it stands on the page in pixels."""
    figure.draw_without_rendering()
    shown = {}
    for place, one in enumerate(figure.findobj(Text)):
        assert isinstance(one, Text)
        box = one.get_window_extent()
        if one.get_visible() and box.width > 1:
            shown[f"{place} {one.get_text()}"] = np.array(box.extents)
    return shown


@pytest.mark.parametrize("which", range(4))
def test_no_text_covers_another_or_leaves_the_page(figures: list[Figure], which: int) -> None:
    """Of 48 setups: titles, ticks, labels, legend and footnotes have room."""
    figure = figures[which]
    boxes = boxes_of(figure)
    width, height = figure.get_size_inches() * figure.dpi
    for name, box in boxes.items():
        assert box[0] >= 0, name
        assert box[1] >= 0, name
        assert box[2] <= width, name
        assert box[3] <= height, name
    names = list(boxes)
    for k, one in enumerate(names):
        for other in names[k + 1 :]:
            a, b = boxes[one], boxes[other]
            assert not (a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]), f"{one} covers {other}"


def test_the_files_of_a_grid(tmp_path: Path) -> None:
    """The specified four, and a chart of ratios for each axis of numbers; at 140 DPI and readable at that size."""
    results = full_grid()
    with one_artist():
        written = [
            *save_tradeoff_plots(results.rows, tmp_path),
            save_pareto_plot(results.rows, tmp_path),
            *save_ratio_plots(results.rows, results.claims.comparisons, tmp_path),
        ]
    assert [path.name for path in written] == [
        "accuracy_vs_latency.png",
        "accuracy_vs_energy.png",
        "accuracy_vs_memory.png",
        "pareto_frontier.png",
        "ratio_vs_batch_size.png",
        "ratio_vs_threads.png",
    ]
    for path in written:
        assert max(imread(path).shape[:2]) <= 1600


def test_without_a_grid_there_is_no_chart_of_ratios(tmp_path: Path) -> None:
    """Nothing is written, not even the folder."""
    results = grid_results(engine="onnxruntime", batch_size=8, threads=1)
    assert save_ratio_plots(results.rows, results.claims.comparisons, tmp_path / "a") == []
    assert not (tmp_path / "a").exists()
