"""False alarms between two equal environments: in one session in turns, and in two sessions.

``python benchmarks/one_session.py`` takes about 8 minutes on an otherwise idle machine; ``--trials 2`` gives a first
look. The other environment is made for it and holds the very packages of this one, so every difference that is found is
a false alarm. A trial measures the latency of float32 in both: once as ``--against`` does, in turns, and once as two
sessions, one after the other, paired by repeat as ``significand compare`` does. Which way goes first changes from trial
to trial. The sessions of a trial are seconds apart: ``--gap`` waits between them, as a pull request would.

Printed for each way: in how many trials the 95 % interval of the ratio leaves out 1, how far ratios are from 1, and the
median half-width of the interval.
"""

import argparse
import math
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from significand.analysis.intervals import Estimate
from significand.analysis.ratios import Costs, paired_ratio
from significand.analysis.turns import beside_baselines
from significand.engines.base import engine_modes
from significand.meters.counters import EnergyPlan
from significand.plan.experiment import Experiment, Surroundings, plan_experiment
from significand.plan.metrics import LATENCY
from significand.results.records import Run
from significand.results.table import RunTable, table_of
from significand.runner.block import Block
from significand.runner.conductor import Here
from significand.runner.interpreter import HOME

JOB: dict[str, object] = {
    "layer_sizes": [784, 512, 512, 10],
    "activations": ["relu", "relu", "softmax"],
    "precision_modes": ["float32"],
    "data": "synthetic",
    "n_samples": 256,
    "epochs": 1,
    "seed": 1,
}


def equal_environment(folder: Path) -> Path:
    """Make an environment with the packages of this one, and return its folder."""
    venv.create(folder, symlinks=True, with_pip=False)
    packages = next((folder / "lib").glob("python*/site-packages"))
    shared = [HOME, *(entry for entry in sys.path if Path(entry).name in {"site-packages", "dist-packages"})]
    (packages / "shared.pth").write_text("\n".join(shared), encoding="utf-8")
    return folder


def session(repeats: int, **changes: object) -> RunTable:
    """Measure one session and return its runs."""
    fields = JOB | {"repeats": repeats} | changes
    experiment: Experiment = plan_experiment(fields, Surroundings(engine_modes(), lambda name, form: None))  # noqa: ARG005
    energy = EnergyPlan(experiment.watts_per_core)
    setups = experiment.setups()
    runs: list[Run] = []
    blocks = (Block(experiment, repeat, tuple(setups), energy) for repeat in range(repeats))
    Here(None).run(blocks, lambda run, details: runs.append(run))  # noqa: ARG005
    return table_of(runs, [setup.name for setup in setups])


def in_turns(repeats: int, there: Path) -> Estimate:
    """Return the ratio of here to there, measured in one session."""
    table = session(repeats, against=str(there))
    beside_s, repeat_of = beside_baselines(table, [1, 1]), table.counts("repeat")
    here, other = (Costs(repeat_of[rows], beside_s[rows]) for rows in map(table.rows_of, (0, 1)))
    return paired_ratio(here, other)


def one_after_the_other(repeats: int, gap_s: float) -> Estimate:
    """Return the ratio of two sessions of the very same."""
    sides = []
    for number in range(2):
        time.sleep(gap_s if number else 0)
        table = session(repeats)
        rows = table.rows_of(0)
        sides.append(Costs(table.counts("repeat")[rows], table.numbers(LATENCY.column)[rows]))
    return paired_ratio(sides[1], sides[0])


def told(way: str, found: Sequence[Estimate]) -> str:
    """Return a line of the table."""
    alarms = sum(not one.low <= 1 <= one.high for one in found)
    low, high = binomtest(alarms, len(found)).proportion_ci(method="exact")
    error = math.sqrt(float(np.mean([math.log(one.point) ** 2 for one in found])))
    width = float(np.median([one.high / one.low for one in found]))
    return (
        f"{way:<22}{alarms:>4} of {len(found):<4}{100 * low:>5.0f} to {100 * high:<4.0f}%"
        f"{math.expm1(error):>12.2%}{math.sqrt(width) - 1:>14.2%}"
    )


def main() -> None:
    """Run the campaign and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--gap", type=float, default=0.0, metavar="S", help="wait between the two sessions")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        there = equal_environment(Path(folder) / "venv")
        ways: dict[str, Callable[[], Estimate]] = {
            "one session, in turns": lambda: in_turns(arguments.repeats, there),
            "two sessions": lambda: one_after_the_other(arguments.repeats, arguments.gap),
        }
        found: dict[str, list[Estimate]] = {way: [] for way in ways}
        for trial in range(arguments.trials):
            for way in list(ways)[:: -1 if trial % 2 else 1]:
                found[way].append(ways[way]())
            print(trial + 1, *(f"{some[-1].point:.4f}" for some in found.values()), file=sys.stderr, flush=True)
    print(f"{'way':<22}{'false alarms':<27}{'rms error':>7}{'half-width':>14}   ({arguments.repeats} repeats)")
    for way, some in found.items():
        print(told(way, some))


if __name__ == "__main__":
    main()
