import contextlib
import math
import pickle
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.meters.noise_share import CpuReading, Noise
from significand.meters.steps import Attempt, DisturbedError, NoisePolicy, Step, Steps

READING = CpuReading(0, 0, {}, {}, {}, 0, {}, {})


class MadeUpMeter:
    """Others take the given shares, one window after the other."""

    def __init__(self, shares: Sequence[float]) -> None:
        self._shares = iter(shares)

    def start(self) -> CpuReading:
        """Begin a window."""
        return READING

    def since(self, reading: CpuReading) -> Noise:  # noqa: ARG002 - made up
        """Return what the next share says."""
        return Noise(0.03, 0.0, 0.0, 0.0, 0.0, 0.0, math.nan, math.nan, next(self._shares))


@contextlib.contextmanager
def as_asked(nice: int) -> Iterator[int]:
    """Grant every priority."""
    yield nice


def measured(shares: Sequence[float], policy: NoisePolicy) -> tuple[int, list[Attempt], list[Step]]:
    """Measure one step whose attempts give 0, 1, 2, ... seconds; return the value kept, the record and the turns."""
    turns: list[Step] = []
    steps = Steps(MadeUpMeter(shares), policy, turns.append, as_asked)
    values = iter(range(len(shares)))
    kept = steps.measure("inference", 4, lambda: next(values), float)
    return kept, steps.attempts, turns


def test_a_quiet_step_is_measured_once() -> None:
    """Where others take no more than the limit there is one attempt, in one turn, and it counts."""
    kept, attempts, turns = measured([0.05], NoisePolicy(noise_share=0.05))
    assert (kept, turns) == (0, ["measure"])
    (attempt,) = attempts
    assert (attempt.phase, attempt.index, attempt.attempt) == ("inference", 4, 0)
    assert attempt.counted
    assert not attempt.disturbed
    assert attempt.nice == 0


def test_a_disturbed_step_is_measured_again_until_it_is_quiet() -> None:
    """The first quiet attempt counts; those before it are on the record as disturbed."""
    kept, attempts, turns = measured([0.5, 0.2, 0.01, 0.0], NoisePolicy())
    assert (kept, turns) == (2, ["measure", "again", "again"])
    assert [attempt.disturbed for attempt in attempts] == [True, True, False]
    assert [attempt.counted for attempt in attempts] == [False, False, True]
    assert [attempt.nice for attempt in attempts] == [0, -20, -20]
    assert [attempt.time_s for attempt in attempts] == [0, 1, 2]


def test_what_stays_disturbed_is_kept_and_marked() -> None:
    """Beyond the bound the least disturbed attempt counts, whatever it measured, and is marked as disturbed."""
    kept, attempts, turns = measured([0.5, 0.2, 0.3, 0.9], NoisePolicy(remeasure_limit=3))
    assert (kept, len(turns)) == (1, 4)
    assert [attempt.counted for attempt in attempts] == [False, True, False, False]
    assert all(attempt.disturbed for attempt in attempts)


@pytest.mark.parametrize("policy", [NoisePolicy(on_noise="mark"), NoisePolicy(remeasure_limit=0)])
def test_marking_measures_once(policy: NoisePolicy) -> None:
    """With on_noise mark, or no attempts allowed, a disturbed step is kept as it is, and marked."""
    kept, attempts, turns = measured([0.5, 0.0], policy)
    assert (kept, turns) == (0, ["measure"])
    assert [(attempt.disturbed, attempt.counted) for attempt in attempts] == [(True, True)]


def test_failing_says_which_step_and_how_much() -> None:
    """With on_noise fail a step that stays disturbed ends the run, with value, limit and remedy."""
    with pytest.raises(
        DisturbedError, match=r"others took 50 % of the CPU time of inference round 5, allowed are 5 %; m"
    ) as caught:
        measured([0.7, 0.5, 0.6], NoisePolicy(on_noise="fail", remeasure_limit=2))
    attempts = caught.value.attempts
    assert [attempt.noise.share for attempt in attempts] == [0.7, 0.5, 0.6]
    assert [attempt.counted for attempt in attempts] == [False, True, False]


