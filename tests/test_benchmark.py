"""Behaviour of a single run."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import SMALL
from significand.benchmark import benchmark_one_setup
from significand.plan.problems import PlanError
from significand.results.records import Run
from significand.workload.training import TrainingDivergedError

pytestmark = pytest.mark.slow

SPECIFIED_KEYS = [
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
]


def one(mode: str = "float32", **changes: object) -> dict[str, object]:
    fields = {name: value for name, value in SMALL.items() if name not in {"precision_modes", "repeats"}}
    return benchmark_one_setup(precision_mode=mode, **(fields | changes))  # type: ignore[arg-type]


def test_the_specified_signature_gives_the_specified_keys() -> None:
    """The call with positional arguments alone works, and its keys begin with the specified ones."""
    row = benchmark_one_setup([16, 32, 4], ["relu", "softmax"], "float32", 32, 128, 1, 3)
    assert list(row)[: len(SPECIFIED_KEYS)] == SPECIFIED_KEYS
    assert row["layer_sizes"] == "16x32x4"
    assert row["seed"] == 3
    assert row["n_samples"] == 128


def test_the_defaults_are_the_specified_ones() -> None:
    """Left out, n_samples is 512, epochs 2, seed 42."""
    row = benchmark_one_setup([16, 32, 4], ["relu", "softmax"], "float32", 32, latency_rounds=1)
    assert (row["n_samples"], row["epochs"], row["seed"]) == (512, 2, 42)


@pytest.mark.parametrize(
    ("mode", "engine"),
    [
        ("float64", "torch"),
        ("float32", "torch"),
        ("bfloat16", "torch"),
        ("float16", "torch"),
        ("int8-dynamic", "torch"),
        ("float32", "onnxruntime"),
        ("float16", "onnxruntime"),
        ("int8", "onnxruntime"),
        ("int8-dynamic", "onnxruntime"),
    ],
)
def test_a_run_in_every_mode_gives_every_number(mode: str, engine: str) -> None:
    """Every measured number is there and possible, whatever the mode."""
    run = Run(**one(mode, engine=engine))  # type: ignore[arg-type]
    assert run.finished
    for name in ("train_time_per_epoch_s", "inference_latency_per_sample_s", "energy_per_epoch_j", "model_size_mb"):
        assert getattr(run, name) > 0
    for name in ("training_peak_memory_mb", "inference_peak_memory_mb", "conversion_peak_memory_mb"):
        assert getattr(run, name) >= 0
    assert run.peak_memory_mb == max(run.training_peak_memory_mb, run.inference_peak_memory_mb)
    assert 0.25 < run.final_train_accuracy <= 1  # better than guessing among four
    assert 0 <= run.test_accuracy <= 1
    assert 0 <= run.relative_output_error < 0.3
    assert run.batch_latency_p50_s <= run.batch_latency_p95_s <= run.batch_latency_p99_s
    assert run.effective_precision
    assert run.n_train + run.n_test == run.n_samples


def test_memory_is_the_networks_and_not_that_of_code() -> None:
    """A network of some kB does not need a MB in training or inference: code was mapped before."""
    run = Run(**one(epochs=3))  # type: ignore[arg-type]
    assert run.peak_memory_mb < 1


def test_throughput_is_the_inverse_of_latency() -> None:
    """Samples per second and seconds per sample are the same measurement."""
    row = Run(**one())  # type: ignore[arg-type]
    assert row.batch_throughput_samples_per_s * row.inference_latency_per_sample_s == pytest.approx(1)


def test_estimated_energy_is_cpu_time_times_watts() -> None:
    """Estimated energy restates CPU time: at least that of the epoch, at most that of the whole call."""
    start_s = time.process_time()
    row = Run(**one(watts_per_core=5.0))  # type: ignore[arg-type]
    used_s = time.process_time() - start_s
    epoch_s = row.cpu_utilization_percent / 100 * row.train_time_per_epoch_s
    assert 5.0 * epoch_s <= row.energy_per_epoch_j <= 5.0 * used_s
    assert (row.energy_kind, row.energy_source) == ("estimated", "cpu-time")
    assert "5 W" in row.energy_assumptions


def test_the_same_seed_gives_the_same_accuracy_and_another_seed_another_network() -> None:
    """Data, weights and shuffling follow the seed."""
    first, second, other = (Run(**one(seed=seed)) for seed in (7, 7, 8))  # type: ignore[arg-type]
    assert first.final_train_accuracy == second.final_train_accuracy
    assert first.final_train_loss == second.final_train_loss
    assert first.relative_output_error == second.relative_output_error
    assert first.final_train_loss != other.final_train_loss


def test_modes_that_train_alike_start_alike() -> None:
    """int8 trains in float32: with the same seed its training loss is that of float32 to the last bit."""
    assert one("float32")["final_train_loss"] == one("int8")["final_train_loss"]


def test_divergence_is_an_error_that_names_the_remedy() -> None:
    """A loss that is not finite raises; it never becomes a silent NaN."""
    with pytest.raises(TrainingDivergedError, match=r"diverged.*learning_rate"):
        one(learning_rate=1e30)


def test_every_mistake_is_reported_before_anything_runs() -> None:
    """Bad arguments raise one error with a line for each."""
    with pytest.raises(PlanError) as caught:
        one("float17", layer_sizes=[16], epochs=-1)
    assert [line.split(":")[0] for line in caught.value.problems] == ["layer_sizes", "epochs", "precision_mode"]


def test_a_batch_larger_than_the_data_is_filled_up(tmp_path: Path) -> None:
    """Latency is measured on a full batch even where there are fewer samples."""
    row = one(n_samples=20, batch_size=64)
    assert row["batch_size"] == 64
    assert not list(tmp_path.iterdir())


def test_own_data_is_read_from_a_file(tmp_path: Path) -> None:
    """A .npz file serves as data, with all of its samples by default."""
    random = np.random.default_rng(0)
    np.savez(tmp_path / "own.npz", X=random.normal(size=(60, 16)), y=np.arange(60) % 4)
    row = one(data=str(tmp_path / "own.npz"), n_samples=None)
    assert row["n_samples"] == 60


def test_arrays_generators_and_paths_are_taken(tmp_path: Path) -> None:
    """Layer sizes as an array, activations as a generator and data as a path give the run of lists and texts."""
    path = tmp_path / "data.npz"
    np.savez(path, X=np.random.default_rng(1).normal(size=(40, 16)), y=np.arange(40) % 4)
    shared: dict[str, Any] = {"n_samples": None, "epochs": 1}
    plain = one(data=str(path), **shared)
    other = one(
        data=path,
        layer_sizes=np.array([16, 32, 4]),
        activations=(name for name in ("relu", "softmax")),
        seed=np.int64(7),
        **shared,
    )
    assert (plain["layer_sizes"], plain["final_train_accuracy"]) == (
        other["layer_sizes"],
        other["final_train_accuracy"],
    )
