"""Behaviour of reading ONNX files and the data for them, whoever has written them."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, parser

from made_up_onnx import MATMUL, external, product
from significand.workload.onnx_file import (
    OnnxFileError,
    Signature,
    external_files,
    made_up_inputs,
    quantised_as,
    read_npz,
    read_signature,
)
from significand.workload.ort import onnxruntime

pytestmark = pytest.mark.slow


def saved(folder: Path, text: str, **weights: np.ndarray) -> Path:
    """Save a network of an ONNX text."""
    model = parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {text}')
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in weights.items())
    path = folder / "network.onnx"
    onnx.save(model, path)
    return path


TEXT = """net (int64[batch, seq] ids, float[batch, seq] mask) => (float[batch, seq, 3] y) {
  wide = Cast <to = 7> (ids)
  rows = Gather (table, wide)
  last = Unsqueeze (mask, axis)
  y = Mul (rows, last)
}"""
CARRYING = """net (float[batch, 4] x, float[2, batch, 3] state, int64 rate)
  => (float[batch, 4] y, float[2, batch, 3] next) {
  real = Cast <to = 1> (rate)
  y = Add (x, real)
  next = Identity (state)
}"""


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Save a network on texts of any length."""
    return saved(tmp_path, TEXT, table=np.ones((50, 3), np.float32), axis=np.array([2]))


@pytest.fixture
def carrying(tmp_path: Path) -> Path:
    """Save a network with a state in and out, and a number."""
    return saved(tmp_path, CARRYING)


def test_a_signature_says_types_shapes_and_what_is_open(text: Path) -> None:
    """Open sizes have their names, constants are no inputs, and the table tells the vocabulary."""
    signature = read_signature(text)
    assert signature.inputs == {"ids": ("int64", ("batch", "seq")), "mask": ("float32", ("batch", "seq"))}
    assert signature.outputs == {"y": ("float32", ("batch", "seq", 3))}
    assert (signature.fixed_batch, signature.whole, signature.opset, signature.quantised) == (None, (), 17, "")
    assert signature.vocabulary == {"ids": 50}


def test_what_is_carried_has_no_axis_of_examples(carrying: Path) -> None:
    """A state whose first axis is no batch belongs to one example, and so a call takes one."""
    signature = read_signature(carrying)
    assert signature.whole == ("state", "rate")
    assert signature.fixed_batch == 1


def test_a_fixed_batch_is_told(tmp_path: Path) -> None:
    """A number as the first size is how many examples a call takes."""
    path = saved(tmp_path, "net (float[4, 3] x, float[4] z) => (float[4, 3] y) { y = Identity (x) }")
    assert read_signature(path).fixed_batch == 4


def test_sizes_without_a_name_get_one(tmp_path: Path) -> None:
    """The name of the input and the number of the axis: what --shape takes."""
    path = saved(tmp_path, "net (float[?, ?] x) => (float[?, ?] y) { y = Identity (x) }")
    assert read_signature(path).inputs == {"x": ("float32", ("x_0", "x_1"))}


def test_constants_that_are_listed_as_inputs_are_none(tmp_path: Path) -> None:
    """Old files list their weights as inputs too."""
    path = saved(
        tmp_path, "net (float[n, 2] x, float[2] w) => (float[n, 2] y) { y = Mul (x, w) }", w=np.ones(2, np.float32)
    )
    assert list(read_signature(path).inputs) == ["x"]


def damaged(folder: Path) -> Path:
    path = saved(folder, TEXT)
    path.write_bytes(path.read_bytes()[:-7])
    return path


def garbage(folder: Path) -> Path:
    (folder / "a.onnx").write_bytes(b"\xff" * 64)
    return folder / "a.onnx"


def misspelt(folder: Path) -> Path:
    path = saved(folder, TEXT)
    path.write_bytes(path.read_bytes().replace(b"Gather", b"Gath\xff\xff"))
    return path


