"""What a terminal and a pull request show of two result folders against each other, and of a folder's history."""

import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from significand.analysis.comparison import Comparison
from significand.plan.metrics import METRICS, SCORES, Metric
from significand.plan.phrases import merged
from significand.present.rows import visible
from significand.present.words.control import control_told
from significand.present.words.factors import above_one, written
from significand.present.words.network import MADE_UP
from significand.present.words.numbers import choose_unit, with_bounds, with_half_width
from significand.present.words.sentences import is_hopeless, margin_words, sentence, why_hopeless, with_points

if TYPE_CHECKING:
    from significand.answers.compare import FolderComparison
    from significand.answers.folder import Folder
    from significand.answers.history import Change, History, MetricHistory

STYLES = {"better": "green", "worse": "bold red", "equivalent": "green", "not tested": "dim"}

MODES_BESIDE = 3
"""Modes that a history of 80 columns shows beside each other."""

WIDEST_COLUMN = 17
"""Of a history: a mean with its interval on one line; longer names of modes are folded."""

HISTORY_FOOTNOTES = (
    "runs: finished runs behind each mean, of each mode where they differ",
    "±: 95 % t interval of the mean over an experiment's runs, of those minutes alone; times in UTC",
)

DRIFT = "The two were measured at different times: what changed on the machine in between counts as a difference, too."
NO_MARGIN = " Give a margin above it."
SEEN_ONCE = (
    " How much sessions scatter is not known here; intervals of times allow for what training that is the same in both "
    "shows of it. Three other sessions would tell more."
)
UNKNOWN_SESSIONS = " How much sessions scatter is not known here, and not in the intervals: three others would tell."

_MARKDOWN = re.compile(r"[\\`*_{}\[\]<>&|#~!@$]")


def compare_view(result: "FolderComparison") -> RenderableType:
    """Return the comparison as tables, one per mode, with what must be known to read them."""
    return Group(
        *(Text(line) for line in _heading(result)),
        *(
            part
            for mode in result.modes()
            for part in (Text(), Text(visible(mode), style="bold"), _table(result, mode))
        ),
        Text(),
        *(Text(line, style="dim") for line in _footnotes(result)),
        *(Text(visible(line), style="yellow") for line in (*_findings(result), *_untested(result))),
    )


def compare_markdown(result: "FolderComparison") -> str:
    """Return the comparison as Markdown for a pull request: a table, a sentence per mode, the notes."""
    lines = [markdown(line) + "  " for line in _heading(result)]
    lines += [
        "",
        "| mode | metric | NEW against OLD | verdict | OLD | NEW |",
        "| --- | --- | ---: | --- | ---: | ---: |",
    ]
    for one in result.comparisons:
        old, new = _means(result, one)
        verdict = f"**{one.verdict}**" if one.verdict == "worse" else one.verdict
        cells = (markdown(one.setup), one.measured.noun, " ".join(_change(one)), verdict, old, new)
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *(f"- {sentence(markdown(mode), result.of_mode(mode))}." for mode in result.modes())]
    lines += [f"- {markdown(line)}" for line in _findings(result)]
    lines += ["", *(f"{markdown(line)}  " for line in _footnotes(result))]
    return "\n".join(lines)


def gate_lines(result: "FolderComparison", failing: Sequence[Comparison]) -> list[str]:
    """Return a line for everything that made a gate fail; what has no verdict is only called changed."""
    return failing_lines(failing) + [
        visible(f"worse: {', '.join(result.lost)}: all runs failed in NEW, not in OLD") for _ in result.lost[:1]
    ]


def failing_lines(failing: Sequence[Comparison]) -> list[str]:
    """Return a line for every comparison that made a gate fail."""
    return [visible(f"{_sense(one)}: {sentence(one.setup, [one])}") for one in failing]


