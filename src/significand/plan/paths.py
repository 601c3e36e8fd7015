"""Paths as callers give them, as people write them, and as a shell takes them back."""

import os
import shlex
from pathlib import Path

from significand.plan.problems import PlanError, shown


def path_of(name: str, value: object) -> Path:
    """Return a path that somebody gave.

    Parameters
    ----------
    name
        How an error calls it.
    value
        A text or a `pathlib.Path`, or anything with ``__fspath__`` that gives a text.

    Raises
    ------
    TypeError
        If it is something else.
    ValueError
        If it is an empty text, which pathlib takes for the working directory, or no file can have that name.
    """
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else value
    if not isinstance(text, str):
        raise TypeError(f"{name}: {shown(value)} is not a path; give a text or a pathlib.Path")
    if not text:
        raise ValueError(f"{name}: '' names nothing; give a path, or '.' for the working directory")
    if "\0" in text:
        raise ValueError(f"{name}: {shown(text)} has a null character in it; give a path without")
    return Path(text)


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