def empty(folder: Path) -> Path:
    (folder / "a.onnx").write_bytes(b"")
    return folder / "a.onnx"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "a.onnx")
    return folder / "a.onnx"


def huge(folder: Path) -> Path:
    with (folder / "a.onnx").open("wb") as file:
        file.truncate(2**31)
    return folder / "a.onnx"


def newer_opset(folder: Path) -> Path:
    path = saved(folder, "net (float[n, 2] x) => (float[n, 2] y) { y = Identity (x) }")
    model = onnx.load(path)
    model.opset_import[0].version = 99
    onnx.save(model, path)
    return path


def newer_format(folder: Path) -> Path:
    path = saved(folder, "net (float[n, 2] x) => (float[n, 2] y) { y = Identity (x) }")
    model = onnx.load(path)
    model.ir_version = 99
    path.write_bytes(model.SerializeToString())
    return path


def custom(folder: Path) -> Path:
    return saved(folder, "net (float[n, 2] x) => (float[n, 2] y) { a = my.own.Magic (x)\n y = Sorcery (a) }")


def wrong_graph(folder: Path) -> Path:
    return saved(folder, "net (float[n, 2] x) => (float[n, 2] y) { y = Identity (nowhere) }")


def texts(folder: Path) -> Path:
    return saved(folder, "net (string[n] x) => (string[n] y) { y = Identity (x) }")


def sequence(folder: Path) -> Path:
    return saved(folder, "net (seq(float[n]) x) => (int64 y) { y = SequenceLength (x) }")


def inputless(folder: Path) -> Path:
    return saved(folder, "net () => (float[2] y) { y = Identity (w) }", w=np.ones(2, np.float32))


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda folder: folder / "none.onnx", "cannot be read \\(No such file"),
        (lambda folder: folder, "no regular file"),
        (damaged, "is not an ONNX model"),
        (garbage, "is not an ONNX model"),
        (misspelt, "a name in it is no text"),
        (empty, "it has no operators"),
        (pipe, "no regular file"),
        (huge, "save its tensors in a file of their own"),
        (newer_opset, "refused by ONNX Runtime .*99.*older opset, or upgrade"),
        (newer_format, "refused by ONNX Runtime .*99.*older opset, or upgrade"),
        (custom, "operators Sorcery, my.own.Magic, which ONNX Runtime does not know"),
        (wrong_graph, "refused by ONNX Runtime"),
        (texts, "input 'x' is a tensor of"),
        (sequence, "input 'x' is a sequence; only tensors"),
        (inputless, "has no input"),
    ],
)
def test_a_file_that_cannot_be_run_is_refused_in_lines(tmp_path: Path, made: Callable[[Path], Path], told: str) -> None:
    """The file's name and the reason are in each line."""
    path = made(tmp_path)
    with pytest.raises(OnnxFileError, match=told) as caught:
        read_signature(path)
    assert all(str(path) in problem and "\n" not in problem for problem in caught.value.problems)


