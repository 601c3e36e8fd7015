"""Behaviour of the frame that makes a call longer by a known time."""

import pytest

from significand.measure.infer import slowed

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("extra_ns", "reads"), [(0, 2), (35, 5)])
def test_a_slowed_call_is_busy_for_the_extra_time_after_it(extra_ns: int, reads: int) -> None:
    """The call is made once, its result comes back, and the clock is read until the time is over, 10 ns each."""
    now_ns = 0
    asked: list[int] = []

    def clock() -> int:
        nonlocal now_ns
        now_ns += 10
        asked.append(now_ns)
        return now_ns

    def call() -> str:
        nonlocal now_ns
        assert not asked
        now_ns += 1000
        return "outputs"

    assert slowed(call, extra_ns, clock)() == "outputs"
    assert asked == [1010 + 10 * read for read in range(reads)]
