"""Python processes of our own: what they import from, and what they see of the user's environment.

They do what significand needs and nothing else. What lies where the user stands, or beside the user's script, must not
get into them: a ``json.py`` there would be imported in place of Python's own.
"""

import os
import site
import sys
import sysconfig
from pathlib import Path
from typing import IO

from significand.meters.openmp import thread_variables

HOME = str(Path(__file__).resolve().parents[2])
"""The folder that this very package was imported from."""

# No module is imported before the path is right.
_PATH_FIRST = "import sys; end = 2 + int(sys.argv[1]); sys.path[:] = sys.argv[2:end]; del sys.argv[1:end]; "


def python(code: str, *arguments: str) -> list[str]:
    """Return the command that runs `code` in a process of its own, with `arguments` as ``sys.argv[1:]``."""
    flags = {"-E": sys.flags.ignore_environment, "-s": sys.flags.no_user_site, "-S": sys.flags.no_site}
    path = search_path()
    return [
        sys.executable,
        "-P",
        *(flag for flag, given in flags.items() if given),
        "-c",
        _PATH_FIRST + code,
        str(len(path)),
        *path,
        *arguments,
    ]


def environment() -> dict[str, str]:
    """Return the environment for such a process: the user's, without what would change how it computes or starts."""
    dropped = {*thread_variables(os.environ), "PYTHONINSPECT", "PYTHONSTARTUP", "PYTHONPATH"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    named = _named()
    return kept | ({"PYTHONPATH": os.pathsep.join(named)} if named else {})


def last_line(stderr: IO[bytes]) -> str:
    """Return the last line that a process has left in a file; nothing where it was silent."""
    stderr.seek(0)
    lines = stderr.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def interpreter_in(place: Path) -> Path | None:
    """Return the interpreter of another environment, given its folder or itself; None where there is none.

    Links are not followed: where it lies says which environment it is of.
    """
    found = [place / "bin" / "python", place / "Scripts" / "python.exe"] if place.is_dir() else [place]
    return next((one for one in found if one.is_file() and os.access(one, os.X_OK)), None)


def python_of_other(place: str, code: str, *arguments: str) -> list[str]:
    """Return the command that runs `code` as `python` does, in the environment at `place`, from its own folders."""
    return [str(interpreter_in(Path(place)) or place), "-P", "-c", code, *arguments]


def environment_of_other() -> dict[str, str]:
    """Return the environment for such a process: that of `environment`, without what leads to this one's packages."""
    return {name: value for name, value in environment().items() if name not in {"PYTHONPATH", "PYTHONHOME"}}


def search_path() -> list[str]:
    """Return the folders from which such a process imports: this one's, but for those that nobody asked for.

    Python itself puts the working directory or the script's folder first. They are left out unless PYTHONPATH names
    them or Python has its libraries there. Where significand itself lies there, the folder comes last, so that nothing
    in it takes the place of anything else. Entries that are no strings, as a `pathlib.Path`, Python ignores, too.
    """
    unasked = set() if sys.flags.safe_path else _put_there_by_python() - {*_named(), *_own_folders()}
    given: list[object] = [*sys.path]  # whatever the user's program has put there
    entries = [_absolute(entry) for entry in given if isinstance(entry, str)]
    path = [entry for entry in dict.fromkeys(entries) if entry and entry not in unasked and _can_be_passed(entry)]
    return path if HOME in map(os.path.realpath, path) else [*path, HOME]


def _named() -> list[str]:
    """Return the folders that PYTHONPATH names; an empty word, to Python the working directory, is none."""
    if sys.flags.ignore_environment:
        return []
    words = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return [folder for word in words if (folder := _absolute(word))]


def _put_there_by_python() -> set[str]:
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    beside = os.path.dirname(os.path.realpath(script)) if isinstance(script, str) else ""  # noqa: PTH120 - as Python
    return {_absolute(os.curdir), beside}


def _own_folders() -> set[str]:
    """Return where the interpreter has its libraries: somebody may stand there."""
    paths = sysconfig.get_paths()
    folders = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return {*folders, *site.getsitepackages(), site.getusersitepackages()}


def _absolute(folder: str) -> str:
    """Return an absolute path; nothing for nothing, and where the working directory is gone."""
    try:
        return os.path.abspath(folder) if folder else ""  # noqa: PTH100 - without following links
    except OSError:
        return ""


def _can_be_passed(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False
