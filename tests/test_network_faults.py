"""The promises of docs/faults.md for a network that is no perceptron: a small CNN, in a user's own file."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import psutil
import pytest

from conftest import eventually, workers_of
from made_up_jobs import LEFT, interrupt_at, manifest, nothing_drawn, scores
from significand.answers.compare import compare_folders
from significand.cli import INTERRUPTED
from significand.job import ExperimentInterrupted, run_experiment_in
from significand.plan.problems import PlanError
from significand.results.comparable import ResultsError
from significand.results.journal import JOURNAL, read_journal
from significand.results.records import Progress
from significand.results.store import MANIFEST
from warm_processes import started_cold

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("warm", "no_orphans"),
]

FILE = """
import os
from pathlib import Path
import numpy as np
from significand.workload.networks import cnn

def data():
    images, digits = cnn.data()
    return images, digits[::int(os.environ.get("ORDER", "1"))]

def model():
    np.load(Path(__file__).with_name("scale.npy"))
    return cnn.model()
"""
STOPS = """
import os, time, traceback
from pathlib import Path
import torch
from torch import nn

class Net(nn.Linear):
    def forward(self, x):
        is_run = any(frame.filename.endswith("runner/worker.py") for frame in traceback.extract_stack())
        moment = "export" if torch.compiler.is_exporting() else "conversion" if is_run else "examination"
        if os.environ["STOPS_IN"] == moment:
            Path("stopped").touch()
            time.sleep(600)
        return super().forward(x)

def model():
    return Net(4, 3)

def data():
    x = torch.randn(40, 4)
    return x, x[:, :3].argmax(1)
"""
SHORT = ["--latency-rounds=1", "--round-duration-s=0.005", "--on-noise=mark"]
CNN: dict[str, object] = {
    "n_samples": 200,
    "precision_modes": ["float32", "int8-dynamic"],
    "engine": ["torch"],  # nothing has to be exported
    "batch_size": 16,
    "epochs": 1,
    "repeats": 1,
    "seed": 7,
    "latency_rounds": 2,
    "round_duration_s": 0.002,
    "on_noise": "mark",
}


def written(folder: Path) -> Path:
    """Write the network's file, and the one that it reads."""
    np.save(folder / "scale.npy", np.ones(1))
    path = folder / "net.py"
    path.write_text(FILE, "utf-8")
    return path


@pytest.fixture(scope="module")
def cnn(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, object]:
    """Write the network's file, and return the experiment."""
    return CNN | {"model": str(written(tmp_path_factory.mktemp("networks")))}


