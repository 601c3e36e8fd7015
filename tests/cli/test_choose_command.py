"""`significand choose`, and its flags on `significand run`."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from made_up_jobs import QUICK
from made_up_results import made_up_folder, made_up_runs
from significand.cli import main
from significand.results.store import ANSWER_JSON, MANIFEST


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return results in which int8 is twice as fast, as accurate and as large as float32."""
    runs = [*made_up_runs(1, mode="float32", n=6), *made_up_runs(2, mode="int8", n=6, slower=0.5)]
    runs = [replace(run, engine="onnxruntime") for run in runs]
    return made_up_folder(tmp_path / "results", runs, experiment={"precision_modes": ["float32", "int8"], "repeats": 6})


def _shown(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    shown = capsys.readouterr()
    return " ".join(shown.out.split()), " ".join(shown.err.split())


def test_the_decision_comes_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Then what was asked, and how each setup stands."""
    assert main(["choose", str(folder)]) == 0
    out, _ = _shown(capsys)
    assert out.startswith("Ship int8 on onnxruntime: 1.99x lower latency than float32 [1.97, 2.02]")
    assert "Asked: lowest latency, at most 1 point of test accuracy lost. int8 on onnxruntime: keeps what was" in out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--require", "int8"], 0),
        (["--require", "float32"], 1),
        (["--require", "int8", "--minimise", "model_size"], 1),
        (["--require", "int8", "--minimise", "model-size"], 1),
        (["--require", "int9"], 2),
    ],
)
def test_a_required_setup_decides_the_exit_code(
    folder: Path, words: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 where it is chosen, 1 where another one is, and 2 where there is none of that name."""
    assert main(["choose", str(folder), *words]) == code
    _, err = _shown(capsys)
    assert bool(err) == (code > 0)


def test_every_mistake_is_told_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A margin below 0, an estimate to minimise, a unit that does not fit: a line each, and exit code 2."""
    words = ["--max-loss", "-1", "--minimise", "energy", "--limit", "memory=5s", "--require", "int9"]
    assert main(["choose", str(folder), *words]) == 2
    out, err = _shown(capsys)
    assert not out
    for told in ("max_loss: '-1' is out of range", "is an estimate", "the unit 's'", "require: 'int9'"):
        assert told in err


def test_limits_may_be_given_several_times(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of them count."""
    assert main(["choose", str(folder), "--limit", "memory=50MB", "--limit", "latency=1ns", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["limits"] == ["memory=50MB", "latency=1ns"]
    assert told["verdict"] == "nothing fits"


@pytest.mark.usefixtures("instant")
def test_a_run_answers_what_it_was_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The question is in the manifest, the answer in a file of its own and above the table."""
    words = ["--max-loss", "2", "--minimise", "model_size", "--limit", "memory=50MB", "--output-dir", str(tmp_path)]
    assert main([*QUICK, *words]) == 0
    out, _ = _shown(capsys)
    assert out.startswith(("Keep float32", "Ship int8", "Not decided"))
    assert "Asked: lowest model size, at most 2 points of test accuracy lost, peak memory at most 50MB." in out
    asked = json.loads((tmp_path / MANIFEST).read_text("utf-8"))["experiment"]
    assert (asked["max_loss"], asked["minimise"], asked["limit"]) == (2.0, "model_size", ["memory=50MB"])
    assert json.loads((tmp_path / ANSWER_JSON).read_text("utf-8"))["max_loss"] == 0.02


def test_mistakes_in_the_question_stop_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is measured, all at once."""
    words = ["--max-loss", "-1", "--limit", "latency=5MB", "--minimise", "speed", "--output-dir", str(tmp_path)]
    assert main([*QUICK, *words]) == 2
    _, err = _shown(capsys)
    for told in ("max_loss: '-1' is out of range", "the unit 'MB'", "'speed' is not a cost to minimise"):
        assert told in err


def test_what_is_of_training_limits_no_network_that_is_only_inferred(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With epochs 0 there is no training time, and no energy."""
    words = [*QUICK, "--limit", "train_time=1s", "--minimise", "energy", "--output-dir", str(tmp_path)]
    words[words.index("--epochs") + 1] = "0"
    assert main(words) == 2
    _, err = _shown(capsys)
    assert "limit: 'train_time' is of training" in err
    assert "minimise: 'energy' is of training" in err
