"""How much held-out score a setup loses against another, and whether that is surely less than a margin.

Two kinds of evidence, with the same questions to both. `Flips`: right answers lost and gained, example by example,
where scores are right or wrong. `Spread`: a mean of differences with its deviation, over examples whose scores are
other numbers, or over repeats where the weights are not the same.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import ndtr, stdtr  # not scipy.stats: importing that takes half a second

from significand.analysis.examples import design_effect, tango_score
from significand.analysis.moments import Codes, Floats
from significand.analysis.pairing import ROUNDING

Unit = Literal["example", "repeat"]

BISECTIONS = 60

FEW = 30
"""Examples of which losses have their spread; with fewer, Student's t promises too much: what is rare may just not have
been seen."""


@dataclass(frozen=True)
class Flips:
    """Right answers that a setup lost and gained among examples that both were asked.

    Where the same examples were asked in several repeats, all three are as many as independent examples would be worth.

    Attributes
    ----------
    lost, gained, n
        Examples that only the other got right, that only this one got right, and all.
    """

    lost: float
    gained: float
    n: float

    @property
    def point(self) -> float:
        """The share of right answers lost."""
        return (self.lost - self.gained) / self.n

    @property
    def standard_error(self) -> float:
        """Of the share, with half an answer more in every cell (Agresti and Min, Statistics in Medicine 24, 2005)."""
        difference = (self.lost - self.gained) ** 2 / (self.n + 2)
        return math.sqrt(self.lost + self.gained + 1 - difference) / (self.n + 2)

    def p_of_more(self, loss: float) -> float:
        """Return the p-value of "as much is lost, or more": small where less is lost, surely.

        The score test for matched pairs (Tango, Statistics in Medicine 17, 1998), with a correction for continuity of
        half an answer. Without it, where answers are lost only, it is wrong in up to 8 % of cases instead of 5 %.
        """
        return float(ndtr(self.score(loss, 0.5)))

    def p_of_less(self, loss: float) -> float:
        """Return the p-value of "as much is lost, or less"."""
        return float(ndtr(-self.score(loss, -0.5)))

    def score(self, loss: float, shift: float = 0.0) -> float:
        """Return how far the observed loss is above another one, in deviations as these are if the other is true."""
        return -tango_score(-loss, self.lost, self.gained, self.n, -shift)

    def times(self, factor: float) -> "Flips":
        """Return the same shares among so many times as many examples."""
        return replace(self, lost=factor * self.lost, gained=factor * self.gained, n=factor * self.n)


@dataclass(frozen=True)
class Spread:
    """A mean of differences, and how far the single ones lie apart.

    Attributes
    ----------
    point, deviation
        Mean and sample standard deviation of what was lost, in the unit of the score.
    n
        Examples or repeats behind it.
    shared
        What all repeats have in common, as a share of their variance, since they split one table anew: held-out
        examples over those trained on (Nadeau and Bengio, Machine Learning 52, 2003). 0 of examples.
    unseen
        How far the mean may be off since what is rare has not been seen; see `loss_of_examples`.
    size
        Of a typical change of an example: what is not lost yet would be lost by changes of that size; 0 of repeats.
    """

    point: float
    deviation: float
    n: float
    shared: float = 0.0
    unseen: float = 0.0
    size: float = 0.0

    @property
    def standard_error(self) -> float:
        """Of the mean."""
        return self.deviation * math.sqrt(1 / self.n + self.shared)

    def p_of_more(self, loss: float) -> float:
        """Return the p-value of "as much is lost, or more", by Student's t with the spread that there would be then."""
        return self._p(self.point + self.unseen - loss, self.deviation_if(loss))

    def p_of_less(self, loss: float) -> float:
        """Return the p-value of "as much is lost, or less"."""
        return self._p(loss + self.unseen - self.point, self.deviation)

    def deviation_if(self, loss: float) -> float:
        """Return the deviation that there would be if so much were lost.

        As in a score test: where few examples lose much, too few of them make both mean and spread too small. So many
        more of that size are put to them as make the mean the loss, and their squares are in the spread.
        """
        missing = max(0.0, loss - self.point - self.unseen)
        return math.sqrt(self.deviation**2 + missing * self.size)

    def _p(self, distance: float, deviation: float) -> float:
        if not deviation > 0:  # the same in every example
            return 0.0 if distance < 0 else 1.0
        return float(stdtr(self.n - 1, distance / (deviation * math.sqrt(1 / self.n + self.shared))))

    def times(self, factor: float) -> "Spread":
        """Return the same from so many times as many."""
        return replace(self, n=factor * self.n, unseen=self.unseen / factor)


