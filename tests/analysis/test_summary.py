import math
from dataclasses import fields
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from conftest import small_experiment
from significand.analysis.summary import summarise
from significand.plan.metrics import SPECIFIED, SPECIFIED_COSTS, SUMMARISED
from significand.results.records import FAILED, MetricSummary, Run
from significand.results.table import table_of

# DESIGN section 3: the keys of a summary row that come first, in this order.
SPECIFIED_KEYS = [
    "precision_mode",
    "repeats",
    "train_time_mean",
    "train_time_std",
    "train_time_ci95",
    "latency_mean",
    "latency_std",
    "latency_ci95",
    "memory_mean",
    "memory_std",
    "memory_ci95",
    "accuracy_mean",
    "accuracy_std",
    "accuracy_ci95",
    "energy_mean",
    "energy_std",
    "energy_ci95",
]


def run(mode: str, repeat: int = 0, value: float = 1.0, **changes: object) -> Run:
    """Return a finished run in which every specified metric is `value`."""
    columns: dict[str, object] = dict.fromkeys((one.column for one in SPECIFIED), value)
    fields: dict[str, object] = {"precision_mode": mode, "setup": mode, "repeat": repeat} | columns | changes
    return Run(**fields)  # type: ignore[arg-type]  # fields by name


def rows(runs: list[Run], *modes: str) -> dict[str, dict[str, object]]:
    """Summarise and return the rows by mode."""
    experiment = small_experiment(precision_modes=list(modes))
    summaries = summarise(table_of(runs, modes), experiment.setups(), experiment.baselines())
    return {summary.precision_mode: summary.to_row() for summary in summaries}


def test_row_begins_with_the_specified_keys_in_order() -> None:
    """The specified keys come first and in the specified order, ours after them."""
    row = rows([run("int8")], "int8")["int8"]
    assert list(row)[: len(SPECIFIED_KEYS)] == SPECIFIED_KEYS
    assert {f"{one.name}_mean" for one in SUMMARISED} <= set(row)


def test_rows_stand_in_the_order_of_the_modes() -> None:
    """There is one summary per mode in the order given, in whatever order the runs ended."""
    runs = [run("int8", 0), run("float32", 0), run("float16", 0)]
    assert list(rows(runs, "float16", "float32", "int8")) == ["float16", "float32", "int8"]


@pytest.mark.parametrize(("metric", "column"), [(one.name, one.column) for one in SPECIFIED])
def test_metric_summarises_its_own_column(metric: str, column: str) -> None:
    """Each metric is made of its column: of 1, 2, 3 and 6 by hand mean 3, s sqrt(14/3), 1.96 s / 2."""
    runs = [run("float32", repeat, 99.0, **{column: value}) for repeat, value in enumerate([1.0, 2.0, 3.0, 6.0])]
    row = rows(runs, "float32")["float32"]
    assert row["repeats"] == 4
    assert row[f"{metric}_mean"] == 3.0
    assert row[f"{metric}_std"] == pytest.approx(2.160246899, rel=1e-9)
    assert row[f"{metric}_ci95"] == pytest.approx(1.96 * 2.160246899 / 2, rel=1e-9)


def test_t_interval_median_and_extremes_stand_beside_the_specified_keys() -> None:
    """Of 1 ... 6: the t interval of SciPy's own; the median 3.5, its interval from the least to the largest."""
    runs = [run("float32", repeat, float(repeat + 1)) for repeat in range(6)]
    row = rows(runs, "float32")["float32"]
    low, high = stats.t.interval(0.95, 5, 3.5, stats.sem([1, 2, 3, 4, 5, 6]))
    assert (row["latency_ci95_t_low"], row["latency_ci95_t_high"]) == pytest.approx((low, high))
    assert row["latency_median"] == 3.5
    # 1 - 2 / 2^6 = 96.9 %: at n = 6 the extremes are the interval (any table of order statistics).
    assert (row["latency_median_ci_low"], row["latency_median_ci_high"]) == (1.0, 6.0)
    assert row["latency_median_ci_level"] == 1 - 2 / 2**6
    assert (row["latency_min"], row["latency_max"]) == (1.0, 6.0)


def test_a_median_without_bounds_has_no_level() -> None:
    """With five runs no order statistics bound the median at 95 %: bounds and level are NaN."""
    row = rows([run("float32", repeat, float(repeat)) for repeat in range(5)], "float32")["float32"]
    assert row["latency_median"] == 2.0
    assert all(math.isnan(row[f"latency_median_ci_{name}"]) for name in ("low", "high", "level"))  # type: ignore[arg-type]


