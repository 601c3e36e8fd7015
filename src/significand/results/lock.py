"""Locks: one experiment at a time in a result folder, and one block at a time on a machine."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Self

from significand.plan.problems import PlanError, shown
from significand.results.files import open_own
from significand.results.host_names import host_folder_name

LOCK = ".significand.lock"

LONGEST_ID = 20
"""Digits of a process's number, at most."""


class FileLock:
    """Held by this process until it is released; the kernel releases it when the process ends, however it ends.

    Parameters
    ----------
    path
        The file, in an existing folder; it holds the number of the process, and is gone when nobody holds it.
    in_use
        Says what is wrong where another process holds it, given that process.

    Raises
    ------
    PlanError
        When another process holds it, naming that process.
    OSError
        When the folder cannot be written, or something else than a file of ours stands in the lock's place.
    """

    def __init__(self, path: Path, in_use: Callable[[str], str]) -> None:
        self._path = path
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
                raise PlanError([in_use(holder if holder.isdigit() else "another")]) from None
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


class FolderLock(FileLock):
    """The lock on a result folder, which must exist; see `FileLock`."""

    def __init__(self, folder: Path) -> None:
        told = f"output_dir: {str(folder)!r} is in use by process"
        super().__init__(folder / LOCK, lambda who: f"{told} {who}; wait or give another folder")


def is_locked(folder: Path) -> bool:
    """Tell whether an experiment is running in a folder; nothing in it is touched."""
    try:
        with (folder / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


class HostLock(FileLock):
    """The lock on a whole machine, by its name: two blocks at once would disturb each other.

    It lies in the folder for temporary files, and is the user's own: of other users nothing is known.
    """

    def __init__(self, host: str) -> None:
        name = f"significand-{os.getuid()}-{host_folder_name(host)}.lock"
        told = f"host: a block is being measured on {shown(host)} by process"
        super().__init__(Path(tempfile.gettempdir()) / name, lambda who: f"{told} {who}; wait until it has ended")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
