"""Does the interval of a held-out score cover the population's value, where repeats split one table anew?

``python benchmarks/resplits.py`` takes about a minute on a machine that is otherwise idle. The population is known: two
Gaussian classes whose means differ, of which a table of so many examples is drawn. Each repeat holds out a fifth of the
table, trains a linear network on the rest, rounds its weights to few steps, and scores both. The truth is what such
networks score on the population, which has a closed form for each, as a mean over all tables.

It is asked how often 95 % intervals of the held-out score, and of the difference of the two, hold the truth: Student's
t as it is, and widened by Nadeau and Bengio. Where every repeat has a table of its own, nothing is to be widened.

Then how often the frontier is sure, at 5 %, that one of two networks scores higher that are equal in the population:
each does without three others of the seven features that say nothing.
"""  # noqa: D400 - a question

import argparse
import sys
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from significand.analysis.intervals import mean_t
from significand.analysis.pareto_bootstrap import frontier_uncertainty
from significand.analysis.resplits import overlap

Floats = NDArray[np.float64]

FEATURES, DISTANCE, TEST_SHARE, STEP = 8, 1.5, 0.2, 1.5
SIZES, REPEATS = (100, 400), (5, 10, 30)


def table(random: np.random.Generator, n: int) -> tuple[Floats, NDArray[np.int64]]:
    """Return n examples of two classes, as many of each."""
    y = np.arange(n) % 2
    x = random.normal(size=(n, FEATURES))
    x[:, 0] += DISTANCE * y
    return x, y


def trained(x: Floats, y: NDArray[np.int64]) -> tuple[Floats, float]:
    """Return weights and threshold that tell the second class, by its mean and that of the first."""
    first, second = x[y == 0].mean(axis=0), x[y == 1].mean(axis=0)
    weights = second - first
    return weights, float(weights @ (first + second) / 2)


def true_score(weights: Floats, threshold: float) -> float:
    """Return the share of the population that a linear network tells rightly."""
    size = float(np.linalg.norm(weights))
    return float(ndtr(threshold / size) + ndtr((weights[0] * DISTANCE - threshold) / size)) / 2


def rounded(weights: Floats) -> Floats:
    """Return weights in few steps, as a narrow format has them."""
    step = STEP * float(np.abs(weights).max()) / 4
    return np.round(weights / step) * step


def experiment(random: np.random.Generator, n: int, repeats: int, *, one_table: bool) -> tuple[Floats, Floats]:
    """Return held-out and true scores of both networks in each repeat, shape (repeats, 2) each."""
    found, true = np.empty((repeats, 2)), np.empty((repeats, 2))
    x, y = table(random, n)
    for repeat in range(repeats):
        if not one_table:
            x, y = table(random, n)
        order = random.permutation(n)
        test, train = order[: round(TEST_SHARE * n)], order[round(TEST_SHARE * n) :]
        weights, threshold = trained(x[train], y[train])
        for place, own in enumerate((weights, rounded(weights))):
            found[repeat, place] = np.mean((x[test] @ own > threshold) == y[test])
            true[repeat, place] = true_score(own, threshold)
    return found, true


def coverages(n: int, repeats: int, experiments: int, *, one_table: bool) -> Iterator[tuple[str, float, float]]:
    """Yield what is estimated, and how often either interval holds the truth."""
    random = np.random.default_rng([n, repeats, one_table])
    runs = [experiment(random, n, repeats, one_table=one_table) for _ in range(experiments)]
    drawn_from = n if one_table else 0
    shared = overlap(round(TEST_SHARE * n), drawn_from)
    for what, weights in (("score", [1.0, 0.0]), ("difference", [-1.0, 1.0])):
        truth = float(np.mean([(true @ weights).mean() for _, true in runs]))
        intervals = [[mean_t(found @ weights, overlap=by) for found, _ in runs] for by in (0.0, shared)]
        plain, widened = (float(np.mean([one.low <= truth <= one.high for one in some])) for some in intervals)
        yield what, plain, widened


def halved(weights: Floats, half: int) -> Floats:
    """Return weights without the even or the odd ones of the features that say nothing."""
    features = np.arange(FEATURES)
    return np.where((features > 1) & (features % 2 == half), 0.0, weights)


def certainties(n: int, repeats: int, experiments: int) -> tuple[float, float]:
    """Return how often the frontier is sure of a difference that is none: as it is, and widened."""
    random = np.random.default_rng([n, repeats, 7])
    shared = overlap(round(TEST_SHARE * n), n)
    sure = np.zeros(2)
    for _ in range(experiments):
        x, y = table(random, n)
        scores = np.empty((repeats, 2, 1))
        for repeat in range(repeats):
            order = random.permutation(n)
            test, train = order[: round(TEST_SHARE * n)], order[round(TEST_SHARE * n) :]
            weights, threshold = trained(x[train], y[train])
            for place, own in enumerate((halved(weights, 0), halved(weights, 1))):
                scores[repeat, place] = np.mean((x[test] @ own > threshold) == y[test])
        for place, by in enumerate((0.0, shared)):
            found = frontier_uncertainty(scores, [True], resamples=1000, overlaps=[by])
            sure[place] += max(found.p_dominates[0, 1], found.p_dominates[1, 0]) > 0.975
    return float(sure[0] / experiments), float(sure[1] / experiments)


def main() -> None:
    """Print a table of coverages, and one of certainties."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=1000, help="simulated experiments a line")
    experiments = parser.parse_args().experiments
    sys.stdout.write("data of repeats   table  repeats  of          t        widened\n")
    for one_table in (True, False):
        for n in SIZES:
            for repeats in REPEATS:
                for what, plain, widened in coverages(n, repeats, experiments, one_table=one_table):
                    told = "one table" if one_table else "a table each"
                    sys.stdout.write(f"{told:16}  {n:5}  {repeats:7}  {what:10}  {plain:6.1%}   {widened:6.1%}\n")
                sys.stdout.flush()
    sys.stdout.write("\nfrontier: sure of a difference that is none\ntable  repeats   as it is   widened\n")
    for n in SIZES:
        for repeats in REPEATS:
            plain, widened = certainties(n, repeats, experiments // 2)
            sys.stdout.write(f"{n:5}  {repeats:7}   {plain:8.1%}   {widened:7.1%}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
