"""Sessions beside two results: found in their archives, and put into the intervals of costs."""

import json
from pathlib import Path

import numpy as np
import pytest

from made_up_results import made_up_folder, made_up_runs
from significand.answers.compare import compare_folders
from significand.answers.sessions import archived_folders
from significand.present.terminal.compare_view import compare_markdown
from significand.results.store import MANIFEST


def started(hour: int) -> str:
    """Return a start."""
    return f"2026-01-02T{hour:02}:00:00+00:00"


def archive(folder: Path, levels: list[float], **machine: object) -> list[Path]:
    """Write earlier sessions of a folder, at these levels, an hour apart."""
    return [
        made_up_folder(
            folder / "history" / f"2026-{hour:02}",
            made_up_runs(hour, slower=level, spread=0.003),
            started_utc=started(hour),
            machine=machine,
        )
        for hour, level in enumerate(levels)
    ]


def two(folder: Path, slower: float, **machine: object) -> tuple[Path, Path]:
    """Write two results, the new one beside the archive that holds the old one."""
    before, after = made_up_runs(91, spread=0.003), made_up_runs(92, slower=slower, spread=0.003)
    old = made_up_folder(folder / "history" / "2026-90", before, started_utc=started(20))
    new = made_up_folder(folder / "now", after, started_utc=started(21), machine=machine)
    for path in new.iterdir():
        path.rename(folder / path.name)
    new.rmdir()
    return old, folder


def test_what_sessions_scatter_is_in_the_interval(tmp_path: Path) -> None:
    """A difference of 5 % between sessions of the same that scatter by 4 % is none; alone it would be one."""
    alone = compare_folders(*two(tmp_path / "a", 1.05), metrics=["latency"])
    assert (alone.comparisons[0].verdict, alone.sessions, dict(alone.spread)) == ("worse", 0, {})
    archive(tmp_path / "b", [1.0, 1.06, 0.97, 1.04, 0.96])
    beside = compare_folders(*two(tmp_path / "b", 1.05), metrics=["latency"])
    (found,) = beside.comparisons
    assert (found.verdict, found.estimate.method) == ("no difference shown", "t over sessions")
    assert found.estimate.point == pytest.approx(alone.comparisons[0].estimate.point, rel=1e-9)
    assert beside.sessions == 5
    assert beside.spread["latency"] == pytest.approx(np.std(np.log([1.0, 1.06, 0.97, 1.04, 0.96]), ddof=1), rel=0.1)


def test_words_say_what_is_known_of_sessions(tmp_path: Path) -> None:
    """How much they scatter where it is known, else that it is not."""
    assert "How much sessions scatter is not known here" in compare_markdown(
        compare_folders(*two(tmp_path / "a", 1.05))
    )
    archive(tmp_path / "b", [1.0, 1.06, 0.97, 1.04, 0.96])
    text = compare_markdown(compare_folders(*two(tmp_path / "b", 1.05), metrics=["latency"]))
    assert "Intervals allow for how 5 other sessions of the same scatter: latency 4.3 %." in text


def test_sessions_of_either_side_count_and_others_do_not(tmp_path: Path) -> None:
    """Those on another machine than both tell nothing of these two; a damaged one is passed over."""
    archive(tmp_path / "a", [1.0, 1.06, 0.97, 1.04], host="elsewhere")
    pair = two(tmp_path / "a", 1.05, host="b")
    assert compare_folders(*pair, metrics=["latency"], allow=["machine.host"]).sessions == 0
    archive(tmp_path / "b", [1.0, 1.06, 0.97, 1.04], host="b")
    pair = two(tmp_path / "b", 1.05, host="b")
    (tmp_path / "b" / "history" / "2026-00" / "manifest.json").write_text("{", encoding="utf-8")
    assert compare_folders(*pair, metrics=["latency"], allow=["machine.host"]).sessions == 3


def test_scores_know_no_sessions(tmp_path: Path) -> None:
    """A seed gives the same score today and tomorrow."""
    archive(tmp_path, [1.0, 1.06, 0.97, 1.04])
    found = compare_folders(*two(tmp_path, 1.05), metrics=["test_accuracy", "latency"])
    assert [one.estimate.method for one in found.comparisons] == ["t", "t over sessions"]


def test_an_archive_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """Nor is a folder without results one."""
    assert list(archived_folders(tmp_path)) == []


def test_sessions_of_several_revisions_are_told_apart_where_there_are_enough(tmp_path: Path) -> None:
    """What a change did is no scatter; where each revision was measured once, it counts, and the words say so."""
    levels = [1.0, 1.3, 1.001, 1.301, 0.999, 1.299]
    for name, commits in (("a", "abababab"), ("b", "abcdef")):
        for place, path in enumerate(archive(tmp_path / name, levels)):
            manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
            revision = {"commit": commits[place], "dirty": False}
            (path / MANIFEST).write_text(json.dumps(manifest | {"git_revision": revision}), encoding="utf-8")
    apart, mixed = (compare_folders(*two(tmp_path / name, 1.0), metrics=["latency"]) for name in "ab")
    assert (apart.of_revisions, mixed.of_revisions) == (False, True)
    assert apart.spread["latency"] < 0.01
    assert mixed.spread["latency"] > 0.1
    assert "of the same, whose revisions differ, so that changes count as scatter, scatter:" in compare_markdown(mixed)
    assert "revisions" not in compare_markdown(apart)
