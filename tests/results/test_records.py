import math
from dataclasses import FrozenInstanceError, fields

import pytest

from significand.results.records import FAILED, MetricSummary, Run, Summary

# DESIGN section 3: the keys of benchmark_one_setup, in order.
SPECIFIED = (
    "seed",
    "layer_sizes",
    "precision_mode",
    "batch_size",
    "epochs",
    "n_samples",
    "train_time_per_epoch_s",
    "inference_latency_per_sample_s",
    "batch_throughput_samples_per_s",
    "peak_memory_mb",
    "cpu_utilization_percent",
    "final_train_accuracy",
    "energy_per_epoch_j",
)


def test_specified_columns_are_all_there() -> None:
    """Every key of the specified interface is a column."""
    assert set(SPECIFIED) <= {column.name for column in fields(Run)}


def test_number_that_was_not_measured_is_nan() -> None:
    """A run without measurements holds NaN, never 0."""
    run = Run(precision_mode="int8")
    assert all(math.isnan(getattr(run, column.name)) for column in fields(Run) if column.type is float)


@pytest.mark.parametrize("column", fields(Run), ids=lambda column: column.name)
def test_every_column_is_explained_with_its_unit(column: object) -> None:
    """Every column has a description, every real number a unit, and the name carries the unit where there is one."""
    metadata = getattr(column, "metadata", {})
    assert metadata["doc"]
    if getattr(column, "type", None) is not float:
        return
    suffix = {"s": "_s", "J": "_j", "%": "_percent", "MB (10^6 bytes)": "_mb", "1/s": "_per_s", "MHz": "_mhz", "1": ""}
    assert str(getattr(column, "name", "")).endswith(suffix[metadata["unit"]])


def test_texts_of_a_row_become_numbers() -> None:
    """A cell is read by its column's type, and an empty number is NaN."""
    row = {"seed": "7", "layer_sizes": "64x10", "peak_memory_mb": "1e3", "energy_per_epoch_j": "", "reason": ""}
    run = Run.from_row(row)
    assert (run.seed, run.layer_sizes, run.peak_memory_mb, run.reason) == (7, "64x10", 1000.0, "")
    assert math.isnan(run.energy_per_epoch_j)


def test_row_from_an_older_table_has_the_defaults() -> None:
    """Columns that a table lacks take their defaults."""
    run = Run.from_row({"seed": "7", "precision_mode": "int8"})
    assert repr(run) == repr(Run(seed=7, precision_mode="int8"))


@pytest.mark.parametrize(
    "row",
    [{"seed": "x"}, {"seed": "1.5"}, {"final_train_accuracy": "high"}, {"round_latencies_s": "2e-6 2e-6;2e-6"}],
)
def test_text_of_another_type_is_refused(row: dict[str, str]) -> None:
    """A cell that is not of its column's type is an error, not a guess."""
    with pytest.raises(ValueError, match=r"invalid literal|could not convert"):
        Run.from_row(row)


def test_line_cut_off_is_refused() -> None:
    """A line that ends early, as after a crash, is an error that names the first lost column."""
    with pytest.raises(ValueError, match="ends before the column precision_mode"):
        Run.from_row({"seed": "7", "layer_sizes": "64", "precision_mode": None})


def test_run_cannot_be_changed() -> None:
    """A run is immutable."""
    with pytest.raises(FrozenInstanceError):
        Run().seed = 1  # type: ignore[misc]  # what is refused


def test_run_is_named_by_repeat_and_mode() -> None:
    """Names sort by repeat and tell whether the run finished."""
    run = Run(repeat=7, precision_mode="int8")
    assert run.name == "r007-int8"
    assert run.finished
    assert not Run(status=FAILED).finished


def test_summary_row_begins_with_the_mode() -> None:
    """A summary's row: mode, number of runs, each metric's specified numbers, our further ones, then the facts."""
    summary = Summary("int8", 3, {"latency": MetricSummary(1.0, 2.0, 3.0)}, {"engine": "torch"})
    row = list(summary.to_row().items())
    assert row[:5] == [
        ("precision_mode", "int8"),
        ("repeats", 3),
        ("latency_mean", 1.0),
        ("latency_std", 2.0),
        ("latency_ci95", 3.0),
    ]
    assert [name for name, _ in row[5:-1]] == [
        f"latency_{key}"
        for key in (
            "ci95_t_low",
            "ci95_t_high",
            "median",
            "median_ci_low",
            "median_ci_high",
            "median_ci_level",
            "min",
            "max",
        )
    ]
    assert row[-1] == ("engine", "torch")


def test_equal_setups_have_runs_of_different_names() -> None:
    """A run is named by repeat and mode, and by its label where it has one."""
    assert Run(repeat=3, precision_mode="int8").name == "r003-int8"
    assert Run(repeat=3, precision_mode="int8", label="again").name == "r003-int8-again"
