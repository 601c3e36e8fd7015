"""Does an experiment survive that its program is killed? SIGKILL at random moments of a small grid, then --resume.

Run it by hand, it takes some twenty seconds a kill: python benchmarks/faults.py --kills 20
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from significand.results.journal import JOURNAL, JournalError, read_journal
from significand.results.lock import LOCK
from significand.results.read import read_json_object
from significand.results.records import Run
from significand.results.store import DETAILS, HISTORY, MANIFEST, NETWORKS, NEXT, RESULTS, TEMPORARY
from significand.results.table import table_of
from significand.results.table_file import read_table

JOB = [
    *("run", "-q", "--data", "synthetic", "--layer-sizes", "16-32-4", "--activations", "relu,softmax"),
    *("--n-samples", "200", "--batch-size", "8,16", "--epochs", "2", "--latency-rounds", "10", "--on-noise", "mark"),
    *("--round-duration-s", "0.01", "--repeats", "2", "--precision", "float32,int8"),
]
PATIENCE_S = 30.0
NOTHING = "nothing of it"


@dataclass(frozen=True)
class Reference:
    """The same job without interruption.

    Attributes
    ----------
    folder
        Its results.
    scores
        Accuracies and loss of each run, by its name.
    duration_s
        From the program's start to its end.
    """

    folder: Path
    scores: dict[str, tuple[float, float, float]]
    duration_s: float


@dataclass(frozen=True)
class Kill:
    """One kill and what came of it.

    Attributes
    ----------
    after_s
        When it came, counted from the program's start.
    found
        What was on the disk then.
    kept, runs
        Runs in the journal then, and in the end.
    faults
        What is not as it should be; nothing where all is well.
    """

    after_s: float
    found: str
    kept: int
    runs: int
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Left:
    """What a kill has left.

    Attributes
    ----------
    after_s
        When it came, counted from the program's start.
    found
        What was on the disk.
    lines
        Whole lines of the killed experiment's journal.
    outlived
        Processes that lived on.
    """

    after_s: float
    found: str
    lines: list[bytes]
    outlived: list[psutil.Process]


def main() -> None:
    """Kill, resume, and print a table; exit with 1 where a single kill did harm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        reference = run_reference(work / "reference")
        print(f"{len(reference.scores)} runs, {reference.duration_s:.1f} s without a kill\n")
        print(f"{'kill':>4}{'after':>9}  {'earlier':<9}{'found then':<34}{'kept':>5}{'runs':>5}  result")
        harmless = 0
        for number, after_s in enumerate(moments(reference.duration_s, arguments.kills, arguments.seed)):
            earlier = bool(number % 2)
            left = begin_and_kill(work / str(number), after_s, reference, earlier=earlier)
            kill = resume(work / str(number), left, reference, earlier=earlier)
            harmless += not kill.faults
            print(
                f"{number:>4}{kill.after_s:>7.2f} s  {'yes' if earlier else 'no':<9}{kill.found:<34}{kill.kept:>5}"
                f"{kill.runs:>5}  {'; '.join(kill.faults) or 'complete'}"
            )
    print(f"\n{harmless} of {arguments.kills} complete")
    sys.exit(harmless != arguments.kills)


def moments(duration_s: float, kills: int, seed: int) -> list[float]:
    """Return a random moment in each of so many equal parts of a program's life, in seconds from its start."""
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    return [duration_s * (part + chance.random()) / kills for part in range(kills)]


