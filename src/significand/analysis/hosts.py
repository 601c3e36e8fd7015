"""Ratios of several hosts of one kind together: a random-effects mean, and what the next host may show.

Each host has its own true log ratio, and measures it with an error of its own. A latency of one machine says nothing of
another's, so latencies, memories and energies of several hosts are never put together: only ratios are, each of two
setups that took turns on one host.

The model is that of a random-effects meta-analysis: host i shows y_i = mu + u_i + e_i, where u_i has the variance tau²
between hosts, and e_i the variance s² / n_i of its n_i pairs. Everything works on many groups of hosts at once.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import (
    chdtrc,
    chdtri,
    polygamma,
    psi,
    stdtr,
    stdtrit,
)  # not scipy.stats: importing that takes half a second

from significand.analysis.intervals import check_level
from significand.analysis.moments import Codes, Floats
from significand.analysis.pairing import ROUNDING

FEWEST_FOR_PREDICTION = 3
"""Hosts: with two, Student's t of the prediction would have no degree of freedom."""

METHOD = "Hartung-Knapp t"
"""How the interval of a mean over hosts was made."""

UNEQUAL_LEVEL = 0.01
"""Of Bartlett's test: p-value below which hosts are not taken as equally noisy."""

VERY_UNEQUAL, FEWEST_PAIRS = 2.0, 10
"""Variance of the log of hosts' variances, and pairs a host on average, from which on each has a variance of its own.

Below, the weights would do harm where pairs are skewed, as by single repeats that were disturbed: a host's mean and
variance are then related, so that weights by variance bias the mean.
"""

_MOST_STEPS = 200
_CLOSE = 1e-13  # of a root, relative


@dataclass(frozen=True, eq=False)
class OverHosts:
    """What hosts of one kind say together, one entry per group of hosts; all arrays have shape (n_groups,).

    What is not defined is NaN: of one host everything but `mean`, of two the prediction, without any host that has two
    pairs everything that needs the error within hosts.

    Attributes
    ----------
    hosts
        How many have a value.
    mean, standard_error, low, high
        The random-effects mean mu and its interval.
    p_value
        Two-sided, of mu = 0.
    within
        Standard deviation of a pair within a host, pooled over the hosts.
    tau, tau_low, tau_high
        Standard deviation of the hosts' true values, and its interval.
    i_squared, i_squared_low, i_squared_high
        Share of the variance of what hosts show that is between them, from 0 to 1, and its interval.
    prediction_low, prediction_high
        Where the true value of one more host of the kind lies.
    by_chance
        Whether hosts agree more closely than their own errors make likely, so that the guard acts: see `over_hosts`.
    """

    hosts: Codes
    mean: Floats
    standard_error: Floats
    low: Floats
    high: Floats
    p_value: Floats
    within: Floats
    tau: Floats
    tau_low: Floats
    tau_high: Floats
    i_squared: Floats
    i_squared_low: Floats
    i_squared_high: Floats
    prediction_low: Floats
    prediction_high: Floats
    by_chance: NDArray[np.bool_]


