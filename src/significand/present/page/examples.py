"""Answers lost, gained and changed, for the page: a line for each setup beside its baseline."""

from collections.abc import Sequence
from dataclasses import dataclass

from significand.answers.folder import Folder
from significand.present.page.setups import ShownSetup
from significand.present.rows import visible
from significand.present.words.examples import POPULATION, difference_words, held_out
from significand.present.words.numbers import per_cent, probability

OF_P = (
    "p of no difference, of each setup alone: the exact McNemar test, which counts an example once however often it "
    "was held out; where scores are not all 1 or 0, Student’s t."
)


@dataclass(frozen=True)
class ShownExamples:
    """One setup: texts."""

    setup: ShownSetup
    baseline: str
    weights: str
    pairs: str
    lost: str
    gained: str
    changed: str
    agreement: str
    difference: str
    p_value: str


@dataclass(frozen=True)
class ExamplesFigure:
    """All that is shown of examples; without lines there is nothing to show."""

    score: str
    notes: tuple[str, ...]
    lines: tuple[ShownExamples, ...]


def examples_figure(results: Folder, setups: Sequence[ShownSetup]) -> ExamplesFigure:
    """Prepare what setups say of the same held-out examples; a damaged file is told in the answer."""
    score = held_out(results)
    try:
        found = {one.setup: one for one in results.examples}
    except ValueError:
        return ExamplesFigure(score.noun, (), ())
    lines = tuple(
        ShownExamples(
            setup=setup,
            baseline=visible(one.baseline),
            weights="the same" if one.same_weights else "trained apart",
            pairs=f"{one.found.n:,}",
            lost=f"{one.found.lost:,}",
            gained=f"{one.found.gained:,}",
            changed=f"{one.found.changed:,}",
            agreement=per_cent(one.found.agreement),
            difference=difference_words(one, score),
            p_value=probability(one.found.p_value) or "–",
        )
        for setup in setups
        if (one := found.get(setup.mode))
    )
    methods = sorted({one.found.difference.method for one in found.values()})
    return ExamplesFigure(score.noun, (f"{POPULATION[0].upper()}{POPULATION[1:]}: {', '.join(methods)}.", OF_P), lines)
