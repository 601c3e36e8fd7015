"""Random effects over hosts, against published values and an independent implementation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats

from significand.analysis.hosts import UNEQUAL_LEVEL, OverHosts, over_hosts

BCG = np.array(
    [
        (4, 119, 11, 128),
        (6, 300, 29, 274),
        (3, 228, 11, 209),
        (62, 13536, 248, 12619),
        (33, 5036, 47, 5761),
        (180, 1361, 372, 1079),
        (8, 2537, 10, 619),
        (505, 87886, 499, 87892),
        (29, 7470, 45, 7232),
        (17, 1699, 65, 1600),
        (186, 50448, 141, 27197),
        (5, 2493, 3, 2338),
        (27, 16886, 29, 17825),
    ],
    dtype=np.float64,
)
"""Thirteen trials of the BCG vaccine (Colditz et al., JAMA 271, 1994): ill and well with it, ill and well without."""

UNIT = 1e10
"""Variance of a made-up pair, so large that any variance of a mean is this by a whole number of pairs."""


def of_errors(means: np.ndarray, errors: np.ndarray) -> OverHosts:
    """Return what hosts say of which the variance of each one's mean is given."""
    pairs = np.rint(UNIT / errors).astype(np.int64)
    return over_hosts(means, np.full(means.size, UNIT), pairs, np.zeros(means.size, dtype=np.int64), 1)


def one_kind(means: object, variances: object, pairs: object) -> OverHosts:
    y = np.asarray(means, dtype=np.float64)
    return over_hosts(
        y,
        np.broadcast_to(np.asarray(variances, dtype=np.float64), y.shape),
        np.broadcast_to(np.asarray(pairs, dtype=np.int64), y.shape),
        np.zeros(y.size, dtype=np.int64),
        1,
    )


def risk_ratios() -> tuple[np.ndarray, np.ndarray]:
    a, b, c, d = BCG.T
    return np.log(a / (a + b) / (c / (c + d))), 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)


def test_the_mean_and_its_interval_are_those_of_an_independent_implementation() -> None:
    """Golden values: statsmodels 0.15.0, combine_effects(method_re="iterated", use_t=True), Paule-Mandel with HKSJ."""
    found = of_errors(*risk_ratios())
    assert found.tau[0] ** 2 == pytest.approx(0.3180684522050242, rel=1e-8)
    assert found.mean[0] == pytest.approx(-0.7149681534934442, rel=1e-8)
    assert found.standard_error[0] == pytest.approx(0.18089219153762356, rel=1e-8)
    assert (found.low[0], found.high[0]) == pytest.approx((-1.10909838, -0.32083793), abs=1e-8)


def test_the_interval_of_the_variance_between_hosts_is_the_published_one() -> None:
    """Golden values: confint() of metafor (Viechtbauer), on the log risk ratios and on the log odds ratios."""
    a, b, c, d = BCG.T
    odds = np.log(a * d / (b * c)), 1 / a + 1 / b + 1 / c + 1 / d
    for data, low, high in ((risk_ratios(), 0.1197, 1.1115), (odds, 0.1302, 1.1812)):
        found = of_errors(*data)
        assert (found.tau_low[0] ** 2, found.tau_high[0] ** 2) == pytest.approx((low, high), abs=1e-4)


def test_the_share_between_hosts_has_the_published_interval() -> None:
    """Golden values: confint() of metafor on the log risk ratios, 81.92 % to 97.68 %."""
    found = of_errors(*risk_ratios())
    assert (found.i_squared_low[0], found.i_squared_high[0]) == pytest.approx((0.8192, 0.9768), abs=5e-5)


def test_equally_exact_hosts_have_students_interval() -> None:
    """With equal errors the interval is Student's t over the hosts' means, and nothing is assumed of the errors."""
    y = np.array([0.1, 0.35, 0.2, 0.6])
    found = one_kind(y, 0.02, 5)
    low, high = stats.t.interval(0.95, 3, y.mean(), stats.sem(y))
    assert (found.mean[0], found.low[0], found.high[0]) == pytest.approx((y.mean(), low, high))
    assert found.p_value[0] == pytest.approx(stats.ttest_1samp(y, 0).pvalue)
    assert found.tau[0] ** 2 == pytest.approx(y.var(ddof=1) - 0.02 / 5)


