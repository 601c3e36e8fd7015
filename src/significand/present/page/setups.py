"""What the report shows of each setup and metric: name and looks, units, and every mean with its interval."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from significand.answers.folder import Folder
from significand.plan.metrics import Metric
from significand.present.grid_styles import looks_of
from significand.present.rows import SummaryRow, energy_estimated, metrics_in, number, repeats, setup_name, visible
from significand.present.styles import Style, mode_styles, setup_labels
from significand.present.varying import grid_of
from significand.present.words.numbers import unit_per, with_half_width, with_unit
from significand.results.table import RunTable


@dataclass(frozen=True)
class ShownMetric:
    """A metric as the report shows it.

    Attributes
    ----------
    kind
        What it is.
    title
        In words.
    size, unit
        The unit's size in the unit of the rows, by which to divide, and its name: ``"µs/sample"``.
    estimated
        Whether some of it was not measured: then it is in no chart and no verdict.
    zone
        What does not matter in it: a share of a cost, or a difference of a score, in the unit of its column.
    """

    kind: Metric
    title: str
    size: float
    unit: str
    estimated: bool = False
    zone: float = 0.0

    @property
    def name(self) -> str:
        """Its short name."""
        return self.kind.name

    @property
    def titled(self) -> str:
        """The title with the unit."""
        return with_unit(self.title, self.unit)

    @property
    def column(self) -> str:
        """Of raw_runs.csv."""
        return self.kind.column


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
class ShownSetup:
    """A precision mode as the report shows it.

    Attributes
    ----------
    index
        Its place among the modes, by which data refer to it.
    mode, precision, name, label
        As it is called in the experiment; its precision mode; as it is shown in full; and shortened, with the format
        that ran where it is another.
    style
        Its colour and marker.
    row
        Of the summary.
    runs
        The finished ones.
    """

    index: int
    mode: str
    precision: str
    name: str
    label: str
    style: Style
    row: SummaryRow
    runs: RunTable


def setups_of(results: Folder) -> list[ShownSetup]:
    """Return every mode of an experiment, in its order."""
    modes = [setup_name(row) for row in results.rows]
    labels = setup_labels(results.rows, modes)
    grid = grid_of(results.rows)
    by_mode = mode_styles(modes)
    styles = looks_of(grid, results.rows).styles if grid else [by_mode[mode] for mode in modes]
    return [
        ShownSetup(
            index=index,
            mode=mode,
            precision=str(results.rows[index].get("precision_mode")),
            name=visible(mode) or "(no name)",
            label=labels[index],
            style=styles[index],
            row=results.rows[index],
            runs=results.runs.take(results.finished(mode)),
        )
        for index, mode in enumerate(modes)
    ]


def metrics_of(rows: Sequence[SummaryRow], zones: Mapping[str, float] = MappingProxyType({})) -> dict[str, ShownMetric]:
    """Return the metrics of which there is any value, each with a unit that suits its size; `zones` by metric."""
    shown = {}
    for metric in metrics_in(rows).values():
        means = [number(row, f"{metric.name}_mean") for row in rows]
        if not metric.is_headline or not any(map(math.isfinite, means)):
            continue
        size, unit = unit_per(metric, means)
        estimated = metric.may_be_estimated and any(map(energy_estimated, rows))
        told = f"Estimated {metric.noun}" if estimated else metric.title
        shown[metric.name] = ShownMetric(metric, told, size, unit, estimated, zones.get(metric.name, 0.0))
    return shown


def mean_of(row: SummaryRow, metric: ShownMetric) -> Mean:
    """Return a metric's mean over a setup's runs; a single run has no interval."""
    value, low, high = (
        number(row, f"{metric.name}_{end}") / metric.size for end in ("mean", "ci95_t_low", "ci95_t_high")
    )
    if repeats(row) < 2 or not (math.isfinite(low) and math.isfinite(high)):
        low = high = math.nan
    return Mean(value, low, high, with_half_width(value, (high - low) / 2))


def mean_texts(row: SummaryRow, metrics: Mapping[str, ShownMetric]) -> dict[str, str]:
    """Return every mean of a setup with its interval and unit, by metric."""
    texts = {name: mean_of(row, metric).text for name, metric in metrics.items()}
    return {name: text if text == "–" else f"{text} {metrics[name].unit}".rstrip() for name, text in texts.items()}


def chances(results: Folder) -> dict[str, float]:
    """Return each mode's probability of being on the frontier of the experiment's objectives; NaN where unknown."""
    frontier = results.claims.frontier
    known = frontier.p_on_frontier.tolist() if frontier else [math.nan] * len(results.claims.setups)
    return dict(zip(results.claims.setups, known, strict=True))
