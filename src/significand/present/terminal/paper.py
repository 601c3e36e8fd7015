"""The table of a result for a paper or a page: prepared once, written as LaTeX (booktabs) or as Markdown."""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from significand.plan.metrics import SCORES, SPECIFIED_COSTS, Metric
from significand.present.rows import (
    SummaryRow,
    energy_estimated,
    enumerated,
    mapping,
    metrics_in,
    mode_names,
    number,
    repeats,
    visible,
)
from significand.present.rows import (
    formats as computed_in,
)
from significand.present.terminal.compare_view import markdown
from significand.present.terminal.tables import MetricUnit, metric_units
from significand.present.varying import grid_of, ratio_texts
from significand.present.words.environments import environment_lines
from significand.present.words.findings import findings
from significand.present.words.grid import baseline_words, refused_lines
from significand.present.words.numbers import span, with_half_width
from significand.present.words.population import THESE_MINUTES

if TYPE_CHECKING:
    from significand.answers.folder import Folder

FORMATS = ("Mode", "Trained in", "Inferred in")

_LATEX = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "`": r"\textasciigrave{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",  # the sign itself is a command in some languages of babel
    "µ": r"\textmu{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "–": "--",
    "-": "-{}",  # before another one, with which it would become a dash
    "²": r"\textsuperscript{2}",
    "\ufffd": "?",
    " %": r"~\%",  # a number and its sign stay on a line
    **{sign: f"\\{sign}" for sign in "{}$&#%_"},
    **{sign: f"{{{sign}}}" for sign in "[]*"},  # after a line's end they would be taken for its options
}
_TO_ESCAPE = re.compile("|".join(["-(?=-)", *(re.escape(sign) for sign in _LATEX if sign != "-")]))
_EXPONENT = re.compile(r"e([+-]?)0*(\d+)")


@dataclass(frozen=True)
class Entry:
    """One metric of one mode, as texts: the mean with its half-width, the ratio and the ratio's interval, or empty."""

    mean: str
    ratio: str = ""
    interval: str = ""


@dataclass(frozen=True)
class PaperTable:
    """A table to publish, as plain texts that nothing is escaped in yet.

    Attributes
    ----------
    headings
        What each metric's column holds, and its unit.
    rows
        Of each mode: its name, what it trained in and inferred in, empty where that is not known; an entry per metric.
    notes
        Sentences without which the numbers cannot be read, and where they are from.
    metrics
        Their names, in the order of the columns.
    """

    headings: Sequence[tuple[str, str]]
    rows: Sequence[tuple[tuple[str, str, str], Sequence[Entry]]]
    notes: Sequence[str]
    metrics: Sequence[str] = ()


def paper_table(results: "Folder", only: Sequence[str] = ()) -> PaperTable:
    """Prepare the table: means with Student's t intervals, ratios to the baseline, the digits that these support.

    Parameters
    ----------
    only
        Metrics that are shown; by default all of which there is any value.
    """
    rows = results.rows
    columns = {
        metric: (heading, unit)
        for metric, heading, unit in _columns(metric_units(rows), metrics_in(rows))
        if (not only or metric in only) and any(math.isfinite(number(row, f"{metric}_mean")) for row in rows)
    }
    return PaperTable(
        headings=[(heading, unit.name) for heading, unit in columns.values()],
        rows=[
            (_formats(row, name), [_entry(row, metric, unit.size) for metric, (_, unit) in columns.items()])
            for row, name in zip(rows, mode_names(rows), strict=True)
        ],
        notes=[visible(note) for note in _notes(results, columns)],
        metrics=list(columns),
    )


def latex_table(table: PaperTable) -> str:
    """Return a LaTeX table with its caption; below a mode are its formats, below a mean the ratio and its interval."""
    lines = [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"  \caption{{{' '.join(map(latex, table.notes))}}}",
        r"  \label{tab:significand}",
        rf"  \begin{{tabular}}{{@{{}}l{'r' * len(table.headings)}@{{}}}}",
        r"    \toprule",
        *stacked_headings(table.headings),
    ]
    for index, ((mode, trained, inferred), entries) in enumerate(table.rows):
        lines.append(r"    \addlinespace" if index else r"    \midrule")
        lines.append(table_line([latex(mode), *(in_math(entry.mean) for entry in entries)]))
        for used, below in (
            (f"trains {trained}" if trained else "", [entry.ratio for entry in entries]),
            (f"infers {inferred}" if inferred else "", [entry.interval for entry in entries]),
        ):
            texts = [latex(used), *(in_math(text) if text else "" for text in below)]
            if any(texts):
                lines.append(table_line([rf"\scriptsize {text}" if text else "" for text in texts]))
    return "\n".join([*lines, r"    \bottomrule", r"  \end{tabular}", r"\end{table}"])


def stacked_headings(headings: Sequence[tuple[str, str]], before: Sequence[str] = ("Mode",)) -> Iterator[str]:
    """Write each heading's words below each other, the last of them and the unit in line with those beside."""
    numbers = ([*map(latex, heading.split()), latex(f"({unit})") if unit else ""] for heading, unit in headings)
    stacks = [*([one, ""] for one in before), *numbers]
    height = max(map(len, stacks))
    for line in zip(*([""] * (height - len(stack)) + stack for stack in stacks), strict=True):
        yield table_line(line)