def test_ten_runs_have_bootstrap_t_intervals_of_the_specified_metrics() -> None:
    """From ten runs on, each specified metric has an interval that follows its skewness; with nine it is missing."""
    runs = [run("float32", repeat, value) for repeat, value in enumerate([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 2, 3, 6])]
    row = rows(runs, "float32")["float32"]
    for metric in [one.name for one in SPECIFIED]:
        low, high = (row[f"{metric}_ci95_bootstrap_t_{end}"] for end in ("low", "high"))
        assert low < row[f"{metric}_mean"] < high  # type: ignore[operator]
        assert high > row[f"{metric}_ci95_t_high"]  # type: ignore[operator]  # skewed upwards
    short = rows(runs[:9], "float32")["float32"]
    assert math.isnan(short["latency_ci95_bootstrap_t_low"])  # type: ignore[arg-type]  # a number
    assert "test_accuracy_ci95_bootstrap_t_low" not in row


def test_failed_runs_are_counted_and_nothing_else() -> None:
    """A failed run raises the count of failures; its numbers and its facts are in no statistic."""
    good = [run("int8", 0, 1.0, energy_kind="estimated"), run("int8", 1, 3.0, energy_kind="estimated")]
    failed = run("int8", 2, 1e6, status=FAILED, energy_kind="broken")
    with_failure = rows([*good, failed], "int8")["int8"]
    assert with_failure["failed_runs"] == 1
    assert with_failure["repeats"] == 2
    assert str(with_failure | {"failed_runs": 0}) == str(rows(good, "int8")["int8"])


def test_noise_and_steadiness_are_counted_over_the_finished_runs() -> None:
    """Steps are summed, runs without a steady state counted with their reasons; unknown steadiness is not unsteady."""
    runs = [
        run("int8", 0, steps=20, disturbed_steps=2, remeasured_steps=5, steady_state=True, steady_reason="warm-up"),
        run("int8", 1, steps=20, disturbed_steps=1, remeasured_steps=0, steady_state=False, steady_reason="drift"),
        run("int8", 2, steps=20, unknown_steps=4, steady_state=None, steady_reason="too few"),
        run("int8", 3, steps=20, disturbed_steps=20, status=FAILED),
    ]
    row = rows(runs, "int8")["int8"]
    assert [row[key] for key in ("steps", "disturbed_steps", "unknown_steps", "remeasured_steps")] == [60, 3, 4, 5]
    assert (row["unsteady_runs"], row["steady_reason"]) == (1, "drift")


def test_single_run_has_a_mean_and_no_spread() -> None:
    """With one run the mean is its value, and deviation and interval are NaN, never 0."""
    row = rows([run("int8", 0, 5.0)], "int8")["int8"]
    for metric in [one.name for one in SPECIFIED]:
        assert row[f"{metric}_mean"] == 5.0
        assert math.isnan(row[f"{metric}_std"])  # type: ignore[arg-type]  # a number
        assert math.isnan(row[f"{metric}_ci95"])  # type: ignore[arg-type]  # a number


@pytest.mark.parametrize("runs", [[], [run("int8", status=FAILED)]], ids=["no run", "only failed"])
def test_mode_without_a_finished_run_is_nan_throughout(runs: list[Run]) -> None:
    """A mode of which no run finished has NaN for every number, and is on no frontier."""
    row = rows([*runs, run("float32")], "float32", "int8")["int8"]
    numbers = {name: value for name, value in row.items() if isinstance(value, float)}
    shares = 1  # others_share
    per_metric = len(fields(MetricSummary))
    metrics = len(SUMMARISED)
    assert len(numbers) == per_metric * metrics + 3 * len(SPECIFIED_COSTS) + 2 * len(SPECIFIED) + shares
    assert all(map(math.isnan, numbers.values()))
    assert row["repeats"] == 0
    assert row["on_pareto_frontier"] is False


def test_number_missing_in_one_run_is_left_out_of_its_metric_only() -> None:
    """A NaN in one run's memory narrows that mean to the other runs."""
    runs = [run("int8", 0, 2.0, peak_memory_mb=math.nan), run("int8", 1, 4.0)]
    row = rows(runs, "int8")["int8"]
    assert row["memory_mean"] == 4.0
    assert row["latency_mean"] == 3.0


