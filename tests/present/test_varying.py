from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_up_grids import full_grid, grid_results
from significand.present.rows import SummaryRow
from significand.present.varying import Grid, grid_of, ratio_of


def setup_row(precision: str, **values: object) -> dict[str, object]:
    """Return a summary row of a setup, compared with float32 at the same place."""
    place = {"engine": "onnxruntime", "device": "cpu", "batch_size": 1, "threads": 1} | values
    told = "-".join(map(str, place.values()))
    return {
        "precision_mode": precision,
        "repeats": 5,
        "setup": f"{precision}-{told}",
        "ratio_baseline": f"float32-{told}",
        **place,
    }


def known(rows: Sequence[SummaryRow]) -> Grid:
    """Return rows that are a grid as one."""
    grid = grid_of(rows)
    assert grid is not None
    return grid


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [setup_row("float32")],
        [setup_row("float32"), setup_row("int8")],
        [{"precision_mode": "a", "engine": "x", "batch_size": 1}, {"precision_mode": "b", "engine": "y"}],
        [setup_row("float32"), {**setup_row("int8", batch_size=8), "setup": None}],
    ],
)
def test_precisions_alone_are_no_grid(rows: list[dict[str, object]]) -> None:
    """Nor are rows of a user's own, which do not name their setups."""
    assert grid_of(rows) is None


def test_numbers_rise_and_names_stay_in_their_order() -> None:
    """Batch sizes are compared as numbers, whatever their order in the experiment and their type in a file."""
    sizes: tuple[object, ...] = (128, "8", 1)
    grid = known([setup_row("int8", batch_size=size, engine=engine) for engine in ("torch", "onnx") for size in sizes])
    assert grid.values == {"engine": ("torch", "onnx"), "batch_size": ("1", "8", "128")}
    assert [group.heading for group in grid.groups()][:2] == ["torch", "onnx"]


def test_setups_are_grouped_by_what_is_not_compared() -> None:
    """A group holds the precisions of one place, the baseline among them; its heading tells only what varies."""
    grid = known(full_grid().rows)
    assert grid.compared == ("precision",)
    groups = grid.groups()
    assert [group.heading for group in groups][:2] == [
        "onnxruntime, batch 1, 1 thread",
        "onnxruntime, batch 1, 2 threads",
    ]
    assert [grid.line_label(k) for k in groups[0].members] == ["float32", "bfloat16", "int8"]
    assert {grid.baselines[k] for k in groups[0].members} == {groups[0].members[0]}


def test_a_baseline_on_another_axis_is_told_line_by_line() -> None:
    """Where engines are compared, a group holds the engines."""
    results = grid_results(batch_size=(1, 8), threads=1, precision_modes=("float32",), baseline=["engine=torch"])
    grid = known(results.rows)
    assert grid.compared == ("engine",)
    assert [group.heading for group in grid.groups()] == ["batch 1", "batch 8"]
    assert [grid.line_label(k) for k in grid.groups()[0].members] == ["onnxruntime", "torch"]


@given(st.sets(st.tuples(st.sampled_from("abc"), st.sampled_from((1, 8, 32)), st.sampled_from((1, 2))), min_size=2))
def test_every_setup_is_in_one_group(places: set[tuple[str, int, int]]) -> None:
    """Whatever setups there are, and whatever was refused: none is lost and none is told twice."""
    rows = [setup_row(mode, batch_size=size, threads=threads) for mode, size, threads in sorted(places)]
    grid = grid_of(rows)
    if grid is None:
        assert len({(size, threads) for _, size, threads in places}) == 1
        return
    members = [k for group in grid.groups() for k in group.members]
    assert sorted(members) == list(range(len(rows)))
    names = [(group.heading, grid.line_label(k)) for group in grid.groups() for k in group.members]
    assert len(set(names)) == len(rows)


def test_the_baseline_has_no_ratio_and_a_single_pair_no_interval() -> None:
    """What does not exist is NaN, so that it is neither written nor drawn."""
    row = {**setup_row("int8"), "latency_ratio": 0.5, "latency_ratio_ci95_t_low": None}
    assert ratio_of(row, "latency")[0] == 0.5
    assert ratio_of(row, "latency")[1] != ratio_of(row, "latency")[1]
    own = {**row, "ratio_baseline": row["setup"]}
    assert ratio_of(own, "latency")[0] != 0.5
