import ctypes
import math
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from significand.meters.memory import (
    NONE,
    NOT_RESET,
    RESET,
    PeakMemory,
    process_peak_bytes,
    resident_bytes,
    return_free_memory,
)

SetStatus = Callable[[int, int], None]


@pytest.fixture
def set_status(tmp_path: Path) -> SetStatus:
    """Return a function that sets the peak and the present memory, in kB, of a made-up process."""
    (tmp_path / "clear_refs").touch()

    def set_values(peak_kb: int, now_kb: int) -> None:
        # The layout of proc(5), section /proc/pid/status.
        lines = f"Name:\tpython\nVmPeak:\t  999999 kB\nVmHWM:\t  {peak_kb} kB\nVmRSS:\t  {now_kb} kB\nThreads:\t1\n"
        (tmp_path / "status").write_text(lines, encoding="ascii")

    set_values(5_000, 1_000)
    return set_values


def test_peak_is_the_high_water_mark_above_the_level(tmp_path: Path, set_status: SetStatus) -> None:
    """The peak counts from the memory at the beginning, in MB of 10^6 bytes where the kernel counts in 1024."""
    meter = PeakMemory(tmp_path)
    set_status(3_000, 1_500)
    assert meter.peak_mb() == 2_000 * 1024 / 1e6
    assert meter.method == RESET


def test_mark_is_reset_at_the_beginning_and_on_demand(tmp_path: Path, set_status: SetStatus) -> None:
    """The kernel is asked to forget the peak, as proc(5) says: 5 is written to clear_refs; the level stays."""
    meter = PeakMemory(tmp_path)
    assert (tmp_path / "clear_refs").read_text(encoding="ascii") == "5"
    (tmp_path / "clear_refs").write_text("", encoding="ascii")
    set_status(4_000, 4_000)
    meter.reset_peak()
    assert (tmp_path / "clear_refs").read_text(encoding="ascii") == "5"
    assert meter.peak_mb() == 3_000 * 1024 / 1e6


def test_phase_that_only_frees_has_a_peak_of_nothing(tmp_path: Path, set_status: SetStatus) -> None:
    """A mark below the level is no negative memory."""
    meter = PeakMemory(tmp_path)
    set_status(900, 800)
    assert meter.peak_mb() == 0


def test_status_without_the_mark_is_said(tmp_path: Path, set_status: SetStatus) -> None:
    """A kernel that stops giving the mark is named as the cause."""
    set_status(5_000, 1_000)
    meter = PeakMemory(tmp_path)
    (tmp_path / "status").write_text("Name:\tpython\n", encoding="ascii")
    with pytest.raises(OSError, match="has no line VmHWM"):
        meter.peak_mb()


class Unresettable:
    """A system whose mark only rises: the larger of all that was resident."""

    def __init__(self, folder: Path, resident: int) -> None:
        self._proc = folder / "no proc here"
        self.mark = self.resident = resident

    def hold(self, resident: int) -> None:
        """Let so many bytes be resident."""
        self.resident = resident
        self.mark = max(self.mark, resident)

    def meter(self) -> PeakMemory:
        """Return a meter of this system."""
        return PeakMemory(self._proc, lambda: self.mark, lambda: self.resident)


def test_mark_that_rose_without_a_reset_is_the_peak(tmp_path: Path) -> None:
    """Where the mark cannot be reset, a phase higher than all before is known exactly, also when freed again."""
    system = Unresettable(tmp_path, 5_000_000)
    meter = system.meter()
    system.hold(12_000_000)
    assert meter.peak_mb() == 7
    system.hold(1_000_000)
    assert meter.peak_mb() == 7
    assert meter.method == NOT_RESET


def test_mark_that_did_not_rise_says_nothing(tmp_path: Path) -> None:
    """A phase below an earlier peak is NaN, never the earlier one's number; the level stays for a higher one."""
    system = Unresettable(tmp_path, 5_000_000)
    system.hold(20_000_000)
    system.hold(5_000_000)
    meter = system.meter()
    system.hold(12_000_000)
    assert math.isnan(meter.peak_mb())
    system.hold(22_000_000)
    assert meter.peak_mb() == 17
    meter.reset_peak()
    assert math.isnan(meter.peak_mb())
    system.hold(25_000_000)
    assert meter.peak_mb() == 20


