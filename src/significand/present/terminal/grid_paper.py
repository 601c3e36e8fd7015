"""The table of a grid for a paper or a page: a line per setup, grouped by what varies, in LaTeX or Markdown."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from significand.plan.metrics import LATENCY
from significand.present.terminal.paper import (
    PaperTable,
    in_math,
    latex,
    latex_table,
    markdown_table,
    paper_table,
    stacked_headings,
    table_line,
)
from significand.present.varying import grid_of
from significand.present.words.places import TITLES

if TYPE_CHECKING:
    from significand.answers.folder import Folder

LATEX_METRICS = ("latency", "accuracy", "test_accuracy", "memory")
"""Metrics of which a column fits a page beside the axes; the ratio is that of the first."""


def published(results: "Folder", *, as_latex: bool) -> str:
    """Return the table of a result to publish, as LaTeX or as Markdown, whatever varies in it."""
    grid = grid_of(results.rows)
    if grid is None:
        return latex_table(paper_table(results)) if as_latex else markdown_table(paper_table(results))
    table = paper_table(results, LATEX_METRICS if as_latex else ())
    order = [k for group in grid.groups() for k in group.members]
    grouped = replace(table, rows=[table.rows[k] for k in order])
    axes = [TITLES[axis].capitalize() for axis in grid.further]
    places = [[grid.places[k][axis] for axis in grid.further] for k in order]
    return _grid_latex(grouped, axes, places) if as_latex else markdown_table(grouped, axes, places)


def _grid_latex(table: PaperTable, axes: Sequence[str], places: Sequence[Sequence[str]]) -> str:
    """Return a LaTeX table with its caption; a value that is that of the line above is not repeated.

    It is as wide as the text at most, and its lines are so low that 48 setups fit a page. Of the ratios that of the
    latency is shown; what ran in another format than its mode asks for is named in the caption.
    """
    headings: list[tuple[str, str]] = []
    for name, heading in zip(table.metrics, table.headings, strict=True):
        headings.append(heading)
        if name == LATENCY.name:
            headings.append(("Latency ratio", "95 %"))
    before = [*axes, "Mode"]
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
    above: Sequence[str] = ()
    for place, (formats, entries) in zip(places, table.rows, strict=True):
        same = next((k for k, (one, other) in enumerate(zip(place, above, strict=False)) if one != other), len(above))
        if above and same < len(place):
            lines.append(r"    \addlinespace[2pt]")
        told = [*[""] * same, *place[same:]]
        above = place
        numbers = []
        for name, entry in zip(table.metrics, entries, strict=True):
            numbers.append(in_math(entry.mean))
            if name == LATENCY.name:
                ratio = [in_math(part) for part in (entry.ratio, entry.interval) if part]
                numbers.append(" ".join(ratio))
        lines.append(table_line([*map(latex, (*told, formats[0])), *numbers]))
    return "\n".join([*lines, r"    \bottomrule", r"  \end{tabular}}", r"\end{table}"])
