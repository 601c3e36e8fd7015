"""Behaviour of the witness: the file that is measured, without optimisations."""

import functools
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import setup_of
from made_up_networks import feeds, normal, written
from made_up_saturating import cnn, encoder, perceptron, quantised
from significand.analysis.rounding import check_witness
from significand.engines.base import get_engine
from significand.engines.onnx_runtime import OnnxRuntimeEngine
from significand.measure.witness import Witness, witness
from significand.meters.machine import cpu_flags, instruction_sets
from significand.workload.arrays import Arrays

pytestmark = pytest.mark.slow

Write = Callable[..., tuple[int, ...]]

KINDS: dict[str, Write] = {
    "tanh": functools.partial(perceptron, hidden="Tanh", last=None),
    "relu": functools.partial(perceptron, hidden="Relu", last=None),
    "softmax": functools.partial(perceptron, hidden="Sigmoid", last="Softmax"),
    "cnn": cnn,
    "encoder": encoder,
}
SEEDS = range(4)  # of five kinds, 20 networks

SATURATES = "vnni" not in instruction_sets(cpu_flags())
INT8 = setup_of((64, 64, 10), ("relu", "softmax"), "int8")


def heard(kind: str, seed: int, folder: Path, *, planted: bool) -> Witness:
    """Return what the witness says of a network: one with weights of 8 bits that saturate, or a right one of 7."""
    source, target = folder / "float32.onnx", folder / "int8.onnx"
    shape = KINDS[kind](source, seed=seed, saturates=planted)
    return witness(INT8, Arrays({"input": quantised(source, target, shape, seed, reduce_range=not planted)}), target)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_right_session_is_not_flagged(kind: str, seed: int, tmp_path: Path) -> None:
    """With weights of 7 bits no sum can leave 16, and outputs differ by less than moved scales explain."""
    said = heard(kind, seed, tmp_path, planted=False)
    assert 0 <= said.error < 0.02
    assert not said.may_saturate
    assert check_witness(said.error, said.control, may_saturate=True) == ""


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_saturating_session_is_flagged(kind: str, seed: int, tmp_path: Path) -> None:
    """On a CPU that sums products of bytes in 16 bits; on any other the same network is right, and is not flagged."""
    said = heard(kind, seed, tmp_path, planted=True)
    assert said.may_saturate
    flag = check_witness(said.error, said.control, may_saturate=True)
    assert ("sums of 8-bit products saturate on this CPU" in flag) == SATURATES


@pytest.mark.parametrize("mode", ["float32", "int8-dynamic", "int8-weights", "int4"])
def test_only_files_with_scales_of_operands_have_a_witness(mode: str, tmp_path: Path) -> None:
    """Where nothing is quantised beforehand on both sides of a product there is no number, and no flag."""
    setup, x = replace(INT8, precision=mode), normal(64, 64)
    said = witness(setup, Arrays(feeds(x)), written(get_engine("onnxruntime"), setup, tmp_path, x))
    assert math.isnan(said.error)
    assert math.isnan(said.control)
    assert check_witness(said.error, said.control, may_saturate=True) == ""


def test_a_witness_that_cannot_be_had_fails_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file cannot be opened without optimisations there is no number."""

    def broken(*_: object) -> None:
        raise RuntimeError("no kernel without fusion")

    x = normal(64, 64)
    path = written(get_engine("onnxruntime"), INT8, tmp_path, x)
    monkeypatch.setattr(OnnxRuntimeEngine, "witness", broken)
    assert math.isnan(witness(INT8, Arrays(feeds(x)), path).error)


def test_moved_scales_are_those_of_the_witness_alone(tmp_path: Path) -> None:
    """Moving them changes the outputs, alike each time, and leaves the file as it was."""
    x = normal(64, 64)
    path = written(get_engine("onnxruntime"), INT8, tmp_path, x)
    before = path.read_bytes()
    engine = OnnxRuntimeEngine()
    (plain,), (moved,), (again,) = (engine.witness(path, INT8, by).predict(feeds(x)) for by in (0.0, 0.01, 0.01))
    assert 1e-4 < np.linalg.norm(moved - plain) / np.linalg.norm(plain) < 0.1
    assert np.array_equal(moved, again)
    assert path.read_bytes() == before
