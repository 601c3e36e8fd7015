"""Where the command line's text goes. A stream may be full, closed, or read by nobody: no command ends for that."""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TextIO

SUBSTITUTES = {"–": "-", "×": "x", "µ": "u", "→": ">"}
"""As wide as what they stand for, so that tables stay in line. For what is not here a question mark stands."""


class Stream(io.TextIOBase):
    """A standard stream that never raises: what went wrong first is kept in `lost`, and later text is dropped.

    Parameters
    ----------
    stream
        What is written to; None where the process has none, as after ``>&-`` in a shell.

    Attributes
    ----------
    lost
        Why something could not be written; None as long as everything could.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.lost: OSError | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a plain attribute there
        """That of the stream: what draws boxes asks for it."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def writable(self) -> bool:
        """Text is always taken."""
        return True

    def write(self, text: str) -> int:
        """Write text; a sign that the stream's encoding lacks is replaced."""
        if self._stream is None:
            self.lost = self.lost or _closed()
        elif self.lost is None:
            try:
                self._stream.write(_encodable(text, self.encoding))
            except (OSError, ValueError) as error:  # of a closed file object it is a ValueError
                self.lost = error if isinstance(error, OSError) else _closed()
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        if self._stream is not None and self.lost is None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self.lost = error if isinstance(error, OSError) else _closed()

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        try:
            return self._stream is not None and self._stream.isatty()
        except ValueError:
            return False

    def fileno(self) -> int:
        """Return the descriptor.

        Raises
        ------
        OSError
            Where there is none.
        """
        if self._stream is None:
            raise _closed()
        return self._stream.fileno()


@dataclass
class Streams:
    """Both streams of one call of the command line.

    Attributes
    ----------
    out, err
        Results, and what is said about them.
    kept
        What has become of results that cannot be printed; empty where the command can simply be given again.
    """

    out: Stream = field(default_factory=lambda: Stream(sys.stdout))
    err: Stream = field(default_factory=lambda: Stream(sys.stderr))
    kept: str = ""


# Not sys.stdout itself: a program that calls `main`, perhaps in a thread, keeps its own.
_CURRENT: ContextVar[Streams | None] = ContextVar("streams", default=None)


@contextlib.contextmanager
def standard_streams() -> Iterator[None]:
    """Take the streams as they are now for what is printed meanwhile in this thread."""
    token = _CURRENT.set(Streams())
    try:
        yield
    finally:
        _CURRENT.reset(token)


def streams() -> Streams:
    """Return the streams of this call."""
    return _CURRENT.get() or Streams()


def why_unprinted() -> str:
    """Return why a result could not be printed, where somebody should know; else nothing.

    A reader that has seen enough, such as ``head``, is no fault, unless the result took long to measure.
    """
    out, kept = streams().out, streams().kept
    out.flush()
    if out.lost is None or (isinstance(out.lost, BrokenPipeError) and not kept):
        return ""
    known = {errno.EPIPE: "the reader of stdout is gone", errno.EBADF: "stdout is closed"}
    cause = known.get(out.lost.errno or 0, f"stdout: {out.lost.strerror or out.lost}")
    return f"not everything could be printed: {cause}{f'; {kept}' if kept else ''}"


def open_missing_descriptors() -> None:
    """Give /dev/null to those of the descriptors 0, 1 and 2 that are closed.

    The next file opened would get that number, and whatever a library writes to its stderr would end up in it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def settle() -> None:
    """Take from Python's streams what they cannot write, or the interpreter would fail over it when it ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, stream.fileno())
            os.close(sink)


def _closed() -> OSError:
    return OSError(errno.EBADF, os.strerror(errno.EBADF))


def _encodable(text: str, encoding: str) -> str:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(_substitute(sign, encoding) for sign in text)
    return text


def _substitute(sign: str, encoding: str) -> str:
    try:
        sign.encode(encoding)
    except UnicodeEncodeError:
        return SUBSTITUTES.get(sign, "?")
    return sign
