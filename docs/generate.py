"""Write the generated pages, files.md and options.md, from the code that they describe.

``python docs/generate.py`` writes them; ``--check`` changes nothing, names those that are not up to date, and exits
with 1 if there are any.
"""
# ruff: noqa: INP001 - a script, no package

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from significand.analysis.claims import LAST_FACTS, ComparisonRow, summary_columns
from significand.analysis.pareto_bootstrap import FRONTIER_KEYS
from significand.analysis.summary import FACTS, RATIO_STATISTICS
from significand.answers.choose import ANSWER_KEYS
from significand.answers.fleet_tables import (
    HOST_COLUMNS,
    RATIO_COLUMNS,
    SUMMARY_STATISTICS,
    fleet_summary_columns,
)
from significand.cli import BAD_INPUT, DONE, INTERRUPTED, SOME_RUN_FAILED, app
from significand.plan.metrics import SPECIFIED_COSTS, SUMMARISED
from significand.plan.options import GROUPS, OPTIONS
from significand.results.contents import (
    DETAIL_ARRAYS,
    EXAMPLE_ARRAYS,
    FILES,
    FLEET_FILES,
    FLEET_KEYS,
    MANIFEST_KEYS,
)
from significand.results.records import EXAMPLE_COLUMNS, STATISTICS, STEP_COLUMNS, Run, described

DOCS = Path(__file__).parent

Columns = Mapping[str, tuple[str, str]]
"""By name: what it means, and its unit."""

EXAMPLE = re.compile(r"Example: (.+)")
DEFAULT = re.compile(r" \(default: ([^()]*)\)\.?$")

FILES_INTRO = """\
# What is in a result folder

Every file that `significand run` writes, with every column, its unit and its meaning.

- Numbers are kept in full precision; nothing is rounded. What is missing is an empty cell in CSV, `null` in JSON, and
  never 0.
- A unit of 1 is a number without unit; no unit stands where the value is a text, a count, true or false.
- MB are 10^6 bytes. Times of day are UTC in ISO 8601. Texts are UTF-8.
- Schema versions are told apart by `schema_version` in manifest.json. Folders of older versions can be read; a column
  that they lack is missing.
- Nothing else in the folder is ever touched. `.significand.lock` holds a process number while an experiment runs; names
  that begin with `.significand.next` are there for a moment only. What happens to all of them when something breaks:
  [faults.md](faults.md).
"""

SUMMARY_INTRO = """\
One row per setup, in the order asked for. In JSON a list of objects with the same keys. Most columns are a metric and a
statistic, `<metric>_<statistic>`. First come `precision_mode`, `repeats`, and for each metric `_mean`, `_std` and
`_ci95`; then for each metric the other statistics; then what is no statistic; then the ratios.
"""

JOURNAL_TEXT = """\
One JSON object a line. The first says what the experiment is and where it runs: `schema_version`, `experiment_hash`,
`experiment`, `data_sha256`, `machine` and `energy_source` as in manifest.json. Every further line is
`{"run": {column: text, ...}}` with the columns of raw_runs.csv, each value as the text that the CSV holds.
"""

DETAILS_TEXT = """\
NumPy archives named by repeat and mode, such as `details/r000-float32.npz`; `numpy.load` reads them. Latency rounds
before the steady state are here too: `steady_from_round` in raw_runs.csv says how many do not count.
"""

FLEET_TEXT = """\
The folder of one experiment on several hosts holds a result folder for each of them, which every command reads, and
files about all of them, which `significand report` writes. Names and columns beyond those below are each host's own.
"""

RATIOS_TEXT = """\
Of every metric first each host's ratio, setup by setup, then what the hosts of each kind show together: see method.md.
An interval is that of one comparison alone. In JSON a list of objects with the same keys.
"""

OPTIONS_INTRO = """\
# Commands and options

Every command of `significand` and every option, with its default. `significand run --help` and its like say
the same.

Values are written after the option with a space or `=`. Of an option that is given several times the last one counts.
What to measure can also be given as keys of a TOML file (`--config`) and as keyword arguments of
`run_repeated_benchmarks`, under the same names with underscores: `--batch-size` is `batch_size`.
"""

