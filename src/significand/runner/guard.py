"""A small process beside the forkserver that ends it when the program is no more, whatever it is doing then.

The forkserver itself hears of it when its socket closes. It hears nothing for the seconds in which it imports torch,
nor while a child of the program, forked by somebody else in it, still holds a copy of the socket. The kernel's signal
at a parent's death (prctl(2)) comes when the parent's *thread* ends, and would leave the temporary folder behind.
"""

import contextlib
import os
import select
import shutil
import signal
import time
from pathlib import Path
from typing import Never

NAME = "significand-end"
"""What the process is called, in ps for instance; the kernel keeps 15 characters."""

LOOK_EVERY_S = 0.2
"""Where the system cannot wait for the end of a process that is no child, and while the folder is to be removed."""

LONGEST_CLEANING_S = 10.0


def start_guard(program: int, scratch: str, sockets: tuple[int, ...], of_program: str = "") -> int:
    """Fork the guard of this process, which `program` has started; return its process id.

    Parameters
    ----------
    program
        Process id of the program; where it has ended already, so does this process.
    scratch
        Folder that the guard removes when it has ended this process.
    sockets
        File numbers that the guard must not hold open.
    of_program
        A folder that the program removes itself, and the guard where the program is no more; empty for none.
    """
    ignore_polite_signals()
    # Before it is asked whether it lives, or another process might have its number.
    handle_of_program = _handle(program)
    if os.getppid() != program:
        for folder in filter(None, (scratch, of_program)):
            shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)
    of_us = _handle(os.getpid())
    us = os.getpid()
    pid = os.fork()
    if pid == 0:
        for number in sockets:
            os.close(number)
        try:
            _guard(_Process(program, handle_of_program), _Process(us, of_us), Path(scratch), of_program)
        finally:
            os._exit(0)
    for handle in (handle_of_program, of_us):
        if handle is not None:
            os.close(handle)
    return pid


def end_guard(pid: int) -> None:
    """End the guard of this process: there is nothing left to guard."""
    with contextlib.suppress(OSError):  # somebody has killed it
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def ignore_polite_signals() -> None:
    """Leave Ctrl-C and SIGTERM to the program.

    Ctrl-C in a terminal reaches the whole process group, a service manager's SIGTERM every process of the service;
    ending the workers in order is the program's business, and no run shall count as failed for it.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


class _Process:
    """A process that is no child of this one: its number and, where the system has them, a handle (pidfd_open(2))."""

    def __init__(self, pid: int, handle: int | None) -> None:
        self._pid = pid
        self.handle = handle

    def lives(self) -> bool:
        if self.handle is not None:
            return not select.select([self.handle], [], [], 0)[0]
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(self._pid, 0)
            return True
        return False

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self.handle is None:
                os.kill(self._pid, signal.SIGKILL)
            else:
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)


def _guard(program: _Process, forkserver: _Process, scratch: Path, of_program: str) -> Never:
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(NAME, encoding="ascii")
    while program.lives() and (forkserver.lives() or scratch.exists()):
        _wait([program, forkserver] if forkserver.lives() else [program])
    if not program.lives():
        forkserver.kill()
        # The kernel ends its workers a moment later; until then they may still write.
        deadline = time.monotonic() + LONGEST_CLEANING_S
        folders = [scratch, *([Path(of_program)] if of_program else [])]
        while any(folder.exists() for folder in folders) and time.monotonic() < deadline:
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)
            time.sleep(LOOK_EVERY_S)
    os._exit(0)


def _wait(processes: list[_Process]) -> None:
    """Sleep until one of the processes ends; look again soon where that, or when the folder goes, is not told."""
    handles = [process.handle for process in processes if process.handle is not None]
    all_told = len(processes) == len(handles) == 2
    select.select(handles, [], [], None if all_told else LOOK_EVERY_S)


def _handle(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # not on this system, or forbidden in this container
        return None
