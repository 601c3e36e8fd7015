"""Behaviour of a single run."""

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import SMALL
from made_up_counter import SteadyCounter
from significand.benchmark import Details, benchmark_one_setup
from significand.meters.energy import CpuTimeEstimate, EnergyCounter
from significand.meters.noise_share import Noise, Reading
from significand.meters.steps import DisturbedError, Step
from significand.plan.problems import PlanError
from significand.results.records import Run
from significand.workload.training import TrainingDivergedError

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


def test_turns_are_taken_for_every_epoch_and_round() -> None:
    """A turn to measure is asked for before each epoch and each round, one to prepare between the two."""
    turns: list[Step] = []
    one(take_turn=turns.append)
    assert turns == ["measure", "measure", "prepare", "measure", "measure"]


def use(monkeypatch: pytest.MonkeyPatch, counter: EnergyCounter) -> None:
    """Let runs take this counter, whatever the machine has."""
    monkeypatch.setattr("significand.benchmark.choose_counter", lambda watts_per_core: counter)  # noqa: ARG005


@pytest.mark.parametrize("power_w", [-1.0, math.nan, math.inf])
def test_what_is_no_idle_power_is_refused(power_w: float) -> None:
    """It would be subtracted from every energy, so a value that cannot be is a mistake that is named."""
    with pytest.raises(PlanError, match=rf"idle_power_w: {power_w!r} is no power; give watts, 0 or more"):
        one(idle_power_w=power_w)


def test_idle_power_is_subtracted_from_measured_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the epoch's window of 1 s 10 J were used: less 4 W there are 6 J."""
    use(monkeypatch, SteadyCounter())
    row = one(idle_power_w=4.0, epochs=1)  # of one, however long it takes, the window holds one
    assert row["energy_per_epoch_j"] == pytest.approx(6.0)
    assert row["energy_assumptions"] == "4 W of the idle machine are subtracted"


def test_idle_power_is_not_subtracted_from_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPU time has no idle part: the estimate stays above nothing, and says what was not done."""
    use(monkeypatch, CpuTimeEstimate(5.0))
    row = Run(**one(idle_power_w=1e6))  # type: ignore[arg-type]
    assert row.energy_per_epoch_j > 0
    assert row.energy_assumptions.endswith("1e+06 W of the idle machine cannot be subtracted")


def test_energy_of_another_counter_than_the_experiments_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the counter is gone the energy is NaN with the reason, and no estimate takes its place."""
    use(monkeypatch, CpuTimeEstimate(5.0))
    gone = Run(**one(energy_source="rapl"))  # type: ignore[arg-type]
    assert math.isnan(gone.energy_per_epoch_j)
    assert gone.energy_assumptions.endswith("the counter rapl could not be read any more")
    there = Run(**one(energy_source="cpu-time"))  # type: ignore[arg-type]
    assert there.energy_per_epoch_j > 0


def test_the_window_after_a_short_training_is_a_step_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the counter needs longer than all of the training, the window added is on the record of steps too."""
    use(monkeypatch, CpuTimeEstimate(5.0, shortest_window_s=2.0))  # an epoch is far shorter, also on a busy machine
    turns: list[Step] = []
    kept: list[Details] = []
    row = Run(**one(epochs=1, take_turn=turns.append, keep_details=kept.append))  # type: ignore[arg-type]
    assert turns == ["measure", "measure", "prepare", "measure", "measure"]
    assert list(zip(kept[0].steps["phase"], kept[0].steps["index"], strict=True)) == [
        ("training", 0),
        ("training", 1),
        ("inference", 0),
        ("inference", 1),
    ]
    assert row.steps == 4
    assert row.energy_window_s >= 2.0


def with_shares(monkeypatch: pytest.MonkeyPatch, training: float, inference: float) -> None:
    """Let others take these shares of every step."""
    shares = iter([training, inference])  # each phase has a meter of its own

    class MadeUpMeter:
        def __init__(self, threads: int) -> None:
            del threads
            self._share = next(shares)

        def start(self) -> Reading:
            return Reading(0, 0, {}, {}, {}, 0, {}, {})

        def since(self, reading: Reading) -> Noise:
            del reading
            return Noise(0.03, 0.0, 0.0, 0.0, 0.0, 0.0, math.nan, math.nan, self._share)

    monkeypatch.setattr("significand.phases.NoiseMeter", MadeUpMeter)


def test_steps_of_which_nobody_can_tell_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown is neither quiet nor disturbed: it has a column of its own."""
    with_shares(monkeypatch, 0.0, math.nan)
    row = Run(**one())  # type: ignore[arg-type]
    assert (row.steps, row.disturbed_steps, row.unknown_steps) == (4, 0, 2)