@pytest.mark.parametrize(
    "place", ["../beside", "/etc/passwd", "..\\beside", "", "link", "loop", "none", "a\0b", "folder"]
)
def test_tensors_elsewhere_are_not_read(tmp_path: Path, place: str) -> None:
    """Paths and links that lead out of the folder, and what is not there, are refused before anything is opened."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (tmp_path / "beside").write_bytes(b"\0" * 16)
    (folder / "link").symlink_to(tmp_path / "beside")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "folder").mkdir()
    path = folder / "network.onnx"
    path.write_bytes(product(MATMUL, external(place)).SerializeToString())
    with pytest.raises(OnnxFileError, match="keeps the tensor 'stolen' in ") as caught:
        read_signature(path)
    assert len(caught.value.problems) == 1


def test_tensors_in_the_folder_are_read(tmp_path: Path) -> None:
    """Data beside the file, or below, are fine where they are all there."""
    (tmp_path / "sub").mkdir()
    data, path = tmp_path / "sub" / "weights", tmp_path / "network.onnx"
    path.write_bytes(product(MATMUL, external("sub/weights")).SerializeToString())
    data.write_bytes(b"\0" * 15)
    with pytest.raises(OnnxFileError, match="has 15 bytes where 16 are wanted"):
        read_signature(path)
    data.write_bytes(b"\0" * 16)
    assert list(read_signature(path).inputs) == ["x"]
    assert external_files(path) == ["sub/weights"]


@pytest.mark.parametrize(
    ("node", "found"),
    [
        (helper.make_node("QLinearConv", ["x"], ["y"]), "int8"),
        (helper.make_node("QuantizeLinear", ["x", "s"], ["y"]), "int8"),
        (helper.make_node("DequantizeLinear", ["x", "s"], ["y"]), "int8-weights"),
        (helper.make_node("DequantizeLinear", ["four", "s"], ["y"]), "int4"),
        (helper.make_node("MatMulInteger", ["x", "w"], ["y"]), "int8-dynamic"),
        (helper.make_node("DynamicQuantizeLSTM", ["x"], ["y"], domain="com.microsoft"), "int8-dynamic"),
        (helper.make_node("MatMulNBits", ["x"], ["y"], domain="com.microsoft", bits=4), "int4"),
        (helper.make_node("MatMulNBits", ["x"], ["y"], domain="com.microsoft"), "int4"),
        (helper.make_node("MatMulNBits", ["x"], ["y"], domain="com.microsoft", bits=8), "int8-weights"),
        (helper.make_node("MatMulNBits", ["x"], ["y"], domain="com.microsoft", bits=2), "int2"),
        (helper.make_node("MatMul", ["x", "w"], ["y"]), ""),
    ],
)
def test_quantised_files_are_recognised(node: onnx.NodeProto, found: str) -> None:
    """By their operators, also in branches."""
    four = helper.make_tensor("four", TensorProto.INT4, [2], [1, 2])
    assert quantised_as(product(node, four)) == found
    branch = helper.make_graph([node], "branch", [], [], [four])
    chosen = helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)
    assert quantised_as(product(chosen)) == found


def runs(path: Path, signature: Signature, arrays: "dict[str, np.ndarray]") -> bool:
    """Tell whether a call with the first examples succeeds."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    size = signature.fixed_batch or 3
    feeds = {name: np.asarray(one[0]) if name in signature.whole else one[:size] for name, one in arrays.items()}
    return bool(session.run(None, feeds))


def test_made_up_inputs_run(text: Path) -> None:
    """They have the network's types and the sizes asked for; indices are rows of the table; a seed draws them again."""
    signature = read_signature(text)
    made = made_up_inputs(signature, 200, {"seq": 5}, seed=1)
    assert made.form == "dict"
    assert {name: (array.shape, array.dtype.name) for name, array in made.by_name.items()} == {
        "ids": ((200, 5), "int64"),
        "mask": ((200, 5), "float32"),
    }
    assert (made.by_name["ids"].min(), made.by_name["ids"].max()) == (0, 49)
    assert runs(text, signature, dict(made.by_name))
    assert made_up_inputs(signature, 200, {"seq": 5}, seed=1).sha256() == made.sha256()
    assert made_up_inputs(signature, 200, {"seq": 5}, seed=2).sha256() != made.sha256()


def test_made_up_states_run(carrying: Path) -> None:
    """Each example has a state and a number of its own, in full; the batch in the state is 1."""
    signature = read_signature(carrying)
    made = made_up_inputs(signature, 6, {}, seed=1)
    assert {name: array.shape for name, array in made.by_name.items()} == {
        "x": (6, 4),
        "state": (6, 2, 1, 3),
        "rate": (6,),
    }
    assert len(made) == 6
    assert runs(carrying, signature, dict(made.by_name))


