"""Mean, spread and interval of a sample of runs.

The t interval is the headline; the normal one is the one the interface specifies. Percentile and BCa bootstrap are not
offered: at the handful of runs that an experiment has, they cover less than they promise.
"""

import bisect
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, ndtri, stdtrit  # not scipy.stats: importing that takes half a second

from significand.analysis.columns import column
from significand.analysis.moments import SQUARES_FIT
from significand.results.records import told_method

Sample = Iterable[float | None] | NDArray[np.float64]

NORMAL_95 = 1.96
"""The 97.5 % point of the standard normal, rounded as the interface specifies it."""

FEWEST_FOR_BOOTSTRAP = 10
"""With fewer values, resamples of nearly equal values make the bootstrap-t erratic."""

RESPLIT = "t for re-splits"
"""How Student's interval is called where it is widened because repeats hold out other examples of one table."""

DEPENDENT = "t for dependent repeats"
"""How it is called where it is widened because neighbouring repeats resemble each other."""

SESSIONS = "t over sessions"
"""How it is called where it allows for how much sessions scatter."""

_VALUES_AT_ONCE = 1_000_000  # of all resamples together: bounds the memory of a large sample's bootstrap


@dataclass(frozen=True)
class Estimate:
    """A number with its uncertainty: they travel together.

    Attributes
    ----------
    point, low, high
        The estimate and the bounds of its interval, in one unit; NaN where undefined.
    method
        How the interval was made: ``"normal"``, ``"t"``, ``"bootstrap-t"``, ``"order statistics"``, ...
    level
        Confidence level of the interval, between 0 and 1.
    n
        Values behind it.
    sequential
        Whether measuring went on until the interval was narrow enough, which makes it a little too narrow.
    """

    point: float
    low: float
    high: float
    method: str
    level: float
    n: int
    sequential: bool = False

    @property
    def told_method(self) -> str:
        """How the interval was made, as files and tables say it."""
        return told_method(self.method, sequential=self.sequential)


def finite(values: Sample) -> NDArray[np.float64]:
    """Return `values` as an array, without what is missing (NaN or None).

    Parameters
    ----------
    values
        Numbers, shape (n,).

    Raises
    ------
    TypeError, ValueError
        If they are no numbers; see `significand.analysis.columns.numbers`.
    """
    array = column("values", values)
    return array[~np.isnan(array)]


def mean(values: Sample) -> float:
    """Return the arithmetic mean; NaN of nothing."""
    sample, exponent = _scaled(finite(values))
    with np.errstate(invalid="ignore", over="ignore"):  # infinities of both signs
        return float(np.ldexp(np.mean(sample), exponent)) if sample.size else math.nan


def sample_std(values: Sample) -> float:
    """Return the sample standard deviation (n - 1); NaN with fewer than two values."""
    sample, exponent = _scaled(finite(values))
    if sample.size > 1 and sample[0] == sample.min() == sample.max() and math.isfinite(sample[0]):
        return 0.0  # around a mean that is rounded, equal values have a deviation of some 1e-16 of their size
    with np.errstate(invalid="ignore", over="ignore"):  # the spread around an infinity is undefined
        return float(np.ldexp(np.std(sample, ddof=1), exponent)) if sample.size > 1 else math.nan


