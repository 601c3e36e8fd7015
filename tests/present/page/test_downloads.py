import base64
import csv
import io
from pathlib import Path

from made_up_pages import made_up_experiment
from significand.present.page.downloads import Download, downloads
from significand.results.store import COMPARISONS_CSV, RAW_RUNS, SUMMARY_CSV


def content(download: Download) -> bytes:
    """Return the file behind a download's address."""
    head, _, body = download.address.partition(",")
    assert head == "data:text/csv;charset=utf-8;base64"
    return base64.b64decode(body)


def test_files_of_the_folder_are_inside_as_they_are(tmp_path: Path) -> None:
    """The bytes of raw_runs.csv, and its size."""
    results = made_up_experiment(tmp_path / "a")
    raw = downloads(results, 10**6)[0]
    assert raw.name == RAW_RUNS
    assert content(raw) == (results.path / RAW_RUNS).read_bytes()
    assert raw.size_kb == len(content(raw)) / 1000


def test_tables_that_the_folder_lacks_are_made(tmp_path: Path) -> None:
    """Summary and comparisons as they would be written; runs too, where somebody took the file away."""
    results = made_up_experiment(tmp_path / "a")
    raw_runs = (results.path / RAW_RUNS).read_bytes()
    (results.path / RAW_RUNS).unlink()
    made = {one.name: content(one) for one in downloads(results, 10**6)}
    assert list(made) == [RAW_RUNS, SUMMARY_CSV, COMPARISONS_CSV]
    assert made[RAW_RUNS] == raw_runs
    rows = list(csv.DictReader(io.StringIO(made[SUMMARY_CSV].decode())))
    assert [row["precision_mode"] for row in rows] == ["float32", "float16", "int8"]
    assert float(rows[0]["latency_mean"]) == results.rows[0]["latency_mean"]
    assert "verdict" in made[COMPARISONS_CSV].decode().splitlines()[0]


def test_the_largest_stay_out_where_there_is_no_room(tmp_path: Path) -> None:
    """Those that fit are inside, the smallest first; the others are named with their size."""
    results = made_up_experiment(tmp_path / "a", n=20)
    sizes = sorted(len(one.address) for one in downloads(results, 10**6))
    some = downloads(results, sizes[0] + sizes[1])
    assert sorted(len(one.address) for one in some) == [0, sizes[0], sizes[1]]
    assert all(one.size_kb > 0 for one in some)
    assert not any(one.address for one in downloads(results, 0))
    assert not any(one.address for one in downloads(results, -1))
