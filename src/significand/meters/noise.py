"""What others did with the machine during a measured step: a training epoch of minutes, a latency round of 30 ms.

Two sources say what the others used. Neither is enough alone:

- **The clocks of all processes**, to the nanosecond and without any permission (clock_getcpuclockid(3)). They see this
  pid namespace only, wherever on the machine a process runs, and miss one that began and ended within the step.
- **/proc/stat** sees everybody, whatever the namespace, but counts in ticks of 10 ms (proc(5)). Busy time less a tick
  for every CPU, less our own CPU time, is time that others surely had. It is summed over the CPUs that this process
  may use: all our own time is spent there, and whoever is on another CPU delays nobody here.

What follows from the counters is in `noise_share`.
"""

import math
import os
import resource
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TypeVar

import psutil

from significand.meters.machine import cpu_quota, group_folders
from significand.meters.noise_share import Capacity, CpuReading, Noise, noise_between
from significand.meters.openmp import usable_cpus

Key = TypeVar("Key", int, str)


def process_cpu_ns(pid: int) -> int:
    """Return the CPU time of a process, all its threads, in nanoseconds; OSError where there is no such clock.

    The clock's number is what clock_getcpuclockid(3) returns: make_process_cpuclock with CPUCLOCK_SCHED, Linux
    include/linux/posix-timers.h.
    """
    return time.clock_gettime_ns((~pid << 3) | 2)


def own_involuntary_switches() -> int:
    """Return how often a thread of this process, ended ones too, was taken off its CPU (getrusage(2))."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


class NoiseMeter:
    """Sees what others do with the machine between `start` and `since`.

    Make it in the process that computes, once its CPU affinity and control group are final. Everybody else counts as
    others, the process that conducts the measurement too. A reading takes about 0.2 ms where 70 processes live.

    Parameters
    ----------
    threads
        Threads that compute in a step.
    root
        Folder that holds ``proc`` and ``sys``.
    clock_ns
        Nanoseconds, monotonic.
    own_clock_ns
        CPU time of this process in nanoseconds.
    process_clock_ns
        The same of any process, by its pid; raises OSError where it cannot be had.
    involuntary_switches
        Counter of this process's involuntary context switches.
    cpus
        Logical CPUs that this process may use; by default its affinity.
    physical_cores
        Of the whole machine; by default what the system says.

    Raises
    ------
    ValueError
        If `threads` is below 1.
    """

    def __init__(
        self,
        threads: int,
        root: Path = Path("/"),
        *,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
        own_clock_ns: Callable[[], int] = time.process_time_ns,
        process_clock_ns: Callable[[int], int] = process_cpu_ns,
        involuntary_switches: Callable[[], int] = own_involuntary_switches,
        cpus: Collection[int] | None = None,
        physical_cores: int | None = None,
    ) -> None:
        if threads < 1:
            raise ValueError(f"threads is {threads}, it must be at least 1: give the threads that compute in a step")
        self._cpus = sorted(usable_cpus() if cpus is None else cpus)
        cores = physical_cores or psutil.cpu_count(logical=False) or os.cpu_count() or 1
        self._capacity = Capacity(threads, len(self._cpus), cores, cpu_quota(root))
        self._proc = str(root / "proc")
        self._clock_ns = clock_ns
        self._own_clock_ns = own_clock_ns
        self._process_clock_ns = process_clock_ns
        self._involuntary_switches = involuntary_switches
        # Which files there are is found once: a reading opens only what it can read.
        statistics = [str(folder / "cpu.stat") for folder in group_folders(root)]
        self._group_files = [path for path in statistics if _throttled_ns(path) is not None]
        self._heat_files = self._cpu_files(root, "thermal_throttle/core_throttle_count")
        self._frequency_files = self._cpu_files(root, "cpufreq/scaling_cur_freq")

    def start(self) -> CpuReading:
        """Return the counters now, to be given to `since` at the end of the step."""
        # One order for both readings, so that every counter spans the same time.
        return CpuReading(
            at_ns=self._clock_ns(),
            own_cpu_ns=self._own_clock_ns(),
            process_cpu_ns=_values(_numbers_in(self._proc, but=os.getpid()), self._process_cpu),
            cpu_ticks=_cpu_ticks(_read(f"{self._proc}/stat"), self._cpus),
            wait_ns=_values(_numbers_in(f"{self._proc}/self/task"), self._thread_wait),
            involuntary_switches=self._involuntary_switches(),
            throttled_ns=_values(self._group_files, _throttled_ns),
            throttle_events=_values(self._heat_files, _whole_number),
        )

    def since(self, reading: CpuReading) -> Noise:
        """Return what happened since `reading`, which `start` gave."""
        now = self.start()
        frequencies_khz = _values(self._frequency_files, _whole_number).values()
        frequency_mhz = sum(frequencies_khz) / len(frequencies_khz) / 1e3 if frequencies_khz else math.nan
        return noise_between(reading, now, self._capacity, frequency_mhz)

    def _process_cpu(self, pid: int) -> int | None:
        try:
            return self._process_clock_ns(pid)
        except OSError:  # it has ended since the listing, or there are no such clocks
            return None

    def _thread_wait(self, tid: int) -> int | None:
        # CPU time, time on the run queue, turns on a CPU (Linux, Documentation/scheduler/sched-stats). A thread without
        # a turn has either not run yet, or the kernel does not count and writes zeros.
        words = _read(f"{self._proc}/self/task/{tid}/schedstat").split()
        return int(words[1]) if len(words) == 3 and int(words[2]) else None

    def _cpu_files(self, root: Path, name: str) -> list[str]:
        paths = [root / f"sys/devices/system/cpu/cpu{cpu}" / name for cpu in self._cpus]
        return [str(path) for path in paths if _whole_number(str(path)) is not None]


def _cpu_ticks(stat: str, cpus: Collection[int]) -> dict[int, tuple[int, int]]:
    """Return busy and steal of some CPUs from the text of /proc/stat; not of those whose line is all zeros.

    No CPU has been neither busy nor idle: such a line is a sandbox's that does not count.
    """
    ticks = {}
    for line in stat.splitlines():
        name, *words = line.split()
        if not name.startswith("cpu"):
            break  # the CPUs come first, and what follows is long
        if name == "cpu" or int(name[3:]) not in cpus:
            continue
        counts = [int(word) for word in words] + [0] * (8 - len(words))
        if any(counts):
            user, nice, system, _idle, _iowait, irq, softirq, steal = counts[:8]  # guests are within user and nice
            ticks[int(name[3:])] = (user + nice + system + irq + softirq, steal)
    return ticks


def _throttled_ns(path: str) -> int | None:
    units_ns = {"throttled_usec": 1000, "throttled_time": 1}  # of cgroup v2 and v1
    for line in _read(path).splitlines():
        name, _, value = line.partition(" ")
        if name in units_ns:
            return int(value) * units_ns[name]
    return None


def _whole_number(path: str) -> int | None:
    text = _read(path).strip()
    return int(text) if text.isdecimal() else None


def _values(keys: Iterable[Key], read: Callable[[Key], int | None]) -> dict[Key, int]:
    return {key: value for key in keys if (value := read(key)) is not None}


def _numbers_in(folder: str, but: int = 0) -> list[int]:
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a path object for each of a thousand processes takes milliseconds
    except OSError:
        return []
    return [number for number in (int(name) for name in names if name.isdecimal()) if number != but]


def _read(path: str) -> str:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - quicker by half than pathlib, many times a reading
            return file.read().decode("ascii", errors="replace")
    except OSError:
        return ""
