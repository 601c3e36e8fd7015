from collections.abc import Sequence

from made_up_grids import full_grid
from significand.present.rows import SummaryRow
from significand.present.varying import Grid, grid_of
from significand.present.words.findings import grid_findings, who


def changed(**values: object) -> tuple[Grid, list[SummaryRow]]:
    """Return the made-up grid, with values in the rows of bfloat16 on onnxruntime."""
    rows: list[SummaryRow] = [
        {**row, **values} if row["precision_mode"] == "bfloat16" and row["engine"] == "onnxruntime" else dict(row)
        for row in full_grid().rows
    ]
    return known(rows), rows


def known(rows: Sequence[SummaryRow]) -> Grid:
    """Return rows that are a grid as one."""
    grid = grid_of(rows)
    assert grid is not None
    return grid


def test_setups_are_called_by_what_they_have_in_common() -> None:
    """Alone where that fits no other, with their number where it does."""
    grid = known(full_grid().rows)
    of = {name: grid.matching({"precision": name}) for name in ("float32", "bfloat16", "int8")}
    assert who(grid, range(len(grid.places))) == "all setups"
    assert who(grid, of["int8"]) == "int8 on onnxruntime"
    assert who(grid, of["int8"][:3]) == "int8 on onnxruntime (3 of 8 setups)"
    assert who(grid, of["bfloat16"]) == "bfloat16"
    assert who(grid, grid.matching({"engine": "torch", "threads": "2"})) == "all setups on torch with 2 threads"
    assert who(grid, grid.matching({"engine": "torch"})[1:]) == "15 of 16 setups on torch"
    assert who(grid, [0, len(grid.places) - 1]) == "2 of 40 setups"
    assert who(grid, [0]) == "float32 on onnxruntime at batch 1 with 1 thread"


def test_a_format_that_was_not_asked_for_is_told_once() -> None:
    """For all eight setups, with its reason."""
    grid, rows = changed(effective_precision="float32", precision_note="no kernel")
    assert grid_findings(grid, rows) == ["bfloat16 on onnxruntime ran as float32: no kernel."]


def test_different_reasons_are_told_apart() -> None:
    """Setups that share a format and not the reason for it are two findings."""
    grid, rows = changed(effective_precision="float32", precision_note="no kernel")
    rows[1] = {**rows[1], "precision_note": "too old"}
    assert len(grid_findings(grid, rows)) == 2


def test_counts_are_summed_over_setups() -> None:
    """Failed, disturbed, unknown and unsteady runs, each in one line."""
    grid, rows = changed(
        failed_runs=2, steps=100, disturbed_steps=3, unknown_steps=4, unsteady_runs=1, steady_reason="slope | jump"
    )
    assert grid_findings(grid, rows) == [
        "bfloat16 on onnxruntime: 16 of 56 runs failed and are in no number.",
        (
            "bfloat16 on onnxruntime: others disturbed 24 of 800 measured steps; they are in the numbers, and marked "
            "in steps.csv."
        ),
        (
            "bfloat16 on onnxruntime: nobody can tell whether others disturbed 32 of 800 measured steps; see "
            "`significand doctor`."
        ),
        "bfloat16 on onnxruntime: 8 of 40 runs had no steady latency: slope, ...",
    ]


def test_a_quiet_grid_has_no_findings() -> None:
    """And odd errors are findings, also where the precision is the same everywhere."""
    grid, rows = changed()
    assert grid_findings(grid, rows) == []
    same = [row for row in rows if row["precision_mode"] == "float32"]
    odd = [{**row, "rounding_flag": "too exact"} for row in same]
    assert grid_findings(known(odd), odd) == ["float32, all setups: too exact."]


def test_runs_that_say_the_same_of_other_numbers_say_it_once() -> None:
    """Five runs whose outputs differ by 1.46 to 1.58 % are one finding."""
    rows = changed()[1]
    flag = "outputs differ by 1.58 % | outputs differ by 1.4e-3 % | too exact"
    odd = [{**row, "rounding_flag": flag} for row in rows if row["precision_mode"] == "float32"]
    told = "float32, all setups: outputs differ by 1.58 % | too exact; other runs much alike."
    assert grid_findings(known(odd), odd) == [told]
