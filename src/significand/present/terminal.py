"""What a terminal shows: progress, the summary table, the table of modes. The command line prints it."""

import math
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from significand.plan.precision import MODES
from significand.present.numbers import METRICS, choose_unit, number, with_half_width
from significand.results import records

if TYPE_CHECKING:
    from significand.doctor import ModeSupport  # which imports torch

SummaryRow = Mapping[str, object]

REFRESH_S = 0.25
"""The bar is drawn at most this often, and only between measured steps."""

COLUMNS = ("train_time", "latency", "memory", "accuracy", "energy")


class ProgressDisplay:
    """A progress bar while it is used as a context: block, runs, time left. Without a terminal, a line per block.

    Nothing is drawn but in `update`, which the conductor calls while nothing is measured.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started_s = math.nan
        self._drawn_s = -math.inf
        self._block = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            auto_refresh=False,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=1.0, left="")

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
            self._bar.refresh()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def update(self, progress: records.Progress) -> None:
        """Show how far the experiment is."""
        now = time.monotonic()
        if math.isnan(self._started_s):
            self._started_s = now
        elapsed = now - self._started_s
        left = f"{elapsed * (1 - progress.share) / progress.share:.0f} s left" if progress.share > 0 else ""
        text = f"block {progress.block} of {progress.blocks}, {progress.ended} of {progress.runs} runs ended"
        if not self._console.is_terminal:
            if progress.block != self._block:
                self._console.print(", ".join(filter(None, [text, left])))
                self._block = progress.block
        elif now - self._drawn_s >= REFRESH_S:
            self._bar.update(self._task, description=text, completed=progress.share, left=left)
            self._bar.refresh()
            self._drawn_s = now


def summary_view(rows: Sequence[SummaryRow]) -> RenderableType:
    """Return the summary as a table: per mode the mean and half-width of each metric, and below it the ratio.

    Parameters
    ----------
    rows
        Summary rows as `run_repeated_benchmarks` returns them.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("mode", no_wrap=True)
    scales = {}
    for metric in COLUMNS:
        size, unit = choose_unit(metric, [m for row in rows if math.isfinite(m := number(row, f"{metric}_mean"))])
        scales[metric] = size
        table.add_column(_heading(metric, unit, rows), justify="right")
    for row in rows:
        cells = []
        for metric, size in scales.items():
            value = with_half_width(number(row, f"{metric}_mean") / size, number(row, f"{metric}_ci95") / size)
            cells.append(f"{value}\n{_below(row, metric)}")
        table.add_row(_mode_cell(row), *cells)
    return Group(
        table,
        *(Text(line, style="dim") for line in _footnotes(rows)),
        *(Text(line) for line in findings(rows)),
    )


def findings(rows: Sequence[SummaryRow]) -> list[str]:
    """Return what a reader must not miss, a sentence each: formats that were not what was asked for, failed runs."""
    sentences = []
    for row in rows:
        mode, effective = str(row["precision_mode"]), str(row.get("effective_precision") or "")
        if _substituted(row):
            sentences.append(f"{mode} ran as {effective} on {row.get('engine')}.")
        failed = int(number(row, "failed_runs")) if math.isfinite(number(row, "failed_runs")) else 0
        if failed:
            sentences.append(
                f"{mode}: {failed} of {failed + int(number(row, 'repeats'))} runs failed and are in no number."
            )
    return sentences


def modes_view(support: Sequence["ModeSupport"]) -> RenderableType:
    """Return the table of which engine runs which mode on this machine."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("engine", "mode", "runs", "error", "why"):
        table.add_column(heading, no_wrap=heading != "why", justify="right" if heading == "error" else "left")
    styles = {"native": "green", "other": "yellow", "no": "dim"}
    for one in support:
        runs = f"as {one.effective_precision}" if one.how == "other" else one.how
        error = f"{one.relative_output_error:.0e}" if math.isfinite(one.relative_output_error) else "–"
        table.add_row(one.engine, one.precision_mode, Text(runs, style=styles[one.how]), error, one.why)
    return Group(
        table,
        Text("error: of the outputs, relative to the same weights in float64, on a small network", style="dim"),
    )


def _substituted(row: SummaryRow) -> bool:
    mode, effective = str(row["precision_mode"]), row.get("effective_precision")
    return bool(effective) and mode in MODES and effective != MODES[mode].infers_in


def _heading(metric: str, unit: str, rows: Sequence[SummaryRow]) -> str:
    per = f"/{METRICS[metric].per}" if METRICS[metric].per else ""
    return {
        "train_time": f"training\n{unit}{per}",
        "latency": f"latency\n{unit}{per}",
        "memory": f"peak memory\n{unit}",
        "accuracy": f"accuracy {unit}\ntrain, test",
        "energy": f"{'est. ' if _energy_estimated(rows) else ''}energy\n{unit}{per}",
    }[metric]


def _energy_estimated(rows: Sequence[SummaryRow]) -> bool:
    return any(row.get("energy_kind") == "estimated" for row in rows)


def _mode_cell(row: SummaryRow) -> Text:
    cell = Text(str(row["precision_mode"]))
    effective = row.get("effective_precision")
    if effective:
        cell.append(f"\nas {effective}", style="yellow" if _substituted(row) else "dim")
    return cell


def _below(row: SummaryRow, metric: str) -> str:
    """Return what stands below a mean: the ratio to the baseline; for accuracy, that on held-out data."""
    if metric == "accuracy":
        mean, half_width = number(row, "test_accuracy_mean"), number(row, "test_accuracy_ci95")
        return with_half_width(100 * mean, 100 * half_width) if math.isfinite(mean) else ""
    ratio = number(row, f"{metric}_ratio")
    if not math.isfinite(ratio) or row.get("ratio_baseline") == row["precision_mode"]:
        return ""
    half_width = (number(row, f"{metric}_ratio_ci95_t_high") - number(row, f"{metric}_ratio_ci95_t_low")) / 2
    return f"×{with_half_width(ratio, half_width)}"


def _footnotes(rows: Sequence[SummaryRow]) -> list[str]:
    counts = sorted({int(number(row, "repeats")) for row in rows})
    runs = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    lines = [f"±: 95 % interval of the mean over {runs} runs, 1.96 standard errors"]
    if counts[-1] < 2:
        lines = ["no ±: one run has no interval"]
    if len(rows) > 1:
        lines.append(f"×: ratio to {rows[0].get('ratio_baseline')}, paired by repeat, ± half its 95 % t interval")
    if _energy_estimated(rows):
        lines.append("est. energy: CPU time restated in joules, not a measurement")
    return lines
