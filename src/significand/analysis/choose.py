"""Which of several setups to ship: the cheapest of those that surely lose little enough and keep within the limits.

A setup is feasible when it is shown that it loses less than the margin (non-inferiority, one-sided) and that it keeps
every limit. That both is so is one claim, with the larger p-value (intersection-union: Berger, Technometrics 24, 1982);
Holm's method keeps the chance of even one false claim among all setups at 1 - level. Of the feasible the cheapest is
chosen; the reference is left only for a setup that is shown to cost less, by Holm's method again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from significand.analysis.autocorrelation import widening_of
from significand.analysis.loss import Loss, More
from significand.analysis.moments import Floats
from significand.analysis.multiplicity import holm
from significand.analysis.outlook import (
    OF_FLIPS,
    OF_MEANS,
    Need,
    certain,
    need_of_loss,
    need_of_mean,
    range_of_examples,
    range_of_more,
)
from significand.analysis.pairing import ROUNDING
from significand.analysis.pareto_bootstrap import resampled_means

Verdict = Literal["ship", "keep", "undecided", "nothing fits"]
Status = Literal["reference", "feasible", "open", "ruled out", "not measured"]

DRAWS = 20_000
"""Behind a quantile of the largest of several t statistics; its standard error is then about 0.01."""

RESAMPLES = 2_000

MOST_RIVALS = 20
"""Of the cheapest setups, with how many each is compared."""

MOST_DRAWN = 12
"""Statistics whose largest is drawn; of more, its quantile is bounded."""

WORTH_WAITING_FOR = 100
"""More repeats than that are not suggested: what takes so long to show is too small to wait for."""


@dataclass(frozen=True, eq=False)
class Limit:
    """What a setup must keep within.

    Attributes
    ----------
    excess
        How far each run is beyond the limit, below 0 where it keeps it, shape (repeats, setups): a difference of logs
        for costs; NaN where there is no run.
    exact
        Whether it is a fact of a file, so that no spread is needed.
    blur
        By setup, how far its mean excess may be wrong beyond what the runs show; by default not at all.
    shared
        Of a score, as of `significand.analysis.loss.Spread`.
    resolution
        By setup, the least deviation of its excess that is believed; by default whatever the runs show.
    """

    excess: Floats
    exact: bool = False
    blur: Floats | None = None
    shared: float = 0.0
    resolution: Floats | None = None


@dataclass(frozen=True)
class Candidate:
    """What is known of one setup.

    Attributes
    ----------
    status
        Shown to keep margin and limits, shown not to, or neither.
    loss
        What it loses of the held-out score.
    log_cost
        Mean log ratio of its cost to the reference's, and `log_low` and `log_high`, its 95 % t interval.
    p_feasible
        That it is not feasible, by Holm's method.
    is_cheaper
        Whether it is shown to cost less than the reference.
    among_best
        Whether it is feasible and cannot be told from the cheapest feasible one.
    p_best
        Probability of being the cheapest feasible one.
    more
        What would show it to be both feasible and cheaper, where it may be.
    """

    status: Status
    loss: Loss
    log_cost: float
    log_low: float
    log_high: float
    p_feasible: float = math.nan
    is_cheaper: bool = False
    among_best: bool = False
    p_best: float = math.nan
    more: More | None = None


@dataclass(frozen=True)
class Choice:
    """Which setup to ship.

    Attributes
    ----------
    verdict
        Ship `chosen`; keep the reference; undecided; or nothing keeps within the limits.
    chosen
        Index of the setup; None where there is none.
    possible
        Setups that may be cheaper than what is chosen and keep all limits, and are not shown to.
    more
        What would decide, if all stays as it is.
    """

    verdict: Verdict
    chosen: int | None
    candidates: Sequence[Candidate]
    possible: Sequence[int] = ()
    more: More = field(default_factory=More)


def choose(
    logs: Floats,
    reference: int,
    losses: Sequence[Loss],
    margin: float,
    limits: Sequence[Limit] = (),
    *,
    exact: bool = False,
    blur: Floats | None = None,
    level: float = 0.95,
    ranges: bool = True,
) -> Choice:
    """Choose among setups.

    Parameters
    ----------
    logs
        Log of the cost of each run, shape (repeats, setups); NaN where there is none.
    reference
        Index of the setup that the others are held against.
    losses
        Of each setup against the reference; the reference's own is not looked at.
    margin
        Of the loss, in its unit.
    limits
        All of them must be kept.
    exact
        Whether the cost is a fact of a file, so that no spread is needed.
    blur
        By setup, how far the log of its cost may be wrong beyond what the runs show; by default not at all.
    level
        1 - level is the chance of even one setup that is called feasible and is not.
    ranges
        Whether to find out how much more it takes in most cases, which takes some hundredths of a second.
    """
    blurs = np.zeros(logs.shape[1]) if blur is None else blur
    case = _Case(logs, reference, losses, margin, limits, exact, blurs, 1 - level)
    chosen = case.chosen
    bar = case.cheaper[chosen].mean if chosen is not None else math.inf
    more = {k: case.more(k) for k in case.undecided if case.may_be(k, bar)}
    possible = [k for k, one in more.items() if _is_worth(one, len(logs))]
    verdict: Verdict = "ship" if chosen is not None and chosen != reference else "keep"
    if possible and chosen in {None, reference}:
        verdict = "undecided"
    elif chosen is None:
        verdict = "nothing fits"
    best = among_best(logs, np.flatnonzero(case.feasible), blurs, exact=exact, level=level)
    p_best = _p_best(case)
    candidates = [
        Candidate(
            case.status(k),
            losses[k],
            case.cheaper[k].mean,
            *case.cheaper[k].interval(level),
            p_feasible=float(case.p_feasible[k]),
            is_cheaper=bool(case.is_cheaper[k]),
            among_best=bool(best[k]),
            p_best=float(p_best[k]),
            more=more.get(k),
        )
        for k in range(logs.shape[1])
    ]
    needs = [case.outlook(k) for k in possible] if ranges and (len(logs) > 1 or exact) else []
    told = _likely(_first_to_decide([more[k] for k in possible]), needs, len(logs), case.examples(possible))
    return Choice(verdict, chosen, candidates, possible, told)


@dataclass(frozen=True, eq=False)
class _Case:
    """The arguments of `choose`, and what follows from them setup by setup."""

    logs: Floats
    reference: int
    losses: Sequence[Loss]
    margin: float
    limits: Sequence[Limit]
    exact: bool
    blurs: Floats
    alpha: float

    @cached_property
    def measured(self) -> list[bool]:
        return [self.versus(k, self.reference).n > 0 for k in range(self.logs.shape[1])]

    @cached_property
    def others(self) -> list[int]:
        return [k for k, known in enumerate(self.measured) if known and k != self.reference]

    @property
    def undecided(self) -> list[int]:
        """What may come to be chosen; the reference, too, where it is not shown to keep the limits."""
        return [k for k, known in enumerate(self.measured) if known and k not in self.pool and not self._is_kept(k)]

    def _is_kept(self, k: int) -> bool:
        return k == self.reference and bool(self.feasible[k])

    def versus(self, k: int, other: int) -> "_Test":
        """Return whether a setup costs less than another."""
        differences = self.logs[:, k] - self.logs[:, other]
        return _Test.of(differences, exact=self.exact, blur=float(max(self.blurs[k], self.blurs[other])))

    @cached_property
    def cheaper(self) -> list["_Test"]:
        """Whether each costs less than the reference."""
        return [self.versus(k, self.reference) for k in range(self.logs.shape[1])]

    def kept(self, k: int) -> list["_Test"]:
        """Return whether a setup keeps each limit."""
        return [
            _Test.of(
                limit.excess[:, k],
                exact=limit.exact,
                blur=float(limit.blur[k]) if limit.blur is not None else 0.0,
                shared=limit.shared,
                resolution=float(limit.resolution[k]) if limit.resolution is not None else 0.0,
            )
            for limit in self.limits
        ]

    @cached_property
    def p_feasible(self) -> Floats:
        """That margin and limits are not all kept: what has no evidence is not shown."""
        p = np.full(self.logs.shape[1], np.nan)
        for k in [self.reference, *self.others]:
            of_each = [one.p for one in self.kept(k)]
            if k != self.reference:
                of_each.append(self.losses[k].p_of_more(self.margin))
            if of_each:
                p[k] = max(1.0 if math.isnan(one) else one for one in of_each)
        return holm(p)

    @cached_property
    def feasible(self) -> NDArray[np.bool_]:
        feasible: NDArray[np.bool_] = self.p_feasible <= self.alpha
        feasible[self.reference] |= not self.limits and self.measured[self.reference]
        return feasible

    @cached_property
    def is_cheaper(self) -> NDArray[np.bool_]:
        """Which of the feasible are shown to cost less than the reference."""
        p = [self.cheaper[k].p if k in self.others and self.feasible[k] else math.nan for k in range(len(self.losses))]
        return np.asarray(holm(p) <= self.alpha)

    @cached_property
    def pool(self) -> list[int]:
        """What may be chosen: any feasible setup where the reference is none, else those that cost less."""
        is_needed = not self.feasible[self.reference]
        return [k for k in self.others if self.feasible[k] and (is_needed or self.is_cheaper[k])]

    @cached_property
    def chosen(self) -> int | None:
        instead = self.reference if self.feasible[self.reference] else None
        return min(self.pool, key=lambda k: self.cheaper[k].mean, default=instead)

    def is_out(self, k: int) -> bool:
        """Tell whether it is shown that a setup loses more, or breaks a limit."""
        p = [one.p_opposite for one in self.kept(k)]
        if k != self.reference:
            p.append(self.losses[k].p_of_less(self.margin))
        return any(one <= self.alpha for one in p)

    def status(self, k: int) -> Status:
        if not self.measured[k]:
            return "not measured"
        if k == self.reference and self.feasible[k]:
            return "reference"
        return "feasible" if self.feasible[k] else "ruled out" if self.is_out(k) else "open"

    def may_be(self, k: int, bar: float) -> bool:
        """Tell whether a setup looks cheaper, and as if it kept margin and limits; what is not known may be."""
        loses = k != self.reference and self.losses[k].point >= self.margin
        looks_bad = loses or any(one.mean >= 0 for one in self.kept(k))
        return self.cheaper[k].mean < bar and not looks_bad and not self.is_out(k)

    def open(self, k: int) -> list[tuple["Loss | _Test", float]]:
        """Return what must be shown for a setup to be feasible and cost less than what is chosen, with the levels."""
        found: list[tuple[Loss | _Test, float]] = []
        if not self.feasible[k]:
            alpha = self.alpha / int(np.count_nonzero(self.p_feasible > self.alpha))  # what Holm's method leaves
            found = [(one, alpha) for one in self.kept(k)]
            if k != self.reference:
                found.insert(0, (self.losses[k], alpha))
        if self.chosen is not None:
            rivals = [j for j in self.others if j == k or (self.feasible[j] and not self.is_cheaper[j])]
            alpha = self.alpha / (len(rivals) if self.chosen == self.reference else 1)
            found.append((self.versus(k, self.chosen), alpha))
        return found

    def more(self, k: int) -> More:
        """Return what would show all that."""
        return _together(
            [
                one.needed(self.margin, alpha) if isinstance(one, Loss) else one.needed(alpha)
                for one, alpha in self.open(k)
            ]
        )

    def examples(self, setups: Sequence[int]) -> int:
        """Return how many held-out examples there are, where any of these setups is judged by them."""
        return max((self.losses[k].n for k in setups if self.losses[k].unit == "example"), default=0)

    def outlook(self, k: int) -> list[Need]:
        """Return the same to be drawn."""
        return [
            need_of_loss(one, self.margin, alpha, WORTH_WAITING_FOR) if isinstance(one, Loss) else one.need(alpha)
            for one, alpha in self.open(k)
        ]


def _likely(more: More, needs: Sequence[Sequence[Need]], repeats: int, examples: int) -> More:
    """Return what would decide if all stays as it is, as what may be true leaves it, where that is known."""
    by_repeats = range_of_more(needs, repeats) if more.repeats is not None else None
    by_examples = range_of_examples(needs, examples) if more.examples is not None else None
    if by_repeats:
        more = replace(more, repeats=by_repeats.likely, repeats_range=(by_repeats.low, by_repeats.high))
    if by_examples:
        more = replace(more, examples=by_examples.likely, examples_range=(by_examples.low, by_examples.high))
    return more


@dataclass(frozen=True)
class _Test:
    """Whether the mean of some differences is below 0, by Student's t."""

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
    ) -> "_Test":
        known = differences[np.isfinite(differences)]
        deviation = float(known.std(ddof=1)) if known.size > 1 else math.nan
        deviation = 0.0 if deviation <= ROUNDING else deviation * widening_of(known)
        deviation = max(deviation, resolution) if known.size > 1 else deviation
        return cls(float(known.mean()) if known.size else math.nan, deviation, known.size, blur, exact, shared)

    @property
    def p(self) -> float:
        return self._p(self.mean + self.blur, self.n)

    @property
    def p_opposite(self) -> float:
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


