"""The one table of metrics: what each is called, where it stands, in what it is shown, how it is compared.

Whatever knows a metric follows from `METRICS`: a new one is a line here, and the place that measures it. Nothing is
imported but the standard library, so that help is quick.
"""

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

Scale = Literal["ratio", "points", "difference"]
Family = Literal["primary", "further"]
Told = Literal["always", "where it differs", "never"]
Units = tuple[tuple[float, str], ...]

SECONDS: Units = ((1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s"))
MEGABYTES: Units = ((1e-6, "B"), (1e-3, "kB"), (1.0, "MB"), (1e3, "GB"))
JOULES: Units = ((1e-6, "µJ"), (1e-3, "mJ"), (1.0, "J"), (1e3, "kJ"))
PER_CENT: Units = ((0.01, "%"),)
PER_SECOND: Units = ((1.0, "/s"),)
NO_UNIT: Units = ((1.0, ""),)

MEMORY_RESOLUTION_MB = 0.34
"""The largest error that `significand.meters.memory` found on known allocations. It is not in the spread of an
experiment's runs: they are forked from one process and share its heap, and another experiment has another one. So six
experiments with a network of 0.1 MB gave ratios from 1.00 to 1.15, each with an interval of a few per cent."""


COUNTED_PAGES, PAGE_MB = 32, 4096e-6
"""Of Linux's memory counters: a CPU's own count is added to the total when it has grown to so many pages, or to two for
each CPU of the machine where these are more (lib/percpu_counter.c)."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One measured quantity of a run.

    Attributes
    ----------
    name
        Short: of options, of the columns of summary_stats, of the rows of comparisons.csv.
    column
        Of raw_runs.csv.
    noun
        In sentences.
    heading, axis
        Of a column of the terminal's table, and of a plot's axis, where the noun does not do; else empty.
    units
        As (size in the column's unit, name), the smallest first.
    per
        What it is taken per; empty where per nothing.
    scale
        How it is compared: as a ratio of costs, through logs; as a difference in percentage points; or as a plain one.
    part
        Of which part of the data it is the score: ``"training"`` or ``"test"``; empty where it is no score.
    lower_is_better
        The direction.
    resolution
        The smallest difference that the meter can tell on few CPUs, in the column's unit; see `resolutions`. 0 where
        the spread of runs says all there is to say.
    family
        The tests it is judged among: each further one makes it harder for all of a family to be shown, and each family
        may make one false claim.
    specified
        Its place among the metrics of the specified interface, from 1; 0 where it is none of them.
    is_headline
        Whether tables show it, and folders are compared by it, where nothing else is asked for.
    is_objective
        Whether a frontier can be sought in it.
    told
        Whether the sentences of an experiment tell it; tables hold all.
    may_be_estimated
        Whether it may be an estimate, which restates another cost: such a value is shown and never judged.
    is_exact
        Whether it is a fact of a file, so that even a single run knows it.
    power_of_latency
        Which power of the latency it is in other words: it is compared round by round. 0 where it is none.
    method_columns
        Columns of raw_runs.csv that say how it was measured: where these differ, it cannot be compared.
    """

    name: str
    column: str
    noun: str
    units: Units = NO_UNIT
    heading: str = ""
    axis: str = ""
    per: str = ""
    scale: Scale = "ratio"
    part: str = ""
    lower_is_better: bool = True
    resolution: float = 0.0
    family: Family = "further"
    specified: int = 0
    is_headline: bool = False
    is_objective: bool = False
    told: Told = "never"
    may_be_estimated: bool = False
    is_exact: bool = False
    power_of_latency: int = 0
    method_columns: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Its name where a line begins with it."""
        return _capital(self.noun)

    @property
    def axis_title(self) -> str:
        """What an axis of the plots says."""
        return self.axis or (f"{self.title} per {self.per}" if self.per else self.title)

    @property
    def is_cost(self) -> bool:
        """Whether it is paid, and compared as a ratio."""
        return self.scale == "ratio" and self.lower_is_better

    @property
    def is_time(self) -> bool:
        """Whether it is a time, or a number per time."""
        return self.units in (SECONDS, PER_SECOND)

    @property
    def possible(self) -> tuple[float, float]:
        """The least and the largest that it can be, in the column's unit: a share, or any number."""
        return (0.0, 1.0) if self.scale == "points" else (-math.inf, math.inf)

    @property
    def unit(self) -> str:
        """The name of the column's own unit; empty where the column is shown in another one only."""
        return next((name for size, name in self.units if size == 1.0), "")


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="latency",
            column="inference_latency_per_sample_s",
            noun="latency",
            axis="Inference latency per sample",
            units=SECONDS,
            per="sample",
            family="primary",
            specified=2,
            is_headline=True,
            is_objective=True,
            told="always",
            power_of_latency=1,
        ),
        Metric(
            name="train_time",
            column="train_time_per_epoch_s",
            noun="training time",
            heading="training",
            units=SECONDS,
            per="epoch",
            family="primary",
            specified=1,
            is_headline=True,
            is_objective=True,
            told="where it differs",
        ),
        Metric(
            name="memory",
            column="peak_memory_mb",
            noun="peak memory",
            units=MEGABYTES,
            resolution=MEMORY_RESOLUTION_MB,
            family="primary",
            specified=3,
            is_headline=True,
            is_objective=True,
            told="always",
            method_columns=("memory_method",),
        ),
        Metric(
            name="energy",
            column="energy_per_epoch_j",
            noun="energy",
            units=JOULES,
            per="epoch",
            family="primary",
            specified=5,
            is_headline=True,
            is_objective=True,
            may_be_estimated=True,
            method_columns=("energy_kind", "energy_source", "energy_domains"),
        ),
        Metric(
            name="accuracy",
            column="final_train_accuracy",
            noun="training accuracy",
            heading="accuracy",
            units=PER_CENT,
            scale="points",
            part="training",
            lower_is_better=False,
            family="primary",
            specified=4,
            is_headline=True,
            is_objective=True,
            told="where it differs",
        ),
        Metric(
            name="test_accuracy",
            column="test_accuracy",
            noun="test accuracy",
            units=PER_CENT,
            scale="points",
            part="test",
            lower_is_better=False,
            family="primary",
            is_headline=True,
            is_objective=True,
            told="always",
        ),
        Metric(
            name="training_memory",
            column="training_peak_memory_mb",
            noun="training memory",
            units=MEGABYTES,
            resolution=MEMORY_RESOLUTION_MB,
            method_columns=("memory_method",),
        ),
        Metric(
            name="inference_memory",
            column="inference_peak_memory_mb",
            noun="inference memory",
            units=MEGABYTES,
            resolution=MEMORY_RESOLUTION_MB,
            is_objective=True,
            told="where it differs",
            method_columns=("memory_method",),
        ),
        Metric(
            name="model_size",
            column="model_size_mb",
            noun="model size",
            units=MEGABYTES,
            is_headline=True,
            is_objective=True,
            told="where it differs",
            is_exact=True,
        ),
        Metric(name="relative_output_error", column="relative_output_error", noun="output error"),
        Metric(
            name="throughput",
            column="batch_throughput_samples_per_s",
            noun="throughput",
            units=PER_SECOND,
            lower_is_better=False,
            power_of_latency=-1,
        ),
        Metric(
            name="batch_latency_p50",
            column="batch_latency_p50_s",
            noun="median time of a call",
            units=SECONDS,
            power_of_latency=1,
        ),
        Metric(name="load_time", column="load_time_s", noun="load time", units=SECONDS),
        Metric(name="compile_time", column="compile_time_s", noun="compile time", units=SECONDS),
        Metric(name="first_call", column="first_call_s", noun="first call", units=SECONDS),
        Metric(
            name="batch_latency_p95",
            column="batch_latency_p95_s",
            noun="95th percentile of a call",
            units=SECONDS,
        ),
        Metric(
            name="batch_latency_p99",
            column="batch_latency_p99_s",
            noun="99th percentile of a call",
            units=SECONDS,
        ),
    )
}
"""Every metric by its name, in the order in which they are compared and told."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """What kind of number a network's score is, which the columns of accuracies hold.

    Attributes
    ----------
    noun, axis
        What it is called; on a plot's axis, where the noun does not do there.
    units, scale
        As of a `Metric`.
    of_training
        Whether there is one of training examples, too, so that the name of the held-out one says which it is.
    meaning
        What must be known of it, as a sentence.
    """

    noun: str
    axis: str = ""
    units: Units = NO_UNIT
    scale: Scale = "difference"
    of_training: bool = True
    meaning: str = ""


ACCURACY = "accuracy"
"""The kind of score that a network has of which nobody says another."""

SCORES = {
    ACCURACY: Score(noun="accuracy", units=PER_CENT, scale="points"),
    "R²": Score(noun="R²", meaning="R² is the share of the targets' variance that the outputs explain."),
    "score": Score(noun="score", meaning="The score is the mean of the network's own score()."),
    "agreement": Score(
        noun="agreement",
        axis="agreement with the unquantised network",
        units=PER_CENT,
        scale="points",
        of_training=False,
        meaning="There are no labels: agreement is how often the unquantised network says the same.",
    ),
    "agreement R²": Score(
        noun="agreement R²",
        axis="agreement with the unquantised network, R²",
        of_training=False,
        meaning="There are no labels: agreement R² is the share of the unquantised outputs' variance that the outputs "
        "explain.",
    ),
}
"""Every kind of score, by the name that manifest.json and summary_stats give it."""


@functools.cache
def scored(kind: str) -> Mapping[str, Metric]:
    """Return every metric by its name, the accuracies as what they are with that kind of score."""
    score = SCORES.get(kind, SCORES[ACCURACY])
    return {name: _scored(metric, score) if metric.part else metric for name, metric in METRICS.items()}


def _scored(metric: Metric, score: Score) -> Metric:
    part = f"{metric.part} " if score.of_training or metric.part == "training" else ""
    axis = _capital(f"{part}{score.axis}") if score.axis else ""
    heading = metric.heading and score.noun
    return replace(metric, noun=f"{part}{score.noun}", heading=heading, axis=axis, units=score.units, scale=score.scale)


LATENCY = METRICS["latency"]

SPECIFIED = tuple(sorted((one for one in METRICS.values() if one.specified), key=lambda one: one.specified))
"""The metrics of the specified interface, in its order."""

SUMMARISED = (*SPECIFIED, *(one for one in METRICS.values() if not one.specified))
"""Every metric in the order of summary_stats."""

SPECIFIED_COSTS = tuple(one for one in SPECIFIED if one.is_cost)
"""Those that the summary gives as ratios to the baseline."""

OBJECTIVES = tuple(one.name for one in METRICS.values() if one.is_objective)
"""What a frontier can be sought in."""

UNTIL_METRICS = tuple(one.name for one in METRICS.values() if one in SPECIFIED_COSTS)
"""Whose ratio's interval may decide when an experiment is over."""

