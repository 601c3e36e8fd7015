"""Behaviour of runs as columns: what is read is what the objects say, and a damaged cell is named where it stands."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from made_up_results import made_up_runs
from significand.results.files import TooLargeError
from significand.results.records import FAILED, Run, TableError
from significand.results.store import write_csv
from significand.results.table import ROUNDS, TYPES, table_of
from significand.results.table_file import read_table

RUNS = [
    *made_up_runs(1, n=3),
    Run(seed=10, repeat=3, precision_mode="float32", status=FAILED, reason='it said "no",\r\nand, then, nothing'),
    *(
        replace(run, round_latencies_s="1e-06 2e-06 nan", steady_state=False)
        for run in made_up_runs(2, mode="int8", n=2)
    ),
]


def written(path: Path, runs: list[Run] | None = None) -> Path:
    """Write a table of runs as the program does."""
    write_csv([run.to_row() for run in runs or RUNS], path, list(TYPES))
    return path


def changed(path: Path, line: int, column: str, text: str) -> Path:
    """Write the table with another text in one cell; line 2 is the first run."""
    lines = [
        [str(value) for value in row] for row in pl.read_csv(written(path), infer_schema=False).fill_null("").rows()
    ]
    lines[line - 2][list(TYPES).index(column)] = text
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in [list(TYPES), *lines]]
    path.write_text("\r\n".join(quoted) + "\r\n", encoding="utf-8", errors="surrogateescape", newline="")
    return path


def test_a_file_is_read_as_the_runs_that_were_written(tmp_path: Path) -> None:
    """Types, missing values, quotes and line breaks inside a cell come back, as they were."""
    path = written(tmp_path / "raw_runs.csv")
    table = read_table(path)
    assert table.frame.equals(table_of(RUNS).frame)
    assert table.names.to_list() == [run.name for run in RUNS]
    assert table.setups == ("float32", "int8")
    assert table.finished.tolist() == [run.finished for run in RUNS]
    assert table.rounds_s.to_list()[-1] == pytest.approx([1e-6, 2e-6, np.nan], nan_ok=True)


@settings(max_examples=30)
@given(
    number=st.floats(),
    count=st.integers(-(2**63), 2**63 - 1),
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8),
)
def test_any_value_comes_back(number: float, count: int, text: str) -> None:
    """Numbers to the last bit, the largest counts, and texts with commas, quotes and line breaks."""
    run = replace(RUNS[0], peak_memory_mb=number, steps=count, reason=text)
    with TemporaryDirectory() as scratch:
        table = read_table(written(Path(scratch) / "raw_runs.csv", [run]))
    assert table.frame.equals(table_of([run]).frame)


@pytest.mark.parametrize(
    ("column", "text", "told"),
    [
        ("seed", "x", "'x' is not a whole number"),
        ("seed", "1.5", "'1.5' is not a whole number"),
        ("steps", str(2**63), f"'{2**63}' is not a whole number"),
        ("repeat", " 7", "' 7' is not a whole number"),
        ("peak_memory_mb", "12,5", "'12,5' is not a number"),
        ("peak_memory_mb", "1_0", "'1_0' is not a number"),
        ("timed_s", "-", "'-' is not a number"),
        ("steady_state", "True", "'True' is not true or false"),
        (ROUNDS, "1e-6 fast", "'1e-6 fast' is not a number in each word"),
    ],
)
def test_a_damaged_cell_is_named(column: str, text: str, told: str, tmp_path: Path) -> None:
    """Line, column and text; nothing that cannot be read becomes a missing value."""
    path = changed(tmp_path / "raw_runs.csv", 3, column, text)
    with pytest.raises(TableError) as caught:
        read_table(path)
    assert str(caught.value) == f"line 3, column {column}: {told}"


def test_a_blank_before_a_number_costs_nothing(tmp_path: Path) -> None:
    """An editor may align numbers with blanks; what they say is plain."""
    path = changed(tmp_path / "raw_runs.csv", 3, "peak_memory_mb", " 12.5")
    assert read_table(path).numbers("peak_memory_mb")[1] == 12.5


def test_a_table_that_went_through_an_editor_is_read(tmp_path: Path) -> None:
    """A byte order mark before the first column, blank lines between and other line ends change nothing."""
    path = written(tmp_path / "raw_runs.csv", [Run(seed=1), Run(seed=2)])
    text = path.read_text(encoding="utf-8").replace("\n", "\n\n")
    path.write_text("\ufeff" + text, encoding="utf-8")
    assert read_table(path).counts("seed").tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("seed,seed\n1,2\n", "it has the column 'seed' twice; remove one"),
        (",".join(map(str, range(1001))) + "\n", "it has 1001 columns, at most 1000 are read"),
        ("seed,repeat\n1\n", "line 2 ends before the column repeat"),
    ],
)
def test_a_table_that_cannot_be_is_refused(content: str, words: str, tmp_path: Path) -> None:
    """What no program has written is said, and nothing is guessed."""
    (tmp_path / "raw_runs.csv").write_text(content, encoding="utf-8")
    with pytest.raises(TableError, match=words):
        read_table(tmp_path / "raw_runs.csv")


def test_a_large_table_is_read(tmp_path: Path) -> None:
    """Twenty thousand runs are nothing unusual: no bound is in their way."""
    lines = "".join(f"{number},{number},int8,finished\n" for number in range(20_000))
    (tmp_path / "raw_runs.csv").write_text(f"seed,repeat,precision_mode,status\n{lines}", encoding="utf-8")
    assert len(read_table(tmp_path / "raw_runs.csv")) == 20_000


@pytest.mark.parametrize(
    ("columns", "setup", "variant"),
    [
        ({}, "int8", ""),  # schema 1 and 2
        ({"round_latencies_s": "2e-6", "label": ""}, "int8", ""),  # schema 3
        ({"round_latencies_s": "2e-6", "label": "again"}, "int8-again", "again"),
    ],
)
def test_rows_of_earlier_schemas_name_their_setups(
    columns: dict[str, str], setup: str, variant: str, tmp_path: Path
) -> None:
    """What had neither setup nor device ran on the CPU: it is named by its mode, and its label is its variant."""
    path = tmp_path / "raw_runs.csv"
    write_csv([{"seed": 7, "repeat": 1, "precision_mode": "int8", **columns}], path)
    table = read_table(path)
    assert [table.texts(name).to_list() for name in ("setup", "device", "variant")] == [[setup], ["cpu"], [variant]]
    assert table.names.to_list() == [f"r001-{setup}"]


@pytest.mark.parametrize("cut", [1, 5, 40, 90])
def test_a_line_that_was_cut_off_is_named(cut: int, tmp_path: Path) -> None:
    """Its missing cells are not taken for empty ones; nor is a line whose last cell is empty taken for cut off."""
    path = written(tmp_path / "raw_runs.csv", made_up_runs(1, n=2))
    assert len(read_table(path)) == 2
    text = path.read_text(encoding="utf-8").rstrip()
    path.write_text(text[: len(text) - cut], encoding="utf-8")
    with pytest.raises(TableError, match=r"line 3 ends before the column \w+; remove the line"):
        read_table(path)


def test_what_a_file_has_more_or_less_is_no_error(tmp_path: Path) -> None:
    """A column that nobody knows, a cell too many and an empty line are ignored; a column that lacks is null."""
    path = tmp_path / "raw_runs.csv"
    path.write_text("mine,precision_mode,repeat,status\n1,int8,0,finished\n\n2,int8,1,finished,9\n", encoding="utf-8")
    table = read_table(path, ["float32"])
    assert table.setups == ("float32", "int8")
    assert table.codes.tolist() == [1, 1]
    assert table.counts("repeat").tolist() == [0, 1]
    assert table.frame["seed"].to_list() == [None, None]
    assert table.columns == {"mine", "precision_mode", "repeat", "status", "setup", "device", "variant"}


def test_bytes_that_are_no_text_cost_a_sign(tmp_path: Path) -> None:
    """The rest of the table is read."""
    path = written(tmp_path / "raw_runs.csv", [replace(RUNS[0], data="caf\udce9.csv")])
    assert read_table(path).frame["data"].to_list() == ["caf\ufffd.csv"]


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00"])
def test_what_is_no_table_of_runs_is_refused(content: bytes, tmp_path: Path) -> None:
    """Nothing, another table, and no text at all."""
    path = tmp_path / "raw_runs.csv"
    path.write_bytes(content)
    with pytest.raises(TableError, match="none of the columns"):
        read_table(path)


def test_more_runs_than_the_memory_holds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of a few bytes can stand for more runs than there is room for, however small the file."""
    path = tmp_path / "raw_runs.csv"
    path.write_text("seed,repeat\n" + "1,1\n" * 5, encoding="utf-8")
    monkeypatch.setattr("significand.results.table_file.most_runs", lambda: 4)
    with pytest.raises(TooLargeError, match="has more than 4 lines"):
        read_table(path)
    monkeypatch.setattr("significand.results.table_file.most_runs", lambda: 5)
    assert len(read_table(path)) == 5


