from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_up_grids import FULL, full_grid, grid_results
from significand.present.grid_styles import MARKERS, MOST_MARKERS, looks_of
from significand.present.plots.figures import tradeoff_figure
from significand.present.plots.grid_figures import grid_figure, grid_frontier_figure
from significand.present.rows import SummaryRow
from significand.present.varying import Grid, grid_of


def known(rows: Sequence[SummaryRow]) -> Grid:
    """Return rows that are a grid as one."""
    grid = grid_of(rows)
    assert grid is not None
    return grid


def place_rows(engines: int, sizes: int, threads: int) -> list[dict[str, object]]:
    """Return bare rows of two precisions at every place."""
    return [
        {
            "setup": f"{mode}-{engine}-{size}-{count}",
            "precision_mode": mode,
            "engine": f"e{engine}",
            "batch_size": size + 1,
            "threads": count + 1,
            "repeats": 3,
        }
        for engine in range(engines)
        for size in range(sizes)
        for count in range(threads)
        for mode in ("float32", "int8")
    ]


@given(st.integers(1, 3), st.integers(1, 24), st.integers(1, 4))
def test_no_two_setups_of_a_panel_look_alike(engines: int, sizes: int, threads: int) -> None:
    """Whatever the grid: every setup is in one panel, and in it no other has its colour and marker."""
    rows = place_rows(engines, sizes, threads)
    if engines * sizes * threads == 1:
        return
    looks = looks_of(known(rows), rows)
    assert sorted(k for part in looks.parts for k in part.members) == list(range(len(rows)))
    for part in looks.parts:
        assert len({looks.styles[k] for k in part.members}) == len(part.members)
    assert len({part.title for part in looks.parts}) == len(looks.parts)


@pytest.mark.parametrize(
    ("grid", "panels", "markers"), [((1, 3, 1), 1, 3), ((2, 3, 1), 1, 6), ((2, 4, 2), 4, 4), ((1, 24, 1), 3, MARKERS)]
)
def test_few_markers_need_few_panels(grid: tuple[int, int, int], panels: int, markers: object) -> None:
    """One panel while markers suffice; then as few as leave at most six kinds in each; of one long axis, chunks."""
    rows = place_rows(*grid)
    looks = looks_of(known(rows), rows)
    assert len(looks.parts) == panels
    assert len(looks.markers) == (len(MARKERS) if markers is MARKERS else markers)
    assert len(MARKERS) >= MOST_MARKERS


def test_what_is_the_same_everywhere_is_not_explained() -> None:
    """With one precision there is no legend of colours."""
    rows = [row for row in place_rows(2, 2, 1) if row["precision_mode"] == "int8"]
    assert looks_of(known(rows), rows).colours == ()


def test_all_points_are_in_the_panels() -> None:
    """With the numbers of the plot without panels, on the same axes; colours tell precisions."""
    rows = grid_results(**FULL).rows
    whole, figure = tradeoff_figure(rows, "latency"), grid_figure(known(rows), rows, "latency")
    points = [point for panel in figure.panels for point in panel.points]
    assert len(points) == 48
    assert sorted((p.x, p.y) for p in points) == sorted((p.x, p.y) for p in whole.points)
    assert (figure.x, figure.y) == (whole.x, whole.y)
    assert {rows[p.row]["precision_mode"]: p.colour for p in points} == dict(figure.colours)


def test_the_frontier_is_that_of_all_setups() -> None:
    """Its line is in every panel; boxes and probabilities, which would hide each other, are in none."""
    rows = full_grid().rows
    figure = grid_frontier_figure(known(rows), rows)
    points = [point for panel in figure.panels for point in panel.points]
    assert {str(rows[p.row]["setup"]) for p in points if p.on_frontier} == {
        str(row["setup"]) for row in rows if row["on_pareto_frontier"]
    }
    assert figure.staircase
    assert not any(point.x_box or point.y_box for point in points)
    assert "P:" not in figure.footnote


def test_many_notes_are_counted() -> None:
    """Setups without a point are named while they are few."""
    rows = [
        {**row, "repeats": 0, "latency_mean": None, "accuracy_mean": None, "failed_runs": 5} if k % 2 else row
        for k, row in enumerate(full_grid().rows)
    ]
    figure = grid_figure(known(rows), rows, "latency")
    assert all(note.startswith("bfloat16, onnxruntime, batch 1, 1 thread; ") for note in figure.notes)
    assert any(" and 14 more: no value for" in note for note in figure.notes)
    assert len(figure.notes) <= 3


def test_without_any_value_there_is_one_empty_panel() -> None:
    """Which says why."""
    rows = [{**row, "latency_mean": None} for row in full_grid().rows]
    figure = grid_figure(known(rows), rows, "latency")
    assert [panel.points for panel in figure.panels] == [()]
    assert figure.message