def test_reset_that_fails_later_falls_back(tmp_path: Path, set_status: SetStatus) -> None:
    """When the mark can no longer be reset, the phase's peak is that of the process if it rose, else NaN."""
    marks = iter([3_000 * 1024, 3_000 * 1024, 4_000 * 1024])
    meter = PeakMemory(tmp_path, lambda: next(marks))
    set_status(3_000, 1_500)
    (tmp_path / "clear_refs").unlink()
    (tmp_path / "clear_refs").mkdir()
    meter.reset_peak()
    assert meter.method == NOT_RESET
    assert math.isnan(meter.peak_mb())
    assert meter.peak_mb() == 3_000 * 1024 / 1e6


def test_kernel_without_the_mark_is_not_taken_to_have_reset_it(tmp_path: Path, set_status: SetStatus) -> None:
    """A status file without VmHWM leads to the process's own mark, though clear_refs could be written."""
    set_status(1_000, 1_000)
    (tmp_path / "status").write_text("Name:\tpython\nVmRSS:\t 1000 kB\n", encoding="ascii")
    assert PeakMemory(tmp_path).method == NOT_RESET


@pytest.mark.parametrize(("mark", "resident"), [(None, 1_000), (1_000, None), (None, None)])
def test_without_any_mark_or_level_the_peak_is_missing(tmp_path: Path, mark: int | None, resident: int | None) -> None:
    """Where the system gives no mark or no level there is no method and no number."""
    meter = PeakMemory(tmp_path / "no proc here", lambda: mark, lambda: resident)
    assert meter.method == NONE
    assert math.isnan(meter.peak_mb())
    meter.reset_peak()
    assert math.isnan(meter.peak_mb())


@pytest.mark.parametrize(("platform", "unit"), [("linux", 1024), ("darwin", 1), ("freebsd14", 1024)])
def test_units_of_the_mark_follow_the_system(monkeypatch: pytest.MonkeyPatch, platform: str, unit: int) -> None:
    """The getrusage(2) of Linux and FreeBSD count in KiB, that of macOS in bytes; a mark of 0 is none."""
    usage = SimpleNamespace(ru_maxrss=7_000)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(resource, "getrusage", lambda who: usage)  # noqa: ARG005 - the process itself
    assert process_peak_bytes() == 7_000 * unit
    usage.ru_maxrss = 0
    assert process_peak_bytes() is None


