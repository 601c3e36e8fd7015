"""The table of a grid for a paper or a page: a line per setup, grouped by what varies, in LaTeX or Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from significand.plan.metrics import LATENCY
from significand.present.terminal.compare_view import markdown
from significand.present.terminal.paper import (
    FORMATS,
    Entry,
    PaperTable,
    in_math,
    latex,
    latex_table,
    markdown_table,
    paper_table,
    stacked_headings,
    table_line,
)
from significand.present.varying import Grid, grid_of
from significand.present.words.places import TITLES

if TYPE_CHECKING:
    from significand.answers.folder import Folder

LATEX_METRICS = ("latency", "accuracy", "test_accuracy", "memory")
"""Metrics of which a column fits a page beside the axes; the ratio is that of the first."""


@dataclass(frozen=True)
class GridRow:
    """One setup as texts.

    Attributes
    ----------
    place
        Its values on the axes that vary beside the precision.
    begins
        How many of these are the same as in the line above, from the left; -1 in the first line.
    formats
        Mode, what it trained in and what it inferred in.
    entries
        One per metric.
    """

    place: Sequence[str]
    begins: int
    formats: tuple[str, str, str]
    entries: Sequence[Entry]


@dataclass(frozen=True)
class GridPaper:
    """A table to publish, as plain texts that nothing is escaped in yet.

    Attributes
    ----------
    axes
        Headings of the columns for what varies.
    metrics, headings
        Names of the metrics, and what their columns hold with its unit.
    """

    axes: Sequence[str]
    metrics: Sequence[str]
    headings: Sequence[tuple[str, str]]
    rows: Sequence[GridRow]
    notes: Sequence[str]


def published(results: "Folder", *, as_latex: bool) -> str:
    """Return the table of a result to publish, as LaTeX or as Markdown, whatever varies in it."""
    grid = grid_of(results.rows)
    if grid is None:
        return latex_table(paper_table(results)) if as_latex else markdown_table(paper_table(results))
    if as_latex:
        return grid_latex(grid_paper(grid, paper_table(results, LATEX_METRICS)))
    return grid_markdown(grid_paper(grid, paper_table(results)))


def grid_paper(grid: Grid, table: PaperTable) -> GridPaper:
    """Prepare the table from that of the same setups without groups."""
    axes = grid.further
    rows: list[GridRow] = []
    above: Sequence[str] | None = None
    for k in (k for group in grid.groups() for k in group.members):
        place = [grid.places[k][axis] for axis in axes]
        rows.append(GridRow(place, _shared(place, above), *table.rows[k]))
        above = place
    return GridPaper(
        [TITLES[axis].capitalize() for axis in axes],
        table.metrics,
        table.headings,
        rows,
        table.notes,
    )


def _shared(place: Sequence[str], above: Sequence[str] | None) -> int:
    if above is None:
        return -1
    return next((k for k, (one, other) in enumerate(zip(place, above, strict=True)) if one != other), len(place))


def grid_markdown(table: GridPaper) -> str:
    """Return a Markdown table and its notes; in brackets are the ratio and the ratio's interval."""
    headings = [*table.axes, *FORMATS, *(markdown(f"{heading}, {unit}") for heading, unit in table.headings)]
    lines = [headings, ["---"] * (len(table.axes) + len(FORMATS)) + ["---:"] * len(table.headings)]
    for row in table.rows:
        numbers = [_with_ratio(entry) for entry in row.entries]
        lines.append([*(markdown(text) or "–" for text in (*row.place, *row.formats)), *numbers])
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", *(f"- {markdown(n)}" for n in table.notes)])


def _with_ratio(entry: Entry) -> str:
    ratio = ", ".join(filter(None, [entry.ratio, entry.interval]))
    return f"{entry.mean} ({ratio})" if ratio else entry.mean


def grid_latex(table: GridPaper) -> str:
    """Return a LaTeX table with its caption; a value that is that of the line above is not repeated.

    It is as wide as the text at most, and its lines are so low that 48 setups fit a page. Of the ratios that of the
    latency is shown; what ran in another format than its mode asks for is named in the caption.
    """
    headings: list[tuple[str, str]] = []
    for name, heading in zip(table.metrics, table.headings, strict=True):
        headings.append(heading)
        if name == LATENCY.name:
            headings.append(("Latency ratio", "95 %"))
    before = [*table.axes, "Mode"]
    lines = [
        r"% \usepackage{booktabs,graphicx}",
        r"\begin{table}",
        r"  \centering\scriptsize\setlength{\tabcolsep}{3pt}",
        rf"  \caption{{{' '.join(map(latex, table.notes))}}}",
        r"  \label{tab:significand}",
        r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"  \begin{{tabular}}{{@{{}}{'l' * len(before)}{'r' * len(headings)}@{{}}}}",
        r"    \toprule",
        *stacked_headings(headings, before),
        r"    \midrule",
    ]
    for row in table.rows:
        if 0 <= row.begins < len(row.place):
            lines.append(r"    \addlinespace[2pt]")
        told = ["" if k < row.begins else value for k, value in enumerate(row.place)]
        numbers = []
        for name, entry in zip(table.metrics, row.entries, strict=True):
            numbers.append(in_math(entry.mean))
            if name == LATENCY.name:
                ratio = [in_math(part) for part in (entry.ratio, entry.interval) if part]
                numbers.append(" ".join(ratio))
        lines.append(table_line([*map(latex, (*told, row.formats[0])), *numbers]))
    return "\n".join([*lines, r"    \bottomrule", r"  \end{tabular}}", r"\end{table}"])
