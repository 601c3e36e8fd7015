"""Behaviour of a run's process."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from significand.runner.protocol import describe_exit
from significand.runner.worker import PhaseDiedError, in_own_process
from significand.workload.training import TrainingDivergedError

TESTS = Path(__file__).parents[1]

pytestmark = [
    pytest.mark.slow,
    # Python 3.12 and newer warn of forks beside threads; here it is the test runner that has some.
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]


def test_a_phase_runs_elsewhere_and_its_result_comes_back() -> None:
    """The phase has another process id, and what it returns arrives."""
    assert in_own_process("a phase", lambda: (os.getpid(), "result")) != (os.getpid(), "result")
    assert in_own_process("a phase", lambda: "result") == "result"


def test_what_a_phase_raises_is_raised_here() -> None:
    """An error of the phase arrives as itself."""

    def diverge() -> None:
        raise TrainingDivergedError("diverged: far")

    with pytest.raises(TrainingDivergedError, match="far"):
        in_own_process("a phase", diverge)


def test_an_error_that_cannot_travel_arrives_as_its_text() -> None:
    """An exception that cannot be pickled still tells what it said."""

    class Local(Exception):  # noqa: N818
        def __init__(self) -> None:
            super().__init__("lost words")
            self.lock = threading.Lock()

    def fail() -> None:
        raise Local

    with pytest.raises(RuntimeError, match="Local: lost words"):
        in_own_process("a phase", fail)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "killed by SIGKILL.*memory"),
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), "killed by SIGSEGV"),
        (lambda: os._exit(3), "exit status 3"),
    ],
    ids=["killed", "crashed", "ended"],
)
def test_a_phase_that_dies_is_told(end: object, words: str) -> None:
    """A process that ends without a result is an error saying how it ended."""
    with pytest.raises(PhaseDiedError, match=words):
        in_own_process("a phase", end)  # type: ignore[arg-type]


@pytest.mark.usefixtures("warm_test")
def test_death_while_memory_is_measured_is_told_as_such() -> None:
    """The run fails, and the reason names the process that died, and what to think of."""
    code = """
import os, signal
from conftest import small_experiment
from significand.measure import run
from significand.meters.counters import EnergyPlan
from significand.runner.worker import in_own_process
from significand.workload.material import material_of
run.measure_peaks = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
experiment = small_experiment()
material = material_of(experiment.workload, None)
run.measure(experiment.setups()[0], experiment.protocol, 1, material, EnergyPlan(5.0), isolate=in_own_process)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=TESTS)
    last = done.stderr.splitlines()[-1]
    assert "PhaseDiedError: the process that measures memory was killed by SIGKILL; " in last
    assert last.endswith("memory runs out")


def test_exits_are_described() -> None:
    """Signals go by their names."""
    assert describe_exit(0) == "ended with exit status 0"
    assert "SIGTERM" in describe_exit(-signal.SIGTERM)
