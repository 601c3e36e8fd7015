"""Why a setup is as fast as it is: its operators by format and time, beside those of its baseline."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from significand.engines.operators import CALL
from significand.plan.precision import MODES
from significand.plan.setup import Setup
from significand.results.records import run_name

if TYPE_CHECKING:
    from significand.answers.folder import Folder

PRODUCTS, CONVERSIONS, OTHERS, OUTSIDE = "layers", "conversions", "other operators", "outside of operators"
"""What a call's time goes into: what multiplies, what only brings numbers into another form, the rest, and what no
operator accounts for, such as the call itself, and threads that wait."""

COLUMNS = ("name", "kind", "format", "multiply_adds", "is_conversion", "time_s", "note")

WITHOUT = "no operators are recorded: the folder is of an earlier version, or the first repeat's run of it failed"


@dataclass(frozen=True)
class Ran:
    """An operator as it ran in the first repeat.

    Attributes
    ----------
    name, kind, format, is_conversion, note
        As in `significand.engines.operators.Operator`.
    share_of_work
        Of the multiply-adds, from 0 to 1.
    time_s
        In a call, by the engine's profiler, as a share of the profiled call times the latency; NaN where that does not
        tell.
    baseline_s
        Time of the same layer in the baseline; NaN where it cannot be told which that is.
    """

    name: str
    kind: str
    format: str
    is_conversion: bool
    share_of_work: float
    time_s: float
    note: str
    baseline_s: float = math.nan

    @property
    def part(self) -> str:
        """Which part of a call's time it belongs to."""
        return PRODUCTS if self.format else CONVERSIONS if self.is_conversion else OTHERS


