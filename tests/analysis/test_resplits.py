"""Repeats that hold out other examples of one table."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import make_moons
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.svm import SVC

from made_up_results import made_up_runs
from significand.analysis.claims import compare_setups
from significand.analysis.intervals import RESPLIT, mean_t
from significand.analysis.loss import loss_of_repeats
from significand.analysis.resplits import overlap, overlap_of
from significand.results.records import Run
from significand.results.table import RunTable, table_of

SCORES = [0.90, 0.92, 0.91, 0.95, 0.87]


def runs_of(drawn_from: int, n_test: int = 20) -> list[Run]:
    """Return runs of two modes that hold out so many of a table of so many, with known held-out scores."""
    made = [*made_up_runs(1, n=5, mode="float32"), *made_up_runs(2, n=5, mode="int8")]
    lower = {"float32": 0.0, "int8": 0.01}
    return [
        Run(
            **run.to_row()  # type: ignore[arg-type]  # by name
            | {
                "n_test": n_test,
                "test_drawn_from": drawn_from,
                "test_accuracy": SCORES[run.repeat] - lower[run.precision_mode] * (1 + run.repeat),
            }
        )
        for run in made
    ]


def tabled(drawn_from: int) -> RunTable:
    """Return these runs as columns."""
    return table_of(runs_of(drawn_from))


def test_the_overlap_is_test_by_training_where_a_repeat_uses_the_whole_table() -> None:
    """Nadeau and Bengio's n_test / n_train: a fifth held out is a quarter of the rest."""
    assert overlap(20, 100) == 0.25


@pytest.mark.parametrize(("n_test", "drawn_from"), [(20, 20), (20, 0), (0, 100), (0, 0)])
def test_fixed_and_new_examples_need_no_correction(n_test: int, drawn_from: int) -> None:
    """The same ones in each repeat; data made anew, or nobody knows; none held out."""
    assert overlap(n_test, drawn_from) == 0


def test_the_variance_of_the_mean_has_the_corrected_factor() -> None:
    """Golden value from the paper's formula: s² (1 / 5 + 1 / 4) and Student's 2.776 of four degrees of freedom."""
    plain, widened = mean_t(SCORES), mean_t(SCORES, overlap=0.25)
    half = 2.7764451051977987 * np.std(SCORES, ddof=1) * math.sqrt(1 / 5 + 1 / 4)
    assert widened.high - widened.point == pytest.approx(half, rel=1e-12)
    assert (plain.method, widened.method) == ("t", RESPLIT)
    assert plain.point == widened.point


def test_the_correction_gives_what_scikit_learn_prints() -> None:
    """Golden values: those of its example "Statistical comparison of models using grid search", 10 times 10 folds."""
    x, y = make_moons(noise=0.352, random_state=1, n_samples=100)
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    scores = [
        cross_val_score(SVC(kernel=kernel, random_state=0), x, y, scoring="roc_auc", cv=folds)
        for kernel in ("rbf", "linear")
    ]
    loss = loss_of_repeats(scores[0] - scores[1], shared=overlap(10, 100))
    assert loss.point / loss.standard_error == pytest.approx(0.750, abs=5e-4)
    assert loss.p_of_less(0) == pytest.approx(0.227, abs=5e-4)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20), st.floats(0, 10))
def test_a_correction_never_narrows(scores: list[float], shared: float) -> None:
    """And leaves the mean where it is."""
    plain, widened = mean_t(scores), mean_t(scores, overlap=shared)
    assert widened.low <= plain.low <= plain.point <= plain.high <= widened.high


def test_for_a_network_that_is_not_trained_the_correction_is_exact() -> None:
    """The mean of all repeats errs as the table does: its variance is that of a mean over the table, s² by its size."""
    n_test, size, repeats = 20, 100, 10_000
    variance = 1.0 / n_test * (1 - n_test / size)  # of a held-out mean around the table's, of scores of variance 1
    assert variance * (1 / repeats + overlap(n_test, size)) == pytest.approx(1 / size, rel=1e-2)


def test_only_comparisons_of_held_out_scores_are_widened() -> None:
    """By the square root of 1 + 5 / 4; costs and training accuracy are measured on what each repeat has."""
    metrics = ("latency", "accuracy", "test_accuracy")
    plain, corrected = (
        {one.metric: one.estimate for one in compare_setups(tabled(drawn_from), [0, 0], metrics=metrics)}
        for drawn_from in (20, 100)
    )
    assert corrected["latency"] == plain["latency"]
    assert corrected["accuracy"] == plain["accuracy"]
    before, after = plain["test_accuracy"], corrected["test_accuracy"]
    assert (before.method, after.method) == ("t", RESPLIT)
    assert after.high - after.low == pytest.approx(1.5 * (before.high - before.low), rel=1e-9)


def test_runs_of_earlier_versions_are_left_as_they_were() -> None:
    """They do not say what they drew from."""
    assert overlap_of(tabled(0)) == 0
    assert overlap_of(tabled(100)) == 0.25
