from pathlib import Path

import numpy as np
import pytest

from made_up_pages import made_up_details, made_up_experiment
from significand.answers.folder import Folder
from significand.present.page.rounds import MOST_STEPS, RoundsFigure, rounds_figures
from significand.present.page.setups import setups_of
from significand.present.page.times import read_times
from significand.results.store import DETAILS


def figures_of(results: Folder) -> dict[str, RoundsFigure]:
    """Prepare the phases of an results, by name."""
    return {one.phase: one for one in rounds_figures(read_times(results, setups_of(results))[0])}


def test_disturbed_steps_are_told_from_what_replaced_them(tmp_path: Path) -> None:
    """A disturbed round is not in the numbers; its second attempt stands beside it and is."""
    figures = figures_of(made_up_experiment(tmp_path / "a", n=2, details={"disturbed": (1,)}))
    rounds = figures["inference"]
    disturbed = [step for step in rounds.steps if step.disturbed]
    assert len(disturbed) == 3 * 2
    assert not any(step.counted for step in disturbed)
    assert all(step.ratio == pytest.approx(3.0, rel=0.02) for step in disturbed)
    assert "Others disturbed 6 of 42 rounds (crosses); none of them is in the numbers." in rounds.caption
    assert "Hollow or thin: 6 not in the numbers" in rounds.caption
    assert figures["training"].caption == "Nothing disturbed any of 30 epoch measurements."


def test_steps_stand_in_their_order(tmp_path: Path) -> None:
    """Positions rise with repeat, index and attempt, and stay within their repeat."""
    rounds = figures_of(made_up_experiment(tmp_path / "a", n=3, details={"disturbed": (5,)}))["inference"]
    assert rounds.repeats == 3
    for setup in range(3):
        positions = [step.position for step in rounds.steps if step.setup == setup]
        assert positions == sorted(positions)
    assert all(step.repeat < step.position < step.repeat + 1 for step in rounds.steps)
    assert rounds.y.low < 1 < rounds.y.high


def test_what_stayed_disturbed_is_said(tmp_path: Path) -> None:
    """A disturbed step that counts all the same is in the numbers, and the caption says so."""
    results = made_up_experiment(tmp_path / "a", ["float32"], n=1, details={})
    arrays = made_up_details(0)
    arrays["step_disturbed"][-1] = True
    np.savez(results.path / DETAILS / "r000-float32.npz", **arrays)  # type: ignore[arg-type]
    caption = figures_of(results)["inference"].caption
    assert caption == "Others disturbed 1 of 6 rounds (crosses); 1 of them are in the numbers all the same."


def test_what_nobody_can_tell_is_not_called_quiet(tmp_path: Path) -> None:
    """A step whose noise could not be read is neither disturbed nor said to be undisturbed."""
    results = made_up_experiment(tmp_path / "a", ["float32"], n=1, details={})
    arrays = made_up_details(0)
    arrays["step_share"][:7] = np.nan
    np.savez(results.path / DETAILS / "r000-float32.npz", **arrays)  # type: ignore[arg-type]
    figures = figures_of(results)
    unknown = "Whether others disturbed {} {}, nobody can tell; see `significand doctor`."
    assert figures["training"].caption == unknown.format(5, "epoch measurements")
    assert figures["inference"].caption == "Nothing disturbed any of 4 rounds. " + unknown.format(2, "rounds")


def test_rounds_before_the_steady_state_are_not_in_the_numbers(tmp_path: Path) -> None:
    """They are hollow, and training epochs of the same index are not."""
    figures = figures_of(made_up_experiment(tmp_path / "a", details={}, columns={"steady_from_round": 2}))
    assert sum(not step.counted for step in figures["inference"].steps) == 3 * 4 * 2
    assert all(step.counted for step in figures["training"].steps)


@pytest.mark.slow
def test_of_too_many_steps_the_disturbed_ones_stay(tmp_path: Path) -> None:
    """Quiet steps are left out evenly; the caption counts all."""
    modes = [f"m{k}" for k in range(6)]
    results = made_up_experiment(tmp_path / "a", modes, n=15, details={"rounds": 30, "disturbed": (3,), "calls": 2})
    rounds = figures_of(results)["inference"]
    assert len(rounds.steps) == MOST_STEPS
    assert sum(step.disturbed is True for step in rounds.steps) == 6 * 15
    assert "Others disturbed 90 of 2,790 rounds" in rounds.caption
    assert "2,500 are drawn, disturbed ones first." in rounds.caption


def test_of_too_many_disturbed_steps_many_stay(tmp_path: Path) -> None:
    """Where everything was disturbed the chart is bounded all the same."""
    results = made_up_experiment(tmp_path / "a", n=15, details={"rounds": 50, "disturbed": range(50), "calls": 2})
    rounds = figures_of(results)["inference"]
    assert len(rounds.steps) == MOST_STEPS
    assert sum(step.disturbed is True for step in rounds.steps) == MOST_STEPS // 2


def test_phases_without_steps_are_left_out(tmp_path: Path) -> None:
    """Results of an older version have no steps: there is no chart of nothing."""
    assert figures_of(made_up_experiment(tmp_path / "a")) == {}
