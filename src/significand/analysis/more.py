"""How much more several things take that must all be shown, and which of several setups is decided first."""

from collections.abc import Sequence
from dataclasses import replace

from significand.analysis.below import WORTH_WAITING_FOR
from significand.analysis.loss import More
from significand.analysis.outlook import Need, range_of_examples, range_of_more


def together(needs: Sequence[More]) -> More:
    """Return what it takes to have all of them; repeats serve them all, examples only a loss."""
    if any(one == More() for one in needs):
        return More()
    every = [one.repeats for one in needs]
    repeats = None if None in every else max(filter(None, every), default=0)
    by_repeats_alone = any(one.repeats and one.examples is None for one in needs)
    examples = max((one.examples for one in needs if one.examples is not None), default=None)
    return More(repeats, None if by_repeats_alone else examples)


def is_worth(more: More, repeats: int) -> bool:
    """Tell whether waiting for it is worth it: what a single repeat cannot tell may always be."""
    return more.examples is not None or (more.repeats is not None and more.repeats <= WORTH_WAITING_FOR) or repeats < 2


def first_to_decide(needs: Sequence[More]) -> More:
    """Return the least that decides any of several setups."""
    repeats = [one.repeats for one in needs if one.repeats is not None and one.repeats <= WORTH_WAITING_FOR]
    examples = [one.examples for one in needs if one.examples is not None]
    return More(min(repeats, default=None), min(examples, default=None))


def likely(more: More, needs: Sequence[Sequence[Need]], repeats: int, examples: int) -> More:
    """Return what would decide if all stays as it is, as what may be true leaves it, where that is known."""
    by_repeats = range_of_more(needs, repeats) if more.repeats is not None else None
    by_examples = range_of_examples(needs, examples) if more.examples is not None else None
    if by_repeats:
        more = replace(more, repeats=by_repeats.likely, repeats_range=(by_repeats.low, by_repeats.high))
    if by_examples:
        more = replace(more, examples=by_examples.likely, examples_range=(by_examples.low, by_examples.high))
    return more