def history_view(history: "History") -> RenderableType:
    """Return a history as tables, a line per result.

    ``*`` marks the first result on a new level, ``!`` an experiment that did not come to its end.
    """
    metrics = dict.fromkeys(one.metric for one in history.series)
    parts: list[RenderableType] = [Text(f"History of {visible(history.folder)}")]
    for metric in metrics:
        series = [one for one in history.series if one.metric == metric]
        for first in range(0, len(series), MODES_BESIDE):
            parts += [Text(), *_history_table(history, series[first : first + MODES_BESIDE])]
        changes = merged((visible(one.precision_mode), line) for one in series for line in _changes(history, one))
        parts += [Text(f"* {modes}: {line}", style="yellow") for modes, line in changes]
        parts += [Text(line, style="dim") for line in _missing_changes(series)]
    flagged = [MADE_UP] if history.results[-1].made_up else []
    parts += [Text(), *(Text(line, style="dim") for line in (*flagged, *HISTORY_FOOTNOTES))]
    unfinished = [one for one in history.results if not one.complete]
    parts += [Text(f"! {_second(one.started_utc)}: {_state(one)}", style="yellow") for one in unfinished]
    left_out = merged((visible(one.folder), visible(one.reason)) for one in history.skipped)
    parts += [Text(f"left out: {folders}: {reason}", style="dim") for folders, reason in left_out]
    return Group(*parts)


def markdown(text: object) -> str:
    """Return text that Markdown shows as it is: what could be markup stands as a character reference."""
    return _MARKDOWN.sub(lambda found: f"&#{ord(found[0])};", visible(text))


def _heading(result: "FolderComparison") -> list[str]:
    return [
        f"{label}: {visible(side.path)}" + (f", started {visible(side.started_utc)}" if side.started_utc else "")
        for label, side in (("OLD", result.old), ("NEW", result.new))
    ]


def _sense(comparison: Comparison) -> str:
    return "changed" if comparison.verdict == "not tested" else comparison.verdict