def test_some_runs_of_a_table_say_what_their_rows_say() -> None:
    """All that is asked of runs that were taken, and of some taken from these, is of their rows."""
    whole = table_of(made_up_runs(2, n=6))
    rows = np.array([5, 3, 3, 0])
    for part, of in (
        (whole.take(rows), rows),
        (whole.take(rows).take(np.array([False, True, False, True])), rows[[1, 3]]),
    ):
        assert len(part) == part.frame.height == len(of)
        assert part.frame.equals(whole.frame[of])
        assert part.codes.tolist() == whole.codes[of].tolist()
        assert part.finished.tolist() == whole.finished[of].tolist()
        assert part.numbers("peak_memory_mb").tolist() == whole.numbers("peak_memory_mb")[of].tolist()
        assert part.counts("seed").tolist() == whole.counts("seed")[of].tolist()
        assert part.texts("status").to_list() == whole.texts("status")[of].to_list()
        assert part.names.to_list() == whole.names[of].to_list()
        assert part.rounds_s.to_list() == whole.rounds_s[of].to_list()


def test_setups_are_told_apart_by_their_names() -> None:
    """Planned setups come first, whether they have runs or not; others in the order of their runs."""
    runs = [replace(RUNS[0], setup=name) for name in ("float32", "float32-again", "float32")]
    table = table_of(runs, ["int8"])
    assert table.setups == ("int8", "float32", "float32-again")
    assert table.codes.tolist() == [1, 2, 1]
    assert table.rows_of(0).tolist() == []


def test_no_runs_are_a_table_too() -> None:
    """An experiment has a table before its first run."""
    table = table_of([], ["float32"])
    assert (len(table), table.setups, table.codes.tolist(), table.numbers("timed_s").tolist()) == (
        0,
        ("float32",),
        [],
        [],
    )
