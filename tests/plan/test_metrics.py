"""Behaviour of the one table of metrics: what follows from it is whole, and every column is a number of a run."""

import math
from dataclasses import fields
from typing import get_args

import pytest

from significand.plan.metrics import (
    ACCURACY,
    METRICS,
    OBJECTIVES,
    SCORES,
    SPECIFIED,
    SPECIFIED_COSTS,
    SUMMARISED,
    UNTIL_METRICS,
    Family,
    Metric,
    headlines,
    of_family,
    resolutions,
    scored,
)
from significand.results.records import Run

COLUMNS = {column.name: column for column in fields(Run)}


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_metric_is_a_number_of_a_run(metric: Metric) -> None:
    """Its column is one of raw_runs.csv, measured and so missing by default, and so are those that say how."""
    assert COLUMNS[metric.column].type is float
    assert {COLUMNS[name].type for name in metric.method_columns} <= {str}


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_units_grow_and_fit_the_scale(metric: Metric) -> None:
    """Units stand from small to large; what is told in points is shown in per cent, and costs in their own unit too."""
    sizes = [size for size, _ in metric.units]
    assert sizes == sorted(set(sizes))
    if metric.scale == "points":
        assert metric.units == ((0.01, "%"),)
        assert not metric.lower_is_better
    else:
        assert 1.0 in sizes
    assert metric.resolution == 0 or metric.unit


def test_no_two_metrics_share_a_name_a_column_or_a_noun() -> None:
    """A row, a column or a sentence is about one of them."""
    for told in ("name", "column", "noun", "title", "axis_title"):
        assert len({getattr(metric, told) for metric in METRICS.values()}) == len(METRICS)
    assert all(name == metric.name for name, metric in METRICS.items())


def test_the_specified_metrics_stand_in_the_order_of_the_interface() -> None:
    """The first five of the summary are those that the interface names; all others follow, each once."""
    assert [metric.name for metric in SPECIFIED] == ["train_time", "latency", "memory", "accuracy", "energy"]
    assert [metric.specified for metric in SPECIFIED] == [1, 2, 3, 4, 5]
    assert SUMMARISED[:5] == SPECIFIED
    assert sorted(metric.name for metric in SUMMARISED) == sorted(METRICS)
    assert [metric.name for metric in SPECIFIED_COSTS] == ["train_time", "latency", "memory", "energy"]


def test_every_metric_is_in_one_family() -> None:
    """Each is tested once; what the sentences always tell is judged in the primary family."""
    families = [of_family(family) for family in get_args(Family)]
    assert sorted(name for family in families for name in family) == sorted(METRICS)
    assert {name for name, metric in METRICS.items() if metric.told == "always"} <= set(of_family("primary"))


def test_what_a_frontier_and_a_stopping_rule_may_ask_for() -> None:
    """A frontier has scores and costs; a stopping rule asks for ratios, so for costs."""
    assert {"latency", "accuracy"} <= set(OBJECTIVES)
    assert all(METRICS[name].is_cost for name in UNTIL_METRICS)


def test_an_estimate_is_no_headline() -> None:
    """What may be an estimate is compared by default only where it was measured."""
    measured, estimated = ([one.name for one in headlines(energy_measured=known)] for known in (True, False))
    assert [name for name in measured if METRICS[name].may_be_estimated] == ["energy"]
    assert estimated == [name for name in measured if name != "energy"]


def test_a_title_begins_with_a_capital_letter() -> None:
    """Titles are nouns; an axis says what a quantity is taken per."""
    assert METRICS["train_time"].title == "Training time"
    assert METRICS["train_time"].axis_title == "Training time per epoch"
    assert METRICS["batch_latency_p95"].title == "95th percentile of a call"


@pytest.mark.parametrize("kind", SCORES)
def test_a_kind_of_score_changes_how_accuracies_are_told_and_nothing_else(kind: str) -> None:
    """Column, family and direction stay; only what is a share has a largest value."""
    for name, metric in scored(kind).items():
        known = METRICS[name]
        assert (metric.column, metric.family, metric.lower_is_better) == (
            known.column,
            known.family,
            known.lower_is_better,
        )
        if not known.part:
            assert metric is known
        elif kind in {"accuracy", "agreement"}:
            assert metric.possible == (0.0, 1.0)
        else:
            assert (metric.unit, metric.possible) == ("", (-math.inf, math.inf))
    assert len({metric.noun for metric in scored(kind).values()}) == len(METRICS)


def test_what_nobody_knows_is_an_accuracy() -> None:
    """Of the perceptron, whose manifest says nothing of it, and of a kind that a later version may add."""
    assert scored("f1") == scored(ACCURACY) == METRICS


@pytest.mark.parametrize(
    ("cpus", "usable", "mb"), [(1, None, 0.34), (2, None, 0.34), (64, None, 33.55), (64, 2, 1.049)]
)
def test_memory_is_told_apart_less_finely_on_many_cpus(cpus: int, usable: int | None, mb: float) -> None:
    """Each that may touch the memory counts up to twice as many pages for itself as the machine has CPUs."""
    found = resolutions(cpus, usable)
    memories = [found[name] for name in ("memory", "training_memory", "inference_memory")]
    assert memories == pytest.approx([mb] * 3, rel=1e-3)
    assert found["latency"] == 0
