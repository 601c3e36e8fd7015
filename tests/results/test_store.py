import csv
import fcntl
import json
import math
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_up_results import read_runs
from significand.plan.problems import PlanError
from significand.results import store
from significand.results.journal import JOURNAL
from significand.results.lock import LOCK
from significand.results.read import read_json_object
from significand.results.records import SCHEMA_VERSION, Run
from significand.results.store import (
    DETAILS,
    HISTORY,
    MANIFEST,
    RAW_RUNS,
    REPORT,
    RunDirectory,
    check_writable,
    replacing,
    write_csv,
    write_json,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)  # UTF-8 has no lone surrogates
BY_TYPE = {
    float: st.floats(),
    int: st.integers(0, 2**40),
    str: TEXT,
    bool | None: st.sampled_from([True, False, None]),
}
ROUNDS = st.lists(st.floats(), max_size=3).map(lambda times_s: " ".join(map(str, times_s)))
RUNS = st.builds(
    Run,
    **{column.name: BY_TYPE[column.type] for column in fields(Run)} | {"round_latencies_s": ROUNDS},  # type: ignore[index]
).filter(lambda run: "/" not in run.name and "\0" not in run.name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that does not exist yet."""
    return tmp_path / "some/where"


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a CSV file with the standard library."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def files_in(folder: Path) -> set[str]:
    """Return the names of everything in a folder."""
    return {path.name for path in folder.iterdir()}


@given(st.lists(RUNS, max_size=4))
def test_appended_runs_read_back_exactly(runs: list[Run]) -> None:
    """Runs read back in order with every number to the last bit and every text character by character."""
    with tempfile.TemporaryDirectory() as name, RunDirectory(Path(name)) as directory:
        directory.begin({})
        for run in runs:
            directory.append(run, {})
        assert repr(read_runs(Path(name) / RAW_RUNS)) == repr(runs)


def test_appended_run_is_on_the_disk_at_once(folder: Path) -> None:
    """A run and the single times behind it can be read while the experiment goes on."""
    run = Run(setup="int8", repeat=2, final_train_accuracy=0.1 + 0.2)
    with RunDirectory(folder) as directory:
        directory.begin({})
        assert read_runs(folder / RAW_RUNS) == []
        directory.append(run, {"call_latency_s": np.array([1e-6, 2e-6])})
        assert repr(read_runs(folder / RAW_RUNS)) == repr([run])
        with np.load(folder / DETAILS / "r002-int8.npz") as details:
            np.testing.assert_array_equal(details["call_latency_s"], [1e-6, 2e-6])
    assert files_in(folder) == {JOURNAL, RAW_RUNS, MANIFEST, DETAILS}


def test_run_without_details_leaves_no_details_file(folder: Path) -> None:
    """A failed run is in the table and has no file of times."""
    with RunDirectory(folder) as directory:
        directory.begin({})
        directory.append(Run(status="failed", reason='it said:\n"no", twice'), {})
    (run,) = read_runs(folder / RAW_RUNS)
    assert run.reason == 'it said:\n"no", twice'
    assert files_in(folder / DETAILS) == set()


def test_rows_with_other_keys_share_a_table(tmp_path: Path) -> None:
    """Columns are all keys in order of appearance; what a row lacks is empty."""
    write_csv([{"b": 1}, {"a": 2, "b": 3}], tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines() == ["b,a", "1,", "3,2"]


def test_failing_writer_leaves_the_old_file(tmp_path: Path) -> None:
    """A file is replaced as a whole or not at all, and no temporary file stays."""
    path = tmp_path / "a.csv"
    path.write_text("old", encoding="utf-8")

    def write_half() -> None:
        with replacing(path, "w") as file:
            file.write("new, but")
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        write_half()
    assert path.read_text(encoding="utf-8") == "old"
    assert files_in(tmp_path) == {"a.csv"}


def test_value_that_json_does_not_know_leaves_the_old_file(tmp_path: Path) -> None:
    """A summary that cannot be written does not damage the one before."""
    path = tmp_path / "a.json"
    write_json({"a": 1}, path)
    with pytest.raises(TypeError):
        write_json({"a": object()}, path)
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": 1}
    assert files_in(tmp_path) == {"a.json"}


def test_written_file_has_the_users_permissions(tmp_path: Path) -> None:
    """A replaced file is as readable to others as any new file of the user, and the mask stays as it was."""
    mask = os.umask(0o027)
    try:
        write_json(1, tmp_path / "a.json")
        assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o640
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(mask)


class NoonClock(datetime):
    """A clock that stands at noon."""

    @classmethod
    def now(cls, tz: object = None) -> "NoonClock":
        """Return noon, in UTC as the store asks for it."""
        assert tz is UTC
        return cls(2026, 3, 4, 12, 0, 0, tzinfo=UTC)


def test_earlier_results_move_to_history_and_are_never_overwritten(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each experiment puts the one before aside under its UTC time, also several within one second."""
    monkeypatch.setattr(store, "datetime", NoonClock)
    archives = []
    for seed in (1, 2, 3):
        with RunDirectory(folder) as directory:
            archives.append(directory.begin({"experiment": seed}))
            directory.append(Run(seed=seed), {"a": np.ones(seed)})
    noon = folder / HISTORY / "2026-03-04T120000Z"
    assert archives == [None, noon, noon.with_name(f"{noon.name}-2")]
    kept = [noon, noon.with_name(f"{noon.name}-2"), folder]
    assert [read_runs(path / RAW_RUNS)[0].seed for path in kept] == [1, 2, 3]
    assert [json.loads((path / MANIFEST).read_text(encoding="utf-8"))["experiment"] for path in kept] == [1, 2, 3]
    assert [files_in(path / DETAILS) for path in kept] == 3 * [{"r000-.npz"}]


def test_foreign_files_stay(folder: Path) -> None:
    """Nothing but an experiment's own files is moved or changed."""
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    (folder / "pareto_frontier.png").write_bytes(b"old plot")
    (folder / REPORT).write_text("old page", encoding="utf-8")
    with RunDirectory(folder) as directory:
        archive = directory.begin({})
    assert archive is not None
    assert files_in(archive) == {"pareto_frontier.png", REPORT}
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert files_in(folder) == {"notes.txt", HISTORY, JOURNAL, RAW_RUNS, MANIFEST, DETAILS}


def test_manifest_grows(folder: Path) -> None:
    """Facts are added to the manifest, replace those of the same name, and NaN is null."""
    with RunDirectory(folder) as directory:
        directory.begin({"state": "running", "seed": 1})
        directory.update_manifest({"state": "done", "elapsed_s": math.nan})
    assert json.loads((folder / MANIFEST).read_text(encoding="utf-8")) == {
        "schema_version": SCHEMA_VERSION,
        "state": "done",
        "seed": 1,
        "elapsed_s": None,
    }


def test_second_experiment_in_a_folder_is_refused(folder: Path) -> None:
    """While one experiment runs, another is told which process is in the way; it harms nothing."""
    with RunDirectory(folder) as directory:
        with pytest.raises(PlanError, match=f"is in use by process {os.getpid()}; wait or give"), RunDirectory(folder):
            pass
        assert (folder / LOCK).exists()
        directory.begin({})
    assert not (folder / LOCK).exists()


def test_lock_holds_against_another_process(folder: Path) -> None:
    """The lock of another process is respected, and gone once that process is gone, however it ended."""
    code = (
        "import os, sys; from pathlib import Path; from significand.results.store import RunDirectory\n"
        "entered = RunDirectory(Path(sys.argv[1])).__enter__(); print('locked', flush=True)\n"
        "sys.stdin.read(); os._exit(1)"
    )
    command = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(PlanError, match=f"in use by process {other.pid};"), RunDirectory(folder):
            pass
        other.communicate()
    assert (folder / LOCK).exists(), "the process ended without tidying up"
    with RunDirectory(folder):
        assert (folder / LOCK).read_text(encoding="ascii") == str(os.getpid())


def test_lock_is_released_after_an_exception(folder: Path) -> None:
    """An experiment that fails leaves no lock behind."""
    with pytest.raises(RuntimeError, match="broke"), RunDirectory(folder):
        raise RuntimeError("broke")
    assert not (folder / LOCK).exists()
    with RunDirectory(folder):
        pass


def test_lock_file_replaced_meanwhile_is_not_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock on a file that its holder has just removed is no lock: it is tried again on the new file."""
    folder.mkdir(parents=True)
    real = fcntl.flock
    removed: list[bool] = []

    def flock(file: IO[str], operation: int) -> None:
        real(file, operation)
        if not removed:
            (folder / LOCK).unlink()
            removed.append(True)

    monkeypatch.setattr(fcntl, "flock", flock)
    with RunDirectory(folder):
        assert (folder / LOCK).read_text(encoding="ascii") == str(os.getpid())


def test_writable_folder_is_found_so_and_left_alone(folder: Path, tmp_path: Path) -> None:
    """Checking creates nothing, neither for a folder that is there nor for one yet to be made."""
    check_writable(tmp_path)
    check_writable(folder)
    assert files_in(tmp_path) == set()


@pytest.mark.parametrize(
    "make",
    [lambda path: path, lambda path: path / "below", lambda path: path / "far/below"],
    ids=["a file", "below a file", "far below"],
)
def test_file_in_the_way_is_named(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    """Where a file stands in the place of the folder or of a parent, the file is named."""
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(PlanError, match=f"output_dir: .* cannot be written: '{path}' is not a folder; give another"):
        check_writable(make(path))
    with pytest.raises(PlanError, match="cannot be written"), RunDirectory(make(path)):
        pass


@pytest.mark.parametrize("path", ["/proc", "/proc/results", "/proc/self/results"])
def test_folder_of_the_kernel_is_refused(path: str) -> None:
    """A folder in which not even the superuser can create a file is refused before anything runs."""
    with pytest.raises(PlanError, match=f"output_dir: '{path}' cannot be written"):
        check_writable(Path(path))
    with pytest.raises(PlanError, match="cannot be written"), RunDirectory(Path(path)):
        pass


def test_folder_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that the user may not write to is refused; the check is faked, because the superuser always may."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # noqa: ARG005
    with pytest.raises(PlanError, match="no permission in"):
        check_writable(tmp_path / "results")


def test_name_no_file_system_could_hold_is_refused(tmp_path: Path) -> None:
    """A folder with too long a name is refused with one line, not with a traceback."""
    with pytest.raises(PlanError, match="File name too long"), RunDirectory(tmp_path / (300 * "n")):
        pass
    check_writable(tmp_path / (300 * "n"))


def test_a_manifest_that_is_no_file_is_none(tmp_path: Path) -> None:
    """A pipe in its place is not waited for, a folder and a name no file can have are none either."""
    os.mkfifo(tmp_path / MANIFEST)
    for path in (tmp_path / MANIFEST, tmp_path, tmp_path / ("x" * 5000)):
        assert read_json_object(path) == {}