Evidence = Flips | Spread


@dataclass(frozen=True)
class More:
    """How many more repeats, or instead held-out examples, would decide; None where none of them would.

    Attributes
    ----------
    repeats, examples
        If all stays as it is; with a range, the likeliest number.
    repeats_range, examples_range
        What it takes in four of five cases (`significand.analysis.outlook`), the last None: or more; None where that is
        not known.
    """

    repeats: int | None = None
    examples: int | None = None
    repeats_range: tuple[int, int | None] | None = None
    examples_range: tuple[int, int | None] | None = None


@dataclass(frozen=True)
class Loss:
    """What a setup loses of the held-out score against another one.

    Attributes
    ----------
    evidence
        None where there is none, and then `reason` says why.
    unit
        What was paired.
    n
        Examples or repeats.
    repeats, overlap
        Of examples: in how many repeats, and how much these have in common, from 0 to 1 (all).
    changed
        Share of the examples whose score is another one; NaN where only repeats are paired.
    """

    evidence: Evidence | None
    unit: Unit = "example"
    n: int = 0
    repeats: int = 1
    overlap: float = 1.0
    changed: float = math.nan
    reason: str = ""

    @property
    def point(self) -> float:
        """What is lost on average; below 0 where the score is higher; NaN without evidence."""
        return self.evidence.point if self.evidence else math.nan

    @property
    def standard_error(self) -> float:
        """Of the loss; NaN without evidence."""
        return self.evidence.standard_error if self.evidence else math.nan

    def p_of_more(self, margin: float) -> float:
        """Return the p-value of "as much as the margin is lost, or more"; NaN without evidence."""
        return self.evidence.p_of_more(margin) if self.evidence else math.nan

    def p_of_less(self, margin: float) -> float:
        """Return the p-value of "as much as the margin is lost, or less"; NaN without evidence."""
        return self.evidence.p_of_less(margin) if self.evidence else math.nan

    def at_most(self, level: float = 0.95) -> float:
        """Return the upper bound of what is lost, one-sided; NaN without evidence."""
        evidence = self.evidence
        if evidence is None:
            return math.nan
        if isinstance(evidence, Flips):
            return _first(lambda loss: evidence.p_of_more(loss) <= 1 - level, evidence.point, 1.0)
        reach = 40 * evidence.standard_error  # beyond any quantile that is asked for, but of two repeats
        while reach and evidence.p_of_more(evidence.point + reach) > 1 - level:
            reach *= 10
        return _first(lambda loss: evidence.p_of_more(loss) <= 1 - level, evidence.point, evidence.point + reach)

    def needed(self, margin: float, alpha: float, most: float = 1e6) -> "More":
        """Return how much more would show that less than the margin is lost, if all stays as it is.

        Nothing of what would not show it, or only `most` times as many would.
        """
        evidence = self.evidence
        if evidence is None or not evidence.point < margin or evidence.times(most).p_of_more(margin) > alpha:
            return More()
        factor = _first(lambda by: evidence.times(by).p_of_more(margin) <= alpha, 1.0, most)
        if self.unit == "repeat":
            return More(repeats=math.ceil((factor - 1) * self.n - ROUNDING))
        # Examples of several repeats are worth those of so many repeats that have nothing in common.
        worth = factor * self.repeats / (1 + (self.repeats - 1) * self.overlap)
        repeats = worth * (1 - self.overlap) / (1 - worth * self.overlap) if worth * self.overlap < 1 else math.inf
        more = math.ceil(repeats - self.repeats - ROUNDING) if repeats < most else None
        return More(more, math.ceil((factor - 1) * self.n - ROUNDING))


