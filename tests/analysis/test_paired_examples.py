"""Two setups on the same held-out examples."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.analysis.examples import (
    CLUSTERED_T,
    CLUSTERED_TANGO,
    TANGO,
    T,
    design_effect,
    mcnemar_exact,
    paired_examples,
    tango,
)

ANSWERS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)

REAL = np.array([0.5, -0.25, 0.125, 0.75, -0.5, 0.25, 0.0, 0.375, 1.0, -0.125])
REAL_EXAMPLES = np.array([0, 0, 1, 2, 2, 2, 3, 4, 5, 5])


def flipped(lost: int, gained: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return right and wrong of a setup and of its baseline, with so many answers lost and gained."""
    own, base = np.ones(n), np.ones(n)
    own[:lost] = 0
    base[lost : lost + gained] = 0
    return own, base


@pytest.mark.parametrize(
    ("lost", "gained", "p_value"),
    [(1, 7, 0.0703125), (3, 3, 1.0), (25, 28, 0.7838463022094988), (0, 5, 0.0625), (12, 2, 0.012939453125)],
)
def test_mcnemar_is_the_exact_one(lost: int, gained: int, p_value: float) -> None:
    """Golden values: statsmodels 0.15.0, contingency_tables.mcnemar(exact=True)."""
    assert mcnemar_exact(lost, gained) == pytest.approx(p_value, rel=1e-12)


def test_tango_gives_the_bound_of_the_paper() -> None:
    """Tango, Statistics in Medicine 17 (1998), section 6.1: 1 of 44 lost, none gained, lower bound -0.096 at 90 %."""
    assert tango(1, 0, 44, 0.90)[0] == pytest.approx(-0.096, abs=5e-4)


def test_tango_gives_the_published_interval_of_a_trial() -> None:
    """Fagerland, Lydersen and Laake, Statistics in Medicine 33 (2014): 7 and 1 of 21, from -0.517 to -0.026."""
    assert tango(7, 1, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)


def test_tango_is_that_of_another_implementation() -> None:
    """R's PropCIs::scoreci.mp(25, 28, 618, 0.90) gives -0.0148 to 0.0247."""
    assert tango(25, 28, 618, 0.90) == pytest.approx((-0.0148, 0.0247), abs=5e-5)


def test_without_any_flip_tango_has_the_width_that_so_many_examples_leave() -> None:
    """The closed form there: z² / (n + z²) on either side."""
    z = 1.959963984540054
    assert tango(0, 0, 100) == pytest.approx((-(z**2) / (100 + z**2), z**2 / (100 + z**2)), rel=1e-9)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 500))
def test_tango_mirrors_and_holds_the_estimate(lost: int, gained: int, others: int) -> None:
    """Who swaps the sides swaps the bounds, and the estimate lies between them, within -1 and 1."""
    n = lost + gained + others
    low, high = tango(lost, gained, n)
    assert -1 <= low <= (gained - lost) / n <= high <= 1
    assert tango(gained, lost, n) == pytest.approx((-high, -low), abs=1e-12)


@given(st.integers(1, 40), st.integers(0, 40), st.integers(1, 500))
def test_tango_is_the_inverse_of_the_score_test_at_no_difference(lost: int, gained: int, others: int) -> None:
    """There, the statistic is McNemar's (gained - lost) / sqrt(gained + lost), as section 6.2 of the paper says."""
    low, high = tango(lost, gained, lost + gained + others)
    statistic = (gained - lost) / math.sqrt(gained + lost)
    assert (low <= 0 <= high) == (abs(statistic) <= 1.959963984540054)


def test_flips_that_a_mean_hides_are_counted() -> None:
    """As many lost as gained: no difference, and yet six answers are others; a seventh was wrong before and after."""
    own, base = flipped(3, 3, 100)
    found = paired_examples(own, base, np.arange(100), changed=7)
    assert (found.lost, found.gained, found.changed, found.difference.point) == (3, 3, 7, 0.0)
    assert found.agreement == pytest.approx(0.93)
    assert (found.p_value, found.difference.method) == (1.0, TANGO)


@given(ANSWERS)
def test_counts_fit_together(answers: list[tuple[bool, bool]]) -> None:
    """The difference is what is gained less what is lost, and everything turns round with the two sides."""
    own, base = (np.array(side, dtype=float) for side in zip(*answers, strict=True))
    found, turned = (paired_examples(*sides, np.arange(len(own))) for sides in ((own, base), (base, own)))
    assert found.difference.point == pytest.approx((found.gained - found.lost) / found.n)
    assert (found.lost, found.gained, found.p_value) == (turned.gained, turned.lost, turned.p_value)
    assert found.difference.low == pytest.approx(-turned.difference.high)


