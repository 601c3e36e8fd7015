"""Which files a user's functions open for reading: weights, tables, whatever they are made from. No torch here."""

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from significand.workload.guarded import is_installed
from significand.workload.held import Held

CODE = frozenset({".py", ".pyc", ".pyi", ".so", ".pyd"})
"""Modules: what is imported is found among what is loaded, wherever Python has cached it."""

SYSTEM = ("/dev", "/etc", "/lib", "/lib64", "/proc", "/sys", "/usr", sys.prefix, sys.base_prefix)
"""Folders of the machine and of Python: what is read there is no network's."""

OF_DATA = "data()"
"""What is being done while the data are read: once, by the examination, and by no run."""

MOST_NAMED = 32
"""Files of the data that have a line each; more have one together."""


class Opened:
    """The files that this process opens for reading from now on.

    A hook of Python's, which stays until the process ends: only for one in which nothing is measured. What a library
    opens without Python's knowledge, as safetensors does, it does not see.
    """

    def __init__(self) -> None:
        self._doing = ""
        self._read: dict[str, set[str]] = {}
        self._written: set[str] = set()
        with tempfile.TemporaryFile() as now:  # by the clock by which files are dated
            self._since_ns = os.fstat(now.fileno()).st_mtime_ns
        sys.addaudithook(self._hear)

    def doing(self, what: str) -> None:
        """Take down what is being done from now on."""
        self._doing = what

    def held(self, folder: Path | None) -> list[Held]:
        """Return the files that are the user's, and no module's.

        Parameters
        ----------
        folder
            Of the user's own files: names of what is below it are relative to it.
        """
        for_runs: list[Held] = []
        of_data: list[Held] = []
        for path, during in list(self._read.items()):
            if name := self._name(Path(path), folder):
                is_of_data = during == {OF_DATA}
                with contextlib.suppress(OSError):  # it could not be opened either
                    (of_data if is_of_data else for_runs).append(Held.of(name, Path(path), for_runs=not is_of_data))
        return [*for_runs, *(of_data if len(of_data) <= MOST_NAMED else [_together(of_data)])]

    def _hear(self, event: str, told: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(told[0], str | bytes | os.PathLike):
            return
        try:
            path = os.path.abspath(os.fsdecode(told[0]))  # noqa: PTH100 - as it is called, and in no time
        except (OSError, ValueError):  # the working directory is gone
            return
        if told[2] & (os.O_WRONLY | os.O_RDWR):
            self._written.add(path)
        else:
            self._read.setdefault(path, set()).add(self._doing)

    def _name(self, path: Path, folder: Path | None) -> str:
        """Return what a file is called where it is the user's; nothing where it is not, or was made meanwhile."""
        try:
            is_old = path.is_file() and path.stat().st_mtime_ns < self._since_ns
        except (OSError, ValueError):
            return ""
        if not is_old or str(path) in self._written or path.suffix in CODE or is_installed(path):
            return ""
        for place in (path, path.resolve()):
            if folder is not None and place.is_relative_to(folder):
                name = place.relative_to(folder)
                return "" if _is_hidden(name) else name.as_posix()
        is_system = any(path.is_relative_to(place) for place in SYSTEM)
        return "" if is_system or _is_hidden(path) else str(path)


def _is_hidden(path: Path) -> bool:
    """Tell whether a file is some program's own, such as its settings or its cache."""
    return any(part.startswith(".") for part in path.parts)


def _together(files: Iterable[Held]) -> Held:
    """Return many files as one that lies nowhere."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.name):
        digest.update(f"{file.name}\0{file.sha256}\0".encode())
    return Held(f"{OF_DATA}: all files", "", 0, 0, digest.hexdigest(), for_runs=False)