def _first(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Return from where on something holds that does not hold at first."""
    if holds(low):
        return low
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def loss_of_examples(own: Floats, baseline: Floats, examples: Codes, repeats: int = 1) -> Loss:
    """Return what is lost, from the scores of the same weights on the same examples.

    So it is about these weights and new examples; one repeat is enough. Repeats that hold out the same example are no
    new evidence of it: an example is a cluster, as in `significand.analysis.examples`.

    Of scores other than right and wrong the mean is judged by Student's t. One more example that loses all there is to
    lose is put to them: that none was seen among 100 does not show that there is none among 1,000. How much that is, is
    known of scores from 0 to 1; of others it is what lies between the lowest and the highest, and one is put to them
    only where few examples have the whole spread: as many as `FEW`, by the kurtosis.

    Parameters
    ----------
    own, baseline
        One score per pair, shape (pairs,).
    examples
        Which example each pair is of, shape (pairs,).
    repeats
        In how many repeats there are pairs.
    """
    lost = baseline - own
    clusters = np.unique(examples, return_inverse=True)[1]
    n, k = lost.size, int(clusters.max(initial=-1)) + 1
    if k < 2:
        return Loss(None, n=k, reason="a single held-out example has no spread" if k else "no example has two scores")
    effect = design_effect(lost, clusters)
    changed = float(np.count_nonzero(lost) / n)
    overlap = (effect - 1) / (repeats - 1) if repeats > 1 else 1.0
    if np.isin(np.concatenate([own, baseline]), (0.0, 1.0)).all():
        worse, better = (np.count_nonzero(side) / effect for side in (lost > 0, lost < 0))
        flips = Flips(float(worse), float(better), n / effect)
        return Loss(flips, "example", k, repeats, min(1.0, overlap), changed)
    point = float(lost.mean())
    most = _most_lost(own, baseline, _summed(lost - point, clusters))
    if most:
        lost, clusters = np.append(lost, most), np.append(clusters, k)
    mean, share = float(lost.mean()), (k + bool(most)) / lost.size
    changes = _summed(lost, clusters) * share  # by example, of what each has in the mean
    deviation = float((_summed(lost - mean, clusters) * share).std(ddof=1))
    total = float(np.abs(changes).sum())
    size = float((changes**2).sum()) / total if total else 0.0
    return Loss(Spread(point, deviation, k, unseen=mean - point, size=size), "example", k, repeats, 1.0, changed)


def _summed(values: Floats, clusters: Codes) -> Floats:
    return np.bincount(clusters, weights=values).astype(np.float64)


def _most_lost(own: Floats, baseline: Floats, residuals: Floats) -> float:
    """Return what one more example might lose; 0 where those that there are tell enough."""
    scores = np.concatenate([own, baseline])
    if scores.min() >= 0 and scores.max() <= 1:
        return 1.0
    squares = residuals**2
    is_of_few = squares.sum() ** 2 < FEW * (squares**2).sum() or not squares.any()
    return float(np.ptp(scores)) if is_of_few else 0.0


def loss_of_repeats(differences: Floats, *, shared: float = 0.0, resolution: float = 0.0) -> Loss:
    """Return what is lost, from mean scores repeat by repeat: the weights may be others.

    Parameters
    ----------
    differences
        What was lost in each repeat, in the score's unit, shape (repeats,); NaN where a side has none.
    shared
        As of `Spread`.
    resolution
        The least deviation that is believed: scores of so many examples go by steps, and repeats that fall on the same
        step need not be the same.
    """
    known = differences[np.isfinite(differences)]
    if known.size == 0:
        return Loss(None, "repeat", reason="no repeat has a held-out score of both")
    if known.size == 1:
        return Loss(None, "repeat", 1, reason="one repeat does not show how much retraining changes the score")
    deviation = max(float(known.std(ddof=1)), resolution)
    if deviation <= ROUNDING:
        return Loss(None, "repeat", known.size, reason="the loss is the same in all repeats, which shows no spread")
    return Loss(Spread(float(known.mean()), deviation, known.size, shared), "repeat", known.size)
