"""Behaviour of reading a fleet: what is right is read, and a host that is not is named and costs no other."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from made_up_fleets import CORE, EPYC, XEON, made_up_fleet
from significand.answers.fleet import read_answer
from significand.answers.fleet_tables import hosts_frame
from significand.fleet_files import write_fleet
from significand.present.page.fleet_parts import bars_of, blocks_table
from significand.results.comparable import ResultsError
from significand.results.fleet import instruction_words, kinds_of, read_fleet
from significand.results.fleet_state import BlockEntry
from significand.results.store import FLEET, HOSTS, MANIFEST, RAW_RUNS, write_json
from significand.results.table import RunTable
from significand.results.table_file import read_table, read_tables


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a fleet of three hosts."""
    return made_up_fleet(tmp_path / "fleet", ((EPYC, 2), (XEON, 1)), repeats=2)


def test_hosts_are_read_with_their_kinds_and_blocks(folder: Path) -> None:
    """Every host with its runs; those of a processor are of one kind; which block ran where."""
    fleet = read_fleet(folder)
    assert [host.name for host in fleet.hosts] == ["node01", "node02", "node03"]
    assert fleet.kinds == [EPYC["cpu"], XEON["cpu"]]
    assert [len(host.table) for host in fleet.hosts] == [4, 4, 4]
    assert len(fleet.runs) == 12
    assert fleet.host_codes.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert fleet.blocks[0] == BlockEntry(
        0,
        "node01",
        1,
        "finished",
        "2026-01-02T03:04:05+00:00",
        "2026-01-02T03:05:00+00:00",
        "2026-01-02T03:05:50+00:00",
    )
    assert (fleet.state, fleet.shared, fleet.problems) == ("finished", False, ())


def _no_manifest(host: Path) -> None:
    (host / MANIFEST).unlink()


def _garbage(host: Path) -> None:
    (host / RAW_RUNS).write_bytes(b"\x00\xff no table")


def _cut(host: Path) -> None:
    text = (host / RAW_RUNS).read_text("utf-8")
    (host / RAW_RUNS).write_text(text[: len(text) - 300], "utf-8")


def _other_experiment(host: Path) -> None:
    manifest = json.loads((host / MANIFEST).read_text("utf-8"))
    manifest["experiment"]["epochs"] = 7
    write_json(manifest, host / MANIFEST)


def _no_table(host: Path) -> None:
    (host / RAW_RUNS).unlink()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_no_manifest, "holds no results"),
        (_garbage, "cannot be read"),
        (_cut, "ends before the column"),
        (_other_experiment, "experiment.epochs"),
        (_no_table, "cannot be read"),
    ],
)
def test_a_damaged_host_is_named_and_left_out(folder: Path, damage: Callable[[Path], None], told: str) -> None:
    """It is one problem with the host's name; the others are read as if it were not there."""
    damage(folder / HOSTS / "node02")
    fleet = read_fleet(folder)
    assert [host.name for host in fleet.hosts] == ["node01", "node03"]
    (problem,) = fleet.problems
    assert problem.startswith("host 'node02': ")
    assert told in problem


def test_a_link_in_place_of_a_host_is_none(folder: Path, tmp_path: Path) -> None:
    """What leads elsewhere is no host's folder."""
    shutil.move(folder / HOSTS / "node02", tmp_path / "elsewhere")
    (folder / HOSTS / "node02").symlink_to(tmp_path / "elsewhere")
    assert [host.name for host in read_fleet(folder).hosts] == ["node01", "node03"]


def test_many_damaged_hosts_are_told_in_few_lines(tmp_path: Path) -> None:
    """Of many hosts with the same fault the first are named."""
    folder = made_up_fleet(tmp_path / "fleet", ((EPYC, 15),), repeats=1)
    for host in sorted((folder / HOSTS).iterdir())[1:]:
        _no_table(host)
    problems = read_fleet(folder).problems
    assert len(problems) == 11
    assert problems[-1] == "and 4 more like these"


def test_damaged_blocks_are_left_out(folder: Path) -> None:
    """A block that is none is counted out, and every other is kept."""
    facts = json.loads((folder / FLEET).read_text("utf-8"))
    facts["blocks"][1] = {"repeat": "three"}
    facts["blocks"][3] = None
    write_json(facts, folder / FLEET)
    fleet = read_fleet(folder)
    assert len(fleet.blocks) == 4
    assert fleet.problems == ("fleet.json: block 1, 3 is damaged, and left out",)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"experiment": 3}'])
def test_a_damaged_list_of_blocks_is_one_line(folder: Path, text: str) -> None:
    """Without the experiment nothing can be said."""
    (folder / FLEET).write_text(text, "utf-8")
    with pytest.raises(ResultsError, match=r"fleet\.json' is damaged"):
        read_fleet(folder)