@pytest.mark.parametrize("error", [FileNotFoundError("/proc/1/stat"), psutil.AccessDenied(1)])
def test_unknown_resident_memory_is_none(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Resident memory that may not be looked at is missing."""

    def refuse() -> psutil.Process:
        raise error

    monkeypatch.setattr(psutil, "Process", refuse)
    assert resident_bytes() is None


def measured(code: str) -> list[float]:
    """Run code in a process of its own and return the numbers it prints.

    What pytest holds or frees meanwhile would blur them. The code may call ``anonymous(megabytes)``, which returns so
    much memory from mmap(2), written to.
    """
    begin = """
import mmap, os
from pathlib import Path
from significand.meters.memory import NOT_RESET, RESET, PeakMemory, return_free_memory
def anonymous(megabytes):
    memory = mmap.mmap(-1, int(megabytes * 1e6), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for at in range(0, len(memory), mmap.PAGESIZE):
        memory[at] = 1
    return memory
"""
    done = subprocess.run([sys.executable, "-c", begin + code], capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def test_mapped_memory_is_seen_held_and_freed() -> None:
    """200 MB from the system are seen within 2 % while held and after they were given back."""
    held, freed = measured("""
anonymous(1).close()
meter = PeakMemory()
memory = anonymous(200)
print(meter.peak_mb())
memory.close()
print(meter.peak_mb())
assert meter.method == RESET
""")
    assert held == pytest.approx(200, rel=0.02)
    assert freed == pytest.approx(200, rel=0.02)


@pytest.mark.slow
def test_arrays_are_seen_held_and_freed_and_each_phase_as_itself() -> None:
    """200 MB of numbers are seen within 2 % held and freed; a later, smaller phase is seen as itself, not as them."""
    held, freed, reset, later = measured("""
import numpy as np
np.ones(1_000_000).sum()
return_free_memory()
meter = PeakMemory()
held = np.ones(25_000_000)
print(meter.peak_mb())
del held
print(meter.peak_mb())
meter.reset_peak()
print(meter.peak_mb())
np.ones(12_500_000).sum()
print(meter.peak_mb())
""")
    assert held == pytest.approx(200, rel=0.02)
    assert freed == pytest.approx(200, rel=0.02)
    assert reset == pytest.approx(0, abs=2)
    assert later == pytest.approx(100, rel=0.02)


def test_phase_that_allocates_nothing_reads_nothing() -> None:
    """Computing without allocating has a peak below 2 MB, also right after a large phase."""
    first, after_large = measured("""
meter = PeakMemory()
sum(range(1_000_000))
print(meter.peak_mb())
anonymous(200).close()
meter = PeakMemory()
sum(range(1_000_000))
print(meter.peak_mb())
""")
    assert first < 2
    assert after_large < 2


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="not the C library that has these settings")
def test_large_blocks_come_from_the_system_and_return_to_it() -> None:
    """Blocks freed between others stay resident in a heap that has had large holes before, and do not while told."""
    code = """
from significand.meters.memory import free_memory_returned, large_blocks_from_the_system, resident_bytes
bytearray(30_000_000)  # blocks up to this size come from the heap from now on
held = [bytearray(b"1") * 1_000_000 for _ in range(40)]
held[::2] = [None] * 20
def returned_mb():
    blocks = [bytearray(b"1") * 900_000 for _ in range(10)]
    before = resident_bytes()
    blocks[::2] = [None] * 5
    print((before - resident_bytes()) / 1e6)
with {around}():
    returned_mb()
returned_mb()
"""
    kept, _ = measured(code.format(around="free_memory_returned"))
    returned, kept_again = measured(code.format(around="large_blocks_from_the_system"))
    assert kept < 1
    assert returned == pytest.approx(4.5, rel=0.05)
    assert kept_again < 1


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="this C library cannot return free memory")
def test_returned_memory_does_not_hide_the_next_phase() -> None:
    """100 MB that the allocator kept would serve the next 100 MB unseen; once returned, they are seen within 2 %."""
    hidden, seen = measured("""
def blocks():  # too small to be mapped one by one; the last is in use, so that the heap does not shrink by itself
    held = [bytes(50_000) for _ in range(2_000)]
    return held, bytes(50_000)
for give_back in (False, True):
    held, last = blocks()
    for at in range(len(held)):
        held[at] = None
    if give_back:
        return_free_memory()
    meter = PeakMemory()
    again = blocks()
    print(meter.peak_mb())
    del held, last, again
""")
    assert hidden < 10
    assert seen == pytest.approx(100, rel=0.02)


def test_process_mark_measures_where_nothing_can_be_reset() -> None:
    """Without clear_refs the first 200 MB are seen within 2 % though freed again; a smaller phase after them is NaN."""
    # Forked once more, because a process begins with the mark of the program that started it (getrusage(2)).
    first, second = measured("""
child = os.fork()
if child == 0:
    meter = PeakMemory(Path("no proc here"))
    anonymous(200).close()
    print(meter.peak_mb())
    assert meter.method == NOT_RESET
    meter.reset_peak()
    anonymous(100).close()
    print(meter.peak_mb(), flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
""")
    assert first == pytest.approx(200, rel=0.02)
    assert math.isnan(second)


def test_free_memory_can_be_returned() -> None:
    """Giving memory back to the system needs nothing and may be repeated."""
    return_free_memory()
    return_free_memory()
