"""What all commands share: the app, the exit codes, and how text gets out."""

import json
import os
import shutil
from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from cyclopts import App, ArgumentCollection, Parameter, Token

from significand import __version__
from significand.cli.streams import streams, why_unprinted
from significand.plan.paths import path_of

if TYPE_CHECKING:
    from rich.console import Console

DONE, SOME_RUN_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
UNFIT = 1
FAILED_GATE = 1
NOT_WRITTEN = 1

GATE_ENDS = {DONE: "passed", FAILED_GATE: "failed", BAD_INPUT: "not judged"}


class Commands(App):
    """All commands. In one call each puts its flags together once; Cyclopts would do so three times for one help."""

    def call(self, words: Sequence[str]) -> object:
        """Run the command that the words ask for, and return its result; `CycloptsError` where they make no sense."""
        before = _put_together.set({})  # what was read is kept with the flags: another call needs its own
        try:
            return self(words, console=console(), exit_on_error=False, print_error=False, result_action="return_value")
        finally:
            _put_together.reset(before)

    def assemble_argument_collection(
        self,
        *,
        default_parameter: Parameter | None = None,
        parse_docstring: bool = False,  # noqa: ARG002 - each flag brings its help; no docstring tells of one
    ) -> ArgumentCollection:
        """Return the flags of this command."""
        put_together = _put_together.get({})
        if id(self) not in put_together:
            put_together[id(self)] = super().assemble_argument_collection(default_parameter=default_parameter)
        return put_together[id(self)]


_put_together: ContextVar[dict[int, ArgumentCollection]] = ContextVar("flags of commands")

app = Commands(
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

    stream = streams().err if stderr else streams().out
    return Console(
        file=cast("IO[str]", stream),
        stderr=stderr,
        quiet=quiet,
        highlight=False,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        # Rich alone takes the width of any terminal it finds, even where the text goes into a file.
        width=None if stderr else shutil.get_terminal_size().columns,
    )


def folder_of(type_: object, tokens: Sequence[Token]) -> Path:
    """Read a folder's name; an empty one, as of a shell variable that is not set, is not the working directory."""
    del type_
    return path_of("the folder", tokens[-1].value)


def say(text: object, end: str = "\n") -> None:
    """Print a result, or a part of it."""
    print(text, end=end, file=streams().out)


def note(text: object) -> None:
    """Print to stderr what belongs to no result."""
    print(text, file=streams().err, flush=True)


def complain(what: object) -> None:
    """Tell what went wrong, or how a gate ended, on stderr; whatever a file or a flag said cannot move the cursor."""
    from significand.present.rows import visible

    for line in str(what).splitlines():
        note(f"significand: {visible(line)}")


def tell_overridden() -> None:
    """Tell, before anything is measured, which variables the runs are started without."""
    from significand.meters.openmp import told_of_runs

    complain(told_of_runs())


def refuse(problems: Sequence[str]) -> int:
    """Tell what is wrong with what was asked for, a line each, and return the exit code."""
    from significand.present.rows import visible

    for problem in problems:
        note(f"significand: {visible(problem)}")
    return BAD_INPUT


def end_gate(fail_on: str | None, code: int) -> int:
    """Say how a gate ended, where one was asked for, and return the exit code."""
    if fail_on is not None:
        complain(f"--fail-on {fail_on}: {GATE_ENDS[code]}")
    return code


def print_json(value: object) -> None:
    """Print JSON; what is missing is null, and what the stream's encoding lacks is escaped."""
    from significand.results.values import jsonable

    text = json.dumps(jsonable(value), indent=2, ensure_ascii=False)
    try:
        text.encode(streams().out.encoding)
    except UnicodeEncodeError:
        text = json.dumps(jsonable(value), indent=2)
    say(text)


def end(code: int) -> int:
    """Tell where a result could not be printed, and return the exit code: a worse one stays."""
    if unprinted := why_unprinted():
        complain(unprinted)
        return code or NOT_WRITTEN
    return code
