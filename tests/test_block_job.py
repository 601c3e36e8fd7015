"""Whole repeats of an experiment, measured on a machine that did not plan it, into an ordinary result folder."""

from pathlib import Path
from typing import Any

import pytest

from conftest import SMALL
from made_up_fleet import fleet_experiment
from significand.block_job import repeats_of, run_blocks
from significand.fleet_job import run_fleet_in
from significand.job import ExperimentInterrupted
from significand.meters.machine import HOST, describe_machine, host_name
from significand.plan.problems import PlanError
from significand.results.journal import read_journal
from significand.results.lock import HostLock
from significand.results.records import Progress
from significand.runner.fleet_options import FleetOptions
from significand.runner.task import BLOCK, run_task, told


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Return the folder of an experiment that is measured by hand."""
    outcome = run_fleet_in(tmp_path / "fleet", {**SMALL, "threads": 1, "repeats": 4}, FleetOptions("hand"))
    assert outcome.bundle == tmp_path / "fleet" / "experiment.zip"
    return tmp_path / "fleet"


def kept(folder: Path) -> list[tuple[int, str]]:
    """Return repeat and setup of each run in a folder."""
    return [(run.repeat, run.setup) for run in read_journal(folder / "journal.jsonl").runs]


@pytest.mark.usefixtures("instant")
def test_the_repeats_that_are_named_are_measured(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block is an ordinary folder with these repeats, of the machine as it is called; more are added to it."""
    monkeypatch.setenv(HOST, "phone")
    measured = run_blocks(bundle, "2", tmp_path / "phone")
    assert (measured.host, len(measured.runs), measured.failed) == ("phone", 2, [])
    run_blocks(bundle / "experiment.zip", "0-2", tmp_path / "phone")
    assert sorted(kept(tmp_path / "phone")) == [(r, s) for r in (0, 1, 2) for s in ("float32", "int8")]
    facts: Any = read_journal(tmp_path / "phone" / "journal.jsonl").facts
    assert facts["machine"]["host"] == "phone"


@pytest.mark.usefixtures("instant")
def test_a_block_that_was_interrupted_is_completed(bundle: Path, tmp_path: Path) -> None:
    """Ctrl-C keeps what ended; the same command measures the rest."""

    def press(progress: Progress) -> None:
        if progress.ended == 1:
            raise KeyboardInterrupt

    with pytest.raises(ExperimentInterrupted):
        run_blocks(bundle, "1", tmp_path / "a", press)
    assert kept(tmp_path / "a") == [(1, "float32")]
    run_blocks(bundle, "1", tmp_path / "a")
    assert kept(tmp_path / "a") == [(1, "float32"), (1, "int8")]


def test_only_one_block_on_a_machine(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second block at the same time is refused, naming the process that measures."""
    monkeypatch.setenv(HOST, "bench/1")
    with HostLock("bench/1"), pytest.raises(PlanError, match=r"a block is being measured on 'bench/1' by process \d+"):
        run_blocks(bundle, "0", tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_machine_that_differs_is_refused(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version, and fewer CPUs than threads: all said at once, with both values and the remedy."""
    here: Any = describe_machine()
    other = {**here, "versions": {**here["versions"], "numpy": "0.1"}}
    monkeypatch.setattr("significand.block_job.describe_machine", lambda **_: other)
    monkeypatch.setattr("significand.block_job.available_cpus", lambda: 0)
    with pytest.raises(PlanError) as refused:
        run_blocks(bundle, "0", tmp_path / "a")
    threads, numpy = refused.value.problems
    assert threads.startswith(f"threads: 1 exceeds the 0 CPUs of {host_name()}")
    assert f"'0.1' in {host_name()}; install the same, or give --allow machine.versions.numpy" in numpy


def test_a_full_temporary_folder_is_said(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the bundle finds no room, one line says what to do, and nothing is written."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("significand.runner.bundle.Bundle.unpack", full)
    with pytest.raises(PlanError, match="No space left on device; make room, or set TMPDIR"):
        run_blocks(bundle, "0", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("text", "repeats"), [("0", [0]), ("1-3", [1, 2, 3]), ("0,2", [0, 2]), ("3,1-2,3", [3, 1, 2])])
def test_repeats_are_named_one_by_one_or_from_to(text: str, repeats: list[int]) -> None:
    """One repeat, several, or a range."""
    assert repeats_of(text, fleet_experiment()) == repeats


@pytest.mark.parametrize("text", ["", "x", "-1", "4", "3-1", "0-9999999999999999999999", "1.5", "0,,1", "²"])
def test_what_is_no_repeat_is_refused(text: str) -> None:
    """Anything else is refused with what there is."""
    with pytest.raises(PlanError, match="repeat: "):
        repeats_of(text, fleet_experiment())


@pytest.mark.slow
@pytest.mark.usefixtures("warm_test", "no_orphans")
def test_a_task_sends_a_block_or_a_reason(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task measures in fresh processes and packs what came of it; what goes wrong is a reason, and no exception."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    content, reason = told(run_task(bundle / "experiment.zip", 0))
    assert (content[:2], reason) == (BLOCK, "")
    assert told(run_task(bundle / "experiment.zip", 9))[1].startswith("repeat: '9' is none of this experiment's")
    assert told(run_task(bundle / "none.zip", 0))[1].endswith("give a bundle or its folder")
    assert told(run_task(bundle / "experiment.zip", 0, is_cancelled=lambda: True)) == (b"", "cancelled")


@pytest.mark.parametrize(
    ("sent", "reason"), [(b"", "it sent nothing"), (b"\xff", "�"), (3, "it sent a int instead of")]
)
def test_whatever_a_task_sends_is_taken(sent: object, reason: str) -> None:
    """What is no block is a reason of bounded length."""
    content, told_reason = told(sent)
    assert content == b""
    assert told_reason.startswith(reason)
