"""Peak resident memory of a phase, above the level before it."""

import ctypes
import math
from pathlib import Path

PROC = Path("/proc/self")
RESET_PEAK = "5"
"""What proc(5), section /proc/pid/clear_refs, says resets the high-water mark."""


class PeakMemory:
    """Peak resident memory above the level at which the object was made.

    The kernel's high-water mark is reset, so that memory freed again before the end of a phase is seen too. Where the
    mark cannot be read or reset (another system than Linux, a read-only /proc), a phase's peak cannot be told from
    earlier ones and is NaN.

    Parameters
    ----------
    proc
        Folder of the process in the proc file system.
    """

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc
        self._known = True
        self.reset_peak()
        self._level = self._status_bytes("VmRSS") if self._known else 0

    def reset_peak(self) -> None:
        """Forget the peak so far, for the next phase; the level stays."""
        try:
            (self._proc / "clear_refs").write_text(RESET_PEAK, encoding="ascii")
        except OSError:
            self._known = False

    def peak_mb(self) -> float:
        """Return the peak since the last reset, in MB (10^6 bytes) above the level; NaN where it is not known."""
        return max(0, self._status_bytes("VmHWM") - self._level) / 1e6 if self._known else math.nan

    def _status_bytes(self, field: str) -> int:
        for line in (self._proc / "status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
        raise OSError(f"{self._proc / 'status'} has no line {field}; a Linux kernel with proc(5) is needed")


def return_free_memory() -> None:
    """Give freed memory back to the system where the C library can (glibc), so that the next phase's is seen."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