def markdown_table(table: PaperTable, axes: Sequence[str] = (), places: Sequence[Sequence[str]] = ()) -> str:
    """Return a Markdown table and its notes; in brackets are the ratio and the ratio's interval.

    Parameters
    ----------
    axes, places
        Headings of columns before the others, and what stands there in each row.
    """
    headings = [*axes, *FORMATS, *(markdown(", ".join(filter(None, heading))) for heading in table.headings)]
    lines = [headings, ["---"] * (len(axes) + len(FORMATS)) + ["---:"] * len(table.headings)]
    for place, (formats, entries) in zip(places or [()] * len(table.rows), table.rows, strict=True):
        numbers = []
        for entry in entries:
            ratio = ", ".join(filter(None, [entry.ratio, entry.interval]))
            numbers.append(f"{entry.mean} ({ratio})" if ratio else entry.mean)
        lines.append([*(markdown(text) or "–" for text in (*place, *formats)), *numbers])
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", *(f"- {markdown(n)}" for n in table.notes)])


def latex(text: object) -> str:
    """Return text that LaTeX sets as it is: neither commands nor ligatures, and no option of what stands before it."""
    return _TO_ESCAPE.sub(lambda found: _LATEX[found[0]], visible(text))


def in_math(text: str) -> str:
    """Write a number, a number with its half-width, a ratio, or an interval, in math."""
    ends = text.split("–")
    if not all(ends):  # a dash alone: the number is missing
        return latex(text)
    signs = {"±": r" \pm ", "×": r"\times "}
    for sign, command in signs.items():
        ends = [end.replace(sign, command) for end in ends]
    return "--".join(f"${_EXPONENT.sub(_power, end)}$" for end in ends)


def _power(found: re.Match[str]) -> str:
    return rf" \cdot 10^{{{found[1].strip('+')}{found[2]}}}"


def table_line(cells: Sequence[str]) -> str:
    """Write a line of a LaTeX table."""
    return f"    {' & '.join(cells)} \\\\"


def _columns(units: Mapping[str, MetricUnit], metrics: Mapping[str, Metric]) -> Iterator[tuple[str, str, MetricUnit]]:
    """Name the columns: those of the run's table, held-out accuracy beside that of training."""
    for metric, unit in units.items():
        if metric == "accuracy":
            for name in ("accuracy", "test_accuracy"):
                yield name, metrics[name].title, unit
        else:
            yield metric, unit.heading[0].upper() + unit.heading[1:], unit


def _formats(row: SummaryRow, name: str) -> tuple[str, str, str]:
    trained = visible(row.get("training_precision") or "").partition(" ")[0]
    return visible(name), trained, visible(computed_in(row))


def _entry(row: SummaryRow, metric: str, size: float) -> Entry:
    low, high = number(row, f"{metric}_ci95_t_low"), number(row, f"{metric}_ci95_t_high")
    mean = with_half_width(number(row, f"{metric}_mean") / size, (high - low) / 2 / size)
    return Entry(mean, *ratio_texts(row, metric))


def _notes(results: "Folder", shown: Collection[str]) -> Iterator[str]:
    rows = results.rows
    counts = sorted({repeats(row) for row in rows if repeats(row)})
    several = bool(counts) and counts[-1] >= 2
    if several:
        sequential = ", sequential" if results.experiment.until is not None else ""
        interval = f"half-width of the 95 % interval (Student's t{sequential})"
        yield f"Means over {span(counts)} runs; ±: {interval}, of {THESE_MINUTES}."
    elif counts:
        yield "One run each: no interval."
    if any(any(ratio_texts(row, cost.name)) for row in rows for cost in SPECIFIED_COSTS):
        grid = grid_of(rows)
        to = f"{baseline_words(grid)} with all else equal" if grid else rows[0].get("ratio_baseline")
        paired = f"×: ratio to {to}, paired by repeat"
        yield f"{paired}, with its 95 % t interval." if several else f"{paired}."
    if "energy" in shown and any(map(energy_estimated, rows)):
        yield "Est. energy: CPU time restated in joules, not a measurement."
    if results.incomplete:
        yield results.incomplete
    yield from findings(rows)
    if told := SCORES[results.score].meaning:
        yield told
    yield from refused_lines(results.experiment.refused)
    yield from environment_lines(results.manifest)
    yield _origin(results)


def _origin(results: "Folder") -> str:
    """Say what was measured with what, on what; what the manifest does not know is left out."""
    machine = mapping(results.manifest.get("machine"))
    versions = mapping(machine.get("versions"))
    asked = results.experiment
    programs = [f"{name} {versions.get(name) or ''}".strip() for name in ("significand", *asked.engines())]
    network = visible(asked.network_name)
    cpu = f" on {machine['cpu']}" if machine.get("cpu") else ""
    return (
        f"Network {network}, batches of {enumerated(asked.batch_size)}, {enumerated(asked.threads)} threads; measured "
        f"with {enumerated(programs)}{cpu}."
    )
