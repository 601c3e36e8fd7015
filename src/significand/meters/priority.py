"""More of the processor for a while, where the system permits it."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc/self")


@contextlib.contextmanager
def raised_priority(nice: int, proc: Path = PROC) -> Iterator[int]:
    """Give every thread of this process the niceness `nice` inside the block, and what it had before after it.

    On a quiet machine it changes little; beside a busy process it lets this one have nearly all of a shared CPU. Linux
    weighs threads within their session first where it groups sessions (sched(7), "The autogroup feature"), so the
    group's niceness is set too. Only the superuser, or a process with CAP_SYS_NICE, may ask for less than 0.

    Parameters
    ----------
    nice
        From -20 to 0; 0 leaves everything as it is.
    proc
        Folder of the process in the proc file system.

    Yields
    ------
    int
        The niceness in effect: `nice`, or that of before where the system does not permit it.
    """
    before, group = os.getpriority(os.PRIO_PROCESS, 0), _group_niceness(proc)
    if nice >= before or not _set(nice, nice, proc):
        yield before
        return
    try:
        yield nice
    finally:
        _set(before, group, proc)


def _group_niceness(proc: Path) -> int:
    """Return the niceness of the session's group, as in ``/autogroup-572 nice 0``; 0 where there is none."""
    try:
        return int((proc / "autogroup").read_text(encoding="ascii").rpartition(" ")[2])
    except (OSError, ValueError):
        return 0


def _set(nice: int, group: int, proc: Path) -> bool:
    """Set the niceness of every thread and of the session's group; return whether the threads have it."""
    try:
        for task in (proc / "task").iterdir():
            with contextlib.suppress(ProcessLookupError):  # the thread has just ended
                os.setpriority(os.PRIO_PROCESS, int(task.name), nice)
    except OSError:  # no permission, or no proc file system
        return False
    with contextlib.suppress(OSError):  # a kernel without groups, or asked too often
        (proc / "autogroup").write_text(str(group), encoding="ascii")
    return True
