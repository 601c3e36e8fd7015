"""Commands that read results: they measure nothing, and never import torch."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from significand.cli.common import (
    BAD_INPUT,
    DONE,
    FAILED_GATE,
    NOT_WRITTEN,
    complain,
    console,
    end_gate,
    folder_of,
    print_json,
    refuse,
    say,
)


def compare(
    old: Annotated[Path, Parameter(converter=folder_of, help="folder of the earlier results")],
    new: Annotated[Path, Parameter(converter=folder_of, help="folder of the later results")],
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
        str | None,
        Parameter(
            show_default=False,
            help="the same for accuracies, in percentage points, and for other scores, in their own unit",
        ),
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
    from significand.answers.compare import compare_folders
    from significand.answers.gate import failing, unjudged
    from significand.present.terminal.compare_view import compare_markdown, compare_view, gate_lines
    from significand.results.comparable import ResultsError

    if json and markdown:
        return refuse(["json: one output only; give either --json or --markdown"])
    try:
        result = compare_folders(
            old, new, metrics=_words(metrics), allow=allow, margin=margin, accuracy_margin=accuracy_margin
        )
    except ResultsError as error:
        return end_gate(fail_on, refuse(error.problems))
    if json:
        print_json(result.to_dict())
    elif markdown:
        say(compare_markdown(result))
    else:
        console().print(compare_view(result))
    if fail_on is None:
        return DONE
    lines = gate_lines(result, failing(result, fail_on))
    for line in lines:
        complain(line)
    modes = unjudged(result)
    if modes:
        refuse([f"fail_on: nothing could be tested of {', '.join(modes)}; finish at least 2 repeats in both folders"])
    return end_gate(fail_on, FAILED_GATE if lines else BAD_INPUT if modes else DONE)


def history(
    folder: Annotated[
        Path, Parameter(converter=folder_of, help="result folder with earlier results in its history", name="DIR")
    ],
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
    from significand.answers.history import read_history
    from significand.present.terminal.compare_view import history_view
    from significand.results.comparable import ResultsError

    try:
        found = read_history(folder, metrics=_words(metrics))
    except ResultsError as error:
        return refuse(error.problems)
    if json:
        print_json(found.to_dict())
    else:
        console().print(history_view(found))
    return DONE


def report(
    folder: Annotated[Path, Parameter(converter=folder_of, help="result folder, of any age", name="DIR")],
    /,
    *,
    open_it: Annotated[
        bool, Parameter(name="--open", negative="", show_default=False, help="show it in the browser")
    ] = False,
) -> int:
    """Write report.html into a result folder: everything in it on one page, which needs no network.

    `significand run` does so at its end; this is for results of earlier versions, and of interrupted experiments. Of an
    experiment on several hosts it also writes the tables of all of them, and says what they show.

    Example: significand report benchmarks/statistical --open
    """
    from significand.present.rows import visible
    from significand.results.comparable import ResultsError
    from significand.results.fleet_store import is_fleet

    try:
        path = _fleet_report(folder) if is_fleet(folder) else _report(folder)
    except ResultsError as error:
        return refuse(error.problems)
    if path is None:
        return NOT_WRITTEN
    if open_it:
        import webbrowser

        if not webbrowser.open(path.resolve().as_uri()):
            complain("no browser can be started here; open the file elsewhere")
    say(f"Report: {visible(path)}")
    return DONE


def _report(folder: Path) -> Path | None:
    """Write the report of one folder; None where it could not be, which is told."""
    from significand.answers.folder import read_folder
    from significand.present.page import ReportError, write_report

    try:
        return write_report(read_folder(folder))
    except ReportError as error:
        complain(error)
        return None


def _fleet_report(folder: Path) -> Path | None:
    """Write the files of a fleet and show what it says; None where the report could not be, which is told."""
    from significand.fleet_files import write_fleet
    from significand.present.terminal.fleet_view import fleet_view
    from significand.results.store import REPORT

    try:
        written = write_fleet(folder)
    except OSError as error:
        complain(f"{str(folder)!r} cannot be written: {error.strerror or error}; make room, or copy the folder")
        return None
    console().print(fleet_view(written.answer))
    for line in written.missing:
        complain(line)
    return next((path for path in written.files if path.name == REPORT), None)


def explain(
    folder: Annotated[Path, Parameter(converter=folder_of, help="result folder", name="DIR")],
    /,
    *,
    setup: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            show_default=False,
            metavar="NAME",
            help="show this setup, as the table calls it, operator by operator; can be given several times",
        ),
    ] = (),
    json: Annotated[bool, Parameter(negative="", show_default=False, help="print JSON instead of tables")] = False,
) -> int:
    """Say why a setup is as fast as it is: which layer computed in which format, and where the time goes.

    Beside each layer stands how many times faster it is than the baseline's. Nothing is run: the first repeat of an
    experiment was profiled, in processes that are not timed.

    Example: significand explain benchmarks/statistical --setup int8
    """
    from significand.answers.folder import read_folder
    from significand.present.terminal.explain_view import explain_view
    from significand.results.comparable import ResultsError

    try:
        setups = read_folder(folder).explained
    except ResultsError as error:
        return refuse(error.problems)
    except ValueError as error:
        return refuse([str(error)])
    names = [one.setup for one in setups]
    if wrong := [name for name in setup if name not in names]:
        return refuse([f"setup: {name!r} is none of this folder's; give one of {', '.join(names)}" for name in wrong])
    shown = [one for one in setups if not setup or one.setup in setup]
    if json:
        print_json([one.to_dict() for one in shown])
    else:
        console().print(explain_view(shown, in_full=bool(setup)))
    return DONE


def table(
    folder: Annotated[Path, Parameter(converter=folder_of, help="result folder", name="DIR")],
    /,
    *,
    latex: Annotated[
        bool, Parameter(negative="", show_default=False, help="print LaTeX, for the package booktabs")
    ] = False,
    markdown: Annotated[bool, Parameter(negative="", show_default=False, help="print Markdown")] = False,
) -> int:
    """Print the table of a result folder: as `significand run` does, or for a paper.

    LaTeX and Markdown have Student's t intervals, the ones to quote; the run's table has 1.96 standard errors.

    Example: significand table benchmarks/statistical --latex
    """
    from significand.answers.folder import read_folder
    from significand.results.comparable import ResultsError

    if latex and markdown:
        return refuse(["markdown: one output only; give either --latex or --markdown"])
    try:
        results = read_folder(folder)
    except ResultsError as error:
        return refuse(error.problems)
    if latex or markdown:
        from significand.present.terminal.grid_paper import published

        say(published(results, as_latex=latex))
    else:
        from significand.present.rows import visible
        from significand.present.terminal.tables import summary_view
        from significand.present.words.grid import refused_lines
        from significand.present.words.network import network_lines

        console().print(summary_view(results.rows))
        for line in (*refused_lines(results.experiment.refused), *network_lines(results.manifest)):
            console().print(line, markup=False)
        if results.incomplete:
            console().print(visible(results.incomplete), markup=False)
    return DONE


def _words(text: str | None) -> list[str] | None:
    return None if text is None else [word.strip() for word in text.split(",")]
