"""The command line: arguments become library calls, results become text and exit codes. The only module that prints."""

import dataclasses
import io
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from significand import __version__
from significand.plan.options import FEWEST_SEQUENTIAL, OPTIONS

if TYPE_CHECKING:
    from significand.job import Outcome

DONE, SOME_RUN_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
UNFIT = 1
FAILED_GATE = 1


def _flag(field: str, *aliases: str) -> Parameter:
    option = OPTIONS[field]
    return Parameter(
        name=(f"--{field.replace('_', '-')}", *aliases),
        help=f"{option.help} (default: {option.shown_default})",
        show_default=False,
        metavar="VALUE",
        allow_repeating=True,  # the last one wins, as in most programs
    )


@dataclasses.dataclass(frozen=True)
class Flags:
    """One flag for each field of an experiment.

    Every value stays text here: the experiment checks them all and reports every mistake at once.
    """

    layer_sizes: Annotated[str | None, _flag("layer_sizes")] = None
    activations: Annotated[str | None, _flag("activations")] = None
    label_column: Annotated[str | None, _flag("label_column")] = None
    data: Annotated[str | None, _flag("data")] = None
    n_samples: Annotated[str | None, _flag("n_samples")] = None
    engine: Annotated[str | None, _flag("engine")] = None
    precision_modes: Annotated[str | None, _flag("precision_modes", "--modes")] = None
    batch_size: Annotated[str | None, _flag("batch_size")] = None
    epochs: Annotated[str | None, _flag("epochs")] = None
    repeats: Annotated[str | None, _flag("repeats")] = None
    seed: Annotated[str | None, _flag("seed")] = None
    optimizer: Annotated[str | None, _flag("optimizer")] = None
    learning_rate: Annotated[str | None, _flag("learning_rate")] = None
    momentum: Annotated[str | None, _flag("momentum")] = None
    test_fraction: Annotated[str | None, _flag("test_fraction")] = None
    threads: Annotated[str | None, _flag("threads")] = None
    latency_rounds: Annotated[str | None, _flag("latency_rounds")] = None
    round_duration_s: Annotated[str | None, _flag("round_duration_s")] = None
    watts_per_core: Annotated[str | None, _flag("watts_per_core")] = None
    idle_baseline_s: Annotated[str | None, _flag("idle_baseline_s", "--idle-baseline")] = None
    on_noise: Annotated[str | None, _flag("on_noise")] = None
    noise_share: Annotated[str | None, _flag("noise_share")] = None
    remeasure_limit: Annotated[str | None, _flag("remeasure_limit")] = None
    remeasure_nice: Annotated[str | None, _flag("remeasure_nice")] = None
    baseline: Annotated[str | None, _flag("baseline")] = None
    margin: Annotated[str | None, _flag("margin")] = None
    accuracy_margin: Annotated[str | None, _flag("accuracy_margin")] = None
    objectives: Annotated[str | None, _flag("objectives")] = None
    until: Annotated[str | None, _flag("until")] = None
    until_metric: Annotated[str | None, _flag("until_metric")] = None
    max_repeats: Annotated[str | None, _flag("max_repeats")] = None
    max_time_s: Annotated[str | None, _flag("max_time_s", "--max-time")] = None
    step_timeout_s: Annotated[str | None, _flag("step_timeout_s")] = None


NO_FLAGS = Flags()

