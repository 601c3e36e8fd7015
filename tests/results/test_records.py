import math
from dataclasses import FrozenInstanceError, fields, replace

import pytest

from conftest import small_experiment
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


def test_row_that_lacks_columns_has_the_defaults() -> None:
    """Columns that a row lacks take their defaults, and its setup is named by its mode."""
    run = Run.from_row({"seed": "7", "precision_mode": "int8"})
    assert repr(run) == repr(Run(seed=7, precision_mode="int8", setup="int8"))


@pytest.mark.parametrize(
    "row",
    [
        {"seed": "x"},
        {"seed": "1.5"},
        {"final_train_accuracy": "high"},
        {"round_latencies_s": "2e-6 2e-6;2e-6"},
        {"seed": str(2**63)},
    ],
)
def test_text_of_another_type_is_refused(row: dict[str, str]) -> None:
    """A cell that is not of its column's type is an error, not a guess."""
    with pytest.raises(
        ValueError, match=r"invalid literal|could not convert|seed: 9223372036854775808\.\.\. is out of range"
    ):
        Run.from_row(row)


def test_run_cannot_be_changed() -> None:
    """A run is immutable."""
    with pytest.raises(FrozenInstanceError):
        Run().seed = 1  # type: ignore[misc]  # what is refused


def test_run_is_named_by_repeat_and_setup() -> None:
    """Names sort by repeat and tell whether the run finished."""
    run = Run(repeat=7, setup="int8")
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
    """A run is named by its repeat and its setup."""
    assert Run(repeat=3, setup="int8").name == "r003-int8"
    assert Run(repeat=3, setup="int8-again").name == "r003-int8-again"


def test_run_of_a_setup_says_what_was_planned_and_what_was_measured() -> None:
    """Every column that the setup decides is filled from it; what was measured comes on top, by the columns' names."""
    (setup,) = small_experiment(precision_modes=["int8"], batch_size=8, threads=1, momentum=0.5).setups()
    run = Run.of(replace(setup, variant="again", name=""), 9, 2, test_accuracy=0.75, n_samples=199)
    planned = {
        "seed": 9,
        "repeat": 2,
        "setup": "int8-again",
        "variant": "again",
        "layer_sizes": "16x32x4",
        "activations": "relu+softmax",
        "precision_mode": "int8",
        "training_precision": "float32",
        "engine": "onnxruntime",
        "device": "cpu",
        "batch_size": 8,
        "threads": 1,
        "epochs": 2,
        "n_samples": 199,
        "data": "synthetic",
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "status": "finished",
        "test_accuracy": 0.75,
    }
    assert {name: value for name, value in run.to_row().items() if name in planned} == planned
    assert math.isnan(run.final_train_accuracy)
    with pytest.raises(TypeError, match="nonsense"):
        Run.of(setup, 9, 2, nonsense=1)


def test_a_row_of_this_schema_is_read_back_as_it_is() -> None:
    """Setup, device and variant stand in it and are not guessed."""
    run = Run(repeat=1, precision_mode="int8", setup="int8-b8", device="gpu", variant="x", batch_size=8)
    row = {name: "" if value != value else str(value) for name, value in run.to_row().items()}  # noqa: PLR0124 - NaN
    assert repr(Run.from_row(row | {"steady_state": ""})) == repr(run)
