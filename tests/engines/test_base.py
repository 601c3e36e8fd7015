"""Behaviour common to all engines: `significand.testing` holds them to the protocol, and here is what it cannot ask."""

from pathlib import Path

import numpy as np
import pytest

from conftest import setup_of
from made_up_networks import feeds, normal, reference, written
from significand.engines.base import ENGINES, get_engine, runs
from significand.plan.options import ACTIVATIONS
from significand.testing import WORKLOADS, Check, checks_of

pytestmark = pytest.mark.slow

COMPILING = "torch-compile"
"""Takes seconds for every shape of every network: it is tried on one, which has all kinds of inputs and outputs, and in
16 bits on another one."""

FURTHER = (
    ("onnxruntime", ("cnn", "encoder"), "int8"),
    ("openvino", ("cnn", "encoder"), "int8"),
    ("onnxruntime", ("perceptron",), "int8:percentile"),
    ("openvino", ("perceptron",), "int8:nncf"),
    (COMPILING, ("perceptron",), "bfloat16"),
)
"""Engines, networks and modes that are tried beyond every mode on the perceptron and float32 on every network."""

OF_ONE_BATCH = ("agrees_with_the_yardstick", "is_no_finer_than_it_says", "finds_the_products")


def workloads(engine: str) -> list[str]:
    """Return the networks on which an engine is tried."""
    if engine == COMPILING:
        return ["several"]
    return [name for name in WORKLOADS if name != "onnx-file" or not ENGINES[engine].needs_module]


CHECKS = [
    check
    for engine in ENGINES
    for check in checks_of(engine, workloads=workloads(engine), modes=["float32"] if engine == COMPILING else None)
] + [
    check
    for engine, names, mode in FURTHER
    for check in checks_of(engine, workloads=names, modes=[mode])
    # Its processes have been looked at, and to compile once is enough.
    if f"-{mode}-" in check.name and (engine != COMPILING or check.name.rpartition("-")[2] in OF_ONE_BATCH)
]


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_every_engine_keeps_the_protocol(check: Check) -> None:
    """Each check of the kit holds; its own sentence says of what."""
    check()


@pytest.mark.parametrize("at", range(0, len(ACTIVATIONS), 3))
@pytest.mark.parametrize("engine_name", [name for name in ENGINES if name != COMPILING])
def test_every_engine_runs_every_activation(engine_name: str, at: int, tmp_path: Path) -> None:
    """Three in a perceptron give what its weights give in float64; more layers would hide a wrong one."""
    activations = tuple(ACTIVATIONS[at : at + 3])
    setup = setup_of((64, *(48 for _ in activations[1:]), 5), activations, "float32", engine_name)
    x, engine = normal(200, 64), get_engine(engine_name)
    (outputs,) = engine.open(written(engine, setup, tmp_path, x), setup).predict(feeds(x))
    expected = reference(setup, x)
    assert np.linalg.norm(outputs - expected) < 1e-5 * np.linalg.norm(expected)


def test_an_engine_runs_its_modes_and_the_variants_that_it_names() -> None:
    """A variant of a mode that it runs may be none of its; an engine that is not there runs nothing."""
    assert runs("onnxruntime", "int8")
    assert runs("onnxruntime", "int8:minmax")
    assert not runs("torch", "int8:minmax")
    assert not runs("onnxruntime", "int8:nncf")
    assert not runs("abacus", "float32")
