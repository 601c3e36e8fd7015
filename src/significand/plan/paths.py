"""Paths as a caller gives them: a text or a pathlib.Path, and nothing else."""

import os
from pathlib import Path

from significand.plan.problems import shown


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
