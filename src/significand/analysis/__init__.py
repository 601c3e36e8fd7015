"""Pure functions on numbers: NumPy, SciPy and moocore only.

The functions named here work on tables of any size, millions of runs included, that the caller holds as columns: they
are public, and the rest of the package may change. An experiment of this program has few runs, and does without
`grouped_estimates`, `relative_to_baseline` and `mean_by_host`; they are for tables of many hosts.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from significand.analysis.comparison import compare
    from significand.analysis.grouped import grouped_estimates
    from significand.analysis.pareto import block_table, frontier, mean_by_host, relative_to_baseline
    from significand.analysis.pareto_bootstrap import frontier_uncertainty

__all__ = [
    "block_table",
    "compare",
    "frontier",
    "frontier_uncertainty",
    "grouped_estimates",
    "mean_by_host",
    "relative_to_baseline",
]

# Resolved on first use (PEP 562), so that who needs one module does not wait for the others.
_LAZY = {
    "block_table": "pareto",
    "compare": "comparison",
    "frontier": "pareto",
    "frontier_uncertainty": "pareto_bootstrap",
    "grouped_estimates": "grouped",
    "mean_by_host": "pareto",
    "relative_to_baseline": "pareto",
}


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
