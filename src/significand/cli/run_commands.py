"""Commands that measure, and those that look at what can be measured here."""

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from significand.cli.common import (
    BAD_INPUT,
    DONE,
    INTERRUPTED,
    SOME_RUN_FAILED,
    UNFIT,
    complain,
    console,
    folder_of,
    note,
    print_json,
    refuse,
    say,
    tell_overridden,
)
from significand.cli.ends import ended_by, failures
from significand.cli.flags import NO_FLAGS, Flags, flag
from significand.cli.require import Require, check_require, gate_of_choice
from significand.cli.streams import streams
from significand.plan.options import FEWEST_SEQUENTIAL

if TYPE_CHECKING:
    from significand.job import Outcome


def run(
    file: Annotated[
        str | None,
        Parameter(
            help="what to measure: my.py, my.py:make, package.module:name, net.onnx, or a built-in network; as --model",
            show_default=False,
        ),
    ] = None,
    /,
    *,
    config: Annotated[Path | None, Parameter(help="TOML file with these options; flags win over it")] = None,
    output_dir: Annotated[
        Path | None,
        Parameter(
            converter=folder_of,
            help="folder of the results (default: benchmarks/statistical in the repository)",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="go on with the interrupted experiment in the folder, exactly as it was planned",
        ),
    ] = False,
    yes: Annotated[
        bool,
        Parameter(
            name=("--yes", "-y"), negative="", show_default=False, help="begin a grid of more than 48 setups, too"
        ),
    ] = False,
    allow: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            show_default=False,
            metavar="FIELD",
            help="with --resume: a field of the machine that may differ, such as machine.host, or machine.versions for "
            "all below it; can be given several times",
        ),
    ] = (),
    keep_networks: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="keep the measured networks, in the folder's networks"),
    ] = False,
    on: Annotated[
        str | None,
        Parameter(
            show_default=False,
            metavar="PLACE",
            help="where the blocks run: dask://HOST:PORT, slurm, or hand, which writes a bundle for `significand "
            "block` (default: here)",
        ),
    ] = None,
    hosts: Annotated[
        str | None,
        Parameter(
            show_default=False,
            metavar="HOW",
            help="with --on: each, where every machine does every repeat, or share, where equal machines deal them out "
            "(default: each)",
        ),
    ] = None,
    slurm: Annotated[
        str | None,
        Parameter(
            show_default=False,
            metavar="WISHES",
            help="with --on slurm: what to ask for, of partition=bench, constraint=zen4, time=30 (minutes), "
            "nodelist=n[1-4] and jobs=8, with commas between",
        ),
    ] = None,
    require_fit: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="with --on: refuse machines that the doctor finds unfit"),
    ] = False,
    allow_mixed: Annotated[
        bool,
        Parameter(
            negative="", show_default=False, help="with --hosts share: machines of different processors may share"
        ),
    ] = False,
    fail_on: Annotated[
        Literal["worse", "different"] | None,
        Parameter(
            show_default=False,
            help="with --against: exit with 1 if a verdict on this environment is worse than the other (or, with "
            "different, better or worse) and its whole interval lies beyond the margin; with 2 if a setup could not be "
            "judged",
        ),
    ] = None,
    require: Require = None,
    traceback: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="show all lines of the trace of an error in your functions"),
    ] = False,
    quiet: Annotated[
        bool,
        Parameter(name=("--quiet", "-q"), negative="", show_default=False, help="only errors and failed runs"),
    ] = False,
    json: Annotated[
        bool, Parameter(negative="", show_default=False, help="print the summary as JSON instead of a table")
    ] = False,
    flags: Annotated[Flags, Parameter(name="*")] = NO_FLAGS,
) -> int:
    """Measure a network in several precisions, repeatedly, and write the results.

    Example: significand run my.py --modes float32,float16,int8 --repeats 10
    """
    from significand.present.terminal.progress import ProgressDisplay

    if traceback:
        from significand.workload.examined import ALL_FRAMES

        os.environ[ALL_FRAMES] = "1"  # the process that calls the functions inherits it
    if not quiet:
        tell_overridden()
    try:
        with ProgressDisplay(console(stderr=True, quiet=quiet or json)) as display:
            # What measures takes longer to import than anybody should wait for a sign of life.
            from significand.cli.against import check_gate, gate_of
            from significand.cli.elsewhere import Elsewhere, options_of, run_elsewhere, tell_fleet
            from significand.job import run_experiment_in
            from significand.plan.config import read_config

            fields = read_config(config) if config else {}
            folder = output_dir or fields.pop("output_dir", None)
            fields.pop("output_dir", None)
            fields |= {name: value for name, value in vars(flags).items() if value is not None}
            fields |= {"model": file} if file is not None else {}
            check_gate(fail_on, fields, folder, resume=resume)
            asked = Elsewhere(on, hosts, slurm, require_fit=require_fit, allow_mixed=allow_mixed)
            elsewhere = options_of(asked, folder, resume=resume)
            check_require(require, fields, resume=resume, elsewhere=elsewhere is not None)
            if elsewhere is not None:
                fleet = run_elsewhere(
                    folder,
                    fields,
                    elsewhere,
                    display.update,
                    resume=resume,
                    yes=yes,
                    allow=allow,
                    keep_networks=keep_networks,
                )
            else:
                outcome = run_experiment_in(
                    folder, fields, display.update, resume=resume, yes=yes, allow=allow, keep_networks=keep_networks
                )
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - told, or raised again
        return ended_by(error)
    if elsewhere is not None:
        return tell_fleet(fleet, quiet=quiet, as_json=json)
    streams().kept = f"the results are in {outcome.folder}; `significand table` prints them"
    _show(outcome, quiet=quiet, as_json=json)
    gate = DONE if fail_on is None else gate_of(outcome.claims, fail_on)
    gate = max(gate, gate_of_choice(require, outcome.results.decision))
    return SOME_RUN_FAILED if outcome.failed else gate


