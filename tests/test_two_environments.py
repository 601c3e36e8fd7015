"""Behaviour of `significand run --against`, from the plan to the page: two environments in one session."""

import contextlib
import io
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from conftest import SMALL
from made_up_environment import made_up_environment, own_packages
from significand.answers.folder import read_folder
from significand.cli import main
from significand.job import Outcome, run_experiment_in
from significand.plan.problems import PlanError
from significand.results.store import MANIFEST

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("warm"),
]


@dataclass(frozen=True)
class Measured:
    """An experiment that was held against an environment in which a call takes ten times as long."""

    folder: Path
    there: Path
    outcome: Outcome

    @property
    def manifest(self) -> Mapping[str, object]:
        """What manifest.json says."""
        return dict(json.loads((self.folder / MANIFEST).read_text("utf-8")))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """Measure it once, for all tests.

    The margin keeps what this machine does to some other metric, once in twenty times by chance alone, out of the gate.
    """
    folder = tmp_path_factory.mktemp("against")
    there = made_up_environment(folder / "venv", slower=10, onnxruntime="0.1.2")
    fields = SMALL | {"against": there, "repeats": 5, "epochs": 1, "precision_modes": ["float32"], "margin": 0.9}
    return Measured(folder / "out", there, run_experiment_in(folder / "out", fields))


def command(*words: object) -> tuple[int, str]:
    """Give a command, and return its exit code and what it told on stderr."""
    with contextlib.redirect_stderr(io.StringIO()) as told, contextlib.redirect_stdout(io.StringIO()):
        code = main(list(map(str, words)))
    return code, told.getvalue()


def test_a_slower_environment_is_found(measured: Measured) -> None:
    """The ratio is that of here to there, and so the verdict on here is better.

    How much a call takes there depends on what else runs; which of the two is slower does not.
    """
    (latency,) = (one for one in measured.outcome.claims.comparisons if one.metric == "latency")
    assert (latency.setup, latency.baseline) == ("float32-here", "float32-other")
    assert latency.verdict == "better"
    assert latency.estimate.point < 0.5


def test_what_is_the_same_in_both_does_not_differ(measured: Measured) -> None:
    """The same versions train the same weights from the same seeds: scores and sizes are equal run by run."""
    runs = measured.outcome.results.runs
    for column in ("test_accuracy", "final_train_accuracy", "model_size_mb"):
        values = runs.numbers(column)
        here, there = (values[runs.rows_of(code)] for code in (0, 1))
        np.testing.assert_array_equal(here, there)


def test_the_manifest_names_the_other_environment(measured: Measured) -> None:
    """Its place and versions are kept, as is what it was compared by."""
    against = measured.manifest["against"]
    assert isinstance(against, dict)
    assert (against["path"], against["versions"]["onnxruntime"]) == (str(measured.there), "0.1.2")
    assert read_folder(measured.folder).experiment.baseline == (("variant", "other"),)


def test_page_and_terminal_name_the_other_environment(measured: Measured) -> None:
    """A reader sees what was held against what."""
    page = (measured.folder / "report.html").read_text("utf-8")
    assert f"{measured.there}, with onnxruntime 0.1.2 instead of" in page
    assert "this environment" in page


def test_a_gate_holds_this_environment_against_the_other(measured: Measured) -> None:
    """Better passes a gate on worse, and fails one on anything different."""
    resumed = ("run", "--resume", "--output-dir", measured.folder, "-q")
    code, told = command(*resumed, "--fail-on", "worse")
    assert (code, told.splitlines()[-1]) == (0, "significand: --fail-on worse: passed"), told
    code, told = command(*resumed, "--fail-on", "different")
    assert (code, told.splitlines()[-1]) == (1, "significand: --fail-on different: failed")
    assert "float32-here: " in told


def test_a_gate_on_what_is_to_be_shipped_asks_this_environment(measured: Measured) -> None:
    """The only setup here is kept; another precision was not measured."""
    resumed = ("run", "--resume", "--output-dir", measured.folder, "-q")
    assert command(*resumed, "--require", "float32")[0] == 0
    assert command(*resumed, "--require", "float32-here")[0] == 0
    code, told = command(*resumed, "--require", "int8")
    assert code == 2
    assert "require: 'int8' is none of this folder's; give one of float32-here, float32" in told


def test_versions_that_changed_there_are_refused_on_resuming(measured: Measured) -> None:
    """They are named with both values, and can be allowed, as those of this environment can."""
    old = own_packages(measured.there) / "onnxruntime-0.1.2.dist-info" / "METADATA"
    text = old.read_text("utf-8")
    old.write_text(text.replace("0.1.2", "0.1.3"), encoding="utf-8")
    try:
        with pytest.raises(PlanError, match=r"against.versions.onnxruntime: '0.1.2' then, '0.1.3' now"):
            run_experiment_in(measured.folder, {}, resume=True)
    finally:
        old.write_text(text, encoding="utf-8")


def test_an_environment_that_is_gone_is_refused_on_resuming(measured: Measured) -> None:
    """Nothing is measured or written."""
    away = measured.there.with_name("away")
    shutil.move(measured.there, away)
    try:
        with pytest.raises(PlanError, match="is neither a folder nor a program"):
            run_experiment_in(measured.folder, {}, resume=True)
    finally:
        shutil.move(away, measured.there)
