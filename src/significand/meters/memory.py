"""Peak resident memory of a phase, above the level before it: from the kernel's own mark, not from samples.

A thread that reads the resident memory every few milliseconds would compute while others are timed, and it would miss
what is allocated and freed between two looks. The kernel keeps a high-water mark anyway.

How exact the mark is: Linux counts resident pages per CPU and adds a CPU's count to the total once it has grown to
max(32, 2 x CPUs) pages (lib/percpu_counter.c; for resident memory since Linux 6.2). Memory held at the end of the phase
is summed exactly when the mark is read; a peak that was freed again is the total without those remainders. Measured
on two CPUs with Linux 6.18 and 1, 10 and 200 MB from mmap(2): held, at most 9 kB off beside the stacks of the threads
that touched it; freed again, 66 to 336 kB too low. The remainders grow with the square of the number of CPUs: on 64
CPUs they can reach 34 MB if all of them touch the memory. /proc/self/smaps_rollup agreed with VmRSS to the page, knows
no peak and takes up to 9 ms where VmRSS takes 0.04 ms, so it is not used.
"""

import ctypes
import math
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil

PROC = Path("/proc/self")
RESET_PEAK = "5"
"""What proc(5), section /proc/pid/clear_refs, says resets the high-water mark."""

RESET = "high-water mark, reset"
NOT_RESET = "high-water mark, not reset"
NONE = "none"


def process_peak_bytes() -> int | None:
    """Return the process's peak resident memory since it began; None where the system does not say.

    ``ru_maxrss`` counts bytes on macOS and KiB elsewhere, according to the getrusage(2) of each.
    """
    unit = {"darwin": 1}.get(sys.platform, 1024)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit or None


def resident_bytes() -> int | None:
    """Return the process's resident memory now; None where the system does not say."""
    try:
        return int(psutil.Process().memory_info().rss)
    except (OSError, psutil.Error):
        return None


class PeakMemory:
    """Peak resident memory above the level at which the object was made.

    Where the kernel lets its high-water mark be reset (Linux), each phase's peak is known, also that of memory freed
    again before the phase ends. Elsewhere (macOS, gVisor, a read-only /proc) the process's mark only ever rises. If it
    rose during the phase, the new mark is the phase's peak; if it did not, the peak is only known to be no higher than
    an earlier one, and is NaN.

    Parameters
    ----------
    proc
        Folder of the process in the proc file system.
    peak_bytes
        Returns the process's mark where it cannot be reset; None where there is none.
    resident
        Returns the resident memory there, in bytes; None where it is not known.
    """

    def __init__(
        self,
        proc: Path = PROC,
        peak_bytes: Callable[[], int | None] = process_peak_bytes,
        resident: Callable[[], int | None] = resident_bytes,
    ) -> None:
        self._proc = proc
        self._peak_bytes = peak_bytes
        self.reset_peak()
        self._level = self._status_bytes("VmRSS") if self._is_reset else resident()

    @property
    def method(self) -> str:
        """How the peak of the phase since the last reset is found: `RESET`, `NOT_RESET`, or `NONE` where it is not."""
        if self._is_reset:
            return RESET
        return NONE if self._level is None or self._mark_before is None else NOT_RESET

    def reset_peak(self) -> None:
        """Begin the next phase: forget the peak so far where that is possible; the level stays."""
        try:
            (self._proc / "clear_refs").write_text(RESET_PEAK, encoding="ascii")
            self._status_bytes("VmHWM")
        except OSError:
            self._is_reset = False
            self._mark_before = self._peak_bytes()
        else:
            self._is_reset = True

    def peak_mb(self) -> float:
        """Return the peak since the last reset, in MB (10^6 bytes) above the level; NaN where it is not known.

        Raises
        ------
        OSError
            When the kernel stops giving the mark that it gave before.
        """
        mark = self._status_bytes("VmHWM") if self._is_reset else self._raised_mark()
        return math.nan if mark is None or self._level is None else max(0, mark - self._level) / 1e6

    def _raised_mark(self) -> int | None:
        mark = self._peak_bytes()
        return None if mark is None or self._mark_before is None or mark <= self._mark_before else mark

    def _status_bytes(self, field: str) -> int:
        for line in (self._proc / "status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
        raise OSError(f"{self._proc / 'status'} has no line {field}; a Linux kernel with proc(5) is needed")


Settled = Callable[[], AbstractContextManager[None]]
"""Makes what is around a phase whose memory is watched, so that free memory is no part of it."""

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1
"""``M_MMAP_THRESHOLD`` and ``M_TRIM_THRESHOLD`` of mallopt(3) of glibc."""

LEAST_BYTES, MOST_BYTES = 128 * 1024, 32 * 1024 * 1024
"""glibc's own first value of the former, and how far it raises it on 64 bits; the latter is twice as large then."""

MOST_HELD_BLOCKS = 100_000
"""12 GB of addresses; of each block a single page is touched."""


_FIRST_FIELDS = ["arena", "ordblks", "smblks", "hblks", "hblkhd"]
_LAST_FIELDS = ["usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"]


class _MallocInfo(ctypes.Structure):
    """What mallinfo2(3) returns; ``hblks`` counts the blocks that came from mmap(2)."""

    _fields_ = [(name, ctypes.c_size_t) for name in [*_FIRST_FIELDS, *_LAST_FIELDS]]


@contextmanager
def large_blocks_from_the_system() -> Iterator[None]:
    """Have every block of 128 KiB or more come from the system, and return to it as soon as it is freed.

    By default glibc raises that size to the largest block ever freed, up to 32 MiB. What is freed then stays resident,
    and may serve the next allocation or not, depending on where it happens to lie: the peak of equal networks differed
    by a third. The size alone is not enough, since free blocks that are there already are used first: they are taken
    here, and kept.

    It costs time, since the system clears the pages of every new block: a yardstick of ResNet-18 took 3.1 instead of
    1.8 s of CPU time. So afterwards blocks of up to 32 MiB are kept, as glibc does by itself once it has seen one. What
    it was before nobody can tell: only for a process in which nothing is timed. Where the C library is another, it does
    nothing, or less.
    """
    return_free_memory()
    library = ctypes.CDLL(None)
    if not (hasattr(library, "mallopt") and hasattr(library, "mallinfo2")):  # of glibc since 2.33
        yield
        return
    library.mallopt(MMAP_THRESHOLD, LEAST_BYTES)
    _use_up_large_blocks(library)
    try:
        yield
    finally:
        library.mallopt(MMAP_THRESHOLD, MOST_BYTES)
        library.mallopt(TRIM_THRESHOLD, 2 * MOST_BYTES)


def _use_up_large_blocks(library: ctypes.CDLL) -> None:
    library.mallinfo2.restype = _MallocInfo
    library.malloc.argtypes, library.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    mapped = library.mallinfo2().hblks
    for _ in range(MOST_HELD_BLOCKS):
        library.malloc(LEAST_BYTES)
        if library.mallinfo2().hblks > mapped:
            return


@contextmanager
def free_memory_returned() -> Iterator[None]:
    """Leave the allocator as it is, and only return what is free: for a process that is somebody else's."""
    return_free_memory()
    yield


def return_free_memory() -> None:
    """Give freed memory back to the system where the C library can, so that the next phase's is seen.

    malloc_trim(3) of glibc returns the whole free pages of every arena. Elsewhere nothing happens, and allocations that
    are served from memory freed earlier stay unseen.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