HELD_OUT = "test_accuracy"
"""The score that the setup to ship is held to."""

MINIMISED = ("latency", "memory", "inference_memory", "model_size", "energy", "load_time")
"""What the setup to ship may be sought by."""


OF_TRAINING_ALONE = ("train_time", "energy", "training_memory")
"""What only training decides, and not what becomes of the trained weights."""

OF_TRAINING = ("accuracy", *OF_TRAINING_ALONE)
"""Metrics that a network which is only inferred has not."""


@functools.cache
def resolutions(cpus: int = 1, usable: int | None = None) -> Mapping[str, float]:
    """Return by metric the smallest difference that its meter can tell, in the column's unit; 0 of most.

    The kernel counts memory CPU by CPU, so what its mark lacks of a peak that was freed grows with the CPUs that touch
    the memory and with the machine's: 0.3 MB on two, as was seen, and 34 MB where all of 64 do.

    Parameters
    ----------
    cpus
        Logical CPUs of the machine.
    usable
        Of these, those on which the experiment may run; None for all.
    """
    uncounted = min(usable or cpus, cpus) * max(COUNTED_PAGES, 2 * cpus) * PAGE_MB
    return {name: max(metric.resolution, uncounted) if metric.resolution else 0.0 for name, metric in METRICS.items()}


METHOD_OF_ESTIMATE = ("energy_assumptions",)
"""Columns that say how an estimate was made, which is as large as what it assumes. What is noted beside a measured
value, such as the power of the idle machine, may differ."""


def of_family(family: Family) -> tuple[str, ...]:
    """Return the names of a family of tests."""
    return tuple(one.name for one in METRICS.values() if one.family == family)


def headlines(*, energy_measured: bool) -> Iterator[Metric]:
    """Return what is shown and compared where nothing else is asked for; estimates are not compared."""
    return (one for one in METRICS.values() if one.is_headline and (energy_measured or not one.may_be_estimated))