def test_a_run_that_noise_ended_hands_over_the_steps_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error carries training's quiet steps too, in order, before the one that stayed disturbed."""
    with_shares(monkeypatch, 0.0, 0.5)
    with pytest.raises(DisturbedError, match="others took 50 % of the CPU time of inference round 1") as caught:
        one(on_noise="fail", remeasure_limit=1, remeasure_nice=0)
    assert [(attempt.phase, attempt.index, attempt.attempt) for attempt in caught.value.attempts] == [
        ("training", 0, 0),
        ("training", 1, 0),
        ("inference", 0, 0),
        ("inference", 0, 1),
    ]


def test_details_hold_every_epoch_and_call() -> None:
    """The single times behind the row are handed out, and the row's numbers follow from them."""
    kept: list[Details] = []
    run = Run(**one(keep_details=kept.append))  # type: ignore[arg-type]
    (details,) = kept
    assert details.epoch_time_s.mean() == pytest.approx(run.train_time_per_epoch_s)
    assert details.epoch_loss[-1] == run.final_train_loss
    assert sorted(set(details.call_round)) == [0, 1]
    assert len(details.call_latency_s) == len(details.call_round)
    assert len(details.call_latency_s) * run.calls_per_timing == run.latency_calls
    assert run.inference_latency_per_sample_s == pytest.approx(np.median(details.call_latency_s) / 16)
    rounds_s = [np.median(details.call_latency_s[details.call_round == k]) / 16 for k in (0, 1)]
    assert [float(word) for word in run.round_latencies_s.split()] == rounds_s


def test_divergence_is_an_error_that_names_the_remedy() -> None:
    """A loss that is not finite raises; it never becomes a silent NaN."""
    with pytest.raises(TrainingDivergedError, match=r"diverged.*learning_rate"):
        one(learning_rate=1e30)


def test_every_mistake_is_reported_before_anything_runs() -> None:
    """Bad arguments raise one error with a line for each."""
    with pytest.raises(PlanError) as caught:
        one("float17", layer_sizes=[16], epochs=0)
    assert [line.split(":")[0] for line in caught.value.problems] == ["layer_sizes", "precision_mode", "epochs"]


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


def test_a_slowed_run_says_which_it_is_and_has_its_share_found_alone() -> None:
    """The label is in the row; the call's own time is found in a turn of its own, which is no measured step."""
    turns: list[Step] = []
    row = one(label="slow", slowdown=0.5, take_turn=turns.append)
    assert row["label"] == "slow"
    assert turns == ["measure", "measure", "prepare", "again", "measure", "measure"]


def test_arguments_that_no_plan_knows_are_checked_with_the_others() -> None:
    """What is wrong with any of them stands in the same error, before anything runs."""
    wrong: dict[str, Any] = {"dataset": ([], []), "repeat": "a", "idle_power_w": "5", "slowdown": math.nan}
    with pytest.raises(PlanError) as caught:
        one(epochs=0, **wrong)
    assert [line.split(":")[0] for line in caught.value.problems] == ["epochs", *wrong]
    for name, value in wrong.items():
        with pytest.raises(PlanError, match=f"^{name}: "):
            one(**{name: value})


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
