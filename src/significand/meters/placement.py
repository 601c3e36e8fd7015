"""Which CPUs a measured step runs on: in every turn the same for all setups, and a core for every computing thread.

Left to itself the scheduler keeps a process on the CPU where it began. Of two runs that take turns one then computes on
one CPU and the other on another, and whatever slows one CPU (on a virtual machine mostly a neighbour on the same
physical core, which no counter inside shows) becomes a difference between the two. And it may leave both threads of a
run on one CPU for as long as the run lives. On a virtual machine with two CPUs, two equal runs of a 512-512-512-10
network differed by 5.7 % with one thread and by 11 to 17 % with two (standard deviation of the log ratio); with the
CPUs assigned as here, by 0.8 % and by 1.4 to 2.6 %.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from significand.meters.openmp import usable_cpus

PROC = Path("/proc/self")

AS_FAST = 0.9
"""Cores at least this fast, as a part of the fastest, count as equal: more than the spread of turbo frequencies among
cores of one kind, less than the gap to a kind that saves energy."""


def equal_cores(cpus: Iterable[int], root: Path = Path("/")) -> list[int]:
    """Return one logical CPU of every physical core of the fastest kind, in order.

    Parameters
    ----------
    cpus
        Logical CPUs that may be used.
    root
        Folder that holds ``sys``. Linux describes its files in Documentation/ABI/testing/sysfs-devices-system-cpu and
        Documentation/admin-guide/pm/cpufreq.rst. A CPU of which they say nothing counts as a core like the others.
    """
    first: dict[str, int] = {}
    for cpu in sorted(cpus):
        folder = root / f"sys/devices/system/cpu/cpu{cpu}"
        first.setdefault(_read(folder / "topology/thread_siblings_list") or f"alone {cpu}", cpu)
    speeds = {cpu: _speed(root / f"sys/devices/system/cpu/cpu{cpu}") for cpu in first.values()}
    fastest = max(speeds.values(), default=0.0)
    return [cpu for cpu, speed in speeds.items() if speed >= AS_FAST * fastest]


class Rotation:
    """Gives the computing threads of this process a core each, in every turn others.

    Where there are more threads than cores, or the system does not let one choose, everything stays as it is.

    Parameters
    ----------
    threads
        Threads that compute at once.
    cores
        CPUs to take turns on; None for those of `equal_cores`.
    proc
        Folder of the process in the proc file system.
    """

    def __init__(self, threads: int, cores: list[int] | None = None, proc: Path = PROC) -> None:
        if cores is None:
            cores = equal_cores(usable_cpus()) if hasattr(os, "sched_getaffinity") else []
        self._threads = threads
        self._cores = cores
        self._proc = proc
        self._used_ns = self._use()

    def cpus(self, turn: int) -> list[int]:
        """Return the CPUs of a turn, one per computing thread; nothing where threads would have to share."""
        number = len(self._cores)
        if self._threads > number:
            return []
        # As many further as there are threads, so that a large machine is used all over; by one where that is no step.
        begin = turn * (self._threads if self._threads < number else 1)
        return [self._cores[(begin + thread) % number] for thread in range(self._threads)]

    @contextlib.contextmanager
    def at(self, turn: int) -> Iterator[None]:
        """Keep this process on the turn's CPUs inside the block, the threads that compute most on one each."""
        cpus = self.cpus(turn)
        before: dict[int, set[int]] = {}
        if cpus:
            for rank, thread in enumerate(self._threads_by_use()):
                with contextlib.suppress(OSError):  # it has ended, or may not be moved
                    allowed = os.sched_getaffinity(thread)
                    os.sched_setaffinity(thread, {cpus[rank]} if rank < len(cpus) else cpus)
                    before[thread] = allowed
        try:
            yield
        finally:
            for thread, allowed in before.items():
                with contextlib.suppress(OSError):
                    os.sched_setaffinity(thread, allowed)

    def _threads_by_use(self) -> list[int]:
        """Return the threads of this process, the one first that has computed most since the last turn began.

        Not in all: other libraries' threads may have, before, and then one that computes now would get no core.
        """
        before, self._used_ns = self._used_ns, self._use()
        now = self._used_ns
        return sorted(now, key=lambda thread: (now[thread] - before.get(thread, 0), now[thread]), reverse=True)

    def _use(self) -> dict[int, int]:
        """Return the CPU time of each thread so far, in ns (schedstats of the kernel's scheduler documentation)."""
        used: dict[int, int] = {}
        with contextlib.suppress(OSError, ValueError, IndexError):
            for task in (self._proc / "task").iterdir():
                used[int(task.name)] = int((task / "schedstat").read_text(encoding="ascii").split()[0])
        return used


def _speed(folder: Path) -> float:
    """Return how fast a CPU is, in a unit of its own; 0 where nothing says so."""
    for name in ("cpu_capacity", "cpufreq/cpuinfo_max_freq"):
        with contextlib.suppress(ValueError):
            return float(_read(folder / name))
    return 0.0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
