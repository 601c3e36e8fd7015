"""Result folders made by earlier versions give the numbers and verdicts that they gave when they were new.

``tests/fixtures`` holds folders that programs of schema 1, 2 and 3 wrote, and in ``expected.json`` what the program of
revision 8df62a2 said of them, before runs were read into columns.
"""

import csv
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from significand.analysis.claims import comparison_row
from significand.answers.compare import compare_folders
from significand.answers.folder import Folder, read_folder
from significand.answers.history import read_history
from significand.present.page import write_report
from significand.present.page.prepared import contents_of
from significand.present.terminal.paper import markdown_table, paper_table
from significand.present.words.verdicts import claim_lines
from significand.result import load
from significand.results.values import cell, jsonable

pytestmark = pytest.mark.slow

FIXTURES = Path(__file__).parent / "fixtures"
EXPECTED = json.loads((FIXTURES / "expected.json").read_text(encoding="utf-8"))
ADDED = ("setup", "device", "variant")
"""Columns of schema 4, which follow from those of then."""

NAMES = ("schema1", "schema2", "schema3", "schema3-again")


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Name each of the folders."""
    return str(request.param)


@pytest.fixture
def folder(name: str) -> Folder:
    """Read the folder."""
    return read_folder(FIXTURES / name)


def by_metric(rows: object) -> dict[tuple[str, str], Mapping[str, object]]:
    """Return rows by setup and metric: their order is that of the table of metrics."""
    assert isinstance(rows, list)
    return {(row["precision_mode"], row["metric"]): row for row in rows}


def test_summary_and_frontier_are_those_of_then(name: str, folder: Folder) -> None:
    """Every mean, interval, ratio and probability, to the last bit."""
    then = EXPECTED[name]["rows"]
    assert [{key: jsonable(row[key]) for key in old} for row, old in zip(folder.rows, then, strict=True)] == then
    assert folder.claims.frontier is not None
    told = folder.claims.frontier.to_dict(folder.claims.setups, folder.experiment.objectives)
    assert jsonable(told) == EXPECTED[name]["frontier"]


def test_comparisons_are_those_of_then(name: str, folder: Folder) -> None:
    """Every estimate, p-value and verdict, and the sentences that tell them."""
    rows = jsonable([comparison_row(one) for one in folder.claims.comparisons])
    now, then = by_metric(rows), by_metric(EXPECTED[name]["comparisons"])
    assert {place: now[place] for place in then} == then
    assert all(now[place]["estimate"] is None for place in set(now) - set(then)), "what was not measured then"
    assert claim_lines(folder) == EXPECTED[name]["sentences"]


def test_tables_say_what_they_said(name: str, folder: Folder) -> None:
    """The lines of `significand table --markdown` to the letter, and each cell of the page's table."""
    now, then = markdown_table(paper_table(folder)), EXPECTED[name]["table"]
    lines, before = ([line for line in text.splitlines() if line.startswith("|")] for text in (now, then))
    assert lines == before
    table = contents_of(folder).table
    cells = {
        row.setup.mode: {
            metric.name: [cell.text, list(cell.change), cell.verdict and cell.verdict.word]
            for metric, cell in zip(table.metrics, row.cells, strict=True)
        }
        for row in table.rows
    }
    assert cells == EXPECTED[name]["page"]


def test_history_is_that_of_then(name: str) -> None:
    """Means with their intervals, and why no change is looked for."""
    series = jsonable(read_history(FIXTURES / name).to_dict()["series"])
    assert by_metric(series) == by_metric(EXPECTED[name]["history"])


def test_loaded_runs_are_those_of_the_file(name: str) -> None:
    """Every cell of every run as the file has it; what it lacks, or holds as empty, is null and never NaN."""
    frame = load(FIXTURES / name).runs
    with (FIXTURES / name / "raw_runs.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert frame.height == len(lines) > 0
    for line, row in zip(lines, frame.to_dicts(), strict=True):
        for column, value in row.items():
            if column not in ADDED:
                assert str(cell(value)) == line.get(column, "")


def test_two_folders_compare_as_they_did() -> None:
    """Old against new with margins: the verdicts, both means, the notes."""
    result = compare_folders(FIXTURES / "schema3", FIXTURES / "schema3-again", margin="5%", accuracy_margin=2)
    told, expected = jsonable(result.to_dict()), EXPECTED["compare"]
    assert isinstance(told, dict)
    assert by_metric(told["comparisons"]) == by_metric(expected["comparisons"])
    for key in ("admitted", "lost_modes", "unreached_modes", "notes"):
        assert told[key] == expected[key]


@pytest.mark.slow
def test_every_old_folder_gets_its_page(name: str, tmp_path: Path) -> None:
    """The report is written, whatever the version did not keep."""
    shutil.copytree(FIXTURES / name, tmp_path / name)
    page = write_report(read_folder(tmp_path / name)).read_text(encoding="utf-8")
    assert "Pareto" in page
