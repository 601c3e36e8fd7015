"""A grid as people measure it, against its targets: engines x precisions x batch sizes x threads on digits, 3 repeats.

``python benchmarks/grid.py`` takes some six minutes on two cores. It measures the grid, then its smallest setup alone.
"""

import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import significand
from significand.analysis.intervals import mean_t

GRID = [
    *("--precision", "float32,float16,int8", "--engine", "onnxruntime,torch"),
    *("--batch-size", "8,32,128", "--threads", "1,2"),
]
ALONE = ["--precision", "float32", "--engine", "onnxruntime", "--batch-size", "8", "--threads", "1"]
SMALL = {"precision_mode": "float32", "engine": "onnxruntime", "batch_size": 8, "threads": 1}
LEAST_SHARE, MOST_MB = 0.6, 4000.0


def measured(folder: Path, words: list[str]) -> float:
    """Measure into a folder, three repeats; return the seconds of the command."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "significand", "run", "-q", "--repeats", "3", "--output-dir", str(folder), *words]
    subprocess.run(command, check=True)
    return time.perf_counter() - begin


def latencies_s(folder: Path) -> list[float]:
    """Return the latency of each run of the smallest setup."""
    runs = significand.load(folder).runs
    for column, value in SMALL.items():
        runs = runs.filter(runs[column] == value)
    return list(runs["inference_latency_per_sample_s"])


def main() -> None:
    """Measure and print each figure beside its target."""
    with tempfile.TemporaryDirectory() as name:
        grid, alone = Path(name) / "grid", Path(name) / "alone"
        wall_s = measured(grid, GRID)
        measured(alone, ALONE)
        runs = significand.load(grid).runs
        manifest = json.loads((grid / "manifest.json").read_text(encoding="utf-8"))
        in_grid, by_itself = latencies_s(grid), latencies_s(alone)
    setups = runs["setup"].n_unique()
    timed_s = float(runs["timed_s"].sum())
    print(f"{setups} setups x 3 repeats, {wall_s:.0f} s; failed: {(runs['status'] != 'finished').sum()}")
    print(f"{'figure':<44}{'value':>22}  target")
    print(f"{'share of the wall in timed epochs and calls':<44}{timed_s / wall_s:>22.2f}  >= {LEAST_SHARE}")
    print(f"{'memory of all processes, MB':<44}{manifest['memory_mb']:>22.0f}  <= {MOST_MB:.0f}")
    # Two sessions: the interval is that of Welch on logarithms, with the smaller number of degrees of freedom.
    difference = float(np.mean(np.log(in_grid)) - np.mean(np.log(by_itself)))
    half = math.hypot(*(t_half(np.log(values)) for values in (in_grid, by_itself)))
    low, high = math.exp(difference - half), math.exp(difference + half)
    text = f"{math.exp(difference):.3f} [{low:.3f}, {high:.3f}]"
    print(f"{'latency in the grid / alone':<44}{text:>22}  holds 1")


def t_half(values: np.ndarray) -> float:
    """Return half the width of Student's 95 % interval of a mean."""
    estimate = mean_t(values)
    return (estimate.high - estimate.low) / 2


if __name__ == "__main__":
    main()
