"""From a result folder to a decision."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from made_up_results import made_up_folder, made_up_runs, with_values
from significand.analysis.loss import Spread
from significand.answers.choose import Decision, Question, decide
from significand.answers.folder import read_folder
from significand.present.words.decision import decision_told
from significand.results.examples import example_arrays, write_examples
from significand.results.records import Run
from significand.results.store import EXAMPLES_NPZ

N = 400


def runs_of(mode: str, *shakes: int, n: int = 6, accuracy: float = 0.9, **changes: object) -> list[Run]:
    """Return runs of a mode with a held-out accuracy about so high."""
    runs = made_up_runs(*shakes, mode=mode, n=n, **{k: v for k, v in changes.items() if k in {"slower", "spread"}})  # type: ignore[arg-type]
    noise = np.random.default_rng(shakes).normal(0, 0.002, n)
    others = {k: v for k, v in changes.items() if k not in {"slower", "spread"}}
    return [replace(run, test_accuracy=accuracy + float(noise[k]), **others) for k, run in enumerate(runs)]  # type: ignore[arg-type]


def decided(
    folder: Path, runs: Sequence[Run], question: Question | None = None, lost: int | None = None, **experiment: object
) -> Decision:
    """Decide on a folder of these runs; where `lost` is given, each example has a score and int8 loses so many."""
    modes = list(dict.fromkeys(run.precision_mode for run in runs))
    fields = {"precision_modes": modes, "repeats": len(runs) // len(modes), **experiment}
    path = made_up_folder(folder / "results", runs, experiment=fields)
    if lost is not None:
        made = []
        for run in runs:
            scores = np.ones(N)
            scores[: lost if run.precision_mode == "int8" else 0] = 0
            details = {"test_score": scores, "test_example": np.arange(N) + N * run.repeat}
            made.append((run, details))
        write_examples(example_arrays(made), path / EXAMPLES_NPZ)
    return decide(read_folder(path), question)


def test_a_faster_setup_that_loses_little_is_shipped(tmp_path: Path) -> None:
    """Twice as fast, and the accuracies of six repeats are about the same."""
    decision = decided(tmp_path, [*runs_of("float32", 1), *runs_of("int8", 2, slower=0.5)])
    assert decision.choice is not None
    assert decision.choice.verdict == "ship"
    assert decision.chosen == "int8"
    told = decision.to_dict()
    assert told["verdict"] == "ship"
    setups = told["setups"]
    assert isinstance(setups, list)
    int8 = setups[1]
    assert int8["ratio"] == pytest.approx(0.5, rel=0.02)
    assert int8["loss_paired_by"] == "repeat"


def test_examples_are_paired_where_weights_are_shared(tmp_path: Path) -> None:
    """Two answers lost of 400 in each of two repeats are judged answer by answer."""
    runs = [*runs_of("float32", 1, n=2), *runs_of("int8", 2, n=2, slower=0.5)]
    decision = decided(tmp_path, runs, Question(max_loss=2.0), lost=2)
    assert decision.choice is not None
    int8 = decision.choice.candidates[1]
    assert (int8.loss.unit, int8.loss.n) == ("example", 2 * N)
    assert int8.loss.point == pytest.approx(0.005)
    assert int8.loss.at_most() < 0.02


def test_other_weights_are_compared_repeat_by_repeat(tmp_path: Path) -> None:
    """What trained in float16 is another network: its answers say nothing of the format alone."""
    runs = [*runs_of("float32", 1), *runs_of("float16", 2, slower=0.5)]
    decision = decided(tmp_path, runs, lost=0)
    assert decision.choice is not None
    assert decision.choice.candidates[1].loss.unit == "repeat"


def test_the_experiments_own_question_is_the_default(tmp_path: Path) -> None:
    """What `run` was asked is what the folder answers; without flags one point, and latency."""
    runs = [*runs_of("float32", 1), *runs_of("int8", 2, slower=0.5)]
    assert decided(tmp_path / "default", runs).question == Question(None, "latency", ())
    asked = decided(tmp_path / "asked", runs, max_loss=0.5, minimise="model_size", limit=["latency=1ms"])
    assert asked.question == Question(0.5, "model_size", ("latency=1ms",))
    assert asked.margin == pytest.approx(0.005)


def test_a_loss_beyond_the_margin_keeps_the_baseline(tmp_path: Path) -> None:
    """Five points are lost."""
    runs = [*runs_of("float32", 1), *runs_of("int8", 2, slower=0.5, accuracy=0.85)]
    decision = decided(tmp_path, runs)
    assert decision.choice is not None
    assert (decision.choice.verdict, decision.chosen) == ("keep", "float32")


def test_one_repeat_is_not_decided(tmp_path: Path) -> None:
    """A single ratio has no spread, however far from 1."""
    decision = decided(tmp_path, [*runs_of("float32", 1, n=1), *runs_of("int8", 2, n=1, slower=0.5)], lost=0)
    assert decision.choice is not None
    assert (decision.choice.verdict, decision.chosen) == ("undecided", "")


def test_a_baseline_that_failed_leaves_no_answer(tmp_path: Path) -> None:
    """There is nothing to compare with."""
    runs = [*runs_of("float32", 1, status="failed", reason="made to fail"), *runs_of("int8", 2)]
    decision = decided(tmp_path, runs)
    assert decision.choice is None
    assert decision.problems == ["no run of float32 finished, with which the others are compared"]


def test_what_cannot_be_asked_is_told_at_once(tmp_path: Path) -> None:
    """Estimated energy, a metric that nobody measured, and a unit that does not fit the score."""
    question = Question(None, "energy", ("inference_memory=5MB", "test_accuracy=5"))
    problems = decided(tmp_path, [*runs_of("float32", 1), *runs_of("int8", 2)], question).problems
    assert len(problems) == 3
    assert "is an estimate" in problems[0]
    assert "no run of this folder tells its inference memory" in problems[1]
    assert "test_accuracy=5" in problems[2]


def test_no_held_out_score_is_no_evidence(tmp_path: Path) -> None:
    """Nothing is shown to keep the margin."""
    runs = [*runs_of("float32", 1), *runs_of("int8", 2, slower=0.5)]
    runs = with_values(runs, "test_accuracy", [math.nan] * len(runs))
    decision = decided(tmp_path, runs)
    assert decision.choice is not None
    assert decision.choice.candidates[1].loss.reason == "no repeat has a held-out score of both"
    assert decision.choice.verdict == "keep"


def test_a_limit_that_only_another_setup_keeps_decides(tmp_path: Path) -> None:
    """The baseline takes 20 MB: with 15 allowed, int8 is shipped although it is slower."""
    int8 = [replace(run, peak_memory_mb=10.0 + 0.1 * run.repeat) for run in runs_of("int8", 2, slower=1.5)]
    decision = decided(tmp_path, [*runs_of("float32", 1), *int8], Question(limits=("memory=15MB",)))
    assert decision.chosen == "int8"


def test_the_same_score_in_all_repeats_is_evidence(tmp_path: Path) -> None:
    """Of 2,000 held-out examples, six repeats without a difference show that no point is lost, of 20 they do not."""
    for n_test, verdict in ((2000, "ship"), (20, "undecided")):
        runs = [*runs_of("float32", 1, n_test=n_test), *runs_of("float16", 2, slower=0.5, n_test=n_test)]
        runs = with_values(runs, "test_accuracy", [0.9] * len(runs))
        decision = decided(tmp_path / str(n_test), runs)
        assert decision.choice is not None
        assert (decision.choice.verdict, decision.choice.candidates[1].loss.point) == (verdict, 0)


@pytest.mark.parametrize(("drawn_from", "shared"), [(2000, 0.0), (10_000, 0.25), (0, 0.0)])
def test_repeats_are_corrected_for_what_they_share_and_for_nothing_else(
    tmp_path: Path, drawn_from: int, shared: float
) -> None:
    """The same held-out examples each time, one table split anew, data made anew; whatever was trained on."""
    columns = {"n_test": 2000, "n_train": 500, "test_drawn_from": drawn_from}
    decision = decided(tmp_path, [*runs_of("float32", 1, **columns), *runs_of("float16", 2, **columns)])
    assert decision.choice is not None
    evidence = decision.choice.candidates[1].loss.evidence
    assert isinstance(evidence, Spread)
    assert evidence.shared == pytest.approx(shared)


def test_a_limit_within_what_the_meter_cannot_tell_is_open(tmp_path: Path) -> None:
    """With 2 CPUs a peak is known to 0.34 MB: 0.25 MB may be more than 0.3, but is not shown to be."""
    runs = [
        replace(run, peak_memory_mb=peak + 1e-4 * run.repeat)
        for mode, peak in (("float32", 0.27), ("int8", 0.25))
        for run in runs_of(mode, 1 + (mode == "int8"))
    ]
    decision = decided(tmp_path, runs, Question(limits=("memory=300kB",)))
    assert decision.choice is not None
    assert [one.status for one in decision.choice.candidates] == ["open", "open"]


@pytest.mark.parametrize(("n_test", "chosen"), [(36, ""), (5000, "int8")])
def test_a_limit_of_the_score_is_kept_as_surely_as_examples_tell(tmp_path: Path, n_test: int, chosen: str) -> None:
    """With 97 % of 36 right in all repeats, 95 % of all may still not be; with 97 % of 5,000 they are."""
    columns = {"n_test": n_test, "n_train": 4 * n_test, "test_drawn_from": 5 * n_test}
    runs = [*runs_of("float32", 1, **columns), *runs_of("int8", 2, slower=0.5, **columns)]
    runs = with_values(runs, "test_accuracy", [0.97] * len(runs))
    assert decided(tmp_path, runs, Question(max_loss=2.0, limits=("test_accuracy=95%",))).chosen == chosen


def test_a_setup_without_a_run_is_no_warning(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    """Of float16 all runs failed."""
    runs = [*runs_of("float32", 1), *runs_of("float16", 2, status="failed", reason="made to fail")]
    decision = decided(tmp_path, runs, Question(minimise="memory"))
    assert decision.choice is not None
    assert decision.choice.candidates[1].status == "not measured"
    assert not recwarn.list


def test_what_runs_in_another_environment_is_not_shipped(tmp_path: Path) -> None:
    """It is told beside this environment's; the baseline is this environment's float32."""
    runs = [
        replace(run, setup=f"{mode}-{variant}", variant=variant)
        for mode in ("float32", "int8")
        for variant, slower in (("here", 1.0), ("other", 0.5))
        for run in runs_of(mode, len(mode), len(variant), slower=slower * (0.6 if mode == "int8" else 1.0))
    ]
    decision = decided(tmp_path, runs, against="/envs/next", baseline=["variant=other"], repeats=6)
    assert [setup.name for setup in decision.setups] == ["float32-here", "int8-here"]
    assert (decision.chosen, decision.setups[decision.reference].name) == ("int8-here", "float32-here")
    told = str(decision_told(decision))
    assert told.startswith("Ship int8 on onnxruntime: 1.67x lower latency than float32")
    assert "Against the other environment: float32 on onnxruntime 1.999x higher latency" in told
