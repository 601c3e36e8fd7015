"""Calling a user's functions: whatever they raise becomes one line, and what they set is set back."""

import contextlib
import os
import site
import sys
import sysconfig
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

from significand.workload.examined import ALL_FRAMES, ProgramError

TASKS = Path("/proc/self/task")

LONGEST_MESSAGE = 400
"""Characters of an exception's text in a line."""

MOST_FRAMES = 20
"""Lines of the user's own in a traceback; endless recursion has a thousand."""

HINTS = {
    "index out of range in self": "an embedding lacks that row: sequences are too long, or indices too large, for it",
}
"""What is meant by texts of exceptions that say little."""

PACKAGE = Path(__file__).resolve().parents[1]
STANDARD_LIBRARY = (sysconfig.get_paths()["stdlib"], sysconfig.get_paths()["platstdlib"])
INSTALLED: tuple[str, ...] = (*STANDARD_LIBRARY, *site.getsitepackages(), site.getusersitepackages())


@contextlib.contextmanager
def calling(what: str, folder: Path | None = None) -> Iterator[None]:
    """Turn whatever the user's code raises into one line that begins with `what`, even where it means to end Python.

    Python's interrupt counts as the user's own: in processes that run their code, Ctrl-C is somebody else's business.

    Parameters
    ----------
    what
        Whose code it is: ``"model()"``.
    folder
        Where the user's files are; frames of code from there are theirs even where it is installed.

    Raises
    ------
    ProgramError
        For anything that was raised.
    """
    with _set_back():
        try:
            yield
        except ProgramError:
            raise
        except BaseException as error:  # noqa: BLE001 - sys.exit and KeyboardInterrupt, too
            raise blamed(error, what, folder) from None


def blamed(error: BaseException, what: str, folder: Path | None = None) -> ProgramError:
    """Return what the user's code raised as one line, with the last of the user's own lines.

    The traceback is of the user's own lines; of all where the environment has `ALL_FRAMES`.
    """
    if os.environ.get(ALL_FRAMES):
        return ProgramError([f"{what} {_told(error)}"], "".join(traceback.format_exception(error)))
    frames = [frame for frame in _frames(error) if _is_own(frame.filename, folder)]
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    line = f"{what} {_told(error)}"
    lines = traceback.StackSummary.from_list(frames[-MOST_FRAMES:]).format()
    trace = "".join(["Traceback (most recent call last, your own lines only):\n", *lines, line]) if frames else ""
    return ProgramError([f"{line}{place}"], trace)


def make_importable(folder: Path) -> None:
    """Let Python import from a folder, ahead of installed packages as a script would, but never of Python's own."""
    if str(folder) not in sys.path:
        own = {*STANDARD_LIBRARY, sysconfig.get_config_var("DESTSHARED")}
        after = max((at for at, entry in enumerate(sys.path) if entry in own), default=-1)
        sys.path.insert(after + 1, str(folder))


def is_installed(file: Path) -> bool:
    """Tell whether a file is Python's, an installed package's, a virtual environment's or this package's."""
    if any(file.is_relative_to(folder) for folder in (str(PACKAGE), *INSTALLED)):
        return True
    return any(is_library(folder) for folder in file.parents)


def is_library(folder: Path) -> bool:
    """Tell whether packages are installed into a folder."""
    return str(folder) in INSTALLED or folder.name in {"site-packages", "dist-packages"}


def tasks() -> set[int]:
    """Return the numbers of this process's threads, whoever started them."""
    with contextlib.suppress(OSError):
        return {int(one.name) for one in TASKS.iterdir()}
    return {one.native_id or 0 for one in threading.enumerate()}


def message(error: BaseException) -> str:
    """Return what an exception says in one line of bounded length, whatever it is."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - the user's own class of exception
        text = "what it says cannot be shown"
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}..."


def described(value: object) -> str:
    """Name what came instead of what is wanted."""
    name = type(value).__name__
    return "nothing (None)" if value is None else f"{'an' if name[:1] in {*'aeiouAEIOU'} else 'a'} {name}"


def _told(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"called sys.exit({'' if error.code is None else message(error)})"
    text = message(error)
    hint = f" ({HINTS[text]})" if text in HINTS else ""
    return f"raised {type(error).__name__}{': ' if text else ''}{text}{hint}"


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    return list(traceback.extract_tb(error.__traceback__))


def _is_own(filename: str, folder: Path | None) -> bool:
    if filename.startswith("<"):  # made by a library as it ran
        return False
    file = Path(filename)
    of_package = file.is_relative_to(PACKAGE) and (folder is None or not folder.is_relative_to(PACKAGE))
    return not of_package and (not is_installed(file) or (folder is not None and file.is_relative_to(folder)))


@contextlib.contextmanager
def _set_back() -> Iterator[None]:
    """Set the working directory, and what torch is set to, back to what they were."""
    directory = _working_directory()
    with _torch_set_back():
        try:
            yield
        finally:
            if directory is not None and directory != _working_directory():
                with contextlib.suppress(OSError):  # the user's code may have removed it
                    os.chdir(directory)


@contextlib.contextmanager
def _torch_set_back() -> Iterator[None]:
    import torch  # noqa: PLC0415 - takes a second, and only the processes that run user code need it

    dtype, threads, device = torch.get_default_dtype(), torch.get_num_threads(), torch.get_default_device()
    grad = torch.is_grad_enabled()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        if torch.get_default_device() != device:
            torch.set_default_device(device)


def _working_directory() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - as `os.chdir` takes it
    except OSError:
        return None
