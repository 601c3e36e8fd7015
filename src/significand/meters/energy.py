"""Energy of windows of time: what a counter is, the estimate where none can be read, and sums over windows."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

CPU_TIME = "cpu-time"
"""The source of an energy that is no measurement but CPU time restated in joules."""


class EnergyError(RuntimeError):
    """The energy of a window cannot be told; the text says why. `EnergyMeter` turns it into NaN and a reason."""


class NoCounterError(EnergyError):
    """A counter cannot be used on this machine.

    Attributes
    ----------
    detail
        What was found.
    remedy
        What to do about it.
    """

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(f"{detail}; {remedy}")
        self.detail = detail
        self.remedy = remedy


@dataclass(frozen=True)
class EnergyReading:
    """What a counter showed at one moment; only the difference of two readings of one counter means anything.

    Attributes
    ----------
    time_ns
        Monotonic time in nanoseconds.
    counts
        The raw counts, one for each of the counter's domains, in the counter's own unit.
    """

    time_ns: int
    counts: tuple[int, ...]


class EnergyCounter(Protocol):
    """Something that counts energy, and what stands behind it."""

    @property
    def kind(self) -> str:
        """``"measured"`` or ``"estimated"``."""
        ...

    @property
    def source(self) -> str:
        """The counter's name, or what an estimate rests on: ``"nvml"``, ``"rapl"``, ``"cpu-time"``."""
        ...

    @property
    def domains(self) -> str:
        """What the counter covers, as ``"package-0+dram"``; empty for an estimate."""
        ...

    @property
    def assumptions(self) -> str:
        """What an estimate assumed, or what a measurement leaves out; may be empty."""
        ...

    @property
    def shortest_window_s(self) -> float:
        """Windows shorter than this, in seconds, are too short for the counter's refresh."""
        ...

    def read(self) -> EnergyReading:
        """Read the counter now.

        Raises
        ------
        EnergyError
            When it cannot be read.
        """
        ...

    def energy_j(self, start: EnergyReading, end: EnergyReading) -> float:
        """Return the joules between two readings of this counter.

        Raises
        ------
        EnergyError
            When the readings do not determine them, as where a counter could have wrapped twice.
        """
        ...

    def close(self) -> None:
        """Give back what reading took; it may be called twice, and the counter read again."""
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
    clock_ns
        Monotonic time in nanoseconds.
    left_out
        What the estimate does not cover, in words; may be empty.
    """

    watts_per_core: float
    cpu_clock_ns: Callable[[], int] = field(default=time.process_time_ns, repr=False)
    clock_ns: Callable[[], int] = field(default=time.perf_counter_ns, repr=False)
    left_out: str = ""
    kind: str = "estimated"
    source: str = CPU_TIME
    domains: str = ""
    shortest_window_s: float = 0.0

    @property
    def assumptions(self) -> str:
        """What the estimate assumed, in words."""
        assumed = f"{self.watts_per_core:g} W per busy core, the same in every precision"
        return f"{assumed}; {self.left_out}" if self.left_out else assumed

    def read_j(self) -> float:
        """Return CPU seconds so far times the assumed watts."""
        return self.cpu_clock_ns() / 1e9 * self.watts_per_core

    def read(self) -> EnergyReading:
        """Read the CPU clock, in nanoseconds."""
        return EnergyReading(self.clock_ns(), (self.cpu_clock_ns(),))

    def energy_j(self, start: EnergyReading, end: EnergyReading) -> float:
        """Return the CPU seconds between two readings times the assumed watts."""
        return (end.counts[0] - start.counts[0]) / 1e9 * self.watts_per_core

    def close(self) -> None:
        """Do nothing: a clock holds nothing."""


@dataclass(frozen=True)
class Window:
    """One window of a run.

    Attributes
    ----------
    duration_s
        From reading to reading; NaN where one of them failed.
    energy_j
        NaN where it is not known, and then `reason` says why.
    """

    duration_s: float
    energy_j: float
    reason: str = ""


class EnergyMeter:
    """Energy summed over the windows in which a run has the machine.

    A counter that fails does not end the run: its energy is missing, and the reason is kept.

    Attributes
    ----------
    windows
        One entry for each window that came to its end, in order.
    """

    def __init__(self, counter: EnergyCounter) -> None:
        self.windows: list[Window] = []
        self._counter = counter

    @contextmanager
    def window(self) -> Iterator[None]:
        """Count the energy of what runs inside."""
        start = self._read()
        yield
        self.windows.append(self._difference(start, self._read()))

    @property
    def energy_j(self) -> float:
        """Joules over all windows; NaN where that of any is missing, or there was none."""
        return sum(window.energy_j for window in self.windows) if self.windows else math.nan

    @property
    def duration_s(self) -> float:
        """Seconds over all windows; NaN where that of any is missing, or there was none."""
        return sum(window.duration_s for window in self.windows) if self.windows else math.nan

    @property
    def reason(self) -> str:
        """Why the energy is missing; empty where it is known."""
        if not self.windows:
            return "no energy was read"
        reasons = [window.reason for window in self.windows if window.reason]
        return f"{len(reasons)} of {len(self.windows)} windows without energy: {reasons[0]}" if reasons else ""

    def _read(self) -> EnergyReading | EnergyError:
        try:
            return self._counter.read()
        except EnergyError as error:
            return error

    def _difference(self, start: EnergyReading | EnergyError, end: EnergyReading | EnergyError) -> Window:
        if isinstance(start, EnergyError):
            return Window(math.nan, math.nan, str(start))
        if isinstance(end, EnergyError):
            return Window(math.nan, math.nan, str(end))
        duration_s = (end.time_ns - start.time_ns) / 1e9
        try:
            return Window(duration_s, self._counter.energy_j(start, end))
        except EnergyError as error:
            return Window(duration_s, math.nan, str(error))
