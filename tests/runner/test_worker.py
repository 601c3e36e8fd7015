"""Behaviour of a run's process."""

import os
import signal
import threading

import pytest

from significand.runner.protocol import describe_exit
from significand.runner.worker import PhaseDiedError, in_own_process
from significand.workload.training import TrainingDivergedError

pytestmark = pytest.mark.filterwarnings(
    # Python 3.12 and newer warn of forks beside threads; here it is the test runner that has some.
    "ignore:.*multi-threaded, use of fork:DeprecationWarning"
)


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


def test_exits_are_described() -> None:
    """Signals go by their names."""
    assert describe_exit(0) == "ended with exit status 0"
    assert "SIGTERM" in describe_exit(-signal.SIGTERM)
