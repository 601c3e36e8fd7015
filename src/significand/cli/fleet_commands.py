"""Commands for experiments on several machines: measure a block, put folders together, look at how far it is."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from significand.cli.common import DONE, SOME_RUN_FAILED, complain, console, folder_of, print_json, refuse, say
from significand.cli.ends import ended_by, failures

if TYPE_CHECKING:
    from significand.answers.fleet import FleetAnswer

Quiet = Annotated[
    bool,
    Parameter(name=("--quiet", "-q"), negative="", show_default=False, help="only errors and failed runs"),
]
Allow = Annotated[
    tuple[str, ...],
    Parameter(
        negative="",
        show_default=False,
        metavar="FIELD",
        help="a field of the machine that may differ, such as machine.versions.numpy, or machine.versions for all "
        "below it; can be given several times",
    ),
]


def block(
    source: Annotated[
        Path, Parameter(converter=folder_of, name="EXPERIMENT", help="bundle of an experiment, or a folder with one")
    ],
    repeats: Annotated[str, Parameter(name="N", help="which repeat to measure, from 0; or several, as 0-9 or 0,2,5")],
    /,
    *,
    output_dir: Annotated[Path, Parameter(converter=folder_of, help="folder of this machine's results")],
    allow: Allow = (),
    quiet: Quiet = False,
) -> int:
    """Measure whole repeats of an experiment on this machine, which was planned on another one.

    The folder is an ordinary result folder; `significand merge` puts those of several machines together. A machine
    takes one block at a time.

    Example: significand block fleet/experiment.zip 0-9 --output-dir here
    """
    from significand.present.terminal.progress import ProgressDisplay

    try:
        with ProgressDisplay(console(stderr=True, quiet=quiet)) as display:
            from significand.block_job import run_blocks

            measured = run_blocks(source, repeats, output_dir, display.update, allow=allow)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - told, or raised again
        return ended_by(error)
    for line in failures(measured.failed):
        complain(line)
    if not quiet:
        from significand.present.rows import visible

        say(f"Results of {visible(measured.host)}: {visible(os.fspath(measured.folder))}")
    return SOME_RUN_FAILED if measured.failed else DONE


def merge(
    out: Annotated[Path, Parameter(converter=folder_of, name="OUT", help="folder of the whole")],
    folders: Annotated[
        list[str],
        Parameter(name="FOLDER", help="result folders to put in; NAME=FOLDER gives its machine another name"),
    ],
    /,
    *,
    allow: Allow = (),
    quiet: Quiet = False,
) -> int:
    """Put result folders of several machines together: those of one experiment, version and network.

    Whole repeats are taken. Folders of one machine become one.

    Example: significand merge fleet laptop/results phone=usb/results
    """
    from significand.merge_job import merge_folders
    from significand.plan.problems import PlanError
    from significand.present.rows import visible

    try:
        merged = merge_folders(out, folders, allow=allow)
    except PlanError as error:
        return refuse(error.problems)
    except OSError as error:
        complain(error)
        return SOME_RUN_FAILED
    for line in merged.notes:
        complain(line)
    if not quiet:
        for name, blocks in merged.blocks.items():
            say(f"{visible(name)}: {blocks} blocks")
        tell_answer(merged.answer)
        if merged.archive:
            say(f"Earlier results: {visible(merged.archive)}")
        say(f"Results: {visible(merged.folder)}")
    return DONE


def status(
    folder: Annotated[Path, Parameter(converter=folder_of, name="DIR", help="folder of an experiment on machines")],
    /,
    *,
    json: Annotated[bool, Parameter(negative="", show_default=False, help="print JSON instead of a table")] = False,
) -> int:
    """Say how far an experiment on several machines is: which blocks are done, running or lost, where, and since when.

    Nothing is touched; it works while the experiment runs.

    Example: significand status fleet
    """
    from significand.present.terminal.status_view import status_lines, status_table
    from significand.results.fleet_state import FleetError, read_fleet_state
    from significand.results.lock import is_locked

    try:
        state = read_fleet_state(folder)
    except FleetError as error:
        return refuse(error.problems)
    if json:
        print_json(state.to_json())
        return DONE
    out = console()
    out.print(status_table(state))
    for line in status_lines(state, folder, is_alive=is_locked(folder)):
        out.print(line, markup=False)
    return DONE


def tell_answer(answer: "FleetAnswer | None") -> None:
    """Print what an experiment on several machines says, where any of them has a whole block."""
    from significand.present.terminal.fleet_view import fleet_view

    if answer is not None:
        console().print(fleet_view(answer))
