import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from made_up_results import made_up_folder, made_up_runs, with_values
from significand.answers.compare import FolderComparison, compare_folders
from significand.answers.gate import failing
from significand.answers.history import read_history
from significand.present.terminal.compare_view import compare_markdown, compare_view, gate_lines, history_view, markdown
from significand.present.words.sentences import sentence

HOSTILE = "a|b`<img>_\x1b[2J[bold]"


def shown(view: RenderableType, width: int = 80) -> str:
    """Print into a text, as into a pipe."""
    console = Console(width=width, file=io.StringIO(), highlight=False)
    console.print(view)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def result(tmp_path: Path) -> FolderComparison:
    """Compare two modes of which one is slower, and one lost."""
    before = [
        run for shake, mode in enumerate(("float32", "int8", "float64")) for run in made_up_runs(shake, mode=mode)
    ]
    slower = [*made_up_runs(3), *made_up_runs(4, mode="int8", slower=1.3)]
    lost = with_values(made_up_runs(5, mode="float64"), "status", ["failed"] * 8)
    old = made_up_folder(tmp_path / "old", before)
    new = made_up_folder(tmp_path / "new", [*slower, *lost], machine={"host": "b"})
    return compare_folders(old, new, allow=["machine.host"], margin=0.02)


def test_the_table_shows_means_change_and_verdict(result: FolderComparison) -> None:
    """A line per mode and metric within 80 columns: ratio with interval, verdict, both means with unit, notes."""
    text = shown(compare_view(result))
    assert max(map(len, text.splitlines())) <= 80
    first, second = text.split("int8\n")[1].splitlines()[2:4]
    assert re.fullmatch(r"latency +×1[.]\d+ +worse +[12][.]\d+ µs +2[.]\d+ µs *", first)
    assert re.fullmatch(r" +\[1[.]\d+–1[.]\d+\] *", second)
    assert re.search(r"training accuracy +[+-]0[.]\d\d points  no difference shown +90[.]?\d* % +[89]\d[.]?\d* %", text)
    assert re.search(r"\n +\[-0[.]\d\d, [+]0[.]\d\d\]  detectable: 0[.]\d+ points", text)
    assert "detectable: ×1.0" in text
    words = " ".join(text.split())
    assert "Allowed to differ: machine.host: 'bench' in OLD, 'b' in NEW." in words
    assert "All runs of float64 failed in NEW, not in OLD." in words
    assert "paired by seed, each with its 95 % t interval; verdicts by Holm's method over 10 tests" in words
    assert "measured at different times" in words
    assert "Margin: costs 2 %." in words
    assert "Give a margin" not in words


def test_without_a_test_no_method_is_named_and_a_margin_is_advised(tmp_path: Path) -> None:
    """Single runs: nothing was tested; and nobody gave a margin yet."""
    old, new = (made_up_folder(tmp_path / str(shake), made_up_runs(shake, n=1)) for shake in (1, 2))
    words = " ".join(shown(compare_view(compare_folders(old, new, metrics=["latency"]))).split())
    assert "t interval; nothing was tested." in words
    assert words.count("Give a margin above it.") == 1


def test_what_was_not_tested_says_why(tmp_path: Path) -> None:
    """A single run gives means and a ratio, no interval, and the reason why there is no verdict."""
    old, new = (made_up_folder(tmp_path / str(shake), made_up_runs(shake, n=1)) for shake in (1, 2))
    text = shown(compare_view(compare_folders(old, new, metrics=["latency", "relative_output_error"])))
    assert "float32: latency not tested: a single pair has no spread." in text
    assert "float32: output error not tested: no pair of usable runs." in text
    assert re.search(r"output error +– +not tested +– +–", text)


def test_markdown_has_a_table_and_a_sentence_per_mode(result: FolderComparison) -> None:
    """The table has a row per comparison, worse is bold, and the sentences are those of every other output."""
    text = compare_markdown(result)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + len(result.comparisons)
    assert {row.count("|") for row in rows} == {7}
    assert sum("| **worse** |" in row for row in rows) == 1
    assert f"- {sentence('int8', result.of_mode('int8'))}." in text.splitlines()
    assert "- All runs of float64 failed in NEW, not in OLD." in text


