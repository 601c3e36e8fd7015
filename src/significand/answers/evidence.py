"""The evidence for a decision, from the runs of a folder: costs, limits and losses, repeat by repeat or by examples."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from significand.analysis.choose import Limit
from significand.analysis.loss import Loss, loss_of_examples, loss_of_repeats
from significand.analysis.moments import Floats
from significand.analysis.resplits import binomial_deviation, fewest_of, overlap_of, population_of, step_of
from significand.answers.examples import same_weights, scored_examples
from significand.plan.metrics import HELD_OUT, METRICS, Metric, scored
from significand.plan.setup import Setup
from significand.results.table import Rows, RunTable

if TYPE_CHECKING:
    from significand.answers.folder import Folder


def limit_of_runs(results: "Folder", metric: Metric, bound: float, repeats: Rows, places: Sequence[int]) -> Limit:
    """Return how far runs are beyond a limit, and how far that may be wrong."""
    runs = results.runs
    values = by_repeat(runs, runs.numbers(metric.column), repeats)[:, places]
    sign = 1.0 if metric.lower_is_better else -1.0
    if metric.scale == "ratio":
        logs = logs_or_nan(values)
        return Limit(
            sign * (logs - math.log(bound)),
            metric.is_exact,
            blur_of(logs, results.resolution_of[metric.name]),
            is_cost=True,
        )
    if metric.name != HELD_OUT:
        step = step_of(runs, "n_train") if metric.scale == "points" else 0.0
        return Limit(sign * (values - bound), resolution=np.full(len(places), step))
    step = step_of(runs, "n_test") if metric.scale == "points" else 0.0
    least = np.full(len(places), step)
    if step and population_of(runs) in {"one table", "made anew"}:  # each repeat has other examples
        least = np.fmax(step, binomial_deviation(_means(values), fewest_of(runs, "n_test")))
    return Limit(sign * (values - bound), shared=overlap_of(runs), resolution=least)


def blur_of(logs: Floats, resolution: float) -> Floats | None:
    """Return by setup how far the mean log of a cost may be wrong, by what its meter can tell; NaN without runs."""
    if not resolution:
        return None
    blur: Floats = np.log1p(resolution / np.exp(_means(logs)))
    return blur


def _means(values: Floats) -> Floats:
    """Return the mean of each column over the repeats that have one; NaN, and no warning, where none has."""
    known = np.isfinite(values)
    counts = known.sum(axis=0)
    sums = np.where(known, values, 0.0).sum(axis=0)
    means: Floats = np.divide(sums, counts, out=np.full(counts.shape, np.nan), where=counts > 0)
    return means


def logs_or_nan(values: Floats) -> Floats:
    """Return logs of costs; NaN of what is none."""
    return np.log(values, out=np.full(values.shape, np.nan), where=(values > 0) & (values < np.inf))


def by_repeat(runs: RunTable, values: Floats, repeats: Rows) -> Floats:
    """Return the values of the finished runs, shape (repeats, setups); NaN where there is none."""
    table = np.full((repeats.size, len(runs.setups)), np.nan)
    rows = np.flatnonzero(runs.finished)
    table[np.searchsorted(repeats, runs.counts("repeat")[rows]), runs.codes[rows]] = values[rows]
    return table


class Losses:
    """What each setup loses of the held-out score against the reference."""

    def __init__(self, results: "Folder", setups: Sequence[Setup], reference: int, repeats: Rows) -> None:
        self._runs, self._setups, self._reference = results.runs, setups, reference
        self._scores = by_repeat(self._runs, self._runs.numbers(METRICS[HELD_OUT].column), repeats)
        try:
            self._examples = scored_examples(results, list(results.runs.setups))
        except ValueError:  # damaged: the repeats are still there
            self._examples = {}
        self._shared = overlap_of(self._runs)
        if population_of(self._runs) == "unknown":  # of an earlier version: as if all repeats split one table
            rows = self._runs.rows_of(reference)
            n_test, n_train = (float(self._runs.counts(name)[rows].mean()) for name in ("n_test", "n_train"))
            self._shared = n_test / n_train if n_train else 0.0
        self._resolution = self._step(results.score)

    def of(self, setup: int) -> Loss:
        """Return the loss of a setup, by examples where that is possible, else by repeats."""
        if setup == self._reference:
            return Loss(None, reason="it is what the others are held against")
        own, other = (self._examples.get(self._runs.setups[k]) for k in (setup, self._reference))
        if own and other and self._share_weights(setup):
            _, ours, theirs = np.intersect1d(own.pairs, other.pairs, return_indices=True)
            repeats = int(np.isfinite(self._differences(setup)).sum())
            return loss_of_examples(own.scores[ours], other.scores[theirs], own.examples[ours], max(1, repeats))
        return loss_of_repeats(self._differences(setup), shared=self._shared, resolution=self._resolution)

    def _step(self, score: str) -> float:
        """Return half of what one answer more or less makes in a score; of another score, what one example can make."""
        step = step_of(self._runs, "n_test")
        if scored(score)[HELD_OUT].scale == "points":
            return step
        known = [one.scores for one in self._examples.values()]
        return step * float(np.ptp(np.concatenate(known))) if known else 0.0

    def _differences(self, setup: int) -> Floats:
        differences: Floats = self._scores[:, self._reference] - self._scores[:, setup]
        return differences

    def _share_weights(self, setup: int) -> bool:
        """Tell whether both infer with the same weights before conversion."""
        return same_weights(self._setups[setup], self._setups[self._reference])
