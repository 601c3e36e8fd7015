"""Behaviour of the frame that makes a call longer by a known time."""

from dataclasses import fields

import numpy as np
import pytest

from significand.measure.infer import agreement, slowed
from significand.workload.examined import Examined

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


@pytest.mark.parametrize(
    ("outputs", "reference", "kind", "agreed"),
    [
        ([[0.1, 0.9], [0.8, 0.2]], [[0.0, 1.0], [0.4, 0.6]], "agreement", [1.0, 0.0]),
        ([[1, 2], [3, 4]], [[1, 2], [3, 5]], "agreement", [1.0, 0.5]),
        ([[1.0], [3.0]], [[1.0], [2.0]], "agreement R²", [1.0, -3.0]),
    ],
)
def test_agreement_is_of_the_kind_that_is_told(
    outputs: list[list[float]], reference: list[list[float]], kind: str, agreed: list[float]
) -> None:
    """Of classes and labels a share, of values R²; what the examination tells of such outputs is the same."""
    nothing = dict.fromkeys((one.name for one in fields(Examined)), ())
    shown = ((np.shape(outputs)[1:], str(np.asarray(outputs).dtype)),)
    assert Examined(**nothing | {"score": "none", "outputs": shown}).told()["score"] == kind  # type: ignore[arg-type]
    assert agreement([np.asarray(outputs)], [np.asarray(reference)]).tolist() == pytest.approx(agreed)
