"""The counters of energy: which can be used on this machine, which is best, and what the machine draws at rest."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from significand.meters.energy import CPU_TIME, CpuTimeEstimate, EnergyCounter, NoCounterError
from significand.meters.nvml import open_nvml
from significand.meters.rapl import open_rapl


@dataclass(frozen=True)
class CounterProbe:
    """Whether one source of energy can be used on this machine.

    Attributes
    ----------
    source
        As in `significand.meters.energy.EnergyCounter.source`.
    detail
        What the counter covers, or why it cannot be used.
    remedy
        What to do to use it; empty where it can be.
    """

    source: str
    available: bool
    detail: str
    remedy: str


def probe_counters(root: Path = Path("/"), nvml: ModuleType | None = None) -> list[CounterProbe]:
    """Try every source of energy, best first, and say which can be used.

    Parameters
    ----------
    root
        Folder that holds ``sys``.
    nvml
        The module ``pynvml``, or one like it; imported where not given.
    """
    return [
        _probe("nvml", lambda: open_nvml(0, nvml)),
        _probe("rapl", lambda: open_rapl(root)),
        CounterProbe(CPU_TIME, available=True, detail="an estimate: CPU time restated in joules", remedy=""),
    ]


def choose_counter(
    watts_per_core: float,
    root: Path = Path("/"),
    uses_gpu: bool = False,
    nvml: ModuleType | None = None,
    gpu: int | str = 0,
) -> EnergyCounter:
    """Return the best counter that can be read: NVML for a GPU, else RAPL, else the estimate from CPU time.

    Where a GPU is used and its counter cannot be read, the next counter's `assumptions` say that the GPU is left out.

    Parameters
    ----------
    watts_per_core
        Assumed power of a busy core, in watts, for the estimate.
    root
        Folder that holds ``sys``.
    uses_gpu
        Whether the work runs on a GPU.
    nvml
        The module ``pynvml``, or one like it; imported where not given.
    gpu
        The GPU, as in `nvml.open_nvml`.
    """
    left_out = ""
    if uses_gpu:
        try:
            return open_nvml(gpu, nvml)
        except NoCounterError as error:
            left_out = f"the GPU's energy is left out: {error.detail}"
    try:
        return replace(open_rapl(root), assumptions=left_out)
    except NoCounterError as error:
        missing = "; ".join(filter(None, [left_out, f"no counter: {error.detail}"]))
        return CpuTimeEstimate(watts_per_core, left_out=missing)


@dataclass(frozen=True)
class EnergyPlan:
    """How all runs of an experiment find their energy.

    Attributes
    ----------
    watts_per_core
        Assumed power of a busy core, in watts, where energy is estimated.
    source
        The counter that all runs take; where it cannot be read the energy is missing. Empty for the best there is.
    idle_power_w
        Power of the idle machine, in watts, as from `idle_power_w`; it is subtracted from measured energy.
    """

    watts_per_core: float
    source: str = ""
    idle_power_w: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no power: it would be subtracted from every energy.

        Raises
        ------
        ValueError
            When `idle_power_w` is negative or not finite.
        """
        if not (math.isfinite(self.idle_power_w) and self.idle_power_w >= 0):
            raise ValueError(f"idle_power_w: {self.idle_power_w!r} is no power; give watts, 0 or more")

    def open(self) -> EnergyCounter:
        """Return the counter, to be closed by whoever asked for it."""
        return choose_counter(self.watts_per_core)


def idle_power_w(counter: EnergyCounter, seconds: float, sleep: Callable[[float], object] = time.sleep) -> float:
    """Return the mean power of the machine at rest, in watts, over a window in which this process sleeps.

    It is for subtraction: energy above idle is the energy of a window less idle power times the window's length. That
    may come out negative, where the machine drew less than in the idle window; it must not be clipped, which would
    turn noise around nothing into a gain.

    Parameters
    ----------
    counter
        A measuring counter; its readings carry the time.
    seconds
        Length of the window.
    sleep
        Waits that many seconds.

    Raises
    ------
    ValueError
        For an estimate, which knows no idle power, and for a window too short for the counter.
    EnergyError
        When the counter cannot be read or the window is too long for it.
    """
    if counter.kind != "measured":
        raise ValueError(
            f"idle power cannot be taken from {counter.source!r}, which is {counter.kind}: only a measuring counter "
            "(rapl, nvml) sees a machine at rest; make one readable or leave the idle baseline out"
        )
    if not (math.isfinite(seconds) and seconds > 0 and seconds >= counter.shortest_window_s):
        raise ValueError(
            f"an idle window of {seconds:g} s is too short or endless: {counter.source} needs at least "
            f"{counter.shortest_window_s:g} s; give 10 s, for example"
        )
    start = counter.read()
    sleep(seconds)
    end = counter.read()
    return counter.energy_j(start, end) / ((end.time_ns - start.time_ns) / 1e9)


def _probe(source: str, open_counter: Callable[[], EnergyCounter]) -> CounterProbe:
    try:
        counter = open_counter()
    except NoCounterError as error:
        return CounterProbe(source, available=False, detail=error.detail, remedy=error.remedy)
    return CounterProbe(source, available=True, detail=counter.domains, remedy="")
