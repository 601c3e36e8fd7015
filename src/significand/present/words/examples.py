"""What setups say of the same held-out examples, in words: flips that an equal mean hides are told."""

import math
from typing import TYPE_CHECKING

from significand.answers.examples import SetupExamples
from significand.plan.metrics import Metric, scored
from significand.present.rows import visible

if TYPE_CHECKING:
    from significand.answers.folder import Folder

MOST_TOLD = 4
"""Setups of which the answer says what they answer otherwise; the page has all."""

MOST_DECIMALS = 6

POPULATION = "intervals at 95 % are about these networks on examples like these, not about networks trained anew"


def held_out(results: "Folder") -> Metric:
    """Return the score of held-out examples, as it is with the network's kind of score."""
    return scored(results.score)["test_accuracy"]


def difference_words(one: SetupExamples, score: Metric) -> str:
    """Write a mean difference with its interval: ``"−0.10 points [−0.31, 0.10]"``."""
    size, unit = (100.0, " points") if score.scale == "points" else (1.0, "")
    found = one.found.difference
    point, low, high = (size * value for value in (found.point, found.low, found.high))
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{_signed(point, 2)}{unit}"
    width = high - low
    decimals = min(MOST_DECIMALS, max(0, 1 - math.floor(math.log10(width / 2)))) if width > 0 else 2
    return f"{_signed(point, decimals)}{unit} [{_signed(low, decimals)}, {_signed(high, decimals)}]"


def examples_sentence(one: SetupExamples, score: Metric) -> str:
    """Say of a setup what it answers otherwise than its baseline on the same held-out examples."""
    found, name, base = one.found, visible(one.setup), visible(one.baseline)
    if not found.is_right_or_wrong:
        sides = f"lower in {found.lost:,} and higher in {found.gained:,} of {found.n:,} examples"
        return f"{name}: {score.noun} {difference_words(one, score)} against {base}, example by example; {sides}."
    if not (found.changed or found.lost or found.gained):
        return f"{name} gives the same answer as {base} to all {found.n:,} held-out examples."
    changed = f"{found.changed:,} of {found.n:,} answers changed"
    flips = f"{found.lost:,} right one{'' if found.lost == 1 else 's'} lost, {found.gained:,} gained"
    if found.lost == found.gained:
        return f"{name} has the same {score.noun} as {base}, but {changed}: {flips}."
    return f"{name}: {changed} against {base}: {flips}, {score.noun} {difference_words(one, score)}."


def examples_lines(results: "Folder") -> list[str]:
    """Return a sentence for each setup that was scored on the same examples as its baseline; of many setups none."""
    try:
        setups = results.examples
    except ValueError as error:
        return [f"Example by example nothing can be told: {visible(str(error))}."]
    score = held_out(results)
    return [examples_sentence(one, score) for one in setups] if len(setups) <= MOST_TOLD else []


def _signed(value: float, decimals: int) -> str:
    text = f"{abs(value):.{decimals}f}"
    return f"−{text}" if value < 0 and float(text) else text
