import math
from dataclasses import replace

import pytest

from conftest import small_experiment
from significand.analysis.claims import (
    ComparisonRow,
    claims_of,
    compare_setups,
    comparison_row,
    frontier_of,
    summary_rows,
)
from significand.plan.metrics import METRICS, SPECIFIED, of_family
from significand.results.records import FAILED, Run, column_types
from significand.results.table import table_of

JITTER = (0.99, 1.01, 1.0, 1.02, 0.98, 1.0)


def run(mode: str, repeat: int, latency_s: float, accuracy: float = 0.9, **changes: object) -> Run:
    """Return a finished run whose every cost follows its latency."""
    columns = dict.fromkeys((one.column for one in SPECIFIED), latency_s)
    fields: dict[str, object] = {
        **columns,
        "precision_mode": mode,
        "setup": mode,
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


def test_halved_costs_are_better_and_estimated_energy_is_not_judged() -> None:
    """Half the latency in every repeat is a ratio of one half, better; energy is shown and has no verdict."""
    by_metric = {one.metric: one for one in compare_setups(table_of(experiment_runs()), [0, 0])}
    assert list(by_metric) == list(of_family("primary"))
    assert by_metric["latency"].estimate.point == pytest.approx(0.5, rel=0.01)
    assert by_metric["latency"].verdict == "better"
    assert by_metric["energy"].verdict == "not tested"
    assert "restates CPU time" in by_metric["energy"].reason
    assert by_metric["accuracy"].verdict == "no difference shown"


def test_what_is_the_same_by_construction_is_no_test() -> None:
    """Two modes that train in float32 take the same steps: their training is shown, and makes no family larger."""
    anew = [replace(one, training_precision="float32", threads=2, energy_kind="measured") for one in experiment_runs()]
    other = [replace(one, training_precision=one.setup) for one in anew]
    threads = [replace(one, threads=1) if one.setup == "int8" else one for one in anew]
    variant = [replace(one, variant="again") if one.setup == "int8" else one for one in anew]
    found = {one.metric: one for one in compare_setups(table_of(anew), [0, 0])}
    assert (found["train_time"].verdict, found["train_time"].reason) == ("not tested", "the same by construction")
    assert found["energy"].reason == "the same by construction"
    assert found["train_time"].estimate.point == pytest.approx(0.5, rel=0.01)
    for runs in (other, threads, variant):
        tested = {one.metric: one for one in compare_setups(table_of(runs), [0, 0])}
        assert tested["train_time"].verdict == "better"
        assert tested["latency"].family == found["latency"].family + 2


@pytest.mark.parametrize("mixed", ["int8", "float32"])
def test_energies_of_two_kinds_have_no_ratio(mixed: str) -> None:
    """A measured energy over an estimated one, or a mixture of both, is missing, as it is in the summary."""
    for kinds in (["measured"] * 6, ["measured", *["estimated"] * 5]):
        runs = [
            replace(one, energy_kind=kinds[one.repeat]) if one.precision_mode == mixed else one
            for one in experiment_runs()
        ]
        by_metric = {one.metric: one for one in compare_setups(table_of(runs), [0, 0])}
        assert math.isnan(by_metric["energy"].estimate.point)
        assert by_metric["energy"].verdict == "not tested"
        assert by_metric["latency"].verdict == "better"


def test_failed_runs_are_in_no_pair() -> None:
    """A run that failed leaves its pair out, and says so."""
    runs = [*experiment_runs(), run("int8", 6, 0.001, status=FAILED), run("float32", 6, 1.0)]
    latency = compare_setups(table_of(runs), [0, 0])[0]
    assert latency.estimate.n == 6
    assert latency.left_out == 1


def test_margins_make_equivalent() -> None:
    """A difference that is surely within the margin is called equivalent, in costs and in accuracies."""
    runs = experiment_runs(factor=1.001)
    by_metric = {one.metric: one for one in compare_setups(table_of(runs), [0, 0], margin=0.1, accuracy_margin=0.5)}
    assert by_metric["latency"].verdict == "equivalent"
    assert by_metric["latency"].margin == 0.1
    assert by_metric["accuracy"].margin == 0.5


def test_the_frontier_names_the_winner() -> None:
    """The faster mode of two that are equally accurate is on the frontier, the other almost surely not."""
    frontier = frontier_of(table_of(experiment_runs()), ["latency", "accuracy"])
    assert frontier.on_frontier.tolist() == [False, True]
    assert frontier.p_on_frontier[1] > 0.99
    assert frontier.p_on_frontier[0] < 0.01


def test_an_experiment_that_stopped_by_its_intervals_says_so() -> None:
    """With `until` every interval is labelled as sequential."""
    runs = experiment_runs()
    ordinary = claims_of(table_of(runs), small_experiment())
    sequential = claims_of(table_of(runs), small_experiment(until="1%"))
    assert {one.estimate.told_method for one in ordinary.comparisons} == {"t"}
    assert {one.estimate.told_method for one in sequential.comparisons} == {"sequential t"}
    assert ordinary.frontier is not None
    assert sequential.frontier is not None
    names = (["float32", "int8"], ["latency", "accuracy"])
    plain, told = ordinary.frontier.to_dict(*names), sequential.frontier.to_dict(*names)
    assert told["method"] == f"sequential {plain['method']}"
    assert told["hypervolume"]["method"] == f"sequential {plain['hypervolume']['method']}"  # type: ignore[index]


def test_every_metric_is_compared_in_one_of_two_families() -> None:
    """Each metric has its row; those of the sentences share one Holm correction, all others another."""
    claims = claims_of(table_of(experiment_runs()), small_experiment())
    assert [one.metric for one in claims.primary] == list(of_family("primary"))
    assert sorted(one.metric for one in claims.comparisons) == sorted(METRICS)
    assert claims.comparisons == [*claims.primary, *claims.further]
    alone = compare_setups(table_of(experiment_runs()), [0, 0])
    assert [repr(one) for one in claims.primary] == [repr(one) for one in alone]
    for family in (claims.primary, claims.further):
        assert {one.family for one in family} == {sum(one.p_value == one.p_value for one in family)}
    assert {comparison_row(one)["family"] for one in claims.further} == {"further"}


@pytest.mark.parametrize("objectives", ["latency,accuracy", "accuracy,latency", "latency,memory,accuracy"])
def test_the_summary_has_the_specified_probabilities_whatever_the_objectives(objectives: str) -> None:
    """Order and number of the objectives change nothing about the probabilities of latency against accuracy."""
    runs = [run("float32", r, 1.0 + 0.1 * JITTER[r]) for r in range(6)]
    runs += [run("int8", r, 1.1 * JITTER[-1 - r]) for r in range(6)]
    experiment = small_experiment(objectives=objectives)
    rows = summary_rows(table_of(runs), experiment, claims_of(table_of(runs), experiment))
    specified = frontier_of(table_of(runs), ["latency", "accuracy"])
    assert 0 < specified.p_on_frontier[0] < 1
    assert [row["p_on_pareto_frontier"] for row in rows] == specified.p_on_frontier.tolist()


def test_no_finished_run_is_still_an_answer() -> None:
    """When every run failed there are comparisons without tests and no probabilities; nothing breaks."""
    runs = [run(mode, 0, math.nan, status=FAILED) for mode in ("float32", "int8")]
    claims = claims_of(table_of(runs), small_experiment())
    assert {one.verdict for one in claims.comparisons} == {"not tested"}
    assert claims.frontier is None or not claims.frontier.on_frontier.any()


def test_a_comparison_is_a_flat_row() -> None:
    """A row of comparisons.csv holds the estimate, its method, the tests and the verdict."""
    row = comparison_row(compare_setups(table_of(experiment_runs()), [0, 0])[0])
    assert (row["metric"], row["precision_mode"], row["baseline"]) == ("latency", "int8", "float32")
    assert row["low"] < row["estimate"] < row["high"]  # type: ignore[operator]
    assert (row["method"], row["n"], row["verdict"]) == ("t", 6, "better")
    assert list(row) == list(column_types(ComparisonRow))
