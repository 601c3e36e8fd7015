"""Ratios of training times beside a background that is below the limit: simulated.

``python benchmarks/background.py`` takes about ten seconds. Others use so much of the CPU in bursts of 3 ms. One mode's
training turns need 20 ms, the other's 1 s; a turn in which others took more than 5 % is measured again, up to three
times, as `significand.meters.steps` does, and the attempt with the smallest share counts. The true ratio is 50.
What others take delays a turn by as much: the mark is right where that is so.
Printed is by how much the ratio is off, and by how much `significand.analysis.background` says that it is.
"""

import sys

import numpy as np

from significand.analysis.background import background_of
from significand.results.records import Run
from significand.results.table import table_of

BURST_S, LIMIT, ATTEMPTS, TURNS, REPEATS = 0.003, 0.05, 4, 10, 200
NEEDED_S = {"short": 0.02, "long": 1.0}


def turn(random: np.random.Generator, needed_s: float, busy: float) -> tuple[float, float]:
    """Return the time and others' share of the attempt that counts."""
    attempts = []
    for _ in range(ATTEMPTS):
        taken_s = BURST_S * random.poisson(busy / (1 - busy) * needed_s / BURST_S)
        attempts.append((needed_s + taken_s, taken_s / (needed_s + taken_s)))
        if attempts[-1][1] <= LIMIT:
            break
    return min(attempts, key=lambda one: one[1])


def run(random: np.random.Generator, mode: str, repeat: int, busy: float) -> Run:
    """Return one run of a mode."""
    turns = np.array([turn(random, NEEDED_S[mode], busy) for _ in range(TURNS)])
    share = float(np.average(turns[:, 1], weights=turns[:, 0]))
    time_s = float(turns[:, 0].mean())
    return Run(
        setup=mode, precision_mode=mode, repeat=repeat, train_time_per_epoch_s=time_s, training_others_share=share
    )


def main() -> int:
    """Print the table."""
    sys.stdout.write("others use   ratio off by   said to be   left\n")
    for busy in (0.005, 0.01, 0.02, 0.03, 0.04):
        random = np.random.default_rng(int(1000 * busy))
        runs = [run(random, mode, repeat, busy) for repeat in range(REPEATS) for mode in NEEDED_S]
        times = {mode: np.array([one.train_time_per_epoch_s for one in runs if one.setup == mode]) for mode in NEEDED_S}
        off = float(np.exp(np.mean(np.log(times["long"]) - np.log(times["short"])))) / 50
        said = float(background_of(table_of(runs, list(NEEDED_S)), [0, 0])[1])
        sys.stdout.write(f"{busy:10.1%}   {off - 1:12.2%}   {said - 1:10.2%}   {off / said - 1:6.2%}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