EXIT_CODES = f"""\
## Exit codes

| code | meaning |
| --- | --- |
| {DONE} | done |
| {SOME_RUN_FAILED} | of `run`: some run failed, a block could not be had, or a result could not be written; \
of `block`: some run failed; of `doctor`: something is bad; of \
`selftest`: verdicts are not to be trusted; of `compare`: `--fail-on` found something; of `choose`: `--require` does \
not hold; of `report` and \
`--install-completion`: a file could not be written; of every command that did not fail otherwise: what it had to \
print could not be written, as on a full disk |
| {BAD_INPUT} | bad input, or nothing to compare or to judge: one line for every mistake, and nothing was written |
| {INTERRUPTED} | interrupted by Ctrl-C or SIGTERM: finished runs are kept |

A reader that closes the pipe early, such as `head`, is no fault: what can be printed again ends quietly, with the exit
code that it would have had. Of `run` and `selftest` that counts as not printed, too: the exit code is 1, and stderr
says where the results are. Without stderr, or with a full one, everything goes on without progress.
"""


@dataclass(frozen=True)
class Option:
    """One option or argument of a command: its names, its default as Markdown, and its meaning."""

    names: tuple[str, ...]
    default: str
    meaning: str
    positional: bool

    @property
    def field(self) -> str:
        """The field of an experiment that the option would set."""
        return self.names[0].removeprefix("--").replace("-", "_")


def command_names() -> list[str]:
    """Return the commands in the order in which help lists them, without the flags for help and version."""
    return [name for name in app if name not in {*app.help_flags, *app.version_flags}]


def options_of(command: str) -> list[Option]:
    """Return the options and arguments of a command."""
    arguments = app[command].assemble_argument_collection(parse_docstring=True)
    return [_option(argument) for argument in arguments if argument.show]


def files_page() -> str:
    """Return files.md."""
    parts = [FILES_INTRO, _section("Files", _table(("file", "content"), ((_code(k), v) for k, v in FILES.items())))]
    runs = {one.name: (one.metadata["doc"], one.metadata["unit"]) for one in fields(Run)}
    parts.append(_section("raw_runs.csv", "One line per run.\n", _columns(runs)))
    parts.append(_section("steps.csv", "One line per measurement of a step.\n", _columns(STEP_COLUMNS)))
    told = "One line per setup that was scored on the same held-out examples as its baseline.\n"
    parts.append(_section("examples.csv", told, _columns(EXAMPLE_COLUMNS)))
    parts.append(_section("examples.npz", _columns(EXAMPLE_ARRAYS, "array")))
    parts.append(_section("summary_stats.csv and summary_stats.json", SUMMARY_INTRO, *_summary_tables()))
    parts.append(
        _section(
            "comparisons.csv and comparisons.json",
            "One row per setup and metric; in JSON a list of objects with the same keys.\n",
            _columns(described(ComparisonRow)),
        )
    )
    parts.append(_section("pareto.json", _columns(FRONTIER_KEYS, "key")))
    parts.append(_section("answer.json", _columns(ANSWER_KEYS, "key")))
    parts.append(_section("manifest.json", _columns(MANIFEST_KEYS, "key")))
    parts.append(_section("journal.jsonl", JOURNAL_TEXT))
    parts.append(_section("details", DETAILS_TEXT, _columns(DETAIL_ARRAYS, "array")))
    parts += list(_fleet_sections())
    return _page(parts)


def _fleet_sections() -> Iterator[str]:
    """Describe the files of an experiment on several hosts."""
    yield _section("An experiment on several hosts", FLEET_TEXT, _table(("file", "content"), _coded(FLEET_FILES)))
    yield _section("fleet.json", _columns(FLEET_KEYS, "key"))
    yield _section("hosts.csv", "One line per host.\n", _columns(HOST_COLUMNS))
    yield _section("host_ratios.csv and host_ratios.json", RATIOS_TEXT, _columns(RATIO_COLUMNS))
    columns = fleet_summary_columns()
    of_metrics = [f"{metric.name}_{name}" for metric in SUMMARISED for name in SUMMARY_STATISTICS]
    yield _section(
        "summary_stats of several hosts",
        "One row per host and setup; nothing is put together over hosts.\n",
        _columns({name: told for name, told in columns.items() if name not in of_metrics}),
        "Then for each metric, as in a host's own summary_stats, `<metric>_<statistic>`:\n",
        _table(("statistic", "meaning"), ((_code(f"_{name}"), told) for name, told in SUMMARY_STATISTICS.items())),
    )


