"""Runs as they are kept: immutable, units in the names, one row of raw_runs.csv each.

Schema versions
---------------
1 : the first.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

SCHEMA_VERSION = 1

NAN = math.nan
FINISHED = "finished"
FAILED = "failed"


def _column(doc: str, unit: str = "", default: Any = NAN) -> Any:  # noqa: ANN401 - a field takes any type
    return field(default=default, metadata={"doc": doc, "unit": unit})


@dataclass(frozen=True, kw_only=True)
class Run:
    """One setup in one repeat: one row of raw_runs.csv, and the unit of every statistic.

    A number that was not measured is NaN. Columns stand in this order.
    """

    seed: int = _column("seed of everything random in the run: base seed + repeat", default=0)
    layer_sizes: str = _column("units per layer, input first, as 64x128x10", default="")
    precision_mode: str = _column("the precision mode asked for", default="")
    batch_size: int = _column("samples per training step and per inference call", default=0)
    epochs: int = _column("training epochs", default=0)
    n_samples: int = _column("samples used, train and test together", default=0)
    train_time_per_epoch_s: float = _column("mean time of a training epoch", "s")
    inference_latency_per_sample_s: float = _column(
        "time of an inference call on one batch, divided by the batch size: median over rounds of each round's mean",
        "s",
    )
    batch_throughput_samples_per_s: float = _column("batch size divided by the time of a call", "1/s")
    peak_memory_mb: float = _column(
        "the run's peak: the larger of the training and the inference peak", "MB (10^6 bytes)"
    )
    cpu_utilization_percent: float = _column("CPU time over wall time in training; 200 is two busy cores", "%")
    final_train_accuracy: float = _column(
        "share of training samples classified rightly by the inference session, in the mode's own precision",
        "1",
    )
    energy_per_epoch_j: float = _column("energy of a training epoch; see energy_kind", "J")

    repeat: int = _column("index of the repeat, from 0", default=0)
    status: str = _column("finished or failed", default=FINISHED)
    reason: str = _column("why the run failed", default="")
    engine: str = _column("what executed the trained network", default="")
    training_precision: str = _column("what training computed in", default="")
    effective_precision: str = _column(
        "what inference really computed in, found in the engine's optimised graph or its tensors", default=""
    )
    relative_output_error: float = _column(
        "norm of the difference between the session's outputs and those of the same weights in float64, divided by "
        "the norm of the latter",
        "1",
    )
    test_accuracy: float = _column("the same as final_train_accuracy, on held-out samples", "1")
    final_train_loss: float = _column("mean loss of the last training epoch", "1")
    training_peak_memory_mb: float = _column(
        "peak resident memory of training above the level before, data not included", "MB (10^6 bytes)"
    )
    conversion_peak_memory_mb: float = _column(
        "peak resident memory of writing the trained network in the engine's format, above the level before training; "
        "a tool's need, not the network's, so no part of peak_memory_mb",
        "MB (10^6 bytes)",
    )
    inference_peak_memory_mb: float = _column(
        "peak resident memory of inference, in a process that never trained, above the level before",
        "MB (10^6 bytes)",
    )
    model_size_mb: float = _column("size of the network on disk, in the engine's format", "MB (10^6 bytes)")
    batch_latency_p50_s: float = _column(
        "median of the time of a call over all counted calls; missing where calls are timed together", "s"
    )
    batch_latency_p95_s: float = _column("95th percentile of the same", "s")
    batch_latency_p99_s: float = _column("99th percentile of the same", "s")
    latency_calls: int = _column("counted calls", default=0)
    calls_per_timing: int = _column(
        "consecutive calls timed together: one, unless calls are too short for the clock", default=0
    )
    energy_kind: str = _column("measured or estimated", default="")
    energy_source: str = _column("the counter, or what the estimate rests on", default="")
    energy_assumptions: str = _column("what an estimate assumed", default="")
    data: str = _column("name or path of the data", default="")
    n_train: int = _column("training samples", default=0)
    n_test: int = _column("held-out samples", default=0)
    activations: str = _column("activation of each layer transition, as relu+softmax", default="")
    optimizer: str = _column("sgd or adam", default="")
    learning_rate: float = _column("step size", "1")
    threads: int = _column("threads of training and engine", default=0)
    ready_s: float = _column("from asking for the run's process to its first sign of life", "s")
    measured_s: float = _column(
        "time the run alone had the machine, with warm-up calls and threads coming to rest", "s"
    )
    timed_s: float = _column("time inside the epochs and calls that the numbers come from", "s")

    @property
    def finished(self) -> bool:
        """Whether the run came to its end with every number."""
        return self.status == FINISHED

    @property
    def name(self) -> str:
        """The run's name among the runs of its experiment, used in file names and messages."""
        return f"r{self.repeat:03d}-{self.precision_mode}"

    def to_row(self) -> dict[str, object]:
        """Return the run as a row: column name to value, in column order."""
        return {column.name: getattr(self, column.name) for column in fields(self)}

    @classmethod
    def from_row(cls, row: Mapping[str, str | None]) -> "Run":
        """Build a run from the texts of one line of raw_runs.csv; an empty number is NaN.

        A column that the table lacks takes its default.

        Raises
        ------
        ValueError
            Where a text is not of its column's type, or the line ends before it.
        """
        values: dict[str, Any] = {}
        for column in fields(cls):
            if column.name not in row:
                continue
            text = row[column.name]
            if text is None:  # what csv.DictReader gives for the cells of a line that was cut off
                raise ValueError(f"the line ends before the column {column.name}; remove the line")
            if column.type is float:
                values[column.name] = float(text) if text else NAN
            elif column.type is int:
                values[column.name] = int(text or 0)
            else:
                values[column.name] = text
        return cls(**values)


@dataclass(frozen=True)
class MetricSummary:
    """Mean, sample standard deviation and half-width of the 95 % interval of one metric over a setup's runs."""

    mean: float
    std: float
    ci95: float


@dataclass(frozen=True)
class Summary:
    """What the finished runs of one setup say together: one row of summary_stats.

    Attributes
    ----------
    repeats
        Finished runs behind the numbers.
    metrics
        By the metric's short name, the specified five first.
    facts
        What is not a mean: engine, effective precision, energy kind, failed runs, ...
    """

    precision_mode: str
    repeats: int
    metrics: Mapping[str, MetricSummary]
    facts: Mapping[str, object]

    def to_row(self) -> dict[str, object]:
        """Return the summary as one flat row, the specified keys first and in their order."""
        row: dict[str, object] = {"precision_mode": self.precision_mode, "repeats": self.repeats}
        for name, metric in self.metrics.items():
            row |= {f"{name}_mean": metric.mean, f"{name}_std": metric.std, f"{name}_ci95": metric.ci95}
        return row | dict(self.facts)


@dataclass(frozen=True)
class Progress:
    """How far an experiment is: blocks and runs ended, and the share of all steps that are done."""

    block: int
    blocks: int
    ended: int
    runs: int
    share: float
