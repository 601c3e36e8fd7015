"""Energy of a phase. Where no counter can be read it is estimated from CPU time, and says so."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


class EnergyCounter(Protocol):
    """A counter of joules since some moment, and what stands behind it.

    Attributes
    ----------
    kind
        ``"measured"`` or ``"estimated"``.
    source
        The counter's name, or what an estimate rests on.
    assumptions
        What an estimate assumed; empty for a measurement.
    """

    kind: str
    source: str
    assumptions: str

    def read_j(self) -> float:
        """Return joules since some fixed moment; only differences mean anything."""
        ...


@dataclass(frozen=True)
class CpuTimeEstimate:
    """CPU time of this process times an assumed power per busy core, the same in every precision.

    It restates CPU time in joules: a difference between modes is a difference of CPU time and nothing else, because a
    constant per precision would make the cheaper format win by construction.

    Parameters
    ----------
    watts_per_core
        Assumed power of one busy core. The default of an experiment, 12 W, is what the Green Algorithms calculator
        assumes for an unknown CPU (Lannelongue et al., Advanced Science 2021, doi:10.1002/advs.202100707; data v2.2).
    cpu_clock_ns
        CPU time of this process over all threads, in nanoseconds.
    """

    watts_per_core: float
    cpu_clock_ns: Callable[[], int] = field(default=time.process_time_ns, repr=False)
    kind: str = "estimated"
    source: str = "cpu-time"

    @property
    def assumptions(self) -> str:
        """What the estimate assumed, in words."""
        return f"{self.watts_per_core:g} W per busy core, the same in every precision"

    def read_j(self) -> float:
        """Return CPU seconds so far times the assumed watts."""
        return self.cpu_clock_ns() / 1e9 * self.watts_per_core
