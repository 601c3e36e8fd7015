"""An ONNX file and its data, as anybody may have written them: looked at, and never executed. No torch here."""

import functools
import itertools
import re
import stat
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
from google.protobuf.descriptor import Descriptor, FieldDescriptor  # type: ignore[import-untyped]  # comes with onnx
from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]  # the same
from numpy.typing import NDArray
from onnx import TensorProto, helper

from significand.plan.archives import unpacked_bytes
from significand.plan.problems import capped, few, listed, nearest, shown
from significand.workload.arrays import Arrays
from significand.workload.ort import onnxruntime, untimed_options

Shape = tuple[int | str, ...]

LARGEST_FILE = 2**31 - 1
"""Bytes; Protocol Buffers end there, and larger networks keep their tensors beside the file."""

LONGEST_REASON = 300

NOISE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : |Load model from .* failed:|/\S+:\d+ .*?\) (?=[A-Z])")
"""What ONNX Runtime's messages say of its own source."""

TARGETS = "y"
"""The array of the targets in a .npz file, unless an input has that name."""

DYNAMIC = frozenset(
    {
        "ConvInteger",
        "DynamicQuantizeLSTM",
        "DynamicQuantizeLinear",
        "DynamicQuantizeMatMul",
        "MatMulInteger",
        "MatMulIntegerToFloat",
        "QAttention",
    }
)
FOUR_BITS = frozenset({TensorProto.INT4, TensorProto.UINT4})

