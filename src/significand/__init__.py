"""Measure what a network gains and loses by moving between numeric precisions."""

import os
import sys


def _leave_working_directory() -> None:
    """Take back that ``python -m significand`` imports from the working directory first.

    A ``json.py`` there would be taken for Python's own. Where significand itself lies there, the folder comes last.
    """
    if sys.argv[:1] != ["-m"] or sys.flags.safe_path:  # as long as Python looks for the module to run
        return
    module = sys.orig_argv[len(sys.orig_argv) - len(sys.argv)].removeprefix("-m")
    if module.partition(".")[0] != __name__:
        return
    try:
        here = os.getcwd()  # noqa: PTH109 - nothing may be imported yet
    except OSError:  # it was removed: Python has not put it there
        return
    if sys.path[:1] == [here]:
        del sys.path[0]
        if os.path.realpath(here) == os.path.dirname(os.path.dirname(os.path.realpath(__file__))):  # noqa: PTH120
            sys.path.append(here)


_leave_working_directory()

from importlib import import_module  # noqa: E402 - after the path is right

import significand.meters.openmp  # noqa: E402, F401 - sees this thread's CPUs before an OpenMP runtime narrows them

TYPE_CHECKING = False  # as type checkers know it, without importing typing
if TYPE_CHECKING:
    from significand.api import run
    from significand.benchmark import benchmark_one_setup
    from significand.result import load
    from significand.statistical_analysis import run_repeated_benchmarks

__version__ = "0.1.0"

__all__ = ["__version__", "benchmark_one_setup", "load", "run", "run_repeated_benchmarks"]

# Resolved on first use (PEP 562), so that `import significand` costs nothing and never imports torch.
_LAZY = {
    "benchmark_one_setup": "significand.benchmark",
    "load": "significand.result",
    "run": "significand.api",
    "run_repeated_benchmarks": "significand.statistical_analysis",
}


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
