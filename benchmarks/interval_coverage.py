"""Do the intervals cover what they promise? On made-up data with a known truth, and on runs of this program.

``python benchmarks/interval_coverage.py simulated`` takes about three minutes on any machine. With
``measured --runs 2000 --save runs.json`` it runs one small network 2,000 times under each of two names, taking turns,
which takes some ten minutes on an otherwise idle machine, and then makes experiments of n repeats out of them;
``--load runs.json`` does the latter alone.

Experiments of measured runs are made in two ways. *Drawn*: n runs at random without replacement, which is what the
interval's assumption (independent runs of one distribution) makes of real values, with their skewness and outliers.
*Consecutive*: n runs as they followed one another, which is what a user's experiment is; it also pays for whatever
drift of the machine there was between it and all the others. The truth is the mean (median) of all runs. The ratio of
the two equal setups, paired by repeat and round, is looked at in the same ways: drift is in both and cancels.
"""

import argparse
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, skew

from significand.analysis.comparison import compare
from significand.analysis.intervals import Estimate, mean_bootstrap_t, mean_normal, mean_t, median_exact
from significand.analysis.turns import latencies_beside
from significand.engines.base import engine_modes
from significand.meters.counters import EnergyPlan
from significand.plan.experiment import Surroundings, plan_experiment
from significand.results.records import Run
from significand.results.table import table_of
from significand.runner.block import Block
from significand.runner.conductor import Here

Floats = NDArray[np.float64]

SIZES = (5, 10, 30)
HEADLINES = ("t", "paired t")
SETUPS = ("plain", "again")
BESIDE = "again beside plain"
TARGET = (0.93, 0.97)

RUN: dict[str, object] = {
    "layer_sizes": [256, 512, 512, 10],
    "activations": ["relu", "relu", "softmax"],
    "data": "synthetic",
    "n_samples": 64,
    "precision_modes": ["float32"],
    "epochs": 1,
    "threads": 1,
    "latency_rounds": 5,
    "round_duration_s": 0.005,
}
"""A real run with everything a run has, made short: its inference call takes about 0.1 ms, a round about 50 of them."""


@dataclass(frozen=True)
class Interval:
    """An interval under test: how it is called, what it is of, and how it is made."""

    name: str
    parameter: str
    estimate: Callable[[Floats], Estimate]


INTERVALS = (
    Interval("normal", "mean", mean_normal),
    Interval("t", "mean", mean_t),
    Interval("bootstrap-t", "mean", mean_bootstrap_t),
    Interval("order statistics", "median", median_exact),
)


PAIRED = Interval("paired t", "ratio", mean_t)
"""Of log ratios, as in `significand.analysis.comparison`."""


@dataclass(frozen=True)
class Distribution:
    """Where made-up values come from, with the truth about it."""

    draw: Callable[[np.random.Generator, tuple[int, ...]], Floats]
    truth: Mapping[str, float]


DISTRIBUTIONS = {
    "normal": Distribution(lambda random, shape: random.standard_normal(shape), {"mean": 0.0, "median": 0.0}),
    "lognormal": Distribution(
        lambda random, shape: random.lognormal(0.0, 1.0, shape), {"mean": math.exp(0.5), "median": 1.0}
    ),
    "t3": Distribution(lambda random, shape: random.standard_t(3, shape), {"mean": 0.0, "median": 0.0}),
}


@dataclass(frozen=True)
class Rate:
    """How often the truth was covered; `trials` are the independent ones, which may be fewer than those looked at."""

    share: float
    trials: int

    def __str__(self) -> str:
        """Share with its exact binomial 95 % interval (Clopper and Pearson 1934)."""
        if not self.trials:
            return f"{'-':>24}"
        low, high = binomtest(round(self.share * self.trials), self.trials).proportion_ci()
        return f"{self.share:>8.1%} ({low:>6.1%},{high:>7.1%})"


