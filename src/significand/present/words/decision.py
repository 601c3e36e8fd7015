"""Which setup to ship, in one or two plain sentences; and behind them what was asked, and how each setup stands."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from significand.plan.metrics import HELD_OUT, METRICS
from significand.plan.setup import Setup
from significand.present.rows import enumerated, visible
from significand.present.words.factors import times
from significand.present.words.grid import Told
from significand.present.words.numbers import probability
from significand.present.words.places import TITLES, with_place
from significand.present.words.population import of_population

if TYPE_CHECKING:
    from significand.analysis.choose import Candidate, Choice
    from significand.analysis.comparison import Comparison
    from significand.analysis.loss import Loss
    from significand.answers.choose import Decision

CHEAPER = {
    "latency": "be faster",
    "model_size": "be smaller",
    "load_time": "load faster",
}
"""What the setup to ship shall do, by what is minimised; of other metrics, need less of them."""

MOST_NAMED = 3
ENOUGH = 10
"""Repeats that are suggested where there is one."""


def decision_told(decision: "Decision") -> Told:
    """Return the decision in a sentence or two."""
    if decision.choice is None:
        return Told("No answer", f": {'; '.join(map(visible, decision.problems))}.")
    by_verdict = {"ship": _ship, "keep": _keep, "undecided": _undecided, "nothing fits": _nothing_fits}
    told = by_verdict[decision.choice.verdict](decision, decision.choice)
    return Told(told.head, f"{told.text}{_against(decision)}")


def decision_details(decision: "Decision") -> list[str]:
    """Return what was asked, and how each setup stands."""
    if decision.choice is None:
        return []
    asked = f"Asked: {question_words(decision)}."
    return [asked, *_standings(decision, decision.choice), *_populations(decision, decision.choice)]


def _against(decision: "Decision") -> str:
    """Say of each setup how it compares with itself in the other environment; empty without one."""
    names = {setup.name: place for place, setup in enumerate(decision.setups)}
    told = [
        f"{_name(decision, names[one.setup])} {_beside_itself(one)}" for one in decision.against if one.setup in names
    ]
    left = len(told) - MOST_NAMED
    if left > 0:
        told = [*told[:MOST_NAMED], f"{left} more below"]
    return f" Against the other environment: {'; '.join(told)}." if told else ""


def _beside_itself(one: "Comparison") -> str:
    noun, estimate = one.measured.noun, one.estimate
    if one.verdict not in {"better", "worse"}:
        return f"not compared in {noun}" if math.isnan(estimate.point) else f"no difference in {noun} shown"
    word, factor, interval = times(estimate.point, estimate.low, estimate.high)
    return f"{factor}x {word} {noun}{interval}"


def question_words(decision: "Decision") -> str:
    """Say what was asked: ``"lowest latency, at most 1 point of test accuracy lost"``."""
    metric = _noun(decision)
    limits = "".join(f", {one}" for one in _limits(decision))
    return f"lowest {metric}, at most {_of_score(decision, decision.margin)} of {decision.score.noun} lost{limits}"


def _ship(decision: "Decision", choice: "Choice") -> Told:
    place = choice.chosen or 0
    one = choice.candidates[place]
    told = f": {_cost(decision, one, place)}, {_loss(decision, one.loss)}"
    others = [k for k, other in enumerate(choice.candidates) if other.among_best and k != place]
    if others:
        told += f". {_names(decision, others)} cannot be told from it"
    if choice.possible:
        told += f". {_names(decision, choice.possible)} may be better still: {_more(decision, choice)} would tell"
    return Told(f"Ship {_name(decision, place)}", f"{told}.")


def _keep(decision: "Decision", choice: "Choice") -> Told:
    head = f"Keep {_name(decision, choice.chosen or 0)}"
    if len(choice.candidates) == 1:
        return Told(head, ": nothing else was measured.")
    return Told(head, f": nothing else is shown to {_wanted(decision)}.")


def _undecided(decision: "Decision", choice: "Choice") -> Told:
    several = len(choice.possible) > 1
    both = "both " if len(choice.possible) == 2 else ""
    told = f": {_names(decision, choice.possible)} {'are' if several else 'is'} {both}possible"
    if decision.repeats < 2 and choice.more.examples is None:
        return Told("Not decided", f"{told}, but one repeat shows no spread; give --repeats {ENOUGH}.")
    return Told("Not decided", f"{told}; {_more(decision, choice)} would decide.")


def _nothing_fits(decision: "Decision", choice: "Choice") -> Told:
    del choice
    loss = f"{_of_score(decision, decision.margin)} of {decision.score.noun}"
    return Told("Nothing fits", f": no setup is shown to lose at most {loss} with {enumerated(_limits(decision))}.")


def _limits(decision: "Decision") -> list[str]:
    """Say each limit: ``"peak memory at most 50MB"``."""
    told = []
    for text in decision.question.limits:
        metric = METRICS[text.partition("=")[0].replace("-", "_")]
        noun = decision.score.noun if metric.name == HELD_OUT else metric.noun
        told.append(f"{noun} at {'most' if metric.lower_is_better else 'least'} {visible(text.partition('=')[2])}")
    return told


def _wanted(decision: "Decision") -> str:
    """Say what is wanted of a setup: ``"be faster without losing more than 0.5 points"``."""
    name = decision.question.minimise
    cheaper = CHEAPER.get(name, f"need less {_noun(decision)}")
    keeping = f", with {enumerated(_limits(decision))}" if decision.question.limits else ""
    return f"{cheaper} without losing more than {_of_score(decision, decision.margin)}{keeping}"


def _noun(decision: "Decision") -> str:
    return decision.minimised.noun


def _cost(decision: "Decision", one: "Candidate", place: int) -> str:
    """Say what it costs beside the reference: ``"2.3x lower latency than float32 [2.2, 2.4]"``."""
    word, factor, interval = times(*map(math.exp, (one.log_cost, one.log_low, one.log_high)), terse=True)
    reference = _name(decision, decision.reference, beside=place)
    return f"{factor}x {word} {_noun(decision)} than {reference}{interval}"


def _loss(decision: "Decision", loss: "Loss") -> str:
    """Say what is lost at most: ``"test accuracy lost at most 0.3 points (95 %)"``."""
    if loss.changed == 0:
        return f"the same {decision.score.noun} in each of {loss.n:,} examples"
    most = loss.at_most()
    if most <= 0:
        return f"no {decision.score.noun} lost (95 %)"
    return f"{decision.score.noun} lost at most {_of_score(decision, most, up=True)} (95 %)"


def _of_score(decision: "Decision", value: float, *, up: bool = False) -> str:
    """Write a difference of scores: ``"0.5 points"``; a bound is rounded up, to a tenth of a point or two digits."""
    is_share = decision.score.scale == "points"
    shown = 100 * value if is_share else value
    if up and shown > 0:
        step = _step(shown, is_share=is_share)
        shown = math.ceil(shown / step - 1e-9) * step
    text = f"{shown:.3g}"
    return f"{text} point{'' if text == '1' else 's'}" if is_share else text


def _step(size: float, *, is_share: bool) -> float:
    """Return to what a bound is rounded: of points a tenth where it is larger, else to one or two digits."""
    magnitude = math.floor(math.log10(size))
    return float(10.0 ** (min(-1, magnitude) if is_share else magnitude - 1))


def _lost(decision: "Decision", loss: "Loss") -> str:
    """Say what is lost, as exactly as the bound is told, and the bound: ``"0.1, at most 0.7 points (95 %)"``."""
    most, scale = loss.at_most(), 100 if decision.score.scale == "points" else 1
    step = _step(scale * abs(most), is_share=scale == 100) if most else 1.0
    point = f"{scale * loss.point:z.{max(0, -math.floor(math.log10(step)))}f}"
    return f"{point}, at most {_of_score(decision, most, up=True)} (95 %)"


def _more(decision: "Decision", choice: "Choice") -> str:
    """Say how much more would decide: ``"about 12 more repeats (8 to 20 in four of five cases)"``."""
    more = choice.more
    found = (more.repeats, more.repeats_range, "repeat"), (more.examples, more.examples_range, "test example")
    parts = [(_about(point, noun), _span(span)) for point, span, noun in found if point is not None]
    if not parts:
        return f"more repeats, such as --repeats {max(ENOUGH, 2 * decision.repeats)},"
    spans = ", or ".join(span for _, span in parts if span)
    return f"{', or '.join(told for told, _ in parts)}{f' ({spans} in four of five cases)' if spans else ''}"


def _about(point: int, noun: str) -> str:
    return f"about {_rounded(max(1, point)):,} more {noun}{'' if point <= 1 else 's'}"


def _span(most_cases: tuple[int, int | None] | None) -> str:
    """Write how much more it takes in most cases; empty where that is not known, or a single number."""
    low, high = (number and _rounded(number) for number in most_cases or (0, 0))
    if high is None:
        return f"{low:,} or more"
    return f"{low:,} to {high:,}" if low != high else ""


def _rounded(number: int) -> int:
    """Return a number with two significant digits; nobody knows more of it."""
    return round(number, 2 - len(str(number)))


def _standings(decision: "Decision", choice: "Choice") -> Iterator[str]:
    for place, one in enumerate(choice.candidates):
        if place == decision.reference:
            continue
        parts = [STATUS_WORDS[one.status]]
        if one.loss.evidence:
            by = f"{one.loss.n:,} {one.loss.unit}s"
            parts.append(f"{decision.score.noun} lost {_lost(decision, one.loss)}, by {by}")
            if one.loss.changed > 0:
                parts.append(f"{100 * one.loss.changed:.2g} % of the answers are others")
        elif one.status != "not measured":
            parts.append(one.loss.reason)
        if math.isfinite(one.p_best) and one.status in {"feasible", "open"}:
            parts.append(f"best with probability {probability(one.p_best)}")
        yield f"{_name(decision, place)}: {'; '.join(parts)}."


def _populations(decision: "Decision", choice: "Choice") -> Iterator[str]:
    """Say of whom the losses are, and where intervals are a little too narrow."""
    of = {
        "example": "these trained weights on new examples like those held out",
        "repeat": of_population(decision.population, trained=decision.setups[0].workload.epochs > 0)
        or "networks trained anew",
    }
    units = dict.fromkeys(one.loss.unit for one in choice.candidates if one.loss.evidence)
    told = [f"{f'by {unit}s ' if len(units) > 1 else ''}about {of[unit]}" for unit in units]
    if told:
        yield f"The {decision.score.noun} lost is {'; '.join(told)}."
    if decision.sequential:
        yield "Repeats went on until intervals were narrow, so these are a little too narrow."


STATUS_WORDS = {
    "reference": "what the others are held against",
    "feasible": "keeps what was asked",
    "open": "not shown to keep what was asked, nor to break it",
    "ruled out": "does not keep what was asked",
    "not measured": "no run finished",
}


def _names(decision: "Decision", places: Sequence[int]) -> str:
    named = [_name(decision, k) for k in places[:MOST_NAMED]]
    left = len(places) - len(named)
    return enumerated([*named, *([f"{left} others"] if left > 1 else [f"{left} other"] if left else [])])


def _name(decision: "Decision", place: int, beside: int | None = None) -> str:
    """Say which setup: by its precision, and where setups differ in more, by that, too; always where it runs.

    Beside another one, only what differs is said.
    """
    setup = decision.setups[place]
    others = [decision.setups[beside]] if beside is not None else decision.setups
    axes = [
        axis for axis in TITLES if axis in decision.varying and axis != "precision" and _differ(axis, setup, others)
    ]
    if beside is None and "engine" not in axes:
        axes.append("engine")
    values = {axis: str(getattr(setup, axis)) for axis in axes if getattr(setup, axis)}
    return with_place(visible(setup.precision), values)


def _differ(axis: str, setup: Setup, others: Sequence[Setup]) -> bool:
    return any(getattr(other, axis) != getattr(setup, axis) for other in others)
