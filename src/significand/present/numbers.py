"""Metrics in words and units that suit their size, and numbers with just the digits that their interval supports."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One measured quantity: its title, what it is taken per, and its units as (size in the row's unit, name)."""

    title: str
    per: str
    units: tuple[tuple[float, str], ...]


METRICS = {
    "train_time": Metric("Training time per epoch", "epoch", ((1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s"))),
    "latency": Metric("Inference latency per sample", "sample", ((1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s"))),
    "memory": Metric("Peak memory", "", ((1e-6, "B"), (1e-3, "kB"), (1.0, "MB"), (1e3, "GB"))),
    "accuracy": Metric("Training accuracy", "", ((0.01, "%"),)),
    "energy": Metric("Energy per epoch", "epoch", ((1e-6, "µJ"), (1e-3, "mJ"), (1.0, "J"), (1e3, "kJ"))),
}

SIGNIFICANT_DIGITS = 4
"""Of a number whose interval is not known."""

MOST_DECIMALS = 6


def choose_unit(metric: str, means: Sequence[float]) -> tuple[float, str]:
    """Choose the largest unit in which the largest of the means is at least 1; return its size and name."""
    units = METRICS[metric].units
    peak = max(map(abs, means), default=0.0) or 1.0
    return next(((size, name) for size, name in reversed(units) if size <= peak), units[0])


def with_half_width(mean: float, half_width: float) -> str:
    """Write ``mean±half-width``: two significant digits of the half-width, the mean to the same decimal.

    Without an interval (NaN) the mean stands alone; a missing mean is a dash.
    """
    if not math.isfinite(mean):
        return "–"
    if not math.isfinite(half_width):
        return f"{mean:.{SIGNIFICANT_DIGITS}g}"
    if half_width == 0:
        return f"{mean:.{SIGNIFICANT_DIGITS}g}±0"
    decimals = min(max(0, 1 - math.floor(math.log10(half_width))), MOST_DECIMALS)
    return f"{mean:.{decimals}f}±{half_width:.{decimals}f}"


def number(row: Mapping[str, object], key: str) -> float:
    """Return a number of a summary row; NaN where it is missing."""
    value = row.get(key)
    return float(value) if isinstance(value, int | float) else math.nan
