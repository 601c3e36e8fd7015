"""Do intervals over hosts hold the truth, and should the error within hosts be pooled?

``python benchmarks/coverage_over_hosts.py`` takes about a minute. Hosts of one kind are made up: each has a true log
ratio around that of the kind, which is known, and a few pairs that scatter around its own; the scatter is the same on
all hosts, or differs by a factor of 2 either way, or is ten times as large on one of them. It is asked how often 95 %
intervals hold the kind's mean, with the error of a host from its own pairs, and as `significand.analysis.hosts` takes
it: pooled over hosts, or drawn towards its own; what the usual guard on every small Q would make of that; how much
wider intervals are than with the errors known; how often hosts are said to agree by chance; how often the next host is
where it is predicted, with k - 2 degrees of freedom and with k - 1; and how often the interval of tau holds tau.

Exits with 1 where the interval covers less than 92.5 % of experiments, or more than 97.5 % (the limits of 93 and 97 %,
and what chance adds) where hosts scatter alike; or where, with ten pairs or more, it is half as wide again as with the
errors known, or more than 4 % of hosts are said to agree by chance.
"""  # noqa: D400 - a question

import argparse
import sys

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from significand.analysis.hosts import OverHosts, over_hosts

Floats = NDArray[np.float64]

HOSTS, REPEATS = (3, 5, 10), (2, 5, 10, 30)
APART = (0.0, 0.5, 1.0, 3.0, 20.0)
"""tau, in standard errors of one host's mean."""
UNEQUAL = np.log(2)
"""Standard deviation of the log of the scatter, where hosts are not equally noisy."""
NOISY = 10.0
"""Scatter of the one host that is noisier than the others."""
SCATTERS = ("equal", "unequal", "noisy")
LEAST, MOST, WIDEST, MOST_BY_CHANCE, FEWEST = 0.925, 0.975, 1.5, 0.04, 10


def made_up(
    random: np.random.Generator, pairs: NDArray[np.int64], tau: float, scatters: str
) -> tuple[Floats, Floats, Floats]:
    """Return mean and variance of each host's pairs, and their true scatter; rows are experiments, columns hosts."""
    scatter = np.exp((UNEQUAL if scatters == "unequal" else 0.0) * random.normal(size=pairs.shape))
    if scatters == "noisy":
        scatter[:, 0] = NOISY
    means = tau * random.normal(size=pairs.shape) + scatter / np.sqrt(pairs) * random.normal(size=pairs.shape)
    freedom = np.maximum(pairs - 1, 1)
    variances = np.where(pairs > 1, scatter**2 * random.chisquare(freedom) / freedom, np.nan)
    return means, variances, scatter


def together(means: Floats, variances: Floats, pairs: NDArray[np.int64]) -> OverHosts:
    """Return what the hosts of each experiment say together."""
    groups = np.repeat(np.arange(len(means)), means.shape[1])
    return over_hosts(means.ravel(), variances.ravel(), pairs.ravel(), groups, len(means))


def by_errors(means: Floats, variances: Floats, pairs: NDArray[np.int64]) -> OverHosts:
    """Return the same with the error of each host as it is given: as if each had so many pairs of one scatter."""
    unit = 1e9
    counts = np.rint(unit * pairs / np.maximum(variances, 1e-9)).astype(np.int64)
    return together(means, np.full(means.shape, unit), counts)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Coverage of intervals over hosts.")
    parser.add_argument("--experiments", type=int, default=4_000, help="in each line of the table")
    experiments = parser.parse_args().experiments
    print("of 95 % intervals, per cent that hold the truth; own, ours, guarded: of the mean over hosts")
    print("hosts repeats tau/se scatter    own   ours guarded | wider chance | next k-2  k-1 |   tau")
    missed = 0
    for k in HOSTS:
        for repeats in (*REPEATS, 0):
            for apart in APART:
                for scatters in SCATTERS:
                    missed += _line(experiments, k, repeats, apart, scatters)
    limits = f"covers {LEAST:.1%} or more, and {MOST:.1%} at most where hosts scatter alike"
    widths = f"is less than {WIDEST:g} times as wide as could be, and by chance in {MOST_BY_CHANCE:.0%} at most"
    print(f"lines in which it is not so that the interval {limits}, and from {FEWEST} pairs on {widths}: {missed}")
    return 1 if missed else 0


def _line(experiments: int, k: int, repeats: int, apart: float, scatters: str) -> int:
    random = np.random.default_rng([k, repeats, round(10 * apart), SCATTERS.index(scatters)])
    shape = experiments, k
    pairs = np.full(shape, repeats) if repeats else random.integers(1, 11, size=shape)
    tau = apart / np.sqrt(repeats or 5)
    means, variances, scatter = made_up(random, pairs, tau, scatters)
    pooled = together(means, variances, pairs)
    told = np.isfinite(pooled.tau)  # not where no host has two pairs
    own = by_errors(means, variances, pairs) if repeats else None
    half = (pooled.high - pooled.low) / 2
    exact = by_errors(means, scatter**2, pairs)
    wider = float(np.median(2 * half) / np.median(exact.high - exact.low))
    by_chance = _share(pooled.by_chance)
    following = tau * random.normal(size=experiments)
    reach = (pooled.prediction_high - pooled.prediction_low) / 2
    narrower = stdtrit(k - 1, 0.975) / stdtrit(k - 2, 0.975)
    off = np.abs(following - pooled.mean)
    covered = _share(np.abs(pooled.mean) <= half)
    shares = (
        "      –" if own is None else f"{100 * _share((own.low <= 0) & (own.high >= 0)):7.1f}",
        f"{100 * covered:6.1f}",
        f"{100 * _share(np.abs(pooled.mean) <= half * _guard(pooled, means, pairs)):7.1f} |",
        f"{wider:5.2f} {100 * by_chance:6.1f} |",
        f"{100 * _share(off[told] <= reach[told]):8.1f}",
        f"{100 * _share(off[told] <= narrower * reach[told]):4.1f} |",
        f"{100 * _share(((pooled.tau_low <= tau) & (tau <= pooled.tau_high))[told]):5.1f}",
    )
    print(f"{k:5} {repeats or '1 to 10':>7} {apart:6g} {scatters:8}", *shares, flush=True)
    misses = covered < LEAST or (scatters == "equal" and covered > MOST)
    return int(misses or (repeats >= FEWEST and (wider >= WIDEST or by_chance > MOST_BY_CHANCE)))


def _guard(found: OverHosts, means: Floats, pairs: NDArray[np.int64]) -> Floats:
    """Return by how much the usual guard widens the interval where Q is small."""
    errors = found.within[:, None] ** 2 / pairs + found.tau[:, None] ** 2
    q = (((means - found.mean[:, None]) ** 2) / errors).sum(axis=1) / (means.shape[1] - 1)
    factor = np.nan_to_num(1 / np.sqrt(np.minimum(q, 1.0)), nan=1.0)
    return np.where(found.by_chance, 1.0, factor)  # there the program's own guard acts


def _share(marks: NDArray[np.bool_]) -> float:
    return float(np.mean(marks))


if __name__ == "__main__":
    sys.exit(main())
