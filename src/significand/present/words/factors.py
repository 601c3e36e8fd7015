"""Numbers with their intervals as sentences have them, and ratios above 1: so many times lower, or higher."""

import math

from significand.present.words.numbers import (
    LEAST_WITHOUT_EXPONENT,
    MOST_DECIMALS,
    MOST_WITHOUT_EXPONENT,
    with_bounds,
)


def above_one(
    point: float, low: float = math.nan, high: float = math.nan, *, beside: float | None = None
) -> tuple[str, float, float, float]:
    """Return ``"lower"`` or ``"higher"``, and a ratio with its bounds as so many times that.

    Parameters
    ----------
    point, low, high
        A ratio and its interval.
    beside
        The ratio whose sense decides; by default its own.
    """
    if (point if beside is None else beside) < 1:
        return "lower", inverse(point), inverse(high), inverse(low)
    return "higher", point, low, high


def times(
    point: float, low: float, high: float, *, beside: float | None = None, terse: bool = False
) -> tuple[str, str, str]:
    """Write a ratio of 0.57 [0.55, 0.59] as ``("lower", "1.75", " [1.69, 1.81]")``; see `above_one` and `written`."""
    word, point, low, high = above_one(point, low, high, beside=beside)
    return word, *written(point, low, high, 1, terse=terse)


def inverse(ratio: float) -> float:
    """Return the ratio the other way round."""
    return math.inf if ratio == 0 else 1 / ratio


def written(point: float, low: float, high: float, nothing: int, *, terse: bool = False) -> tuple[str, str]:
    """Write a number and its interval in brackets, with the digits that the interval supports; `terse`: one less.

    And as many as it takes to see that the interval excludes `nothing`, the value of no difference, where it does.
    """
    if low == high:
        return f"{point:.3g}", ""  # the same in all pairs: there is no interval to take digits from
    text, interval = with_bounds(point, low, high)
    if not interval:
        return text, "" if math.isnan(low) or math.isnan(high) else f" [{low:.3g}, {high:.3g}]"
    decimals = len(text.partition(".")[2])
    if terse and decimals:
        decimals -= 1
        text = f"{point:.{decimals}f}"
    widest = max(abs(low), abs(high))
    if widest >= MOST_WITHOUT_EXPONENT:
        return text, f" [{low:.3g}, {high:.3g}]"
    if widest < LEAST_WITHOUT_EXPONENT:
        return f"{point:.3g}", f" [{low:.3g}, {high:.3g}]"
    nearest = high if high < nothing else low
    while (
        low <= high and not low <= nothing <= high and round(nearest, decimals) == nothing and decimals < MOST_DECIMALS
    ):
        decimals += 1
        text = f"{point:.{decimals}f}"
    return text, f" [{low:z.{decimals}f}, {high:z.{decimals}f}]"