def test_failing_measures_again_first() -> None:
    """With on_noise fail a step that was disturbed once and then quiet is as good as any other."""
    kept, attempts, turns = measured([0.5, 0.01], NoisePolicy(on_noise="fail"))
    assert (kept, turns) == (1, ["measure", "again"])
    assert [attempt.disturbed for attempt in attempts] == [True, False]


def test_failing_does_not_pass_what_nobody_can_tell() -> None:
    """With on_noise fail an unknown share ends the run at once, and says that it is unknown."""
    with pytest.raises(DisturbedError, match=r"cannot be seen on this machine.*another on_noise") as caught:
        measured([math.nan, 0.0], NoisePolicy(on_noise="fail"))
    assert [attempt.disturbed for attempt in caught.value.attempts] == [False]


def there_and_back(error: DisturbedError) -> DisturbedError:
    """Return what arrives in another process."""
    arrived = pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
    assert isinstance(arrived, DisturbedError)
    return arrived


def test_the_error_keeps_its_attempts_between_processes() -> None:
    """Pickled, as training's process hands it over, it has the same words and attempts, and more can be put before."""
    with pytest.raises(DisturbedError) as caught:
        measured([0.5], NoisePolicy(on_noise="fail", remeasure_limit=0))
    error = there_and_back(caught.value)
    assert str(error) == str(caught.value)
    assert "others took" in str(error)
    assert repr(error.attempts) == repr(caught.value.attempts)
    error.attempts[:0] = caught.value.attempts
    assert len(there_and_back(error).attempts) == 2


def test_what_is_unknown_is_neither_disturbed_nor_measured_again() -> None:
    """A share that cannot be read is kept as NaN: nobody claims that it was quiet, nobody that it was not."""
    kept, attempts, turns = measured([math.nan], NoisePolicy())
    assert (kept, turns) == (0, ["measure"])
    assert math.isnan(attempts[0].noise.share)
    assert not attempts[0].disturbed


def test_a_step_that_cannot_be_repeated_has_its_double_do_it_again() -> None:
    """Where `again` is given it does the later attempts, and the step itself happens once."""
    done: list[str] = []
    steps = Steps(MadeUpMeter([0.5, 0.5, 0.0]), NoisePolicy(), lambda step: None, as_asked)  # noqa: ARG005
    steps.measure(
        "training",
        0,
        lambda: done.append("step"),
        lambda value: 0.0,  # noqa: ARG005 - what it measured does not matter here
        lambda: done.append("again"),
    )
    assert done == ["step", "again", "again"]


@given(st.lists(st.floats(0, 2), min_size=5, max_size=5), st.integers(0, 4))
def test_every_attempt_is_on_the_record_and_one_counts(shares: list[float], limit: int) -> None:
    """Whatever others do, nothing is dropped silently, and what counts was the least disturbed."""
    kept, attempts, turns = measured(shares, NoisePolicy(remeasure_limit=limit))
    assert len(attempts) == len(turns) <= limit + 1
    (counted,) = [attempt for attempt in attempts if attempt.counted]
    assert counted.time_s == kept
    assert counted.noise.share == min(attempt.noise.share for attempt in attempts)


def test_a_step_has_the_cpus_of_its_turn_and_then_those_of_the_next() -> None:
    """The first attempt is on the CPUs that all runs have in that turn; others are tried where it was disturbed."""
    placed = []

    @contextlib.contextmanager
    def place(turn: int) -> Iterator[None]:
        placed.append(turn)
        yield

    steps = Steps(MadeUpMeter([0.5, 0.5, 0.0]), NoisePolicy(), lambda step: None, as_asked, place)  # noqa: ARG005
    steps.measure("inference", 4, lambda: 0.0, float)
    assert placed == [4, 5, 6]