def _coded(told: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((_code(name), meaning) for name, meaning in told.items())


def options_page() -> str:
    """Return options.md."""
    return _page([OPTIONS_INTRO, *(_command_section(name) for name in command_names()), EXIT_CODES])


PAGES: Mapping[str, Callable[[], str]] = {"files.md": files_page, "options.md": options_page}


def outdated(folder: Path) -> list[str]:
    """Return the names of the pages in a folder that are not what the code says."""
    return [name for name, page in PAGES.items() if _read(folder / name) != page()]


def main() -> int:
    """Write the pages, or say which are not up to date."""
    parser = argparse.ArgumentParser(description=inspect.getdoc(sys.modules[__name__]))
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a page is not up to date")
    check = parser.parse_args().check
    changed = outdated(DOCS)
    for name in changed:
        if not check:
            (DOCS / name).write_text(PAGES[name](), encoding="utf-8")
        sys.stdout.write(f"{name}: {'not up to date; run python docs/generate.py' if check else 'written'}\n")
    return 1 if check and changed else 0


def _summary_tables() -> Iterator[str]:
    yield _table(("statistic", "meaning"), ((_code(f"_{name}"), told) for name, told in STATISTICS.items()))
    every = summary_columns()
    levels = [name for name in every if name.endswith("_median_ci_level")]
    rows = []
    for metric in SUMMARISED:
        names = [name for statistic in STATISTICS if (name := f"{metric.name}_{statistic}") not in levels]
        rows.append((", ".join(map(_code, names)), every[names[0]][1], _code(metric.column)))
    yield _table(("columns", "unit", "of this column of raw_runs.csv"), rows)
    yield _table(("columns", "unit", "meaning"), [(", ".join(map(_code, levels)), "1", STATISTICS["median_ci_level"])])
    bootstrap = {name: told for name, told in every.items() if "_bootstrap_t_" in name}
    first = {name: every[name] for name in ("precision_mode", "repeats")} | bootstrap
    yield _columns(first | FACTS | LAST_FACTS)
    yield _table(("ratio", "meaning"), ((_code(f"_{name}"), told) for name, told in RATIO_STATISTICS.items()))
    ratios = [[f"{cost.name}_{name}" for name in RATIO_STATISTICS] for cost in SPECIFIED_COSTS]
    yield _table(("columns", "unit"), ((", ".join(map(_code, names)), every[names[0]][1]) for names in ratios))


def _command_section(command: str) -> str:
    options = options_of(command)
    arguments = [one for one in options if one.positional]
    named = [one for one in options if not one.positional]
    of_experiment = [one for one in named if one.field in OPTIONS] if command == "run" else []
    parts = [_description(command)]
    if arguments:
        parts.append(_table(("argument", "meaning"), ((_code(*one.names), one.meaning) for one in arguments)))
    if own := [one for one in named if one not in of_experiment]:
        parts.append(_option_table(own))
    for title in GROUPS if of_experiment else ():
        of_group = [one for one in of_experiment if OPTIONS[one.field].group == title]
        parts += [f"{title}:\n", _option_table(of_group)]
    return _section(f"significand {command}", *parts)


def _description(command: str) -> str:
    """Return what help says of a command, its example as a block of code."""
    paragraphs = inspect.cleandoc(app[command].help or "").split("\n\n")
    shown = []
    for paragraph in paragraphs:
        text = " ".join(paragraph.split())
        example = EXAMPLE.fullmatch(text)
        shown.append(f"```\n{example[1]}\n```" if example else text)
    return "\n\n".join(shown) + "\n"


def _option(argument: Any) -> Option:  # noqa: ANN401 - cyclopts' own type
    meaning = str(argument.parameter.help or "")
    value = argument.field_info.default
    default = {None: "none", False: "off", (): "none"}.get(value, f"`{value}`")
    if told := DEFAULT.search(meaning):
        meaning = meaning[: told.start()]
        # What is not a value but a word of what stands for it looks like a word.
        default = told[1] if value is None and not _is_value(argument.names, told[1]) else f"`{told[1]}`"
    if choices := argument.get_choices():
        meaning += f"; one of {', '.join(choices)}"
    return Option(tuple(argument.names), default, meaning, argument.is_positional_only())


def _is_value(names: Sequence[str], default: str) -> bool:
    """Tell whether an experiment's field has this default, and not something that depends on something else."""
    option = OPTIONS.get(names[0].removeprefix("--").replace("-", "_"))
    return option is not None and option.default is not None and option.shown_default == default


def _option_table(options: Sequence[Option]) -> str:
    rows = ((_code(*one.names), one.default, one.meaning) for one in options)
    return _table(("option", "default", "meaning"), rows)


def _columns(columns: Columns, heading: str = "column") -> str:
    rows = ((_code(name), unit, doc) for name, (doc, unit) in columns.items())
    return _table((heading, "unit", "meaning"), rows)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _code(*names: str) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _section(title: str, *parts: str) -> str:
    return "\n".join((f"## {title}\n", *parts))


def _page(parts: Iterable[str]) -> str:
    notice = "<!-- Written by docs/generate.py from the code; do not change it by hand. -->\n"
    return "\n".join((notice, *parts))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
