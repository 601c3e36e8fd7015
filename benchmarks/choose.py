"""How often `significand choose` is wrong, and how often it finds the best: simulated, with the noise measured here.

Three setups against a reference. Costs scatter from repeat to repeat as latencies do on a shared virtual machine;
held-out examples are drawn from one table anew in each repeat, and some of them are much likelier to flip than others.

``python benchmarks/choose.py --part limits`` (``others``, ``best``, ``undecided``) prints one table, in less than ten
minutes on one core; without it all four are printed. Nothing here uses significand's own random parts.
"""

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from significand.analysis.choose import Choice, Limit, choose
from significand.analysis.loss import Flips, Loss, loss_of_examples, loss_of_repeats
from significand.analysis.resplits import binomial_deviation

SPREAD = 0.036
"""Deviation of a log ratio of latencies from repeat to repeat: README's example, an EPYC with two shared cores."""

MARGIN = 0.01
HELD_OUT = 0.2
CANDIDATES = 3
FAST = (-0.5, -0.4, -0.3)
"""Logs of the costs of candidates that are cheaper for sure."""


@dataclass(frozen=True)
class World:
    """What is true.

    Attributes
    ----------
    losses
        Share of the right answers that each candidate loses, net.
    churn
        Share of the answers that it loses and gains beside that.
    logs
        Log of each candidate's cost, that of the reference being 0.
    repeats, table
        Repeats, and examples of which a fifth is held out in each.
    weights
        Whether candidates infer with the reference's weights, so that examples are paired.
    """

    losses: tuple[float, ...]
    churn: float
    logs: tuple[float, ...]
    repeats: int
    table: int = 1800
    weights: bool = True


class Sample:
    """Data from a world; more of it can be had."""

    def __init__(self, world: World, random: np.random.Generator) -> None:
        self._world, self._random = world, random
        self._logs = np.empty((0, CANDIDATES + 1))
        self._differences: list[list[np.ndarray]] = [[] for _ in range(CANDIDATES)]
        self._rows: list[np.ndarray] = []
        # Eight of ten flips are of a tenth of the examples: the borderline ones.
        is_borderline = random.random(world.table) < 0.1
        self._share = np.where(is_borderline, 8.0, 2 / 9)
        self.go_on(world.repeats)

    def go_on(self, repeats: int) -> None:
        """Add repeats."""
        world, random = self._world, self._random
        means = np.array([0.0, *world.logs])
        noise = random.normal(0, SPREAD / np.sqrt(2), (repeats, CANDIDATES + 1))
        self._logs = np.concatenate([self._logs, means + noise])
        for _ in range(repeats):
            rows = random.permutation(world.table)[: round(HELD_OUT * world.table)]
            self._rows.append(rows)
            for of, loss in zip(self._differences, world.losses, strict=True):
                p_lost, p_gained = ((part + world.churn) * self._share[rows] for part in (loss, 0.0))
                chance = random.random(rows.size)
                of.append((chance < p_lost).astype(float) - (chance > 1 - p_gained))

    @property
    def repeats(self) -> int:
        """Repeats by now."""
        return len(self._rows)

    def decide(self, *, ranges: bool = False) -> Choice:
        """Return what is decided by now, and how much more it takes in most cases."""
        nothing = Loss(None)
        # One repeat shows no spread of costs, but the size of a file needs none.
        is_size = self._world.repeats == 1
        return choose(
            self._logs, 0, [nothing, *map(self._loss, self._differences)], MARGIN, exact=is_size, ranges=ranges
        )

    def _loss(self, differences: list[np.ndarray]) -> Loss:
        if not self._world.weights:
            means = np.array([one.mean() for one in differences])
            return loss_of_repeats(means, shared=HELD_OUT / (1 - HELD_OUT))
        lost = np.concatenate(differences)
        right = (lost >= 0).astype(float)  # of the reference; what it gets right and loses, or wrong and gains
        return loss_of_examples(right - lost, right, np.concatenate(self._rows), self.repeats)


def rate(world: World, is_hit: Callable[[Choice], bool], experiments: int, seed: int) -> tuple[float, float]:
    """Return how often something happens, and its upper bound, one-sided at 95 % (Wilson)."""
    return rate_of(lambda random: is_hit(Sample(world, random).decide()), experiments, seed)


def rate_of(happens: Callable[[np.random.Generator], bool], experiments: int, seed: int) -> tuple[float, float]:
    """Return the same of anything."""
    hits = sum(happens(np.random.default_rng([seed, k])) for k in range(experiments))
    share, z = hits / experiments, 1.645
    centre = (share + z**2 / (2 * experiments)) / (1 + z**2 / experiments)
    half = z * np.sqrt(share * (1 - share) / experiments + z**2 / (4 * experiments**2)) / (1 + z**2 / experiments)
    return share, float(centre + half)


