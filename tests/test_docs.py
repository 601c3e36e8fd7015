"""The documentation is complete and up to date, its links lead somewhere, its examples are understood or run."""

import dataclasses
import importlib.util
import json
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from cyclopts import CycloptsError

from conftest import NO_DATA, SMALL, small_experiment
from made_up_fleets import EPYC, XEON, made_up_fleet
from made_up_results import made_up_folder, made_up_runs
from significand.analysis.claims import ComparisonRow, claims_of, comparison_row, summary_columns, summary_rows
from significand.analysis.pareto_bootstrap import FRONTIER_KEYS, frontier_uncertainty
from significand.answers.choose import ANSWER_KEYS
from significand.cli import app
from significand.job import run_experiment_in
from significand.meters.machine import describe_machine
from significand.plan.experiment import plan_experiment
from significand.plan.options import OPTIONS
from significand.results.contents import DETAIL_ARRAYS, EXAMPLE_ARRAYS, FILES, MANIFEST_KEYS
from significand.results.lock import LOCK
from significand.results.read import read_json_object
from significand.results.records import (
    EXAMPLE_COLUMNS,
    STATISTICS,
    STEP_COLUMNS,
    MetricSummary,
    Run,
    column_types,
    described,
)
from significand.results.store import RESULTS
from significand.results.table import table_of

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
BLOCK = re.compile(r"^ *```([^\n]*)\n(.*?)^ *```", flags=re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:^|\s|/)significand (.*)")
SHELLS = {"", "sh", "yaml"}
"""Languages of the blocks in which lines with `significand` are commands; a block without one is a terminal's."""


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of code: the page and line where it stands, the words behind the fence, its text."""

    page: str
    line: int
    words: tuple[str, ...]
    text: str

    @property
    def place(self) -> str:
        """Where the example stands."""
        return f"{self.page}:{self.line}"


def blocks() -> Iterator[Block]:
    """Find every block of code on every page."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in BLOCK.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield Block(page.relative_to(ROOT).as_posix(), line, tuple(found[1].split()), found[2])


def commands() -> Iterator[tuple[str, str]]:
    """Find every command line of significand on every page, with its place: in blocks, and in the text."""
    for block in blocks():
        if (block.words[:1] or ("",))[0] in SHELLS:
            for line in block.text.replace("\\\n", " ").splitlines():
                for part in re.split(r"&&|;|\|", line.partition(" #")[0].partition(" >")[0]):
                    if found := COMMAND.search(part.partition("#")[0]):
                        yield block.place, found[1].strip()
    for page in PAGES:
        text = BLOCK.sub("", page.read_text(encoding="utf-8"))
        for found in re.finditer(r"`significand ([^`]+)`", text):
            yield page.name, " ".join(found[1].split())