def test_no_host_with_runs_is_refused(folder: Path) -> None:
    """And what was wrong with each is told."""
    for host in (folder / HOSTS).iterdir():
        _garbage(host)
    with pytest.raises(ResultsError, match="no host with runs") as refusal:
        read_fleet(folder)
    assert len(refusal.value.problems) == 4


def test_one_model_with_other_instruction_sets_is_another_kind() -> None:
    """As in a virtual machine that hides some: then both are told by them."""
    hidden = {**EPYC, "instruction_sets": ["avx2"]}
    assert kinds_of([EPYC, hidden, XEON, {}]) == [
        f"{EPYC['cpu']} (VNNI)",
        f"{EPYC['cpu']} (AVX2)",
        XEON["cpu"],
        "unknown processor",
    ]


def test_the_sets_that_matter_are_told() -> None:
    """The strongest for narrow formats; several where each adds something."""
    assert instruction_words({"instruction_sets": ["amx", "amx-int8", "avx2", "avx512f", "vnni"]}) == "AMX and VNNI"
    assert instruction_words({"instruction_sets": ["avx2", "avx512f"]}) == "AVX-512"
    assert instruction_words(CORE) == "VNNI"
    assert instruction_words({"instruction_sets": "avx2"}) == ""


def test_many_tables_are_read_as_each_alone(folder: Path, tmp_path: Path) -> None:
    """Read together or alone, tables are the same; what is wrong with one costs no other."""
    paths = [host / RAW_RUNS for host in sorted((folder / HOSTS).iterdir())]
    empty = tmp_path / "empty.csv"
    empty.write_text(paths[0].read_text("utf-8").splitlines()[0] + "\n", "utf-8")
    together = read_tables([*paths[:2], empty, paths[2], tmp_path / "none.csv"])
    assert isinstance(together[4], OSError)
    for path, table in zip([*paths[:2], empty, paths[2]], together, strict=False):
        assert isinstance(table, RunTable)
        assert table.frame.equals(read_table(path).frame)
        assert table.rounds_s.equals(read_table(path).rounds_s)
    _cut(paths[1].parent)
    found = read_tables(paths)
    assert isinstance(found[1], ValueError)
    assert all(isinstance(found[k], RunTable) for k in (0, 2))


@pytest.mark.slow
def test_texts_that_are_no_unicode_cost_a_sign(folder: Path) -> None:
    """Of a processor, a system and versions: they can be in every table."""
    host = folder / HOSTS / "node02"
    manifest = json.loads((host / MANIFEST).read_text("utf-8"))
    manifest["machine"] |= {"cpu": "Odd \udcff", "os": "Odd \udcff", "versions": {"torch": "2\udcff"}}
    (host / MANIFEST).write_text(json.dumps(manifest), "utf-8")
    assert "Odd \ufffd\ufffd\ufffd" in hosts_frame(read_answer(folder))["cpu"].to_list()
    assert write_fleet(folder).missing == ()


def test_a_folder_whose_name_is_no_unicode_is_named(folder: Path) -> None:
    """Such a host is left out: what reads tables takes no such path."""
    host = folder / HOSTS / "node02"
    host.rename(host.with_name(os.fsdecode(b"node\xff")))
    fleet = read_fleet(folder)
    assert [one.name for one in fleet.hosts] == ["node01", "node03"]
    assert fleet.problems == (
        "host 'node\ufffd\ufffd\ufffd': the name of its folder is no UTF-8, or too long; rename it",
    )


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["repeat", "host", "attempt", "state", "started_utc", "ended_utc", "reason"])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a fleet that is only read, but for its list of blocks."""
    return made_up_fleet(tmp_path_factory.mktemp("fleets") / "small", ((EPYC, 1),), repeats=1)


@settings(max_examples=40)
@given(blocks=anything | st.lists(st.dictionaries(keys, anything, max_size=7), max_size=4), state=anything)
def test_whatever_stands_in_the_list_of_blocks_is_no_crash(small: Path, blocks: object, state: object) -> None:
    """It is read, or left out with a problem, or refused in a line."""
    facts = json.loads((small / FLEET).read_text("utf-8"))
    (small / FLEET).write_text(json.dumps(facts | {"blocks": blocks, "state": state}), "utf-8")
    try:
        fleet = read_fleet(small)
    except ResultsError as error:
        assert error.problems  # noqa: PT017 - either may be
        return
    answer = read_answer(small)
    assert hosts_frame(answer).height == 1
    assert blocks_table(fleet.blocks).headings
    bars_of(answer)
