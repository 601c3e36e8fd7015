"""Behaviour of a fleet's page: the answer first, everything escaped, nothing from any network, never too large."""

import json
import re
from pathlib import Path

import pytest

from made_up_fleets import EPYC, XEON, made_up_fleet
from made_up_pages import HOSTILE
from significand.answers.fleet import FleetAnswer, read_answer
from significand.present.page import fleet_core_html, write_fleet_report
from significand.present.page.fleet_page import MOST_BYTES, fleet_page
from significand.present.page.fleet_parts import MOST_BLOCK_LINES, bars_of, blocks_table, kinds_table, means_table
from significand.results.store import FLEET, HOSTS, MANIFEST, write_json

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> FleetAnswer:
    """Return what three kinds of hosts say."""
    return read_answer(made_up_fleet(tmp_path_factory.mktemp("fleets") / "usual"))


@pytest.fixture(scope="module")
def page(answer: FleetAnswer) -> str:
    """Return its page."""
    return fleet_page(answer)


def charts_of(page: str) -> dict[str, dict[str, dict[str, dict[str, object]]]]:
    """Return the figures of a page."""
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])["figures"]  # type: ignore[no-any-return]


def test_the_answer_comes_first(page: str) -> None:
    """By kind of host, before any chart or table."""
    text = page[page.index("<main>") :]
    assert text.index("1.91x faster on 4 hosts of AMD EPYC 9654 with VNNI [1.89, 1.93]") < text.index("<figure")
    assert "one host: says nothing of others" in text


def test_every_choice_has_a_view(page: str) -> None:
    """Of setup and metric, with the points of all hosts."""
    views = charts_of(page)["forest"]["views"]
    offered = re.findall(r'<option value="([^"]+)">', page)
    setups, metrics = [one for one in offered if one.isdigit()], [one for one in offered if not one.isdigit()]
    assert {f"{setup} {metric}" for setup in setups for metric in metrics} == views.keys()
    assert len(views["0 latency"]["spec"]["datasets"]["forest"]) == 10  # type: ignore[index]


def test_the_page_asks_no_network(page: str) -> None:
    """Its policy allows its own scripts only."""
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy
    assert policy[1].startswith("default-src &#39;none&#39;; script-src &#39;sha256-")
    assert not re.findall(r'(?:src|href)="(?!data:)', page[: page.index("<script")])


def test_hostile_names_are_text(tmp_path: Path) -> None:
    """Of hosts, processors, systems and reasons."""
    folder = made_up_fleet(tmp_path / "fleet", ((EPYC, 1), (XEON, 1)), repeats=2)
    for host, hostile in zip(sorted((folder / HOSTS).iterdir()), HOSTILE, strict=False):
        manifest = json.loads((host / MANIFEST).read_text("utf-8"))
        manifest["machine"] |= {"cpu": hostile, "os": hostile}
        write_json(manifest, host / MANIFEST)
        host.rename(host.with_name(hostile.replace("/", "-")[:80]))
    facts = json.loads((folder / FLEET).read_text("utf-8"))
    facts["blocks"][0]["reason"] = HOSTILE[0]
    write_json(facts, folder / FLEET)
    page = fleet_page(read_answer(folder))
    assert "<script>alert(" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(" in page


def test_a_page_of_many_hosts_stays_small(tmp_path: Path) -> None:
    """Hosts beyond the table and tables beyond the room are named, not shown."""
    kinds = [({**EPYC, "cpu": f"Processor {k}"}, 30) for k in range(8)]
    answer = read_answer(made_up_fleet(tmp_path / "fleet", kinds, repeats=2))
    page = fleet_page(answer)
    assert len(page.encode()) <= MOST_BYTES
    assert "40 more hosts are in hosts.csv." in page
    assert "240 more lines are in summary_stats.csv." in page
    assert bars_of(answer) is None
    assert len(charts_of(page)["forest"]["views"]["0 latency"]["spec"]["datasets"]["forest"]) == 8  # type: ignore[index]


def test_blocks_that_did_not_finish_come_first(answer: FleetAnswer) -> None:
    """And blocks beyond so many are counted."""
    folder = answer.path
    facts = json.loads((folder / FLEET).read_text("utf-8"))
    lost = {"repeat": 9, "host": "node03", "attempt": 2, "state": "lost", "reason": "the host was killed"}
    write_json(facts | {"blocks": [*facts["blocks"] * 2, lost]}, folder / FLEET)
    blocks = read_answer(folder).fleet.blocks
    write_json(facts, folder / FLEET)
    table = blocks_table(blocks)
    assert [cell.text for cell in table.lines[0]][:4] == ["9", "node03", "2", "lost"]
    assert len(table.lines) == MOST_BLOCK_LINES
    assert table.notes == ["21 more blocks are in fleet.json."]


def test_when_blocks_ran_is_drawn_from_the_first(answer: FleetAnswer) -> None:
    """In a unit that suits the whole time; what did not finish has another colour."""
    bars = bars_of(answer)
    assert bars is not None
    assert (bars.unit, len(bars.rows)) == ("Minutes", 40)
    assert bars.rows[0]["start"] == 0
    assert {row["colour"] for row in bars.rows} == {"var(--accent)"}


def test_the_tables_hold_the_numbers_of_the_answer(answer: FleetAnswer) -> None:
    """Kind by kind and host by host."""
    first = [cell.text for cell in kinds_table(answer).lines[0]]
    assert first[:6] == ["int8", "AMD EPYC 9654 with VNNI", "4", "1.91x faster", "[1.89, 1.93]", "1.86 to 1.97"]
    assert len(means_table(answer).lines) == 16


def test_a_notebook_shows_the_core(answer: FleetAnswer) -> None:
    """One element without any script."""
    core = fleet_core_html(answer)
    assert core.startswith("<div class=")
    assert "<script" not in core
    assert "1.91x faster" in core


def test_the_page_is_written_whole(answer: FleetAnswer) -> None:
    """Over an older one."""
    path = write_fleet_report(answer)
    assert path == answer.path / "report.html"
    assert path.read_text("utf-8").startswith("<!doctype html>")
