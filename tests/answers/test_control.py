"""Training that is the same in two results, as a control for what their sessions do to times."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from made_up_results import made_up_folder, made_up_runs
from significand.answers.compare import FolderComparison, compare_folders
from significand.present.terminal.compare_view import compare_markdown
from significand.results.records import Run

NEXT = {"significand": "0.1.0", "torch": "2.12.0", "numpy": "2.4.0", "onnxruntime": "9.9"}
"""The versions of the machine that made-up results are of, and another engine."""


def trained(runs: Sequence[Run], *, longer: float = 1.0, loss: float = 0.5) -> list[Run]:
    """Return runs of a network that trained so long, to a loss that its seed decides."""
    return [
        replace(
            run,
            training_precision="float32",
            final_train_loss=loss / run.seed,
            train_time_per_epoch_s=longer * run.train_time_per_epoch_s,
        )
        for run in runs
    ]


def compared(
    folder: Path,
    *,
    longer: float = 1.08,
    slower: float = 1.08,
    loss: float = 0.5,
    versions: dict[str, str] | None = None,
    allow: Sequence[str] = (),
) -> FolderComparison:
    """Compare two results of which the new one trains and infers longer."""
    before = made_up_runs(1, spread=0.003)
    after = made_up_runs(2, spread=0.003, slower=slower)
    old = made_up_folder(folder / "old", trained(before))
    machine = {"versions": versions} if versions else None
    new = made_up_folder(folder / "new", trained(after, longer=longer, loss=loss), machine=machine)
    return compare_folders(old, new, metrics=["latency", "train_time", "memory"], allow=allow)


def verdicts(result: FolderComparison) -> list[str]:
    """Return the verdicts, metric by metric."""
    return [one.verdict for one in result.comparisons]


def test_what_a_session_does_to_the_same_training_is_no_verdict(tmp_path: Path) -> None:
    """Latency and training take 8 % longer in a new session of the same: times are not called worse, and it is told."""
    result = compared(tmp_path)
    assert result.control is not None
    assert result.control.is_of_sessions
    assert verdicts(result)[:2] == ["no difference shown", "no difference shown"]
    assert [one.estimate.method for one in result.comparisons] == ["t over sessions", "t over sessions", "t"]
    text = compare_markdown(result)
    assert "no difference shown (these two sessions differ too much to show one)" in text
    assert "Training of float32 is the same to the last bit in both, and 1.0" in text
    assert "the session did that, or what nobody recorded, and no change of what comes after training." in text
    assert "intervals of times allow for what training that is the same in both shows of it" in text


def test_the_control_is_the_paired_ratio_of_training_times(tmp_path: Path) -> None:
    """The interval is that of SciPy's paired t test on the logs of the times."""
    found = compared(tmp_path)
    assert found.control is not None
    sides = [np.log(side.runs.numbers("train_time_per_epoch_s")) for side in (found.new, found.old)]
    golden = stats.ttest_rel(*sides).confidence_interval()
    estimate = found.control.estimate
    assert (estimate.low, estimate.high) == pytest.approx((np.exp(golden.low), np.exp(golden.high)), rel=1e-9)
    assert found.control.standard_error == pytest.approx(stats.sem(sides[0] - sides[1]), rel=1e-9)


def test_sessions_that_do_not_differ_leave_the_verdict(tmp_path: Path) -> None:
    """Where the same training takes as long, a latency that is 8 % higher is worse."""
    result = compared(tmp_path, longer=1.0)
    assert verdicts(result)[:2] == ["worse", "no difference shown"]
    assert "and as fast, as far as can be told" in compare_markdown(result)


def test_another_engine_is_no_cause_of_longer_training(tmp_path: Path) -> None:
    """What comes after training may have changed: the control still holds."""
    result = compared(tmp_path, versions=NEXT, allow=["machine.versions.onnxruntime"])
    assert result.control is not None
    assert result.control.is_of_sessions
    assert verdicts(result)[0] == "no difference shown"


@pytest.mark.parametrize("package", ["torch", "significand"])
def test_a_change_that_training_may_have_felt_is_told_and_not_hidden(tmp_path: Path, package: str) -> None:
    """Then session and change cannot be told apart: intervals are as without, and the words name both."""
    result = compared(
        tmp_path,
        versions={"significand": "0.1.0", "torch": "2.12.0", "numpy": "2.4.0", package: "9.9"},
        allow=["machine.versions"],
    )
    assert result.control is not None
    assert list(result.control.suspects) == [f"machine.versions.{package}"]
    assert verdicts(result)[:2] == ["worse", "worse"]
    told = f"the session did that, or machine.versions.{package}; two sessions cannot tell, --against can."
    assert told in compare_markdown(result)


def test_training_that_differs_in_one_bit_is_no_control(tmp_path: Path) -> None:
    """Nor is one of which no loss is known."""
    result = compared(tmp_path / "a", loss=float(np.nextafter(0.5, 1)))
    assert result.control is None
    assert "the same to the last bit" not in compare_markdown(result)
    old, new = (made_up_folder(tmp_path / name, made_up_runs(1)) for name in ("old", "new"))
    assert compare_folders(old, new).control is None


def test_json_holds_the_control(tmp_path: Path) -> None:
    """With its setups, its ratio and what else may have been the cause."""
    told = compared(tmp_path).to_dict()["same_training"]
    assert isinstance(told, dict)
    assert (told["setups"], told["suspects"], told["ratio"]["n"]) == (["float32"], [], 8)
