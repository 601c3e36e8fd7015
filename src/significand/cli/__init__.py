"""The command line: arguments become library calls, results become text and exit codes. Nothing else prints."""

import contextlib
import os
import signal
import sys
from collections.abc import Sequence

from cyclopts import CycloptsError

from significand.cli.choose_command import choose
from significand.cli.common import (
    BAD_INPUT,
    DONE,
    INTERRUPTED,
    SOME_RUN_FAILED,
    UNFIT,
    app,
    complain,
    end,
    note,
    say,
)
from significand.cli.completion import install_completion
from significand.cli.flags import Flags
from significand.cli.fleet_commands import block, merge, status
from significand.cli.read_commands import compare, explain, history, report, table
from significand.cli.run_commands import doctor, init, modes, run, selftest
from significand.cli.streams import open_missing_descriptors, settle, standard_streams

__all__ = ["BAD_INPUT", "DONE", "INTERRUPTED", "SOME_RUN_FAILED", "UNFIT", "Flags", "app", "main", "program"]

for command in (
    run,
    modes,
    init,
    doctor,
    report,
    choose,
    explain,
    table,
    compare,
    history,
    selftest,
    block,
    merge,
    status,
):
    app.command(command)
app.command(install_completion, name="--install-completion")

MEASURES_LATER = {
    "--help",
    "-h",
    "--version",
    "--resume",
    "--config",
    "--model",
    "--against",
    "--on",
    "--idle-baseline",
}
"""Flags of `run` with which nothing is measured here, or not at once, or not what is made ready ahead of the time."""

FIRST_STEPS = """\
What does a network gain and lose in another precision? To begin:

  significand doctor                   is this machine fit to measure on?
  significand modes                    which precision does which engine run here?
  significand run                      measure: digits in float32, float16 and int8
  significand init my.py               write a commented start for your own network
  significand modes my.py              try it once in every precision, in seconds
  significand run my.py                measure it
  significand report DIR --open        look at the results
  significand choose DIR               which one to ship?
  significand explain DIR              why is int8 not faster?
  significand compare OLD NEW          what has changed between two of them?

Each has --help with an example; significand --help lists all commands.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments
        Words after the program's name; None for those of this process. Without any, the first steps are shown.
    """
    with standard_streams():
        return end(_called(sys.argv[1:] if arguments is None else list(arguments)))


def _called(words: Sequence[str]) -> int:
    if not words:
        say(FIRST_STEPS, end="")
        return DONE
    try:
        code = app.call(words)
    except CycloptsError as error:
        complain(error)
        note(f"Try: {' '.join(['significand', *(error.command_chain or ())])} --help")
        return BAD_INPUT
    except KeyboardInterrupt:
        note("significand: interrupted before anything was measured; earlier results are as they were")
        return INTERRUPTED
    return code if isinstance(code, int) else DONE


def likely_measures(words: Sequence[str]) -> bool:
    """Tell whether these arguments look as if a perceptron were to be measured here; a wrong guess costs time only."""
    command, *others = words or [""]
    names = {word.partition("=")[0] for word in others}
    return command == "run" and not (others[:1] and not others[0].startswith("-")) and not names & MEASURES_LATER


def _runs_ahead(words: Sequence[str]) -> contextlib.AbstractContextManager[None]:
    """Begin what forks the runs, where there will be any: it imports for seconds, and this process for half of one."""
    if not likely_measures(words):
        return contextlib.nullcontext()
    from significand.runner.launched import begun_ahead

    return begun_ahead()


def program() -> None:
    """Be the program: run the command line of this process and exit. A polite kill ends it as Ctrl-C does."""
    open_missing_descriptors()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with _runs_ahead(sys.argv[1:]):
            code = main()
    finally:
        settle()
    os._exit(code)  # to take apart what it imported would take Python half a second
