"""Whether the mean of some differences is below 0: what a limit and a lower cost are shown by.

By Student's t and, of costs, by signed ranks as well, as in `significand.analysis.comparison`: from five differences on
both must show it.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import stdtr, stdtrit

from significand.analysis.autocorrelation import widening_of
from significand.analysis.loss import More
from significand.analysis.moments import Floats
from significand.analysis.outlook import OF_FLIPS, OF_MEANS, Need, certain, need_of_mean
from significand.analysis.pairing import ROUNDING
from significand.analysis.ranks import RANK_ERROR, second_opinion

WORTH_WAITING_FOR = 100
"""More repeats than that are not suggested: what takes so long to show is too small to wait for."""

EVEN = 0.5
"""A p-value from which on nobody need ask ranks, too."""


@dataclass(frozen=True, eq=False)
class Below:
    """Whether the mean of some differences is below 0.

    Attributes
    ----------
    differences
        Shape (n,); NaN where there is none.
    exact
        Whether they are facts, so that no spread is needed.
    blur
        How far their mean may be wrong beyond what they show.
    shared
        As of `significand.analysis.loss.Spread`.
    resolution
        The least deviation that is believed.
    ranks_beside
        Level of the interval beside which ranks are asked; None where they are not.
    """

    differences: Floats
    exact: bool = False
    blur: float = 0.0
    shared: float = 0.0
    resolution: float = 0.0
    ranks_beside: float | None = None

    @cached_property
    def _known(self) -> Floats:
        return self.differences[np.isfinite(self.differences)]

    @property
    def n(self) -> int:
        """Differences that are known."""
        return self._known.size

    @cached_property
    def mean(self) -> float:
        """Of these; NaN without any."""
        return float(self._known.mean()) if self.n else math.nan

    @cached_property
    def deviation(self) -> float:
        """Of these, wider where neighbours resemble each other; NaN of fewer than two."""
        if self.n < 2:
            return math.nan
        found = float(self._known.std(ddof=1))
        return max(self.resolution, 0.0 if found <= ROUNDING else found * widening_of(self._known))

    @property
    def _is_certain(self) -> bool:
        return self.n > 0 and (self.exact or self.deviation == 0)

    @cached_property
    def _ranks(self) -> tuple[float, float, float]:
        if self.ranks_beside is None or self._is_certain or not self.n:
            return math.nan, math.nan, math.nan
        found = second_opinion(self._known, np.zeros(self.n, dtype=np.int64), 1, self.ranks_beside)
        return float(found.point[0]), float(found.low[0]), float(found.high[0])

    @property
    def is_doubted(self) -> bool:
        """Whether ranks do not show what t may show, that it is below 0; of too few differences they say nothing."""
        return self._ranks[2] + self.blur >= 0

    @property
    def p(self) -> float:
        """P-value of a mean of 0 or above; NaN of too few, 1 where ranks do not show otherwise."""
        p = self._p(self.mean + self.blur, self.deviation, self.n)
        return 1.0 if p < EVEN and self.is_doubted else p

    @property
    def p_opposite(self) -> float:
        """P-value of a mean of 0 or below."""
        p = self._p(self.blur - self.mean, self.deviation, self.n)
        return 1.0 if p < EVEN and self._ranks[1] - self.blur <= 0 else p

    def _p(self, distance: float, deviation: float, n: float) -> float:
        if self._is_certain:
            return 0.0 if distance < 0 else 1.0
        return float(stdtr(n - 1, distance / self._standard_error(deviation, n))) if self.n > 1 else math.nan

    def _standard_error(self, deviation: float, n: float) -> float:
        return deviation * math.sqrt(1 / n + self.shared)

    def interval(self, level: float) -> tuple[float, float]:
        """Return the two-sided t interval of the mean; NaN of too few."""
        if self.n < 2:
            return math.nan, math.nan
        half = float(stdtrit(self.n - 1, (1 + level) / 2)) * self._standard_error(self.deviation, self.n)
        return self.mean - half, self.mean + half

    def _to_show(self, alpha: float) -> tuple[float, float, float]:
        """Return mean, deviation and level by which t takes as long as both opinions, about.

        Of normal noise ranks ask about as much as t at their own level. Where they are what doubts it, the deviation is
        the one with which t would have their interval.
        """
        if self.ranks_beside is None or self.p <= alpha:
            return self.mean + self.blur, self.deviation, alpha
        of_ranks = RANK_ERROR * (1 - self.ranks_beside) / 2
        if not self.is_doubted:
            return self.mean + self.blur, self.deviation, min(alpha, of_ranks)
        point, _, high = self._ranks
        deviation = (high - point) / self._standard_error(float(stdtrit(self.n - 1, 1 - of_ranks)), self.n)
        return max(point, self.mean) + self.blur, max(deviation, self.deviation), min(alpha, of_ranks)

    def needed(self, alpha: float) -> More:
        """Return how many more repeats would show it."""
        if not self.mean + self.blur < 0:
            return More()
        if self.n < 2 and not self.exact:
            return More(repeats=1)
        distance, deviation, level = self._to_show(alpha)
        fewest, most = self.n + (self.p > alpha), self.n + WORTH_WAITING_FOR
        enough = (n for n in range(fewest, most + 1) if self._p(distance, deviation, n) <= level)
        n = next(enough, None)
        return More() if n is None else More(n - self.n)

    def need(self, alpha: float) -> Need:
        """Return the same to be drawn: examples bring nothing to it, unless it is shown already."""
        is_shown = self.p <= alpha
        if self.n < 2 or self._is_certain:
            return Need(certain, certain, OF_FLIPS) if is_shown else Need(None)
        distance, deviation, level = self._to_show(alpha)
        draw = need_of_mean(distance, deviation, self.n, level, shared=self.shared, patience=WORTH_WAITING_FOR)
        return Need(draw, certain if is_shown else None, OF_FLIPS if is_shown else OF_MEANS)
