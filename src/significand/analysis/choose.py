"""Which of several setups to ship: the cheapest of those that surely lose little enough and keep within the limits.

A setup is feasible when it is shown that it loses less than the margin (non-inferiority, one-sided) and that it keeps
every limit. That both is so is one claim, with the larger p-value (intersection-union: Berger, Technometrics 24, 1982);
Holm's method keeps the chance of even one false claim among all setups below 1 - level, with a part of that in reserve.
Of the feasible the cheapest is chosen; the reference is left only for a setup that is shown to cost less, by Holm's
method again, and as comparisons show it: by Student's t and by signed ranks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from significand.analysis.below import WORTH_WAITING_FOR, Below
from significand.analysis.best import among_best, p_best
from significand.analysis.loss import Loss, More
from significand.analysis.moments import Floats
from significand.analysis.more import first_to_decide, is_worth, likely, together
from significand.analysis.multiplicity import holm
from significand.analysis.outlook import Need, need_of_loss

RESERVE = 0.2
"""Of 1 - level, what is not spent where it is decided what is feasible. A test that is exact in theory errs just as
often as it may, and theory knows neither noise that is not normal nor what is rare: simulated, tests at 5 % called
something feasible that was exactly at its limit in up to 5.4 % of experiments."""

Verdict = Literal["ship", "keep", "undecided", "nothing fits"]
Status = Literal["reference", "feasible", "open", "ruled out", "not measured"]


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
    is_cost
        Whether signed ranks must show it, too, as of all costs.
    """

    excess: Floats
    exact: bool = False
    blur: Floats | None = None
    shared: float = 0.0
    resolution: Floats | None = None
    is_cost: bool = False


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
    possible = [k for k, one in more.items() if is_worth(one, len(logs))]
    verdict: Verdict = "ship" if chosen is not None and chosen != reference else "keep"
    if possible and chosen in {None, reference}:
        verdict = "undecided"
    elif chosen is None:
        verdict = "nothing fits"
    best = among_best(logs, np.flatnonzero(case.feasible), blurs, exact=exact, level=level)
    probabilities = p_best(logs, [one.excess for one in limits], losses, margin, reference)
    candidates = [
        Candidate(
            case.status(k),
            losses[k],
            case.cheaper[k].mean,
            *case.cheaper[k].interval(level),
            p_feasible=float(case.p_feasible[k]),
            is_cheaper=bool(case.is_cheaper[k]),
            among_best=bool(best[k]),
            p_best=float(probabilities[k]),
            more=more.get(k),
        )
        for k in range(logs.shape[1])
    ]
    needs = [case.outlook(k) for k in possible] if ranges and (len(logs) > 1 or exact) else []
    told = likely(first_to_decide([more[k] for k in possible]), needs, len(logs), case.examples(possible))
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

    @property
    def spent(self) -> float:
        """The error of all that is called feasible."""
        return (1 - RESERVE) * self.alpha

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

    def versus(self, k: int, other: int) -> Below:
        """Return whether a setup costs less than another."""
        differences = self.logs[:, k] - self.logs[:, other]
        blur = float(max(self.blurs[k], self.blurs[other]))
        return Below(differences, self.exact, blur, ranks_beside=1 - self.alpha)

    @cached_property
    def cheaper(self) -> list[Below]:
        """Whether each costs less than the reference."""
        return [self.versus(k, self.reference) for k in range(self.logs.shape[1])]

    @cached_property
    def kept(self) -> list[list[Below]]:
        """Whether each keeps each limit."""
        return [self._kept(k) for k in range(self.logs.shape[1])]

    def _kept(self, k: int) -> list[Below]:
        return [
            Below(
                limit.excess[:, k],
                limit.exact,
                float(limit.blur[k]) if limit.blur is not None else 0.0,
                limit.shared,
                float(limit.resolution[k]) if limit.resolution is not None else 0.0,
                1 - self.alpha if limit.is_cost else None,
            )
            for limit in self.limits
        ]

    @cached_property
    def p_feasible(self) -> Floats:
        """That margin and limits are not all kept: what has no evidence is not shown."""
        p = np.full(self.logs.shape[1], np.nan)
        for k in [self.reference, *self.others]:
            of_each = [one.p for one in self.kept[k]]
            if k != self.reference:
                of_each.append(self.losses[k].p_of_more(self.margin))
            if of_each:
                p[k] = max(1.0 if math.isnan(one) else one for one in of_each)
        return holm(p)

    @cached_property
    def feasible(self) -> NDArray[np.bool_]:
        feasible: NDArray[np.bool_] = self.p_feasible <= self.spent
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
        p = [one.p_opposite for one in self.kept[k]]
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
        looks_bad = loses or any(one.mean >= 0 for one in self.kept[k])
        return self.cheaper[k].mean < bar and not looks_bad and not self.is_out(k)

    def open(self, k: int) -> list[tuple[Loss | Below, float]]:
        """Return what must be shown for a setup to be feasible and cost less than what is chosen, with the levels."""
        found: list[tuple[Loss | Below, float]] = []
        if not self.feasible[k]:
            alpha = self.spent / int(np.count_nonzero(self.p_feasible > self.spent))  # what Holm's method leaves
            found = [(one, alpha) for one in self.kept[k]]
            if k != self.reference:
                found.insert(0, (self.losses[k], alpha))
        if self.chosen is not None:
            rivals = [j for j in self.others if j == k or (self.feasible[j] and not self.is_cheaper[j])]
            alpha = self.alpha / (len(rivals) if self.chosen == self.reference else 1)
            found.append((self.versus(k, self.chosen), alpha))
        return found

    def more(self, k: int) -> More:
        """Return what would show all that."""
        return together(
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