def at_a_limit_of_cost(random: np.random.Generator, repeats: int) -> bool:
    """Tell whether one of three faster candidates is recommended that lose nothing and need what a limit allows."""
    logs, excess = _logs(random, repeats), random.normal(0, SPREAD, (repeats, CANDIDATES + 1))
    limit = _kept_by_the_first(excess, is_cost=True)
    return _is_broken(logs, [_NOTHING_LOST] * CANDIDATES, limit)


def at_a_limit_of_score(random: np.random.Generator, repeats: int, table: int) -> bool:
    """Tell the same of a held-out score of 90 % in the population, where repeats split one table anew."""
    right = random.random((table, CANDIDATES + 1)) < LEAST_SCORE
    held = [random.permutation(table)[: round(HELD_OUT * table)] for _ in range(repeats)]
    excess = LEAST_SCORE - np.array([right[rows].mean(axis=0) for rows in held])
    shares = LEAST_SCORE - excess.mean(axis=0)
    least = binomial_deviation(shares, round(HELD_OUT * table))
    limit = _kept_by_the_first(excess, shared=HELD_OUT / (1 - HELD_OUT), resolution=least)
    return _is_broken(_logs(random, repeats), [_NOTHING_LOST] * CANDIDATES, limit)


def with_rare_losses(random: np.random.Generator, n: int, change: float = 0.0) -> bool:
    """Tell the same where scores are real numbers, of which few examples lose all: the margin on average.

    All others change by a little, up and down.
    """
    losses = []
    for _ in range(CANDIDATES):
        scores = random.uniform(0.5, 1.0 - 4 * change, n)
        lost = random.random(n) < MARGIN / scores.mean()
        own = np.where(lost, 0.0, np.clip(scores + change * random.normal(size=n), 0, 1))
        losses.append(loss_of_examples(own, scores, np.arange(n)))
    return _is_broken(_logs(random, 1), losses, exact=True)


def with_skewed_losses(random: np.random.Generator, n: int) -> bool:
    """Tell the same of scores that are no shares, where each example loses something: the margin on average."""
    losses = []
    for _ in range(CANDIDATES):
        scores = random.normal(size=n)
        losses.append(loss_of_examples(scores - random.exponential(MARGIN, n), scores, np.arange(n)))
    return _is_broken(_logs(random, 1), losses, exact=True)


def beside_a_noisy_reference(random: np.random.Generator, repeats: int) -> bool:
    """Tell whether any candidate is called cheaper that costs the same in the usual pair of repeats.

    The reference's noise is skewed, as in `benchmarks/claims.py`: 2 % of what is lognormal with sigma 1.
    """
    logs = 0.002 * random.normal(size=(repeats, CANDIDATES + 1))
    logs[:, 0] += np.log1p(0.02 * random.lognormal(size=repeats)) - _USUAL
    return _is_broken(logs, [_NOTHING_LOST] * CANDIDATES)


def with_few_held_out(random: np.random.Generator, repeats: int, n: int) -> bool:
    """Tell the same of networks trained anew on data made anew, by scores that go in steps of one of few."""
    reference = random.binomial(n, 0.9, repeats) / n
    losses = [
        loss_of_repeats(reference - random.binomial(n, 0.9 - MARGIN, repeats) / n, resolution=0.5 / n)
        for _ in range(CANDIDATES)
    ]
    return _is_broken(_logs(random, repeats), losses)


LEAST_SCORE = 0.9
_NOTHING_LOST = Loss(Flips(0, 0, 100_000), n=100_000)
_USUAL = float(
    np.median(np.log1p(0.02 * np.random.default_rng(0).lognormal(size=(2, 500_000))).mean(axis=0))
)  # the centre of the averages of two, which signed ranks are about


def _is_broken(logs: np.ndarray, losses: Sequence[Loss], *limits: Limit, exact: bool = False) -> bool:
    return breaks(choose(logs, 0, [Loss(None), *losses], MARGIN, limits, exact=exact, ranges=False))


def _logs(random: np.random.Generator, repeats: int) -> np.ndarray:
    noise = random.normal(0, SPREAD / np.sqrt(2), (repeats, CANDIDATES + 1))
    return np.array([0.0, *FAST]) + noise


