"""Why each setup is as fast as it is, for the page: its layers by format, and where a call's time goes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from significand.answers.explain import CONVERSIONS, OTHERS, OUTSIDE, PRODUCTS, Explained, Ran
from significand.answers.folder import Folder
from significand.plan.metrics import METRICS
from significand.present.page.setups import ShownSetup
from significand.present.words.numbers import by_share, choose_unit, per_cent
from significand.present.words.operators import does, in_unit, numbers, operators_sentence, times_faster

PARTS = (PRODUCTS, CONVERSIONS, OTHERS, OUTSIDE)

MOST_ROWS = 60
"""Operators of a setup on the page, those that take longest; `significand explain` shows all."""

MOST_SETUPS = 12
"""Setups that are shown operator by operator."""


@dataclass(frozen=True)
class ShownOperator:
    """One operator: texts."""

    name: str
    kind: str
    format: str
    work: str
    time: str
    share: str
    ratio: str
    note: str


@dataclass(frozen=True)
class ShownSetupOperators:
    """What a setup runs: a sentence, its formats, the latency and the shares of its time, operators and their unit."""

    setup: ShownSetup
    sentence: str
    formats: str
    latency: str
    shares: tuple[str, ...]
    ratio: str
    unit: str
    operators: tuple[ShownOperator, ...]
    left_out: int


@dataclass(frozen=True)
class OperatorsFigure:
    """All that is shown of operators; without setups there is nothing to show."""

    unit: str
    setups: tuple[ShownSetupOperators, ...]


def operators_figure(results: Folder, setups: Sequence[ShownSetup]) -> OperatorsFigure:
    """Prepare the operators of every setup that has some; damaged arrays are told elsewhere on the page."""
    try:
        found = {one.setup: one for one in results.explained if one.operators}
    except ValueError:
        return OperatorsFigure("", ())
    size, unit = choose_unit(METRICS["batch_latency_p50"], [one.latency_s for one in found.values()])
    pairs = [(shown, found[shown.mode]) for shown in setups if shown.mode in found]
    return OperatorsFigure(unit, tuple(_shown(*pair, size, place) for place, pair in enumerate(pairs)))


def _shown(setup: ShownSetup, one: Explained, size: float, place: int) -> ShownSetupOperators:
    own_size, own_unit = choose_unit(METRICS["batch_latency_p50"], [one.latency_s])
    ordered = one.slowest_first
    rows = ordered[:MOST_ROWS] if place < MOST_SETUPS else []
    return ShownSetupOperators(
        setup,
        operators_sentence(one, setup.name),
        by_share(one.by_format) if one.by_format else "–",
        in_unit(one.latency_s, size),
        tuple(per_cent(one.share_of_time(one.times_s.get(part, math.nan))) for part in PARTS),
        times_faster(one.layers_speedup),
        own_unit,
        tuple(_operator(one, ran, own_size) for ran in rows),
        len(ordered) - len(rows),
    )


def _operator(one: Explained, ran: Ran, size: float) -> ShownOperator:
    return ShownOperator(ran.name, ran.kind, does(ran), *numbers(one, ran, size), ran.note)
