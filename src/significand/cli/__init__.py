"""The command line: arguments become library calls, results become text and exit codes. Nothing else prints."""

import io
import signal
import sys
from collections.abc import Sequence

from cyclopts import CycloptsError

from significand.cli.base import BAD_INPUT, DONE, INTERRUPTED, SOME_RUN_FAILED, UNFIT, app, complain
from significand.cli.completion import install_completion
from significand.cli.flags import Flags
from significand.cli.measure import doctor, modes, run, selftest
from significand.cli.read import compare, history, report, table

__all__ = ["BAD_INPUT", "DONE", "INTERRUPTED", "SOME_RUN_FAILED", "UNFIT", "Flags", "app", "main", "program"]

for command in (run, modes, doctor, report, table, compare, history, selftest):
    app.command(command)
app.command(install_completion, name="--install-completion")

FIRST_STEPS = """\
What does a network gain and lose in another precision? To begin:

  significand doctor                   is this machine fit to measure on?
  significand modes                    which precision does which engine run here?
  significand run                      measure: digits in float32, float16 and int8
  significand run --config FILE.toml   the same with your own network and data
  significand report DIR --open        look at the results
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
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        if not words:
            print(FIRST_STEPS, end="")
            return DONE
        code = app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        complain(error)
        print(f"Try: {' '.join(['significand', *(error.command_chain or ())])} --help", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print(
            "significand: interrupted before anything was measured; earlier results are as they were", file=sys.stderr
        )
        return INTERRUPTED
    except BrokenPipeError:  # the reader, head for instance, has seen enough
        sys.stderr.close()
        return DONE
    return code if isinstance(code, int) else DONE


def program() -> None:
    """Be the program: run the command line of this process and exit. A polite kill ends it as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without ± shall not cost the table
    sys.exit(main())