def _together(needs: Sequence[More]) -> More:
    """Return what it takes to have all of them; repeats serve them all, examples only a loss."""
    if any(one == More() for one in needs):
        return More()
    every = [one.repeats for one in needs]
    repeats = None if None in every else max(filter(None, every), default=0)
    by_repeats_alone = any(one.repeats and one.examples is None for one in needs)
    examples = max((one.examples for one in needs if one.examples is not None), default=None)
    return More(repeats, None if by_repeats_alone else examples)


def _is_worth(more: More, repeats: int) -> bool:
    """Tell whether waiting for it is worth it: what a single repeat cannot tell may always be."""
    return more.examples is not None or (more.repeats is not None and more.repeats <= WORTH_WAITING_FOR) or repeats < 2


def _first_to_decide(needs: Sequence[More]) -> More:
    repeats = [one.repeats for one in needs if one.repeats is not None and one.repeats <= WORTH_WAITING_FOR]
    examples = [one.examples for one in needs if one.examples is not None]
    return More(min(repeats, default=None), min(examples, default=None))


def among_best(
    logs: Floats, members: NDArray[np.int64], blurs: Floats, *, exact: bool = False, level: float = 0.95
) -> NDArray[np.bool_]:
    """Return which setups cannot be told from the cheapest one, shape (setups,).

    Hsu's multiple comparisons with the best (Annals of Statistics 9, 1981; Journal of the American Statistical
    Association 79, 1984): a setup stays unless another is shown to cost less, at the one-sided level at which all
    comparisons of the setup hold together. So the cheapest is among them with probability `level`. The critical value
    is that of the largest of the t statistics, with the correlations that the repeats show.

    Parameters
    ----------
    logs
        Log of the cost of each run, shape (repeats, setups).
    members
        Setups to compare; none of the others is among the best.
    blurs, exact
        As of `choose`.
    level
        Between 0 and 1.
    """
    stays = np.zeros(logs.shape[1], dtype=np.bool_)
    members = members[np.argsort(np.nanmean(logs[:, members], axis=0), kind="stable")] if members.size else members
    for k in members.tolist():
        others = [j for j in members.tolist() if j != k]
        # A setup is excluded by a cheap one, or by none.
        rivals = [
            _Test.of(logs[:, j] - logs[:, k], exact=exact, blur=float(max(blurs[j], blurs[k])))
            for j in others[:MOST_RIVALS]
        ]
        critical = _largest_t(logs[:, others] - logs[:, [k]], level) if rivals else 0.0
        stays[k] = not any(_is_beyond(one, critical) for one in rivals)
    return stays


