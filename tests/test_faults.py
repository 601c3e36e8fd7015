"""Every row of docs/faults.md that no other test proves: what the user sees, and what is kept."""

import ast
import contextlib
import errno
import functools
import importlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import psutil
import pytest

from conftest import SMALL, blocks_of, eventually, small_experiment, workers_of
from made_up_jobs import LEFT, QUICK, interrupt_at, interrupted, nothing_drawn, scores
from made_up_place import MadeUpPlace, made_to_fail, made_up_run
from significand.cli import BAD_INPUT, INTERRUPTED, SOME_RUN_FAILED, main
from significand.job import ExperimentInterrupted, ResultsLostError, run_experiment_in
from significand.plan.problems import PlanError
from significand.results.journal import JOURNAL, append_run, read_journal
from significand.results.read import read_json_object
from significand.results.records import Progress, Run
from significand.results.store import DETAILS, HISTORY, MANIFEST, NEXT, replacing, write_csv
from significand.runner.block import Timing
from warm_processes import started_cold

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("warm"),
]

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "docs/faults.md"
PROGRAM = [sys.executable, "-m", "significand"]

no_time = pytest.mark.usefixtures("instant")
of_processes = pytest.mark.usefixtures("no_orphans", "scratch")


def full(*_: object) -> NoReturn:
    """Stand in for a system call on a full disk."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def from_now_on(monkeypatch: pytest.MonkeyPatch, name: str, action: Callable[..., object], after: int) -> None:
    """Let a function do something else from its call number `after` on."""
    module, _, attribute = name.rpartition(".")
    real = getattr(importlib.import_module(module), attribute)
    calls = iter(range(10**6))
    monkeypatch.setattr(name, lambda *words: real(*words) if next(calls) < after else action(*words))


def when(ended: int, action: Callable[[], object]) -> Callable[[Progress], None]:
    """Return a watcher that does something when so many runs have ended."""

    def watch(progress: Progress) -> None:
        if progress.block and progress.ended == ended:
            action()

    return watch


def assert_complete(folder: Path, repeats: int = 2) -> None:
    """Resume, and find every run once, every file, and nothing else."""
    run_experiment_in(folder, SMALL | {"repeats": repeats}, resume=True)
    assert scores(folder) == {
        run.name: (run.final_train_accuracy, run.seed)
        for block in blocks_of(small_experiment(repeats=repeats))
        for run, _ in (made_up_run(block, setup) for setup in block.setups)
    }
    assert {run.name for run in read_journal(folder / JOURNAL).runs} == set(scores(folder))
    assert {path.stem for path in (folder / DETAILS).iterdir()} == set(scores(folder))
    assert {path.name for path in folder.iterdir()} - {HISTORY} == LEFT
    assert read_json_object(folder / MANIFEST)["state"] == "finished"


@no_time
@pytest.mark.parametrize("call", [0, 1, 2, 3])
def test_disk_full_while_a_run_is_kept(call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever write fails, of times, folder, journal or table, the error says so; with room again it goes on."""
    with monkeypatch.context() as patch:
        watch = when(1, lambda: from_now_on(patch, "os.fsync", full, call))
        with pytest.raises(ResultsLostError, match=r"No space left on device; finished runs are kept in .*make room"):
            run_experiment_in(tmp_path, SMALL, watch)
    assert len(read_journal(tmp_path / JOURNAL).runs) in {1, 2}
    assert_complete(tmp_path)


