import gc
import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from significand.meters.latency import (
    FEWEST_TIMINGS,
    SHORTEST_TIMING_NS,
    WARM_UP_NS,
    calls_per_timing,
    measure_round,
)

US, MS = 1_000, 1_000_000


class FakeMachine:
    """A clock that stands still but for the calls, and the calls, whose durations are given."""

    def __init__(self, duration_ns: Callable[[int], int]) -> None:
        self.now = 12_345
        self.calls: list[int] = []
        self._duration_ns = duration_ns

    def clock(self) -> int:
        """Return the time in nanoseconds."""
        return self.now

    def call(self) -> None:
        """Take as long as the next call takes."""
        self.calls.append(self.now)
        self.now += self._duration_ns(len(self.calls) - 1)


def always(duration_ns: int) -> FakeMachine:
    """Return a machine on which every call takes the same time."""
    return FakeMachine(lambda number: duration_ns)  # noqa: ARG005


@pytest.fixture(autouse=True)
def _collecting() -> Iterator[None]:
    """Leave garbage collection on, whatever a test does."""
    yield
    gc.enable()


@pytest.mark.parametrize(
    ("call_ns", "calls", "tries"),
    [
        (1, 5_000, 5),
        (700, 8, 5),
        (SHORTEST_TIMING_NS, 1, 5),
        (6 * US, 1, 5),
        (5 * MS, 1, 5),
        (9 * MS, 1, 2),
        (0, 5_000, 5),
    ],
)
def test_group_lasts_at_least_the_shortest_timing(call_ns: int, calls: int, tries: int) -> None:
    """A group is the fewest calls that last 5 us; a clock that did not move counts as 1 ns; long calls are few."""
    machine = always(call_ns)
    assert calls_per_timing(machine.call, machine.clock) == calls
    assert len(machine.calls) == tries


def test_one_disturbed_call_is_no_long_one() -> None:
    """A short call that was held up is still grouped."""
    machine = FakeMachine(lambda number: 1 * US if number else 90 * MS)
    assert calls_per_timing(machine.call, machine.clock) == 5


def test_a_long_call_before_is_one_of_two() -> None:
    """A second long call tells, as among the five; a short one is told by them, however long the one before was."""
    long, short = always(50 * MS), always(1 * US)
    assert calls_per_timing(long.call, long.clock, before_s=0.06) == 1
    assert len(long.calls) == 1
    assert calls_per_timing(short.call, short.clock, before_s=0.06) == 5


def test_group_is_sized_by_the_fastest_call() -> None:
    """Slow calls, such as the first, do not make groups too short."""
    machine = FakeMachine([5 * MS, 3 * US, 1 * US, 2 * US, 4 * US].__getitem__)
    assert calls_per_timing(machine.call, machine.clock) == 5


@pytest.mark.parametrize("group", [1, 4])
def test_every_timing_is_the_time_of_one_call(group: int) -> None:
    """A timing is the group's time divided by its calls, in seconds."""
    machine = always(100 * US)
    timings = measure_round(machine.call, 0.002, group, machine.clock)
    np.testing.assert_allclose(timings, 1e-4, rtol=1e-12)


def test_timing_of_a_group_is_its_mean() -> None:
    """Calls of a group that differ give their mean."""
    machine = FakeMachine(lambda number: (10 if number % 2 else 30) * US)
    timings = measure_round(machine.call, 0.002, 2, machine.clock)
    np.testing.assert_allclose(timings, 20e-6, rtol=1e-12)


def test_warm_up_is_not_counted() -> None:
    """Calls in the first 2 ms of a round are slow here, and none of them is in the result."""
    machine = FakeMachine(lambda number: 200 * US if number < 10 else 50 * US)
    timings = measure_round(machine.call, 0.001, 1, machine.clock)
    np.testing.assert_allclose(timings, 50e-6, rtol=1e-12)
    assert 10 * 200 * US == WARM_UP_NS
    assert len(machine.calls) == 10 + len(timings)


@pytest.mark.parametrize("duration_s", [0.001, 0.02])
@pytest.mark.parametrize("group", [1, 3])
def test_counted_part_lasts_as_long_as_asked(duration_s: float, group: int) -> None:
    """The timings fill the duration after the warm-up and exceed it by two timings at most."""
    machine = always(100 * US)
    timings = measure_round(machine.call, duration_s, group, machine.clock)
    counted_s = timings.sum() * group
    assert duration_s <= counted_s + 1e-9
    assert counted_s <= duration_s + 2 * 1e-4 * group + 1e-9
    assert len(machine.calls) == WARM_UP_NS // (100 * US) + len(timings) * group


@pytest.mark.parametrize(("call_ns", "duration_s"), [(10 * US, 0.0), (5_000 * MS, 0.02)])
def test_round_has_at_least_three_timings(call_ns: int, duration_s: float) -> None:
    """A call longer than the round is still timed three times."""
    machine = always(call_ns)
    assert len(measure_round(machine.call, duration_s, 1, machine.clock)) == FEWEST_TIMINGS == 3


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_collection_is_off_in_a_round_and_as_before_after_it(enabled: bool) -> None:
    """No collection falls into a round; afterwards it is as the caller had it."""
    seen = []
    machine = always(MS)

    def call() -> None:
        seen.append(gc.isenabled())
        machine.call()

    (gc.enable if enabled else gc.disable)()
    measure_round(call, 0.0, 1, machine.clock)
    assert set(seen) == {False}
    assert gc.isenabled() == enabled


@pytest.mark.parametrize("enabled", [True, False])
def test_failing_call_leaves_garbage_collection_as_it_was(enabled: bool) -> None:
    """A call that raises ends the round, and collection is as the caller had it."""

    def call() -> None:
        raise RuntimeError("the session broke")

    (gc.enable if enabled else gc.disable)()
    with pytest.raises(RuntimeError, match="the session broke"):
        measure_round(call, 0.0, 1)
    assert gc.isenabled() == enabled


def test_real_clock_gives_positive_finite_timings() -> None:
    """With the real clock every timing is a positive number of seconds."""
    timings = measure_round(lambda: math.factorial(200), 0.001, calls_per_timing(lambda: math.factorial(200)))
    assert np.isfinite(timings).all()
    assert (timings > 0).all()
