"""Where comparisons promise too much: one noisy mode, repeats that resemble each other, what was detectable. Simulated.

``python benchmarks/claims.py`` takes about two minutes on one core. Costs go through `significand.analysis.comparison`
as those of an experiment do. Four tables:

- One noisy mode. A cost is 1 plus lognormal noise (sigma 1) of 2 %; where both modes have it, differences of logs are
  symmetric, where one has it they are skewed, and two modes that are equal on average are not so in the usual pair of
  repeats: that of the noisy mode is cheaper, as a few dear ones make up for it. How often a difference is claimed where
  the means of logs are equal, and where the usual pairs are (the centre of the averages of two pairs, which signed
  ranks are about): by Student's t alone, and by the verdict, which asks signed ranks, too; at last, how often any
  verdict is false of ten comparisons that are judged together.
- What that costs. How often a true difference is found, of normal noise, in deviations of a pair.
- Dependent repeats. Differences of logs whose neighbours correlate, by the same mean: false claims of the plain t
  interval and of the one that is widened, and how much wider it is on average.
- Detectable. How often a true difference is found that is as large as the experiment said it could have shown with 80 %
  power: as the textbook has it, with the spread that was seen for the true one, as it is told, and by the verdict.
"""

import argparse
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from significand.analysis.autocorrelation import lag1, widening
from significand.analysis.comparison import Comparison, compare
from significand.analysis.multiplicity import assured_detectable, smallest_detectable

Floats = NDArray[np.float64]

NOISE = 0.02
REPEATS = (5, 6, 10, 30)


def compared(logs: Floats) -> Sequence[Comparison]:
    """Return the comparisons of experiments, shape (2, experiments, repeats): of the first side with the second."""
    _, experiments, repeats = logs.shape
    setups, blocks = np.divmod(np.arange(logs.size), repeats)
    return compare(
        {"latency": np.exp(logs).ravel()},
        setups,
        blocks,
        [""] * (2 * experiments),
        np.tile(np.arange(experiments, 2 * experiments), 2),
    )


def skewed(random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return logs of noisy costs, less their mean."""
    known = np.log1p(NOISE * np.random.default_rng(0).lognormal(size=10**6)).mean()
    logs: Floats = np.log1p(NOISE * random.lognormal(size=shape)) - known
    return logs


def claimed(logs: Floats) -> tuple[float, float]:
    """Return how often Student's t shows a difference, and how often the verdict does, each experiment alone."""
    found = compared(logs)
    by_t = np.array([not one.estimate.low <= 1 <= one.estimate.high for one in found])
    doubted = np.array([one.disagreement == "not shown" for one in found])
    return float(by_t.mean()), float((by_t & ~doubted).mean())


def any_of(logs: Floats, together: int = 10) -> float:
    """Return how often any of so many comparisons, judged together, has a verdict."""
    families = np.split(logs, logs.shape[1] // together, axis=1)
    return float(np.mean([any(one.verdict in {"better", "worse"} for one in compared(some)) for some in families]))


def one_noisy_mode(experiments: int) -> None:
    """Print how often a difference is claimed where there is none on average, and where there is none usually."""
    say = sys.stdout.write
    say("                        equal on average     equal in the usual pair\n")
    say("noise in     repeats   by t alone  verdict   by t alone  verdict   any of ten\n")
    pairs = skewed(np.random.default_rng(1), (2, 500_000))
    usual = float(np.median(pairs.mean(axis=0)))
    for who, sides in (("both modes", 2), ("one mode", 1)):
        for repeats in REPEATS:
            random = np.random.default_rng([repeats, sides])
            logs = np.zeros((2, experiments, repeats))
            logs[:sides] = skewed(random, (sides, experiments, repeats))
            on_average = claimed(logs)
            logs[0] -= usual if sides == 1 else 0.0
            say(f"{who:11}  {repeats:7}")
            for by_t, verdict in (on_average, claimed(logs)):
                say(f"   {by_t:10.1%} {verdict:8.1%}")
            say(f"   {any_of(logs):10.1%}\n")


def power(experiments: int) -> None:
    """Print how often true differences are found."""
    say = sys.stdout.write
    say("\n           a deviation apart     two deviations\n")
    say("repeats   by t alone  verdict   by t alone  verdict\n")
    for repeats in REPEATS:
        say(f"{repeats:7}")
        for apart in (1, 2):
            logs = NOISE * np.random.default_rng([repeats, apart]).normal(size=(2, experiments, repeats))
            logs[0] += apart * NOISE * np.sqrt(2)  # of the difference of two
            by_t, verdict = claimed(logs)
            say(f"   {by_t:10.1%} {verdict:8.1%}")
        say("\n")


def dependent_repeats(experiments: int) -> None:
    """Print false claims where neighbours correlate."""
    say = sys.stdout.write
    say("\ncorrelation  repeats   false claims: t   widened   width\n")
    for correlation in (0.0, 0.3, 0.5):
        for repeats in (5, 10, 20, 30, 100):
            random = np.random.default_rng([repeats, int(10 * correlation)])
            values = random.normal(size=(experiments, repeats))
            for k in range(1, repeats):
                values[:, k] = correlation * values[:, k - 1] + np.sqrt(1 - correlation**2) * values[:, k]
            groups = np.repeat(np.arange(experiments), repeats)
            factor = widening(lag1(values.ravel(), groups, experiments), np.full(experiments, repeats))
            t = np.abs(values.mean(axis=1)) / values.std(axis=1, ddof=1) * np.sqrt(repeats)
            critical = stdtrit(repeats - 1, 0.975)
            plain, wider = np.mean(t > critical), np.mean(t / factor > critical)
            say(f"{correlation:11}  {repeats:7}   {plain:15.1%}   {wider:7.1%}   {factor.mean():5.2f}\n")


def detectable(experiments: int) -> None:
    """Print how often a difference is found that was called detectable."""
    say = sys.stdout.write
    say("\nrepeats   found: textbook   as told   verdict   factor\n")
    for repeats in (3, *REPEATS):
        random = np.random.default_rng(repeats)
        spreads = random.normal(size=(experiments, repeats)).std(axis=1, ddof=1) / np.sqrt(repeats)
        told = [rule(spreads, repeats - 1) for rule in (smallest_detectable, assured_detectable)]
        again = random.normal(size=(experiments, repeats))
        error = again.std(axis=1, ddof=1) / np.sqrt(repeats)
        found = [np.mean((again.mean(axis=1) + size) / error > stdtrit(repeats - 1, 0.975)) for size in told]
        some = slice(experiments // 10)
        shown = claimed(np.stack([again[some] + told[1][some, None], np.zeros_like(again[some])]) / 100)[1]
        say(f"{repeats:7}   {found[0]:15.1%}   {found[1]:7.1%}   {shown:7.1%}   {told[1][0] / told[0][0]:6.2f}\n")


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--experiments", type=int, default=10_000, help="of each line; default 10,000")
    experiments = parser.parse_args().experiments
    one_noisy_mode(experiments)
    power(experiments)
    dependent_repeats(experiments)
    detectable(10 * experiments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
