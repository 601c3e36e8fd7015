"""Peak resident memory of a phase, above the level before it."""

import ctypes
import math
import resource
import sys
from pathlib import Path

PROC = Path("/proc/self")
RESET_PEAK = "5"
"""What proc(5), section /proc/pid/clear_refs, says resets the high-water mark."""


class PeakMemory:
    """Peak resident memory above the level at which the object was made.

    On Linux the kernel's high-water mark is reset, so that memory freed again before the end of a phase is seen too.
    Where the mark cannot be reset, the process's peak since its birth stands in (``resettable`` is False); a phase that
    did not raise that peak is then unknown, NaN.

    Parameters
    ----------
    proc
        Folder of the process in the proc file system.
    """

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc
        self.resettable = True
        self.reset_peak()
        self._level = self._status_bytes("VmRSS") if self.resettable else self._peak_at_reset

    def reset_peak(self) -> None:
        """Forget the peak so far, for the next phase; the level stays."""
        try:
            (self._proc / "clear_refs").write_text(RESET_PEAK, encoding="ascii")
        except OSError:
            self.resettable = False
        self._peak_at_reset = _peak_since_birth_bytes()

    def peak_mb(self) -> float:
        """Return the peak since the last reset, in MB (10^6 bytes) above the level."""
        if self.resettable:
            return max(0, self._status_bytes("VmHWM") - self._level) / 1e6
        peak = _peak_since_birth_bytes()
        return (peak - self._level) / 1e6 if peak > self._peak_at_reset else math.nan

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


def _peak_since_birth_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # getrusage(2): kilobytes on Linux, bytes on macOS
