"""Other benchmarking tools, and how each measures and compares as its documentation says.

Nothing is installed beside significand: `environment` makes a virtual environment with pyperf, pytest-benchmark and
torch, in the versions of constraints.txt where they stand there.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from significand.engines.base import get_engine
from significand.plan.setup import Perceptron, Setup
from significand.workload.mlp import TrainedPerceptron, initial_network, read_weights

HERE = Path(__file__).parent
CONSTRAINTS = HERE.parent / "constraints.txt"
PACKAGES = ("pyperf", "pytest-benchmark", "torch", "onnxruntime", "numpy")
PYPERF_DIFFERS = "Significant"
"""What ``pyperf compare_to --verbose`` says of a difference; else it says "Not significant!"."""


@dataclass(frozen=True)
class Measured:
    """What a tool found of one callable, in seconds.

    Attributes
    ----------
    values_s
        Its values, or what it keeps of them.
    reported_s
        The time of a call that it reports.
    calls
        Calls behind that.
    wall_s
        How long measuring took.
    bare_s
        Time of a call in a plain loop in the same process.
    """

    values_s: Sequence[float]
    reported_s: float
    calls: int = 0
    wall_s: float = math.nan
    bare_s: float = math.nan


def environment(folder: Path) -> Path:
    """Return the Python of the other tools' environment, which is made where it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-c", str(CONSTRAINTS), *PACKAGES], check=True)
    return python


def versions(python: Path) -> str:
    """Return which versions stand in the environment."""
    code = "import importlib.metadata as m, sys; print(', '.join(f'{p} {m.version(p)}' for p in sys.argv[1:]))"
    return _output(python, "-c", code, *PACKAGES).strip()


def write_network(path: Path, layer_sizes: tuple[int, ...]) -> None:
    """Write a float32 network of random weights as an ONNX file."""
    activations = ("relu",) * (len(layer_sizes) - 2) + ("softmax",)
    network = Perceptron(layer_sizes, activations, "synthetic", 512, 0.2, 1, "sgd", 0.01, 0.9)
    setup = Setup(network, "float32", "onnxruntime", batch_size=1, threads=1)
    trained = TrainedPerceptron(network, read_weights(initial_network(layer_sizes, activations, seed=0)))
    calibration = {"input": np.zeros((1, layer_sizes[0]), dtype=np.float32)}
    get_engine("onnxruntime").save(trained, setup, calibration, path)


def measure_torch(python: Path, calls: Sequence[str], threads: int) -> list[Measured]:
    """Measure with ``torch.utils.benchmark.Timer.blocked_autorange``, all in one process; it reports the median."""
    found = json.loads(_output(python, str(HERE / "rival_torch.py"), str(threads), *calls))
    return [
        Measured(one["times_s"], float(np.median(one["times_s"])), one["calls"], one["wall_s"], one["bare_s"])
        for one in found
    ]


def torch_differs(first: Measured, second: Measured) -> bool:
    """Tell whether the interquartile ranges are apart: the range is what a `Measurement` shows as its uncertainty."""
    lows, highs = zip(*(np.percentile(one.values_s, [25, 75]) for one in (first, second)), strict=True)
    return bool(max(lows) > min(highs))


def measure_pytest(python: Path, calls: Sequence[str]) -> list[Measured]:
    """Measure with pytest-benchmark's fixture, all in one session; values are not kept by default."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "found.json"
        # Away from the project's own settings of pytest.
        place = ("-c", os.devnull, "--rootdir", name, "-p", "no:cacheprovider")
        words = ("-m", "pytest", "-q", *place, f"--benchmark-json={path}", str(HERE / "rival_pytest.py"))
        _output(python, *words, RIVAL_CALLS=" ".join(calls))
        found = json.loads(path.read_text(encoding="utf-8"))["benchmarks"]
    found.sort(key=lambda one: one["extra_info"]["place"])
    return [
        Measured(
            (),
            one["stats"]["mean"],
            one["stats"]["rounds"] * one["stats"]["iterations"],
            one["extra_info"]["wall_s"],
            one["extra_info"]["bare_s"],
        )
        for one in found
    ]


def pytest_differs(first: Measured, second: Measured, share: float) -> bool:
    """Tell whether the means differ by more than a share: ``--benchmark-compare-fail=mean:1%``, in both directions."""
    ratio = second.reported_s / first.reported_s
    return ratio > 1 + share or 1 / ratio > 1 + share


def measure_pyperf(python: Path, call: str, path: Path, *options: str) -> Measured:
    """Measure with ``pyperf timeit``, by default 20 processes of 3 values each, and keep its file."""
    words = ("--inherit-environ=PYTHONPATH", "--quiet", "-o", str(path), *options)
    _output(python, "-m", "pyperf", "timeit", *words, "-s", f"from rival_calls import make; f = make({call!r})", "f()")
    runs = json.loads(path.read_text(encoding="utf-8"))["benchmarks"][0]["runs"]
    # Runs without values calibrate. A process's mean is its value: those of one process are alike.
    values_s = [float(np.mean(run["values"])) for run in runs if "values" in run]
    return Measured(values_s, float(np.mean(values_s)))


def pyperf_differs(python: Path, first: Path, second: Path) -> bool:
    """Tell what ``pyperf compare_to`` says: a two-sided t test at 95 % over all values."""
    return PYPERF_DIFFERS in _output(python, "-m", "pyperf", "compare_to", "--verbose", str(first), str(second))


def _output(python: Path, *words: str, **variables: str) -> str:
    """Run a Python process with the callables at hand, and return what it printed; its complaint where it fails."""
    surroundings = {**os.environ, "PYTHONPATH": str(HERE), **variables}
    done = subprocess.run([python, *words], capture_output=True, text=True, env=surroundings, check=False)
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(map(str, words[:3]))} ended with {done.returncode}: {done.stderr or done.stdout}"
        )
    return done.stdout
