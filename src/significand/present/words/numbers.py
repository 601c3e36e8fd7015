"""Units that suit the size of what they are of, and numbers with just the digits that their interval supports."""

import math
import sys
from collections.abc import Iterable, Mapping

from significand.plan.metrics import Metric

SIGNIFICANT_DIGITS = 4
"""Of a number whose interval is not known, or is too large or too small to write without an exponent."""

MOST_DECIMALS = 6
ROUNDING = 1e-9
"""Of a number, what is no difference: how wide the interval of what is the same in all pairs may be."""

LEAST_WITHOUT_EXPONENT, MOST_WITHOUT_EXPONENT = 1e-5, 1e7


def choose_unit(metric: Metric, means: Iterable[float]) -> tuple[float, str]:
    """Choose the largest unit in which the largest of the means is at least 1.

    Parameters
    ----------
    metric
        Of the table of metrics.
    means
        In the unit of its column; those that are not finite do not count.

    Returns
    -------
    tuple of float and str
        The unit's size in the rows' unit, by which to divide, and its name.
    """
    units = metric.units
    peak = max((abs(mean) for mean in means if math.isfinite(mean)), default=0.0) or 1.0
    return next(((size, name) for size, name in reversed(units) if size <= peak), units[0])


def unit_per(metric: Metric, means: Iterable[float]) -> tuple[float, str]:
    """Choose a unit, and name it with what it is of: ``"µs/sample"``; see `choose_unit`."""
    size, name = choose_unit(metric, means)
    return size, f"{name}/{metric.per}" if metric.per else name


def with_half_width(mean: float, half_width: float) -> str:
    """Write ``mean±half-width``: at least two significant digits of the half-width, the mean to the same decimal.

    Without an interval (NaN) the mean stands alone; a missing mean is a dash.
    """
    if not math.isfinite(mean):
        return "–"
    if not (math.isfinite(half_width) and half_width >= 0):
        return f"{mean:.{SIGNIFICANT_DIGITS}g}"
    if half_width == 0:
        return f"{mean:.{SIGNIFICANT_DIGITS}g}±0"
    decimals = max(0, 1 - math.floor(math.log10(half_width)))
    if decimals > MOST_DECIMALS or max(abs(mean), half_width) >= MOST_WITHOUT_EXPONENT:
        return f"{mean:.{SIGNIFICANT_DIGITS}g}±{half_width:.2g}"
    return f"{mean:.{decimals}f}±{half_width:.{decimals}f}"


def with_bounds(point: float, low: float, high: float) -> tuple[str, str]:
    """Write a positive number and its interval, ``("1.18", "0.71–1.95")``, with the digits that the interval supports.

    The number keeps at least two significant digits, however wide the interval; without one (NaN), or where it is the
    same in all pairs, the interval is empty.
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{point:.3g}", ""
    if high - low <= ROUNDING * abs(point):
        return f"{point:.{SIGNIFICANT_DIGITS}g}", ""
    widest = max(high - low, sys.float_info.min)
    decimals = 1 - math.floor(math.log10(min(widest / 2, point) if point > 0 else widest / 2))
    decimals = min(max(0, decimals), MOST_DECIMALS)
    return f"{point:.{decimals}f}", "–".join(_bound(bound, decimals) for bound in (low, high))


def by_share(shares: Mapping[str, float]) -> str:
    """Write formats with their shares, ``"int8 94 %, float32 6 %"``; a single one without."""
    if len(shares) == 1:
        return next(iter(shares))
    return ", ".join(f"{name} {per_cent(share)}" for name, share in shares.items())


def per_cent(share: float) -> str:
    """Write a share in whole per cent; what is not nothing, or not all, is not rounded to it."""
    if not math.isfinite(share):
        return "–"
    if 0 < share < 0.005:
        return "< 1 %"
    return "> 99 %" if 0.995 < share < 1 else f"{100 * share:.0f} %"


def probability(p: float) -> str:
    """Write a probability; nothing where it is not known (NaN)."""
    if not math.isfinite(p):
        return ""
    return "> 0.99" if p > 0.99 else "< 0.01" if p < 0.01 else f"{p:.2f}"


def in_sentence(title: str) -> str:
    """Write a title within a sentence: only its first letter is made small, since R is no r."""
    return title[:1].lower() + title[1:]


def with_unit(name: str, unit: str) -> str:
    """Name what is shown, and its unit in parentheses where it has one."""
    return f"{name} ({unit})" if unit else name


def span(counts: Iterable[int]) -> str:
    """Write the least and the largest of some counts: ``"5 to 10"``, ``"5"``."""
    ordered = sorted(set(counts))
    return " to ".join(map(str, dict.fromkeys((ordered[0], ordered[-1]))))


def _bound(bound: float, decimals: int) -> str:
    return f"{bound:.{decimals}f}" if bound < MOST_WITHOUT_EXPONENT else f"{bound:.0e}"
