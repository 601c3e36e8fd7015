"""Which setups cannot be told from the cheapest, and how probably each is it."""

import math

import numpy as np
import pytest

from significand.analysis.best import among_best, p_best
from significand.analysis.loss import Flips, Loss


@pytest.mark.parametrize(("k", "df", "critical"), [(2, 10, 2.15), (3, 10, 2.34), (3, 20, 2.19), (3, 200_000, 2.06)])
def test_the_best_are_told_apart_by_dunnetts_critical_value(k: int, df: int, critical: float) -> None:
    """Hsu's method has Dunnett's one-sided t where variances are equal and correlations a half.

    Dunnett, Journal of the American Statistical Association 50 (1955), table 1a, at 95 %; SciPy 1.17's multivariate t
    gives 2.151, 2.338 and 2.192; 2.06 is for infinite degrees of freedom. A setup stays up to that many standard errors
    from the best, and no further.
    """
    n = df + 1
    noise = np.random.default_rng(3).normal(size=(n, k + 1))
    noise = np.linalg.qr(noise - noise.mean(axis=0))[0] * math.sqrt(n - 1)  # unit variances, no correlations
    error = math.sqrt(2 / n)
    for factor, stays in ((0.98, True), (1.02, False)):
        logs = noise + np.array([factor * critical * error, *[0.0] * k])
        best = among_best(logs, np.arange(k + 1), np.zeros(k + 1))
        assert best[0] == stays
        assert best[1:].all()


def test_the_cheapest_that_keeps_margin_and_limits_is_probably_the_best() -> None:
    """Not the cheapest of all, which loses too much, nor the next, which breaks the limit."""
    noise = 0.01 * np.random.default_rng(0).normal(size=(10, 4))
    losses = [Loss(None), *(Loss(Flips(lost, 0, 1000), n=1000) for lost in (100, 1, 1))]
    costs, excess = (noise + np.array(means) for means in ([0.0, -0.9, -0.7, -0.5], [-1.0, -1.0, 1.0, -1.0]))
    p = p_best(costs, [excess], losses, 0.01, 0)
    assert p.tolist() == [pytest.approx(0.0, abs=0.01)] * 3 + [pytest.approx(1.0, abs=0.01)]


def test_what_is_the_same_is_the_best_with_the_same_probability() -> None:
    """Of two equal costs each has half; a single repeat tells nothing."""
    logs = np.repeat(0.01 * np.random.default_rng(1).normal(size=(6, 1)), 2, axis=1)
    losses = [Loss(None), Loss(Flips(0, 0, 100_000), n=100_000)]
    assert p_best(logs, [], losses, 0.01, 0).tolist() == [0.5, 0.5]
    assert np.isnan(p_best(logs[:1], [], losses, 0.01, 0)).all()