def test_the_prediction_has_two_degrees_of_freedom_less_than_hosts() -> None:
    """The prediction is mu +- t of k - 2 times the root of tau² and the squared standard error."""
    found = one_kind([0.1, 0.35, 0.2, 0.6], 0.02, 5)
    reach = stats.t.ppf(0.975, 2) * np.hypot(found.tau[0], found.standard_error[0])
    assert found.prediction_high[0] - found.mean[0] == pytest.approx(reach)
    assert found.mean[0] - found.prediction_low[0] == pytest.approx(reach)


def test_of_one_host_only_its_value_is_known() -> None:
    """One host says nothing of others: everything but the mean is NaN."""
    found = one_kind([0.3], 0.01, 5)
    assert found.mean[0] == 0.3
    for name in ("low", "high", "standard_error", "p_value", "tau", "tau_high", "i_squared", "prediction_low"):
        assert np.isnan(getattr(found, name)[0]), name


def test_of_two_hosts_nothing_is_predicted() -> None:
    """Two hosts have a mean with an interval, and no prediction for a third."""
    found = one_kind([0.3, 0.4], 0.001, 5)
    assert np.isfinite([found.low[0], found.high[0], found.tau[0], found.tau_high[0]]).all()
    assert np.isnan([found.prediction_low[0], found.prediction_high[0]]).all()


def test_without_any_second_repeat_nothing_is_said_of_how_hosts_differ() -> None:
    """Of one pair per host the mean has its interval; what is error and what is the host cannot be told."""
    found = one_kind([0.3, 0.4, 0.6], np.nan, 1)
    assert np.isfinite([found.low[0], found.high[0]]).all()
    assert np.isnan([found.within[0], found.tau[0], found.i_squared[0], found.prediction_high[0]]).all()


def test_a_host_with_one_pair_takes_the_error_of_the_others() -> None:
    """The variance of a pair is pooled over hosts, so that a host with a single one counts as well."""
    found = one_kind([0.3, 0.4, 0.6], [0.01, np.nan, 0.03], [5, 1, 3])
    assert found.hosts[0] == 3
    assert found.within[0] ** 2 == pytest.approx((4 * 0.01 + 2 * 0.03) / 6)


def test_hosts_that_are_not_equally_noisy_are_drawn_towards_their_own_error() -> None:
    """Golden values: Bartlett's test as SciPy has it, and Smyth's moments worked out here with another root finder."""
    random = np.random.default_rng(7)
    y, scatter, n = np.array([0.1, 0.9, 0.4, -0.5]), np.array([10.0, 1.0, 0.7, 1.5]), np.array([30, 12, 20, 8])
    pairs = [m + s * stats.zscore(random.normal(size=k), ddof=1) for m, s, k in zip(y, scatter, n, strict=True)]
    own, freedom = np.array([one.var(ddof=1) for one in pairs]), n - 1.0
    assert stats.bartlett(*pairs).pvalue < UNEQUAL_LEVEL
    logs = np.log(own) - special.digamma(freedom / 2) + np.log(freedom / 2)
    apart = logs.var(ddof=1) - special.polygamma(1, freedom / 2).mean()
    half = optimize.brentq(lambda x: special.polygamma(1, x) - apart, 1e-3, 1e3)
    location = np.exp(logs.mean() + special.digamma(half) - np.log(half))
    drawn = (freedom * own + 2 * half * location) / (freedom + 2 * half)
    found, given = one_kind(y, own, n), of_errors(y, drawn / n)
    for name in ("mean", "tau", "tau_low", "tau_high", "i_squared"):
        assert getattr(found, name)[0] == pytest.approx(getattr(given, name)[0], rel=1e-6), name
    assert found.within[0] ** 2 == pytest.approx((freedom * own).sum() / freedom.sum())


