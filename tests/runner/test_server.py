"""Behaviour of the forkserver's start and end, as the conductor sees them."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from conftest import blocks_of, eventually, forkserver_of, small_experiment
from significand.results.read import read_json_object
from significand.results.store import MANIFEST
from significand.runner.launched import Launched, RunnerError
from significand.runner.server import Server

pytestmark = pytest.mark.slow


def test_processes_that_cannot_start_are_an_error_with_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the forkserver fails, its last words are in the error."""
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(RunnerError, match="exit status 1"):
        Server(blocks_of(small_experiment())[0], None).ensure_up()


def test_a_missing_interpreter_leaves_no_scratch_files(monkeypatch: pytest.MonkeyPatch, scratch: Path) -> None:
    """When not even the process can be made the cause is told, and its temporary folder is gone."""
    monkeypatch.setattr("sys.executable", str(scratch / "no-python"))
    with pytest.raises(RunnerError, match="No such file"):
        Server(blocks_of(small_experiment())[0], None).ensure_up()
    assert not list(scratch.iterdir())


def test_a_process_that_was_launched_early_becomes_the_servers_and_ends_with_it(scratch: Path) -> None:
    """It hears of its experiment from whoever is the server by then; a second stop finds nothing to do."""
    early = Launched()
    with Server(blocks_of(small_experiment())[0], None, early=early) as server:
        assert server.connection is early.connection
        assert early.has_imported
        assert len(list(scratch.glob("significand-*"))) == 1
    assert early.stop() == ""
    assert not list(scratch.iterdir())


def test_a_process_that_was_launched_early_and_died_is_an_error_with_the_cause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its last words are told as those of one that was launched in time."""
    with monkeypatch.context() as patched:
        patched.setattr("sys.executable", "/bin/false")
        early = Launched()
    with pytest.raises(RunnerError, match="exit status 1"):
        Server(blocks_of(small_experiment())[0], None, early=early).ensure_up()


def test_a_process_that_nobody_needs_ends_while_it_imports(scratch: Path) -> None:
    """An experiment may be refused before it begins: nothing is left of the process."""
    early = Launched()
    early.drop()
    assert early.stop() == ""
    assert not list(scratch.iterdir())


NONE: Mapping[str, str] = {}

ONE_RUN = """
import os, sys
from pathlib import Path
{begin}
from significand.statistical_analysis import run_repeated_benchmarks
{then}
rows = run_repeated_benchmarks([16, 32, 4], ["relu", "softmax"], ["float32"], batch_size=16, n_samples=200, epochs=1,
    repeats=1, seed=7, output_dir=Path(sys.argv[1]), latency_rounds=1, round_duration_s=0.002, on_noise="mark", {more})