def test_names_cannot_become_markup(tmp_path: Path) -> None:
    """Names from files stay what they are in Markdown and on a terminal: no markup, no control characters."""
    old, new = (made_up_folder(tmp_path / str(shake), made_up_runs(shake, mode=HOSTILE)) for shake in (1, 2))
    result = compare_folders(old, new)
    text = compare_markdown(result)
    assert markdown(HOSTILE) == "a&#124;b&#96;&#60;img&#62;&#95;\ufffd&#91;2J&#91;bold&#93;"
    assert {row.count("|") for row in text.splitlines() if row.startswith("| ")} == {7}
    assert not {"<img>", "`", "\x1b"} & set(re.findall(r"<img>|`|\x1b", text))
    assert "a|b`<img>_\ufffd[2J[bold]" in shown(compare_view(result))
    assert "\x1b" not in "".join(gate_lines(result, result.comparisons))
    assert "a|b`<img>_" in shown(history_view(read_history(old))).replace("\n", "")


def test_a_gate_tells_what_failed(result: FolderComparison) -> None:
    """Every comparison that failed is a sentence with its verdict; a lost mode is one, too."""
    first, last = gate_lines(result, failing(result, "worse"))
    assert re.fullmatch(r"worse: int8: 1[.]\d+x higher latency than OLD \[1[.]\d+, 1[.]\d+\]", first)
    assert last == "worse: float64: all runs failed in NEW, not in OLD"


def test_a_gate_calls_nothing_worse_without_a_test(tmp_path: Path) -> None:
    """What changed by the same in all runs is said to have changed, by how much, and not to be tested."""
    before, after = (with_values(made_up_runs(1, n=5), "final_train_accuracy", [share] * 5) for share in (1.0, 0.5))
    old, new = made_up_folder(tmp_path / "old", before), made_up_folder(tmp_path / "new", after)
    result = compare_folders(old, new, metrics=["accuracy"])
    (line,) = gate_lines(result, failing(result, "worse"))
    assert line.startswith("changed: float32: training accuracy 50 points lower than OLD, not tested: the same")


def test_a_history_marks_where_levels_change(tmp_path: Path) -> None:
    """A line per result and a column per mode within 80 columns; a star marks the change, a line below tells it."""
    folder = tmp_path / "results"
    names = ("float32", "float16", "bfloat16", "int8", "int8-dynamic")
    for day in range(1, 7):
        runs = [
            run for name in names for run in made_up_runs(day, mode=name, slower=1.5 if day > 3 else 1.0, spread=0.002)
        ]
        place = folder / "history" / str(day)
        shares = [0.9 if day > 3 else 0.95] * len(runs)
        made_up_folder(
            place, with_values(runs, "final_train_accuracy", shares), started_utc=f"2026-01-0{day}T00:00:00Z"
        )
    made_up_folder(folder / "history/other", made_up_runs(9), machine={"host": "b"}, started_utc="2025-01-01T00:00:00Z")
    text = shown(history_view(read_history(folder, metrics=["latency", "accuracy", "energy"])))
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("2026-01-04 00:00:00  ") == 2 * 3
    assert re.search(r"2026-01-04 00:00:00 +8 +[*]\d[.]\d+±0[.]\d+", text)
    told = " ".join(text.split())
    assert f"* {', '.join(names)}: 1.5x higher from 2026-01-04 00:00:00 on: worse" in told
    assert f"* {', '.join(names)}: 5.00 points lower from 2026-01-04 00:00:00 on: worse" in told
    assert text.count("no change points: estimated energy restates CPU time") == 1
    assert "other: machine.host: 'b' in it, 'bench' in the newest" in text.replace("\n", "")


def test_a_history_says_what_is_incomplete(tmp_path: Path) -> None:
    """Experiments that did not end are marked and named, and every mean says how many finished runs are behind it."""
    some = with_values(made_up_runs(3, mode="int8"), "status", ["finished"] * 3 + ["failed"] * 5)
    made_up_folder(tmp_path / "r/history/1", made_up_runs(1), started_utc="2026-01-01T00:00:00Z")
    made_up_folder(tmp_path / "r/history/2", made_up_runs(2, n=2), started_utc="2026-01-02T00:00:00Z", state="failed")
    made_up_folder(tmp_path / "r/history/3", made_up_runs(2), started_utc="2026-01-03T00:00:00Z", state=None)
    made_up_folder(tmp_path / "r/history/4", [*made_up_runs(4), *some], started_utc="2026-01-04T00:00:00Z")
    history = read_history(tmp_path / "r", metrics=["latency"])
    text = shown(history_view(history))
    lines = [line.split()[1:3] for line in text.splitlines() if line.startswith("2026")]
    assert lines == [["00:00:00", "8/0"], ["00:00:00!", "2/0"], ["00:00:00!", "8/0"], ["00:00:00", "8/3"]]
    assert "\n! 2026-01-02 00:00:00: failed; only its finished runs are shown" in text
    assert "\n! 2026-01-03 00:00:00: of unknown state; only its finished runs are shown" in text
    last = history.to_dict()["results"][-1]  # type: ignore[index]
    assert (last["state"], last["finished_runs"], last["failed_runs"]) == (
        "finished",
        {"float32": 8, "int8": 3},
        {"float32": 0, "int8": 5},
    )


