"""Repeats that hold out other examples of one table each time: what their mean says of the population behind it.

Such repeats share examples, so that their scores are not independent, and the more repeats there are, the more an
interval that takes them as independent promises. Nadeau and Bengio (Machine Learning 52, 2003, section 3.2) widen it:
the variance of the mean is s² (1 / n + n_test / n_train) instead of s² / n.
"""

from typing import Literal

import numpy as np

from significand.analysis.moments import Floats
from significand.results.table import RunTable

Population = Literal["one table", "fixed", "made anew", "unknown"]
"""What repeats hold out: other examples of one table, the same examples, or data of their own."""


def overlap(n_test: int, drawn_from: int) -> float:
    """Return what is added to 1 / n in the variance of the mean.

    Nadeau and Bengio's n_test / n_train, where a repeat uses the whole table. Where it draws a part of the table, what
    is not held out counts as trained on, for repeats share less. Of a network that is not trained this is exact.

    Parameters
    ----------
    n_test
        Examples held out in each repeat.
    drawn_from
        Examples in the table that they are drawn from; 0 where each repeat has its own.

    Returns
    -------
    float
        0 where repeats hold out the same examples, or share none: nothing is to be corrected.
    """
    return n_test / (drawn_from - n_test) if 0 < n_test < drawn_from else 0.0


def overlap_of(runs: RunTable) -> float:
    """Return the overlap of an experiment's runs, the largest where they differ; 0 where it is not known."""
    n_test, drawn_from = (runs.counts(name)[runs.finished] for name in ("n_test", "test_drawn_from"))
    known = (n_test > 0) & (n_test < drawn_from)
    return float((n_test[known] / (drawn_from[known] - n_test[known])).max(initial=0.0))  # as `overlap`, of millions


def population_of(runs: RunTable) -> Population:
    """Return what the repeats of an experiment hold out; unknown of folders of earlier versions."""
    if overlap_of(runs):
        return "one table"
    if runs.counts("test_drawn_from").any():
        return "fixed"
    return "made anew" if "test_drawn_from" in runs.columns and runs.counts("n_test").any() else "unknown"


def binomial_deviation(shares: Floats, n: int) -> Floats:
    """Return the deviation of a share of right answers from one sample of examples to the next.

    By the binomial distribution, of shares that are drawn in a little (Agresti and Coull, American Statistician 52,
    1998): none wrong among few is not none at all.

    Parameters
    ----------
    shares
        Found in `n` answers each, from 0 to 1.
    """
    drawn_in = (shares * n + 2) / (n + 4)
    deviation: Floats = np.sqrt(drawn_in * (1 - drawn_in) / n)
    return deviation


def fewest_of(runs: RunTable, column: str) -> int:
    """Return the fewest examples that a column counts in a finished run; 0 where it is not known."""
    sizes = runs.counts(column)[runs.finished]
    return int(sizes[sizes > 0].min()) if (sizes > 0).any() else 0


def step_of(runs: RunTable, column: str) -> float:
    """Return half of what one answer makes in a mean over the examples that a column counts; 0 where it is not known.

    Means that agree to the last digit differ by less than a step; which part of it, nobody has seen.
    """
    fewest = fewest_of(runs, column)
    return 0.5 / fewest if fewest else 0.0
