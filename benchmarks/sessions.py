"""How often `significand compare` finds a difference between two sessions of the very same: simulated.

``python benchmarks/sessions.py`` takes about three minutes on one core. A session has a level of its own, which drifts
from session to session by so many per cent (standard deviation), and ten runs that scatter by 1 % around it. Two
sessions are compared alone; with training that is the same to the last bit as the only witness of what the sessions do,
whose time shifts with latency (*with*), as much but on its own (*apart*), or not at all (*still*); and with as many
earlier sessions as an archive may hold. Then how often a version that is slower is found.
"""

import argparse
import sys

import numpy as np

from significand.analysis.comparison import compare
from significand.analysis.sessions import Between, between, between_two

RUNS, NOISE = 10, 0.01
SHIFTS = ("with", "apart", "still")


def claims(random: np.random.Generator, drift: float, known: int | str, experiments: int, slower: float) -> float:
    """Return how often a difference is shown, by how many earlier sessions there are, or how training shifts."""
    earlier = known if isinstance(known, int) else 0
    levels = random.normal(0, drift, (experiments, earlier + 2))
    logs = levels[:, :, None] + random.normal(0, NOISE, (experiments, earlier + 2, RUNS))
    logs[:, -1] += np.log1p(slower)
    sessions = {}
    if isinstance(known, str):
        sessions = {"latency": beside_training(random, levels, drift, known)}
    elif known:
        found = [between([list(one[:earlier])]) for one in logs]
        sessions = {"latency": Between(*(np.tile(part, 2) for part in zip(*found, strict=True)))}
    pair = np.swapaxes(logs[:, -2:], 0, 1)  # sides, experiments, runs
    setups, blocks = np.divmod(np.arange(pair.size), RUNS)
    baselines = np.tile(np.arange(experiments), 2)
    shown = compare(
        {"latency": np.exp(pair).ravel()}, setups, blocks, [""] * (2 * experiments), baselines, sessions=sessions
    )
    return float(np.mean([one.p_value <= 0.05 and one.disagreement != "not shown" for one in shown]))


def beside_training(random: np.random.Generator, levels: np.ndarray, drift: float, shifts: str) -> Between:
    """Return what the same training tells of the two sessions of each experiment."""
    own = {"with": levels, "apart": random.normal(0, drift, levels.shape), "still": np.zeros(levels.shape)}[shifts]
    runs = own[:, :, None] + random.normal(0, NOISE, (*levels.shape, RUNS))
    pairs = runs[:, 1] - runs[:, 0]
    errors = pairs.std(axis=1, ddof=1) / np.sqrt(RUNS)
    found = [between_two(shift, error, 1) for shift, error in zip(pairs.mean(axis=1), errors, strict=True)]
    return Between(*(np.tile(np.concatenate(part), 2) for part in zip(*map(_parts, found), strict=True)))


def _parts(one: Between) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return one.variance, one.within, one.df


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--experiments", type=int, default=4000, help="of each line; default 4,000")
    experiments = parser.parse_args().experiments
    ways = (0, *SHIFTS, 3, 5, 10, 20)
    for slower in (0.0, 0.1, 0.3):
        what = f"{slower:.0%} slower" if slower else "the very same"
        sys.stdout.write(f"{what}: a difference is shown, by how training shifts and by earlier sessions\n drift ")
        sys.stdout.write("".join(f"{one or 'alone':>9}" for one in ways))
        for drift in (0.0, 0.005, 0.01, 0.03):
            random = np.random.default_rng([int(1000 * drift), int(100 * slower)])
            rates = [claims(random, drift, one, experiments, slower) for one in ways]
            sys.stdout.write(f"\n{drift:6.1%} " + "".join(f"{rate:9.1%}" for rate in rates))
            sys.stdout.flush()
        sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
