"""Whether the mean of some differences is below 0, by Student's t: what a limit and a lower cost are shown by."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from significand.analysis.autocorrelation import widening_of
from significand.analysis.loss import More
from significand.analysis.moments import Floats
from significand.analysis.outlook import OF_FLIPS, OF_MEANS, Need, certain, need_of_mean
from significand.analysis.pairing import ROUNDING

WORTH_WAITING_FOR = 100
"""More repeats than that are not suggested: what takes so long to show is too small to wait for."""


@dataclass(frozen=True)
class Below:
    """Whether the mean of some differences is below 0.

    Attributes
    ----------
    mean, deviation, n
        Of the differences that are known; the deviation is widened where neighbours resemble each other.
    blur
        How far the mean may be wrong beyond what its differences show.
    exact
        Whether it is a fact, so that no spread is needed.
    shared
        As of `significand.analysis.loss.Spread`.
    """

    mean: float
    deviation: float
    n: int
    blur: float
    exact: bool
    shared: float = 0.0

    @classmethod
    def of(
        cls,
        differences: Floats,
        *,
        exact: bool = False,
        blur: float = 0.0,
        shared: float = 0.0,
        resolution: float = 0.0,
    ) -> "Below":
        """Return the test of differences, shape (n,); NaN where there is none; `resolution` is the least deviation."""
        known = differences[np.isfinite(differences)]
        deviation = float(known.std(ddof=1)) if known.size > 1 else math.nan
        deviation = 0.0 if deviation <= ROUNDING else deviation * widening_of(known)
        deviation = max(deviation, resolution) if known.size > 1 else deviation
        return cls(float(known.mean()) if known.size else math.nan, deviation, known.size, blur, exact, shared)

    @property
    def p(self) -> float:
        """P-value of a mean of 0 or above; NaN of too few."""
        return self._p(self.mean + self.blur, self.n)

    @property
    def p_opposite(self) -> float:
        """P-value of a mean of 0 or below."""
        return self._p(self.blur - self.mean, self.n)

    def _p(self, distance: float, n: float) -> float:
        if self.n and (self.exact or self.deviation == 0):
            return 0.0 if distance < 0 else 1.0
        if self.n < 2:
            return math.nan
        return float(stdtr(n - 1, distance / self._standard_error(n)))

    def _standard_error(self, n: float) -> float:
        return self.deviation * math.sqrt(1 / n + self.shared)

    def interval(self, level: float) -> tuple[float, float]:
        """Return the two-sided t interval of the mean; NaN of too few."""
        half = stdtrit(self.n - 1, (1 + level) / 2) * self._standard_error(self.n) if self.n > 1 else math.nan
        return self.mean - half, self.mean + half

    def needed(self, alpha: float) -> More:
        """Return how many more repeats would show it."""
        distance = self.mean + self.blur
        if not distance < 0:
            return More()
        if self.n < 2 and not self.exact:
            return More(repeats=1)
        most = self.n + WORTH_WAITING_FOR
        enough = (n for n in range(self.n, most + 1) if self._p(distance, n) <= alpha)
        n = next(enough, None)
        return More() if n is None else More(n - self.n)

    def need(self, alpha: float) -> Need:
        """Return the same to be drawn: examples bring nothing to it, unless it is shown already."""
        distance = self.mean + self.blur
        if self.n < 2 or self.exact or self.deviation == 0:
            is_shown = distance < 0 and (self.exact or self.deviation == 0)
            return Need(certain, certain, OF_FLIPS) if is_shown else Need(None)
        draw = need_of_mean(distance, self.deviation, self.n, alpha, shared=self.shared, patience=WORTH_WAITING_FOR)
        is_shown = self.p <= alpha
        return Need(draw, certain if is_shown else None, OF_FLIPS if is_shown else OF_MEANS)
