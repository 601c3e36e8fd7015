import re

import pytest

from made_up_grids import FULL, full_grid, grid_results
from significand.present.terminal.grid_paper import published
from significand.present.terminal.paper import latex_table, markdown_table, paper_table


@pytest.mark.parametrize("as_latex", [True, False])
def test_precisions_alone_are_written_as_ever(*, as_latex: bool) -> None:
    """Where nothing else varies, it is the table without groups."""
    results = grid_results(engine="onnxruntime", batch_size=8, threads=1)
    table = paper_table(results)
    assert published(results, as_latex=as_latex) == (latex_table(table) if as_latex else markdown_table(table))


def body(text: str) -> list[str]:
    """Return the lines of a LaTeX table's body."""
    return text.partition(r"\midrule")[2].partition(r"\bottomrule")[0].strip().splitlines()


def test_latex_has_a_line_per_setup_and_a_gap_per_group() -> None:
    """48 setups are 48 lines; every line has as many columns as the head."""
    text = published(grid_results(**FULL), as_latex=True)
    lines = body(text)
    setups = [line for line in lines if "&" in line]
    assert len(setups) == 48
    assert len([line for line in lines if "addlinespace" in line]) == 15
    columns = len(re.search(r"\{@\{\}(\w+)@\{\}\}", text)[1])  # type: ignore[index]  # it is there
    assert {line.count("&") + 1 for line in setups} == {columns}
    assert r"\resizebox" in text
    assert text.count("{") == text.count("}")


def test_latex_does_not_repeat_what_stands_above() -> None:
    """The engine stands in the first line of its setups, the threads at the beginning of each group."""
    setups = [line.strip() for line in body(published(full_grid(), as_latex=True)) if "&" in line]
    assert setups[0].startswith("onnxruntime & 1 & 1 & float32 & ")
    assert setups[1].startswith("&  &  & bfloat16 & ")
    assert setups[3].startswith("&  & 2 & float32 & ")
    assert setups[6].startswith("& 8 & 1 & float32 & ")
    assert sum("onnxruntime" in line for line in setups) == 1


def test_the_caption_says_what_is_compared_and_left_out() -> None:
    """And nothing of what has no column."""
    text = published(full_grid(), as_latex=True)
    assert "ratio to float32 with all else equal" in text
    assert "torch does not run int8: 8 setups left out." in text
    assert "energy" not in text


def test_markdown_has_the_axes_in_every_line() -> None:
    """So that a line can be read, and sorted, alone."""
    lines = published(full_grid(), as_latex=False).splitlines()
    assert lines[0].startswith("| Engine | Batch size | Threads | Mode | Trained in | Inferred in | ")
    rows = [line for line in lines[2:] if line.startswith("|")]
    assert len(rows) == 40
    assert rows[4].startswith("| onnxruntime | 1 | 2 | bfloat16 | float32 | bfloat16 | ")
    assert {line.count("|") for line in lines[:2] + rows} == {lines[0].count("|")}