def modes(
    file: Annotated[
        str | None,
        Parameter(help="a network, as for `significand run`: one batch of it is run in every mode", show_default=False),
    ] = None,
    /,
    *,
    data: Annotated[str | None, flag("data")] = None,
    set: Annotated[list[str] | None, flag("set")] = None,  # noqa: A002 - the flag's name
    shape: Annotated[str | None, flag("shape")] = None,
    json: Annotated[bool, Parameter(negative="", show_default=False, help="print JSON instead of a table")] = False,
) -> int:
    """Show which engine runs which precision mode on this machine: natively, in another format, or not, and why.

    With a network its functions are checked first, a step of training included; then each mode infers, untrained.

    Example: significand modes my.py
    """
    from significand.engines.probe import probe_modes

    lines: list[str] = []
    if file is None and (data or set or shape):
        return refuse(["modes: data, set and shape are of a network; give its file, too"])
    if file is None:
        support = probe_modes()
    else:
        from significand.doctor.network_modes import try_network
        from significand.present.words.network import network_lines

        try:
            support, examined = try_network(file, data, set=set, shape=shape)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - told, or raised again
            return ended_by(error)
        lines = list(network_lines({"network": examined.told()}))
    if json:
        print_json([dataclasses.asdict(one) for one in support])
    else:
        from significand.present.terminal.tables import modes_view

        console().print(modes_view(support))
        for line in lines:
            console().print(line, markup=False)
    return DONE


def init(
    file: Annotated[Path, Parameter(help="Python file to write, as my.py", name="FILE")],
    /,
) -> int:
    """Write a commented start for your own network: a file with the functions that `significand run` calls.

    Example: significand init my.py
    """
    from significand.plan.problems import PlanError
    from significand.workload.template import write_template

    try:
        written = write_template(file)
    except PlanError as error:
        return refuse(error.problems)
    say(f"{written} is written. Try: significand modes {written}")
    return DONE