def coverage(estimates: Iterable[Estimate], truth: float, trials: int | None = None) -> Rate:
    """Return how often intervals contain the truth; a sample that has no interval is no trial."""
    covered = [one.low <= truth <= one.high for one in estimates if not math.isnan(one.low)]
    return Rate(float(np.mean(covered)) if covered else math.nan, len(covered) if trials is None else trials)


def ratio_coverage(draw: Distribution, n: int, experiments: int, *, paired: bool) -> Rate:
    """Return how often the interval of a cost ratio contains it, over as many comparisons, made by one call.

    The logs of the costs have the distribution, times 0.1; what blocks share when they are paired is a normal value of
    three times that spread.
    """
    random = np.random.default_rng(n)
    logs = 0.1 * draw.draw(random, (2 * experiments, n))
    if paired:
        logs += 0.3 * random.standard_normal((experiments, n)).repeat(2, axis=0)
    true_ratio = 0.8
    logs[1::2] += math.log(true_ratio)
    setups, blocks = np.divmod(np.arange(logs.size), n)
    # A setup at an odd place is compared with the one before it, which is its own baseline.
    baselines = np.arange(2 * experiments) // 2 * 2
    names = [str(k) for k in range(2 * experiments)]
    comparisons = compare({"latency": np.exp(logs).ravel()}, setups, blocks if paired else None, names, baselines)
    return coverage((one.estimate for one in comparisons), true_ratio)


def print_row(what: str, name: str, rates: Mapping[int, Rate], note: str = "") -> None:
    """Print the coverage of one interval at every n."""
    print(f"{what:<14}{name:<28}" + "".join(f"{rate!s:>26}" for rate in rates.values()) + f"  {note}")


def print_head(first: str) -> None:
    """Print the line above the rows."""
    print(f"{first:<14}{'interval':<28}" + "".join(f"{f'n = {n}':>26}" for n in SIZES) + "  target")


def note(name: str, distribution: str = "normal") -> str:
    """Return the target of an interval, where it has one."""
    return f"{TARGET[0]:.0%} to {TARGET[1]:.0%}" if distribution == "normal" and name in HEADLINES else ""


def simulated(arguments: argparse.Namespace) -> None:
    """Print the coverage of every interval on made-up data."""
    print_head("data")
    for what, distribution in DISTRIBUTIONS.items():
        for interval in INTERVALS:
            samples = arguments.bootstrap_samples if interval.name == "bootstrap-t" else arguments.samples
            rates = {}
            for n in SIZES:
                values = distribution.draw(np.random.default_rng(n), (samples, n))
                rates[n] = coverage(map(interval.estimate, values), distribution.truth[interval.parameter])
            print_row(what, f"{interval.name} ({interval.parameter})", rates, note(interval.name, what))
        for paired, name in ((True, "paired t (ratio)"), (False, "Welch t (ratio)")):
            print_row(
                what,
                name,
                {n: ratio_coverage(distribution, n, arguments.samples, paired=paired) for n in SIZES},
            )


def measure(runs: int) -> dict[str, list[float]]:
    """Return the latencies of two equal setups, each in so many repeats, in seconds per sample and in order.

    And those of the second beside the first, turn by turn: what ratios are made of.
    """
    experiment = plan_experiment(RUN | {"repeats": runs}, Surroundings(engine_modes(), lambda *_: None))
    (setup,) = experiment.setups()
    latencies_s: dict[str, list[float]] = {name: [math.nan] * runs for name in (*SETUPS, BESIDE)}
    seen: list[Run] = []

    def keep(run: Run, _: object) -> None:
        latencies_s[run.variant][run.repeat] = run.inference_latency_per_sample_s
        seen.append(run)

    setups = tuple(replace(setup, variant=name, name="") for name in SETUPS)
    energy = EnergyPlan(experiment.watts_per_core)
    Here(None).run([Block(experiment, repeat, setups, energy) for repeat in range(runs)], keep)
    plain, again = ([run for run in seen if run.variant == name] for name in SETUPS)
    sides = table_of([*again, *plain])
    beside_s = latencies_beside(sides, np.arange(len(again), len(sides)))
    for run, latency_s in zip(again, beside_s.tolist(), strict=False):
        latencies_s[BESIDE][run.repeat] = latency_s
    return latencies_s


