import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import nct, t

from significand.analysis.multiplicity import assurance, assured_detectable, holm, remaining_alpha, smallest_detectable

P_VALUES = st.lists(st.floats(0, 1) | st.just(math.nan), max_size=12)


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        # By hand from Holm's definition (Scandinavian Journal of Statistics 6, 1979): 4 x 0.005, 3 x 0.01, 2 x 0.03,
        # and for 1 x 0.04 the largest so far. R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm").
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        # The same: 5 x 0.113, 4 x 0.201, 3 x 0.319, and twice the largest so far.
        ([0.319, 0.201, 0.4, 0.374, 0.113], [0.957, 0.804, 0.957, 0.957, 0.565]),
        ([], []),
        ([0.04], [0.04]),
        ([0.02, math.nan, 0.02], [0.04, math.nan, 0.04]),
        ([math.nan], [math.nan]),
        ([0.9, 0.8], [1.0, 1.0]),
    ],
)
def test_holm_adjusts_as_defined(p_values: list[float], adjusted: list[float]) -> None:
    """The adjusted values are those of the definition; a test that was not made does not count."""
    assert holm(p_values) == pytest.approx(adjusted, nan_ok=True)


@given(P_VALUES, st.randoms(use_true_random=False))
def test_holm_keeps_the_order_and_never_helps(p_values: list[float], random: Random) -> None:
    """Adjusting makes no p-value smaller, keeps their ranks and follows them through any shuffle."""
    adjusted = holm(p_values)
    made = ~np.isnan(p_values) if p_values else np.zeros(0, dtype=bool)
    assert (np.isnan(adjusted) == ~made).all()
    assert (adjusted[made] >= np.array(p_values)[made]).all()
    assert (np.diff(adjusted[made][np.argsort(np.array(p_values)[made])]) >= 0).all()
    order = list(range(len(p_values)))
    random.shuffle(order)
    np.testing.assert_array_equal(holm([p_values[i] for i in order]), adjusted[order])


@given(P_VALUES, st.sampled_from([0.01, 0.05, 0.3]))
def test_each_test_is_judged_at_its_remaining_level(p_values: list[float], alpha: float) -> None:
    """A p-value is at most its remaining level just where its adjusted value is at most alpha."""
    adjusted = holm(p_values)
    level = remaining_alpha(adjusted, alpha)
    for p, q, own in zip(p_values, adjusted, level, strict=True):
        assert math.isnan(own) == math.isnan(p)
        if abs(q - alpha) > 1e-9:
            # A rejected one may have passed at an earlier step; what is not rejected fails at the last.
            assert (p <= own) if q <= alpha else (p > own)


def test_holm_keeps_the_false_claims_of_a_family() -> None:
    """Of families of 20 true null hypotheses about one in 20 makes any false claim at 5 %."""
    p_values = np.random.default_rng(3).uniform(size=(2000, 20))
    assert np.mean([holm(family).min() <= 0.05 for family in p_values]) == pytest.approx(0.05, abs=0.015)


# R: power.t.test(n = 20, delta = 1) gives power 0.8689528; power.t.test(power = 0.90, delta = 1) gives n = 22.02110 a
# side; power.t.test(power = 0.8, delta = 0.5, type = "one.sample") gives n = 33.36713. Recomputed in the test with the
# noncentral t distribution of SciPy.
@pytest.mark.parametrize(
    ("standard_error", "df", "power", "delta"),
    [
        (math.sqrt(2 / 20), 38, 0.8689528, 1.0),
        (math.sqrt(2 / 22.02110), 2 * 21.02110, 0.90, 1.0),
        (math.sqrt(1 / 33.36713), 32.36713, 0.8, 0.5),
    ],
)
def test_smallest_detectable_difference_of_published_designs(
    standard_error: float, df: float, power: float, delta: float
) -> None:
    """The difference is the one for which R's power calculation, and SciPy's distribution, give that power."""
    assert nct.sf(t.isf(0.025, df), df, delta / standard_error) == pytest.approx(power, abs=2e-6)
    assert smallest_detectable(standard_error, df, power=power) == pytest.approx(delta, rel=1e-5)


@pytest.mark.parametrize("df", [1, 2, 4, 17.776, 29, 29_999])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 20])
def test_smallest_detectable_solves_the_power_equation(df: float, alpha: float) -> None:
    """A root finder on SciPy's noncentral t distribution finds the same, also with two pairs."""
    critical = brentq(lambda t: nct.sf(t, df, 0) - alpha / 2, 0, 1e4)
    root = brentq(lambda shift: nct.sf(critical, df, shift) - 0.8, 0, 1e3)
    assert smallest_detectable(2.0, df, alpha) == pytest.approx(2 * root, rel=1e-4)


@pytest.mark.parametrize("df", [1, 2, 3])
def test_absurd_levels_have_an_answer_too(df: float) -> None:
    """Where the critical value is beyond all practice, the difference goes on growing in proportion to it."""
    usual, far = (float(smallest_detectable(1.0, df, 2 * t.sf(critical, df))) for critical in (9e2, 2e3))
    assert far / usual == pytest.approx(2e3 / 9e2, rel=1e-3)
    assert math.isfinite(float(smallest_detectable(1.0, df, 1e-14)))


def test_without_a_test_nothing_is_detectable() -> None:
    """A missing standard error, degree of freedom or level gives NaN, never 0."""
    missing = smallest_detectable([math.nan, 1.0, 1.0], [4.0, math.nan, 4.0], [0.05, 0.05, math.nan])
    assert np.isnan(missing).all()


@pytest.mark.parametrize(("n", "factor"), [(3, 1.55), (5, 1.24), (10, 1.10), (30, 1.03)])
def test_assurance_of_few_runs(n: int, factor: float) -> None:
    """The factors that an independent audit of this package found by simulating."""
    assert assurance(n - 1) == pytest.approx(factor, abs=0.006)


def test_what_is_assured_is_found_in_four_of_five() -> None:
    """On average over what five runs may show of their spread; without assurance it would be seven in ten."""
    random, n = np.random.default_rng(5), 5
    told = [assured_detectable(spread / math.sqrt(n), n - 1) for spread in random.normal(size=(60, n)).std(1, ddof=1)]
    found = []
    for size in told:
        samples = random.normal(float(size), 1, (400, n))
        p = t.sf(samples.mean(1) / samples.std(1, ddof=1) * math.sqrt(n), n - 1)
        found.append(np.mean(p < 0.025))
    assert np.mean(found) == pytest.approx(0.8, abs=0.06)


def test_assurance_is_defined_wherever_there_is_a_test() -> None:
    """Of two runs and tiny levels it is a number of at least 1; of missing ones it is missing."""
    assert 1 <= assurance(1, 0.05) < 64
    assert 1 <= assurance(1, 1e-6) <= 64
    assert 1 <= assurance(1e6) < 1.001
    assert math.isnan(assurance(math.nan))