def over_hosts(
    means: Floats, variances: Floats, pairs: Codes, groups: Codes, n_groups: int, level: float = 0.95
) -> OverHosts:
    """Estimate the mean over hosts of each group, how much hosts differ, and what the next one may show.

    tau² is Paule and Mandel's (Journal of Research of the National Bureau of Standards 87, 1982): it assumes no
    distribution, and makes the generalised Q exactly its degrees of freedom, so that the factor of the interval below
    is 1 wherever hosts differ.

    The interval is Hartung and Knapp's (Statistics in Medicine 20, 2001): Student's t with k - 1 degrees of freedom,
    the variance of the mean from how far hosts lie apart. The usual guard never takes its factor below 1 (Knapp and
    Hartung, Statistics in Medicine 22, 2003; Roever, Knapp and Friede, BMC Medical Research Methodology 15, 2015): it
    is for studies of unequal precision, and would here cover up to 100 % where hosts are alike. So it is put on where
    each host has a variance of its own, and where Q is so small that even the upper bound of tau is 0, which
    `by_chance` marks: hosts that agree by chance shall not seem known better than their own errors allow. Where hosts
    are clearly not equally noisy a small Q is no sign of that: the pooled variance is too large for most of them.

    The variance of a pair is pooled over the hosts of a group, weighted by degrees of freedom. Of the few repeats that
    a host has, its own variance makes weights that scatter, and intervals of 95 % that cover 84 % with two repeats and
    89 % with five; pooled they cover 94 to 97 %. Where hosts are very unequal, and have enough pairs to know it, each
    is given a variance nearer to its own: one noisy host would make those of all others many times too large, and the
    interval with them (benchmarks/coverage_over_hosts.py prints the table).

    The interval of tau is the Q-profile (Viechtbauer, Statistics in Medicine 26, 2007), and that of I² follows from it
    by the typical variance within (Higgins and Thompson, Statistics in Medicine 21, 2002, equation 9). The prediction
    is mu +- t sqrt(tau² + standard error²) with k - 2 degrees of freedom (Higgins, Thompson and Spiegelhalter, Journal
    of the Royal Statistical Society A 172, 2009): with k - 1 it covered less in every simulated case.

    Parameters
    ----------
    means
        Mean over the pairs of each host, such as of log ratios, shape (n,); NaN where it has none.
    variances
        Sample variance of each host's pairs, shape (n,), the square of the means' unit; NaN of a single pair.
    pairs
        Pairs of each host, shape (n,).
    groups
        Group of each host, shape (n,): from 0.
    n_groups
        How many groups there are.
    level
        Confidence level of all intervals.

    Raises
    ------
    ValueError
        If `level` is not between 0 and 1.
    """
    check_level(level)
    known = np.isfinite(means) & (pairs > 0)
    y, n, group = means[known], pairs[known], groups[known]
    k = np.bincount(group, minlength=n_groups)
    pooled = _pooled(variances[known], n, group, n_groups)
    of_hosts, unequal, very = _of_each_host(variances[known], n, group, pooled)
    error = np.maximum(np.nan_to_num(of_hosts, nan=0.0) / n, ROUNDING**2)
    sums = _Sums(y, error, group, n_groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = np.where(k > 1, k - 1.0, np.nan)
        tau2 = sums.root(freedom)
        weights, mu, q = sums.at(tau2)
        fixed = 1 / np.sqrt(weights)
        told = np.isfinite(pooled) & (k > 1)
        by_chance = told & ~unequal & (pooled > ROUNDING**2) & (tau2 == 0) & (q < chdtri(freedom, (1 + level) / 2))
        factor = np.sqrt(q / freedom)
        standard_error = fixed * np.where(by_chance, 1.0, np.where(very, np.maximum(factor, 1.0), factor))
        half = stdtrit(freedom, (1 + level) / 2) * standard_error
        # Where all hosts say the same to the last digit there is nothing to test against.
        p_value = np.where(standard_error > 0, 2 * stdtr(freedom, -np.abs(mu) / standard_error), np.nan)
        bounds = [sums.root(chdtri(freedom, tail)) for tail in ((1 - level) / 2, (1 + level) / 2)]
        tau2, tau2_low, tau2_high = (np.where(told, one, np.nan) for one in (tau2, *bounds))
        typical = sums.typical_error(freedom)
        shares = [one / (one + typical) for one in (tau2, tau2_low, tau2_high)]
        reach = np.where(k >= FEWEST_FOR_PREDICTION, stdtrit(np.maximum(k - 2.0, 1.0), (1 + level) / 2), np.nan)
        reach = reach * np.sqrt(tau2 + standard_error**2)
    return OverHosts(
        hosts=k,
        mean=mu,
        standard_error=standard_error,
        low=mu - half,
        high=mu + half,
        p_value=p_value,
        within=np.sqrt(pooled),
        tau=np.sqrt(tau2),
        tau_low=np.sqrt(tau2_low),
        tau_high=np.sqrt(tau2_high),
        i_squared=shares[0],
        i_squared_low=shares[1],
        i_squared_high=shares[2],
        prediction_low=mu - reach,
        prediction_high=mu + reach,
        by_chance=by_chance,
    )


def _pooled(variances: Floats, n: Codes, groups: Codes, n_groups: int) -> Floats:
    """Return the variance of a pair within a host, pooled over each group; NaN where no host has two pairs."""
    several = np.isfinite(variances) & (n > 1)
    freedom = np.bincount(groups[several], weights=n[several] - 1.0, minlength=n_groups)
    squares = np.bincount(groups[several], weights=(n[several] - 1) * variances[several], minlength=n_groups)
    pooled: Floats = np.divide(squares, freedom, out=np.full(n_groups, np.nan), where=freedom > 0)
    return pooled


def _of_each_host(
    variances: Floats, n: Codes, groups: Codes, pooled: Floats
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the variance of a pair on each host, which groups are unequally noisy, and which of them very much so.

    Whether hosts are equally noisy is asked by Bartlett's test (Proceedings of the Royal Society A 160, 1937). The
    variance is that of the group, but for very unequal hosts: their variances are taken as a sample of a scaled inverse
    chi-squared distribution, whose location and degrees of freedom follow from the logs, and each is drawn towards that
    location (Smyth, Statistical Applications in Genetics and Molecular Biology 3, 2004, sections 4 and 6.2): one noisy
    host hardly changes what the others weigh. A host that shows no spread takes the geometric mean of the others'.
    """
    # Without any spread, as of what a meter rounds, a host does not tell how exact it is.
    several = (n > 1) & (variances > ROUNDING**2)
    group, freedom, own = groups[several], n[several] - 1.0, variances[several]

    def total(values: NDArray[np.floating[Any]]) -> Floats:
        return np.asarray(np.bincount(group, weights=values, minlength=pooled.size), dtype=np.float64)

    k, every = total(np.ones_like(own)), total(freedom)
    with np.errstate(invalid="ignore", divide="ignore"):
        common = total(freedom * own) / every
        bartlett = total(freedom * np.log(common[group] / own))
        bartlett /= 1 + (total(1 / freedom) - 1 / every) / (3 * (k - 1))
        logs = np.log(own) - psi(freedom / 2) + np.log(freedom / 2)
        centre = total(logs) / k
        apart = total((logs - centre[group]) ** 2) / (k - 1) - total(polygamma(1, freedom / 2)) / k
        unequal = (k > 1) & (chdtrc(k - 1, bartlett) < UNEQUAL_LEVEL)
        very = unequal & (apart > VERY_UNEQUAL) & (every / k >= FEWEST_PAIRS - 1)
    half = _inverse_trigamma(np.where(very, apart, 1.0))
    centre = np.where(very, centre, 0.0)
    location = np.exp(centre + psi(half) - np.log(half))
    drawn = np.exp(centre)[groups]
    drawn[several] = (freedom * own + (2 * half * location)[group]) / (freedom + 2 * half[group])
    return np.where(very[groups], drawn, pooled[groups]), unequal, very


def _inverse_trigamma(values: Floats) -> Floats:
    """Return x at which the trigamma function is each value (Smyth 2004, appendix): Newton's steps, on 1 / trigamma."""
    x = 0.5 + 1 / values
    for _ in range(_MOST_STEPS):
        now = polygamma(1, x)
        step = now * (1 - now / values) / polygamma(2, x)
        x = x + step
        if (np.abs(step) <= 1e-8 * x).all():
            break
    return np.asarray(x)


@dataclass(frozen=True, eq=False)
class _Sums:
    """Weighted sums over the hosts of each group, as functions of tau², shape (n_groups,)."""

    y: Floats
    error: Floats
    groups: Codes
    n_groups: int

    def _sum(self, values: Floats) -> Floats:
        return np.asarray(np.bincount(self.groups, weights=values, minlength=self.n_groups), dtype=np.float64)

    def _residuals(self, tau2: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        weights = 1 / (self.error + np.nan_to_num(tau2, nan=0.0)[self.groups])
        total = self._sum(weights)
        pilot = np.zeros(self.n_groups)
        pilot[self.groups] = self.y  # so that a mean far from 0 costs no digits of the spread
        offset = self._sum(weights * (self.y - pilot[self.groups])) / total
        return weights, total, pilot + offset, self.y - pilot[self.groups] - offset[self.groups]

    def at(self, tau2: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the sum of the weights, the weighted mean (NaN of no host), and the generalised Q."""
        weights, total, mean, residuals = self._residuals(tau2)
        return total, mean, self._sum(weights * residuals**2)

    def typical_error(self, freedom: Floats) -> Floats:
        """Return the typical variance within hosts (Higgins and Thompson 2002, equation 9)."""
        weights = 1 / self.error
        total = self._sum(weights)
        return np.asarray(freedom * total / (total**2 - self._sum(weights**2)))

    def root(self, target: Floats) -> Floats:
        """Return the tau² at which the generalised Q is `target`; 0 where it is less already, NaN without a target.

        Q falls with tau² and is convex, so that Newton's steps from the left of the root never pass it (DerSimonian and
        Kacker, Contemporary Clinical Trials 28, 2007). They begin where Q would be the target if all errors were as
        large as the largest, which is never beyond it.
        """
        largest, plain = np.zeros(self.n_groups), np.ones_like(self.y)
        np.maximum.at(largest, self.groups, self.error)
        centre = self._sum(self.y) / self._sum(plain)
        spread = self._sum((self.y - centre[self.groups]) ** 2)
        tau2 = np.maximum(np.nan_to_num((spread / target - largest) * (1 - 1e-9), nan=0.0), 0.0)
        for _ in range(_MOST_STEPS):
            weights, _, _, residuals = self._residuals(tau2)
            part = weights * residuals**2
            slope = self._sum(weights * part)
            step = np.where(slope > 0, (self._sum(part) - target) / slope, 0.0)
            step = np.maximum(np.nan_to_num(step, nan=0.0), 0.0)
            tau2 = tau2 + step
            if not (step > _CLOSE * tau2).any():
                break
        return np.where(np.isnan(target), np.nan, tau2)