def drawn(values: Floats, n: int, samples: int) -> Iterable[Floats]:
    """Yield experiments of n runs drawn at random."""
    random = np.random.default_rng(n)
    return (random.choice(values, n, replace=False) for _ in range(samples))


def consecutive(values: Floats, n: int) -> Iterable[Floats]:
    """Yield every experiment of n runs that followed one another."""
    return (values[start : start + n] for start in range(values.size - n + 1))


def measured(arguments: argparse.Namespace) -> None:
    """Run, or load runs, and print the coverage of every interval on experiments made of them."""
    if arguments.load:
        latencies_s = json.loads(arguments.load.read_text(encoding="utf-8"))
    else:
        latencies_s = measure(arguments.runs)
        if arguments.save:
            arguments.save.write_text(json.dumps(latencies_s), encoding="utf-8")
    # Files of before ratios were taken round by round have the runs' own latencies only.
    plain, again = (np.array(latencies_s[name]) for name in (SETUPS[0], BESIDE if BESIDE in latencies_s else SETUPS[1]))
    whole = np.isfinite(plain) & np.isfinite(again)
    logs = np.log(again[whole] / plain[whole])
    print(f"{whole.size} repeats of two equal setups, {np.count_nonzero(~whole)} with a failed run")
    describe(f"latency, mean {1e6 * plain[whole].mean():.4g} us per sample", plain[whole] / plain[whole].mean())
    describe(f"ratio of the two, {math.exp(logs.mean()):.4f}", logs)
    print_head("experiments")
    for values, intervals in ((plain[whole], INTERVALS), (logs, (PAIRED,))):
        truth = {"mean": float(values.mean()), "median": float(np.median(values)), "ratio": float(values.mean())}
        for interval in intervals:
            true = truth[interval.parameter]
            name = f"{interval.name} ({interval.parameter})"
            samples = arguments.bootstrap_samples if interval.name == "bootstrap-t" else arguments.samples
            rates = {n: coverage(map(interval.estimate, drawn(values, n, samples)), true) for n in SIZES}
            print_row("drawn", name, rates, note(interval.name))
            # Windows overlap: as many are independent as there are without overlap.
            rates = {n: windows(interval, values, n, true) for n in SIZES}
            print_row("consecutive", name, rates, note(interval.name))


def describe(what: str, values: Floats) -> None:
    """Print the spread of values relative to 1, or of logs, and how much each resembles the one before."""
    deviations = values - values.mean()
    neighbours = float(np.sum(deviations[1:] * deviations[:-1]) / np.sum(deviations**2))
    print(
        f"{what}: standard deviation {values.std(ddof=1):.2%}, skewness {skew(values):.2f}, "
        f"correlation of neighbours {neighbours:.2f}"
    )


def windows(interval: Interval, values: Floats, n: int, truth: float) -> Rate:
    """Return the coverage over consecutive runs."""
    rate = coverage(map(interval.estimate, consecutive(values, n)), truth)
    return Rate(rate.share, values.size // n if rate.trials else 0)


def main() -> None:
    """Print the table asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=("simulated", "measured"))
    parser.add_argument("--samples", type=int, default=10_000, help="experiments made for each figure")
    parser.add_argument("--bootstrap-samples", type=int, default=1_000, help="the same, for the slow bootstrap-t")
    parser.add_argument("--runs", type=int, default=2_000, help="runs to measure")
    parser.add_argument("--save", type=Path, help="file to keep the measured latencies in")
    parser.add_argument("--load", type=Path, help="such a file: nothing is measured")
    arguments = parser.parse_args()
    {"simulated": simulated, "measured": measured}[arguments.data](arguments)


if __name__ == "__main__":
    main()
