"""What taking turns is worth: the error of a latency ratio, blocks interleaved or one setup after the other.

``python benchmarks/interleaving.py`` takes about 20 minutes on an otherwise idle machine; ``--trials 4`` gives a first
look. Every trial estimates the float32 / int8 latency ratio twice with the same runs and the same rounds: once as one
experiment with both modes, whose runs take turns and are compared round by round, and once as two experiments with one
mode each, one after the other, which have no turns in common: their runs' latencies are compared.
Which way goes first changes from trial to trial, as does the mode that goes first. Everything else is as the program
has it by default, so disturbed steps are measured again; the measuring time, with them, is in the table.

The reference is the mean over further estimates, one between the two of every trial, all through the campaign; half of
them are made in each way, so that it belongs to neither.
"""

import argparse
import math
import sys
import time
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from significand.analysis.turns import latencies_beside
from significand.engines.base import engine_modes
from significand.meters.counters import EnergyPlan
from significand.plan.experiment import Surroundings, plan_experiment
from significand.results.records import Run
from significand.results.table import table_of
from significand.runner.block import Block
from significand.runner.conductor import Here

MODES = ("float32", "int8")
JOB: dict[str, object] = {
    "layer_sizes": [784, 512, 512, 10],
    "activations": ["relu", "relu", "softmax"],
    "data": "synthetic",
    "n_samples": 256,
    "epochs": 1,
    "seed": 1,
}
TARGET = 0.5
RESAMPLES = 9_999


@dataclass
class Way:
    """How the modes are measured, and what it gave."""

    groups: tuple[tuple[str, ...], ...]
    log_ratios: list[float] = field(default_factory=list)
    measured_s: float = 0.0
    elapsed_s: float = 0.0


def measure(way: Way, repeats: int, options: dict[str, object], *, backwards: bool) -> float:
    """Run the modes this way and return the mean log of the latency ratio of the first to the second."""
    begin = time.perf_counter()
    runs: list[Run] = []
    # Each experiment is a session of its own: what ran in another one took no turns with it.
    for session, modes in enumerate(way.groups[::-1] if backwards else way.groups):
        fields = JOB | options | {"precision_modes": modes, "repeats": repeats}
        experiment = plan_experiment(fields, Surroundings(engine_modes(), lambda *_: None))
        energy = EnergyPlan(experiment.watts_per_core)
        setups = tuple(experiment.setups())
        blocks = [Block(experiment, repeat, setups, energy) for repeat in range(repeats)]
        before = len(runs)
        timing = Here(None).run(blocks, lambda run, _: runs.append(run))
        runs[before:] = [replace(run, session=session) for run in runs[before:]]
        way.measured_s += timing.measured_s
    assert all(run.finished for run in runs), next(run.reason for run in runs if run.reason)
    way.elapsed_s += time.perf_counter() - begin
    first, second = ([run for run in runs if run.precision_mode == mode] for mode in MODES)
    sides = table_of([*first, *second])
    beside_s = latencies_beside(sides, np.arange(len(first), len(sides)))[: len(first)]
    total = math.fsum(math.log(time_s) for time_s in beside_s.tolist())
    return (total - math.fsum(math.log(run.inference_latency_per_sample_s) for run in second)) / repeats


def ratio_of_errors(errors: dict[str, NDArray[np.float64]], trials: NDArray[np.intp]) -> float:
    """Return the root mean square error of the first way over that of the second, in these trials."""
    first, second = (float(np.sqrt(np.mean(error[trials] ** 2))) for error in errors.values())
    return first / second


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5, help="repeats behind each estimate of the ratio")
    parser.add_argument("--rounds", type=int, default=10, help="latency rounds per run")
    parser.add_argument("--threads", type=int, default=1, help="of training and session")
    parser.add_argument("--on-noise", choices=("remeasure", "mark"), default="remeasure")
    arguments = parser.parse_args()
    options: dict[str, object] = {
        "latency_rounds": arguments.rounds,
        "on_noise": arguments.on_noise,
        "threads": arguments.threads,
    }

    ways = {"interleaved": Way((MODES,)), "one after the other": Way(tuple((mode,) for mode in MODES))}
    reference: list[float] = []
    names = list(ways)
    for trial in range(arguments.trials):
        first, second = names if trial % 2 else names[::-1]
        backwards = trial % 4 > 1
        ways[first].log_ratios.append(measure(ways[first], arguments.repeats, options, backwards=backwards))
        between = Way(ways[names[trial // 4 % 2]].groups)
        reference.append(measure(between, arguments.repeats, options, backwards=not backwards))
        ways[second].log_ratios.append(measure(ways[second], arguments.repeats, options, backwards=backwards))
        ratios = [math.exp(values[-1]) for values in (*(way.log_ratios for way in ways.values()), reference)]
        print(trial + 1, *(f"{ratio:.4f}" for ratio in ratios), file=sys.stderr, flush=True)
    true = float(np.mean(reference))
    error_of_true = float(np.std(reference, ddof=1) / math.sqrt(len(reference)))

    errors = {name: np.array(way.log_ratios) - true for name, way in ways.items()}
    print(
        f"reference: float32/int8 latency ratio {math.exp(true):.3f}, standard error {math.expm1(error_of_true):.2%},"
    )
    print(f"from {len(reference)} estimates of {arguments.repeats} repeats")
    print(f"{'way':<22}{'ratio':>8}{'rms error':>11}{'measured s':>12}{'in all s':>10}   per estimate")
    for name, way in ways.items():
        rms = float(np.sqrt(np.mean(errors[name] ** 2)))
        print(
            f"{name:<22}{math.exp(np.mean(way.log_ratios)):>8.3f}{math.expm1(rms):>11.2%}"
            f"{way.measured_s / arguments.trials:>12.2f}{way.elapsed_s / arguments.trials:>10.2f}"
        )
    trials = np.arange(arguments.trials)
    random = np.random.default_rng(0)
    resampled = [ratio_of_errors(errors, random.choice(trials, trials.size)) for _ in range(RESAMPLES)]
    low, high = np.quantile(resampled, [0.025, 0.975])
    ratio = ratio_of_errors(errors, trials)
    print(f"error of interleaved / one after the other: {ratio:.2f}, 95 % interval {low:.2f} to {high:.2f} (percentile")
    print(f"bootstrap over trials); target <= {TARGET:g}")


if __name__ == "__main__":
    main()