@pytest.mark.parametrize(
    ("modes", "baseline"),
    [(["int8", "float32"], "float32"), (["float16", "int8"], "float16"), (["int8", "float16"], "int8")],
)
def test_baseline_is_float32_or_the_first_mode(modes: list[str], baseline: str) -> None:
    """Ratios are to float32 where it was measured, and else to the first mode; the baseline's own are 1."""
    runs = [run(mode, repeat, 1.0 + modes.index(mode)) for mode in modes for repeat in range(3)]
    summaries = rows(runs, *modes)
    assert {row["ratio_baseline"] for row in summaries.values()} == {baseline}
    for cost in [one.name for one in SPECIFIED_COSTS]:
        assert summaries[baseline][f"{cost}_ratio"] == 1.0


def test_ratios_are_paired_by_repeat() -> None:
    """A mode that takes half of float32's time in every repeat has the ratio 1/2, although the repeats differ."""
    runs = [run(mode, r, factor * 10.0**r) for mode, factor in [("float32", 2.0), ("int8", 1.0)] for r in range(3)]
    row = rows([*runs, run("int8", 3, 1e9)], "float32", "int8")["int8"]
    for cost in [one.name for one in SPECIFIED_COSTS]:
        bounds = [row[f"{cost}_{name}"] for name in ("ratio", "ratio_ci95_t_low", "ratio_ci95_t_high")]
        assert bounds == pytest.approx([0.5, 0.5, 0.5], rel=1e-9)


@pytest.mark.parametrize("fact", ["energy_kind", "energy_source"])
def test_energies_of_two_sources_have_no_mean_and_no_ratio(fact: str) -> None:
    """A measurement and an estimate are not averaged, nor put in relation to one another; the other costs are."""
    mixed = [run("int8", repeat, 2.0, **{fact: value}) for repeat, value in enumerate(["one", "two"])]
    row = rows(mixed, "int8")["int8"]
    assert math.isnan(row["energy_mean"])  # type: ignore[arg-type]  # a number
    assert row["latency_mean"] == 2.0
    apart = [run("float32", 0, 1.0, **{fact: "one"}), run("int8", 0, 2.0, **{fact: "two"})]
    row = rows(apart, "float32", "int8")["int8"]
    assert row["energy_mean"] == row["latency_ratio"] == 2.0
    assert math.isnan(row["energy_ratio"])  # type: ignore[arg-type]  # a number


def test_frontier_is_latency_against_accuracy_on_means() -> None:
    """The mode that another beats in both is off the frontier; faster or more accurate ones are on it."""
    latency, accuracy = "inference_latency_per_sample_s", "final_train_accuracy"
    runs = [
        run("float32", 0, **{latency: 3.0, accuracy: 0.9}),
        run("float16", 0, **{latency: 4.0, accuracy: 0.8}),
        run("int8", 0, **{latency: 1.0, accuracy: 0.7}),
    ]
    on = {mode: row["on_pareto_frontier"] for mode, row in rows(runs, "float32", "float16", "int8").items()}
    assert on == {"float32": True, "float16": False, "int8": True}


def test_facts_on_which_runs_differ_are_all_named() -> None:
    """Where runs of a mode differ in a fact, every value stands in the row, each once."""
    runs = [run("int8", r, effective_precision=name) for r, name in enumerate(["int8", "float32", "int8"])]
    assert rows(runs, "int8")["int8"]["effective_precision"] == "int8 | float32"


@given(
    st.lists(st.tuples(st.sampled_from(["float32", "int8"]), st.floats(1e-6, 1e6)), max_size=12),
    st.randoms(use_true_random=False),
)
def test_order_of_the_runs_does_not_matter(values: list[tuple[str, float]], random: Random) -> None:
    """Runs may end in any order: the summary is the same up to rounding."""
    runs = [run(mode, repeat, value) for repeat, (mode, value) in enumerate(values)]
    shuffled = random.sample(runs, len(runs))
    for mode, row in rows(runs, "float32", "int8").items():
        other = rows(shuffled, "float32", "int8")[mode]
        assert list(other) == list(row)
        for name, value in row.items():
            expected = pytest.approx(value, rel=1e-9, abs=1e-6, nan_ok=True) if isinstance(value, float) else value
            assert other[name] == expected