def _scaled(sample: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Return numbers of very large or small size times a power of two, which costs no digit, and its exponent.

    Their squares would overflow, or vanish and make a spread of 0.
    """
    size = float(np.abs(sample).max(initial=0.0))
    if size == 0 or SQUARES_FIT[0] <= size <= SQUARES_FIT[1] or not math.isfinite(size):
        return sample, 0
    exponent = math.frexp(size)[1]
    return np.ldexp(sample, -exponent), exponent


def ci95_half_width(values: Sample) -> float:
    """Return the half-width of the 95 % interval of the mean, by the normal approximation.

    1.96 x s / sqrt(n), s the sample standard deviation (any textbook's large-sample interval). With few runs it is too
    narrow: on normal data it covers 87.8 % at n = 5 and 91.8 % at n = 10 instead of 95 %.

    Returns
    -------
    float
        In the unit of `values`; NaN with fewer than two values, or where it is beyond the largest number.
    """
    sample = finite(values)
    half = NORMAL_95 * sample_std(sample) / math.sqrt(sample.size) if sample.size > 1 else math.nan
    return half if math.isfinite(half) else math.nan


def mean_normal(values: Sample, level: float = 0.95) -> Estimate:
    """Estimate the mean with the specified normal interval; see `ci95_half_width` for what it is worth.

    Raises
    ------
    ValueError
        If `level` is not between 0 and 1.
    """
    check_level(level)
    quantile = NORMAL_95 if level == 0.95 else float(ndtri((1 + level) / 2))
    return _symmetric(finite(values), quantile, "normal", level)


def mean_t(values: Sample, level: float = 0.95, *, overlap: float = 0.0) -> Estimate:
    """Estimate the mean with Student's t interval, the headline: exact for normal data at every n.

    Mean +- t s / sqrt(n), t of n - 1 degrees of freedom (Student, Biometrika 6, 1908).

    Parameters
    ----------
    values
        One number per run, shape (n,), in any unit; NaN and None are left out.
    level
        Confidence level.
    overlap
        What is added to 1 / n in the variance of the mean, as runs share examples; see
        `significand.analysis.resplits.overlap`.

    Returns
    -------
    Estimate
        In the unit of `values`. Bounds are NaN with fewer than two values or an infinite one.

    Raises
    ------
    ValueError
        If `level` is not between 0 and 1.
    """
    check_level(level)
    sample = finite(values)
    quantile = float(stdtrit(sample.size - 1, (1 + level) / 2)) if sample.size > 1 else math.nan
    return _symmetric(sample, quantile * math.sqrt(1 + sample.size * overlap), RESPLIT if overlap else "t", level)


def mean_bootstrap_t(values: Sample, level: float = 0.95, *, resamples: int = 9_999, seed: int = 0) -> Estimate:
    """Estimate the mean with a bootstrap-t interval, which follows the skewness of the sample.

    The quantiles of (mean* - mean) / (s* / sqrt(n)) over resamples stand where the t interval has Student's (Efron and
    Tibshirani, An Introduction to the Bootstrap, 1993, section 12.5). SciPy's bootstrap does not studentise.

    Parameters
    ----------
    values
        One number per run, shape (n,), in any unit; NaN and None are left out.
    level
        Confidence level.
    resamples
        Number of resamples.
    seed
        Of the resampling: the same sample, in any order, gives the same interval.

    Returns
    -------
    Estimate
        In the unit of `values`. Bounds are NaN with fewer than `FEWEST_FOR_BOOTSTRAP` values or an infinite one, and
        infinite where so many resamples have no spread that nothing bounds the mean.

    Raises
    ------
    ValueError
        If `level` is not between 0 and 1, or there are too few resamples to have its quantiles.
    """
    check_level(level)
    tail = (1 - level) / 2
    rank = math.floor(tail * (resamples + 1) * (1 + 1e-12))  # so that rounding does not turn 250 into 249
    if rank < 1:
        raise ValueError(
            f"resamples is {resamples}; level {level} needs at least {math.ceil(1 / tail) - 1}. Give more resamples."
        )
    sample = np.sort(finite(values))
    centre, spread, n = mean(sample), sample_std(sample), sample.size
    if n < FEWEST_FOR_BOOTSTRAP or not math.isfinite(spread):
        return Estimate(centre, math.nan, math.nan, "bootstrap-t", level, n)
    if sample[0] == sample[-1]:
        return Estimate(centre, centre, centre, "bootstrap-t", level, n)
    studentised = np.sort(_studentised_resamples((sample - centre) / spread, resamples, seed))
    unit = spread / math.sqrt(n)
    low, high = centre - unit * studentised[-rank], centre - unit * studentised[rank - 1]
    return Estimate(centre, float(low), float(high), "bootstrap-t", level, n)


def median_exact(values: Sample, level: float = 0.95) -> Estimate:
    """Estimate the median with the exact interval between two order statistics, whatever the distribution.

    The k-th smallest to the k-th largest value, with the largest k for which the binomial probability that the median
    lies outside is at most 1 - `level` (Conover, Practical Nonparametric Statistics, 3rd edition, section 3.2).

    Parameters
    ----------
    values
        One number per run, shape (n,), in any unit; NaN and None are left out.
    level
        Least confidence level.

    Returns
    -------
    Estimate
        In the unit of `values`; its level is the exact one, at least `level`. Bounds are NaN and the level is `level`
        where even the extremes do not suffice: with fewer than 6 values at 95 %.

    Raises
    ------
    ValueError
        If `level` is not between 0 and 1.
    """
    check_level(level)
    sample = np.sort(finite(values))
    n = sample.size
    with np.errstate(invalid="ignore"):  # the middle between two infinities
        point = float(np.median(sample)) if n else math.nan

    def outside(below: int) -> float:
        """Return twice the probability that no more than so many values lie below the median."""
        return 2 * float(bdtr(below, n, 0.5))

    # Found by halving: of a quarter of a million runs, every one of their ranks would take a quarter of a second.
    k = bisect.bisect_right(range((n + 1) // 2), 1 - level, key=outside)
    if k == 0:
        return Estimate(point, math.nan, math.nan, "order statistics", level, n)
    exact = 1 - outside(k - 1)
    return Estimate(point, float(sample[k - 1]), float(sample[n - k]), "order statistics", exact, n)


def wider(estimate: Estimate, factor: float) -> Estimate:
    """Return a t interval that reaches so many times as far, and is called so where that is more than once."""
    if not factor > 1:
        return estimate
    low, high = (estimate.point + factor * (end - estimate.point) for end in (estimate.low, estimate.high))
    return replace(estimate, low=low, high=high, method=DEPENDENT)


def check_level(level: float) -> None:
    """Refuse a confidence level that is none.

    Raises
    ------
    ValueError
        If it is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it must be between 0 and 1, for example 0.95 for 95 %.")


def _symmetric(sample: NDArray[np.float64], quantile: float, method: str, level: float) -> Estimate:
    centre = mean(sample)
    half = quantile * sample_std(sample) / math.sqrt(sample.size) if sample.size > 1 else math.nan
    if not math.isfinite(half):
        half = math.nan  # a spread beyond the largest number bounds nothing on either side
    return Estimate(centre, centre - half, centre + half, method, level, sample.size)


def _studentised_resamples(standardised: NDArray[np.float64], resamples: int, seed: int) -> NDArray[np.float64]:
    """Return mean* / (s* / sqrt(n)) of each resample of a sample with mean 0."""
    n = standardised.size
    random = np.random.default_rng(seed)
    chunk = max(1, _VALUES_AT_ONCE // n)
    parts = []
    for start in range(0, resamples, chunk):
        drawn = standardised[random.integers(n, size=(min(chunk, resamples - start), n))]
        means = drawn.mean(axis=1)
        # A resample of equal values has no spread: infinitely far off, which is what its ratio tends to.
        spreads = np.where(np.ptp(drawn, axis=1) > 0, drawn.std(axis=1, ddof=1), 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            parts.append(np.nan_to_num(means / (spreads / math.sqrt(n)), nan=0.0, posinf=np.inf, neginf=-np.inf))
    return np.concatenate(parts)
