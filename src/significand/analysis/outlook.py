"""How much more it takes until something is decided: by going on in simulation from what is known so far.

So few repeats do not know their own mean and spread, so that no single number is surely right: what is drawn first is
what may be true (of a mean and a deviation with the usual flat prior: Gelman et al., Bayesian Data Analysis, 3rd
edition, 2013, section 3.2; of answers lost and gained, gamma distributions), then runs or answers to come, with a look
after every twentieth more. Decided is when it is shown, or when it does not look so any more. A range is to hold in
four of five cases, whatever is true. Within it the likeliest number is the one that most often comes within half as
much again of what it took in all: in `benchmarks/choose.py` about as often as the best number of who knows the truth.

This module may import NumPy and SciPy's special functions only.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from significand.analysis.examples import tango_scores
from significand.analysis.loss import Flips, Loss
from significand.analysis.moments import Floats

DRAWS = 500
OF_MEANS, OF_FLIPS = 0.03, 0.05
"""Of what is drawn, how much lies below a range, and as much above. Where what is true happens to be hard to show it
takes longer than most of what may be true: simulated, so much of a mean still holds in four of five cases then. Answers
lost are known well enough for what the numbers say."""

LOOK_EVERY = 20
"""One look after every so much more, of what there is: one after each repeat up to forty."""

ABOUT = 1.5
"""By what factor the likeliest number may miss, counted with what there is already."""

LONGEST = 20
"""Times as much as there is, beyond which nobody looks, or `LONGEST_REPEATS` more."""

LONGEST_REPEATS = 300
LONGEST_EXAMPLES = 1000
MOST_DF = 1e6

Marks = NDArray[np.bool_]
Draw = Callable[[Floats, np.random.Generator], tuple[Marks, Marks]]
"""Returns by draw and look whether something is shown, and whether it does not look so any more."""


@dataclass(frozen=True)
class Need:
    """Something that has to be shown of a setup.

    Attributes
    ----------
    by_repeats, by_examples
        Draw what becomes of it at numbers of repeats, or at multiples of the examples; None where these do not help.
    tail
        `OF_MEANS` or `OF_FLIPS`.
    """

    by_repeats: Draw | None
    by_examples: Draw | None = None
    tail: float = OF_MEANS


@dataclass(frozen=True)
class Span:
    """How much more it takes.

    Attributes
    ----------
    low, high
        In four of five cases so much at least, and at most; None: or more.
    likely
        The likeliest number.
    """

    low: int
    high: int | None
    likely: int


def range_of_more(setups: Sequence[Sequence[Need]], repeats: int) -> Span | None:
    """Return how many more repeats it takes.

    Parameters
    ----------
    setups
        Of each setup that may be chosen what has to be shown. It is decided when all is shown of one of them, or when
        none of them looks so any more.
    repeats
        That there are.

    Returns
    -------
    Span or None
        None where repeats do not help.
    """
    drawn = [[need.by_repeats for need in needs] for needs in setups]
    looks = [float(repeats)]
    while looks[-1] < max(LONGEST * repeats, repeats + LONGEST_REPEATS):
        looks.append(looks[-1] + max(1, looks[-1] // LOOK_EVERY))
    return _span(_decided_at(drawn, np.array(looks)), _tail(setups), lambda number: number - repeats)


def range_of_examples(setups: Sequence[Sequence[Need]], examples: int) -> Span | None:
    """Return the same of held-out examples, where these alone decide."""
    drawn = [[need.by_examples for need in needs] for needs in setups]
    looks = (1 + 1 / LOOK_EVERY) ** np.arange(math.log(LONGEST_EXAMPLES) * LOOK_EVERY)
    return _span(_decided_at(drawn, looks), _tail(setups), lambda factor: (factor - 1) * examples)


def _tail(setups: Sequence[Sequence[Need]]) -> float:
    return min((need.tail for needs in setups for need in needs), default=OF_MEANS)


def _span(decided: Floats | None, tail: float, more: Callable[[float], float]) -> Span | None:
    """Return the range of what was drawn, and the likeliest, as so much more than there is."""
    if decided is None:
        return None
    low, high = np.quantile(decided, [tail, 1 - tail], method="inverted_cdf").tolist()
    if not math.isfinite(low):
        return None
    numbers = np.unique(decided[np.isfinite(decided)])
    near = (decided >= numbers[:, None] / ABOUT) & (decided <= numbers[:, None] * ABOUT)
    likely = float(numbers[near.sum(axis=1).argmax()])
    last = None if math.isinf(high) else math.ceil(more(high))
    return Span(max(1, math.floor(more(low))), last, max(1, round(more(likely))))


def _decided_at(setups: Sequence[Sequence[Draw | None]], looks: Floats) -> Floats | None:
    """Return at which look it is decided, draw by draw, infinite where at none; None where nothing helps."""
    shown, over = np.zeros((DRAWS, looks.size), dtype=np.bool_), np.ones((DRAWS, looks.size), dtype=np.bool_)
    random = np.random.default_rng(0)
    known = [[draw for draw in needs if draw] for needs in setups if None not in needs]
    for needs in known:
        parts = [draw(looks, random) for draw in needs]
        shown |= np.logical_and.reduce([part[0] for part in parts])
        over &= np.logical_or.reduce([part[1] for part in parts])
    if not any(known):
        return None
    decided = (shown | over)[:, 1:]  # nothing is at the first look, which is what there is
    return np.where(decided.any(axis=1), looks[1:][decided.argmax(axis=1)], np.inf)


def certain(looks: Floats, random: np.random.Generator) -> tuple[Marks, Marks]:
    """Draw what is shown already, at every look."""
    del random
    shown = np.ones((DRAWS, looks.size), dtype=np.bool_)
    return shown, ~shown


def need_of_mean(
    mean: float, deviation: float, n: float, alpha: float, *, shared: float = 0.0, patience: float = math.inf
) -> Draw:
    """Return how a mean of differences is shown to be below 0, by Student's t.

    Parameters
    ----------
    mean, deviation, n
        What is known, from so many repeats.
    alpha
        Level of the test.
    shared
        What is added to 1 / n in the variance of the mean.
    patience
        Repeats that one would wait for at most: what takes longer is given up.
    """

    def draw(looks: Floats, random: np.random.Generator) -> tuple[Marks, Marks]:
        scale = looks[0] / n  # looks are repeats, or multiples of what there is
        sizes = looks / scale
        deviations = deviation * np.sqrt((n - 1) / random.chisquare(n - 1, DRAWS))
        true = mean + deviations * random.normal(size=DRAWS) / math.sqrt(n)
        found, squares = np.full(DRAWS, mean), np.full(DRAWS, (n - 1) * deviation**2)
        shown, over = (np.zeros((DRAWS, looks.size), dtype=np.bool_) for _ in range(2))
        for place, size in enumerate(sizes.tolist()):
            if place:
                before = sizes[place - 1]
                more = size - before
                batch = true + deviations * random.normal(size=DRAWS) / math.sqrt(more)
                squares += deviations**2 * random.chisquare(more - 1, DRAWS) if more > 1 else 0.0
                squares += (batch - found) ** 2 * before * more / size
                found = found + (batch - found) * more / size
            spread = np.sqrt(squares / (size - 1))
            shown[:, place] = found <= stdtrit(size - 1, alpha) * spread * math.sqrt(1 / size + shared)
            at_last = size + patience
            hopeless = found > stdtrit(min(at_last, MOST_DF) - 1, alpha) * spread * math.sqrt(1 / at_last + shared)
            over[:, place] = (found >= 0) | hopeless
        return shown, over

    return draw


def need_of_flips(flips: Flips, margin: float, alpha: float, factor_of: Callable[[Floats], Floats]) -> Draw:
    """Return how it is shown that fewer answers are lost than a margin.

    Parameters
    ----------
    flips
        What is known.
    margin, alpha
        Share of the answers, and the level of the test.
    factor_of
        Returns how many times as many independent answers there are at the looks.
    """
    critical = float(ndtri(alpha))

    def draw(looks: Floats, random: np.random.Generator) -> tuple[Marks, Marks]:
        factors = factor_of(looks)
        steps = np.diff(factors, prepend=1.0)
        rates = [random.gamma(known + 0.5, size=(DRAWS, 1)) for known in (flips.lost, flips.gained)]
        lost, gained = (
            known + np.cumsum(random.poisson(rate * steps), axis=1)
            for known, rate in zip((flips.lost, flips.gained), rates, strict=True)
        )
        n = flips.n * factors
        return -tango_scores(-margin, lost, gained, n, -0.5) <= critical, lost - gained >= margin * n

    return draw


def need_of_loss(loss: Loss, margin: float, alpha: float, patience: float) -> Need:
    """Return what has to be shown of a loss; nothing helps where there is no evidence."""
    evidence, repeats, overlap = loss.evidence, loss.repeats, min(1.0, loss.overlap)
    if evidence is None:
        return Need(None)
    if loss.unit == "repeat":
        assert not isinstance(evidence, Flips)  # noqa: S101 - repeats have means
        distance, shared = evidence.point - margin, evidence.shared
        return Need(need_of_mean(distance, evidence.deviation, evidence.n, alpha, shared=shared, patience=patience))
    if not isinstance(evidence, Flips):
        distance, deviation = evidence.point + evidence.unseen - margin, evidence.deviation_if(margin)
        return Need(None, need_of_mean(distance, deviation, evidence.n, alpha))

    def worth(at: Floats) -> Floats:
        """Return how many independent answers repeats hold, over those that there are; see `Loss.needed`."""
        of = at / (1 + (at - 1) * overlap)
        return np.asarray(of / (repeats / (1 + (repeats - 1) * overlap)))

    return Need(
        need_of_flips(evidence, margin, alpha, worth) if overlap < 1 else None,
        need_of_flips(evidence, margin, alpha, lambda at: at),
        OF_FLIPS,
    )
