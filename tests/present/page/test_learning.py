from pathlib import Path

import numpy as np
import pytest

from made_up_pages import made_up_experiment
from significand.answers.folder import Folder
from significand.present.page.learning import AGAINST, TrainingFigure, training_figure
from significand.present.page.setups import setups_of
from significand.present.page.times import read_times
from significand.results.store import DETAILS


def figure_of(results: Folder) -> TrainingFigure:
    """Prepare the curves of an results."""
    return training_figure(read_times(results, setups_of(results))[0])


def test_the_mean_is_that_of_all_runs(tmp_path: Path) -> None:
    """Losses epoch by epoch, against the epoch's number and against the time since training began."""
    results = made_up_experiment(tmp_path / "a", n=3, details={"epochs": 4})
    figure = figure_of(results)
    arrays = [np.load(results.path / DETAILS / f"r{k:03}-int8.npz") for k in range(3)]
    mean = figure.curves[2].mean
    assert [epoch.number for epoch in mean] == [1, 2, 3, 4]
    assert [epoch.loss for epoch in mean] == pytest.approx(np.mean([a["epoch_loss"] for a in arrays], axis=0))
    ends_ms = 1000 * np.mean([np.cumsum(a["epoch_time_s"]) for a in arrays], axis=0)
    assert [epoch.time for epoch in mean] == pytest.approx(ends_ms)
    assert len(figure.curves[2].runs) == 3 * 4
    assert figure.time.label == "Time in training (ms)"
    assert figure.time.low <= 0
    assert set(figure.captions) == set(AGAINST)


def test_curves_that_coincide_are_marked_at_epochs_of_their_own(tmp_path: Path) -> None:
    """Three modes that train alike alternate their markers along one line."""
    figure = figure_of(made_up_experiment(tmp_path / "a", details={"epochs": 12}))
    marked = [{epoch.number for epoch in curve.mean if epoch.marked} for curve in figure.curves]
    assert all(marked)
    assert not marked[0] & marked[1]
    assert not marked[1] & marked[2]


def test_many_epochs_and_runs_are_thinned(tmp_path: Path) -> None:
    """The page holds a bounded number of points and says what it left out; first and last epoch stay."""
    modes = [f"m{k}" for k in range(4)]
    figure = figure_of(made_up_experiment(tmp_path / "a", modes, n=16, details={"epochs": 300, "rounds": 1}))
    assert sum(len(curve.runs) for curve in figure.curves) <= 6000
    assert (figure.curves[0].mean[0].number, figure.curves[0].mean[-1].number) == (1, 300)
    assert "Of many epochs 120 are drawn." in figure.captions["epoch"]
    assert "the first 12 runs are drawn" in figure.captions["epoch"]


def test_a_single_run_is_its_own_mean(tmp_path: Path) -> None:
    """It is not drawn twice; a single epoch is still marked."""
    figure = figure_of(made_up_experiment(tmp_path / "a", n=1, details={"epochs": 1}))
    assert all(curve.runs == () for curve in figure.curves)
    assert all(curve.mean[0].marked for curve in figure.curves)


def test_without_single_times_there_are_no_curves(tmp_path: Path) -> None:
    """Nothing kept, nothing drawn."""
    assert figure_of(made_up_experiment(tmp_path / "a")).curves == ()
