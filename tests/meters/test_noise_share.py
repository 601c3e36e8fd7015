import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.meters.noise_share import Capacity, CpuReading, noise_between

OTHER = 4321

SECONDS_NS = st.integers(0, 10**11)
COUNTS = st.dictionaries(st.integers(1, 9), SECONDS_NS, max_size=4)
READINGS = st.builds(
    CpuReading,
    at_ns=st.just(0),
    own_cpu_ns=SECONDS_NS,
    process_cpu_ns=COUNTS,
    cpu_ticks=st.dictionaries(st.integers(0, 3), st.tuples(st.integers(0, 9999), st.integers(0, 9999)), max_size=4),
    wait_ns=COUNTS,
    involuntary_switches=st.integers(0, 99),
    throttled_ns=st.dictionaries(st.sampled_from("ab"), SECONDS_NS),
    throttle_events=st.just({}),
)
CAPACITIES = st.builds(
    Capacity, st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.none() | st.floats(0.1, 9, allow_nan=False)
)


@given(READINGS, READINGS, CAPACITIES, st.integers(1, 10**11))
def test_share_is_never_negative(before: CpuReading, after: CpuReading, capacity: Capacity, window_ns: int) -> None:
    """Whatever the counters do, the share is at least 0, or missing where neither others' use nor waiting is seen."""
    noise = noise_between(before, replace(after, at_ns=window_ns), capacity)
    assert math.isnan(noise.share) or noise.share >= 0
    assert math.isnan(noise.share) == all(map(math.isnan, (noise.others_cpu_s, noise.run_queue_wait_s)))


def quiet(**changes: object) -> CpuReading:
    """Return a reading of clocks and waiting alone, at 0, with changes."""
    at_zero = CpuReading(0, 0, {OTHER: 0}, {}, {1: 0}, 0, {"": 0}, {})
    return replace(at_zero, **changes)  # type: ignore[arg-type]


def test_withheld_time_alone_makes_no_share() -> None:
    """Where nobody's use of the CPUs can be seen, knowing the throttled time does not make the step quiet."""
    blind = quiet(process_cpu_ns={}, wait_ns={})
    noise = noise_between(blind, replace(blind, at_ns=10**9), Capacity(1, 2, 2))
    assert noise.throttled_s == 0
    assert math.isnan(noise.share)


@given(CAPACITIES, *[st.integers(0, 10**9)] * 4, st.integers(2, 1000))
def test_share_does_not_depend_on_the_length_of_the_step(
    capacity: Capacity, others: int, own: int, wait: int, throttled: int, factor: int
) -> None:
    """A step that lasts longer, with all its noise in proportion, has the same share."""

    def share(scale: int) -> float:
        clocks = {"at_ns": 10**9 * scale, "own_cpu_ns": own * scale, "process_cpu_ns": {OTHER: others * scale}}
        after = quiet(**clocks, wait_ns={1: wait * scale}, throttled_ns={"": throttled * scale})
        return noise_between(quiet(), after, capacity).share

    assert share(factor) == pytest.approx(share(1), rel=1e-6, abs=1e-9)


@given(st.integers(1, 8), st.integers(0, 8), st.floats(0, 1))
def test_others_on_spare_cores_alone_take_nothing(threads: int, spare: int, part: float) -> None:
    """As long as others use no more than the free cores and none of our threads waits, the share is 0."""
    cores = threads + spare
    others = math.floor(part * spare * 10**9)
    after = quiet(at_ns=10**9, own_cpu_ns=threads * 10**9, process_cpu_ns={OTHER: others})
    assert noise_between(quiet(), after, Capacity(threads, cores, cores)).share == 0


@given(st.integers(1, 8), st.integers(1, 8), *[st.integers(0, 10**10)] * 2)
def test_more_of_others_is_never_less_share(threads: int, cores: int, less: int, more: int) -> None:
    """The share grows with the others' CPU time, or stays."""
    capacity = Capacity(threads, cores, cores)
    shares = [
        noise_between(quiet(), quiet(at_ns=10**9, process_cpu_ns={OTHER: others}), capacity).share
        for others in sorted([less, more])
    ]
    assert shares[0] <= shares[1]
