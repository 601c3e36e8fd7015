"""The operators that an engine runs: what each computes in, and its share of the work and of the time."""

from collections.abc import Iterable
from dataclasses import dataclass

UNKNOWN = "unknown"
"""The format of a product that is not understood: never that of its neighbours, and never nothing."""

CALL = "whole call"
"""Under which name a profile tells how long a call took while it was profiled."""


@dataclass(frozen=True)
class Operator:
    """One operator of what an engine really runs, its optimised graph, found by looking.

    Attributes
    ----------
    name
        The engine's name for it, unique in the network: its profiler calls it the same.
    kind
        What it does, in the engine's words: ``"Conv"``, ``"QLinearConv"``, ``"Reorder"``.
    format
        Of an operator that multiplies (convolution, matrix product, attention, recurrent cell), the format of the
        products: ``"float32"``, ``"int8"``, ..., or `UNKNOWN`. Empty of any other.
    multiply_adds
        Of an operator that multiplies, its multiply-adds in one call; at least 1, so that none is without a share.
    is_conversion
        Whether it only brings numbers into another format or layout: quantise, dequantise, cast, reorder, transpose.
    note
        Why it computes in that format, where that is known, and whatever else to know; may be empty.
    """

    name: str
    kind: str
    format: str = ""
    multiply_adds: float = 0.0
    is_conversion: bool = False
    note: str = ""


def shares(operators: Iterable[Operator]) -> dict[str, float]:
    """Return what share of the multiply-adds is computed in each format, the largest first; they add up to 1."""
    work: dict[str, float] = {}
    for one in operators:
        if one.format:
            work[one.format] = work.get(one.format, 0.0) + max(1.0, one.multiply_adds)
    total = sum(work.values())
    return {name: size / total for name, size in sorted(work.items(), key=lambda pair: -pair[1])}
