"""A disk that is full when an experiment begins: earlier results stay where they are until the new ones have begun."""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import SMALL
from made_up_jobs import LEFT, QUICK, manifest, scores, take_no_time
from significand.cli import BAD_INPUT, DONE, SOME_RUN_FAILED, main
from significand.job import ResultsLostError, run_experiment_in
from significand.plan.problems import PlanError
from significand.results.lock import LOCK
from significand.results.store import DETAILS, HISTORY, MANIFEST, MOVING, RESULTS, RunDirectory

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("instant"),
]

WRITES = ((os, "fsync"), *((Path, name) for name in ("mkdir", "rename", "replace")))
"""What a full disk refuses, by where it is found. Removing is never refused."""


@contextlib.contextmanager
def disk_full(first: int, last: int) -> Iterator[Callable[[], int]]:
    """Refuse the writes from number `first` to number `last`, counted from 0; give how many there were."""
    count = 0

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in WRITES:
            real = getattr(owner, name)

            def write(*words: Any, real: Any = real, **named: Any) -> Any:  # noqa: ANN401 - stands for any
                nonlocal count
                count += 1
                if first < count <= last + 1:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return real(*words, **named)

            patch.setattr(owner, name, write)
        yield lambda: count


def contents(folder: Path) -> dict[str, bytes]:
    """Return what is in a folder's files, by their names."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write earlier results once, to be copied."""
    folder = tmp_path_factory.mktemp("earlier") / "out"
    with pytest.MonkeyPatch.context() as patch:
        take_no_time(patch)
        run_experiment_in(folder, SMALL)
    return folder


@pytest.fixture(scope="module")
def writes_to_begin(earlier: Path) -> int:
    """Return how many writes it takes to begin over earlier results."""
    folder = earlier.with_name("measured")
    shutil.copytree(earlier, folder)
    with RunDirectory(folder) as directory, disk_full(10**6, 10**6) as count:
        directory.begin({})
        return count()


@pytest.mark.parametrize("part", range(4))
def test_a_write_that_fails_at_the_beginning_changes_nothing(
    part: int, tmp_path: Path, writes_to_begin: int, earlier: Path
) -> None:
    """Whichever it is: earlier results are where they were, byte by byte, nothing else is left, and 2 is true."""
    assert writes_to_begin > 20
    out = tmp_path / "out"
    shutil.copytree(earlier, out)
    before = contents(out)
    names = sorted(path.name for path in out.rglob("*"))
    for step in range(part, writes_to_begin, 4):
        with disk_full(step, step):
            code = main([*QUICK, "--seed", "3", f"--output-dir={out}"])
        assert code == BAD_INPUT, step
        assert (contents(out), sorted(path.name for path in out.rglob("*"))) == (before, names), step
    assert main(["table", str(out)]) == DONE


@pytest.mark.parametrize("part", range(4))
def test_a_disk_that_stays_full_loses_nothing(
    part: int, tmp_path: Path, writes_to_begin: int, earlier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where not even putting back works, that is told, and with room again both experiments are whole."""
    codes = set()
    for step in range(part, writes_to_begin, 4):
        out = tmp_path / str(step)
        shutil.copytree(earlier, out)
        before = contents(out)
        with disk_full(step, 10**6):
            codes.add(code := main([*QUICK, "--seed", "3", f"--output-dir={out}"]))
        (line,) = (told for told in capsys.readouterr().err.splitlines() if told.startswith("significand: "))
        assert "No space left on device" in line
        if code == BAD_INPUT:
            assert contents(out) == before, step
            assert "make room, or give another folder" in line
            assert main(["table", str(out)]) == DONE
        else:
            assert f"earlier results are partly in '{out / HISTORY}' now" in line
        resume = "--resume" in line
        run_experiment_in(out, {} if resume else SMALL | {"seed": 3}, resume=resume)
        assert len(scores(out)) == 4
        (archive,) = (out / HISTORY).iterdir()
        assert contents(archive) == before, step
        assert {path.name for path in out.iterdir()} - {HISTORY} == LEFT
        capsys.readouterr()
    assert codes == {BAD_INPUT, SOME_RUN_FAILED}


def test_a_disk_full_from_the_start_says_so(tmp_path: Path) -> None:
    """A first experiment in a new folder leaves at most that folder, without a lock."""
    for step in range(6):
        with disk_full(step, 10**6), pytest.raises(PlanError, match="No space left on device; make room, or give"):
            run_experiment_in(tmp_path / "out", SMALL)
        assert not list((tmp_path / "out").glob("*"))


def test_a_lock_that_cannot_be_written_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process number is the first thing that a full disk refuses."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("significand.results.lock.os.getpid", full)
    with pytest.raises(PlanError, match="No space left on device; make room"), RunDirectory(tmp_path):
        pass
    assert not (tmp_path / LOCK).exists()


def interrupted_at(number: int) -> Callable[[Path, Path], Path]:
    """Return a rename during which, at its call of that number, somebody presses Ctrl-C."""
    real, calls = Path.rename, iter(range(10**6))

    def rename(path: Path, target: Path) -> Path:
        if next(calls) == number:
            raise KeyboardInterrupt
        return real(path, target)

    return rename


def test_an_interrupt_in_the_middle_of_the_beginning_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C while earlier results move: they are put back, as the message says."""
    run_experiment_in(tmp_path, SMALL)
    before = contents(tmp_path)
    for moved in (0, 5, len(RESULTS) + 2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "rename", interrupted_at(moved))
            main([*QUICK, "--seed", "3", f"--output-dir={tmp_path}"])
        assert "interrupted before anything was measured; earlier results are as they were" in capsys.readouterr().err
        assert contents(tmp_path) == before


def test_results_of_a_folder_that_a_crash_left_half_moved_go_together(tmp_path: Path) -> None:
    """What is in history/.moving and what is still in the folder become one archive."""
    run_experiment_in(tmp_path, SMALL)
    before = contents(tmp_path)
    moving = tmp_path / HISTORY / MOVING
    moving.mkdir(parents=True)
    for name in (MANIFEST, DETAILS):
        (tmp_path / name).rename(moving / name)
    outcome = run_experiment_in(tmp_path, SMALL | {"seed": 3})
    assert outcome.archive is not None
    assert contents(outcome.archive) == before


def test_the_beginning_is_as_before(tmp_path: Path) -> None:
    """Whole from the first moment on: journal, manifest, an empty table and a folder for single times."""
    with RunDirectory(tmp_path) as directory:
        assert directory.begin({"experiment_hash": "x"}, {"state": "running"}) is None
        assert {path.name for path in tmp_path.iterdir()} == {LOCK, "journal.jsonl", MANIFEST, "raw_runs.csv", DETAILS}
    assert manifest(tmp_path)["state"] == "running"


def test_a_stranded_beginning_is_an_error_of_its_own(tmp_path: Path) -> None:
    """From Python it is what a lost result is, with where everything is."""
    run_experiment_in(tmp_path, SMALL)
    told = r"partly in .*history.*: make room, and start anew"
    with disk_full(12, 10**6), pytest.raises(ResultsLostError, match=told):
        run_experiment_in(tmp_path, SMALL | {"seed": 3})
