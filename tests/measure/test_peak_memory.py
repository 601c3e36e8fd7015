"""Tests of the memory that phases need."""

import functools
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import small_experiment
from made_up_networks import written, xy
from significand.engines.base import get_engine
from significand.measure.peak_memory import measure_peaks
from significand.meters.memory import PeakMemory
from significand.workload.material import material_of

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parents[1]

MB = 1e6
SIZES = (784, 1024, 1024, 10)
BATCH = 32
WEIGHTS_MB = 4 * sum(inputs * outputs + outputs for inputs, outputs in itertools.pairwise(SIZES)) / MB
ACTIVATIONS_MB = 4 * BATCH * sum(2 * units for units in SIZES[1:]) / MB
"""Before and after the activation function."""


MEASURING = """
import json, os, sys
import torch  # as a run's parent has, before it forks
from conftest import small_experiment
from significand.engines.base import get_engine
from significand.measure.run import measure
from significand.meters.counters import EnergyPlan
from significand.runner.worker import in_own_process
from significand.workload.material import material_of

def peaks(hole_mb, fields):
    blocks = [bytearray(b"1") * 1_000_000 * (hole_mb if k % 2 else 1) for k in range(5)]
    bytearray(b"1") * 30_000_000
    more = [bytearray(b"1") * 1_000_000 * (hole_mb if k % 2 else 1) for k in range(5)]
    more[1] = more[3] = None
    experiment = small_experiment(**fields)
    (setup,) = experiment.setups()
    material = material_of(setup.workload, None)
    return dict(measure(setup, experiment.protocol, 1, material, EnergyPlan(12.0), isolate=in_own_process).values)

for engine in ("onnxruntime", "torch"):
    get_engine(engine)
for line in sys.stdin:
    found = in_own_process("the run", lambda: peaks(*json.loads(line)))
    print(json.dumps({phase: found[phase + "_peak_memory_mb"] for phase in ("training", "inference", "conversion")}))
    sys.stdout.flush()
"""
"""A program that measures what it reads, each time in a fork: not one of this process, as what pytest holds or frees
would blur the numbers."""

Peaks = Callable[..., dict[str, float]]


@pytest.fixture(scope="module")
def peaks() -> Iterator[Peaks]:
    """Return what gives training, inference and conversion peak of a run, as a run's process finds them.

    With a `hole_mb`, that process has freed so much between blocks that it keeps.
    """
    with subprocess.Popen(
        [sys.executable, "-c", MEASURING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=TESTS
    ) as process:
        assert process.stdin
        assert process.stdout
        questions, answers = process.stdin, process.stdout

        @functools.cache
        def ask(mode: str, engine: str = "onnxruntime", hole_mb: int = 0, **changes: object) -> dict[str, float]:
            fields: dict[str, object] = {
                "layer_sizes": SIZES,
                "activations": ["relu", "relu", "softmax"],
                "precision_modes": [mode],
                "engine": engine,
                "batch_size": BATCH,
                "n_samples": 300,
                "epochs": 1,
                "threads": 1,
                "latency_rounds": 1,
                "round_duration_s": 0.001,
            }
            print(json.dumps([hole_mb, fields | changes]), file=questions, flush=True)
            found: dict[str, float] = json.loads(answers.readline())
            return found

        yield ask


@pytest.mark.parametrize(
    ("optimizer", "momentum", "copies"),
    [("sgd", 0.0, 2), ("sgd", 0.9, 3), ("adam", 0.0, 4)],
    ids=["weights, gradients", "and momentum", "and two moments"],
)
def test_training_needs_what_its_arithmetic_says(optimizer: str, momentum: float, copies: int, peaks: Peaks) -> None:
    """In float32: the weights, as much for gradients and for each state of the optimizer, and the activations."""
    found_mb = peaks("float32", optimizer=optimizer, momentum=momentum)["training"]
    # Adam's update of a layer holds up to two arrays of its size besides, and so does none of the smaller layers.
    largest_mb = 4 * 1024 * 1024 / MB
    most_mb = copies * WEIGHTS_MB + 2 * ACTIVATIONS_MB + (2 * largest_mb if optimizer == "adam" else 0)
    assert copies * WEIGHTS_MB < found_mb < 1.05 * most_mb + 0.5


def test_float64_trains_in_twice_the_memory_of_float32(peaks: Peaks) -> None:
    """Twice the bytes a number, twice the memory; the data, which are larger too, do not count."""
    ratio = peaks("float64", "torch")["training"] / peaks("float32", "torch")["training"]
    assert ratio == pytest.approx(2, rel=0.05)


def test_modes_that_train_alike_need_the_same(peaks: Peaks) -> None:
    """int8 trains in float32: two processes find the same peak, within what a few pages make."""
    assert peaks("int8")["training"] == pytest.approx(peaks("float32")["training"], rel=0.05)


@pytest.mark.parametrize(("mode", "size"), [("float32", 4), ("int8", 1)])
def test_inference_needs_what_the_engine_holds(mode: str, size: int, peaks: Peaks) -> None:
    """ONNX Runtime holds every weight once, and while it packs them for its kernels some of them twice.

    Finding out the format and judging the data are no part of it: the optimised graph would hold them twice more.
    """
    weights_mb = size / 4 * WEIGHTS_MB
    assert weights_mb < peaks(mode)["inference"] < 2.2 * weights_mb + 0.5


@pytest.mark.parametrize("mode", ["float32", "float16", "int8"])
def test_what_the_process_held_before_does_not_matter(mode: str, peaks: Peaks) -> None:
    """Free blocks of a parent's heap neither hide what the network needs, nor stay resident in addition."""
    clean, torn = peaks(mode), peaks(mode, hole_mb=6)
    assert torn["inference"] == pytest.approx(clean["inference"], rel=0.05)
    assert torn["training"] == pytest.approx(clean["training"], rel=0.05)


def test_epochs_of_one_step_need_what_longer_ones_do(peaks: Peaks) -> None:
    """The optimizer's state is there from the second step on, which may be the second epoch's."""
    activations_mb = ACTIVATIONS_MB * 300 / BATCH
    one, several = peaks("float32", batch_size=300, epochs=3)["training"], peaks("float32")["training"]
    assert several < one < several + 2 * activations_mb


def test_where_the_mark_only_rises_the_first_use_is_the_one_that_counts(tmp_path: Path) -> None:
    """A rehearsal would have raised a mark that cannot be reset: there, each phase is done once."""
    done: list[str] = []

    @contextmanager
    def settled() -> Iterator[None]:
        done.append("settled")
        yield

    class Rising(PeakMemory):
        def __init__(self) -> None:
            super().__init__(tmp_path / "no proc here", lambda: 1, lambda: 1)
            done.append("meter")

    setup = small_experiment(epochs=1).setups()[0]
    material = material_of(setup.workload, None)
    split = material.split(1)
    path = written(get_engine(setup.engine), setup, tmp_path, xy(split.train)[0])
    found = measure_peaks(material, setup, 1, split, path, settled, Rising)
    assert found.memory_method == "high-water mark, not reset"
    assert done == ["meter", "settled", "meter", "settled", "meter"]


def test_conversion_counts_by_itself(peaks: Peaks) -> None:
    """The float network that conversion to int8 holds is no part of what int8 needs to infer."""
    assert peaks("int8")["conversion"] > WEIGHTS_MB > 1.5 * peaks("int8")["inference"]
