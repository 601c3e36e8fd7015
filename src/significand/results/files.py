"""How the files of a result folder are opened: anybody may have put anything there.

What is written is a file with one name, never a link to something else. What is read is a file of bounded size, never a
pipe or a device, which might never end.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, BinaryIO, TypeVar

import psutil

LONGEST_LINE = 2**24
"""Characters or bytes. A run's line has some thousand."""

RUN_BYTES = 1_000
"""Memory that a run takes at least, whatever little its line says of it."""

MEMORY_PER_BYTE = 4
"""Memory that a table or journal takes, for a byte of its text: every number becomes an object of its own."""

ELSEWHERE = "read it on a machine with more memory"

Item = TypeVar("Item")
Text = TypeVar("Text", str, bytes)

_KINDS = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)


class ForeignFileError(OSError):
    """Something stands where a file or folder of ours should. ``strerror`` says what, ``remedy`` what to do."""

    def __init__(self, path: Path, cause: str, remedy: str) -> None:
        super().__init__(errno.EPERM, cause, str(path))
        self.remedy = remedy


class TooLargeError(ValueError):
    """A file that is too large to be read here; the text names it, its size, the limit and the remedy."""


def open_own(path: Path, flags: int) -> int:
    """Open a file of ours for writing in place, and return its descriptor.

    Raises
    ------
    ForeignFileError
        Where it is a link, or has another name elsewhere, or is no file: nothing is written then.
    OSError
        Where it cannot be opened.
    """
    if os.path.lexists(path):  # opening alone may do something to a device
        _check_own(path, path.lstat())
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    try:
        _check_own(path, os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def check_folder(path: Path) -> None:
    """Find out whether a folder of ours may be written to; one that is not there may be made.

    Raises
    ------
    ForeignFileError
        Where it is a link, or no folder.
    """
    if os.path.lexists(path) and not stat.S_ISDIR(mode := path.lstat().st_mode):
        raise ForeignFileError(path, f"{path.name} is {_kind(mode)} where a folder should be", "remove it")


def open_to_read(path: Path, most_bytes: int, remedy: str) -> BinaryIO:
    """Open a file to be read, wherever a link may lead.

    Parameters
    ----------
    most_bytes
        Its size at most.
    remedy
        What to do where it has more.

    Raises
    ------
    OSError
        Where it cannot be opened, or is no file.
    TooLargeError
        Where it has more than `most_bytes`.
    """
    _check_readable(path, path.stat(), most_bytes, remedy)  # opening a pipe would wait for its other end
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _check_readable(path, os.fstat(descriptor), most_bytes, remedy)
    except (OSError, ValueError):
        os.close(descriptor)
        raise
    return open(descriptor, "rb")  # noqa: PTH123 - a file descriptor


def most_table_bytes() -> int:
    """Return how large a table or journal of runs may be to be read here."""
    return int(psutil.virtual_memory().available) // MEMORY_PER_BYTE


def most_runs() -> int:
    """Return how many runs a table or journal may have to be read here: a line of four bytes can stand for one."""
    return int(psutil.virtual_memory().available) // RUN_BYTES


def too_many_runs(path: Path, most: int) -> TooLargeError:
    """Return the error of a file with more than so many runs."""
    return TooLargeError(f"{str(path)!r} has more than {most} lines, and no more fit the memory; {ELSEWHERE}")


def counted(path: Path, items: Iterable[Item]) -> Iterator[Item]:
    """Pass on the runs of a file, as many as the memory holds.

    Raises
    ------
    TooLargeError
        When there are more.
    """
    most = most_runs()
    for number, item in enumerate(items):
        if number >= most:
            raise too_many_runs(path, most)
        yield item


def lines_of(path: Path, file: "IO[Text]") -> "Iterator[Text]":
    """Return the lines of a file, each with its end.

    Raises
    ------
    TooLargeError
        When one is longer than `LONGEST_LINE`.
    """
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise TooLargeError(f"{str(path)!r} has a line of more than {LONGEST_LINE} bytes; it is no table of runs")
        yield line


def _check_own(path: Path, found: os.stat_result) -> None:
    remedy = "put a copy of the file in its place, or remove it"
    if not stat.S_ISREG(found.st_mode):
        raise ForeignFileError(path, f"{path.name} is {_kind(found.st_mode)} where a file should be", remedy)
    if found.st_nlink > 1:
        raise ForeignFileError(path, f"{path.name} has another name elsewhere, as a hard link", remedy)


def _check_readable(path: Path, found: os.stat_result, most_bytes: int, remedy: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ForeignFileError(path, f"it is {_kind(found.st_mode)}, not a file", "remove it")
    if found.st_size > most_bytes:
        raise TooLargeError(
            f"{str(path)!r} has {_told(found.st_size)}, at most {_told(most_bytes)} are read here; {remedy}"
        )


def _told(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.1f} MB"


def _kind(mode: int) -> str:
    return next((name for is_kind, name in _KINDS if is_kind(mode)), "a device" if not stat.S_ISREG(mode) else "a file")