@pytest.fixture(scope="module")
def whole(cnn: Mapping[str, object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the experiment through, and return its folder."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        nothing_drawn(patch)
        assert not run_experiment_in(folder, cnn).failed
    return folder


@pytest.fixture(autouse=True)
def drawn_in_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing: what is kept is what this is about."""
    nothing_drawn(monkeypatch)


def assert_complete(folder: Path, whole: Path, cnn: Mapping[str, object]) -> None:
    """Resume, and find the runs of an uninterrupted experiment, and every file."""
    run_experiment_in(folder, cnn, resume=True)
    assert scores(folder) == scores(whole)
    assert {run.name for run in read_journal(folder / JOURNAL).runs} == set(scores(whole))
    assert {path.name for path in folder.iterdir()} == {path.name for path in whole.iterdir()}
    assert manifest(folder)["state"] == "finished"


def test_a_finished_experiment_measures_nothing_again(
    whole: Path, cnn: Mapping[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resumed, with its fields or without, its runs are there; neither processes nor the network start."""
    monkeypatch.setattr("significand.job.Here", None)
    monkeypatch.setattr("significand.job.examined_network", None)
    folder = shutil.copytree(whole, tmp_path / "out")
    assert {path.name for path in folder.iterdir()} <= LEFT
    outcome = run_experiment_in(folder, {}, resume=True)
    assert outcome.note == "2 of 2 runs were there already: nothing was measured"
    assert_complete(folder, whole, cnn)


def test_files_that_were_changed_are_not_resumed(whole: Path, cnn: Mapping[str, object], tmp_path: Path) -> None:
    """It may be another network: refused, by the names of what differs; nothing in the folder changes."""
    folder = shutil.copytree(whole, tmp_path / "out")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    path = Path(str(cnn["model"]))
    path.write_text(f"{FILE}# another\n", "utf-8")
    np.save(path.with_name("scale.npy"), np.zeros(1))
    try:
        with pytest.raises(PlanError) as caught:
            run_experiment_in(folder, {}, resume=True, allow=["machine"])
    finally:
        written(path.parent)
    differing = [line for line in caught.value.problems if " then, " in line]
    assert [line.split(": ")[1] for line in differing] == ["network.files.net.py", "network.files.scale.npy"]
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_data_that_no_file_tells_are_held_before_anything_is_measured(
    whole: Path, cnn: Mapping[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the files are the same, the functions are called once there is something to measure, and then count."""
    folder = shutil.copytree(whole, tmp_path / "out")
    *lines, _ = (folder / JOURNAL).read_text("utf-8").splitlines(keepends=True)
    (folder / JOURNAL).write_text("".join(lines), "utf-8")
    monkeypatch.setenv("ORDER", "-1")
    with pytest.raises(PlanError) as caught:
        run_experiment_in(folder, cnn, resume=True)
    assert [line.split(": ")[1] for line in caught.value.problems if " then, " in line] == ["data_sha256"]
    assert (folder / JOURNAL).read_text("utf-8") == "".join(lines)


@pytest.mark.parametrize("name", ["files.net.py", "files.scale.npy", "weights_sha256"])
def test_a_comparison_with_a_changed_file_wants_to_be_told(whole: Path, tmp_path: Path, name: str) -> None:
    """What was changed may be what is compared: with --allow network it is, and without it is refused by its name."""
    changed = shutil.copytree(whole, tmp_path / "changed")
    facts = manifest(changed)
    where, _, file = name.partition(".")
    facts["network"][where] = facts["network"][where] | {file: 64 * "0"} if file else 64 * "0"
    (changed / MANIFEST).write_text(json.dumps(facts), "utf-8")
    with pytest.raises(ResultsError) as caught:
        compare_folders(whole, changed, metrics=["latency"])
    (line,) = caught.value.problems
    assert f"network.{name}" in line
    assert "give --allow network" in line
    assert compare_folders(whole, changed, metrics=["latency"], allow=["network"]).comparisons


def test_an_interrupt_keeps_what_is_finished(whole: Path, cnn: Mapping[str, object], tmp_path: Path) -> None:
    """Ctrl-C after the first run: it is kept, and the experiment goes on as if nothing had been."""
    with pytest.raises(ExperimentInterrupted, match=r"[12] of 2 runs finished and kept"):
        run_experiment_in(tmp_path, cnn, interrupt_at(1))
    assert manifest(tmp_path)["state"] == "interrupted"
    assert_complete(tmp_path, whole, cnn)


def test_a_run_that_dies_costs_no_other(cnn: Mapping[str, object], tmp_path: Path) -> None:
    """A crash of a run's process is a failed run that names the signal; the other finishes."""
    pending = [True]

    def crash(progress: Progress) -> None:
        if pending and progress.share > 0.5 and (workers := workers_of(os.getpid())):
            pending.clear()
            workers[0].send_signal(signal.SIGSEGV)

    outcome = run_experiment_in(tmp_path, cnn, crash)
    assert [run.reason for run in outcome.failed] == ["the run's process was killed by SIGSEGV"]
    assert len(outcome.runs) == 2


def test_a_file_that_changes_meanwhile_fails_the_runs_that_would_take_it(tmp_path: Path) -> None:
    """What ran before is kept; whoever would measure another network says which file it is, and what to do."""
    path = written(tmp_path)

    def overwrite(progress: Progress) -> None:
        if progress.ended == 1:
            path.write_text(f"{FILE}# another\n", "utf-8")

    cnn = CNN | {"model": str(path), "precision_modes": ["float32"], "repeats": 2, "epochs": 0}
    outcome = run_experiment_in(tmp_path / "out", cnn, overwrite)
    reason = "net.py has changed since the experiment began: this run would measure another network; start anew, and "
    assert [run.reason for run in outcome.runs] == ["", f"{reason}leave the file as it is until the end"]


@pytest.fixture
def stopping(tmp_path: Path) -> Iterator[Callable[[str], tuple[subprocess.Popen[str], Path]]]:
    """Return what starts the command on ONNX Runtime, with a network that stops at a moment of its way there."""
    (tmp_path / "net.py").write_text(STOPS, "utf-8")
    started = []

    def start(moment: str) -> tuple[subprocess.Popen[str], Path]:
        folder = tmp_path / moment
        (folder / "scratch").mkdir(parents=True)
        words = ["--engine=onnxruntime", "--precision=float32", "--epochs=0", "--repeats=1", "--threads=1"]
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "significand",
                "run",
                "-q",
                str(tmp_path / "net.py"),
                *words,
                *SHORT,
                "--output-dir=out",
            ],
            cwd=folder,
            env=os.environ | {"TMPDIR": str(folder / "scratch"), "STOPS_IN": moment},
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process, folder

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("sends", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, INTERRUPTED)])
def test_ended_while_the_network_is_exported_or_converted(
    stopping: Callable[[str], tuple[subprocess.Popen[str], Path]], sends: signal.Signals, status: int
) -> None:
    """SIGKILL, or Ctrl-C: no process and no file of ours remains, and nothing of it counts as a result."""
    both = [stopping(moment) for moment in ("export", "conversion")]  # side by side: most of it is waiting
    for process, folder in both:
        assert eventually((folder / "stopped").exists, 120)
        family = psutil.Process(process.pid).children(recursive=True)
        assert family
        process.send_signal(sends)
        assert process.wait(20) == status
        assert eventually(lambda family=family: not any(one.is_running() for one in family))  # type: ignore[misc]
        assert eventually(lambda folder=folder: not list((folder / "scratch").glob("significand-*")))  # type: ignore[misc]
        journal = folder / "out" / JOURNAL
        assert not journal.exists() or not read_journal(journal).runs


def test_killed_at_a_random_moment(whole: Path, cnn: Mapping[str, object], tmp_path: Path) -> None:
    """SIGKILL while the network is examined or measured: no process and no folder outlives it; resumed it is whole."""
    words = [f"--{name.replace('_', '-')}={_told(value)}" for name, value in cnn.items() if name != "model"]
    command = [sys.executable, "-m", "significand", "run", "-q", str(cnn["model"]), *words, f"--output-dir={tmp_path}"]
    after_s = random.SystemRandom().uniform(0, 8)
    scratch = tmp_path.with_name(f"{tmp_path.name}-scratch")
    scratch.mkdir()
    with started_cold():  # the moment may be while torch is imported
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ | {"TMPDIR": str(scratch)})
    with process:
        deadline = time.monotonic() + after_s
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.kill()
    assert eventually(lambda: not any(one.is_running() for one in family)), f"killed after {after_s:.1f} s"
    assert eventually(lambda: not list(scratch.glob("significand-*"))), f"killed after {after_s:.1f} s"
    assert_complete(tmp_path, whole, cnn)


def _told(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