def _is_beyond(test: _Test, critical: float) -> bool:
    distance = test.mean + test.blur
    if not distance < 0:
        return False
    if test.exact or test.deviation == 0:
        return True
    return test.n > 1 and -distance * math.sqrt(test.n) > critical * test.deviation  # of costs, which share nothing


def _largest_t(differences: Floats, level: float) -> float:
    """Return the quantile of the largest of the columns' t statistics where all means are 0; a column a comparison."""
    whole = differences[np.isfinite(differences).all(axis=1)]
    n = len(whole)
    if n < 2:
        return math.inf
    if whole.shape[1] == 1 or whole.shape[1] > MOST_DRAWN:
        return float(stdtrit(n - 1, 1 - (1 - level) / whole.shape[1]))  # Bonferroni's bound: a little larger
    deviations = whole - whole.mean(axis=0)
    scales = np.sqrt((deviations**2).sum(axis=0))
    moving = deviations[:, scales > 0] / scales[scales > 0]
    if not moving.size:
        return 0.0
    random = np.random.default_rng(0)
    statistics = random.standard_normal((DRAWS, n)) @ moving
    statistics *= np.sqrt((n - 1) / random.chisquare(n - 1, size=(DRAWS, 1)))
    return float(np.quantile(statistics.max(axis=1), level))