PASSING = frozenset({"Cast", "Expand", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
"""Operators behind which an input's integers are still the same integers."""


class OnnxFileError(ValueError):
    """An ONNX file, or data for it, that cannot be used.

    Attributes
    ----------
    problems
        One line a mistake: what is there, what is wanted.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = capped(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class Signature:
    """What a network takes and gives.

    Attributes
    ----------
    inputs, outputs
        By name the type, in NumPy's words, and the shape. An open size is its name in the file, or the name of the
        value with the number of the axis. The first axis of an input is that of the examples, unless it is in `whole`.
    fixed_batch
        How many examples a call takes, where that is fixed.
    whole
        Inputs without an axis of examples: numbers, and what is carried from call to call. Each example has its own in
        full, and a call takes that of its first.
    vocabulary
        Of inputs that index a table, its number of rows.
    quantised
        What it is in already: ``"int8"``, ``"int8-dynamic"``, ``"int8-weights"``, ``"int4"``; empty where it is not
        quantised.
    opset
        The version of the standard operators; 0 where none is used.
    """

    inputs: Mapping[str, tuple[str, Shape]]
    outputs: Mapping[str, tuple[str, Shape]]
    fixed_batch: int | None
    quantised: str
    opset: int
    whole: tuple[str, ...] = ()
    vocabulary: Mapping[str, int] = field(default_factory=dict)


def read_signature(path: Path) -> Signature:
    """Read what a network takes and gives, and find what keeps ONNX Runtime from running it.

    Raises
    ------
    OnnxFileError
        For what is no ONNX file, is damaged or newer than ONNX Runtime, uses operators that this does not know, keeps
        tensors outside its folder, or takes or gives something else than tensors of numbers.
    """
    model = _opened(path)
    problems = [*_external_problems(path, model), *_unknown_operators(path, model)]
    inputs, outputs = {}, {}
    constants = {tensor.name for tensor in model.graph.initializer}
    # Before IR version 4 a constant had to be listed as an input too.
    for value in (value for value in model.graph.input if value.name not in constants):
        inputs[value.name] = _tensor_type(value)
    for value in model.graph.output:
        outputs[value.name] = _tensor_type(value)
    for what, values in (("input", inputs), ("output", outputs)):
        if not values:
            problems.append(f"{_told(path)} has no {what}; a network with at least one is wanted")
        for name, kind in values.items():
            if isinstance(kind, str):
                problems.append(f"{_told(path)}: its {what} {shown(name)} is {kind}")
            elif what == "output" and not kind[1]:
                told = "is a single number, and not one for each example"
                problems.append(f"{_told(path)}: its output {shown(name)} {told}; export the network without it")
    # Only what looks right is shown to ONNX Runtime, which would open whatever files it is led to.
    if not problems:
        problems = _refused(path)
    if problems:
        raise OnnxFileError(problems)
    kinds = {name: kind for name, kind in inputs.items() if not isinstance(kind, str)}
    fixed_batch, whole = _batch(kinds)
    return Signature(
        kinds,
        {name: kind for name, kind in outputs.items() if not isinstance(kind, str)},
        fixed_batch,
        quantised_as(model),
        max((one.version for one in model.opset_import if one.domain in {"", "ai.onnx"}), default=0),
        whole,
        {name: rows for name in kinds if (rows := _table_rows(model.graph, name))},
    )


def quantised_as(model: onnx.ModelProto) -> str:
    """Return the format in which a network already is: a precision mode, another as ``"int2"``, or ``""`` for none."""
    kinds = {tensor.name: tensor.data_type for tensor in tensors_of(model)}
    found = set()
    for node in nodes_of(model):
        if node.op_type in DYNAMIC:
            found.add("int8-dynamic")
        elif node.op_type.startswith(("MatMulNBits", "GatherBlockQuantized")):
            bits = next((one.i for one in node.attribute if one.name == "bits"), 4)
            found.add("int8-weights" if bits == 8 else f"int{bits}")
        elif node.op_type == "DequantizeLinear" and node.input and kinds.get(node.input[0]) in FOUR_BITS:
            found.add("int4")
        elif node.op_type.startswith("DequantizeLinear"):  # alone it only unpacks weights
            found.add("int8-weights")
        elif node.op_type.startswith(("QuantizeLinear", "QLinear", "QGemm", "QOrdered")):
            found.add("int8")
    order = ("int4", "int8-dynamic", "int8", "int8-weights")
    return min(found, key=lambda name: order.index(name) if name in order else -1, default="")


def made_up_inputs(signature: Signature, n: int, shapes: Mapping[str, int], seed: int) -> Arrays:
    """Make inputs from a signature: no data, but enough to measure time.

    Parameters
    ----------
    signature
        What the network takes.
    n
        How many examples.
    shapes
        Sizes that the signature leaves open, by their names; those of the first axis is `n`.
    seed
        Of the drawing: real numbers are standard normal, truth values and integers 0 or 1, indices of a table any of
        its rows.

    Raises
    ------
    OnnxFileError
        Where a size is missing, is none, or is of no input; and where they would not fit into memory.
    """
    batch = _batch_name(signature)
    wanted = {name: _sizes(signature, name, shapes, batch) for name in signature.inputs}
    open_sizes = {size for shape in wanted.values() for size in shape if isinstance(size, str)}
    known = {size for _, shape in signature.inputs.values() for size in shape if isinstance(size, str)} - {batch}
    problems = [
        f"the size {shown(size)} of the network's inputs is not fixed; say how much to measure: --shape {size}=128"
        for size in sorted(open_sizes)
    ]
    problems += [
        f"--shape {name}={shown(size)}: sizes are whole numbers from 1 on" for name, size in shapes.items() if size < 1
    ]
    problems += [
        f"--shape {name}: is no open size of the network's inputs{nearest(name, known)}; "
        f"they are {listed(sorted(known)) or 'all fixed'}"
        for name in shapes
        if name not in known
    ]
    if problems:
        raise OnnxFileError(problems)
    sized = {name: (n, *(int(size) for size in shape)) for name, shape in wanted.items()}
    needed = sum(
        np.prod(shape, dtype=float) * np.dtype(signature.inputs[name][0]).itemsize for name, shape in sized.items()
    )
    _check_fits(f"{n} made-up examples", 2 * int(needed))  # numbers are drawn in a wider type
    generator = np.random.default_rng(seed)
    drawn = {
        name: _drawn(generator, signature.inputs[name][0], shape, signature.vocabulary.get(name, 2))
        for name, shape in sized.items()
    }
    return Arrays(drawn, "dict")


def read_npz(path: Path, signature: Signature) -> tuple[Arrays, Arrays | None]:
    """Read examples for a network from a .npz file: arrays by the names of its inputs, and targets ``y``.

    Arrays become the input's type where that keeps what they say: real numbers are rounded, integers stay as they are.
    An array for an input without an axis of examples is the same for all of them.

    Returns
    -------
    tuple of Arrays and Arrays or None
        Inputs, in the order of the signature, and targets where there are any.

    Raises
    ------
    OnnxFileError
        With a line for everything that is wrong.
    """
    targets = TARGETS if TARGETS not in signature.inputs else None
    given = _arrays(path, {*signature.inputs, *([targets] if targets else [])})
    wanted = listed(list(signature.inputs))
    problems = [
        f"{_told(path)} has no array {shown(name)} for the network's input, only {listed(list(given)) or 'nothing'}; "
        f"save it with numpy.savez(path, {name}=...)"
        for name in signature.inputs
        if name not in given
    ]
    problems += few(
        [
            f"{_told(path)} has an array {shown(name)}{nearest(name, signature.inputs)}, which is no input of the "
            f"network (it takes {wanted}) and not the targets {TARGETS!r}; leave it out"
            for name in given
            if name not in signature.inputs and name != targets
        ]
    )
    arrays = {}
    for name, (dtype, shape) in signature.inputs.items():
        if name in given:
            array, wrong = _fitted(given[name], dtype, shape, whole=name in signature.whole)
            problems += [f"{_told(path)}: {shown(name)} {problem}" for problem in wrong]
            arrays[name] = array
    if targets in given:
        problems += [f"{_told(path)}: {TARGETS!r} {problem}" for problem in _target_problems(given[TARGETS])]
    if not problems:
        arrays, problems = _of_one_length(path, arrays, given.get(TARGETS) if targets else None, signature)
    if problems:
        raise OnnxFileError(problems)
    return Arrays(arrays, "dict"), Arrays({"target": given[TARGETS]}) if targets in given else None


def external_files(path: Path) -> list[str]:
    """Return the names, relative to its folder, of the files in which an ONNX file keeps tensors; sorted."""
    return sorted({place for place, _, _ in _places(_opened(path))})


def tensors_of(message: Message) -> Iterator[TensorProto]:
    """Find the tensors wherever they are: in the graph, in attributes, subgraphs, functions, sparse tensors."""
    return _found(message, TensorProto)


def nodes_of(message: Message) -> Iterator[onnx.NodeProto]:
    """Find the operators wherever they are: in the graph, in subgraphs, in functions."""
    return _found(message, onnx.NodeProto)


def _found(message: Message, kind: type[Any]) -> Iterator[Any]:
    return (one for one in _messages(message) if isinstance(one, kind))


def _messages(message: Message) -> Iterator[Message]:
    """Go through a message and all that it holds."""
    todo = [message]
    while todo:  # no recursion: a file may nest deeply
        one = todo.pop()
        yield one
        for name in _holders(one.DESCRIPTOR):  # not ListFields, which would copy the tensors
            value = getattr(one, name)
            if not isinstance(value, Message):
                todo += value
            elif one.HasField(name):
                todo.append(value)


@functools.cache
def _holders(kind: Descriptor) -> tuple[str, ...]:
    """Return the fields of a kind of message that hold messages; a network has thousands of some few kinds."""
    return tuple(field.name for field in kind.fields if field.message_type is not None)


def _is_text(message: Message) -> bool:
    """Tell whether a message's texts are: Protocol Buffers give bytes for what is no UTF-8."""
    texts = [field.name for field in message.DESCRIPTOR.fields if field.type == FieldDescriptor.TYPE_STRING]
    values = [getattr(message, name) for name in texts]
    lists = [value if not isinstance(value, str | bytes) else [value] for value in values]
    return not any(isinstance(one, bytes) for one in itertools.chain(*lists))


def _opened(path: Path) -> onnx.ModelProto:
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise OnnxFileError([f"{_told(path)} is no regular file; name an .onnx file"])
        if about.st_size > LARGEST_FILE:
            size = f"{about.st_size / 1e9:.1f} GB, more than the 2.1 GB that an ONNX file can have"
            raise OnnxFileError([f"{_told(path)} has {size}; save its tensors in a file of their own beside it"])
        _check_fits(_told(path), 2 * about.st_size)
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise OnnxFileError([f"{_told(path)} cannot be read ({error.strerror or error}); name an .onnx file"]) from None
    except DecodeError as error:
        raise OnnxFileError([_no_model(path, str(error))]) from None
    # Protocol Buffers take many a file for a message without content.
    if not model.ir_version or not model.graph.node:
        raise OnnxFileError([_no_model(path, "it has no operators")])
    if not all(map(_is_text, _messages(model))):
        raise OnnxFileError([_no_model(path, "a name in it is no text")])
    return model


def _no_model(path: Path, reason: str) -> str:
    return f"{_told(path)} is not an ONNX model ({' '.join(reason.split())}); write it again"


def _told(path: Path) -> str:
    return repr(str(path))


def _places(model: onnx.ModelProto) -> Iterator[tuple[str, int, str]]:
    """Find where tensors lie that are in other files: the place, the byte behind the last, and the tensor's name."""
    for tensor in tensors_of(model):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            told = {entry.key: entry.value for entry in tensor.external_data}
            ends = [int(told[key]) if told.get(key, "").isdecimal() else 0 for key in ("offset", "length")]
            yield told.get("location", ""), sum(ends), tensor.name


def _external_problems(path: Path, model: onnx.ModelProto) -> list[str]:
    """Find tensors that lie outside the file's folder, or nowhere. ONNX Runtime would read whatever file is named."""
    problems = {}
    for place, end, name in _places(model):
        if place not in problems and (problem := _external_problem(path.parent, place, end)):
            problems[place] = f"{_told(path)} keeps the tensor {shown(name)} in {shown(place)}, {problem}"
    return few(list(problems.values()))


def _external_problem(folder: Path, place: str, end: int) -> str:
    remedy = "save the network with all its tensors in one folder"
    try:
        if not place or Path(place).is_absolute() or ".." in re.split(r"[/\\]", place):
            return f"which is not a file in its own folder and not read; {remedy}"
        real = (folder / place).resolve(strict=True)
        if not real.is_relative_to(folder.resolve()):
            return f"a link that leads out of its folder and is not followed; {remedy}"
        if not real.is_file():
            return f"which is no regular file; {remedy}"
        if real.stat().st_size < end:
            return f"which has {real.stat().st_size} bytes where {end} are wanted; copy both files again"
    except (OSError, ValueError, RuntimeError) as error:  # a null byte; links in a circle
        told = getattr(error, "strerror", None) or str(error)
        return f"which cannot be read ({told}); put it beside the file, or {remedy}"
    return ""


def _unknown_operators(path: Path, model: onnx.ModelProto) -> list[str]:
    schemas = onnxruntime.capi.onnxruntime_pybind11_state.get_all_operator_schema()
    known = {(schema.domain, schema.name) for schema in schemas} | {(one.domain, one.name) for one in model.functions}
    used = {(node.domain.replace("ai.onnx", "", node.domain == "ai.onnx"), node.op_type) for node in nodes_of(model)}
    unknown = sorted(".".join(filter(None, one)) for one in used - known)
    if not unknown:
        return []
    many = "operators" if unknown[1:] else "the operator"
    return [f"{_told(path)} uses {many} {listed(unknown)}, which ONNX Runtime does not know; export it without them"]


def _refused(path: Path) -> list[str]:
    """Have ONNX Runtime load the file, which it does not run; return its reason in one line where it refuses."""
    options = untimed_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # constants are not folded
    try:
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - it has a class of its own for every kind of failure
        reason = reason_of(error)
        newer = "ersion" in reason or "opset" in reason.lower()
        remedy = "export it for an older opset, or upgrade onnxruntime" if newer else "export it again"
        return [f"{_told(path)} is refused by ONNX Runtime {onnxruntime.__version__} ({reason}); {remedy}"]
    return []


def reason_of(error: Exception) -> str:
    """Return what ONNX Runtime says, in one line and without what is of its own source."""
    return NOISE.sub("", " ".join(str(error).split()))[:LONGEST_REASON]


def _tensor_type(value: onnx.ValueInfoProto) -> tuple[str, Shape] | str:
    """Return type and shape of a tensor, or what else the value is, with the remedy."""
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return f"a {(kind or 'value without a type').removesuffix('_type')}; only tensors can be measured"
    told = value.type.tensor_type
    try:
        dtype = helper.tensor_dtype_to_np_dtype(told.elem_type)
    except KeyError:
        return f"of the unknown type {told.elem_type}; export it again"
    if dtype.kind not in "biuf" or dtype.isbuiltin != 1:
        return f"a tensor of {dtype.name}; only numbers and truth values of NumPy's own types can be measured"
    if not told.HasField("shape"):
        return "a tensor of unknown shape; write its shape into the file with onnx.shape_inference"
    return dtype.name, tuple(
        size.dim_value if size.HasField("dim_value") else size.dim_param or f"{value.name}_{axis}"
        for axis, size in enumerate(told.shape.dim)
    )


def _batch(inputs: Mapping[str, tuple[str, Shape]]) -> tuple[int | None, tuple[str, ...]]:
    """Tell how many examples a call takes, where that is fixed, and which inputs have no axis of examples.

    The first input with axes has that of the examples. Where its size is open, one of fixed size elsewhere is another
    axis: such as the layers of a state. What is carried so belongs to one example.
    """
    first = next((shape[0] for _, shape in inputs.values() if shape), 1)
    if any(isinstance(shape[0], str) for _, shape in inputs.values() if shape):
        first = ""
    fixed = isinstance(first, int)
    whole = tuple(
        name
        for name, (_, shape) in inputs.items()
        if not shape or (shape[0] != first if fixed else isinstance(shape[0], int))
    )
    if isinstance(first, int):
        return max(1, first), whole
    return (1 if any(inputs[name][1] for name in whole) else None), whole


def _batch_name(signature: Signature) -> str | None:
    names = (shape[0] for name, (_, shape) in signature.inputs.items() if name not in signature.whole)
    return next((name for name in names if isinstance(name, str)), None)


def _sizes(signature: Signature, name: str, shapes: Mapping[str, int], batch: str | None) -> list[int | str]:
    """Return the sizes of one example of an input, as far as they are known."""
    shape = signature.inputs[name][1]
    if name not in signature.whole:
        return [shapes.get(size, size) if isinstance(size, str) else size for size in shape[1:]]
    known = {**shapes, **({batch: 1} if batch else {})}
    return [known.get(size, size) if isinstance(size, str) else size for size in shape]


def _drawn(generator: np.random.Generator, dtype: str, shape: tuple[int, ...], rows: int) -> NDArray[Any]:
    if np.dtype(dtype).kind == "f":
        return generator.standard_normal(shape, np.float32).astype(dtype, copy=False)
    return generator.integers(0, min(rows, 1 + _largest(dtype)), shape).astype(dtype)


def _largest(dtype: str) -> int:
    return 1 if dtype == "bool" else int(np.iinfo(dtype).max)


def _table_rows(graph: onnx.GraphProto, name: str) -> int:
    """Return how many rows the smallest table has that an input indexes, 0 where it indexes none."""
    tables = {tensor.name: tensor.dims[0] for tensor in graph.initializer if len(tensor.dims) > 1}
    same, rows = {name}, []
    for node in graph.node:
        if node.op_type in PASSING and node.input and node.input[0] in same:
            same.update(node.output)
        elif node.op_type == "Gather" and len(node.input) > 1 and node.input[1] in same and node.input[0] in tables:
            rows.append(tables[node.input[0]])
    return min(rows, default=0)


def _arrays(path: Path, names: set[str]) -> dict[str, NDArray[Any]]:
    """Read the arrays of these names; of the others only that they are there. Nothing is executed."""
    try:
        # Opened here, because numpy.load leaves a damaged file open.
        with path.open("rb") as opened:
            if not zipfile.is_zipfile(opened):
                raise ValueError("it is no archive")  # noqa: TRY301 - told with the rest
            file = np.load(opened, allow_pickle=False)
            _check_fits(_told(path), unpacked_bytes(file.zip.infolist(), names))
            # A member that is no array comes as bytes.
            return {name: np.asarray(file[name] if name in names else 0) for name in file.files}
    except OnnxFileError:
        raise
    except Exception as error:  # noqa: BLE001 - zipfile and NumPy raise many kinds on a damaged file
        reason = " ".join(str(error).split())[:LONGEST_REASON]
        remedy = "save it with numpy.savez, arrays of numbers only"
        raise OnnxFileError([f"{_told(path)} is not a readable .npz of plain arrays ({reason}); {remedy}"]) from None


def _fitted(array: NDArray[Any], dtype: str, shape: Shape, *, whole: bool) -> tuple[NDArray[Any], list[str]]:
    """Return an array in the type of its input, and what keeps it from being one."""
    # Of an input without an axis of examples one array serves all, or each example has its own.
    shapes = [shape, ("examples", *shape)] if whole else [("examples", *shape[1:])]
    if not any(_matches(array.shape, one) for one in shapes):
        return array, [f"has the shape {array.shape}, and {' or '.join(map(_as_text, shapes))} is wanted"]
    if not array.size:
        return array, [f"is empty, of the shape {array.shape}; at least one example is needed"]
    if array.dtype.kind not in "biuf":
        return array, [f"holds {array.dtype}, and {dtype} is wanted; convert it"]
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return array, ["has values that are NaN or infinite; fill or drop them"]
    fitted = _cast(array, dtype)
    if fitted is None:
        return array, [f"holds {array.dtype}, and {dtype} is wanted, which cannot hold the same; convert it"]
    return fitted, []


def _cast(array: NDArray[Any], dtype: str) -> NDArray[Any] | None:
    """Return numbers in another type where that keeps them, real ones but for rounding; else None."""
    kinds = array.dtype.kind, np.dtype(dtype).kind
    if kinds != ("f", "f") and (kinds[0] == "f" or (kinds[1] == "b" and kinds[0] != "b")):
        return None
    with np.errstate(all="ignore"):  # what does not fit is found below
        fitted = array.astype(dtype, copy=False)
    kept = np.isfinite(fitted).all() if kinds == ("f", "f") else np.array_equal(fitted, array)
    return fitted if kept else None


def _matches(shape: tuple[int, ...], wanted: Shape) -> bool:
    sizes = zip(shape, wanted, strict=False)
    return len(shape) == len(wanted) and all(isinstance(one, str) or size == one for size, one in sizes)


def _as_text(shape: Shape) -> str:
    return f"({', '.join(str(size)[:30] for size in shape)}{',' if len(shape) == 1 else ''})"


def _target_problems(array: NDArray[Any]) -> list[str]:
    if array.dtype.kind not in "biuf":
        return [f"holds {array.dtype}, not numbers; give class numbers, or real targets"]
    if not array.ndim:
        return ["is a single number; give one target an example"]
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return ["has values that are NaN or infinite; fill or drop them"]
    return []


def _of_one_length(
    path: Path, arrays: Mapping[str, NDArray[Any]], targets: NDArray[Any] | None, signature: Signature
) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Give every example what is the same for all, and find lengths that differ."""
    shared = {name for name in signature.whole if arrays[name].ndim == len(signature.inputs[name][1])}
    lengths = {name: len(array) for name, array in arrays.items() if name not in shared}
    if targets is not None:
        lengths[TARGETS] = len(targets)
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{shown(name)} has {length}" for name, length in lengths.items())
        return dict(arrays), [f"{_told(path)}: lengths differ: {told}; give each example one of everything"]
    n, batch = next(iter(lengths.values()), 1), signature.fixed_batch or 1
    if n % batch:
        told = f"{_told(path)} has {n} examples, and the network takes {batch} at a time"
        return dict(arrays), [f"{told}; give a multiple of {batch}, or export it with an open batch size"]
    return {
        name: np.broadcast_to(array, (n, *array.shape)) if name in shared else array for name, array in arrays.items()
    }, []


def _check_fits(what: str, needed_bytes: int) -> None:
    available = psutil.virtual_memory().available
    if needed_bytes > available:
        room = f"{needed_bytes / 1e6:.0f} MB of memory, {available / 1e6:.0f} MB are available"
        raise OnnxFileError([f"{what} would take {room}; give fewer or smaller ones"])
