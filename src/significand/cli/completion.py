"""Completion of commands and flags by the shell."""

from typing import Annotated, Literal

from cyclopts import Parameter

from significand.cli.common import BAD_INPUT, DONE, NOT_WRITTEN, app, complain, say


def install_completion(
    *,
    shell: Annotated[
        Literal["bash", "zsh", "fish"] | None,
        Parameter(show_default=False, help="whose completion (default: the shell that this is called from)"),
    ] = None,
) -> int:
    """Let the shell complete commands and flags.

    A script is written below your home folder; bash and zsh also get a line in their start-up file that loads it.

    Example: significand --install-completion --shell bash
    """
    from cyclopts.completion.detect import ShellDetectionError

    from significand.present.rows import visible

    try:
        path = app.install_completion(shell=shell)
    except ShellDetectionError:
        complain("shell: it could not be found out; give --shell bash, zsh or fish")
        return BAD_INPUT
    except OSError as error:
        complain(f"the completion could not be written: {error}; make that place writable")
        return NOT_WRITTEN
    say(f"Completion: {visible(path)}; new shells have it")
    return DONE
