"""Two setups on the same held-out examples, example by example: what one answers rightly and the other does not.

What is found is about the networks at hand and examples like these, not about networks trained anew; it needs one
network and one repeat. Repeats that split one table anew hold some examples out more than once, and what they say of
the same example is no new evidence. An example is therefore a cluster: its repeats count together.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, ndtri, stdtr, stdtrit

from significand.analysis.intervals import Estimate, check_level

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

TANGO, CLUSTERED_TANGO = "Tango", "Tango, clustered by example"
T, CLUSTERED_T = "t over examples", "t over examples, clustered by example"

HALVINGS = 60
"""Of an interval of length 2 at most: a bound is then as exact as a number of 64 bits."""


@dataclass(frozen=True)
class PairedExamples:
    """What two setups say of the same held-out examples.

    Attributes
    ----------
    n
        Pairs: an example in a repeat is one.
    examples
        Different ones among them.
    lost, gained
        Pairs of which the setup's score is lower, or higher, than the baseline's: answers that are no longer right, and
        that have become right, where scores are 1 and 0.
    changed
        Pairs with another answer, right or wrong; where answers are not known, with another score.
    is_right_or_wrong
        Whether every score is 1 or 0.
    difference
        Mean score of the setup less that of the baseline, in the score's unit.
    p_value
        Two-sided, of no difference; NaN where there is nothing to test by.
    """

    n: int
    examples: int
    lost: int
    gained: int
    changed: int
    is_right_or_wrong: bool
    difference: Estimate
    p_value: float

    @property
    def agreement(self) -> float:
        """Share of the pairs with the same answer."""
        return 1 - self.changed / self.n if self.n else math.nan


def paired_examples(
    own: ArrayLike, baseline: ArrayLike, examples: ArrayLike, changed: int | None = None, level: float = 0.95
) -> PairedExamples:
    """Compare the scores of two setups on the same examples.

    Scores that are all 1 or 0 are judged by the exact McNemar test and Tango's score interval, others by Student's t
    on the differences. With several pairs of an example:

    - The test counts each example once, by whether it lost more often than it gained: the exact sign test over
      clusters, which is McNemar's where there is one pair each.
    - The interval takes Tango's with all counts divided by the design effect (Rao and Scott, Biometrics 48, 1992), the
      cluster-robust variance (Obuchowski, Statistics in Medicine 17, 1998) over that of independent pairs; see
      `design_effect`.
    - Student's t has the cluster-robust standard error and a degree of freedom less than there are examples.

    Parameters
    ----------
    own, baseline
        Scores, higher is better, shape (pairs,): in any unit, all finite.
    examples
        Which example each pair is of, shape (pairs,), integers.
    changed
        Pairs with another answer; None where only scores are known.
    level
        Confidence level.

    Raises
    ------
    ValueError
        If shapes differ, a score is not finite, or `level` is not between 0 and 1.
    """
    check_level(level)
    ours, theirs = (np.asarray(scores, dtype=np.float64) for scores in (own, baseline))
    keys = np.asarray(examples)
    if not ours.shape == theirs.shape == keys.shape or ours.ndim != 1:
        raise ValueError(
            f"scores have the shapes {ours.shape} and {theirs.shape}, examples {keys.shape}; give one of each for "
            "every pair."
        )
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise ValueError("a score is not finite; leave its pair out.")
    differences = ours - theirs
    clusters = np.unique(keys, return_inverse=True)[1]
    lost, gained = (int(np.count_nonzero(side)) for side in (differences < 0, differences > 0))
    is_binary = all(bool(np.isin(scores, (0.0, 1.0)).all()) for scores in (ours, theirs))
    judge = _right_or_wrong if is_binary else _real
    difference, p_value = judge(differences, clusters, level)
    return PairedExamples(
        n=differences.size,
        examples=int(clusters.max(initial=-1)) + 1,
        lost=lost,
        gained=gained,
        changed=lost + gained if changed is None else changed,
        is_right_or_wrong=is_binary,
        difference=difference,
        p_value=p_value,
    )


def mcnemar_exact(lost: int, gained: int) -> float:
    """Return the two-sided p-value of the exact McNemar test: binomial, of as many lost as gained; 1 without either.

    McNemar, Psychometrika 12, 1947; exact as in Fagerland, Lydersen and Laake, Statistics in Medicine 33, 2014.
    """
    n = lost + gained
    return min(1.0, 2 * float(bdtr(min(lost, gained), n, 0.5))) if n else 1.0


def tango(lost: float, gained: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Return the score interval of a paired difference of proportions (Tango, Statistics in Medicine 17, 1998).

    All differences are in it that the score test does not reject at 1 - `level`. It has a width also where nothing was
    lost or gained.

    Parameters
    ----------
    lost, gained
        Pairs that only the other, and only the own side answers rightly; effective counts may be no whole numbers.
    n
        All pairs.
    level
        Confidence level.

    Returns
    -------
    tuple of float
        Bounds of the share that is gained less the share that is lost, from -1 to 1; NaN without a pair.
    """
    check_level(level)
    if not n > 0:
        return math.nan, math.nan
    z, point = float(ndtri((1 + level) / 2)), (gained - lost) / n
    return (
        _crossing(lambda delta: tango_score(delta, lost, gained, n) < z, -1.0, point),
        _crossing(lambda delta: tango_score(delta, lost, gained, n) < -z, point, 1.0),
    )