def test_modes_may_have_different_reasons_for_no_change_points(tmp_path: Path) -> None:
    """Where one mode has fewer results than another, each says its own."""
    made_up_folder(tmp_path / "r/history/1", made_up_runs(1), started_utc="2026-01-01T00:00:00Z")
    made_up_folder(tmp_path / "r/history/2", [*made_up_runs(2), *made_up_runs(3, mode="int8")])
    text = shown(history_view(read_history(tmp_path / "r", metrics=["latency"])))
    assert "no change of level" not in text
    assert "no change points of float32: too few results (2; at least 5)" in text
    assert "no change points of int8: too few results (1; at least 5)" in text


def test_a_history_says_that_it_found_no_change(tmp_path: Path) -> None:
    """Whoever looked and found nothing says so; a mean and its interval stay on one line."""
    for day in range(1, 7):
        runs = [replace(run, peak_memory_mb=5.4912 + 2.7e-4 * run.repeat) for run in made_up_runs(day, spread=0.001)]
        made_up_folder(tmp_path / f"r/history/{day}", runs, started_utc=f"2026-01-0{day}T00:00:00Z")
    text = shown(history_view(read_history(tmp_path / "r", metrics=["latency", "memory"])))
    assert text.count("no change of level was found") == 2
    assert len(re.findall(r"^2026-01-0\d 00:00:00 +8 +5[.]\d+±0[.]\d+ *$", text, re.MULTILINE)) == 6


def test_what_differs_in_its_mode_alone_is_told_once(tmp_path: Path) -> None:
    """Lost modes, other formats, failed runs and what was not tested are a line each, with the modes and counts."""
    names = ("float32", "int8")
    old = [run for name in names for run in made_up_runs(1, mode=name, n=3)]
    old += [run for name in ("float16", "bfloat16") for run in made_up_runs(2, mode=name, n=3)]
    new = [replace(run, effective_precision="float64", final_train_accuracy=0.5) for run in old[:6]]
    new = [replace(run, status="failed" if run.repeat == 2 else run.status) for run in new]
    new += [replace(run, status="failed") for run in old[6:]]
    before = [replace(run, final_train_accuracy=0.9) for run in old]
    result = compare_folders(
        made_up_folder(tmp_path / "old", before), made_up_folder(tmp_path / "new", new), metrics=["accuracy", "latency"]
    )
    for text in (" ".join(shown(compare_view(result)).split()), compare_markdown(result)):
        assert text.count("failed in NEW, not in OLD") == 1
        assert "All runs of float16 and bfloat16 failed in NEW, not in OLD." in text
        assert text.count(" in NEW: ") == 1
        assert "float32 (1), int8 (1), float16 (3), bfloat16 (3) in NEW: 8 of 12 runs failed" in text
    text = " ".join(shown(compare_view(result)).split())
    assert "float32, int8: training accuracy not tested: the same difference in all 2 pairs." in text
    assert [line for line in gate_lines(result, []) if "all runs failed" in line] == [
        "worse: float16, bfloat16: all runs failed in NEW, not in OLD"
    ]


def test_folders_left_out_for_the_same_reason_share_a_line(tmp_path: Path) -> None:
    """A history of another machine's results names that once."""
    folder = tmp_path / "r"
    made_up_folder(folder / "history/1", made_up_runs(1))
    for name in ("2", "3"):
        made_up_folder(
            folder / "history" / name, made_up_runs(2), machine={"host": "b"}, started_utc="2020-01-01T00:00:00Z"
        )
    text = " ".join(shown(history_view(read_history(folder, metrics=["latency"]))).split())
    assert text.count("left out: ") == 1
    assert text.count("machine.host: 'b' in it") == 1
