"""Behaviour of a run: its turns, its energy, its noise, and the single times behind its numbers."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

import numpy as np
import pytest

from conftest import small_experiment
from made_up_counter import SteadyCounter
from significand.measure.run import measure, noise_values, step_arrays
from significand.meters.counters import EnergyPlan
from significand.meters.energy import CpuTimeEstimate, EnergyCounter
from significand.meters.noise_share import CpuReading, Noise
from significand.meters.steps import Attempt, DisturbedError, Step
from significand.plan.setup import Setup
from significand.results.contents import DETAIL_ARRAYS
from significand.results.records import Measured, Run
from significand.workload.material import material_of
from significand.workload.training import TrainingDivergedError

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class With(EnergyPlan):
    """Energy from this counter, whatever the machine has."""

    watts_per_core: float = 5.0
    counter: EnergyCounter = field(default_factory=lambda: CpuTimeEstimate(5.0))

    def open(self) -> EnergyCounter:
        """Return it."""
        return self.counter


class MadeUpMeter:
    """Sees others take the same share of every step."""

    def __init__(self, share: float) -> None:
        self._share = share

    def start(self) -> CpuReading:
        """Begin a window."""
        return CpuReading(0, 0, {}, {}, {}, 0, {}, {})

    def since(self, reading: CpuReading, /) -> Noise:
        """Return what happened in it."""
        del reading
        return Noise(0.03, 0.0, 0.0, 0.0, 0.0, 0.0, math.nan, math.nan, self._share)


def run(
    energy: EnergyPlan = With(),
    take_turn: Callable[[Step], None] = lambda step: None,  # noqa: ARG005 - alone there is nobody to wait for
    shares: tuple[float, float] = (0.0, 0.0),
    alter: Callable[[Setup], Setup] = lambda setup: setup,
    profiled: bool = False,
    **changes: object,
) -> Measured:
    """Measure a small setup where others take these shares of the steps of training and of inference."""
    experiment = small_experiment(**{"precision_modes": ["float32"], "threads": 1} | changes)
    of_phases = iter(shares)  # each phase has a meter of its own
    return measure(
        alter(experiment.setups()[0]),
        experiment.protocol,
        experiment.seed,
        material_of(experiment.workload, None),
        energy,
        take_turn=take_turn,
        profiled=profiled,
        new_meter=lambda threads: MadeUpMeter(next(of_phases)),  # noqa: ARG005 - as many as there are
    )


def test_values_are_columns_and_details_are_the_documented_arrays() -> None:
    """What a run comes to goes by the names of raw_runs.csv and of details, and nothing is missing of the latter."""
    measured = run(profiled=True)
    assert set(measured.values) <= {column.name for column in fields(Run)}
    assert set(measured.details) == set(DETAIL_ARRAYS)


def test_turns_are_taken_for_every_epoch_and_round() -> None:
    """A turn to measure is asked for before each epoch and each round, one to prepare between the two."""
    turns: list[Step] = []
    run(take_turn=turns.append)
    assert turns == ["measure", "measure", "prepare", "again", "prepare", "measure", "measure"]


def test_disturbed_steps_are_measured_again_in_turns_of_their_own() -> None:
    """Each time it is asked for; the run counts its steps once, and says how many were measured again."""
    turns: list[Step] = []
    measured = run(take_turn=turns.append, shares=(0.0, 0.5), on_noise="remeasure", remeasure_limit=2, remeasure_nice=0)
    again: list[Step] = ["measure", "again", "again"]
    assert turns == ["measure", "measure", "prepare", "again", "prepare", *again, *again]
    values = measured.values
    assert (values["steps"], values["disturbed_steps"], values["remeasured_steps"]) == (4, 2, 2)
    assert len(measured.details["epoch_time_s"]) == 2


@pytest.mark.parametrize("slowdown", [None, 0.0, 0.5])
def test_a_session_is_opened_and_called_first_alone(slowdown: float | None) -> None:
    """Load time and first call have a turn of their own, no measured step; a share of the time is found in it."""
    turns: list[Step] = []
    values = run(take_turn=turns.append, alter=lambda setup: replace(setup, variant="one", slowdown=slowdown)).values
    assert turns == ["measure", "measure", "prepare", "again", "prepare", "measure", "measure"]
    assert values["steps"] == 4
    assert 0 < float(str(values["first_call_s"])) < float(str(values["load_time_s"])) < 10


def test_idle_power_is_subtracted_from_measured_energy() -> None:
    """In the epoch's window of 1 s 10 J were used: less 4 W there are 6 J."""
    values = run(With(idle_power_w=4.0, counter=SteadyCounter()), epochs=1).values  # of one epoch, however long it is
    assert values["energy_per_epoch_j"] == pytest.approx(6.0)
    assert values["energy_assumptions"] == "4 W of the idle machine are subtracted"


def test_idle_power_is_not_subtracted_from_an_estimate() -> None:
    """CPU time has no idle part: the estimate stays above nothing, and says what was not done."""
    values = run(With(idle_power_w=1e6)).values
    assert float(str(values["energy_per_epoch_j"])) > 0
    assert str(values["energy_assumptions"]).endswith("1e+06 W of the idle machine cannot be subtracted")


def test_energy_of_another_counter_than_the_experiments_is_missing() -> None:
    """When the counter is gone the energy is NaN with the reason, and no estimate takes its place."""
    gone = run(With(source="rapl")).values
    assert math.isnan(float(str(gone["energy_per_epoch_j"])))
    assert str(gone["energy_assumptions"]).endswith("the counter rapl could not be read any more")
    there = run(With(source="cpu-time")).values
    assert float(str(there["energy_per_epoch_j"])) > 0


