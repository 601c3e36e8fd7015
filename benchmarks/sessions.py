"""How often `significand compare` finds a difference between two sessions of the very same: simulated.

``python benchmarks/sessions.py`` takes about two minutes on one core. A session has a level of its own, which drifts
from session to session by so many per cent (standard deviation), and ten runs that scatter by 1 % around it. Two
sessions are compared alone, as before; and with as many earlier sessions as an archive may hold. Then how often a
version that is 10 % slower is found.
"""

import argparse
import sys

import numpy as np

from significand.analysis.comparison import compare
from significand.analysis.sessions import Between, between

RUNS, NOISE = 10, 0.01


def claims(random: np.random.Generator, drift: float, earlier: int, experiments: int, slower: float) -> float:
    """Return how often a difference is shown."""
    levels = random.normal(0, drift, (experiments, earlier + 2))
    logs = levels[:, :, None] + random.normal(0, NOISE, (experiments, earlier + 2, RUNS))
    logs[:, -1] += np.log1p(slower)
    found = [between([list(one[:earlier])]) for one in logs]
    variance, within, df = (np.array(part) for part in zip(*found, strict=True))
    sessions = {"latency": Between(*(np.tile(part, 2) for part in (variance, within, df)))} if earlier else {}
    pair = np.swapaxes(logs[:, -2:], 0, 1)  # sides, experiments, runs
    setups, blocks = np.divmod(np.arange(pair.size), RUNS)
    baselines = np.tile(np.arange(experiments), 2)
    shown = compare(
        {"latency": np.exp(pair).ravel()}, setups, blocks, [""] * (2 * experiments), baselines, sessions=sessions
    )
    return float(np.mean([one.p_value <= 0.05 for one in shown]))


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--experiments", type=int, default=4000, help="of each line; default 4,000")
    experiments = parser.parse_args().experiments
    numbers = (0, 3, 5, 10, 20)
    for slower in (0.0, 0.1):
        what = f"{slower:.0%} slower" if slower else "the very same"
        sys.stdout.write(
            f"{what}: a difference is shown, by earlier sessions\n drift " + "".join(f"{n:9}" for n in numbers)
        )
        for drift in (0.0, 0.005, 0.01, 0.03):
            random = np.random.default_rng([int(1000 * drift), int(100 * slower)])
            rates = [claims(random, drift, n, experiments, slower) for n in numbers]
            sys.stdout.write(f"\n{drift:6.1%} " + "".join(f"{rate:9.1%}" for rate in rates))
            sys.stdout.flush()
        sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
