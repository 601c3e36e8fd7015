"""An examined network on another machine: its own files are brought along, and found where they are put.

Files keep their places relative to each other, so that what a user's file imports or opens beside it is found. A file
that is neither beside the network nor below the working directory is named by its path, and must be there with the
same content.
"""

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from significand.plan.setup import is_onnx
from significand.workload.examined import Examined
from significand.workload.held import Held, digest_of
from significand.workload.onnx_names import FILE


def files_to_bring(examined: Examined, model: str, most_bytes: int) -> list[Path]:
    """Return the files of a network that travel: those that runs read, near enough, and small enough.

    Parameters
    ----------
    examined
        What the network is, where it was examined.
    model
        What the experiment calls it.
    most_bytes
        Of one file.
    """
    homes = _homes(examined, model)
    return [
        Path(file.path)
        for file in examined.held
        if file.for_runs and file.path and file.size <= most_bytes and _is_near(Path(file.path), homes)
    ]


def moved(examined: Examined, model: str, brought: Path, has: Callable[[str], bool]) -> tuple[Examined, list[str]]:
    """Return what the network is where its files were put, and what is wrong with those that were not brought.

    Where every file lies at its own place with its own content, as on the machine itself or in a folder that machines
    share, all stays as it was.

    Parameters
    ----------
    examined, model
        As for `files_to_bring`.
    brought
        The folder that stands for the root of the file system that the files came from.
    has
        Tells whether a file, by its path there, was brought.
    """
    of_runs = [file for file in examined.held if file.for_runs and file.path]
    if all(_is_same(file) for file in of_runs):
        return examined, []
    problems = list(_problems(file for file in of_runs if not has(file.path)))
    held = tuple(
        dataclasses.replace(file, path=str(below(brought, file.path))) if file.for_runs and has(file.path) else file
        for file in examined.held
    )
    if is_onnx(model):
        return dataclasses.replace(examined, held=held), problems
    there = examined.working_directory or "/"
    here = below(brought, there)
    here.mkdir(parents=True, exist_ok=True)
    file, name = _parts(model)
    real = os.path.realpath(Path(there, file))
    # A relative path leads from the working directory to where the file was put, unless it went through a link.
    stays = not Path(file).is_absolute() and below(brought, real) == (here / file).resolve()
    source = "" if stays or not has(real) else f"{below(brought, real)}{name}"
    return dataclasses.replace(examined, held=held, working_directory=str(here), source=source), problems


def below(folder: Path, path: str) -> Path:
    """Return where a file of another file system is, given the folder that stands for its root."""
    return folder / path.lstrip("/")


def link_onnx_file(examined: Examined, material: Path) -> None:
    """Let the folder of an examination lead to an ONNX file: the first of its files."""
    link = material / FILE
    link.unlink(missing_ok=True)
    link.symlink_to(examined.held[0].path)


def _homes(examined: Examined, model: str) -> list[Path]:
    """Return the folders whose files are the network's own: of its file, and the user's working directory."""
    if is_onnx(model):
        return [Path(examined.held[0].path).parent]
    there = Path(examined.working_directory or "/")
    file = Path(os.path.realpath(there / _parts(model)[0]))
    return [*([file.parent] if file.suffix == ".py" else []), *([there] if examined.working_directory else [])]


def _parts(model: str) -> tuple[str, str]:
    """Return the file of ``my.py:make``, and what follows it."""
    place, colon, name = model.rpartition(":")
    return (place, f":{name}") if colon and place.endswith(".py") else (model, "")


def _is_near(path: Path, homes: Iterable[Path]) -> bool:
    return any(path.is_relative_to(home) or path.is_relative_to(home.resolve()) for home in homes)


def _is_same(file: Held) -> bool:
    try:
        return digest_of(Path(file.path)) == file.sha256
    except OSError:
        return False


def _problems(files: Iterable[Held]) -> Iterator[str]:
    for file in files:
        if not _is_same(file):
            told = "is another file here" if Path(file.path).exists() else "is not on this machine"
            yield f"{file.name or file.path}: {file.path!r} {told}; put the same file there, or beside the network"