def doctor(
    *,
    without_modes: Annotated[
        bool, Parameter(negative="", show_default=False, help="leave out trying every mode on every engine")
    ] = False,
    json: Annotated[
        bool, Parameter(negative="", show_default=False, help="print the checks as JSON instead of a table")
    ] = False,
) -> int:
    """Check whether this machine can measure: its load, clocks, meters and limits, and what to do about each.

    The exit code is 1 if anything is bad.

    Example: significand doctor
    """
    from significand.doctor.examine import examine

    checks = examine(without=["modes"] if without_modes else [])
    if json:
        print_json([dataclasses.asdict(check) for check in checks])
    else:
        from significand.present.terminal.doctor_view import doctor_view

        console().print(doctor_view(checks))
    return UNFIT if any(check.level == "bad" for check in checks) else DONE


def selftest(
    *,
    budget: Annotated[
        str, Parameter(metavar="TIME", help="how long it may take, such as 90s, 2min or 1h", allow_repeating=True)
    ] = "2min",
    repeats: Annotated[
        int, Parameter(metavar="VALUE", help="repeats of each small experiment, at least 2", allow_repeating=True)
    ] = FEWEST_SEQUENTIAL,
    threads: Annotated[str | None, flag("threads")] = None,
    json: Annotated[
        bool, Parameter(negative="", show_default=False, help="print the result as JSON instead of a table")
    ] = False,
) -> int:
    """Check whether to trust verdicts on this machine: measure known differences, and count what is found wrongly.

    A setup is compared with itself, and with itself made 2 % and 5 % slower, in many small experiments. Ctrl-C ends it
    with what is known by then. The exit code is 1 if verdicts are not to be trusted, or nothing was judged.

    Example: significand selftest --budget 10min
    """
    from significand.doctor.selftest import WORKLOAD, parse_budget, run_selftest
    from significand.plan.problems import PlanError
    from significand.runner.launched import RunnerError

    tell_overridden()
    try:
        result = run_selftest(
            parse_budget(budget),
            repeats=repeats,
            workload={**WORKLOAD, "threads": threads},
            on_experiment=lambda number, elapsed_s: note(
                f"experiment {number} is complete, {elapsed_s:.0f} s of {budget}"
            ),
        )
    except (PlanError, ValueError) as error:
        complain(error)
        return BAD_INPUT
    except RunnerError as error:
        complain(error)
        return SOME_RUN_FAILED
    streams().kept = "a self-test is kept nowhere: run it again"
    if json:
        print_json(dataclasses.asdict(result))
    else:
        from significand.present.terminal.selftest_view import selftest_view

        console().print(selftest_view(result))
    if result.interrupted:
        return INTERRUPTED
    nothing_judged = not result.answers[0].found.n
    return UNFIT if result.verdict == "do not trust" or nothing_judged else DONE


def _show(outcome: "Outcome", *, quiet: bool, as_json: bool) -> None:
    if as_json:
        print_json(outcome.rows)
    elif not quiet:
        from significand.present.rows import visible
        from significand.present.terminal.tables import summary_view
        from significand.present.words.answer import answer
        from significand.present.words.decision import decision_told, question_words

        out = console()
        decision = outcome.results.decision
        out.print(str(decision_told(decision)), markup=False)
        if decision.choice:
            out.print(f"Asked: {question_words(decision)}.", markup=False)
        out.print()
        out.print(summary_view(outcome.rows))
        out.print()
        for told in answer(outcome.results):
            out.print(str(told), markup=False)
        if outcome.note:
            say(f"Resumed: {outcome.note}")
        if outcome.archive:
            say(f"Earlier results: {visible(outcome.archive)}")
        say(f"Results: {visible(outcome.folder)}")
        if outcome.report:
            say(f"Report: {visible(outcome.report)}")
    if outcome.report_missing:
        complain(outcome.report_missing)
    for line in failures(outcome.failed):
        complain(line)