def test_where_hosts_may_be_equally_noisy_their_error_is_pooled() -> None:
    """Variances that chance explains, by Bartlett's test as SciPy has it, change nothing."""
    random = np.random.default_rng(3)
    pairs = random.normal(size=(4, 6))
    assert stats.bartlett(*pairs).pvalue > UNEQUAL_LEVEL
    own = pairs.var(axis=1, ddof=1)
    found, pooled = one_kind([0.1, 0.9, 0.4, -0.5], own, 6), one_kind([0.1, 0.9, 0.4, -0.5], own.mean(), 6)
    for name in ("mean", "low", "high", "tau"):
        assert getattr(found, name)[0] == pytest.approx(getattr(pooled, name)[0], rel=1e-9), name


@pytest.mark.parametrize("k", [3, 5, 10])
def test_one_noisy_host_does_not_spoil_what_is_said_of_the_kind(k: int) -> None:
    """With one host ten times noisier, intervals are nearly as narrow as could be, and few hosts agree by chance."""
    random = np.random.default_rng(k)
    shape, n = (2000, k), 30
    scatter = np.ones(shape)
    scatter[:, 0] = 10
    y = scatter / np.sqrt(n) * random.normal(size=shape)
    own = scatter**2 * random.chisquare(n - 1, size=shape) / (n - 1)
    groups = np.repeat(np.arange(2000), k)
    found = over_hosts(y.ravel(), own.ravel(), np.full(y.size, n), groups, 2000)
    exact = stats.t.ppf(0.975, k - 1) / np.sqrt((n / scatter[0] ** 2).sum())  # with the errors known, and no tau
    assert np.median(found.high - found.low) / 2 < 1.3 * exact
    assert found.by_chance.mean() < 0.01
    assert ((found.low <= 0) & (found.high >= 0)).mean() > 0.93


def test_skewed_pairs_are_pooled() -> None:
    """Where single pairs were disturbed, weights by each host's variance would bias the mean: they are not used."""
    random = np.random.default_rng(1)
    pairs = random.normal(size=(2000, 10, 10)) + 10 * (random.random((2000, 10, 10)) < 0.03) - 0.3
    y, own = pairs.mean(axis=2), pairs.var(axis=2, ddof=1)
    found = over_hosts(y.ravel(), own.ravel(), np.full(y.size, 10), np.repeat(np.arange(2000), 10), 2000)
    assert ((found.low <= 0) & (found.high >= 0)).mean() > 0.89  # pooled always: 0.92


def test_hosts_without_spread_take_the_error_of_the_others() -> None:
    """What a meter rounds to the same in each pair of a host is not known exactly; nor is what has a single pair."""
    found = one_kind([0.3, 0.4, 0.6, 0.5], [0.01, 0.0, 9.0, np.nan], [30, 30, 30, 1])
    assert 0.3 < found.mean[0] < 0.6
    assert found.standard_error[0] > 0.005
    assert np.isfinite([found.low[0], found.tau[0], found.i_squared[0], found.prediction_high[0]]).all()


def test_the_same_everywhere_has_an_interval_without_width() -> None:
    """What is the same in every pair of every host, as the size of a file, is known."""
    found = one_kind([0.5, 0.5, 0.5], 0.0, 4)
    assert (found.mean[0], found.low[0], found.high[0], found.tau[0]) == (0.5, 0.5, 0.5, 0.0)
    assert not found.by_chance[0]


def test_hosts_that_agree_more_closely_than_their_errors_are_marked() -> None:
    """An interval that is narrower than the hosts' own errors is marked as narrow by chance."""
    assert one_kind([0.50, 0.501, 0.499], 0.05, 2).by_chance[0]
    assert not one_kind([0.1, 0.5, 0.9], 0.05, 2).by_chance[0]


