from pathlib import Path

import pytest

from made_up_grids import grid_results
from significand.job import write_plots
from significand.results.contents import FILES
from significand.results.store import PLOTS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("sizes", "ratios"), [((1, 8), {"ratio_vs_batch_size.png"}), ((8,), set()), ((1,), {"ratio_vs_threads.png"})]
)
def test_ratios_are_plotted_where_their_axis_varies(sizes: tuple[int, ...], ratios: set[str], tmp_path: Path) -> None:
    """Every plot is one that the next experiment in the folder puts aside, and that the docs explain."""
    threads = (1, 2) if "ratio_vs_threads.png" in ratios else (1,)
    assert write_plots(grid_results(tmp_path, batch_size=sizes, threads=threads)) == ""
    plots = {path.name for path in tmp_path.glob("*.png")}
    assert plots == {name for name in PLOTS if not name.startswith("ratio_")} | ratios
    assert plots <= FILES.keys()
