"""Runs as they are kept: immutable, units in the names, one row of raw_runs.csv each.

Schema versions
---------------
1 : the first.
2 : noise, steady state, rounding check, memory method, energy window and domains; steps.csv, journal.jsonl.
3 : round_latencies_s, by which the latencies of a repeat are compared turn by turn.
4 : setup and device; label became variant. An experiment's engine, batch_size and threads are lists: axes.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from significand.plan.precision import MODES
from significand.plan.setup import Setup, name_of

SCHEMA_VERSION = 4

METHOD = {
    "latency": "median of calls",
    "memory": "in a process of its own, large blocks returned when freed",
    "placement": "a core per thread, the same for every setup in a turn",
}
"""How runs are measured, where that changes their numbers. manifest.json says it, and numbers of two methods are
neither compared nor mixed. Who changes a method changes its words here, and says in `FIRST_METHOD` what a new kind of
method was before."""

FIRST_METHOD = {
    "latency": "median over rounds of means",
    "memory": "in the processes that are timed",
    "placement": "left to the scheduler",
}
"""What was done while the manifest did not say it."""

NAN = math.nan
FINISHED = "finished"
FAILED = "failed"
LARGEST_WHOLE = 2**40
"""Of a count or a seed; sums of millions of them fit a table's 64 bits."""

TRUTH_VALUES = {"true": True, "false": False, "": None}


class TableError(ValueError):
    """A raw_runs.csv that cannot be read; the text says where, and what stands there."""


def column(doc: str, unit: str = "", default: Any = NAN) -> Any:  # noqa: ANN401 - a field takes any type
    """Describe a column as the field of a row: what it means, its unit, and its value where none is known."""
    return field(default=default, metadata={"doc": doc, "unit": unit})


def described(row: type) -> dict[str, tuple[str, str]]:
    """Return every column of a kind of rows in order: what it means, and its unit."""
    return {one.name: (str(one.metadata["doc"]), str(one.metadata["unit"])) for one in fields(row)}


def column_types(row: type) -> dict[str, type]:
    """Return the type of every column of a kind of rows: text, number, count or truth value."""
    return {one.name: one.type if isinstance(one.type, type) else bool for one in fields(row)}  # bool | None is no type


