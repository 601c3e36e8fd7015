"""What the report shows of each setup and metric: name and looks, units, and every mean with its interval."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from significand.analysis.summary import FURTHER_METRICS, SPECIFIED_METRICS
from significand.evidence import Evidence
from significand.present.compare_view import UNITS_OF
from significand.present.numbers import METRICS, choose_unit, with_half_width
from significand.present.rows import SummaryRow, energy_estimated, number, repeats, visible
from significand.present.styles import Style, mode_styles, setup_labels
from significand.results.records import Run

TITLES = {
    "latency": "Latency",
    "train_time": "Training time",
    "memory": "Peak memory",
    "model_size": "Model size",
    "accuracy": "Training accuracy",
    "test_accuracy": "Test accuracy",
    "energy": "Energy",
}
"""The metrics of the report, in the order of its table."""

COSTS = ("latency", "memory", "model_size", "train_time", "energy")
ACCURACIES = ("accuracy", "test_accuracy")


@dataclass(frozen=True)
class Metric:
    """A metric as the report shows it.

    Attributes
    ----------
    name, title
        Its short name, and in words.
    column
        Of raw_runs.csv.
    size, unit
        The unit's size in the unit of the rows, by which to divide, and its name: ``"µs/sample"``.
    estimated
        Whether some of it was not measured: then it is in no chart and no verdict.
    """

    name: str
    title: str
    column: str
    size: float
    unit: str
    estimated: bool = False


@dataclass(frozen=True)
class Mean:
    """A mean in the unit it is shown in, with the bounds of its 95 % t interval (NaN: none), and both as a text."""

    value: float
    low: float
    high: float
    text: str

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The interval, where there is one."""
        return (self.low, self.high) if math.isfinite(self.low) and math.isfinite(self.high) else None


@dataclass(frozen=True)
class Setup:
    """A precision mode as the report shows it.

    Attributes
    ----------
    index
        Its place among the modes, by which data refer to it.
    mode, name, label
        As it was asked for; as it is shown in full; and shortened, with the format that ran where it is another.
    style
        Its colour and marker.
    row
        Of the summary.
    runs
        The finished ones.
    """

    index: int
    mode: str
    name: str
    label: str
    style: Style
    row: SummaryRow
    runs: Sequence[Run]


def setups_of(evidence: Evidence) -> list[Setup]:
    """Return every mode of an experiment, in its order."""
    modes = [str(row["precision_mode"]) for row in evidence.rows]
    labels = setup_labels(evidence.rows, modes)
    styles = mode_styles(modes)
    return [
        Setup(
            index=index,
            mode=mode,
            name=visible(mode) or "(no name)",
            label=labels[index],
            style=styles[mode],
            row=evidence.rows[index],
            runs=[run for run in evidence.runs if run.precision_mode == mode and run.finished],
        )
        for index, mode in enumerate(modes)
    ]


def metrics_of(rows: Sequence[SummaryRow]) -> dict[str, Metric]:
    """Return the metrics of which there is any value, each with a unit that suits its size."""
    columns = SPECIFIED_METRICS | FURTHER_METRICS
    shown = {}
    for name, title in TITLES.items():
        means = [number(row, f"{name}_mean") for row in rows]
        if not any(map(math.isfinite, means)):
            continue
        kind = UNITS_OF.get(name, name)
        size, unit = choose_unit(kind, means)
        per = f"/{METRICS[kind].per}" if METRICS[kind].per else ""
        estimated = name == "energy" and any(map(energy_estimated, rows))
        told = f"Estimated {title.lower()}" if estimated else title
        shown[name] = Metric(name, told, columns[name], size, f"{unit}{per}", estimated)
    return shown


def mean_of(row: SummaryRow, metric: Metric) -> Mean:
    """Return a metric's mean over a setup's runs; a single run has no interval."""
    value, low, high = (
        number(row, f"{metric.name}_{end}") / metric.size for end in ("mean", "ci95_t_low", "ci95_t_high")
    )
    if repeats(row) < 2 or not (math.isfinite(low) and math.isfinite(high)):
        low = high = math.nan
    return Mean(value, low, high, with_half_width(value, (high - low) / 2))


def mean_texts(row: SummaryRow, metrics: Mapping[str, Metric]) -> dict[str, str]:
    """Return every mean of a setup with its interval and unit, by metric."""
    texts = {name: mean_of(row, metric).text for name, metric in metrics.items()}
    return {name: text if text == "–" else f"{text} {metrics[name].unit}" for name, text in texts.items()}


def chance(row_chance: float) -> str:
    """Write the probability of being on the frontier; empty where it is not known."""
    if not math.isfinite(row_chance):
        return ""
    return "> 0.99" if row_chance > 0.99 else "< 0.01" if row_chance < 0.01 else f"{row_chance:.2f}"


def chances(evidence: Evidence) -> dict[str, float]:
    """Return each mode's probability of being on the frontier of the experiment's objectives; NaN where unknown."""
    frontier = evidence.claims.frontier
    known = frontier.p_on_frontier.tolist() if frontier else [math.nan] * len(evidence.claims.modes)
    return dict(zip(evidence.claims.modes, known, strict=True))
