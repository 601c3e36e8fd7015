"""Behaviour of a fleet's own files: every number is in a table, and other commands say which folder to give."""

import json
from pathlib import Path

import polars as pl
import pytest

import significand
from made_up_fleets import EPYC, XEON, made_up_fleet
from significand.answers.fleet import read_answer
from significand.answers.fleet_tables import HOST_COLUMNS, RATIO_COLUMNS, fleet_summary_columns, hosts_frame
from significand.cli import BAD_INPUT, DONE, main
from significand.cli.common import NOT_WRITTEN
from significand.fleet_files import write_fleet, write_frame
from significand.present.page.fleet_parts import bars_of
from significand.result import FleetResult
from significand.results.comparable import ResultsError
from significand.results.contents import FLEET_FILES
from significand.results.host_names import host_folder_name
from significand.results.store import BLOCK_DATA, BUNDLE, FLEET, HOSTS, MANIFEST, write_json

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a fleet of two kinds of hosts, and its files."""
    folder = made_up_fleet(tmp_path_factory.mktemp("fleets") / "usual", ((EPYC, 3), (XEON, 2)), repeats=3)
    assert write_fleet(folder).missing == ()
    return folder


def test_all_files_are_written_and_described(folder: Path) -> None:
    """Each name that is described is there, but for those with which blocks are given out; and nothing else."""
    assert {path.name for path in folder.iterdir()} == FLEET_FILES.keys() - {BUNDLE, BLOCK_DATA}


def test_tables_have_their_columns_in_full_precision(folder: Path) -> None:
    """What is read back is what was worked out; JSON has the same rows, with null for what is missing."""
    result = significand.load(folder)
    assert isinstance(result, FleetResult)
    for name, frame in (("host_ratios", result.comparisons), ("summary_stats", result.summary)):
        read = pl.read_csv(folder / f"{name}.csv", schema=frame.schema)
        assert read.equals(frame), name
        rows = json.loads((folder / f"{name}.json").read_text("utf-8"))
        assert len(rows) == frame.height
        assert rows[0] == frame.row(0, named=True)
    assert pl.read_csv(folder / "hosts.csv").columns == list(HOST_COLUMNS)
    assert result.comparisons.columns == list(RATIO_COLUMNS)
    assert result.summary.columns == list(fleet_summary_columns())


def test_every_run_is_in_one_table(folder: Path) -> None:
    """With its host first, in the columns of each host's own table."""
    every = pl.read_csv(folder / "raw_runs.csv", infer_schema=False)
    assert every.columns[0] == "host"
    assert every.height == 30
    for host in (folder / HOSTS).iterdir():
        own = pl.read_csv(host / "raw_runs.csv", infer_schema=False)
        mine = every.filter(pl.col("host") == host.name).drop("host")
        assert mine.columns == own.columns
        assert mine.select(pl.col("^.*_s$").cast(pl.Float64, strict=False)).equals(
            own.select(pl.col("^.*_s$").cast(pl.Float64, strict=False))
        )


def test_writing_again_changes_nothing(folder: Path) -> None:
    """The same hosts give the same tables."""
    before = {name: (folder / name).read_bytes() for name in FLEET_FILES if name.endswith((".csv", ".json"))}
    write_fleet(folder)
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_a_name_that_no_folder_has_finds_its_blocks(tmp_path: Path) -> None:
    """A host whose name cannot be a folder's has one made from it; its blocks and their times are its own."""
    folder = made_up_fleet(tmp_path / "fleet", ((EPYC, 2),), repeats=2)
    (folder / HOSTS / "node01").rename(folder / HOSTS / host_folder_name("bench/1"))
    told = json.loads((folder / FLEET).read_text("utf-8"))
    for block in told["blocks"]:
        block["host"] = "bench/1" if block["host"] == "node01" else block["host"]
    write_json(told, folder / FLEET)
    answer = read_answer(folder)
    frame = hosts_frame(answer)
    assert frame["finished_blocks"].to_list() == [2, 2]
    assert frame["first_started_utc"].null_count() == 0
    bars = bars_of(answer)
    assert bars is not None
    assert len(bars.rows) == 4


def test_a_report_that_fails_costs_no_table(tmp_path: Path) -> None:
    """What cannot be written is told; the tables are there."""
    folder = made_up_fleet(tmp_path / "fleet", ((EPYC, 2),), repeats=2)
    (folder / "report.html").mkdir()
    written = write_fleet(folder)
    (told,) = written.missing
    assert told.startswith("report.html could not be made (Is a directory")
    assert (folder / "host_ratios.csv").exists()


def test_a_loaded_fleet_has_its_hosts(folder: Path) -> None:
    """Runs with a host column, a row per host, and each host's own results."""
    result = significand.load(folder)
    assert isinstance(result, FleetResult)
    assert repr(result).startswith("<significand result of 16-32-4 on 5 hosts of 2 kinds; in ")
    assert result.folder == folder
    assert result.hosts["host"].to_list() == [f"node0{k}" for k in range(1, 6)]
    assert result.runs["host"].n_unique() == 5
    assert result.host("node02").runs.height == 6
    assert len(result.to_pandas().comparisons) == result.comparisons.height
    assert "faster" in result._repr_html_()
    with pytest.raises(KeyError, match="node01"):
        result.host("none")


def test_the_report_command_says_the_answer(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And where the page is."""
    (folder / "report.html").unlink()
    assert main(["report", str(folder)]) == DONE
    out = capsys.readouterr().out
    assert out.startswith("16-32-4 on 5 hosts of 2 kinds\nint8 against float32:\n  1.9")
    assert out.endswith(f"Report: {folder / 'report.html'}\n")
    assert (folder / "report.html").exists()


@pytest.mark.parametrize("command", ["compare", "history", "choose", "explain", "table"])
def test_other_commands_name_a_host_to_give(folder: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line, with a folder that they take."""
    one = folder / HOSTS / "node01"
    assert main([command, str(folder), *([str(one)] if command == "compare" else [])]) == BAD_INPUT
    (line,) = capsys.readouterr().err.splitlines()
    assert f"holds results of several hosts; give one host's, such as {one}" in line


def test_a_fleet_without_runs_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each host with what is wrong with it, and nothing is written."""
    folder = made_up_fleet(tmp_path / "fleet", ((EPYC, 1),), repeats=1)
    (folder / HOSTS / "node01" / MANIFEST).unlink()
    assert main(["report", str(folder)]) == BAD_INPUT
    assert "no host with runs" in capsys.readouterr().err
    assert {path.name for path in folder.iterdir()} == {FLEET, HOSTS}
    with pytest.raises(ResultsError):
        significand.load(folder)


def test_a_table_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the cause and the remedy, and exit code 1."""
    folder = made_up_fleet(tmp_path / "fleet", ((EPYC, 1),), repeats=1)
    (folder / "hosts.csv").mkdir()
    assert main(["report", str(folder)]) == NOT_WRITTEN
    assert "cannot be written: Is a directory; make room, or copy the folder" in capsys.readouterr().err


def test_a_frame_is_written_whole(tmp_path: Path) -> None:
    """In full precision: what is missing is empty, or null."""
    frame = pl.DataFrame({"a": [0.1 + 0.2, None], "b": ["x,\ny", None]})
    write_frame(frame, tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text("utf-8") == 'a,b\n0.30000000000000004,"x,\ny"\n,\n'
    write_frame(frame, tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text("utf-8"))[1] == {"a": None, "b": None}
