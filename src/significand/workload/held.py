"""The files that a network is made of, as they were when it was examined. No torch here."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Held:
    """A file as it was.

    Attributes
    ----------
    name
        What results and messages call it; empty where it is known by its content, as a file of data is.
    path
        Where it is; empty for many files together.
    size, modified_ns
        Bytes, and the time of the last change in ns since the epoch; where both are the same, so is the content.
    sha256
        A digest of its content.
    for_runs
        Whether runs read it again.
    """

    name: str
    path: str
    size: int
    modified_ns: int
    sha256: str
    for_runs: bool = True

    @classmethod
    def of(cls, name: str, path: Path, *, for_runs: bool = True) -> Self:
        """Read a file.

        Raises
        ------
        OSError
            Where it cannot be read.
        """
        about = path.stat()  # before the content: a change meanwhile is then seen as one
        return cls(name, str(path), about.st_size, about.st_mtime_ns, digest_of(path), for_runs)

    def problem(self) -> str:
        """Say what has become of it; nothing where its content is the same. Only a file that was written is read."""
        path = Path(self.path)
        try:
            about = path.stat()
            if (about.st_size, about.st_mtime_ns) == (self.size, self.modified_ns) or digest_of(path) == self.sha256:
                return ""
        except OSError as error:
            return f"cannot be read any more ({error.strerror or error})"
        return "has changed since the experiment began"


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file's content.

    Raises
    ------
    OSError
        Where it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