@given(ANSWERS, st.integers(2, 6))
def test_repeats_that_say_the_same_are_no_evidence(answers: list[tuple[bool, bool]], times: int) -> None:
    """An experiment that holds the same examples out again, with the same answers, knows as much as one of them."""
    own, base = (np.array(side, dtype=float) for side in zip(*answers, strict=True))
    examples = np.arange(len(own))
    once = paired_examples(own, base, examples)
    again = paired_examples(np.tile(own, times), np.tile(base, times), np.tile(examples, times))
    assert again.p_value == once.p_value
    assert again.examples == once.n == again.n / times
    bounds = again.difference.low, again.difference.high
    assert bounds == pytest.approx((once.difference.low, once.difference.high), abs=1e-9)
    assert again.difference.method == CLUSTERED_TANGO


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=60), st.integers(1, 5))
def test_pairs_of_an_example_are_worth_one_to_all(differences: list[float], per_example: int) -> None:
    """The design effect is from 1 to the most pairs that an example has."""
    values = np.array(differences)
    clusters = np.arange(values.size) // per_example
    assert 1 <= design_effect(values, clusters) <= max(np.bincount(clusters)) + 1e-9


@pytest.mark.parametrize(("again", "shared"), [(1, 0.0), (5, 0.0), (5, 0.5), (5, 1.0)])
def test_the_interval_covers_however_much_repeats_share(again: int, shared: float) -> None:
    """Of 95 % at least 93 % in simulation: an example flips in all repeats alike, in none, or something between."""
    random = np.random.default_rng([again, int(10 * shared)])
    examples = np.tile(np.arange(400), again)
    covered, tests = 0, 400
    for _ in range(tests):
        kinds = [random.choice([-1.0, 0.0, 1.0], p=[0.03, 0.95, 0.02], size=400) for _ in range(again + 1)]
        same = random.random(400) < shared
        differences = np.concatenate([np.where(same, kinds[0], one) for one in kinds[1:]])
        own, base = np.where(differences > 0, 1.0, 0.0), np.where(differences < 0, 1.0, 0.0)
        found = paired_examples(own, base, examples).difference
        covered += found.low <= -0.01 <= found.high
    assert covered / tests >= 0.93


def test_real_scores_have_a_paired_t_interval() -> None:
    """Golden values: SciPy 1.17.1, stats.ttest_1samp of the differences."""
    found = paired_examples(REAL, np.zeros(10), np.arange(10))
    assert not found.is_right_or_wrong
    assert found.p_value == pytest.approx(0.17842405039760872, rel=1e-9)
    bounds = found.difference.low, found.difference.high
    assert bounds == pytest.approx((-0.11685887032644612, 0.5418588703264461), rel=1e-9)
    assert found.difference.method == T


def test_real_scores_of_an_example_in_several_repeats_count_together() -> None:
    """Golden values: statsmodels 0.15.0, OLS on a constant with cov_type="cluster" and use_t."""
    found = paired_examples(REAL, np.zeros(10), REAL_EXAMPLES)
    bounds = found.difference.low, found.difference.high
    assert found.difference.point == pytest.approx(0.2125)
    assert bounds == pytest.approx((0.05043098, 0.37456902), abs=1e-8)
    assert found.p_value == pytest.approx(0.01987954, abs=1e-8)
    assert found.difference.method == CLUSTERED_T


def test_one_pair_has_counts_and_no_interval_of_a_real_score() -> None:
    """What a single difference varies by nobody knows."""
    found = paired_examples([0.5], [0.25], [3])
    assert (found.n, found.gained, found.difference.point) == (1, 1, 0.25)
    assert all(map(math.isnan, (found.difference.low, found.difference.high, found.p_value)))


def test_nothing_in_common_is_nothing_known() -> None:
    """Without a pair there are no numbers."""
    found = paired_examples([], [], [])
    assert (found.n, found.examples, found.changed) == (0, 0, 0)
    assert all(map(math.isnan, (found.agreement, found.difference.point, found.difference.low, found.p_value)))


@pytest.mark.parametrize(
    ("own", "baseline", "wrong"), [([1.0, 0.0], [1.0], "shapes"), ([math.nan], [1.0], "not finite")]
)
def test_what_cannot_be_paired_is_refused(own: list[float], baseline: list[float], wrong: str) -> None:
    """Scores of different numbers of examples, and scores that are none."""
    with pytest.raises(ValueError, match=wrong):
        paired_examples(own, baseline, np.arange(len(own)))