app = App(
    name="significand",
    help="What does a network gain and lose in another precision, is the difference real, and did the machine really "
    "compute in that format?",
    version=__version__,
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments
        Words after the program's name; None for those of this process.
    """
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        _complain(error)
        print("Try: significand --help", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("significand: interrupted before anything was measured", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader, head for instance, has seen enough
        sys.stderr.close()
        return DONE
    return code if isinstance(code, int) else DONE


@app.command
def run(
    *,
    config: Annotated[Path | None, Parameter(help="TOML file with these options; flags win over it")] = None,
    output_dir: Annotated[
        Path | None,
        Parameter(
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

    Example: significand run --data digits --modes float32,float16,int8 --repeats 10
    """
    from rich.console import Console

    from significand.job import ExperimentInterrupted, ResultsLostError, run_experiment_in
    from significand.plan.config import read_config
    from significand.plan.problems import PlanError
    from significand.present.terminal import ProgressDisplay
    from significand.runner.server import RunnerError

    try:
        fields = read_config(config) if config else {}
        folder = output_dir or fields.pop("output_dir", None)
        fields.pop("output_dir", None)
        fields |= {name: value for name, value in vars(flags).items() if value is not None}
        with ProgressDisplay(Console(stderr=True, highlight=False, quiet=quiet or json)) as display:
            outcome = run_experiment_in(folder, fields, display.update, resume=resume)
    except PlanError as error:
        for problem in error.problems:
            _complain(problem)
        return BAD_INPUT
    except RunnerError as error:
        _complain(error)
        return SOME_RUN_FAILED
    except ResultsLostError as error:
        _complain(error)
        return SOME_RUN_FAILED
    except ExperimentInterrupted as error:
        _complain(error)
        return INTERRUPTED
    _show(outcome, quiet=quiet, as_json=json)
    return SOME_RUN_FAILED if outcome.failed else DONE


@app.command
def modes(
    *,
    json: Annotated[bool, Parameter(negative="", show_default=False, help="print JSON instead of a table")] = False,
) -> int:
    """Show which engine runs which precision mode on this machine: natively, in another format, or not, and why.

    Example: significand modes
    """
    from significand.support import probe_modes

    support = probe_modes()
    if json:
        _print_json([dataclasses.asdict(one) for one in support])
    else:
        from rich.console import Console

        from significand.present.terminal import modes_view

        Console().print(modes_view(support))
    return DONE


@app.command
def doctor(
    *,
    json: Annotated[
        bool, Parameter(negative="", show_default=False, help="print the checks as JSON instead of a table")
    ] = False,
) -> int:
    """Check whether this machine can measure: its load, clocks, meters and limits, and what to do about each.

    The exit code is 1 if anything is bad.

    Example: significand doctor
    """
    from significand.doctor import examine

    checks = examine()
    if json:
        _print_json([dataclasses.asdict(check) for check in checks])
    else:
        from rich.console import Console

        from significand.present.doctor_view import doctor_view

        Console(highlight=False).print(doctor_view(checks))
    return UNFIT if any(check.level == "bad" for check in checks) else DONE


@app.command
def compare(
    old: Annotated[Path, Parameter(help="folder of the earlier results")],
    new: Annotated[Path, Parameter(help="folder of the later results")],
    /,
    *,
    metrics: Annotated[
        str | None,
        Parameter(
            show_default=False,
            help="what to compare, such as latency,accuracy (default: latency, train_time, memory, model_size, "
            "accuracy, test_accuracy, and energy where measured)",
        ),
    ] = None,
    allow: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            show_default=False,
            metavar="FIELD",
            help="a field that may differ, such as machine.versions.torch, or machine.versions for all below it; can "
            "be given several times",
        ),
    ] = (),
    margin: Annotated[
        str | None,
        Parameter(show_default=False, help="costs that surely differ by less, such as 2%, are called equivalent"),
    ] = None,
    accuracy_margin: Annotated[
        str | None, Parameter(show_default=False, help="the same for accuracies, in percentage points")
    ] = None,
    fail_on: Annotated[
        Literal["worse", "different"] | None,
        Parameter(
            show_default=False,
            help="exit with 1 if a verdict is worse (or, with different, better or worse) and its whole interval lies "
            "beyond the margin: what may be smaller than the margin passes; without a margin, on any such verdict. "
            "Also if something changes by the same in all of several runs, and if all runs of a mode fail in NEW only. "
            "Exit with 2 if a mode could not be judged; a mode that NEW does not plan is only noted",
        ),
    ] = None,
    json: Annotated[bool, Parameter(negative="", show_default=False, help="print JSON instead of a table")] = False,
    markdown: Annotated[
        bool, Parameter(negative="", show_default=False, help="print Markdown, for a pull request")
    ] = False,
) -> int:
    """Compare two result folders, mode by mode: what is better, worse or equivalent in the new one.

    They must be of the same experiment, machine, threads and versions; what differs is named, and can be allowed. Runs
    are paired where the seeds are the same. The exit code is 0; 1 where --fail-on found something; 2 where there is
    nothing to compare or to judge.

    Example: significand compare main/results branch/results --fail-on worse --margin 2%
    """
    from significand.compare import compare_folders
    from significand.gate import failing, unjudged
    from significand.present.compare_view import compare_markdown, compare_view, gate_lines
    from significand.results.comparable import ResultsError

    if json and markdown:
        return _refuse(["json: one output only; give either --json or --markdown"])
    try:
        result = compare_folders(
            old, new, metrics=_words(metrics), allow=allow, margin=margin, accuracy_margin=accuracy_margin
        )
    except ResultsError as error:
        return _refuse(error.problems)
    if json:
        _print_json(result.to_dict())
    elif markdown:
        print(compare_markdown(result))
    else:
        from rich.console import Console

        Console(highlight=False).print(compare_view(result))
    if fail_on is None:
        return DONE
    lines = gate_lines(result, failing(result, fail_on))
    for line in lines:
        print(f"significand: {line}", file=sys.stderr)
    modes = unjudged(result)
    if modes:
        _refuse([f"fail_on: nothing could be tested of {', '.join(modes)}; finish at least 2 repeats in both folders"])
    return FAILED_GATE if lines else BAD_INPUT if modes else DONE