def _table(result: "FolderComparison", mode: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for heading in ("metric", "NEW against OLD", "verdict", "OLD", "NEW"):
        table.add_column(heading, justify="right" if heading.isupper() or " " in heading else "left", overflow="fold")
    for one in result.of_mode(mode):
        verdict = Text(one.verdict, style=STYLES.get(one.verdict, ""))
        if one.verdict == "no difference shown" and one.reason:
            verdict.append(f"\n{one.reason}", style="dim")
        elif one.verdict == "no difference shown" and math.isfinite(one.smallest_detectable):
            verdict.append(f"\n{_detectable(one)}", style="dim")
        table.add_row(one.measured.noun, Text("\n".join(_change(one))), verdict, *map(Text, _means(result, one)))
    return table


def _means(result: "FolderComparison", comparison: Comparison) -> list[str]:
    means = result.means[comparison.setup, comparison.metric]
    size, unit = choose_unit(comparison.measured, means)
    return [f"{mean / size:.4g} {unit}".rstrip() if math.isfinite(mean) else "–" for mean in means]


def _change(comparison: Comparison) -> list[str]:
    """Write the ratio, or the points, and the interval of this comparison alone where it has one."""
    point, low, high = comparison.estimate.point, comparison.estimate.low, comparison.estimate.high
    if math.isnan(point):
        return ["–"]
    known = math.isfinite(low) and math.isfinite(high) and low != high
    if comparison.scale == "points":
        return [f"{point:+.2f} points", *([f"[{low:+.2f}, {high:+.2f}]"] if known else [])]
    if comparison.scale == "difference":
        told, interval = written(point, low, high, 0)
        return [f"{'+' if point > 0 else ''}{told}", *([interval.strip()] if known else [])]
    if not known:
        return [f"×{point:.4g}"]
    shown, interval = with_bounds(point, low, high)
    return [f"×{shown}", f"[{interval}]"]


def _detectable(comparison: Comparison) -> str:
    if is_hopeless(comparison):
        return why_hopeless(comparison)
    size = comparison.smallest_detectable
    return f"detectable: {f'×{size:.3g}' if comparison.scale == 'ratio' else with_points(f'{size:.2g}', comparison)}"


def _findings(result: "FolderComparison") -> list[str]:
    """Return what a reader must not miss, a sentence each."""
    lines = [f"Allowed to differ: {line}." for line in result.admitted]
    lines += [f"All runs of {' and '.join(result.lost)} failed in NEW, not in OLD."] if result.lost else []
    lines += [control_told(result.control)] if result.control else []
    return [*lines, *result.notes]


def _untested(result: "FolderComparison") -> list[str]:
    """Return why there is no verdict, where there is none: the sentences of a pull request say it themselves."""
    untested = [one for one in result.comparisons if one.verdict == "not tested"]
    by_metric = merged((one.setup, (one.measured.noun, one.reason)) for one in untested)
    by_modes = merged((metric, (modes, reason)) for modes, (metric, reason) in by_metric)
    return [f"{modes}: {metrics} not tested: {reason}." for metrics, (modes, reason) in by_modes]


def _footnotes(result: "FolderComparison") -> list[str]:
    if not result.comparisons:
        return []
    first = result.comparisons[0]
    how = "paired by seed" if first.paired else "not paired (Welch)"
    intervals = (
        f"Ratios of costs and differences in {_score(first)}, {how}, each with its {100 * first.level:.3g} % t interval"
    )
    holm = f"; verdicts by Holm's method over {first.family} tests" if first.family else "; nothing was tested"
    margins = {
        "costs" if one.scale == "ratio" else _score(one): margin_words(one) for one in result.comparisons if one.margin
    }
    given = f" Margin: {', '.join(f'{what} {size}' for what, size in margins.items())}." if margins else ""
    return [f"{intervals}{holm}.{given}", f"{DRIFT}{'' if margins else NO_MARGIN}{_of_sessions(result)}"]


def _of_sessions(result: "FolderComparison") -> str:
    """Say how much the very same scatters from session to session, which the intervals of costs then allow for."""
    if not result.spread:
        return SEEN_ONCE if result.control and result.control.is_of_sessions else UNKNOWN_SESSIONS
    told = ", ".join(f"{METRICS[name].noun} {100 * share:.2g} %" for name, share in result.spread.items())
    mixed = ", whose revisions differ, so that changes count as scatter," if result.of_revisions else ""
    return f" Intervals allow for how {result.sessions} other sessions of the same{mixed} scatter: {told}."


def _score(comparison: Comparison) -> str:
    return SCORES[comparison.score].noun


def _history_table(history: "History", series: Sequence["MetricHistory"]) -> Iterator[RenderableType]:
    metric = history.metrics[series[0].metric]
    size, unit = choose_unit(metric, [estimate.point for one in series for estimate in one.estimates])
    yield Text(f"{metric.noun}{f', {unit}' if unit else ''}", style="bold")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("started", no_wrap=True)
    table.add_column("runs", justify="right")
    for one in series:
        table.add_column(Text(visible(one.precision_mode)), justify="right", max_width=WIDEST_COLUMN, overflow="fold")
    for index, results in enumerate(history.results):
        cells = []
        for one in series:
            estimate = one.estimates[index]
            cell = with_half_width(estimate.point / size, (estimate.high - estimate.low) / 2 / size)
            cells.append(Text(("*" if any(change.index == index for change in one.changes) else "") + cell))
        runs = [str(one.estimates[index].n) for one in series]
        mark = "" if results.complete else "!"
        table.add_row(
            Text(_second(results.started_utc) + mark),
            Text(runs[0] if len(set(runs)) == 1 else "/".join(runs)),
            *cells,
        )
    yield table


def _changes(history: "History", series: "MetricHistory") -> Iterator[str]:
    for change in series.changes:
        when = _second(history.results[change.index].started_utc)
        yield f"{_size(history.metrics[series.metric], change)} from {when} on: {change.verdict}"


def _size(metric: Metric, change: "Change") -> str:
    if metric.scale != "ratio":
        size = f"{abs(change.size):.2f} points" if metric.scale == "points" else f"{abs(change.size):.3g}"
        return f"{size} {'higher' if change.size > 0 else 'lower'}"
    word, factor, *_ = above_one(change.size)
    return f"{factor:.3g}x {word}"


def _missing_changes(series: Sequence["MetricHistory"]) -> Iterator[str]:
    """Say why changes were not looked for, once where it is the same for all; or that none was found."""
    notes = {one.note for one in series}
    if notes == {""}:
        yield from [] if any(one.changes for one in series) else ["no change of level was found"]
    elif len(notes) == 1:
        yield from (f"no change points: {note}" for note in notes if note)
    else:
        noted = merged((visible(one.precision_mode), one.note) for one in series if one.note)
        yield from (f"no change points of {modes}: {note}" for modes, note in noted)


def _state(results: "Folder") -> str:
    return f"{visible(results.state) or 'of unknown state'}; only its finished runs are shown"


def _second(time: str) -> str:
    return visible(time)[:19].replace("T", " ")
