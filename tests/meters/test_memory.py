import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from significand.meters.memory import PeakMemory, return_free_memory

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
    """A kernel that does not give the mark is named as the cause."""
    set_status(5_000, 1_000)
    meter = PeakMemory(tmp_path)
    (tmp_path / "status").write_text("Name:\tpython\n", encoding="ascii")
    with pytest.raises(OSError, match="has no line VmHWM"):
        meter.peak_mb()


def test_where_the_mark_cannot_be_reset_the_peak_is_missing(tmp_path: Path, set_status: SetStatus) -> None:
    """A peak that may be an earlier phase's is NaN, never a number; so too when resetting fails later."""
    assert math.isnan(PeakMemory(tmp_path / "no proc here").peak_mb())
    meter = PeakMemory(tmp_path)
    set_status(3_000, 1_500)
    assert meter.peak_mb() > 0
    (tmp_path / "clear_refs").unlink()
    (tmp_path / "clear_refs").mkdir()
    meter.reset_peak()
    assert math.isnan(meter.peak_mb())


# In a process of its own: what pytest holds or frees meanwhile would blur the numbers.
REAL = """
import numpy as np
from significand.meters.memory import PeakMemory, return_free_memory
np.ones(1_000_000).sum()
return_free_memory()
meter = PeakMemory()
held = np.ones(25_000_000)  # 200 MB, written to
print(meter.peak_mb())
del held
print(meter.peak_mb())
meter.reset_peak()
print(meter.peak_mb())
np.ones(12_500_000).sum()
print(meter.peak_mb())
"""


def test_real_allocations_are_seen_within_two_percent() -> None:
    """200 MB are seen while held and after they were freed, and after a reset only what came later."""
    done = subprocess.run([sys.executable, "-c", REAL], capture_output=True, text=True, check=True)
    held, freed, reset, later = map(float, done.stdout.split())
    assert held == pytest.approx(200, rel=0.02)
    assert freed == pytest.approx(200, rel=0.02)
    assert reset == pytest.approx(0, abs=2)
    assert later == pytest.approx(100, rel=0.02)


def test_free_memory_can_be_returned() -> None:
    """Giving memory back to the system needs nothing and may be repeated."""
    return_free_memory()
    return_free_memory()
