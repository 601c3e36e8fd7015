"""Where a user's functions are: a Python file that is run, or a module that is imported."""

import hashlib
import importlib
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from significand.plan.options import BUILT_IN_NETWORKS
from significand.plan.problems import nearest, shown
from significand.workload.examined import ProgramError
from significand.workload.guarded import PACKAGE, blamed, calling, make_importable, message

LARGEST_FILE = 10_000_000
"""Bytes of a Python file; nobody has written more."""

START = "`significand init my.py` writes a commented start"


def module_of(source: str) -> tuple[ModuleType, str]:
    """Import what a source names; return it, and the name after the colon.

    Raises
    ------
    ProgramError
        Where there is nothing of that name, or it raises as it is imported.
    """
    place, name = _parts(source)
    if place in BUILT_IN_NETWORKS:
        return _imported(f"significand.workload.networks.{place}"), name
    is_file = place.endswith(".py") or "/" in place or _is_file(place)
    return _run(place) if is_file else _imported(place), name


def file_of(module: ModuleType) -> Path | None:
    """Return the file of a module; None where it has none."""
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if isinstance(file, str) else None


def folder_of(module: ModuleType) -> Path | None:
    """Return the folder of the user's file, or of the outermost package that a module is in; never of all of ours."""
    file = file_of(module)
    if file is None or file.is_relative_to(PACKAGE):
        return file and file.parent
    depth = module.__name__.count(".") - (file.name != "__init__.py")
    return file.parents[max(depth, 0)]


def working_folder() -> Path | None:
    """Make the working directory importable, as Python's -m does; return it unless it is gone."""
    try:
        here = Path.cwd()
    except OSError:
        return None
    make_importable(here)
    return here


def _parts(source: str) -> tuple[str, str]:
    """Return the file or module, and the name after the colon."""
    place, colon, name = source.rpartition(":")
    if not colon or _is_file(source):
        return source, ""
    if not place or not name.isidentifier():
        raise ProgramError([f"{shown(source)} names no function after the colon; give my.py:make or my.py"])
    return place, name


def _is_file(place: str) -> bool:
    try:
        return Path(place).is_file()
    except (OSError, ValueError):
        return False


def _run(place: str) -> ModuleType:
    """Run a Python file as a module of a name that nothing else has."""
    try:
        file = Path(place).resolve()
        text = _text(place, file)
        code = compile(text, str(file), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise ProgramError([f"{place}: line {error.lineno or 1} is no Python ({message(error)}); correct it"]) from None
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise ProgramError([f"{place}: cannot be read as Python ({message(error)}); give another file"]) from None
    # Not by Python's loader: it might take a cached copy of what the file was a moment ago.
    name = f"significand_user_{re.sub(r'[^0-9a-zA-Z_]', '_', file.stem)}_{hashlib.sha256(bytes(file)).hexdigest()[:8]}"
    spec = spec_from_file_location(name, file)
    if spec is None:
        raise ProgramError([f"{place}: is no Python file; give a file that is named .py"])
    module = module_from_spec(spec)
    make_importable(file.parent)
    sys.modules[name] = module  # as Python does it: dataclasses look their module up
    try:
        with _importing(place, file.parent):
            exec(code, vars(module))  # noqa: S102 - the user's own file, which is what was asked for
    except ProgramError:
        del sys.modules[name]
        raise
    return module


def _text(place: str, file: Path) -> bytes:
    try:
        status = file.stat()
    except FileNotFoundError:
        others = sorted(one.name for one in file.parent.glob("*.py")) if file.parent.is_dir() else []
        raise ProgramError([f"{place}: there is no such file{nearest(file.name, others)}; {START}"]) from None
    what = "a folder" if stat.S_ISDIR(status.st_mode) else None if stat.S_ISREG(status.st_mode) else "no regular file"
    if what is None and file.suffix != ".py":
        what = "no Python file by its name"
    if what is None and status.st_size > LARGEST_FILE:
        what = f"a file of {status.st_size / 1e6:.0f} MB, and at most {LARGEST_FILE / 1e6:g} can be Python"
    if what:
        raise ProgramError([f"{place}: is {what}; give a Python file (.py) with model() and data(), {START}"])
    return file.read_bytes()


def _imported(place: str) -> ModuleType:
    if not all(part.isidentifier() for part in place.split(".")):
        raise ProgramError([f"{shown(place)} is neither a Python file nor a module; give my.py or package.module"])
    here = working_folder()
    with _importing(place, here):
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            if error.name is None or f"{place}.".startswith(f"{error.name}."):
                where = f"neither in {here} nor installed" if here else "not installed"
                raise ProgramError([f"{place}: there is no such module, {where}; give my.py for a file"]) from None
            raise


@contextmanager
def _importing(place: str, folder: Path | None) -> Iterator[None]:
    """Say what to do about what is raised while the user's file or module is imported."""
    what = f"importing {place}"
    with calling(what, folder):
        try:
            yield
        except (SystemExit, ModuleNotFoundError) as error:
            told = blamed(error, what, folder)
            remedy = (
                "put what is for the command line under `if __name__ == '__main__':`"
                if isinstance(error, SystemExit)
                else "install it, or put it beside the file"
            )
            raise ProgramError([f"{told.problems[0]}; {remedy}"], told.trace) from None
