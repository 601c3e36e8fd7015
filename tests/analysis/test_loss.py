"""What is lost of a score: against independent sources, and at the edges."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.analysis.loss import Flips, Loss, More, Spread, loss_of_examples, loss_of_repeats


@pytest.mark.parametrize(
    ("lost", "gained", "n", "low", "high"),
    [
        (1, 7, 21, -0.517232, -0.026003),
        (6, 16, 161, -0.124023, -0.005433),
        (40, 20, 160, 0.030865, 0.218064),
        (3, 1, 360, -0.008007, 0.021760),
    ],
)
def test_the_score_is_tangos(lost: int, gained: int, n: int, low: float, high: float) -> None:
    """Tango's 95 % interval is where the score is 1.96, by the closed form of Yang, Sun and Hardin (2013).

    Data of Bentur and of Cavo in Fagerland, Lydersen and Laake (2014), and PropCIs' example; solved with numpy.roots.
    """
    flips = Flips(lost, gained, n)
    assert flips.score(low) == pytest.approx(1.959964, abs=2e-4)
    assert flips.score(high) == pytest.approx(-1.959964, abs=2e-4)


def test_a_mean_of_differences_is_judged_by_students_t() -> None:
    """p-value and bound are those of statsmodels 0.15, DescrStatsW.ttest_mean and tconfint_mean."""
    loss = loss_of_repeats(np.array([0.004, 0.001, 0.007, -0.002, 0.005]))
    assert loss.p_of_more(0.01) == pytest.approx(0.005723456615177181)
    assert loss.at_most() == pytest.approx(0.006370745733651258)
    assert loss.unit == "repeat"


def test_repeats_that_split_one_table_are_worth_fewer() -> None:
    """By Nadeau and Bengio (2003) the variance is (1/n + test/train) s^2: with 1/4, 1.5 times the error at n = 5."""
    differences = np.array([0.004, 0.001, 0.007, -0.002, 0.005])
    alone, shared = loss_of_repeats(differences), loss_of_repeats(differences, shared=0.25)
    assert shared.standard_error == pytest.approx(1.5 * alone.standard_error)


def _asked(lost: int, gained: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    own, baseline = np.ones(n), np.ones(n)
    own[:lost], baseline[lost : lost + gained] = 0.0, 0.0
    return own, baseline


def test_one_repeat_of_paired_examples_is_enough() -> None:
    """Three of 1,000 answers lost and one gained: 0.2 points lost, and surely less than one point."""
    loss = loss_of_examples(*_asked(3, 1, 1000), np.arange(1000))
    assert loss.point == pytest.approx(0.002)
    assert loss.changed == pytest.approx(0.004)
    assert loss.p_of_more(0.01) < 0.05
    assert loss.point < loss.at_most() < 0.01


def test_no_answer_that_changes_is_no_proof() -> None:
    """Among 100 examples, one lost in a hundred may well not show; among 1,000 it does."""
    few, many = (loss_of_examples(*_asked(0, 0, n), np.arange(n)) for n in (100, 1000))
    assert few.p_of_more(0.01) > 0.05
    assert many.p_of_more(0.01) < 0.05


def test_the_same_examples_again_are_no_new_evidence() -> None:
    """Five repeats of the same answers bound the loss as one does."""
    own, baseline = _asked(3, 1, 500)
    once = loss_of_examples(own, baseline, np.arange(500))
    again = loss_of_examples(np.tile(own, 5), np.tile(baseline, 5), np.tile(np.arange(500), 5), 5)
    assert again.at_most() == pytest.approx(once.at_most(), rel=0.02)
    others = loss_of_examples(np.tile(own, 5), np.tile(baseline, 5), np.arange(2500), 5)
    assert others.at_most() < 0.8 * once.at_most()


def test_scores_that_are_no_answers_are_judged_by_t_over_examples() -> None:
    """The bound is that of a t interval over the differences of the examples, and a little above it."""
    random = np.random.default_rng(1)
    baseline = random.normal(0.8, 0.1, 200)
    lost = random.normal(0.002, 0.01, 200)
    loss = loss_of_examples(baseline - lost, baseline, np.arange(200))
    assert isinstance(loss.evidence, Spread)
    half = 1.652547 * lost.std(ddof=1) / math.sqrt(200)
    assert lost.mean() + half < loss.at_most() < lost.mean() + 1.1 * half


def test_a_score_is_no_proof_where_few_lose_much() -> None:
    """Among small changes of all others, 100 examples of which none lost all do not bound the loss by a point."""
    random = np.random.default_rng(2)
    for n, is_shown in ((100, False), (2000, True)):
        scores = random.uniform(0.5, 0.9, n)
        loss = loss_of_examples(scores + 0.01 * random.normal(size=n), scores, np.arange(n))
        assert (loss.p_of_more(0.01) < 0.05) == is_shown


@pytest.mark.parametrize("change", [0.0, 0.02])
def test_rare_losses_are_not_missed_more_often_than_told(change: float) -> None:
    """One in 75 loses all, the margin on average: it is shown to be less in one of twenty samples at most."""
    random = np.random.default_rng(3)
    shown = 0
    for _ in range(300):
        scores = random.uniform(0.6, 0.9, 400)
        own = np.where(random.random(400) < 0.01 / 0.75, 0.0, scores + change * random.normal(size=400))
        shown += loss_of_examples(own, scores, np.arange(400)).p_of_more(0.01) <= 0.05
    assert shown <= 15


@pytest.mark.parametrize(
    ("differences", "told"),
    [([], "no repeat"), ([0.01], "one repeat"), ([0.01, 0.01, 0.01], "the same in all repeats")],
)
def test_what_shows_no_spread_is_no_evidence(differences: list[float], told: str) -> None:
    """It has neither bound nor p-value, and says why."""
    loss = loss_of_repeats(np.array(differences))
    assert told in loss.reason
    assert math.isnan(loss.at_most())
    assert math.isnan(loss.p_of_more(0.5))


def test_repeats_with_the_same_score_are_believed_to_half_an_answer() -> None:
    """Of 36 examples, five repeats without a difference do not bound the loss by a point; of 3,000 they do."""
    few, many = (loss_of_repeats(np.zeros(5), shared=0.25, resolution=0.5 / n) for n in (36, 3000))
    assert few.p_of_more(0.01) > 0.05
    assert many.p_of_more(0.01) < 0.001
    assert (few.point, many.point) == (0, 0)


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_a_score_that_never_changed_is_known_as_well_as_examples_are_many(scale: float) -> None:
    """Eight sentences of which none has another score say little, in whatever unit; a thousand say something."""
    random = np.random.default_rng(0)
    for n, is_shown in ((8, False), (100, False), (1000, True)):
        scores = scale * random.uniform(0, 1, n)
        loss = loss_of_examples(scores, scores, np.arange(n))
        assert loss.point == 0
        assert (loss.p_of_more(0.01 * scale) < 0.05) == is_shown
        assert loss.p_of_less(0.01 * scale) >= 0.5
        assert loss.at_most() > 0


def test_the_more_examples_the_lower_the_bound_of_a_score_that_never_changed() -> None:
    """As told ahead: so many more examples show it."""
    scores = np.linspace(0, 1, 100)
    loss = loss_of_examples(scores, scores, np.arange(100))
    more = loss.needed(0.01, 0.05).examples
    assert more is not None
    enough = np.linspace(0, 1, 100 + round(1.2 * more))
    assert loss_of_examples(enough, enough, np.arange(enough.size)).p_of_more(0.01) < 0.05


def test_it_tells_how_many_more_would_show_it() -> None:
    """With so many more of the same, and hardly with fewer, the loss is shown to be below the margin."""
    loss = loss_of_examples(*_asked(2, 1, 300), np.arange(300))
    more = loss.needed(0.01, 0.05)
    assert more.examples is not None
    assert more.repeats is None
    flips = loss.evidence
    assert isinstance(flips, Flips)
    assert flips.times((300 + more.examples) / 300).p_of_more(0.01) <= 0.05
    assert flips.times((300 + more.examples - 2) / 300).p_of_more(0.01) > 0.05


def test_more_repeats_serve_where_they_hold_out_others() -> None:
    """A loss by repeats needs repeats; examples of one table, in several repeats, can be had by either."""
    repeats = loss_of_repeats(np.array([0.002, 0.009, -0.004]))
    assert repeats.needed(0.01, 0.05).repeats
    assert repeats.needed(0.01, 0.05).examples is None
    rows = np.concatenate([np.random.default_rng(k).permutation(5000)[:300] for k in range(3)])
    own, baseline = _asked(3, 1, 900)
    both = loss_of_examples(own, baseline, rows, 3).needed(0.005, 0.05)
    assert both.repeats
    assert both.examples


def test_nothing_more_shows_what_is_not_so() -> None:
    """Where as much is lost as may be, no number of examples shows that less is."""
    assert loss_of_examples(*_asked(10, 0, 1000), np.arange(1000)).needed(0.01, 0.05) == More()
    assert Loss(None).needed(0.01, 0.05) == More()


@given(st.integers(0, 20), st.integers(0, 20), st.integers(41, 2000))
def test_the_bound_is_where_the_test_turns(lost: int, gained: int, n: int) -> None:
    """At 95 %, the p-value at the upper bound is 5 %, and the bound is above the loss."""
    loss = loss_of_examples(*_asked(lost, gained, n), np.arange(n))
    assert loss.at_most() > loss.point
    assert loss.p_of_more(loss.at_most()) == pytest.approx(0.05, abs=1e-6)


@given(st.integers(0, 20), st.integers(0, 20), st.integers(50, 2000))
def test_more_lost_is_never_better(lost: int, gained: int, n: int) -> None:
    """One answer more that is lost raises the bound."""
    less, more = (loss_of_examples(*_asked(b, gained, n), np.arange(n)).at_most() for b in (lost, lost + 1))
    assert more > less


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=20), st.floats(-1, 1))
def test_both_sides_cannot_be_shown(differences: list[float], margin: float) -> None:
    """That more is lost and that less is are never shown together."""
    loss = loss_of_repeats(np.array(differences))
    if loss.evidence:
        assert max(loss.p_of_more(margin), loss.p_of_less(margin)) >= 0.5
