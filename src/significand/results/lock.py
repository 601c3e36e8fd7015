"""The lock on a result folder: one experiment at a time, and none that goes on writing where another has begun."""

import contextlib
import fcntl
import os
from pathlib import Path

from significand.plan.problems import PlanError
from significand.results.files import open_own

LOCK = ".significand.lock"

LONGEST_ID = 20
"""Digits of a process's number, at most."""


class FolderLock:
    """Held by this process until it is released; the kernel releases it when the process ends, however it ends.

    Parameters
    ----------
    folder
        An existing folder.

    Raises
    ------
    PlanError
        When another process holds it, naming that process.
    OSError
        When the folder cannot be written, or something else than a file of ours stands in the lock's place.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        while True:
            self._file = open(open_own(self._path, os.O_RDWR | os.O_CREAT), "r+b", buffering=0)  # noqa: PTH123, SIM115 - held
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self.is_held():
                    self._file.truncate(0)
                    self._file.write(str(os.getpid()).encode())
                    return
            except BlockingIOError:
                holder = self._file.read(LONGEST_ID).decode("ascii", errors="replace").strip()
                self._file.close()
                who = holder if holder.isdigit() else "another"
                problem = f"output_dir: {str(folder)!r} is in use by process {who}; wait or give another folder"
                raise PlanError([problem]) from None
            except OSError:
                self.release()
                raise
            self._file.close()  # the holder before has removed the file between our opening and locking it

    def is_held(self) -> bool:
        """Return whether this is still the folder's lock; it is not where the folder was removed or is another now."""
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:  # nobody can tell, and what is written next will fail for the same reason
            return True

    def release(self) -> None:
        """Release the lock, and remove its file where the file is still ours."""
        with contextlib.suppress(OSError):  # what went wrong with the folder is on its way to the user already
            if self.is_held():
                self._path.unlink()
        self._file.close()