@app.command
def history(
    folder: Annotated[Path, Parameter(help="result folder with earlier results in its history", name="DIR")],
    /,
    *,
    metrics: Annotated[
        str | None, Parameter(show_default=False, help="what to show, such as latency,accuracy; see compare")
    ] = None,
    json: Annotated[bool, Parameter(negative="", show_default=False, help="print JSON instead of tables")] = False,
) -> int:
    """Show each metric over the results that a folder has had, and where its level changed.

    Only results that may be compared with the newest are shown; the others are listed with the reason.

    Example: significand history benchmarks/statistical
    """
    from significand.history import read_history
    from significand.present.compare_view import history_view
    from significand.results.comparable import ResultsError

    try:
        found = read_history(folder, metrics=_words(metrics))
    except ResultsError as error:
        return _refuse(error.problems)
    if json:
        _print_json(found.to_dict())
    else:
        from rich.console import Console

        Console(highlight=False).print(history_view(found))
    return DONE


def _words(text: str | None) -> list[str] | None:
    return None if text is None else [word.strip() for word in text.split(",")]


def _refuse(problems: Sequence[str]) -> int:
    from significand.present.rows import visible

    for problem in problems:
        print(f"significand: {visible(problem)}", file=sys.stderr)
    return BAD_INPUT


@app.command
def selftest(
    *,
    budget: Annotated[
        str, Parameter(metavar="TIME", help="how long it may take, such as 90s, 2min or 1h", allow_repeating=True)
    ] = "2min",
    repeats: Annotated[
        int, Parameter(metavar="VALUE", help="repeats of each small experiment, at least 2", allow_repeating=True)
    ] = FEWEST_SEQUENTIAL,
    threads: Annotated[str | None, _flag("threads")] = None,
    json: Annotated[
        bool, Parameter(negative="", show_default=False, help="print the result as JSON instead of a table")
    ] = False,
) -> int:
    """Check whether to trust verdicts on this machine: measure known differences, and count what is found wrongly.

    A setup is compared with itself, and with itself made 2 % and 5 % slower, in many small experiments. Ctrl-C ends it
    with what is known by then. The exit code is 1 if verdicts are not to be trusted.

    Example: significand selftest --budget 10min
    """
    from significand.plan.problems import PlanError
    from significand.runner.server import RunnerError
    from significand.selftest import WORKLOAD, parse_budget, run_selftest

    try:
        result = run_selftest(
            parse_budget(budget),
            repeats=repeats,
            workload={**WORKLOAD, "threads": threads},
            on_experiment=lambda number, elapsed_s: print(
                f"experiment {number} is complete, {elapsed_s:.0f} s of {budget}", file=sys.stderr, flush=True
            ),
        )
    except (PlanError, ValueError) as error:
        print(f"significand: {error}", file=sys.stderr)
        return BAD_INPUT
    except RunnerError as error:
        print(f"significand: {error}", file=sys.stderr)
        return SOME_RUN_FAILED
    if json:
        _print_json(dataclasses.asdict(result))
    else:
        from rich.console import Console

        from significand.present.selftest_view import selftest_view

        Console(highlight=False).print(selftest_view(result))
    if result.interrupted:
        return INTERRUPTED
    return UNFIT if result.verdict in {"do not trust", "cannot say"} else DONE


def _show(outcome: "Outcome", *, quiet: bool, as_json: bool) -> None:
    if as_json:
        _print_json(outcome.rows)
    elif not quiet:
        from rich.console import Console

        from significand.present.claims_view import claim_lines
        from significand.present.rows import visible
        from significand.present.terminal import summary_view

        console = Console(highlight=False)
        console.print(summary_view(outcome.rows))
        print()
        for line in claim_lines(outcome.claims, outcome.runs, outcome.precision):
            console.print(line, markup=False)
        if outcome.note:
            print(f"Resumed: {outcome.note}")
        if outcome.archive:
            print(f"Earlier results: {visible(outcome.archive)}")
        print(f"Results: {visible(outcome.folder)}")
    for failed in outcome.failed:
        _complain(f"run {failed.name} failed: {failed.reason}")


def _complain(what: object) -> None:
    """Tell what went wrong; whatever a file or a flag said cannot move the cursor."""
    from significand.present.rows import visible

    for line in str(what).splitlines():
        print(f"significand: {visible(line)}", file=sys.stderr)


def _print_json(value: object) -> None:
    import json

    from significand.results.values import jsonable

    print(json.dumps(jsonable(value), indent=2, ensure_ascii=False))


def program() -> None:
    """Be the program: run the command line of this process and exit. A polite kill ends it as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without ± shall not cost the table
    sys.exit(main())