def _kept_by_the_first(
    excess: np.ndarray, shared: float = 0.0, resolution: np.ndarray | None = None, *, is_cost: bool = False
) -> Limit:
    """Return a limit that the reference keeps for sure."""
    excess[:, 0] = -1.0 + 1e-3 * np.arange(len(excess))
    return Limit(excess, shared=shared, resolution=resolution, is_cost=is_cost)


OTHERS: dict[str, Callable[[np.random.Generator], bool]] = {
    "a cost at its limit, 5 repeats": lambda random: at_a_limit_of_cost(random, 5),
    "a cost at its limit, 10 repeats": lambda random: at_a_limit_of_cost(random, 10),
    "a score at its limit, 5 re-splits of 180": lambda random: at_a_limit_of_score(random, 5, 180),
    "a score at its limit, 10 re-splits of 1,800": lambda random: at_a_limit_of_score(random, 10, 1800),
    "rare losses of real scores, 100 examples": lambda random: with_rare_losses(random, 100),
    "rare losses of real scores, 1,000 examples": lambda random: with_rare_losses(random, 1000),
    "the same, others change by 0.02, 100 examples": lambda random: with_rare_losses(random, 100, 0.02),
    "the same, others change by 0.02, 360 examples": lambda random: with_rare_losses(random, 360, 0.02),
    "the same, others change by 0.02, 1,000 examples": lambda random: with_rare_losses(random, 1000, 0.02),
    "skewed losses of other scores, 360 examples": lambda random: with_skewed_losses(random, 360),
    "36 held out, 2 repeats": lambda random: with_few_held_out(random, 2, 36),
    "36 held out, 5 repeats": lambda random: with_few_held_out(random, 5, 36),
    "no cheaper than a noisy reference, 5 repeats": lambda random: beside_a_noisy_reference(random, 5),
    "no cheaper than a noisy reference, 10 repeats": lambda random: beside_a_noisy_reference(random, 10),
    "no cheaper than a noisy reference, 30 repeats": lambda random: beside_a_noisy_reference(random, 30),
}


def breaks(choice: Choice) -> bool:
    """Tell whether a candidate is recommended; of worlds in which none should be."""
    return choice.verdict == "ship"


def is_open(choice: Choice) -> bool:
    """Tell whether nothing is decided."""
    return choice.verdict == "undecided"


def say_limits(experiments: int) -> None:
    """Print how often a setup is recommended that loses exactly the margin."""
    say = sys.stdout.write
    say(f"A setup that breaks the limit is recommended (target 5 %, upper bound 6 %); {experiments} experiments each\n")
    by_examples = itertools.product((1, 5, 10), (0.0, 0.01), (1800, 10_000), (True,))
    by_repeats = itertools.product((2, 5, 10), (0.01,), (1800,), (False,))
    for seed, (repeats, churn, table, weights) in enumerate((*by_examples, *by_repeats)):
        world = World((MARGIN,) * CANDIDATES, churn, FAST, repeats, table, weights)
        share, upper = rate(world, breaks, experiments, seed)
        by = "examples" if weights else "repeats"
        say(
            f"  by {by:8}  {repeats:2} repeats  {table // 5:4} held out  churn {churn:3.0%}: "
            f"{share:6.1%}, at most {upper:.1%}\n"
        )
        sys.stdout.flush()


def say_others(experiments: int) -> None:
    """Print the same of other limits and scores."""
    say = sys.stdout.write
    say(f"The same of other limits and scores, and of costs that are no lower; {experiments} experiments each\n")
    for seed, (name, happens) in enumerate(OTHERS.items()):
        share, upper = rate_of(happens, experiments, 200 + seed)
        say(f"  {name:47}: {share:6.1%}, at most {upper:.1%}\n")
        sys.stdout.flush()


def say_best(experiments: int) -> None:
    """Print how often the best feasible setup is chosen."""
    say = sys.stdout.write
    say(
        "The best feasible setup is chosen (target 90 %), where it leads by 5 %; the cheapest of all breaks the limit; "
        f"{experiments} experiments each\n"
    )
    for repeats in (5, 10):
        world = World((0.0005, 0.0005, 0.03), 0.0005, (-0.45, -0.40, -0.60), repeats)
        share, _ = rate(world, lambda one: one.verdict == "ship" and one.chosen == 1, experiments, seed=100)
        say(f"  {repeats:2} repeats: {share:.1%}\n")


