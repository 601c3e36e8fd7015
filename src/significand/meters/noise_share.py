"""The part of a measured step that others took, from the counters that `noise` reads at its two ends.

Use is not disturbance. Each of the two sources, the clocks of all processes and the ticks of /proc/stat, is set against
the cores that the step left free in what that source looks at: the machine's cores for the clocks, those of our CPUs
for the ticks. A hyper-thread is no free core, since it shares the arithmetic units. Others beyond the free cores were
in the way. So were they where our own threads were ready but had to wait, as far as others had CPU time and our CPUs
gave time that we did not get (threads that wait for each other are no noise). To it come the hypervisor's steal and the
quota's throttling, which no free core can make good. Steal counts beyond one tick only: the last tick may stand for
almost nothing, and would call a third of a quiet round stolen.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

Key = TypeVar("Key", int, str)

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
"""Unit of the counters of /proc/stat, in seconds (USER_HZ, proc(5))."""


@dataclass(frozen=True)
class Noise:
    """What happened on the machine during one step. NaN is what could not be read.

    Attributes
    ----------
    window_s
        Time from one reading to the other, in seconds. It holds the step and one reading (about 0.2 ms).
    others_cpu_s
        CPU time of everybody but this process, in seconds.
    steal_s
        Time in which the hypervisor ran others on our CPUs, in seconds, as counted: in whole ticks.
    throttled_s
        CPU time withheld by the quota of this process's control group or of one around it, in seconds.
    run_queue_wait_s
        Time in which our threads were ready but waited for a CPU, in seconds, summed over the threads.
    involuntary_switches
        How often a thread of ours was taken off its CPU.
    frequency_mhz
        Mean clock frequency of our CPUs at the end.
    throttle_events
        How often one of our CPUs slowed down because it was hot.
    share
        Part of the CPU time needed by the step that was taken from it: 0 is undisturbed; it may exceed 1.
    """

    window_s: float
    others_cpu_s: float
    steal_s: float
    throttled_s: float
    run_queue_wait_s: float
    involuntary_switches: float
    frequency_mhz: float
    throttle_events: float
    share: float


@dataclass(frozen=True)
class CpuReading:
    """The counters at one moment; only the difference of two says something. Empty is what cannot be read."""

    at_ns: int
    own_cpu_ns: int
    process_cpu_ns: Mapping[int, int]  # by pid, of all processes but this one
    cpu_ticks: Mapping[int, tuple[int, int]]  # busy and steal, by CPU, of those that this process may use
    wait_ns: Mapping[int, int]  # by thread of this process
    involuntary_switches: int
    throttled_ns: Mapping[str, int]  # by control group: this process's and those around it
    throttle_events: Mapping[str, int]  # by CPU


@dataclass(frozen=True)
class Capacity:
    """What a step can use, and what it leaves to others."""

    threads: int
    """Threads that compute in the step."""
    cpus: int
    """Logical CPUs that this process may use."""
    cores: int
    """Physical cores of the whole machine."""
    quota: float | None = None
    """CPUs' worth of time that the control group allows; None where it is not limited."""

    @property
    def running(self) -> int:
        """Threads of the step that can run at once. A quota does not lower it: it stops all of them for a while."""
        return min(self.threads, self.cpus)

    @property
    def needed(self) -> int:
        """CPUs whose time the step can have at most."""
        return self.running if self.quota is None else min(self.running, max(1, math.ceil(self.quota)))

    @property
    def free_cores(self) -> int:
        """Cores of the machine that others may use without being in the way."""
        return max(0, self.cores - self.running)

    @property
    def free_cores_of_ours(self) -> int:
        """The same among the CPUs that this process may use."""
        return max(0, min(self.cores, self.cpus) - self.running)


def noise_between(before: CpuReading, after: CpuReading, capacity: Capacity, frequency_mhz: float = math.nan) -> Noise:
    """Return what happened between two readings of one meter; the module's docstring says how the share is found."""
    window_s = (after.at_ns - before.at_ns) / 1e9
    own_s = (after.own_cpu_ns - before.own_cpu_ns) / 1e9
    scan_s = _growth(before.process_cpu_ns, after.process_cpu_ns) / 1e9
    surely_s, steal_s = _busy_and_steal(before.cpu_ticks, after.cpu_ticks, own_s)
    others_s = max(_known(scan_s, surely_s), default=math.nan)
    wait_s = _growth(before.wait_ns, after.wait_ns) / 1e9
    # A limit may stand at every level of control groups; the tightest is the one that withheld.
    levels = [after.throttled_ns[group] - before.throttled_ns.get(group, 0) for group in after.throttled_ns]
    throttled_s = max(levels, default=math.nan) / 1e9

    not_ours_s = max(0.0, capacity.cpus * window_s - own_s)
    waited_s = math.nan if math.isnan(wait_s) else min(_known(wait_s, others_s, not_ours_s))
    in_the_way = _known(
        scan_s - capacity.free_cores * window_s, surely_s - capacity.free_cores_of_ours * window_s, waited_s
    )
    # Where nobody's use of the CPUs can be seen, that nothing was stolen or withheld does not make the step quiet.
    taken = _known(max(in_the_way), steal_s - TICK_S, throttled_s) if in_the_way else []
    share = sum(max(0.0, part_s) for part_s in taken) / (capacity.needed * window_s) if taken else math.nan
    return Noise(
        window_s=window_s,
        others_cpu_s=others_s,
        steal_s=steal_s,
        throttled_s=throttled_s,
        run_queue_wait_s=wait_s,
        involuntary_switches=float(after.involuntary_switches - before.involuntary_switches),
        frequency_mhz=frequency_mhz,
        throttle_events=_growth(before.throttle_events, after.throttle_events),
        share=share,
    )


def _growth(before: Mapping[Key, int], after: Mapping[Key, int]) -> float:
    """Return by how much counters grew; NaN where there are none.

    A counter that is new counts in full, since it began within the step. So does one that went back: its process or
    thread has ended, and its number was given again.
    """
    if not after:
        return math.nan
    gains = ((value, value - before.get(key, 0)) for key, value in after.items())
    return float(sum(gain if gain >= 0 else value for value, gain in gains))


def _busy_and_steal(
    before: Mapping[int, tuple[int, int]], after: Mapping[int, tuple[int, int]], own_s: float
) -> tuple[float, float]:
    """Return the seconds that others surely had, and the seconds stolen; NaN where nothing is counted."""
    both = before.keys() & after.keys()
    if not both:
        return math.nan, math.nan
    busy = sum(max(0, after[cpu][0] - before[cpu][0] - 1) for cpu in both)
    steal = sum(max(0, after[cpu][1] - before[cpu][1]) for cpu in both)
    return max(0.0, busy * TICK_S - own_s), steal * TICK_S


def _known(*values: float) -> list[float]:
    return [value for value in values if not math.isnan(value)]