print([row["repeats"] for row in rows])
"""


NOTHING_DRAWN = """
import significand.job
significand.job.write_plots = lambda results: ""
significand.job.write_report = lambda results, meanwhile: meanwhile()
"""


def program(
    tmp_path: Path,
    begin: str = "",
    more: str = "",
    then: str = "",
    *,
    variables: Mapping[str, str] = NONE,
    cwd: Path | None = None,
) -> str:
    """Run a user's program that measures once; return what it prints, warnings too."""
    words = [sys.executable, "-c", ONE_RUN.format(begin=begin, more=more, then=then), str(tmp_path / "out")]
    done = subprocess.run(
        words,
        cwd=cwd,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


needs_two_cpus = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU cannot be narrowed")


@needs_two_cpus
@pytest.mark.parametrize(
    ("begin", "variables"),
    [
        ("", {"OMP_PROC_BIND": "true"}),
        ("import torch", {"OMP_PLACES": "cores", "OMP_THREAD_LIMIT": "1"}),
    ],
    ids=str,
)
def test_bound_threads_cost_the_runs_no_cpu(tmp_path: Path, begin: str, variables: dict[str, str]) -> None:
    """Runs have the CPUs of before the import, whoever imported torch first; what is overridden is told once."""
    said = program(tmp_path, begin, "threads=2", NOTHING_DRAWN, variables=variables)
    assert "[1]" in said
    assert said.count("the runs are started without") == 1
    assert all(f"{name}={value}" in said for name, value in variables.items())
    facts = read_json_object(tmp_path / "out" / MANIFEST)
    assert facts["overridden_environment"] == variables


@needs_two_cpus
def test_a_run_in_this_process_has_its_cpus(tmp_path: Path) -> None:
    """Where the user's program has bound threads a run in it computes on all CPUs, and leaves the thread as it was."""
    begin = """
import torch
from significand.benchmark import benchmark_one_setup
before = os.sched_getaffinity(0)
row = benchmark_one_setup([16, 32, 4], ["relu", "softmax"], "float32", 16, 200, 1, threads=2, latency_rounds=1,
    round_duration_s=0.002, on_noise="mark")
print(row["threads"], len(before), os.sched_getaffinity(0) == before)
raise SystemExit
"""
    said = program(tmp_path, begin, variables={"OMP_PROC_BIND": "true"})
    assert "2 1 True" in said
    assert "measured in a process with OMP_PROC_BIND=true" in said


def test_a_strange_path_is_no_hindrance(tmp_path: Path) -> None:
    """A Path object and a folder of shadowing modules first on the path, in a directory full of them: the run ends."""
    hostile = tmp_path / "hostile"
    (hostile / "numpy").mkdir(parents=True)
    (hostile / "numpy/__init__.py").write_text("raise SystemExit('hijacked')", encoding="utf-8")
    for name in ("json", "random", "torch", "multiprocessing", "matplotlib"):
        (hostile / f"{name}.py").write_text("raise SystemExit('hijacked')", encoding="utf-8")
    begin = """
here = sys.path.pop(0)
import significand.statistical_analysis, significand.answers.folder
sys.path[:] = [here, Path("."), *sys.path]
"""
    said = program(tmp_path, begin, cwd=hostile)
    assert said == "[1]\n"


@pytest.mark.usefixtures("warm_test")
def test_a_removed_working_directory_is_no_hindrance(tmp_path: Path) -> None:
    """With an absolute output folder everything is measured and written; the manifest says that nobody knows where."""
    begin = "gone = Path(sys.argv[1] + '-gone'); gone.mkdir(); os.chdir(gone); gone.rmdir()"
    assert program(tmp_path, begin) == "[1]\n"
    facts = read_json_object(tmp_path / "out" / MANIFEST)
    assert (facts["working_directory"], facts["git_revision"]) == (None, None)
    assert (tmp_path / "out" / "report.html").is_file()
    assert (tmp_path / "out" / "pareto_frontier.png").is_file()


def ended(one: psutil.Process) -> bool:
    """Tell whether a process is no more; one that nobody has waited for is none."""
    try:
        return not one.is_running() or one.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


STARTS = """
import os, time
from conftest import blocks_of, small_experiment
from significand.runner.server import Server
server = Server(blocks_of(small_experiment())[0], None, meanwhile=lambda: {meanwhile})
with server:
    print(0, flush=True)
    time.sleep(600)
"""
SAY_AND_SLEEP = "(print({pid}, flush=True), time.sleep(600))"


@pytest.mark.parametrize(
    ("meanwhile", "befalls"),
    [
        (SAY_AND_SLEEP.format(pid=0), None),
        (SAY_AND_SLEEP.format(pid="os.fork() or time.sleep(600)"), None),
        ("None", signal.SIGSTOP),
        ("None", signal.SIGKILL),
    ],
    ids=["while it imports", "while somebody holds its socket", "while it is stopped", "together with it"],
)
def test_the_forkserver_dies_with_its_program(
    meanwhile: str, befalls: signal.Signals | None, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed with SIGKILL, the program takes forkserver and temporary files with it, whatever the forkserver does."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    process = subprocess.Popen([sys.executable, "-c", STARTS.format(meanwhile=meanwhile)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    holder = int(process.stdout.readline())
    forkserver = forkserver_of(process.pid)
    assert eventually(lambda: bool(forkserver.children()))
    (guard,) = forkserver.children()
    if befalls:
        forkserver.send_signal(befalls)
    process.kill()
    process.wait()
    try:
        assert eventually(lambda: ended(forkserver) and ended(guard), 5)
        assert eventually(lambda: not list(scratch.iterdir()), 5)
    finally:
        process.stdout.close()
        if holder:
            os.kill(holder, signal.SIGKILL)


@pytest.mark.usefixtures("warm_test")
def test_a_socket_that_somebody_holds_does_not_delay_the_end(scratch: Path) -> None:
    """A fork of the program made while the forkserver ran does not keep it from ending at once, and by itself."""
    server = Server(blocks_of(small_experiment())[0], None)
    server.ensure_up()
    reader, writer = os.pipe()
    holder = os.fork()
    if holder == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    try:
        assert server.stop() == "ended with exit status 0"
        assert not list(scratch.iterdir())
    finally:
        os.close(reader)
        os.close(writer)
        os.waitpid(holder, 0)


def test_a_thread_that_ends_takes_no_forkserver_with_it(scratch: Path) -> None:
    """Started from a thread that is no more, the forkserver lives until it is told to end."""
    server = Server(blocks_of(small_experiment())[0], None)
    thread = threading.Thread(target=server.ensure_up)
    thread.start()
    thread.join()
    server.fork(small_experiment().setups()[0], 7).close()
    assert server.connection.poll(20)
    assert server.stop() == "ended with exit status 0"
    assert not list(scratch.iterdir())


@pytest.mark.usefixtures("warm_test")
def test_a_forkserver_that_we_end_ourselves_is_not_out_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not react is ended, and told as what it was; one that somebody else killed, as that."""
    monkeypatch.setattr("significand.runner.launched.STOP_TIMEOUT_S", 0.2)
    for act, end in (
        (psutil.Process.suspend, "did not answer any more and was ended"),
        (psutil.Process.kill, "SIGKILL"),
    ):
        server = Server(blocks_of(small_experiment())[0], None)
        server.ensure_up()
        act(forkserver_of())
        assert end in (said := server.stop())
        assert ("memory" in said) == (end == "SIGKILL")
