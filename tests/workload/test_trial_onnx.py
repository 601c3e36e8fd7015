"""Behaviour of trying an ONNX file on its data."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from significand.workload.examined import Examined
from significand.workload.onnx_file import OnnxFileError
from significand.workload.trial_onnx import examine_file

X = np.random.default_rng(1).normal(size=(40, 4)).astype(np.float32)
TABLE = numpy_helper.from_array(X[:8, :3].copy(), "table")

NETWORKS: dict[str, tuple[list[onnx.NodeProto], list[str | int | None]]] = {
    "Relu": ([helper.make_node("Relu", ["x"], ["out"])], ["n", 4]),
    "Log": ([helper.make_node("Log", ["x"], ["out"])], ["n", 4]),
    "mean of all": ([helper.make_node("ReduceMean", ["x"], ["out"], keepdims=0)], []),
    "mean of the batch": ([helper.make_node("ReduceMean", ["x"], ["out"], axes=[0])], [1, 4]),
    "table": (
        [
            helper.make_node("Cast", ["x"], ["ids"], to=TensorProto.INT64),
            helper.make_node("Gather", ["table", "ids"], ["rows"]),
            helper.make_node("ReduceMean", ["rows"], ["out"], axes=[1], keepdims=0),
        ],
        ["n", 3],
    ),
}


def tried(folder: Path, name: str, **arrays: NDArray[Any]) -> Examined:
    """Examine a network with data, or with made-up inputs."""
    nodes, shape = NETWORKS[name]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])]
    outputs = [helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, [TABLE])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, folder / "net.onnx")
    np.savez(folder / "data.npz", **arrays)  # type: ignore[arg-type]  # none is called allow_pickle
    (folder / "out").mkdir()
    return examine_file(folder / "net.onnx", folder / "out", folder / "data.npz" if arrays else None, (), 1)


def test_a_network_that_fits_its_data_is_described(tmp_path: Path) -> None:
    """What comes out, and how it is scored."""
    found = tried(tmp_path, "Relu", x=X, y=np.arange(40) % 4)
    assert (found.n_train, found.score, found.classes, found.made_up) == (40, "accuracy", 4, False)
    assert found.outputs == (((4,), "float64"),)
    assert found.notes == ()


FAR = np.zeros((3000, 4), np.float32)
FAR[1777, 2] = 99


@pytest.mark.parametrize(
    ("name", "arrays", "told"),
    [
        ("mean of all", {}, "its output 'out' is a single number, and not one for each example"),
        ("mean of the batch", {}, "its output 'out' is of shape (1, 4) for 32 examples; they are to be the first axis"),
        ("Log", {"x": X}, "gives NaN on"),
        ("table", {"x": FAR}, "does not run on its data: Non-zero status code returned while running Gather"),
        ("Relu", {"x": X, "y": np.ones((40, 4), np.float32)}, "y: all targets are the same"),
        ("Relu", {"x": X[:1]}, "has 1 example; at least 2 are needed"),
        ("Relu", {"x": X, "y": np.arange(40)}, "y: the class 4 is none of the output's 0 to 3"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(
    tmp_path: Path, name: str, arrays: dict[str, NDArray[Any]], told: str
) -> None:
    """The examples with extreme values are tried, so that an index beyond a table is found wherever it is."""
    with pytest.raises(OnnxFileError) as caught:
        tried(tmp_path, name, **arrays)
    [line] = caught.value.problems
    assert told in line
    assert "\n" not in line


def test_nan_on_made_up_inputs_is_a_note(tmp_path: Path) -> None:
    """The inputs are to blame, and time is real."""
    assert "the network gives NaN on these inputs" in tried(tmp_path, "Log").notes
