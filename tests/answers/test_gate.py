from pathlib import Path

import pytest

from made_up_results import made_up_folder, made_up_runs, with_values
from significand.answers.compare import FolderComparison, compare_folders
from significand.answers.gate import FailOn, failing, unjudged

pytestmark = pytest.mark.slow


def compared(
    tmp_path: Path, slower: float, spread: float, margin: str | None, metrics: str = "latency"
) -> FolderComparison:
    """Compare eight runs with eight whose latency is another."""
    old = made_up_folder(tmp_path / "old", made_up_runs(1, spread=spread))
    new = made_up_folder(tmp_path / "new", made_up_runs(2, spread=spread, slower=slower))
    return compare_folders(old, new, metrics=metrics.split(","), margin=margin)


@pytest.mark.parametrize(
    ("slower", "spread", "margin", "verdict", "fails"),
    [
        (1.10, 0.01, None, "worse", True),
        (1.10, 0.01, "2%", "worse", True),  # surely beyond
        (1.022, 0.008, None, "worse", True),
        (1.022, 0.008, "2%", "worse", False),  # worse, but it may be by less than the margin
        (1.01, 0.002, None, "worse", True),
        (1.01, 0.002, "2%", "equivalent", False),  # surely within
        (1.00, 0.01, None, "no difference shown", False),
        (0.90, 0.01, "2%", "better", False),
    ],
)
def test_a_gate_fails_only_on_what_is_surely_beyond_the_margin(
    tmp_path: Path, slower: float, spread: float, margin: str | None, verdict: str, fails: bool
) -> None:
    """Without a margin every verdict of worse fails; with one, only where the whole interval lies beyond it."""
    result = compared(tmp_path, slower, spread, margin)
    (one,) = result.comparisons
    assert one.verdict == verdict
    if margin and verdict == "worse":
        assert fails == (one.estimate.low > 1.02)
    assert failing(result, "worse") == ([one] if fails else [])


@pytest.mark.parametrize(("fail_on", "fails"), [("worse", False), ("different", True)])
def test_a_gate_may_ask_for_no_difference_at_all(tmp_path: Path, fail_on: FailOn, fails: bool) -> None:
    """`different` fails also on what is better."""
    assert bool(failing(compared(tmp_path, 0.9, 0.01, "2%"), fail_on)) == fails


def test_accuracies_get_worse_downwards(tmp_path: Path) -> None:
    """A lower accuracy fails, a higher one does not; the margin is in points."""
    before, after = made_up_runs(1), made_up_runs(2)
    high = with_values(after, "final_train_accuracy", [run.final_train_accuracy + 0.03 for run in after])
    old, new = made_up_folder(tmp_path / "old", before), made_up_folder(tmp_path / "new", high)
    metrics = ["accuracy"]
    assert failing(compare_folders(old, new, metrics=metrics), "worse") == []
    assert failing(compare_folders(new, old, metrics=metrics), "worse")
    assert failing(compare_folders(new, old, metrics=metrics, accuracy_margin=1), "worse")
    assert failing(compare_folders(new, old, metrics=metrics, accuracy_margin=5), "worse") == []


@pytest.mark.parametrize(("n", "size", "fails"), [(8, 1.6, True), (1, 1.6, True), (8, 1.51, False), (8, 1.4, False)])
def test_the_size_of_a_model_needs_no_test(tmp_path: Path, n: int, size: float, fails: bool) -> None:
    """A model file that is larger in every run by more than the margin fails, though there is no spread to test."""
    old = made_up_folder(tmp_path / "old", made_up_runs(1, n=n))
    new = made_up_folder(tmp_path / "new", with_values(made_up_runs(2, n=n), "model_size_mb", [size] * n))
    result = compare_folders(old, new, metrics=["model_size"], margin="2%")
    assert result.comparisons[0].verdict == "not tested"
    assert bool(failing(result, "worse")) == fails
    assert unjudged(result) == []


def test_a_single_run_judges_nothing(tmp_path: Path) -> None:
    """One repeat has no spread: no comparison is judged, and a gate that holds would mean nothing."""
    old = made_up_folder(tmp_path / "old", made_up_runs(1, n=1))
    new = made_up_folder(tmp_path / "new", made_up_runs(2, n=1, slower=10.0))
    for metrics in (["latency", "accuracy"], None):  # by default the size of the model is among them, which is equal
        result = compare_folders(old, new, metrics=metrics)
        assert failing(result, "worse") == []
        assert unjudged(result) == ["float32"]


@pytest.mark.parametrize("seed", [7, 100])
@pytest.mark.parametrize(
    ("column", "metric", "factor", "margin"),
    [("final_train_accuracy", "accuracy", 0.5, 2), ("peak_memory_mb", "memory", 2.0, "2%")],
)
def test_what_changes_by_the_same_in_all_runs_fails(
    tmp_path: Path, seed: int, column: str, metric: str, factor: float, margin: float | str
) -> None:
    """Without any spread there is no test and no verdict, but what is worse in every run by the same fails the gate."""
    before, after = (
        with_values(made_up_runs(shake, n=5, seed=first), column, [value] * 5)
        for shake, first, value in ((1, 7, 1.0), (2, seed, factor))
    )
    old = made_up_folder(tmp_path / "old", before, experiment={"seed": 7})
    new = made_up_folder(tmp_path / "new", after, experiment={"seed": seed})
    name = "accuracy_margin" if metric == "accuracy" else "margin"
    for options in ({}, {name: margin}):
        worse = compare_folders(old, new, **options)  # type: ignore[arg-type]  # by name
        (found,) = failing(worse, "worse")
        assert (found.metric, found.verdict) == (metric, "not tested")
        assert failing(compare_folders(new, old, **options), "worse") == []  # type: ignore[arg-type]  # by name
    assert failing(compare_folders(old, new, margin="150%", accuracy_margin=60), "worse") == []
    assert unjudged(compare_folders(old, new, metrics=[metric])) == []


def test_an_estimated_energy_never_fails(tmp_path: Path) -> None:
    """Twice the estimated energy in every run is no change that a gate knows, nor a judgement."""
    before, after = (
        with_values(made_up_runs(shake), "energy_per_epoch_j", [energy] * 8) for shake, energy in ((1, 1.0), (2, 2.0))
    )
    old, new = made_up_folder(tmp_path / "old", before), made_up_folder(tmp_path / "new", after)
    result = compare_folders(old, new, metrics=["energy"])
    assert result.comparisons[0].estimate.point == pytest.approx(2.0)
    assert failing(result, "worse") == []
    assert unjudged(result) == ["float32"]


def test_every_mode_is_judged_by_itself(tmp_path: Path) -> None:
    """A mode with a single run left, or planned and never reached, is unjudged, whatever the other modes are."""
    modes = ("float32", "int8", "float16", "float64")
    before = [run for shake, mode in enumerate(modes) for run in made_up_runs(shake, mode=mode)]
    nearly = with_values(made_up_runs(5, mode="int8"), "status", ["finished", *["failed"] * 7])
    old = made_up_folder(tmp_path / "old", before)
    new = made_up_folder(
        tmp_path / "new",
        [*made_up_runs(6), *nearly],
        experiment={"precision_modes": ["float32", "int8", "float16"]},
    )
    result = compare_folders(old, new)
    assert unjudged(result) == ["int8", "float16"]
    assert list(result.lost) == []
