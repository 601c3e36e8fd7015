"""Behaviour of calibration: which examples a network sees at once, and what ranges come of them."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from significand.engines.onnx_calibrate import ENTROPY_BINS, METHODS, batches, ranges
from significand.workload.arrays import BATCH, BATCH_BYTES, Feeds

# ruff: isort: split
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, create_calibrator

pytestmark = pytest.mark.slow


def inputs(**shapes: list[int | str]) -> list[onnx.ValueInfoProto]:
    """Return inputs of these shapes."""
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]


def seen(examples: Feeds, taken: list[onnx.ValueInfoProto], name: str) -> list[list[int]]:
    """Return for each batch which examples are in it: their values are their numbers."""
    return [batch[name].reshape(len(batch[name]), -1)[:, 0].astype(int).tolist() for batch in batches(examples, taken)]


def numbered(n: int, *shape: int) -> np.ndarray:
    """Return n examples of a shape, all values of each its number."""
    return np.broadcast_to(np.arange(n, dtype=np.float32).reshape(n, *(1 for _ in shape)), (n, *shape))


def test_every_example_is_seen_once() -> None:
    """In batches of a few dozen, the last of what is left."""
    found = seen({"x": numbered(100, 3)}, inputs(x=["n", 3]), "x")
    assert [row for rows in found for row in rows] == list(range(100))
    assert [len(rows) for rows in found] == [BATCH, BATCH, BATCH, 100 - 3 * BATCH]


@pytest.mark.parametrize(("pixels", "size"), [(100_000, 2), (1_000_000, 1)])
def test_large_examples_come_in_small_batches(pixels: int, size: int) -> None:
    """Values between layers are many times as large as inputs: of images few are seen at once, at least one."""
    assert 4 * pixels * (size + 1) > BATCH_BYTES
    assert {len(rows) for rows in seen({"x": numbered(4, pixels)}, inputs(x=["n", pixels]), "x")} == {size}


def test_a_fixed_batch_is_filled_with_the_first() -> None:
    """A network that takes three at a time gets three, and every example is among them."""
    assert seen({"x": numbered(7, 2)}, inputs(x=[3, 2]), "x") == [[0, 1, 2], [3, 4, 5], [6, 0, 1]]


def test_a_state_is_that_of_its_example() -> None:
    """Where an input has no axis of examples, each is seen alone, with its own."""
    found = list(batches({"x": numbered(3, 2), "h": numbered(3, 5)}, inputs(x=["n", 2], h=[5])))
    assert [(batch["x"].shape, batch["h"].tolist()) for batch in found] == [((1, 2), 5 * [k]) for k in range(3)]


@pytest.mark.parametrize("method", METHODS)
def test_ranges_are_those_of_all_batches(tmp_path: Path, method: str) -> None:
    """A value far off, in the last and smaller batch, ends the range from minimum to maximum, and no other."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in "xy"]
    graph = helper.make_graph(
        nodes, "g", ends[:1], ends[1:], [numpy_helper.from_array(np.eye(4, dtype=np.float32), "w")]
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "a.onnx")
    x = np.random.default_rng(0).standard_normal((20 * BATCH + 1, 4)).astype(np.float32)
    x[:, 0] = np.abs(x[:, 0])
    x[-1, 1] = 12
    low, high = (
        float(np.squeeze(end))
        for end in ranges(tmp_path / "a.onnx", {"x": x}, method, ["MatMul"], tmp_path).data["x"].range_value
    )
    assert x.min() <= low < -2
    assert (high == 12) if method == "minmax" else (2 < high < 12)


class Examples(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime has no types
    """All examples, as a user of ONNX Runtime gives them."""

    def __init__(self, x: np.ndarray) -> None:
        self._left = [{"x": x}]

    def get_next(self) -> Feeds | None:
        """Return them, then None."""
        return self._left.pop() if self._left else None


def convolutions(path: Path) -> None:
    """Write two convolutions with what ONNX Runtime joins with them."""
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32) / 10, name)
        for name, shape in {"v": (16, 3, 3, 3), "w": (16, 16, 3, 3)}.items()
    ]
    nodes = [
        helper.make_node("Conv", ["x", "v"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["b", "c"], ["d"]),
        helper.make_node("Relu", ["d"], ["y"]),
    ]
    ends = inputs(x=["n", 3, 24, 24], y=["n", 16, 24, 24])
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


THEIR_METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}


@pytest.mark.parametrize("method", METHODS)
def test_optimisations_leave_ranges_as_they_are(tmp_path: Path, method: str) -> None:
    """They are those of ONNX Runtime's own calibrator, which computes without any, to the rounding of float32 sums."""
    convolutions(tmp_path / "a.onnx")
    x = np.random.default_rng(1).standard_normal((40, 3, 24, 24)).astype(np.float32)
    theirs = create_calibrator(
        tmp_path / "a.onnx",
        ["Conv"],
        str(tmp_path / "theirs.onnx"),
        THEIR_METHODS[method],
        extra_options={"num_bins": ENTROPY_BINS} if method == "entropy" else {},
    )
    theirs.collect_data(Examples(x))
    expected = theirs.compute_data().data
    found = ranges(tmp_path / "a.onnx", {"x": x}, method, ["Conv"], tmp_path).data
    assert found.keys() == expected.keys() == {"x", "a", "b", "c"}
    for name, one in expected.items():
        low, high = map(float, np.ravel(one.range_value))
        # Histograms are of bins, which depend on the batches.
        most = 1e-5 if method == "minmax" else 0.02
        assert np.allclose(np.ravel(found[name].range_value), (low, high), rtol=0, atol=most * (high - low))
