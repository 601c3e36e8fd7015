"""Paths as people write them, and as a shell takes them back."""

import os
import shlex
from pathlib import Path

from significand.plan.problems import PlanError, shown


def expanded(field: str, path: str) -> str:
    """Return a path with ``~`` as the home folder, which a shell leaves alone in ``--flag=~/x`` and in a file.

    Parameters
    ----------
    field
        Whose value it is, for the error.
    path
        As it was given; without ``~`` at its beginning it stays as it is.

    Raises
    ------
    PlanError
        When nobody knows that home folder, or no path can look like this.
    """
    if "\0" in path:
        raise PlanError([f"{field}: {shown(path)} holds a null character; no path does, leave it out"])
    found = os.path.expanduser(path)  # noqa: PTH111 - pathlib raises where this says nothing
    home, slash, _ = found.partition("/")
    if home.startswith("~") and (slash or home == "~"):  # a file may be called ~backup.csv
        raise PlanError([f"{field}: the home folder {shown(home)} is not known; give the whole path"])
    return found


def shell_word(path: Path | str) -> str:
    """Return a path as a word that a shell gives back unchanged and that no program takes for a flag."""
    text = os.fspath(path)
    if text.startswith("~"):
        text = str(Path.cwd() / text)  # ./~ would be shortened to ~ before it is read
    elif text.startswith("-"):
        text = f"./{text}"
    if text.isprintable():
        return shlex.quote(text)
    # Bash, zsh and POSIX.1-2024 read this; a line break in plain quotes would break the line that says the command.
    quoted = "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\{byte:03o}" for byte in os.fsencode(text)
    )
    return f"$'{quoted}'"
