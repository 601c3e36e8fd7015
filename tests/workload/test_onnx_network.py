"""Behaviour of an ONNX file as what is measured, from the file to a session."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from significand.engines.onnx_quantise import quantise_static
from significand.engines.onnx_runtime import ENGINE
from significand.engines.operators import shares
from significand.plan.setup import Network, Setup
from significand.workload.base import PRODUCTS
from significand.workload.examined import Examined, ProgramError
from significand.workload.onnx_network import OnnxMaterial
from significand.workload.trial_onnx import examine_file

pytestmark = pytest.mark.slow

WEIGHTS = np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32)


def product(folder: Path, *, external: bool = False, batch: int | str = "batch") -> Path:
    """Write a file with one matrix product, perhaps with the weights beside it."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], "product")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 4])],
        [numpy_helper.from_array(WEIGHTS, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    path = folder / "mine.onnx"
    onnx.save(model, path, save_as_external_data=external, location="weights.bin", size_threshold=0)
    return path


def opened(path: Path, folder: Path, precision: str = "float32") -> tuple[OnnxMaterial, Examined, Path, Setup]:
    """Examine a file, and have the engine write it in a precision."""
    workload = Network(str(path), None, None, 0.5, 0, "sgd", 0.0, 0.0)
    (folder / "examined").mkdir()
    examined = examine_file(path, folder / "examined", None, (), 0)
    examined.write(folder / "examined")
    material = OnnxMaterial(workload, folder / "examined")
    setup = Setup(workload, precision, "onnxruntime", examined.fixed_batch or 8, 1)
    target = folder / "network.onnx"
    ENGINE.save(material.untrained(setup, 0), setup, material.split(0).train.inputs.by_name, target)
    return material, examined, target, setup


@pytest.mark.parametrize("external", [False, True])
@pytest.mark.parametrize(("precision", "error"), [("float32", 1e-6), ("float16", 1e-2), ("int8", 0.3)])
def test_a_session_computes_the_files_product(tmp_path: Path, precision: str, error: float, *, external: bool) -> None:
    """Wherever the file keeps its weights, each mode gives the product to its accuracy, and says what it ran in."""
    material, _, path, setup = opened(product(tmp_path, external=external), tmp_path, precision)
    inputs = material.split(0).test.inputs
    (outputs,) = ENGINE.open(path, setup).predict(inputs.by_name)
    exact = inputs.by_name["x"].astype(float) @ WEIGHTS.astype(float)
    assert np.linalg.norm(outputs - exact) < error * np.linalg.norm(exact)
    assert shares(ENGINE.computes_in(path, setup, inputs.by_name)).keys() <= {precision, "float32"}
    (reference,) = material.untrained(setup, 0).reference(inputs)
    assert np.allclose(reference, exact, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_fixed_batch_is_found(tmp_path: Path, precision: str) -> None:
    """A file that takes one example at a time is examined, calibrated, and its yardstick computed, one at a time."""
    material, examined, path, setup = opened(product(tmp_path, batch=1), tmp_path, precision)
    assert examined.fixed_batch == 1
    assert "the file takes batches of 1 only" in examined.notes
    inputs = material.split(0).test.inputs
    (reference,) = material.untrained(setup, 0).reference(inputs)
    assert len(reference) == len(inputs)
    (one,) = ENGINE.open(path, setup).predict(inputs.take(slice(1)).by_name)
    assert np.linalg.norm(one - reference[:1]) < 0.3 * np.linalg.norm(reference[:1])


def test_a_quantised_file_is_measured_as_it_is(tmp_path: Path) -> None:
    """It is recognised, and what the engine writes are its own bytes, quantised once."""
    plain = product(tmp_path)
    quantised = tmp_path / "quantised.onnx"
    examples = {"x": np.random.default_rng(1).normal(size=(64, 16)).astype(np.float32)}
    quantise_static(plain, quantised, examples, reduce_range=True, types=PRODUCTS)
    _, examined, path, _ = opened(quantised, tmp_path, "int8")
    assert examined.quantised == "int8"
    assert path.read_bytes() == quantised.read_bytes()


@pytest.mark.parametrize("changed", ["mine.onnx", "weights.bin"])
def test_a_file_that_changed_is_another_network(tmp_path: Path, changed: str) -> None:
    """A run that would take it says which file it is, and what to do; so does its yardstick."""
    material, _, _, setup = opened(product(tmp_path, external=True), tmp_path)
    inputs = material.split(0).test.inputs
    (tmp_path / changed).write_bytes((tmp_path / changed).read_bytes()[:-1])
    network = material.untrained(setup, 0)
    (tmp_path / "again").mkdir()
    for use in (lambda: network.onnx_file(tmp_path / "again"), lambda: network.reference(inputs)):
        with pytest.raises(ProgramError, match=f"^{changed} has changed since the experiment began: .* start anew"):
            use()
