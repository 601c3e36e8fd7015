"""How quick significand itself is, against its targets: start-up, the default job, a larger job, overhead of a call.

Run it on an otherwise idle machine: python benchmarks/speed.py
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from significand.engines.base import get_engine
from significand.meters.latency import calls_per_timing, measure_round
from significand.plan.setup import Perceptron, Setup
from significand.results.journal import JOURNAL, read_journal
from significand.workload.mlp import TrainedPerceptron, initial_network, read_weights

STARTS = 9
ROUNDS = 15
JOBS = 3
STARTED = {
    "import significand": ["-c", "import significand"],
    "significand --help": ["-m", "significand", "--help"],
    "significand run --help": ["-m", "significand", "run", "--help"],
}
WATCHED = """
import time
from significand.present.terminal import progress

class Watched(progress.ProgressDisplay):
    measured = False

    def update(self, now):
        if now.share and not self.measured:
            self.measured = True
            print(time.time(), flush=True)
        super().update(now)

progress.ProgressDisplay = Watched
from significand.cli import program
import sys
sys.argv[1:] = ["run", "--output-dir", {folder!r}]
program()
"""
LARGE_JOB = """
from pathlib import Path
from significand.statistical_analysis import run_repeated_benchmarks
run_repeated_benchmarks([784, 512, 512, 10], ["relu", "relu", "softmax"], ["float32", "float16", "int8"],
    batch_size=128, n_samples=4096, epochs=2, repeats=2, seed=42, output_dir=Path({folder!r}))
"""


def main() -> None:
    """Measure everything and print a table of figures and targets."""
    bare_s = statistics.median(start_s("-c", "pass"))
    rows: list[tuple[str, float, float, float, str]] = [("bare interpreter, s", bare_s, bare_s, bare_s, "")]
    for what, words in STARTED.items():
        rows.append((f"{what}, beyond that, s", *spread([s - bare_s for s in start_s(*words)]), "<= 0.3"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs = [default_job(folder / f"default {k}") for k in range(JOBS)]
        rows.append(("default job: first sign of life, s", *spread([job.sign_s for job in jobs]), "<= 1"))
        rows.append(("default job: end of the first step, s", *spread([job.step_s for job in jobs]), "<= 5"))
        rows.append(("default job, s", *spread([job.wall_s for job in jobs]), "<= 20"))
        rows.append(("default job: share of it timed", *spread([job.timed_share for job in jobs]), ">= 0.6"))
        rows += inside(folder / "default 0")
        large_s = wall_s("-c", LARGE_JOB.format(folder=str(folder / "large")))
        rows.append(("784-512-512-10, 3 modes, 2 repeats, s", large_s, large_s, large_s, "<= 40"))
        for mode in ("float32", "int8"):
            ratios = latency_ratios(folder, mode)
            rows.append((f"latency / bare loop, {mode}", *spread(ratios), "0.95 to 1.05"))
    print(f"{'figure':<48}{'min':>10}{'median':>10}{'max':>10}  target")
    for name, low, middle, high, target in rows:
        print(f"{name:<48}{low:>10.4g}{middle:>10.4g}{high:>10.4g}  {target}")


@dataclass(frozen=True)
class Job:
    """When, from the command on, the default job said something, had measured a step and ended; and its share timed."""

    sign_s: float
    step_s: float
    wall_s: float
    timed_share: float


def default_job(folder: Path) -> Job:
    """Give the command, with its output in a pipe, and look at the clock."""
    begin = time.time()
    code = WATCHED.format(folder=str(folder))
    with subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        process.stderr.readline()
        sign_s = time.time() - begin
        out, _ = process.communicate()
    wall_s = time.time() - begin
    step_s = float(out.split()[0]) - begin
    timed_s = sum(run.timed_s for run in read_journal(folder / JOURNAL).runs)
    return Job(sign_s, step_s, wall_s, timed_s / wall_s)


def spread(values: list[float]) -> tuple[float, float, float]:
    """Return minimum, median and maximum."""
    return min(values), statistics.median(values), max(values)


def wall_s(*words: str) -> float:
    """Return how long a Python process takes."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def start_s(*words: str) -> list[float]:
    """Return how long several starts of the same process take, the first one not counted."""
    return [wall_s(*words) for _ in range(STARTS + 1)][1:]


def inside(folder: Path) -> list[tuple[str, float, float, float, str]]:
    """Return where the time of a finished experiment went."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    runs = [run for run in read_journal(folder / JOURNAL).runs if run.finished]
    first, *others = sorted(
        runs, key=lambda run: (run.repeat, manifest["experiment"]["precision_modes"].index(run.precision_mode))
    )
    blocks_s, measured_s, prepared_s = (manifest[key] for key in ("blocks_s", "measured_s", "prepared_s"))
    timed_s = sum(run.timed_s for run in runs)
    shares = {
        "timed: epochs and counted calls": (timed_s, ">= 0.70"),
        "warm-up calls, threads coming to rest": (measured_s - timed_s, ""),
        "preparing: data, warm-up, sessions": (prepared_s, ""),
        "forking, handing over, writing": (blocks_s - measured_s - prepared_s, ""),
    }
    return [
        ("  first process ready, ms", *[1e3 * first.ready_s] * 3, ""),
        ("  further processes ready, ms", *spread([1e3 * run.ready_s for run in others]), "<= 50"),
        *((f"  share {what}", *[part_s / blocks_s] * 3, target) for what, (part_s, target) in shares.items()),
    ]


def latency_ratios(folder: Path, mode: str) -> list[float]:
    """Return ratios of the reported latency to that of a bare loop over the same session, alternating."""
    layer_sizes, activations = (784, 512, 512, 10), ("relu", "relu", "softmax")
    network = Perceptron(layer_sizes, activations, "synthetic", 512, 0.2, 1, "sgd", 0.01, 0.9)
    setup = Setup(network, mode, "onnxruntime", batch_size=128, threads=2)
    engine = get_engine("onnxruntime")
    trained = TrainedPerceptron(network, read_weights(initial_network(layer_sizes, activations, seed=0)))
    batch = {"input": np.random.default_rng(0).normal(size=(128, 784)).astype(np.float32)}
    path = folder / f"{mode}.onnx"
    engine.save(trained, setup, batch, path)
    session = engine.open(path, setup)
    call = session.bind(batch)
    group = calls_per_timing(call)
    bare = bare_loop(session._session, batch)  # type: ignore[attr-defined]  # the very same session
    ratios = []
    for at in range(ROUNDS + 1):
        order: list[Callable[[], float]] = [lambda: float(measure_round(call, 0.1, group).mean()), bare]
        first, second = order if at % 2 else order[::-1]
        times = {first: first(), second: second()}
        ratios.append(times[order[0]] / times[order[1]])
    return ratios[1:]


def bare_loop(session: object, feed: dict[str, np.ndarray]) -> Callable[[], float]:
    """Return a loop over a session as anybody would write it: the mean time of a call, in seconds."""

    def loop() -> float:
        for _ in range(5):
            session.run(None, feed)  # type: ignore[attr-defined]  # ONNX Runtime has no types
        calls = 0
        start = time.perf_counter()
        while time.perf_counter() - start < 0.1:
            session.run(None, feed)  # type: ignore[attr-defined]
            calls += 1
        return (time.perf_counter() - start) / calls

    return loop


if __name__ == "__main__":
    main()
