"""How the times of single calls are distributed, from every call: bars, percentiles, and the slow ones as ticks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from significand.plan.metrics import LATENCY
from significand.present.axes import choose_axis
from significand.present.page.setups import ShownSetup
from significand.present.page.times import Times, spread
from significand.present.plots.drawn import Axis
from significand.present.rows import Cell, SummaryRow, enumerated, number
from significand.present.words.numbers import choose_unit, with_half_width

PERCENTILES = (50, 95, 99)

_BINS = 140
_SHOWN_PERCENT = 99.9  # of every setup's calls; a single call may take a thousand times as long as all others
_SHOWN_P99 = 2.0  # times the 99th percentile, at most; or the few slow calls of a busy machine would hide all others
_MOST_TICKS = 120  # of a setup; more would be a bar of ink


@dataclass(frozen=True)
class Distribution:
    """The calls of one setup, all its runs together, times in the unit of the axis.

    Attributes
    ----------
    setup
        Whose they are.
    calls
        How many calls there were.
    per_timing
        Consecutive calls timed together, at most; beyond one, percentiles of calls are not known.
    bars
        (left, right, height) of every bin that holds a timing; the highest is 1.
    percentiles
        Of all calls, in the order of `PERCENTILES`; empty where they are not known.
    slow
        Calls beyond the last percentile and within the axis: all of them, or as many as can be seen, spread evenly over
        their ranks.
    beyond
        How many calls lie beyond the axis.
    slowest
        The longest time.
    """

    setup: ShownSetup
    calls: int
    per_timing: int
    bars: tuple[tuple[float, float, float], ...]
    percentiles: tuple[float, ...]
    slow: tuple[float, ...]
    beyond: int
    slowest: float


@dataclass(frozen=True)
class Percentiles:
    """One line of the table below the chart: texts; without calls in details/, of the runs alone."""

    setup: ShownSetup
    calls: str
    of_calls: tuple[str, ...]
    of_runs: tuple[str, ...]
    slowest: str


@dataclass(frozen=True)
class CallsFigure:
    """All that is shown of calls; without distributions there is no chart."""

    x: Axis
    distributions: tuple[Distribution, ...]
    table: tuple[Percentiles, ...]
    unit: str
    caption: str


def calls_figure(times: Sequence[Times], batch_sizes: Sequence[int]) -> CallsFigure:
    """Prepare the distributions of every setup's calls in the rounds that count in its latency.

    Parameters
    ----------
    times
        Of all setups with finished runs.
    batch_sizes
        Samples per call, of all setups.
    """
    pooled = [(one.setup, _calls_s(one)) for one in times]
    pooled = [(setup, calls_s) for setup, calls_s in pooled if calls_s.size]
    size, unit = choose_unit(LATENCY, [float(np.median(calls_s)) for _, calls_s in pooled])
    ends = [
        Cell(float(end) / size, math.nan)
        for _, calls_s in pooled
        for end in (calls_s.min(), min(np.percentile(calls_s, _SHOWN_PERCENT), _SHOWN_P99 * np.percentile(calls_s, 99)))
    ]
    axis = choose_axis(f"Time of a call on {enumerated(batch_sizes)} samples", [unit], ends)
    edges = (np.geomspace if axis.is_log else np.linspace)(axis.low, axis.high, _BINS + 1)
    distributions = tuple(_distribution(setup, calls_s / size, edges) for setup, calls_s in pooled)
    by_setup = {one.setup.index: one for one in distributions}
    return CallsFigure(
        x=axis,
        distributions=distributions,
        table=tuple(_line(one.setup, by_setup.get(one.setup.index), size) for one in times),
        unit=unit,
        caption=_caption(distributions),
    )


def _calls_s(times: Times) -> np.ndarray:
    """Return every timing that counts, in seconds, all runs together."""
    kept = [
        one.arrays["call_latency_s"][one.arrays["call_round"] >= one.steady_from_round]
        for one in times.runs
        if "call_latency_s" in one.arrays
    ]
    calls_s = np.concatenate(kept) if kept else np.empty(0)
    known_s: np.ndarray = calls_s[np.isfinite(calls_s) & (calls_s > 0)]
    return known_s


def _distribution(setup: ShownSetup, calls: np.ndarray, edges: np.ndarray) -> Distribution:
    counts, _ = np.histogram(calls, bins=edges)
    filled = np.flatnonzero(counts)
    per_timing = int(setup.runs.counts("calls_per_timing").max(initial=0)) if len(setup.runs) else 1
    percentiles = tuple(np.percentile(calls, PERCENTILES).tolist()) if per_timing <= 1 else ()
    slow = np.sort(calls[(calls > percentiles[-1]) & (calls <= edges[-1])]) if percentiles else calls[:0]
    ranks = spread(slow.size, _MOST_TICKS)
    return Distribution(
        setup=setup,
        calls=calls.size * max(per_timing, 1),
        per_timing=per_timing,
        bars=tuple((float(edges[k]), float(edges[k + 1]), float(counts[k] / counts.max())) for k in filled.tolist()),
        percentiles=percentiles,
        slow=tuple(slow[ranks].tolist()),
        beyond=int(np.count_nonzero(calls > edges[-1])),
        slowest=float(calls.max()),
    )


def _line(setup: ShownSetup, distribution: Distribution | None, size: float) -> Percentiles:
    known = distribution.percentiles if distribution else ()
    return Percentiles(
        setup,
        f"{distribution.calls:,}" if distribution else "–",
        tuple(map(_written, known)) or ("–",) * len(PERCENTILES),
        tuple(_of_runs(setup.row, percentile, size) for percentile in PERCENTILES),
        _written(distribution.slowest) if distribution and distribution.percentiles else "–",
    )


def _written(value: float) -> str:
    """Write a positive number without an interval: four digits, trailing zeros too."""
    return f"{value:.{max(0, 3 - math.floor(math.log10(value)))}f}"


def _of_runs(row: SummaryRow, percentile: int, size: float) -> str:
    mean, low, high = (
        number(row, f"batch_latency_p{percentile}_{end}") / size for end in ("mean", "ci95_t_low", "ci95_t_high")
    )
    return with_half_width(mean, (high - low) / 2)


def _caption(distributions: Sequence[Distribution]) -> str:
    parts = ["Every call of all runs of a mode in the rounds that count, from all of them bars and percentiles."]
    if any(one.slow for one in distributions):
        parts.append(f"Ticks below: calls slower than p{PERCENTILES[-1]}, at most {_MOST_TICKS} of them.")
    if beyond := sum(one.beyond for one in distributions):
        timings = sum(one.calls // max(one.per_timing, 1) for one in distributions)
        parts.append(f"Beyond the chart: {beyond:,} of {timings:,}; they are in all numbers.")
    parts.append("Calls of one run are not independent: intervals come from runs, never from calls.")
    parts += [
        f"{one.setup.label}: calls are too short for the clock and were timed {one.per_timing} at a time; the bars "
        "show these groups, and percentiles of calls are unknown."
        for one in distributions
        if one.per_timing > 1
    ]
    return " ".join(parts)