def say_undecided(experiments: int) -> None:
    """Print how much more would decide, as told, and how much it took."""
    say = sys.stdout.write
    say("Not decided: how much more would decide, as told, and as it took by going on, with a look after every\n")
    say("twentieth more; near: in all within a factor of 1.5 of what was told, best: of the best number for a line;\n")
    say(f"of {experiments} experiments each\n")
    say("                    open   range held   near   best   median told    took\n")
    for name, world in {
        "loss by examples": World((0.005, 0.03, 0.03), 0.002, FAST, 2, 1800),
        "loss by repeats": World((0.003, 0.03, 0.03), 0.004, FAST, 4, 1800, weights=False),
        "cost": World((0.0, 0.03, 0.03), 0.0005, (-0.02, -0.3, -0.3), 5, 10_000),
        "cost, 10 repeats": World((0.0, 0.03, 0.03), 0.0005, (-0.02, -0.3, -0.3), 10, 10_000),
        "small cost": World((0.0, 0.03, 0.03), 0.0005, (-0.012, -0.3, -0.3), 10, 10_000),
    }.items():
        say(_told_and_took(name, world.repeats, list(_how_long(world, experiments))))
        sys.stdout.flush()
    for lost, gained, n in ((0.005, 0.002, 360), (0.006, 0.004, 1000)):
        say(_told_and_took(f"{n} examples", n, list(_how_many_examples(lost, gained, n, experiments))))
        sys.stdout.flush()


PARTS: dict[str, tuple[Callable[[int], None], int]] = {
    "limits": (say_limits, 2000),
    "others": (say_others, 2000),
    "best": (say_best, 2000),
    "undecided": (say_undecided, 200),
}
"""What prints each part, and experiments of each of its lines."""


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--part", choices=PARTS, help="the table to print; default all")
    parser.add_argument("--experiments", type=int, help="of each line; default as many as ten minutes allow")
    given = parser.parse_args()
    for name, (part, experiments) in PARTS.items():
        if given.part in {None, name}:
            part(given.experiments or experiments)
            sys.stdout.write("\n")
    return 0


Outcome = tuple[float, float, float, int]
"""What it took, the range that was told, and the number; all of them more than there was."""


def _told_and_took(name: str, before: int, found: list[Outcome]) -> str:
    """Return a line of the table."""
    if not found:
        return f"  {name:16}: {0:5}\n"
    took, low, high, told = np.array(found).T
    held = np.mean((low <= took) & (took <= high))
    best = max(_near(before + took, before + number) for number in np.unique(took))
    near, spans = _near(before + took, before + told), np.median([told, low, high, took], axis=1)
    return (
        f"  {name:16}: {len(found):5}   {held:10.0%}   {near:4.0%}   {best:4.0%}   "
        f"{spans[0]:.0f} ({spans[1]:.0f} to {spans[2]:.0f}){spans[3]:8.0f}\n"
    )


def _near(took: np.ndarray, told: np.ndarray | float) -> float:
    return float(np.mean(np.maximum(took / told, told / took) <= 1.5))


def _how_many_examples(lost: float, gained: float, n: int, experiments: int) -> Iterator[Outcome]:
    """Return outcomes of one repeat, in held-out examples, where a model's size is to be small."""
    for k in range(experiments):
        random = np.random.default_rng([n, k])
        worse, better = (random.random(20 * n) < rate for rate in (lost, gained))

        def decide(
            size: int, worse: np.ndarray = worse, better: np.ndarray = better, *, ranges: bool = False
        ) -> Choice:
            own, other = (~side[:size] for side in (worse, better))
            loss = loss_of_examples(own.astype(float), other.astype(float), np.arange(size))
            return choose(np.array([[0.0, -1.0]]), 0, [Loss(None), loss], MARGIN, exact=True, ranges=ranges)

        choice = decide(n, ranges=True)
        told = choice.more.examples_range
        if not is_open(choice) or told is None or choice.more.examples is None:
            continue
        low, high = told
        size = n
        while size < 20 * n and is_open(decide(size)):
            size += n // 20
        yield size - n, low, np.inf if high is None else high, choice.more.examples


def _how_long(world: World, experiments: int) -> Iterator[Outcome]:
    """Return outcomes of experiments that are not decided, in repeats."""
    for k in range(experiments):
        sample = Sample(world, np.random.default_rng([7, k]))
        choice = sample.decide(ranges=True)
        told = choice.more.repeats_range
        if not is_open(choice) or told is None or choice.more.repeats is None:
            continue
        before, (low, high), point = sample.repeats, told, choice.more.repeats
        while sample.repeats - before <= (high or 3 * low) and is_open(choice):
            sample.go_on(max(1, sample.repeats // 20))
            choice = sample.decide()
        took = sample.repeats - before if not is_open(choice) else 10**6
        yield took, low, math.inf if high is None else high, point


if __name__ == "__main__":
    sys.exit(main())
