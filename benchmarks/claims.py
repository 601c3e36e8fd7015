"""Where comparisons promise too much: one noisy mode, repeats that resemble each other, what was detectable. Simulated.

``python benchmarks/claims.py`` takes about two minutes on one core. Costs go through `significand.analysis.comparison`
as those of an experiment do. Three tables:

- One noisy mode. A cost is 1 plus lognormal noise (sigma 1) of 2 %; where both modes have it, differences of logs are
  symmetric, where one has it they are skewed. The mean of logs is the same in both, so that every claim is false; how
  often t claims, and in how many of these cases the sentence adds that signed ranks do not show it.
- Dependent repeats. Differences of logs whose neighbours correlate, by the same mean: false claims of the plain t
  interval and of the one that is widened, and how much wider it is on average.
- Detectable. How often a true difference is found that is as large as the experiment said it could have shown with 80 %
  power: as the textbook has it, with the spread that was seen for the true one, and as it is told.
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
REPEATS = (5, 10, 30)


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


def one_noisy_mode(experiments: int) -> None:
    """Print how often a false difference is claimed, and how often ranks contradict."""
    say = sys.stdout.write
    say("noise in     repeats   t claims   of these contradicted   ranks' centre covered\n")
    for who, sides in (("both modes", 2), ("one mode", 1)):
        for repeats in REPEATS:
            random = np.random.default_rng([repeats, sides])
            logs = np.zeros((2, experiments, repeats))
            logs[:sides] = skewed(random, (sides, experiments, repeats))
            found = compared(logs)
            claims = [one for one in found if not one.estimate.low <= 1 <= one.estimate.high]
            against = np.mean([one.disagreement == "not shown" for one in claims]) if claims else np.nan
            many = np.random.default_rng(1)
            pairs = skewed(many, (2, 200_000)) if sides == 1 else np.zeros((2, 1))
            centre = float(np.exp(np.median(pairs.mean(axis=0))))  # of averages of two; 1 where it is symmetric
            known = [one for one in found if np.isfinite(one.ranks[1])]
            covered = np.mean([one.ranks[1] <= centre <= one.ranks[2] for one in known]) if known else np.nan
            say(f"{who:11}  {repeats:7}   {len(claims) / experiments:8.1%}   {against:21.0%}   {covered:21.1%}\n")


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
    say("\nrepeats   found: textbook   as told   factor\n")
    for repeats in (3, *REPEATS):
        random = np.random.default_rng(repeats)
        spreads = random.normal(size=(experiments, repeats)).std(axis=1, ddof=1) / np.sqrt(repeats)
        told = [rule(spreads, repeats - 1) for rule in (smallest_detectable, assured_detectable)]
        again = random.normal(size=(experiments, repeats))
        error = again.std(axis=1, ddof=1) / np.sqrt(repeats)
        found = [np.mean((again.mean(axis=1) + size) / error > stdtrit(repeats - 1, 0.975)) for size in told]
        say(f"{repeats:7}   {found[0]:15.1%}   {found[1]:7.1%}   {told[1][0] / told[0][0]:6.2f}\n")


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--experiments", type=int, default=10_000, help="of each line; default 10,000")
    experiments = parser.parse_args().experiments
    one_noisy_mode(experiments)
    dependent_repeats(experiments)
    detectable(10 * experiments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