def test_mistakes_in_sizes_are_told_together(text: Path) -> None:
    """A size that is missing, one that is none, and one of no input, each with its flag."""
    signature = read_signature(text)
    with pytest.raises(OnnxFileError) as caught:
        made_up_inputs(signature, 2, {"sek": 0}, seed=0)
    missing, none, unknown = caught.value.problems
    assert "'seq'" in missing
    assert "--shape seq=128" in missing
    assert "--shape sek=0" in none
    assert "did you mean 'seq'?" in unknown
    with pytest.raises(OnnxFileError, match="MB are available"):
        made_up_inputs(signature, 10**6, {"seq": 10**9}, seed=0)


IDS, MASK = np.arange(12).reshape(4, 3), np.ones((4, 3), np.float32)


def test_examples_are_read_by_name(text: Path, tmp_path: Path) -> None:
    """Arrays become the network's types where that keeps them; ``y`` are the targets."""
    np.savez(tmp_path / "data.npz", y=[0, 1, 1, 0], mask=MASK.astype(np.float64), ids=IDS.astype(np.int16))
    inputs, targets = read_npz(tmp_path / "data.npz", read_signature(text))
    assert [(name, array.dtype.name) for name, array in inputs.by_name.items()] == [
        ("ids", "int64"),
        ("mask", "float32"),
    ]
    assert np.array_equal(inputs.by_name["ids"], IDS)
    assert targets is not None
    assert targets.as_given().tolist() == [0, 1, 1, 0]
    np.savez(tmp_path / "data.npz", ids=IDS, mask=MASK)
    assert read_npz(tmp_path / "data.npz", read_signature(text))[1] is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"ids": None}, ["has no array 'ids' for the network's input, only mask, y"]),
        ({"ids": None, "id": IDS}, ["has no array 'ids'", "an array 'id' (did you mean 'ids'?), which is no input"]),
        ({"ids": IDS[:3]}, ["lengths differ: 'ids' has 3, 'mask' has 4, 'y' has 4"]),
        ({"ids": IDS[:, :, None]}, ["'ids' has the shape (4, 3, 1), and (examples, seq) is wanted"]),
        ({"ids": IDS + 0.0}, ["'ids' holds float64, and int64 is wanted"]),
        ({"ids": IDS.astype(str)}, ["'ids' holds <U21, and int64 is wanted"]),
        ({"ids": IDS.astype(complex)}, ["'ids' holds complex128"]),
        (
            {"ids": np.full((4, 3), 2**64 - 1, np.uint64)},
            ["'ids' holds uint64, and int64 is wanted, which cannot hold"],
        ),
        ({"mask": np.full((4, 3), 1e300)}, ["'mask' holds float64, and float32 is wanted, which cannot hold"]),
        ({"mask": MASK * np.nan}, ["'mask' has values that are NaN"]),
        ({"mask": MASK[:0], "ids": IDS[:0], "y": []}, ["'ids' is empty", "'mask' is empty"]),
        ({"y": np.array([0, 1, np.nan, 1])}, ["'y' has values that are NaN"]),
        ({"y": np.array(list("abba"))}, ["'y' holds <U1, not numbers"]),
        ({"y": np.array(1)}, ["'y' is a single number"]),
    ],
)
def test_data_that_do_not_fit_are_told_of(
    text: Path, tmp_path: Path, changes: "dict[str, np.ndarray | None]", told: list[str]
) -> None:
    """One line a mistake: what is there, and what is wanted."""
    arrays = {"ids": IDS, "mask": MASK, "y": np.zeros(4), **changes}
    path = tmp_path / "data.npz"
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})  # type: ignore[arg-type]  # no flag
    with pytest.raises(OnnxFileError) as caught:
        read_npz(path, read_signature(text))
    assert len(caught.value.problems) == len(told)
    for problem, words in zip(caught.value.problems, told, strict=True):
        assert words in problem
        assert str(path) in problem