def _p_best(case: _Case) -> Floats:
    """Return by setup the probability of being the cheapest of those that keep margin and limits.

    Over random weights of the repeats, as for the frontier (`significand.analysis.pareto_bootstrap`), and losses drawn
    from their distribution.
    """
    p = np.full(case.logs.shape[1], np.nan)
    members = [k for k, known in enumerate(case.measured) if known]
    known = [k for k in members if 2 * np.count_nonzero(np.isfinite(case.logs[:, k])) >= len(case.logs)]
    columns = np.array([part[:, k] for part in (case.logs, *(one.excess for one in case.limits)) for k in known])
    columns = columns[:, np.isfinite(columns).all(axis=0)] if known else np.empty((0, 0))
    if columns.shape[1] < 2:
        return p
    random = np.random.default_rng(0)
    drawn = resampled_means(np.ascontiguousarray(columns), RESAMPLES, random).reshape(RESAMPLES, -1, len(known))
    kept: NDArray[np.bool_] = np.asarray((drawn[:, 1:] < 0).all(axis=1))
    for place, k in enumerate(known):
        if k != case.reference:
            one = case.losses[k]
            lost = random.normal(one.point, one.standard_error, RESAMPLES) if one.evidence else np.full(1, np.nan)
            kept[:, place] &= lost < case.margin
    costs = np.where(kept, drawn[:, 0], np.inf)
    wins = (costs == costs.min(axis=1, keepdims=True)) & kept
    p[known] = (wins / np.maximum(1, wins.sum(axis=1, keepdims=True))).mean(axis=0)
    return p
