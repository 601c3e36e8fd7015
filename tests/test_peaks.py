"""Tests of the memory that phases need."""

import functools
import itertools
import subprocess
import sys

import pytest

MB = 1e6
SIZES = (784, 1024, 1024, 10)
BATCH = 32
WEIGHTS_MB = 4 * sum(inputs * outputs + outputs for inputs, outputs in itertools.pairwise(SIZES)) / MB
ACTIVATIONS_MB = 4 * BATCH * sum(2 * units for units in SIZES[1:]) / MB
"""Before and after the activation function."""


@functools.cache
def peaks(mode: str, engine: str = "onnxruntime", optimizer: str = "sgd", momentum: float = 0.9) -> dict[str, float]:
    """Return training, inference and conversion peak of a run, as a run's process finds them."""
    code = f"""
from significand.benchmark import benchmark_one_setup
from significand.runner.worker import in_own_process
row = benchmark_one_setup(
    {SIZES}, ("relu", "relu", "softmax"), {mode!r}, {BATCH}, 300, 1, 1, engine={engine!r}, optimizer={optimizer!r},
    momentum={momentum}, latency_rounds=1, round_duration_s=0.001, on_noise="mark", isolate=in_own_process,
)
for phase in ("training", "inference", "conversion"):
    print(phase, row[phase + "_peak_memory_mb"])
"""
    # Not a fork of this process: what pytest holds or frees would blur the numbers.
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {words[0]: float(words[1]) for words in map(str.split, done.stdout.splitlines())}


@pytest.mark.parametrize(
    ("optimizer", "momentum", "copies"),
    [("sgd", 0.0, 2), ("sgd", 0.9, 3), ("adam", 0.0, 4)],
    ids=["weights, gradients", "and momentum", "and two moments"],
)
def test_training_needs_what_its_arithmetic_says(optimizer: str, momentum: float, copies: int) -> None:
    """In float32: the weights, as much for gradients and for each state of the optimizer, and the activations."""
    found_mb = peaks("float32", optimizer=optimizer, momentum=momentum)["training"]
    # Adam's update of a layer holds up to two arrays of its size besides, and so does none of the smaller layers.
    largest_mb = 4 * 1024 * 1024 / MB
    most_mb = copies * WEIGHTS_MB + 2 * ACTIVATIONS_MB + (2 * largest_mb if optimizer == "adam" else 0)
    assert copies * WEIGHTS_MB < found_mb < 1.05 * most_mb + 0.5


def test_float64_trains_in_twice_the_memory_of_float32() -> None:
    """Twice the bytes a number, twice the memory; the data, which are larger too, do not count."""
    ratio = peaks("float64", "torch")["training"] / peaks("float32", "torch")["training"]
    assert ratio == pytest.approx(2, rel=0.05)


def test_modes_that_train_alike_need_the_same() -> None:
    """int8 trains in float32: two processes find the same peak, within what a few pages make."""
    assert peaks("int8")["training"] == pytest.approx(peaks("float32")["training"], rel=0.05)


@pytest.mark.parametrize(("mode", "size"), [("float32", 4), ("int8", 1)])
def test_inference_needs_what_the_engine_holds(mode: str, size: int) -> None:
    """ONNX Runtime holds every weight once, and while it packs them for its kernels some of them twice.

    Finding out the format and judging the data are no part of it: the optimised graph would hold them twice more.
    """
    weights_mb = size / 4 * WEIGHTS_MB
    assert weights_mb < peaks(mode)["inference"] < 2.2 * weights_mb + 0.5


def test_conversion_counts_by_itself() -> None:
    """The float network that conversion to int8 holds is no part of what int8 needs to infer."""
    assert peaks("int8")["conversion"] > WEIGHTS_MB > 1.5 * peaks("int8")["inference"]
