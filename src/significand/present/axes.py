"""The axes of a plot: limits that hold every bar, and ticks at round numbers, written as they are."""

import math
from collections.abc import Sequence
from itertools import pairwise

from significand.plan.metrics import Metric
from significand.present.plots.drawn import Axis
from significand.present.rows import Cell

_LOG_RATIO = 15.0  # beyond this ratio of largest to smallest, a linear axis piles the small ones up
_MARGIN = 0.14  # of the span, on either side: room for the labels of the outermost points
_MOST_STEPS = 6
_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
_MIN_RELATIVE_SPAN = 0.1  # a narrower axis would make differences of a few per cent look like everything


ANYTHING = (-math.inf, math.inf)

MIN_SHARE_SPAN = 0.01
"""Of an axis of a share: a narrower one would make noise look like everything."""


def choose_axis(
    title: str,
    details: Sequence[str],
    cells: Sequence[Cell],
    *,
    possible: tuple[float, float] | None = None,
    min_span: float = 0.0,
) -> Axis:
    """Choose limits around all bars with a margin, and ticks at round numbers that can be.

    Parameters
    ----------
    title
        What the axis shows.
    details
        What stands in parentheses behind it: the unit first; empty ones are left out.
    cells
        Means and half-widths in the unit of the axis.
    possible
        The least and the largest value that can occur, in the unit of the axis; the axis is linear then. None of a
        cost: any positive number, and the axis is logarithmic where the means are far apart.
    min_span
        Of the bars, in the unit of the axis; by default a tenth of the largest mean.

    Returns
    -------
    Axis
        From 0 to 1 without ticks where there are no cells.
    """
    if not cells:
        return Axis(title, 0.0, 1.0, (), (), is_log=False)
    means = [cell.mean for cell in cells]
    ends = [end for cell in cells for end in (cell.bar or (cell.mean, cell.mean))]
    least, largest = possible or (0.0 if min(means) >= 0 else -math.inf, math.inf)
    if not least <= min(means) <= max(means) <= largest:
        least, largest = ANYTHING
    if possible:
        ends = [min(max(end, least), largest) for end in ends]  # an interval may reach beyond what can be
    low, high = min(ends), max(ends)
    is_log = possible is None and low > 0 and max(means) / min(means) >= _LOG_RATIO
    if is_log:
        margin = (high / low) ** _MARGIN
        low, high = low / margin, high * margin
        ticks = _log_ticks(low, high)
    else:
        span = max(high - low, min_span or _MIN_RELATIVE_SPAN * max(map(abs, means)) or 1.0)
        centre = (low + high) / 2
        low, high = centre - span * (0.5 + _MARGIN), centre + span * (0.5 + _MARGIN)
        ticks = [tick for tick in round_ticks(low, high) if max(low, least) <= tick <= min(high, largest)]
    told = ", ".join([*filter(None, details), *(["log scale"] if is_log else [])])
    label = f"{title} ({told})" if told else title
    return Axis(label, low, high, tuple(ticks), _tick_labels(ticks, is_log=is_log), is_log)


def score_axis(metric: Metric, title: str, unit: tuple[float, str], cells: Sequence[Cell]) -> Axis:
    """Choose the axis of a score, which is linear and holds what the score can be.

    Parameters
    ----------
    metric, title
        The score, and how the axis calls it.
    unit
        Its size in the unit of the metric's column, and its name.
    cells
        Means and half-widths in that unit.
    """
    size, name = unit
    low, high = metric.possible
    least = MIN_SHARE_SPAN / size if metric.scale == "points" else 0.0
    return choose_axis(title, [name], cells, possible=(low / size, high / size), min_span=least)


def possible_part(metric: Metric, interval: tuple[float, float] | None, size: float) -> tuple[float, float] | None:
    """Return the part of an interval, in a unit of that size, that a metric can be in."""
    low, high = metric.possible
    return interval and (max(interval[0], low / size), min(interval[1], high / size))


def round_ticks(low: float, high: float) -> list[float]:
    """Place ticks at multiples of a round number: the smallest that gives few enough, or one with two ticks at least.

    As Matplotlib's MaxNLocator does; Matplotlib itself is not imported here, because a report needs nothing else of it,
    and the user's settings may keep it from being imported at all.
    """
    least = (high - low) / _MOST_STEPS
    power = 10.0 ** math.floor(math.log10(least))
    steps = [factor * scale for scale in (power / 10, power) for factor in _ROUND[:-1]] + [10 * power]
    enough = next(number for number, step in enumerate(steps) if step >= least)
    for step in reversed(steps[: enough + 1]):
        first, last = math.ceil(low / step), math.floor(high / step)
        if last > first:
            break
    return [number * step for number in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Place ticks at 1, 2 and 5 times the powers of ten, or at fewer of them where these are too many."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    stride = 1 + len(decades) // 9
    factors = (1, 2, 5) if len(decades) <= 5 else (1,)
    ticks = [factor * 10.0**decade for decade in decades[::stride] for factor in factors]
    return [tick for tick in ticks if low <= tick <= high]


def _tick_labels(ticks: Sequence[float], *, is_log: bool) -> tuple[str, ...]:
    """Write ticks with just the decimals that tell them apart, never as an offset to a hidden number."""
    step = min((b - a for a, b in pairwise(ticks)), default=1.0)
    peak = max(map(abs, ticks), default=0.0)
    if is_log or peak >= 1e7 or step < 1e-6:
        return tuple(f"{tick:g}" for tick in ticks)
    decimals = next(d for d in range(9) if all(abs(round(tick, d) - tick) < step / 100 for tick in ticks))
    return tuple(f"{tick + 0.0:.{decimals}f}" for tick in ticks)