def design_effect(differences: Floats, clusters: Codes) -> float:
    """Return how many pairs are worth one independent pair, from 1 to the pairs of an example.

    The variance of the mean with examples as clusters over that of independent pairs, both without regard to the mean,
    which is small beside the spread. One more example is taken to have lost in all its pairs: with nothing lost or
    gained, an example's pairs are then worth one, and with many the data decide.

    Parameters
    ----------
    differences
        Shape (pairs,): -1, 0 or 1.
    clusters
        The example of each, as codes from 0.
    """
    if not differences.size:
        return 1.0
    most = differences.size / (int(clusters.max()) + 1)
    nets = np.bincount(clusters, weights=differences)
    found = (float(nets @ nets) + most**2) / (float(differences @ differences) + most)
    return max(1.0, found)


def _right_or_wrong(differences: Floats, clusters: Codes, level: float) -> tuple[Estimate, float]:
    nets = np.bincount(clusters, weights=differences)
    effect = design_effect(differences, clusters)
    lost, gained = (float(np.count_nonzero(side)) / effect for side in (differences < 0, differences > 0))
    low, high = tango(lost, gained, differences.size / effect, level)
    p_value = mcnemar_exact(int(np.count_nonzero(nets < 0)), int(np.count_nonzero(nets > 0)))
    method = TANGO if nets.size == differences.size else CLUSTERED_TANGO
    known = differences.size > 0
    return (
        Estimate(_mean(differences), low, high, method, level, differences.size),
        p_value if known else math.nan,
    )


def _real(differences: Floats, clusters: Codes, level: float) -> tuple[Estimate, float]:
    mean, n = _mean(differences), differences.size
    residuals = np.bincount(clusters, weights=differences - mean)
    k = residuals.size
    method = T if k == n else CLUSTERED_T
    error = math.sqrt(float(residuals @ residuals) * k / (k - 1)) / n if k > 1 else math.nan
    half = float(stdtrit(k - 1, (1 + level) / 2)) * error if k > 1 else math.nan
    p_value = 2 * float(stdtr(k - 1, -abs(mean) / error)) if error > 0 else math.nan
    return Estimate(mean, mean - half, mean + half, method, level, n), p_value


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else math.nan


def tango_score(delta: float, lost: float, gained: float, n: float, shift: float = 0.0) -> float:
    """Return Tango's statistic of a difference: the excess over it in units of its standard error under it.

    `shift` is added to the excess, in answers: a correction for continuity.
    """
    return float(tango_scores(delta, np.float64(lost), np.float64(gained), np.float64(n), shift))


def tango_scores(delta: float, lost: ArrayLike, gained: ArrayLike, n: ArrayLike, shift: float = 0.0) -> Floats:
    """Return the same of many answers lost and gained, of any common shape."""
    lost, gained, n = (np.asarray(one, dtype=np.float64) for one in (lost, gained, n))
    b = -gained - lost + (2 * n - gained + lost) * delta
    c = -lost * delta * (1 - delta)
    share_lost = (np.sqrt(np.maximum(0.0, b * b - 8 * n * c)) - b) / (4 * n)
    variance = n * (2 * share_lost + delta * (1 - delta))
    excess = gained - lost - n * delta + shift
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(variance > 0, excess / np.sqrt(variance), np.copysign(math.inf, excess))


def _crossing(is_beyond: Callable[[float], bool], low: float, high: float) -> float:
    """Return where something begins to hold between two bounds."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_beyond(middle) else (middle, high)
    return (low + high) / 2
