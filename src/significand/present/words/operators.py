"""What the operators of a setup say, in words: formats by share, and why it is not faster."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from significand.answers.explain import CONVERSIONS, OUTSIDE, WITHOUT, Explained, Ran
from significand.plan.phrases import MOST_NAMED, merged
from significand.plan.precision import MODES
from significand.present.rows import visible
from significand.present.words.numbers import by_share, per_cent

if TYPE_CHECKING:
    from significand.answers.folder import Folder

MOST_TOLD = 4
"""Setups of which the answer says one by one why they are as fast as they are; of more, what matters most."""

NOTABLE = 0.05
"""Share of the time from which on conversions are told also of modes that nothing is quantised in."""

SAME_SPEED = 0.05
"""Two times that differ by less are called as fast as each other: a profile is of one run."""


MUCH_SLOWED = 1.25
"""From how many times longer on a profiled call's shares are called rough: the profiler's own work is in them."""

TOO_SLOWED = 4.0
"""From how many times longer on they say nothing, and are not told."""


def operators_sentence(one: Explained, name: str) -> str:
    """Say of a setup, by its name, what its layers computed in and where its time goes; in full sentences."""
    if not one.layers:
        return f"{name}: {'nothing in it multiplies' if one.operators or one.untimed else WITHOUT}."
    parts = [_layers(one)]
    if reason := _why_no_times(one):
        parts.append(f"where its time goes is not known: {reason}")
    elif one.is_timed:
        parts.append(f"{per_cent(one.share_of_time(one.times_s[CONVERSIONS]))} of its time goes into conversions")
        if speed := _speed(one):
            parts.append(speed)
        if (outside := one.share_of_time(one.times_s[OUTSIDE])) > 0.2:
            parts.append(f"{per_cent(outside)} is outside of all operators")
        if one.slowing > MUCH_SLOWED:
            parts.append(f"these shares are rough, because the profiler made calls {one.slowing:.1f} times as long")
    return f"{name} {'; '.join(parts)}."


def does(ran: Ran) -> str:
    """Say what an operator computes in, or that it only converts."""
    return ran.format or ("converts" if ran.is_conversion else "")


def numbers(one: Explained, ran: Ran, size: float) -> tuple[str, str, str, str]:
    """Write an operator's share of the work, time, share of the time, and how many times faster its layer is.

    The time is in a unit of so many seconds.
    """
    work = per_cent(ran.share_of_work) if ran.share_of_work else ""
    faster = times_faster(ran.baseline_s / ran.time_s) if ran.time_s > 0 else ""
    return work, in_unit(ran.time_s, size), per_cent(one.share_of_time(ran.time_s)), faster


def in_unit(time_s: float, size: float) -> str:
    """Write a time in a unit of so many seconds; a dash where it is not known."""
    return f"{time_s / size:.3g}" if math.isfinite(time_s) else "–"


def times_faster(ratio: float) -> str:
    """Write how many times faster; nothing where that is not known."""
    return f"×{ratio:.2f}" if math.isfinite(ratio) else ""


def operators_lines(results: "Folder") -> list[str]:
    """Return why the setups of an experiment are as fast as they are: a sentence for each that has a baseline.

    Of many setups a few sentences in all.
    """
    try:
        setups = results.explained
    except ValueError:  # arrays that are damaged: the report says so
        return []
    compared = [one for one in setups if one.baseline]
    if len(compared) > MOST_TOLD:
        return lines_of_many([one for one in setups if one.layers])
    return [operators_sentence(one, visible(one.setup)) for one in compared]


def lines_of_many(setups: Sequence[Explained]) -> list[str]:
    """Say what matters most of many setups that have layers.

    What computed in another format than its mode's, how much of the time goes into conversions and how fast the layers
    themselves are, and of how many no times are known.
    """
    told = [_formats_of_many(setups)]
    timed = [one for one in setups if one.is_timed and one.latency_s > 0 and not _why_no_times(one)]
    if times := "; ".join(_times_of_many(timed)):
        told.append(f"Conversions take {times}.")
    if reasons := [reason for one in setups if (reason := _why_no_times(one))]:
        told.append(f"Where the time goes is not known of {len(reasons)} of {len(setups)} setups: {reasons[0]}.")
    return [*told[:-1], f"{told[-1]} `significand explain` tells setup by setup."]


def _formats_of_many(setups: Sequence[Explained]) -> str:
    said = [(f"{visible(one.precision_mode)} on {visible(one.engine)}", by_share(one.by_format)) for one in setups]
    others = dict.fromkeys(pair for one, pair in zip(setups, said, strict=True) if one.in_its_own < len(one.layers))
    if not others:
        return f"All layers of all {len(setups)} setups computed in the formats of their modes."
    told = [f"{who} in {visible(formats)}" for who, formats in merged(others)]
    more = [f"{len(told) - MOST_NAMED} more"] if told[MOST_NAMED:] else []
    return f"Layers computed in other formats than their modes': {'; '.join(told[:MOST_NAMED] + more)}."


def _times_of_many(setups: Sequence[Explained]) -> Iterator[str]:
    """Say it mode by mode, each with its range over the setups."""
    for mode in dict.fromkeys(one.precision_mode for one in setups):
        of_mode = [one for one in setups if one.precision_mode == mode]
        converting = [one.share_of_time(one.times_s[CONVERSIONS]) for one in of_mode]
        is_quantised = mode in MODES and MODES[mode].quantisation is not None
        if not (is_quantised or max(converting) >= NOTABLE):
            continue
        told = f"{_range(converting, per_cent)} of the time of {visible(mode)}"
        if speeds := [speed for one in of_mode if math.isfinite(speed := one.layers_speedup)]:
            told += f", whose layers themselves are {_range(speeds, '{:.1f}'.format)} times as fast as the baseline's"
        yield told


def _range(values: Iterable[float], written: Callable[[float], str]) -> str:
    """Write the least and the largest of some values, once where both are written the same."""
    ordered = sorted(values)
    return " to ".join(dict.fromkeys(map(written, (ordered[0], ordered[-1]))))


def _why_no_times(one: Explained) -> str:
    """Say why where the time goes is not known; nothing where it is, or where no reason is recorded."""
    if one.is_timed and one.slowing > TOO_SLOWED:
        return f"calls of so short a network took {one.slowing:.0f} times as long under the profiler"
    return visible(one.untimed)


def _layers(one: Explained) -> str:
    n = len(one.layers)
    of_all = f"its {'layer' if n == 1 else f'{n} layers'}"
    if len(one.by_format) == 1:
        return f"computed {of_all if n == 1 else f'all of {of_all}'} in {by_share(one.by_format)}"
    own = f"{one.in_its_own} of {of_all} in {one.wanted}"
    return f"computed {own} (by work: {by_share(one.by_format)})"


def _speed(one: Explained) -> str:
    ratio = one.layers_speedup
    if not math.isfinite(ratio) or one.baseline is None:
        return ""
    theirs = f"those of {visible(one.baseline.setup)}"
    if abs(ratio - 1) < SAME_SPEED:
        return f"the layers themselves are as fast as {theirs}"
    times, word = (ratio, "faster") if ratio > 1 else (1 / ratio, "slower")
    return f"the layers themselves are {times:.1f} times {word} than {theirs}"
