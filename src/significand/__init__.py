"""Measure what a network gains and loses by moving between numeric precisions."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from significand.benchmark import benchmark_one_setup
    from significand.result import load
    from significand.statistical_analysis import run_repeated_benchmarks

__version__ = "0.1.0"

__all__ = ["__version__", "benchmark_one_setup", "load", "run_repeated_benchmarks"]

# Resolved on first use (PEP 562), so that `import significand` costs nothing and never imports torch.
_LAZY = {
    "benchmark_one_setup": "significand.benchmark",
    "load": "significand.result",
    "run_repeated_benchmarks": "significand.statistical_analysis",
}


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
