"""What all commands share: the app, the exit codes, and how text gets out."""

import json
import os
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cyclopts import App

from significand import __version__

if TYPE_CHECKING:
    from rich.console import Console

DONE, SOME_RUN_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
UNFIT = 1
FAILED_GATE = 1
NOT_WRITTEN = 1

app = App(
    name="significand",
    help="What does a network gain and lose in another precision, is the difference real, and did the machine really "
    "compute in that format?\n\nExample: significand run --modes float32,int8 --repeats 10",
    version=__version__,
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)


def console(*, stderr: bool = False, quiet: bool = False) -> "Console":
    """Return where text goes: as wide as the terminal, or as COLUMNS says, and 80 columns in a pipe or a log.

    Without a terminal, or with NO_COLOR (see no-color.org), there is nothing in it but text.
    """
    from rich.console import Console

    return Console(
        stderr=stderr,
        quiet=quiet,
        highlight=False,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        # Rich alone takes the width of any terminal it finds, even where the text goes into a file.
        width=None if stderr else shutil.get_terminal_size().columns,
    )


def complain(what: object) -> None:
    """Tell what went wrong, or how a gate ended, on stderr; whatever a file or a flag said cannot move the cursor."""
    from significand.present.rows import visible

    for line in str(what).splitlines():
        print(f"significand: {visible(line)}", file=sys.stderr)


def tell_overridden() -> None:
    """Tell, before anything is measured, which variables the runs are started without."""
    from significand.meters.openmp import told_of_runs

    complain(told_of_runs())


def refuse(problems: Sequence[str]) -> int:
    """Tell what is wrong with what was asked for, a line each, and return the exit code."""
    from significand.present.rows import visible

    for problem in problems:
        print(f"significand: {visible(problem)}", file=sys.stderr)
    return BAD_INPUT


def print_json(value: object) -> None:
    """Print JSON; what is missing is null."""
    from significand.results.values import jsonable

    print(json.dumps(jsonable(value), indent=2, ensure_ascii=False))