def test_groups_are_worked_out_apart() -> None:
    """Hosts of another kind, also one without any value, change nothing."""
    y = np.array([0.1, 2.0, 0.35, 2.5, 0.2, np.nan])
    both = over_hosts(y, np.full(6, 0.02), np.full(6, 5), np.array([0, 1, 0, 1, 0, 2]), 3)
    alone = one_kind([0.1, 0.35, 0.2], 0.02, 5)
    assert both.hosts.tolist() == [3, 2, 0]
    assert both.low[0] == pytest.approx(alone.low[0], rel=1e-12)
    assert np.isnan(both.mean[2])


values = st.floats(-2, 2, allow_nan=False).map(lambda x: round(x, 4))
hosts = st.lists(st.tuples(values, st.floats(1e-6, 1.0), st.integers(1, 30)), min_size=2, max_size=12).filter(
    lambda rows: any(n > 1 for _, _, n in rows)
)


@settings(max_examples=60, deadline=None)
@given(rows=hosts, turn=st.integers(0, 11))
def test_the_order_of_hosts_does_not_matter(rows: list[tuple[float, float, int]], turn: int) -> None:
    """Hosts in another order say the same."""
    turned = rows[turn % len(rows) :] + rows[: turn % len(rows)]
    one, other = (one_kind(*map(list, zip(*each, strict=True))) for each in (rows, turned))
    for name in ("mean", "low", "high", "tau", "tau_high"):
        assert getattr(one, name)[0] == pytest.approx(getattr(other, name)[0], rel=1e-6, abs=1e-9), name


@settings(max_examples=60, deadline=None)
@given(rows=hosts, factor=st.floats(0.1, 10), shift=st.floats(-5, 5))
def test_scale_and_place_go_through(rows: list[tuple[float, float, int]], factor: float, shift: float) -> None:
    """What is measured in another unit, or from another zero, has the same intervals there."""
    y, v, n = (np.array(column) for column in zip(*rows, strict=True))
    plain, moved = one_kind(y, v, n), one_kind(factor * y + shift, factor**2 * v, n)
    for name in ("mean", "low", "high", "prediction_low"):
        assert getattr(moved, name)[0] == pytest.approx(
            factor * getattr(plain, name)[0] + shift, rel=1e-6, abs=1e-7, nan_ok=True
        ), name
    assert moved.tau[0] == pytest.approx(factor * plain.tau[0], rel=1e-6, abs=1e-7)
    assert moved.i_squared[0] == pytest.approx(plain.i_squared[0], rel=1e-5, abs=1e-7)


@settings(max_examples=60, deadline=None)
@given(rows=hosts)
def test_intervals_hold_their_estimates(rows: list[tuple[float, float, int]]) -> None:
    """The mean lies among the hosts, tau in its interval, and the prediction is no narrower than the mean's."""
    y, v, n = (np.array(column) for column in zip(*rows, strict=True))
    found = one_kind(y, v, n)
    assert y.min() - 1e-9 <= found.mean[0] <= y.max() + 1e-9
    assert found.low[0] <= found.mean[0] <= found.high[0]
    assert found.tau_low[0] - 1e-9 <= found.tau[0] <= found.tau_high[0] + 1e-9
    assert 0 <= found.i_squared[0] <= 1
    if len(rows) > 2:
        assert found.prediction_high[0] >= found.high[0] - 1e-9


@settings(max_examples=30, deadline=None)
@given(value=values, n=st.integers(2, 20), k=st.integers(2, 20))
def test_one_host_again_and_again_differs_in_nothing(value: float, n: int, k: int) -> None:
    """A host repeated as if it were many has its own mean, and no spread between hosts."""
    found = one_kind([value] * k, 0.01, n)
    assert found.mean[0] == pytest.approx(value, abs=1e-12)
    assert found.tau[0] == found.tau_low[0] == 0


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_a_level_that_is_none_is_refused(level: float) -> None:
    """A level is between 0 and 1."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        over_hosts(np.zeros(2), np.ones(2), np.ones(2, dtype=np.int64), np.zeros(2, dtype=np.int64), 1, level)