@no_time
def test_disk_full_in_the_middle_of_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a line in the journal costs that run only."""

    def half(path: Path, run: Run) -> NoReturn:
        append_run(path, run)
        os.truncate(path, path.stat().st_size - 50)
        full()

    with monkeypatch.context() as patch:
        watch = when(1, lambda: patch.setattr("significand.results.store.append_run", half))
        with pytest.raises(ResultsLostError, match="make room"):
            run_experiment_in(tmp_path, SMALL, watch)
    assert read_journal(tmp_path / JOURNAL).torn_bytes > 0
    assert_complete(tmp_path)


@no_time
def test_disk_full_while_summaries_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """All runs are kept, the error is one line, and resuming measures nothing."""
    with monkeypatch.context() as patch:
        patch.setattr("significand.present.plots.write.save_tradeoff_plots", full)
        assert main([*QUICK, "--seed", "7", "--on-noise", "mark", "--output-dir", str(tmp_path)]) == SOME_RUN_FAILED
    assert "No space left on device; finished runs are kept in" in capfd.readouterr().err
    monkeypatch.setattr("significand.job.Here", None)
    assert_complete(tmp_path)


def test_killed_at_random_moments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGKILL at a random moment, over earlier results: resumed, the job is complete. The benchmark has 20 of them."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    faults: Any = importlib.import_module("faults")
    seed = random.SystemRandom().randrange(10**6)
    with started_cold():  # a moment while something is imported, too
        reference = faults.run_reference(tmp_path / "reference")
        (moment,) = faults.moments(reference.duration_s, 1, seed)
        left = faults.begin_and_kill(tmp_path / "killed", moment, reference, earlier=True)
    kill = faults.resume(tmp_path / "killed", left, reference, earlier=True)
    assert not kill.faults, f"seed {seed}: {kill}"


STRIDE = 8
"""Every eighth step of writing is tried; at which to begin is left to chance, so that in time all are."""

STEPS_OF_A_WRITE = (
    "os.fsync",
    "os.ftruncate",
    *(f"pathlib.Path.{name}" for name in ("rename", "replace", "unlink", "mkdir", "rmdir")),
)


def killed_at(step: int, act: Callable[[], object]) -> bool:
    """Do something in another process that dies, as by SIGKILL, just before so many steps of writing are done.

    Returns
    -------
    bool
        Whether it died; not where it took fewer steps.
    """
    pid = os.fork()
    if pid == 0:
        with pytest.MonkeyPatch.context() as patch:
            left = iter(range(step))
            for name in STEPS_OF_A_WRITE:
                module, _, attribute = name.rpartition(".")
                owner: Any = Path if module == "pathlib.Path" else os
                real = getattr(owner, attribute)

                def mortal(*words: Any, real: Any = real, **named: Any) -> Any:  # noqa: ANN401 - stands for any
                    if next(left, None) is None:
                        os._exit(9)
                    return real(*words, **named)

                patch.setattr(owner, attribute, mortal)
            try:
                act()
                os._exit(0)
            finally:
                os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) in {0, 9}
    return os.waitstatus_to_exitcode(status) == 9


@no_time
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_killed_at_every_step_of_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before a rename, fsync or removal, and the resuming killed too: no run lost or doubled, no file left."""
    monkeypatch.setattr("significand.job.git_revision", lambda folder: None)  # noqa: ARG005
    monkeypatch.setattr("significand.job.write_summaries", lambda results: plain_summaries(results.path))
    monkeypatch.setattr("significand.job.write_plots", lambda results: "")  # noqa: ARG005
    monkeypatch.setattr("significand.job.write_report", lambda results, meanwhile: results.path)  # noqa: ARG005
    # The threads of polars do not live on in a fork, which would wait for them without end.
    monkeypatch.setattr("significand.results.table.table_of", lambda runs, planned: runs)  # noqa: ARG005
    once = SMALL | {"repeats": 1}
    earlier = tmp_path / "earlier"
    run_experiment_in(earlier, once | {"seed": 1})
    kept = contents(earlier)
    step = random.SystemRandom().randrange(STRIDE)
    died = True
    while died:
        folder = tmp_path / str(step)
        shutil.copytree(earlier, folder)
        died = killed_at(step, lambda folder=folder: run_experiment_in(folder, once))  # type: ignore[misc]
        begun = (folder / NEXT).exists() or (folder / HISTORY).exists()
        if begun:
            before = [] if (folder / NEXT).exists() else list(read_journal(folder / JOURNAL).runs)
            killed_at(step // 2, lambda folder=folder: run_experiment_in(folder, once, resume=True))  # type: ignore[misc]
            assert_complete(folder, repeats=1)
            assert repr(read_journal(folder / JOURNAL).runs[: len(before)]) == repr(before)
            assert [contents(archive) for archive in (folder / HISTORY).iterdir()] == [kept]
        else:
            assert {name: text for name, text in contents(folder).items() if name[0] != "."} == kept
            with pytest.raises(PlanError, match="seed: 1 then, 7 now"):
                run_experiment_in(folder, once, resume=True)
        shutil.rmtree(folder)
        step += STRIDE
    assert step > 60


def plain_summaries(folder: Path) -> tuple[list[dict[str, object]], None]:
    """Write the files of a summary, as they are written, but with nothing to work out."""
    for name in LEFT - {JOURNAL, DETAILS, MANIFEST, "raw_runs.csv", "steps.csv"}:
        with replacing(folder / name, "w") as file:
            file.write(name)
    return [], None


def contents(folder: Path) -> dict[str, bytes]:
    """Return what is in a folder's files, by their names."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@no_time
def test_a_second_interrupt_costs_the_summaries_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C again while the first one is dealt with: the same message, and the same runs are kept."""

    def press_again(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("significand.job.write_summaries", press_again)
        with pytest.raises(ExperimentInterrupted, match="interrupted: 2 of 4 runs finished and kept"):
            run_experiment_in(tmp_path, SMALL, interrupt_at(2))
    assert read_json_object(tmp_path / MANIFEST)["state"] == "interrupted"
    assert_complete(tmp_path)


@no_time
def test_an_interrupt_on_a_full_disk_is_still_an_interrupt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the summaries cannot be written after Ctrl-C, the runs are kept and the message is the interrupt's."""
    with monkeypatch.context() as patch:
        patch.setattr("significand.job.write_summaries", full)
        with pytest.raises(ExperimentInterrupted, match="2 of 4"):
            run_experiment_in(tmp_path, SMALL, interrupt_at(2))
    assert_complete(tmp_path)


@no_time
def test_an_interrupt_before_anything_is_begun(
    tmp_path: Path, instant: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C while the processes start: earlier results are where they were, and there is nothing to resume."""
    run_experiment_in(tmp_path, SMALL)
    before = contents(tmp_path)

    class Interrupted(MadeUpPlace):
        def run(self, *_: object) -> NoReturn:
            raise KeyboardInterrupt

    instant.setattr("significand.job.Here", Interrupted)
    assert main([*QUICK, "--output-dir", str(tmp_path)]) == INTERRUPTED
    assert capsys.readouterr().err.endswith(
        "interrupted before anything was measured; earlier results are as they were\n"
    )
    assert contents(tmp_path) == before


@no_time
def test_an_interrupt_while_a_run_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C between a run's line in the journal and the table: the run counts, once."""
    with monkeypatch.context() as patch:

        def press(rows: list[dict[str, object]], path: Path, columns: list[str]) -> None:
            if len(rows) == 2:
                patch.setattr("significand.results.store.write_csv", write_csv)
                raise KeyboardInterrupt
            write_csv(rows, path, columns)

        patch.setattr("significand.results.store.write_csv", press)
        with pytest.raises(ExperimentInterrupted, match="2 of 4"):
            run_experiment_in(tmp_path, SMALL)
    assert len(scores(tmp_path)) == 2
    assert_complete(tmp_path)


@of_processes
def test_sigterm_to_every_process(tmp_path: Path) -> None:
    """A service manager's SIGTERM to all processes at once is an interrupt: no run fails for it, nothing is left."""
    words = [*PROGRAM, *QUICK, "--repeats", "200", "--output-dir", str(tmp_path / "out"), "-q"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        journal = tmp_path / "out" / JOURNAL
        assert eventually(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 2, 60)
        family = psutil.Process(process.pid).children(recursive=True)
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.terminate()
        process.terminate()
        _, err = process.communicate(timeout=30)
    assert process.returncode == INTERRUPTED
    assert "runs finished and kept" in err
    assert all(run.finished for run in read_journal(journal).runs)
    assert eventually(lambda: not any(one.is_running() for one in family))


@of_processes
def test_allocation_that_the_machine_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer that no memory holds is a failed run whose reason names the remedy; the run is kept as failed."""
    nothing_drawn(monkeypatch)
    # 2^21 x 2^24 weights of 4 bytes are 2^47 bytes: more than a process can address on x86-64, so refused at once.
    huge = {"layer_sizes": [16, 2**21, 2**24, 4], "activations": ["relu", "relu", "softmax"]}
    outcome = run_experiment_in(tmp_path, SMALL | huge | {"precision_modes": ["float32"], "repeats": 1})
    assert [run.reason for run in outcome.failed] == ["out of memory; lower batch_size or the size of the layers"]


@of_processes
def test_segmentation_fault_of_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash of a run's process is a failed run that names the signal; the others finish."""
    nothing_drawn(monkeypatch)
    pending = [True]

    def crash(progress: Progress) -> None:
        if pending and progress.share > 0.6:
            pending.clear()
            workers_of(os.getpid())[0].send_signal(signal.SIGSEGV)

    outcome = run_experiment_in(tmp_path, SMALL | {"repeats": 1}, crash)
    assert [run.reason for run in outcome.failed] == ["the run's process was killed by SIGSEGV"]
    assert len(outcome.runs) == 2


class BackwardClock(datetime):
    """A wall clock that somebody sets back by a day each time it is read."""

    reads = 0

    @classmethod
    def now(cls, tz: object = None) -> "BackwardClock":
        """Return an ever earlier time, in UTC as everybody asks for it."""
        assert tz is UTC
        cls.reads += 1
        early = datetime(2026, 3, 4, tzinfo=UTC) - timedelta(days=cls.reads)
        return cls.fromtimestamp(early.timestamp(), UTC)


@no_time
def test_wall_clock_set_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The experiment ends before it began, by the manifest's times; its durations and runs are right all the same."""
    for module in ("significand.job", "significand.results.store"):
        monkeypatch.setattr(f"{module}.datetime", BackwardClock)
    interrupted(tmp_path)
    run_experiment_in(tmp_path, SMALL)
    run_experiment_in(tmp_path, SMALL)
    manifest = read_json_object(tmp_path / MANIFEST)
    assert str(manifest["ended_utc"]) < str(manifest["started_utc"])
    assert 0 < float(str(manifest["elapsed_s"])) < 10
    assert len(list((tmp_path / HISTORY).iterdir())) == 2
    assert_complete(tmp_path)


def test_no_duration_rests_on_the_wall_clock() -> None:
    """No module takes the time of day, but where it is written down as such."""
    readers = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if (node.value.id, node.attr) in {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today")}:
                    readers.add(path.name)
                assert (node.value.id, node.attr) not in {("time", "time"), ("time", "time_ns")}, path
            if isinstance(node, ast.ImportFrom) and node.module == "time":
                assert not {"time", "time_ns"} & {name.name for name in node.names}, path
    assert readers == {"fleet_state.py", "job.py", "store.py"}


@no_time
@pytest.mark.parametrize("interrupt", [False, True])
def test_folder_removed_while_running(interrupt: bool, tmp_path: Path) -> None:
    """The error says that the runs are gone, and the folder is not made again."""
    out = tmp_path / "out"

    def remove(progress: Progress) -> None:
        if progress.ended == 2:
            shutil.rmtree(out)
            if interrupt:
                raise KeyboardInterrupt

    if interrupt:
        with pytest.raises(ExperimentInterrupted, match="0 of 4 runs finished and kept"):
            run_experiment_in(out, SMALL, remove)
    else:
        with pytest.raises(ResultsLostError, match=r"was removed while the experiment ran; its runs are gone with it$"):
            run_experiment_in(out, SMALL, remove)
    assert not list(tmp_path.iterdir())


@no_time
def test_folder_removed_while_processes_start(tmp_path: Path, instant: pytest.MonkeyPatch) -> None:
    """Removed before the first run, it is not made again either."""

    class Removing(MadeUpPlace):
        def run(self, *words: Any) -> Timing:  # noqa: ANN401 - handed on
            shutil.rmtree(tmp_path / "out")
            return super().run(*words)

    instant.setattr("significand.job.Here", Removing)
    with pytest.raises(PlanError, match="cannot be written: the folder or its lock was removed or replaced"):
        run_experiment_in(tmp_path / "out", SMALL)
    assert not list(tmp_path.iterdir())


@no_time
def test_folder_replaced_by_a_file(tmp_path: Path) -> None:
    """A file in the folder's place is left as it is."""
    out = tmp_path / "out"

    def replace(progress: Progress) -> None:
        if progress.ended == 2:
            out.rename(tmp_path / "elsewhere")
            out.write_text("mine", encoding="utf-8")

    with pytest.raises(ResultsLostError, match="was removed while the experiment ran"):
        run_experiment_in(out, SMALL, replace)
    assert out.read_text(encoding="utf-8") == "mine"
    out.unlink()
    (tmp_path / "elsewhere").rename(out)
    assert_complete(out)


@no_time
def test_folder_taken_by_another_experiment(tmp_path: Path) -> None:
    """Removed and begun anew by another program, the folder is the other's: nothing of ours gets into it."""
    out = tmp_path / "out"

    def replace(progress: Progress) -> None:
        if progress.ended == 2:
            shutil.rmtree(out)
            run_experiment_in(out, SMALL | {"seed": 1})

    with pytest.raises(ResultsLostError, match=r"or its lock was removed or replaced .* was left as it is"):
        run_experiment_in(out, SMALL, replace)
    assert {seed for _, seed in scores(out).values()} == {1, 2}
    assert {path.name for path in out.iterdir()} == LEFT


@no_time
def test_folder_made_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cause is told, the runs are kept; writable again, it goes on. Made up, as the superuser may always write."""
    with monkeypatch.context() as patch:
        real = os.open

        def read_only(path: Path, flags: int, *mode: int) -> int:
            if flags & (os.O_WRONLY | os.O_RDWR):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
            return real(path, flags, *mode)

        watch = when(1, lambda: patch.setattr("significand.results.store.os.open", read_only))
        with pytest.raises(ResultsLostError, match=r"Read-only file system.*finished runs are kept.*--resume"):
            run_experiment_in(tmp_path, SMALL, watch)
    assert_complete(tmp_path)


@no_time
@pytest.mark.parametrize("resume", [False, True])
def test_temporary_files_of_a_kill_are_removed(resume: bool, tmp_path: Path) -> None:
    """What was being written when a kill came is gone after the next start; files of other kinds stay."""
    interrupted(tmp_path)
    left = [tmp_path / ".raw_runs.csv.0123abcd", tmp_path / f".{NEXT}.0123abcd", tmp_path / "details/.a.npz.0123abcd"]
    foreign = [tmp_path / ".notes.txt.0123abcd", tmp_path / "details.npz.0123abcd"]
    for path in left + foreign:
        path.touch()
    run_experiment_in(tmp_path, SMALL, resume=resume)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in foreign)


@no_time
def test_times_of_a_run_that_was_never_kept(tmp_path: Path, instant: pytest.MonkeyPatch) -> None:
    """Killed between a run's times and its line, and failed the second time: the times of the first are not its own."""
    interrupted(tmp_path)
    shutil.copy(tmp_path / "details/r000-float32.npz", tmp_path / "details/r000-int8.npz")
    instant.setattr("significand.job.Here", functools.partial(MadeUpPlace, make=made_to_fail("int8")))
    run_experiment_in(tmp_path, SMALL, resume=True)
    assert "r000-int8.npz" not in {path.name for path in (tmp_path / DETAILS).iterdir()}
    assert "0,int8," not in (tmp_path / "steps.csv").read_text(encoding="utf-8")


@no_time
def test_damaged_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A journal damaged elsewhere than at its end is refused with its line; nothing changes; anew, it is archived."""
    interrupted(tmp_path, 3)
    lines = (tmp_path / JOURNAL).read_bytes().split(b"\n")
    lines[2] = lines[2][:40]
    (tmp_path / JOURNAL).write_bytes(b"\n".join(lines))
    before = contents(tmp_path)
    assert main(["run", "--resume", "--output-dir", str(tmp_path)]) == BAD_INPUT
    assert re.search(r"is damaged in line 3 \(.*\); start the experiment anew", capsys.readouterr().err)
    assert contents(tmp_path) == before
    run_experiment_in(tmp_path, SMALL)
    (archive,) = (tmp_path / HISTORY).iterdir()
    assert contents(archive) == before


def test_full_temporary_folder(tmp_path: Path, scratch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the runs' processes find no room for their files, that is told before anything begins."""
    scratch.rmdir()
    scratch.touch()
    assert main([*QUICK, "--output-dir", str(tmp_path / "out")]) == SOME_RUN_FAILED
    assert "no temporary folder can be made" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def table_tests() -> list[str]:
    """Return the tests that the fault table names."""
    rows = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][2:]
    assert all(len(re.split(r"(?<!\\)\|", row)) == 7 for row in rows)
    return [name for row in rows for name in re.findall(r"`(tests/[^`]+)`", row.split("|")[-2])]


@functools.cache
def functions(path: Path) -> frozenset[str]:
    """Return the names of a module's functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_every_row_of_the_table_names_a_test() -> None:
    """Each fault has its test, and that test exists."""
    rows = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 20
    assert all("`tests/" in row.split("|")[-2] for row in rows)
    for name in table_tests():
        path, _, function = name.partition("::")
        assert function in functions(ROOT / path), name


def test_every_fault_test_is_in_the_table() -> None:
    """No proof goes untold."""
    here = {name for name in functions(Path(__file__)) if name.startswith("test_")}
    told = {name.partition("::")[2] for name in table_tests() if name.startswith("tests/test_faults.py")}
    assert here - told == {"test_every_row_of_the_table_names_a_test", "test_every_fault_test_is_in_the_table"}
