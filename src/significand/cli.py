"""The command line: arguments become library calls, results become text and exit codes. The only module that prints."""

import dataclasses
import io
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, CycloptsError, Parameter

from significand import __version__
from significand.plan.options import OPTIONS

if TYPE_CHECKING:
    from significand.job import Outcome

DONE, SOME_RUN_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
UNFIT = 1


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


def _show(outcome: "Outcome", *, quiet: bool, as_json: bool) -> None:
    if as_json:
        _print_json(outcome.rows)
    elif not quiet:
        from rich.console import Console

        from significand.present.rows import visible
        from significand.present.terminal import summary_view

        console = Console(highlight=False)
        console.print(summary_view(outcome.rows))
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
