import math

import pytest

from conftest import small_experiment
from significand.analysis.claims import COMPARED, claims_of, compare_modes, comparison_row, frontier_of
from significand.analysis.measures import MEASURES
from significand.analysis.pareto import OBJECTIVES
from significand.analysis.summary import FURTHER_METRICS, SPECIFIED_METRICS
from significand.plan import options
from significand.results.records import FAILED, Run

JITTER = (0.99, 1.01, 1.0, 1.02, 0.98, 1.0)


def run(mode: str, repeat: int, latency_s: float, accuracy: float = 0.9, **changes: object) -> Run:
    """Return a finished run whose every cost follows its latency."""
    columns = dict.fromkeys(SPECIFIED_METRICS.values(), latency_s)
    fields: dict[str, object] = {
        **columns,
        "precision_mode": mode,
        "repeat": repeat,
        "final_train_accuracy": accuracy,
        "test_accuracy": accuracy,
        "energy_kind": "estimated",
    }
    return Run(**(fields | changes))  # type: ignore[arg-type]  # by name


def experiment_runs(factor: float = 0.5, repeats: int = 6) -> list[Run]:
    """Return runs of float32, and of int8 at `factor` of its cost, with some spread."""
    slow = [run("float32", r, 1.0 + 0.01 * r) for r in range(repeats)]
    return slow + [run("int8", r, factor * (1.0 + 0.01 * r) * JITTER[r]) for r in range(repeats)]


def test_every_compared_metric_is_known_everywhere() -> None:
    """What is compared is summarised and has a scale; the plan's objectives are those of the frontier."""
    assert set(COMPARED) <= set(SPECIFIED_METRICS | FURTHER_METRICS)
    assert set(COMPARED) <= set(MEASURES)
    assert set(options.OBJECTIVES) == set(OBJECTIVES)
    assert set(options.COST_METRICS) <= set(SPECIFIED_METRICS)


def test_halved_costs_are_better_and_estimated_energy_is_not_judged() -> None:
    """Half the latency in every repeat is a ratio of one half, better; energy is shown and has no verdict."""
    by_metric = {one.metric: one for one in compare_modes(experiment_runs(), ["float32", "int8"], "float32")}
    assert list(by_metric) == list(COMPARED)
    assert by_metric["latency"].estimate.point == pytest.approx(0.5, rel=0.01)
    assert by_metric["latency"].verdict == "better"
    assert by_metric["energy"].verdict == "not tested"
    assert "restates CPU time" in by_metric["energy"].reason
    assert by_metric["accuracy"].verdict == "no difference shown"


def test_failed_runs_are_in_no_pair() -> None:
    """A run that failed leaves its pair out, and says so."""
    runs = [*experiment_runs(), run("int8", 6, 0.001, status=FAILED), run("float32", 6, 1.0)]
    latency = compare_modes(runs, ["float32", "int8"], "float32")[0]
    assert latency.estimate.n == 6
    assert latency.left_out == 1


def test_margins_make_equivalent() -> None:
    """A difference that is surely within the margin is called equivalent, in costs and in accuracies."""
    runs = experiment_runs(factor=1.001)
    by_metric = {
        one.metric: one for one in compare_modes(runs, ["float32", "int8"], "float32", margin=0.1, accuracy_margin=0.5)
    }
    assert by_metric["latency"].verdict == "equivalent"
    assert by_metric["latency"].margin == 0.1
    assert by_metric["accuracy"].margin == 0.5


def test_the_frontier_names_the_winner() -> None:
    """The faster mode of two that are equally accurate is on the frontier, the other almost surely not."""
    frontier = frontier_of(experiment_runs(), ["float32", "int8"], ["latency", "accuracy"])
    assert frontier.on_frontier.tolist() == [False, True]
    assert frontier.p_on_frontier[1] > 0.99
    assert frontier.p_on_frontier[0] < 0.01


def test_an_experiment_that_stopped_by_its_intervals_says_so() -> None:
    """With `until` every interval is labelled as sequential."""
    runs = experiment_runs()
    ordinary = claims_of(runs, small_experiment())
    sequential = claims_of(runs, small_experiment(until="1%"))
    assert {one.estimate.method for one in ordinary.comparisons} == {"t"}
    assert {one.estimate.method for one in sequential.comparisons} == {"sequential t"}


def test_no_finished_run_is_still_an_answer() -> None:
    """When every run failed there are comparisons without tests and no probabilities; nothing breaks."""
    runs = [run(mode, 0, math.nan, status=FAILED) for mode in ("float32", "int8")]
    claims = claims_of(runs, small_experiment())
    assert {one.verdict for one in claims.comparisons} == {"not tested"}
    assert claims.frontier is None or not claims.frontier.on_frontier.any()


def test_a_comparison_is_a_flat_row() -> None:
    """A row of comparisons.csv holds the estimate, its method, the tests and the verdict."""
    row = comparison_row(compare_modes(experiment_runs(), ["float32", "int8"], "float32")[0])
    assert (row["metric"], row["precision_mode"], row["baseline"]) == ("latency", "int8", "float32")
    assert row["low"] < row["estimate"] < row["high"]  # type: ignore[operator]
    assert (row["method"], row["n"], row["verdict"]) == ("t", 6, "better")
