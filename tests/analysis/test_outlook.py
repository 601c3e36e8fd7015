"""How much more it takes until something is decided: ranges that hold as often as they say."""

import numpy as np
import pytest

from significand.analysis.loss import Flips, Loss, Spread
from significand.analysis.outlook import (
    Need,
    Span,
    certain,
    need_of_loss,
    need_of_mean,
    range_of_examples,
    range_of_more,
)


def test_what_is_shown_already_takes_one_look() -> None:
    """One more repeat at least is told."""
    assert range_of_more([[Need(certain)]], 5) == Span(1, 1, 1)


def test_what_repeats_do_not_help_has_no_range() -> None:
    """Nor has nothing; and one need without help spoils the setup, but not another one."""
    assert range_of_more([], 5) is None
    assert range_of_more([[Need(certain), Need(None)]], 5) is None
    assert range_of_more([[Need(None)], [Need(certain)]], 5) == Span(1, 1, 1)


def test_a_clear_difference_is_decided_soon_and_a_small_one_late() -> None:
    """The smaller it is beside its scatter, the more repeats it takes."""
    soon, late = (range_of_more([[Need(need_of_mean(-distance, 1.0, 20, 0.05))]], 20) for distance in (0.5, 0.2))
    assert soon is not None
    assert late is not None
    assert soon.high is not None
    assert late.high is None or late.high > soon.high
    assert late.likely > soon.likely


def test_the_range_of_a_mean_holds() -> None:
    """Going on with runs of a known truth ends within it in at least four of five cases that are open at first.

    And most often within half as much again of the likeliest number, counted from the first run on.
    """
    random = np.random.default_rng(1)
    hits, near, cases = 0, 0, 0
    for _ in range(60):
        truth = random.normal(0, 0.5)
        values = list(random.normal(truth, 1, 10))

        def is_decided(known: list[float]) -> bool:
            t = np.mean(known) / np.std(known, ddof=1) * np.sqrt(len(known))
            return bool(t >= 0 or t <= -1.7)

        if is_decided(values):
            continue
        mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1))
        found = range_of_more([[Need(need_of_mean(mean, deviation, 10, 0.05))]], 10)
        assert found
        while not is_decided(values) and len(values) < 400:
            values.append(random.normal(truth, 1))
        cases += 1
        hits += found.low <= len(values) - 10 <= (found.high or 10**9)
        near += (10 + found.likely) / 1.5 <= len(values) <= (10 + found.likely) * 1.5
    assert cases > 10
    assert hits / cases >= 0.8
    assert near / cases >= 0.7


@pytest.mark.parametrize(("lost", "n"), [(3, 400), (30, 4000)])
def test_examples_decide_a_loss_of_answers(lost: int, n: int) -> None:
    """The range of examples lies around what it takes if all stays as it is; with one table, repeats bring nothing."""
    loss = Loss(Flips(lost, 0, n), n=n)
    needs = [[need_of_loss(loss, 0.01, 0.01, 100)]]
    found = range_of_examples(needs, n)
    assert found is not None
    point = loss.needed(0.01, 0.01).examples
    assert point is not None
    assert found.low <= point
    assert found.high is None or point <= 2 * found.high
    assert range_of_more(needs, 1) is None


def test_repeats_that_hold_out_others_decide_too() -> None:
    """Where repeats share no examples each is worth as much as the first."""
    loss = Loss(Flips(10, 2, 1500), n=1500, repeats=4, overlap=0.0)
    found = range_of_more([[need_of_loss(loss, 0.01, 0.05, 100)]], 4)
    assert found is not None
    assert found.low >= 1


def test_other_scores_and_repeats_have_their_own() -> None:
    """A mean over examples by examples, one over repeats by repeats; without evidence nothing helps."""
    by_example = need_of_loss(Loss(Spread(0.001, 0.05, 300), n=300), 0.01, 0.05, 100)
    by_repeat = need_of_loss(Loss(Spread(0.001, 0.01, 6, shared=0.1), "repeat", 6), 0.01, 0.05, 100)
    assert (by_example.by_repeats, by_repeat.by_examples) == (None, None)
    assert range_of_examples([[by_example]], 300)
    assert range_of_more([[by_repeat]], 6)
    assert need_of_loss(Loss(None), 0.01, 0.05, 100) == Need(None)