def headings(page: Path) -> set[str]:
    """Return the anchors of a page, as GitHub makes them of its headings."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    lines = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def sections(page: str) -> dict[str, str]:
    """Return the parts of a page by their headings of the second level."""
    _, *parts = re.split(r"^## ", (DOCS / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {title: body for title, _, body in (part.partition("\n") for part in parts)}


def table_rows(text: str) -> dict[str, str]:
    """Return what stands in the second column of the tables of a text, by each name in the first."""
    rows: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            names, second = re.split(r"(?<!\\)\|", line)[1:3]
            rows |= dict.fromkeys(re.findall(r"`([^`]+)`", names), second.strip())
    return rows


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """Import the script that writes the generated pages."""
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_up_to_date(generator: ModuleType) -> None:
    """Written anew, files.md and options.md are what they are; else: python docs/generate.py."""
    assert generator.outdated(DOCS) == []


def test_a_page_that_has_drifted_is_named(
    generator: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--check names the page, changes nothing and exits with 1; without it the page is written."""
    monkeypatch.setattr(generator, "DOCS", tmp_path)
    monkeypatch.setattr(generator, "PAGES", {"one.md": lambda: "as it is\n", "two.md": lambda: "new\n"})
    (tmp_path / "one.md").write_text("as it is\n", encoding="utf-8")
    (tmp_path / "two.md").write_text("old\n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["generate.py", "--check"])
    assert generator.main() == 1
    assert capsys.readouterr().out == "two.md: not up to date; run python docs/generate.py\n"
    assert (tmp_path / "two.md").read_text(encoding="utf-8") == "old\n"
    monkeypatch.setattr(sys, "argv", ["generate.py"])
    assert generator.main() == 0
    assert (tmp_path / "two.md").read_text(encoding="utf-8") == "new\n"


def test_every_command_and_option_is_documented() -> None:
    """options.md has a section per command, and there each of its options under all its names, with a default."""
    found = sections("options.md")
    for command in app:
        if command in {*app.help_flags, *app.version_flags}:
            continue
        rows = table_rows(found[f"significand {command}"])
        for argument in app[command].assemble_argument_collection():
            if argument.show:
                assert set(argument.names) <= set(rows), (command, argument.names)
                assert all(rows[name] for name in argument.names), (command, argument.names)


def test_every_option_of_an_experiment_shows_its_default() -> None:
    """The default in options.md is that of the plan."""
    rows = table_rows(sections("options.md")["significand run"])
    for name, option in OPTIONS.items():
        assert rows[f"--{name.replace('_', '-')}"].strip("`") == option.shown_default


def test_every_column_is_documented_with_its_unit() -> None:
    """files.md has each column, key and array in the section of its file, with the unit that the code says."""
    found = sections("files.md")
    of_runs = {one.name: (one.metadata["doc"], one.metadata["unit"]) for one in dataclasses.fields(Run)}
    for title, columns in {
        "raw_runs.csv": of_runs,
        "steps.csv": STEP_COLUMNS,
        "examples.csv": EXAMPLE_COLUMNS,
        "examples.npz": EXAMPLE_ARRAYS,
        "summary_stats.csv and summary_stats.json": summary_columns(),
        "comparisons.csv and comparisons.json": described(ComparisonRow),
        "pareto.json": FRONTIER_KEYS,
        "answer.json": ANSWER_KEYS,
        "manifest.json": MANIFEST_KEYS,
        "details": DETAIL_ARRAYS,
    }.items():
        rows = table_rows(found[title])
        for name, (meaning, unit) in columns.items():
            assert meaning, name
            assert rows.get(name) == unit, (title, name)


def test_columns_of_summaries_and_comparisons_are_those_that_are_written() -> None:
    """The documented columns are the keys of the rows, in their order."""
    experiment = small_experiment(precision_modes=["float32", "int8"])
    runs = table_of([*made_up_runs(1), *made_up_runs(2, mode="int8")])
    claims = claims_of(runs, experiment)
    assert list(summary_rows(runs, experiment, claims)[0]) == list(summary_columns())
    assert list(comparison_row(claims.comparisons[0])) == list(column_types(ComparisonRow))
    assert list(STATISTICS) == [one.name for one in dataclasses.fields(MetricSummary)]


def test_keys_of_the_frontier_are_those_that_are_written() -> None:
    """What pareto.json holds is documented, also where there is no frontier."""
    values = np.random.default_rng(0).normal(size=(4, 2, 2))
    written = frontier_uncertainty(values, [False, True], resamples=10).to_dict(["a", "b"], ["latency", "accuracy"])
    (setups, volume) = (written.pop(name) for name in ("setups", "hypervolume"))
    assert isinstance(setups, list)
    assert isinstance(volume, dict)
    keys = [*written, *(f"setups[].{key}" for key in setups[0]), *(f"hypervolume.{key}" for key in volume), "reason"]
    assert keys == list(FRONTIER_KEYS)


@pytest.mark.usefixtures("instant")
def test_keys_of_the_answer_are_those_that_are_written(tmp_path: Path) -> None:
    """What answer.json holds is documented, in its order."""
    written = run_experiment_in(tmp_path, SMALL).results.decision.to_dict()
    setups = written["setups"]
    assert isinstance(setups, list)
    of_setups = [f"setups[].{key}" for key in setups[0]]
    before = [name for name in written if name not in {"setups", "problems"}]
    assert [*before, *of_setups, "problems"] == list(ANSWER_KEYS)


@pytest.mark.usefixtures("instant")
def test_everything_in_a_result_folder_is_documented(tmp_path: Path) -> None:
    """After two experiments in one folder, every file in it and every key of its manifest and journal is explained."""
    for _ in range(2):
        run_experiment_in(tmp_path, SMALL)
    assert {path.name for path in tmp_path.iterdir()} - {LOCK} <= set(FILES)
    assert set(FILES) == {*RESULTS, "history"}
    manifest = read_json_object(tmp_path / "manifest.json")
    machine = manifest.pop("machine")
    assert isinstance(machine, dict)
    known = {name for name in MANIFEST_KEYS if "." not in name}
    of_networks, of_resuming = {"network", "network_sources", "functions_sha256"}, {"resumed_utc", "allowed"}
    assert known - set(manifest) == {"idle_power_w", "idle_others_cpu_s", "against", *of_resuming, *of_networks}
    assert set(manifest) <= known
    inside = {f"against.{name}" for name in ("path", "python", "versions")} | {f"machine.{name}" for name in machine}
    assert inside == set(MANIFEST_KEYS) - known
    assert set(machine) == set(describe_machine())
    first, second, *_ = (tmp_path / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    assert set(json.loads(first)) - {"machine"} <= known
    assert list(json.loads(second)["run"]) == [one.name for one in dataclasses.fields(Run)]


def test_links_lead_somewhere() -> None:
    """Every relative link and image of README.md and the docs is a file, and its anchor a heading there."""
    for page in PAGES:
        for target in LINK.findall(BLOCK.sub("", page.read_text(encoding="utf-8"))):
            if "://" in target:
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            assert file.is_file(), (page.name, target)
            if anchor:
                assert anchor in headings(file), (page.name, target)


def test_every_page_is_in_the_index() -> None:
    """The index of the documentation names every page, and README.md leads to the index."""
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    assert all(f"({page.name})" in index for page in DOCS.glob("*.md") if page.name != "README.md")
    assert "(docs/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("place", "words"), sorted(set(commands())))
def test_commands_are_understood(place: str, words: str) -> None:
    """Every command line of the docs names a command and options that there are; an experiment has no mistake in it."""
    tokens = shlex.split(words)
    name, *options = tokens
    assert name in app, (place, words)
    if name.startswith("-"):
        return
    names = {name for argument in app[name].assemble_argument_collection() for name in argument.names}
    given = [word.partition("=")[0] for word in options if re.match(r"-+[a-z]", word)]
    assert set(given) <= names | {"--help"}, (place, words)
    if not options:
        return  # a command's name in a sentence
    try:
        _, bound, _ = app.parse_args(tokens, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        pytest.fail(f"{place}: significand {words}: {error}")
    if name == "run":
        flags = vars(bound.arguments["flags"]) if "flags" in bound.arguments else {}
        # Threads are limited by the machine of the test, and a file gives the fields that the flags leave out.
        fields = {key: value for key, value in flags.items() if value is not None and key != "threads"}
        fields |= {"model": bound.arguments["file"]} if "file" in bound.arguments else {}
        if "config" not in bound.arguments:
            plan_experiment(fields, NO_DATA)


@pytest.mark.parametrize("block", [one for one in blocks() if one.words == ("toml",)], ids=lambda one: one.place)
def test_toml_examples_are_experiments(block: Block) -> None:
    """Every TOML example is accepted, given such data."""
    fields = tomllib.loads(block.text)
    fields.pop("output_dir", None)
    assert plan_experiment(fields, NO_DATA).precision_modes


def test_python_examples_are_run_or_marked() -> None:
    """A Python block is run by the test below, or by the one of README.md, or it is marked as not run."""
    assert {block.words for block in blocks() if block.words[:1] == ("python",)} <= {("python",), ("python", "not-run")}


@pytest.mark.parametrize(
    "block",
    [one for one in blocks() if one.words == ("python",) and one.page != "README.md"],
    ids=lambda one: one.place,
)
def test_python_examples_run(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python example of the docs runs beside the result folders of the tutorial, and a fleet's."""
    for name in ("digits", "spirals"):
        made_up_folder(tmp_path / "results" / name, [*made_up_runs(1), *made_up_runs(2, mode="int8", slower=0.5)])
    made_up_fleet(tmp_path / "results" / "fleet", ((EPYC, 6), (XEON, 2)), repeats=2)
    monkeypatch.chdir(tmp_path)
    exec(compile(block.text, block.place, "exec"), {"__name__": "__main__"})  # noqa: S102 - our own documentation


@pytest.mark.parametrize("block", [one for one in blocks() if "not-run" in one.words], ids=lambda one: one.place)
def test_python_examples_that_are_not_run_compile(block: Block) -> None:
    """A Python example that would take too long is at least Python."""
    compile(block.text, block.place, "exec")