@dataclass(frozen=True)
class Explained:
    """A setup and its operators.

    Attributes
    ----------
    setup, engine, precision_mode
        What ran.
    operators
        In the order of the network; none where nothing is recorded.
    latency_s
        Median time of a call of the same run, which was not profiled.
    slowing
        How many times longer a call took while it was profiled; NaN where that is not known.
    baseline
        What it is compared with; None for a baseline, and where that has no operators.
    untimed
        Why the profiler told no times; empty where it did, and in folders of earlier versions.
    """

    setup: str
    engine: str
    precision_mode: str
    operators: Sequence[Ran]
    latency_s: float
    slowing: float = math.nan
    baseline: "Explained | None" = None
    untimed: str = ""

    @cached_property
    def by_format(self) -> dict[str, float]:
        """Share of the multiply-adds in each format, the largest first."""
        found: dict[str, float] = {}
        for one in self.layers:
            found[one.format] = found.get(one.format, 0.0) + one.share_of_work
        return dict(sorted(found.items(), key=lambda pair: -pair[1]))

    @property
    def slowest_first(self) -> list[Ran]:
        """The operators, those that take longest first; in the order of the network where there are no times."""
        return sorted(self.operators, key=lambda ran: -ran.time_s if math.isfinite(ran.time_s) else 0.0)

    @property
    def layers(self) -> list[Ran]:
        """The operators that multiply."""
        return [one for one in self.operators if one.format]

    @property
    def wanted(self) -> str:
        """The format that the mode asks for; empty of a mode that is not known, as in a later version's folder."""
        return MODES[self.precision_mode].infers_in if self.precision_mode in MODES else ""

    @property
    def in_its_own(self) -> int:
        """How many layers computed in the format that the mode asks for."""
        return sum(one.format == self.wanted for one in self.layers)

    @property
    def is_timed(self) -> bool:
        """Whether the profiler told times."""
        return any(math.isfinite(one.time_s) for one in self.operators)

    @cached_property
    def times_s(self) -> dict[str, float]:
        """Seconds of a call by `PRODUCTS`, `CONVERSIONS`, `OTHERS` and `OUTSIDE`; they add up to the latency."""
        if not self.is_timed:
            return {}
        found = dict.fromkeys((PRODUCTS, CONVERSIONS, OTHERS), 0.0)
        for one in self.operators:
            if math.isfinite(one.time_s):
                found[one.part] += one.time_s
        return found | {OUTSIDE: self.latency_s - sum(found.values())}

    def share_of_time(self, time_s: float) -> float:
        """Return a time as a share of the latency; NaN where that is not known."""
        return time_s / self.latency_s if self.latency_s > 0 else math.nan

    @property
    def layers_speedup(self) -> float:
        """Time of the baseline's layers by that of its own; NaN where one of them is not known."""
        theirs = self.baseline.times_s.get(PRODUCTS, math.nan) if self.baseline else math.nan
        own = self.times_s.get(PRODUCTS, math.nan)
        return theirs / own if own > 0 else math.nan

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON has it."""
        return {
            "setup": self.setup,
            "engine": self.engine,
            "precision_mode": self.precision_mode,
            "latency_s": self.latency_s,
            "slowing": self.slowing,
            "untimed": self.untimed,
            "baseline": self.baseline.setup if self.baseline else None,
            "formats": self.by_format,
            "times_s": self.times_s,
            "layers_speedup": self.layers_speedup,
            "operators": [
                {
                    "name": one.name,
                    "kind": one.kind,
                    "format": one.format,
                    "is_conversion": one.is_conversion,
                    "share_of_work": one.share_of_work,
                    "time_s": one.time_s,
                    "share_of_time": self.share_of_time(one.time_s),
                    "baseline_s": one.baseline_s,
                    "note": one.note,
                }
                for one in self.operators
            ],
        }


def explain(results: "Folder") -> list[Explained]:
    """Return every setup with its operators, in the order of the experiment.

    Raises
    ------
    ValueError
        When the file of a run's arrays is damaged.
    """
    setups = results.experiment.setups()
    found = [_explained(results, setup) for setup in setups]
    baselines = results.experiment.baselines(setups)
    return [
        one if base == place else _beside(one, found[base])
        for place, (one, base) in enumerate(zip(found, baselines, strict=True))
    ]


def _explained(results: "Folder", setup: Setup) -> Explained:
    arrays = results.details(run_name(0, setup.name))
    if not {f"operator_{name}" for name in COLUMNS} <= arrays.keys():
        return Explained(setup.name, setup.engine, setup.precision, (), math.nan)
    latency_s = float(np.median(arrays.get("call_latency_s", np.array([math.nan]))))
    is_call = arrays["operator_name"] == CALL
    untimed = "; ".join(arrays["operator_note"][is_call].tolist())
    profiled_s = float(arrays["operator_time_s"][is_call][0]) if is_call.any() else math.nan
    slowing = profiled_s / latency_s if latency_s > 0 else math.nan
    found = {name: arrays[f"operator_{name}"][~is_call] for name in COLUMNS}
    times_s = found["time_s"] / (slowing if slowing > 0 else 1.0)
    shares = found["multiply_adds"] / (found["multiply_adds"].sum() or math.nan)
    columns = (found["name"], found["kind"], found["format"], found["is_conversion"].astype(bool), shares, times_s)
    operators = [Ran(*row) for row in zip(*(one.tolist() for one in (*columns, found["note"])), strict=True)]
    return Explained(setup.name, setup.engine, setup.precision, operators, latency_s, slowing, untimed=untimed)


def _beside(one: Explained, base: Explained) -> Explained:
    """Put the times of the baseline's layers beside a setup's own, layer by layer where both have the same."""
    if not base.operators or not one.operators:
        return one
    times = _times_of_same_layers(one.layers, base.layers)
    operators = [replace(ran, baseline_s=times.get(ran.name, math.nan)) for ran in one.operators]
    return replace(one, operators=operators, baseline=base)


def _times_of_same_layers(own: Sequence[Ran], theirs: Sequence[Ran]) -> dict[str, float]:
    """Return the baseline's time of each layer; none where the two differ in number or in shares of the work."""
    ours, others = ([ran.share_of_work for ran in layers] for layers in (own, theirs))
    if len(own) != len(theirs) or not np.allclose(ours, others, rtol=1e-2):
        return {}
    return {ran.name: other.time_s for ran, other in zip(own, theirs, strict=True)}