def test_the_window_after_a_short_training_is_a_step_like_any_other() -> None:
    """Where the counter needs longer than all of the training, the window added is on the record of steps too."""
    turns: list[Step] = []
    slow = CpuTimeEstimate(5.0, shortest_window_s=0.5)  # an epoch is far shorter, also on a busy machine
    measured = run(With(counter=slow), turns.append, epochs=1)
    assert turns == ["measure", "measure", "prepare", "again", "prepare", "measure", "measure"]
    steps = zip(measured.details["step_phase"], measured.details["step_index"], strict=True)
    assert list(steps) == [("training", 0), ("training", 1), ("inference", 0), ("inference", 1)]
    assert measured.values["steps"] == 4
    assert float(str(measured.values["energy_window_s"])) >= 0.5


def test_steps_of_which_nobody_can_tell_are_counted() -> None:
    """Unknown is neither quiet nor disturbed: it has a column of its own."""
    values = run(shares=(0.0, math.nan)).values
    assert (values["steps"], values["disturbed_steps"], values["unknown_steps"]) == (4, 0, 2)


def test_a_run_that_noise_ended_hands_over_the_steps_before() -> None:
    """The error carries training's quiet steps too, in order, before the one that stayed disturbed."""
    with pytest.raises(DisturbedError, match="others took 50 % of the CPU time of inference round 1") as caught:
        run(shares=(0.0, 0.5), on_noise="fail", remeasure_limit=1, remeasure_nice=0)
    assert [(attempt.phase, attempt.index, attempt.attempt) for attempt in caught.value.attempts] == [
        ("training", 0, 0),
        ("training", 1, 0),
        ("inference", 0, 0),
        ("inference", 0, 1),
    ]


def test_details_hold_every_epoch_and_call() -> None:
    """The single times behind the values are there, and the values follow from them."""
    measured = run()
    values, details = measured.values, measured.details
    assert details["epoch_time_s"].mean() == pytest.approx(values["train_time_per_epoch_s"])
    assert details["epoch_loss"][-1] == values["final_train_loss"]
    assert sorted(set(details["call_round"])) == [0, 1]
    assert len(details["call_latency_s"]) == len(details["call_round"])
    timed_s = details["epoch_time_s"].sum() + details["call_latency_s"].sum() * measured.calls_per_timing
    assert values["timed_s"] == pytest.approx(timed_s)


def test_divergence_is_an_error_that_names_the_remedy() -> None:
    """A loss that is not finite raises; it never becomes a silent NaN."""
    with pytest.raises(TrainingDivergedError, match=r"diverged.*learning_rate"):
        run(learning_rate=1e30)


def test_phases_are_isolated_by_whom_the_caller_says() -> None:
    """Training and the measurement of memory are handed over, each with what to call its process, in this order."""
    names: list[str] = []

    def isolate(name: str, phase: Callable[[], object]) -> object:
        names.append(name)
        return phase()

    experiment = small_experiment(precision_modes=["float32"], threads=1, epochs=1, latency_rounds=1)
    measure(
        experiment.setups()[0], experiment.protocol, 7, material_of(experiment.workload, None), With(), isolate=isolate
    )
    assert names == ["the training process", "the process that measures memory"]


def attempt(index: int, number: int, share: float, *, counted: bool, window_s: float = 1.0) -> Attempt:
    """Return a measurement in which others took a share of a core."""
    noise = Noise(window_s, share * window_s, 0.25, 0.0, 0.0, 2.0, 2000.0 + index, 0.0, share)
    return Attempt("training", index, number, 0.5, noise, disturbed=share > 0.05, counted=counted, nice=0)


def test_noise_of_a_run_is_that_of_the_steps_that_count() -> None:
    """Sums over the counted attempts; shares weighted by their windows; each step measured again counts once."""
    values = noise_values(
        [
            attempt(0, 0, 0.5, counted=False),
            attempt(0, 1, 0.4, counted=False),
            attempt(0, 2, 0.1, counted=True),
            attempt(1, 0, 0.02, counted=True, window_s=3.0),
            replace(attempt(0, 0, 0.0, counted=True), phase="inference"),
        ]
    )
    assert (values["steps"], values["disturbed_steps"], values["remeasured_steps"]) == (3, 1, 1)
    assert values["others_cpu_s"] == pytest.approx(0.1 + 0.06)
    assert values["steal_s"] == 0.75
    assert values["training_others_share"] == pytest.approx((0.1 + 3 * 0.02) / 4)
    assert values["others_share"] == pytest.approx((0.1 + 3 * 0.02) / 5)
    assert values["frequency_mhz"] == pytest.approx(6001 / 3)


def test_every_attempt_is_kept_as_arrays() -> None:
    """One value per attempt under each documented name."""
    arrays = step_arrays([attempt(0, 0, 0.5, counted=False), attempt(0, 1, 0.0, counted=True)])
    assert set(arrays) == {name for name in DETAIL_ARRAYS if name.startswith("step_")}
    assert {array.shape for array in arrays.values()} == {(2,)}
    assert np.array_equal(arrays["step_counted"], [False, True])


@pytest.mark.parametrize(("asked", "is_told"), [(5000, True), (16, False), (1024, False)])
def test_fewer_examples_than_scales_were_to_be_taken_from_are_told(asked: int, is_told: bool) -> None:
    """Two values of the axis beyond the training examples are the same; nobody has asked for the default."""
    note = str(run(precision_modes=["int8"], calibration_samples=asked).values["precision_note"])
    assert (f"training examples, not from {asked}" in note) == is_told