def run_reference(folder: Path) -> Reference:
    """Run the job through."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    subprocess.run(_command(folder), check=True)
    return Reference(folder, _scores(read_journal(folder / JOURNAL).runs), time.perf_counter() - begin)


def begin_and_kill(folder: Path, after_s: float, reference: Reference, *, earlier: bool) -> Left:
    """Start the job, and kill it after `after_s` seconds.

    A job that ends sooner is begun anew and killed a little earlier, until the kill finds it alive.

    Parameters
    ----------
    folder
        Folder to work in; created.
    earlier
        Whether there are results of an earlier experiment in the way.
    """
    out, scratch = folder / "out", folder / "scratch"
    scratch.mkdir(parents=True)
    if earlier:
        shutil.copytree(reference.folder, out)
    process = subprocess.Popen(_command(out), env=_environment(folder), stderr=subprocess.DEVNULL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(after_s)
        shutil.rmtree(folder)
        return begin_and_kill(folder, 0.9 * after_s, reference, earlier=earlier)
    outlived = _outliving(_kill(process))
    return Left(after_s, *_look(out, earlier=earlier), outlived)


def resume(folder: Path, left: Left, reference: Reference, *, earlier: bool) -> Kill:
    """Resume the job that was killed in the folder, and look at everything it left."""
    out = folder / "out"
    faults = [f"outlived it: {one}" for one in left.outlived]
    command = [*_command(out), "--resume"]
    done = subprocess.run(command, env=_environment(folder), stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        faults.append(f"--resume ended with {done.returncode}: {done.stderr.strip()}")
    after = _lines(out / JOURNAL)
    if after[: len(left.lines)] != left.lines:
        faults.append("lines of the journal are lost")
    # Where the kill came before anything was begun, the earlier results, of the same experiment, are gone on with.
    archived = earlier and left.found != NOTHING
    faults += _wrong_with(out, folder / "scratch", reference, archived=archived)
    return Kill(left.after_s, left.found, max(0, len(left.lines) - 1), max(0, len(after) - 1), tuple(faults))


def _environment(folder: Path) -> dict[str, str]:
    return os.environ | {"TMPDIR": str(folder / "scratch")}


def _command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "significand", *JOB, "--output-dir", str(folder)]


def _kill(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Kill a program, and return the processes it had then."""
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return family


def _outliving(family: list[psutil.Process]) -> list[psutil.Process]:
    alive: list[psutil.Process] = psutil.wait_procs(family, timeout=PATIENCE_S)[1]
    return alive


def _look(out: Path, *, earlier: bool) -> tuple[str, list[bytes]]:
    """Say what a kill has left, and return the whole lines of the killed experiment's journal."""
    if (out / NEXT).exists():
        return "announced", []
    if not (out / JOURNAL).exists() or (earlier and not (out / HISTORY).exists()):
        return NOTHING, []
    before = _lines(out / JOURNAL)
    state = str(read_json_object(out / MANIFEST).get("state", "no manifest"))
    return f"{len(before) - 1} runs, {state}", before


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def _wrong_with(out: Path, scratch: Path, reference: Reference, *, archived: bool) -> list[str]:
    """Compare a resumed experiment with one that ran through; return what differs."""
    try:
        runs = read_journal(out / JOURNAL).runs
    except JournalError as error:
        return [str(error)]
    faults = [f"{name} is there {n} times" for name, n in Counter(run.name for run in runs).items() if n > 1]
    if _scores(runs) != reference.scores:
        faults.append(f"other runs or accuracies: {_scores(runs)}")
    if not read_table(out / "raw_runs.csv").frame.equals(table_of(runs).frame):
        faults.append("raw_runs.csv does not hold the journal's runs")
    if {path.stem for path in (out / DETAILS).iterdir()} != set(reference.scores):
        faults.append("details do not belong to the runs")
    if read_json_object(out / MANIFEST).get("state") != "finished":
        faults.append("the manifest does not say finished")
    left = set(RESULTS) - {NETWORKS}
    allowed = {*left, HISTORY} if archived else left
    faults += [f"left over: {path.name}" for path in out.iterdir() if path.name not in allowed]
    faults += [f"missing: {name}" for name in left if not (out / name).exists() and name != "ratio_vs_threads.png"]
    faults += [f"left over: {path}" for path in out.rglob(".*") if TEMPORARY.fullmatch(path.name) or path.name == LOCK]
    deadline = time.monotonic() + PATIENCE_S
    while any(scratch.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    faults += [f"temporary: {path.name}" for path in scratch.iterdir()]
    if archived:
        archives = list((out / HISTORY).iterdir())
        if [_contents(archive) for archive in archives] != [_contents(reference.folder)]:
            faults.append(f"earlier results are not whole in history: {[path.name for path in archives]}")
    return faults


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _scores(runs: Sequence[Run]) -> dict[str, tuple[float, float, float]]:
    return {run.name: (run.final_train_accuracy, run.test_accuracy, run.final_train_loss) for run in runs}


if __name__ == "__main__":
    main()