def test_what_is_the_same_for_all_examples_is_given_once(carrying: Path, tmp_path: Path) -> None:
    """A number and a state: once for all, or for each example its own."""
    signature, path = read_signature(carrying), tmp_path / "data.npz"
    x, state = np.zeros((5, 4), np.float32), np.arange(6, dtype=np.float32).reshape(2, 1, 3)
    np.savez(path, x=x, state=state, rate=16000)
    inputs, _ = read_npz(path, signature)
    assert inputs.by_name["state"].shape == (5, 2, 1, 3)
    assert inputs.by_name["rate"].tolist() == [16000] * 5
    assert runs(carrying, signature, dict(inputs.by_name))
    np.savez(path, x=x, state=np.stack([state] * 5), rate=np.arange(5))
    assert read_npz(path, signature)[0].by_name["rate"].tolist() == [0, 1, 2, 3, 4]


def test_a_fixed_batch_takes_whole_batches(tmp_path: Path) -> None:
    """Examples that would be left over are told of."""
    network = saved(tmp_path, "net (float[4, 3] x) => (float[4, 3] y) { y = Identity (x) }")
    np.savez(tmp_path / "data.npz", x=np.zeros((10, 3)))
    with pytest.raises(OnnxFileError, match="has 10 examples, and the network takes 4 at a time"):
        read_npz(tmp_path / "data.npz", read_signature(network))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"\x80\x04cposix\nsystem\n"])
def test_a_file_that_is_no_npz_is_refused(text: Path, tmp_path: Path, content: bytes) -> None:
    """Nothing in it is executed."""
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(OnnxFileError, match=r"is not a readable \.npz of plain arrays"):
        read_npz(tmp_path / "data.npz", read_signature(text))


def test_objects_are_not_loaded(text: Path, tmp_path: Path) -> None:
    """Arrays of Python objects would be executed."""
    np.savez(tmp_path / "data.npz", ids=np.array([{}], object), mask=MASK)
    with pytest.raises(OnnxFileError, match="arrays of numbers only"):
        read_npz(tmp_path / "data.npz", read_signature(text))


def in_attribute() -> onnx.ModelProto:
    return product(helper.make_node("Constant", [], ["y"], value=external("beside")))


def in_subgraph() -> onnx.ModelProto:
    branch = helper.make_graph([], "branch", [], [], [external("beside")])
    return product(helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch))


def in_function() -> onnx.ModelProto:
    model = product(helper.make_node("Identity", ["x"], ["y"]))
    constant = helper.make_node("Constant", [], ["y"], value=external("beside"))
    model.functions.append(helper.make_function("own", "f", ["x"], ["y"], [constant], [helper.make_opsetid("", 21)]))
    return model


def in_sparse_tensor() -> onnx.ModelProto:
    model = product(helper.make_node("Identity", ["x"], ["y"]))
    model.graph.sparse_initializer.add().values.CopyFrom(external("beside"))
    return model


def without_saying_so() -> onnx.ModelProto:
    tensor = external("beside")
    tensor.data_location = TensorProto.DEFAULT
    return product(MATMUL, tensor)


@pytest.mark.parametrize("model", [in_attribute, in_subgraph, in_function, in_sparse_tensor, without_saying_so])
def test_external_data_is_found_wherever_it_is_named(tmp_path: Path, model: Callable[[], onnx.ModelProto]) -> None:
    """Attributes, subgraphs, functions and sparse tensors are searched too."""
    path = tmp_path / "network.onnx"
    path.write_bytes(model().SerializeToString())
    with pytest.raises(OnnxFileError, match="keeps the tensor 'stolen' in 'beside', which cannot be read"):
        read_signature(path)


@pytest.mark.parametrize("content", [b"\xff" * 64, b"\x80\x04cposix\nsystem\n"], ids=["garbage", "pickle"])
def test_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    """Bytes that are no ONNX model are an error with the path and the remedy."""
    path = tmp_path / "network.onnx"
    path.write_bytes(content)
    with pytest.raises(OnnxFileError, match="is not an ONNX model") as caught:
        read_signature(path)
    assert repr(str(path)) in str(caught.value)