@dataclass(frozen=True, kw_only=True)
class Run:
    """One setup in one repeat: one row of raw_runs.csv, and the unit of every statistic.

    A number that was not measured is NaN. Columns stand in this order.
    """

    seed: int = column("seed of everything random in the run: base seed + repeat", default=0)
    layer_sizes: str = column("units per layer, input first, as 64x128x10", default="")
    precision_mode: str = column("the precision mode asked for", default="")
    batch_size: int = column("samples per training step and per inference call", default=0)
    epochs: int = column("training epochs", default=0)
    n_samples: int = column("samples used, train and test together", default=0)
    train_time_per_epoch_s: float = column("mean time of a training epoch", "s")
    inference_latency_per_sample_s: float = column(
        "time of an inference call on one batch, divided by the batch size: median of calls in the rounds that count",
        "s",
    )
    batch_throughput_samples_per_s: float = column("batch size divided by the time of a call", "1/s")
    peak_memory_mb: float = column(
        "the run's peak: the larger of the training and the inference peak", "MB (10^6 bytes)"
    )
    cpu_utilization_percent: float = column("CPU time over wall time in training; 200 is two busy cores", "%")
    final_train_accuracy: float = column(
        "share of training samples classified rightly by the inference session, in the mode's own precision; of "
        "another network its mean score, of the kind that score_kind says",
        "1",
    )
    energy_per_epoch_j: float = column("energy of a training epoch; see energy_kind", "J")

    repeat: int = column("index of the repeat, from 0", default=0)
    setup: str = column("name of the setup: its precision, and its values on the other axes that vary", default="")
    status: str = column("finished or failed", default=FINISHED)
    reason: str = column("why the run failed", default="")
    engine: str = column("what executed the trained network", default="")
    device: str = column("where it ran", default="")
    training_precision: str = column("what training computed in", default="")
    effective_precision: str = column(
        "what inference really computed in, found in the engine's optimised graph or its tensors", default=""
    )
    effective_shares: str = column(
        "share of the multiply-adds that is computed in each of these formats, in their order, joined alike", "1", ""
    )
    precision_note: str = column(
        "why effective_precision is not what was asked for, or what else to know of training and conversion", default=""
    )
    relative_output_error: float = column(
        "norm of the difference between the session's outputs and those of the yardstick, divided by the norm of the "
        "latter: the same weights in float64, or an ONNX file's in unoptimised float32",
        "1",
    )
    output_kl: float = column(
        "mean Kullback-Leibler divergence, in nats, of the session's class probabilities from those of the same "
        "yardstick; outputs that are no probabilities go through softmax; empty where a network gives no classes",
        "1",
    )
    witness_error: float = column(
        "norm of the difference between the session's outputs and those of the same quantised file computed without "
        "optimisations, in float32, divided by the norm of the latter; empty where no file holds scales",
        "1",
    )
    rounding_flag: str = column(
        "what is odd where relative_output_error does not fit the formats, or witness_error does not fit rounding: "
        "something else ran, or sums of 8-bit products saturate",
        default="",
    )
    test_accuracy: float = column("the same as final_train_accuracy, on held-out samples", "1")
    final_train_loss: float = column("mean loss of the last training epoch", "1")
    training_peak_memory_mb: float = column(
        "peak resident memory of training above the level before, data not included; as the next two, measured where "
        "nothing is timed",
        "MB (10^6 bytes)",
    )
    conversion_peak_memory_mb: float = column(
        "peak resident memory of writing the network in the engine's format, above the level before, the network "
        "itself; a tool's need, so no part of peak_memory_mb",
        "MB (10^6 bytes)",
    )
    inference_peak_memory_mb: float = column(
        "peak resident memory of inference, in a process that never trained, above the level before",
        "MB (10^6 bytes)",
    )
    memory_method: str = column("how the peaks were found", default="")
    model_size_mb: float = column("size of the network on disk, in the engine's format", "MB (10^6 bytes)")
    batch_latency_p50_s: float = column(
        "median of the time of a call over all counted calls; missing where calls are timed together", "s"
    )
    batch_latency_p95_s: float = column("95th percentile of the same", "s")
    batch_latency_p99_s: float = column("99th percentile of the same", "s")
    latency_calls: int = column("counted calls", default=0)
    calls_per_timing: int = column(
        "consecutive calls timed together: one, unless calls are too short for the clock", default=0
    )
    round_latencies_s: str = column(
        "the latency per sample in each round, median of its calls, in the order of the rounds, separated by blanks; "
        "ratios are taken round by round",
        "s",
        default="",
    )
    steady_state: bool | None = column(
        "whether the latency rounds came to a steady state; empty where there are too few to tell", default=None
    )
    steady_from_round: int = column("first round, from 0, that counts in the latency", default=0)
    steady_reason: str = column("what kept the rounds from being steady, or came before", default="")
    steps: int = column("measured steps: training turns and latency rounds", default=0)
    disturbed_steps: int = column(
        "steps that stayed disturbed by others and are in the numbers all the same", default=0
    )
    unknown_steps: int = column("steps of which nobody can tell whether others disturbed them", default=0)
    remeasured_steps: int = column("steps that were measured more than once because others disturbed them", default=0)
    others_share: float = column(
        "share of the CPU time the counted steps needed that others took; see steps.csv for each step", "1"
    )
    training_others_share: float = column("the same of the counted training turns alone", "1")
    others_cpu_s: float = column("CPU time of other processes during the counted steps", "s")
    steal_s: float = column("time a hypervisor gave to others during the counted steps", "s")
    throttled_s: float = column("CPU time withheld by the control group's quota during the counted steps", "s")
    run_queue_wait_s: float = column("time own threads waited for a CPU during the counted steps", "s")
    involuntary_switches: float = column("times own threads had to make way during the counted steps", "1")
    throttle_events: float = column("thermal throttling events of the CPUs during the counted steps", "1")
    frequency_mhz: float = column("mean CPU frequency at the ends of the counted steps", "MHz")
    energy_kind: str = column("measured or estimated", default="")
    energy_source: str = column("the counter, or what the estimate rests on", default="")
    energy_domains: str = column("what the counter covers, as package-0+dram", default="")
    energy_window_s: float = column("time over which energy_per_epoch_j was taken, all windows together", "s")
    energy_assumptions: str = column(
        "what an estimate assumed, what was subtracted, why a number is missing", default=""
    )
    load_time_s: float = column("opening the network's file until the session is ready, in the run's own process", "s")
    compile_time_s: float = column(
        "compiling the network for the shapes of the batch, where an engine does so after it was loaded", "s"
    )
    first_call_s: float = column("the session's first call, which may allocate", "s")
    network_sha256: str = column("digest of the network's file, where it was kept", default="")
    model: str = column("what was measured: mlp, another built-in network, or a file", default="")
    options: str = column("what model() was called with", default="")
    data: str = column("name or path of the data; empty where the network brings its own", default="")
    n_train: int = column("training samples", default=0)
    n_test: int = column("held-out samples", default=0)
    test_drawn_from: int = column(
        "samples that the held-out ones of all repeats are drawn from: n_test where they are the same ones each time; "
        "0 where each repeat makes its own data, and in runs of versions before this column",
        default=0,
    )
    activations: str = column("activation of each layer transition, as relu+softmax", default="")
    optimizer: str = column("sgd or adam", default="")
    learning_rate: float = column("step size", "1")
    threads: int = column("threads of training and engine", default=0)
    calibration_samples: int = column(
        "training examples that scales were taken from, or all where there were fewer; 0 where the mode takes none",
        default=0,
    )
    variant: str = column(
        "which of several equal setups, with against here or other; empty where the axes tell them apart", default=""
    )
    session: int = column(
        "0 where the experiment ran through; counts up each time it was gone on with after an interruption", default=0
    )
    ready_s: float = column("from asking for the run's process to its first sign of life", "s")
    measured_s: float = column("time the run alone had the machine, with warm-up calls and threads coming to rest", "s")
    timed_s: float = column("time inside the epochs and calls that the numbers come from", "s")

    def __post_init__(self) -> None:
        """Name the setup where nobody did, and refuse texts that are no times: who reads them later cannot say where.

        Raises
        ------
        ValueError
            Where `round_latencies_s` holds anything but numbers.
        """
        if not self.setup:
            object.__setattr__(self, "setup", name_of(self.precision_mode, self.variant))
        for word in self.round_latencies_s.split():
            float(word)

    @classmethod
    def of(cls, setup: Setup, seed: int, repeat: int, **values: Any) -> "Run":  # noqa: ANN401 - of any column's type
        """Return the run of a setup, with what was measured by the names of the columns."""
        workload = setup.workload
        planned: dict[str, Any] = {
            "seed": seed,
            "layer_sizes": workload.layers,
            "precision_mode": setup.precision,
            "batch_size": setup.batch_size,
            "epochs": workload.epochs,
            "n_samples": workload.n_samples or 0,
            "repeat": repeat,
            "setup": setup.name,
            "engine": setup.engine,
            "device": setup.device,
            "training_precision": MODES[setup.precision].training_precision if workload.epochs else "",
            "model": workload.model,
            "options": setup.options,
            "data": workload.data or "",
            "activations": "+".join(workload.activations),
            "optimizer": workload.optimizer if workload.epochs else "",
            "learning_rate": workload.learning_rate if workload.epochs else NAN,
            "threads": setup.threads,
            "calibration_samples": setup.calibration_samples or 0,
            "variant": setup.variant,
        }
        return cls(**planned | values)

    @property
    def finished(self) -> bool:
        """Whether the run came to its end with every number."""
        return self.status == FINISHED

    @property
    def name(self) -> str:
        """The run's name among the runs of its experiment, used in file names and messages."""
        return run_name(self.repeat, self.setup)

    def to_row(self) -> dict[str, object]:
        """Return the run as a row: column name to value, in column order."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> "Run":
        """Build a run from its texts, by column; an empty number is NaN, and a column that lacks takes its default.

        Raises
        ------
        ValueError
            Where a text is not of its column's type, or a number too large for a table of numbers.
        """
        values: dict[str, Any] = {}
        for column in fields(cls):
            if column.name not in row:
                continue
            text = row[column.name]
            if column.type is float:
                values[column.name] = float(text) if text else NAN
            elif column.type is int:
                values[column.name] = _whole(column.name, text)
            elif column.type is str:
                values[column.name] = text
            else:
                values[column.name] = _truth(text)
        return cls(**values)


def run_name(repeat: int, setup: str) -> str:
    """Return what the run of a setup is called."""
    return f"r{repeat:03d}-{setup}"


@dataclass(frozen=True)
class Measured:
    """What a run came to.

    Attributes
    ----------
    values
        By the names of `Run`'s columns, but for those of the latency, which
        `significand.analysis.run_latency.latency_values` takes from the single times.
    details
        The single times behind the values, and every measurement of every step, by the names of
        `significand.results.contents.DETAIL_ARRAYS`.
    calls_per_timing
        Consecutive calls that were timed together.
    """

    values: Mapping[str, object]
    details: Mapping[str, np.ndarray]
    calls_per_timing: int


STEP_COLUMNS = {
    "repeat": ("index of the repeat, from 0", ""),
    "precision_mode": ("the precision mode asked for", ""),
    "setup": ("what the setup is called in its experiment", ""),
    "phase": ("training or inference", ""),
    "index": ("which training turn or latency round, from 0", ""),
    "attempt": ("0 the first time, then counting the times it was measured again", ""),
    "time_s": ("mean time of an epoch, or of a call", "s"),
    "disturbed": ("whether others took more than noise_share of the CPU time it needed", ""),
    "counted": (
        "whether it is this attempt of the step that the run uses; rounds before steady_from_round are in no latency",
        "",
    ),
    "nice": ("niceness it ran with", "1"),
    "window_s": ("time from the first to the last look at the machine", "s"),
    "others_cpu_s": ("CPU time of other processes meanwhile", "s"),
    "steal_s": ("time a hypervisor gave to others meanwhile, in ticks of the kernel's clock", "s"),
    "throttled_s": ("CPU time withheld by the control group's quota", "s"),
    "run_queue_wait_s": ("time own threads waited for a CPU", "s"),
    "involuntary_switches": ("times own threads had to make way", "1"),
    "frequency_mhz": ("mean CPU frequency at the end", "MHz"),
    "throttle_events": ("thermal throttling events of the CPUs", "1"),
    "share": ("share of the CPU time it needed that others took", "1"),
}
"""Columns of steps.csv, in order: what each means, and its unit."""


def step_rows(run: Run, details: Mapping[str, Any]) -> list[dict[str, object]]:
    """Return the lines of steps.csv for a run, from the arrays ``step_...`` among its details; none where none are."""
    return _rows(run, details, "step", STEP_COLUMNS)


OPERATOR_COLUMNS = {
    "repeat": ("index of the repeat, from 0", ""),
    "precision_mode": ("the precision mode asked for", ""),
    "setup": ("what the setup is called in its experiment", ""),
    "name": ("the engine's name for the operator", ""),
    "kind": ("what it does, in the engine's words", ""),
    "format": ("what it multiplies in, where it does; unknown where that cannot be told", ""),
    "multiply_adds": ("multiply-adds in a call", "1"),
    "is_conversion": ("whether it only brings numbers into another format or layout", ""),
    "time_s": ("time in a call, by the engine's profiler; empty where that does not tell", "s"),
    "note": ("why it computes in that format, where that is known; of the whole call, why there are no times", ""),
}
"""Columns of operators.csv, in order: what each means, and its unit."""


def operator_rows(run: Run, details: Mapping[str, Any]) -> list[dict[str, object]]:
    """Return the lines of operators.csv for a run; none where it was not profiled."""
    return _rows(run, details, "operator", OPERATOR_COLUMNS)


EXAMPLE_COLUMNS = {
    "precision_mode": ("the precision mode asked for", ""),
    "setup": ("what the setup is called in its experiment", ""),
    "baseline": ("the setup that it is compared with, on the same held-out examples of the same repeats", ""),
    "same_weights": ("whether the two train in the same format, and so have the same weights before conversion", ""),
    "pairs": ("examples that both scored, each as often as repeats held it out", ""),
    "examples": ("different examples among them", ""),
    "lost": ("pairs of which the setup's score is lower: where scores are 1 and 0, right answers lost", ""),
    "gained": ("pairs of which it is higher: right answers gained", ""),
    "changed": ("pairs with another answer, right or wrong; where answers are no classes, with another score", ""),
    "agreement": ("share of the pairs that are not changed", "1"),
    "difference": ("mean score less that of the baseline", "the score's"),
    "low": ("lower bound of its 95 % interval, of these networks on examples like these", "the score's"),
    "high": ("its upper bound", "the score's"),
    "method": (
        "of the interval: Tango, or t where scores are not all 1 or 0; clustered where repeats share examples",
        "",
    ),
    "p_value": (
        "of no difference, two-sided, of this test alone: exact McNemar, each example counted once, or Student's t",
        "1",
    ),
}
"""Columns of examples.csv, in order: what each means, and its unit."""


def _rows(run: Run, details: Mapping[str, Any], what: str, columns: Iterable[str]) -> list[dict[str, object]]:
    """Return the lines of a table for a run, from the arrays among its details whose names begin with `what`."""
    names = [name for name in columns if f"{what}_{name}" in details]
    lines = zip(*(details[f"{what}_{name}"].tolist() for name in names), strict=True)
    own: dict[str, object] = {"repeat": run.repeat, "precision_mode": run.precision_mode, "setup": run.setup}
    return [own | dict(zip(names, line, strict=True)) for line in lines]


def told_method(method: str, *, sequential: bool) -> str:
    """Return the name of an interval's method as files and tables say it.

    Sequential is what went on until the intervals were narrow enough, which makes these a little too narrow.
    """
    return f"sequential {method}" if sequential else method


def _whole(name: str, text: str) -> int:
    number = int(text or 0)
    if abs(number) > LARGEST_WHOLE:
        raise ValueError(f"{name}: {text[:20]}... is out of range; at most {LARGEST_WHOLE} is kept")
    return number


def _truth(text: str) -> bool | None:
    if text not in TRUTH_VALUES:
        raise ValueError(f"{text!r} is neither true nor false, nor empty")
    return TRUTH_VALUES[text]


STATISTICS = {
    "mean": "mean over the finished runs",
    "std": "sample standard deviation (n - 1)",
    "ci95": "half-width of the specified 95 % interval of the mean, 1.96 standard errors",
    "ci95_t_low": "lower bound of Student's t interval of the mean at 95 %, the one to quote",
    "ci95_t_high": "its upper bound",
    "median": "median",
    "median_ci_low": "lower bound of the median's exact order-statistic interval at 95 % or more; none below six runs",
    "median_ci_high": "its upper bound",
    "median_ci_level": "what that interval's level really is, as a share: 0.969 with six runs",
    "min": "smallest of the runs",
    "max": "largest of the runs",
}
"""What the columns ``<metric>_<statistic>`` of summary_stats are, all but the level in the metric's unit."""


@dataclass(frozen=True)
class MetricSummary:
    """One metric over a setup's runs; NaN is what so many runs do not determine.

    The attributes are what `STATISTICS` says, in the metric's unit.
    """

    mean: float
    std: float
    ci95: float
    ci95_t_low: float = NAN
    ci95_t_high: float = NAN
    median: float = NAN
    median_ci_low: float = NAN
    median_ci_high: float = NAN
    median_ci_level: float = NAN
    min: float = NAN
    max: float = NAN


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
        specified = ("mean", "std", "ci95")
        for name, metric in self.metrics.items():
            row |= {f"{name}_{key}": getattr(metric, key) for key in specified}
        further = [column.name for column in fields(MetricSummary) if column.name not in specified]
        for name, metric in self.metrics.items():
            row |= {f"{name}_{key}": getattr(metric, key) for key in further}
        return row | dict(self.facts)


@dataclass(frozen=True)
class Progress:
    """How far an experiment is: blocks and runs ended, the share of all steps that are done, and what else to know."""

    block: int
    blocks: int
    ended: int
    runs: int
    share: float
    note: str = ""
