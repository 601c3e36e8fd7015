"""From a torch network to a float32 ONNX file: the structure once, weights by name, and the check that both agree.

torch.onnx takes seconds to tens of seconds for a network of today, and the networks of one experiment differ in their
weights only. So what it makes is kept as a structure without weights, and each run puts its own in.
"""

import contextlib
import copy
import importlib.util
import io
import itertools
import json
import linecache
import logging
import os
import re
import sysconfig
import tempfile
import traceback
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from significand.plan.problems import RunFailedError, shown
from significand.workload.arrays import Arrays, called
from significand.workload.copies import shared_in_copies
from significand.workload.ort import onnxruntime, untimed_options
from significand.workload.trees import leaves

STRUCTURE, WEIGHTS = "structure.onnx", "weights.json"

LARGEST_FILE = 1_900_000_000
"""Bytes of a file in one piece; Protocol Buffers end at 2^31."""

ROUNDING = 1e-3
"""The share of an output that two orders of float32 sums may differ by, in the norm."""

EXAMPLES = 2
"""Rows of the batch that is traced: torch takes a size of 1 for a constant."""

OTHER_SIZES = (1, 3)
"""Batch sizes that were not traced, for which the file must be right too."""

UNOPTIMISED = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
ALL = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL

LONGEST_REASON = 300


CANNOT = "cannot be exported: "


class ExportError(RunFailedError):
    """A network that cannot be exported; the text is the reason in one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)

    def __str__(self) -> str:
        return f"{CANNOT}{self.args[0]}"


def export(module: nn.Module, example: Arrays, folder: Path) -> None:
    """Write a network's structure, without its weights, to a new folder.

    Parameters
    ----------
    module
        The network; it is left as it was. What computes in another width is taken to float32.
    example
        Inputs. Of their shapes only the number of examples may be another one later.
    folder
        Is created, unless the export fails.

    Raises
    ------
    ExportError
        With the line of the user's file that is to blame, where one is.
    """
    batch = _batch(example, EXAMPLES)
    with _quiet():
        try:
            twin = _float32_twin(module)
            program = torch.onnx.export(
                _Flat(twin, batch).eval(),
                tuple(_tensors(batch).values()),
                dynamo=True,
                optimize=False,  # what optimises renames and folds weights
                external_data=False,
                verbose=False,
                input_names=list(batch.by_name),
                dynamic_shapes=(tuple({0: torch.export.Dim("batch")} for _ in batch.by_name),),
            )
            assert program is not None  # noqa: S101 - it is where dynamo is True
        # A user's code raises what it likes; it has only been traced.
        except (Exception, SystemExit) as error:
            raise ExportError(_reason(error)) from error
        graph = program.model.graph
        _refuse_fixed_batch(graph.inputs)
        _leave_names(graph, batch.by_name)
        weights = _taken_out(graph.initializers, twin.state_dict())
        _fold(program.model)
        structure = program.model_proto
    folder.mkdir()
    onnx.save(structure, folder / STRUCTURE)
    (folder / WEIGHTS).write_text(json.dumps([weight._asdict() for weight in weights]), "utf-8")


def _fold(model: Any) -> None:  # noqa: ANN401 - onnx_ir's
    """Compute what no input and no weight decides, and drop what nothing uses.

    Engines look for constants in certain places. A convolution without a bias is exported with zeros that are made at
    each call, and ONNX Runtime then joins it with nothing: a ResNet-18 took 60 instead of 46 ms. Recurrent cells are
    exported with weights cut by a size that is asked for, and it then quantises none: a GRU took 122 instead of 72 us.
    """
    from onnxscript.optimizer import fold_constants, remove_unused_nodes  # noqa: PLC0415 - takes a second; runs do without

    fold_constants(model)
    remove_unused_nodes(model)


def with_weights(folder: Path, state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Put weights into a structure and write the whole as an ONNX file.

    The weights are never copied as a whole: each is written from where it lies.

    Parameters
    ----------
    folder
        What `export` wrote.
    state
        A ``state_dict`` of the same network; other widths are rounded to the structure's.
    path
        The file. Where it would be too large for one, the weights lie beside it, in ``<name>.data``.

    Raises
    ------
    ExportError
        Where a weight is missing or has another shape: the network is not the one that was exported.
    """
    weights = [_Weight(**told) for told in json.loads((folder / WEIGHTS).read_text("utf-8"))]
    wrong = [problem for weight in weights if (problem := weight.problem(state))]
    if wrong:
        raise ExportError(f"the network has changed since: {'; '.join(wrong[:3])}; build the same at every call")
    structure = onnx.load(folder / STRUCTURE)
    in_one = structure.ByteSize() + sum(weight.size for weight in weights) < LARGEST_FILE
    (_write_in_one if in_one else _write_beside)(structure, weights, state, path)


def agrees(path: Path, module: nn.Module, example: Arrays) -> bool:
    """Tell whether ONNX Runtime gets from a file what the network gives in float32, whatever the batch size.

    Parameters
    ----------
    path
        The ONNX file.
    module
        The network, with the weights of the file; it is left as it was.
    example
        Inputs: tried as they are, and in batches of `OTHER_SIZES`.
    """
    return _difference(path, module, example) is None


def check_structure(module: nn.Module, example: Arrays, folder: Path) -> None:
    """Try what `export` wrote, in batches of other sizes, too: a trace may be right for its own alone.

    Parameters
    ----------
    module, example, folder
        As of `export`, which wrote the folder.

    Raises
    ------
    ExportError
        Where ONNX Runtime does not get from it what the network gives.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        path = Path(scratch) / "tried.onnx"
        with_weights(folder, module.state_dict(), path)
        if difference := _difference(path, module, example):
            raise ExportError(difference)


def exported(module: nn.Module, example: Arrays, folder: Path, path: Path) -> None:
    """Write a network with its weights as an ONNX file that gives what the network gives.

    A network whose structure depends on its weights, or holds numbers that are no weights by name, is exported anew.

    Parameters
    ----------
    module, example
        As of `export`.
    folder
        What `export` wrote for the same network, with whatever weights.
    path
        The file, as of `with_weights`.

    Raises
    ------
    ExportError
        Where the network cannot be exported, or ONNX Runtime does not get from the file what the network gives.
    """
    try:
        with_weights(folder, module.state_dict(), path)
        # One example tells other weights; other sizes are tried by `check_structure`. Unoptimised, ONNX Runtime opens
        # ResNet-18 in half the time, and need not have all kernels.
        if any(_difference(path, module, example.take(slice(1)), (), level) is None for level in (UNOPTIMISED, ALL)):
            return
    except (ExportError, FileNotFoundError):
        pass  # nothing was exported, or another network: exporting anew tells whether it can be
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        anew = Path(scratch) / "anew"
        export(module, example, anew)
        with_weights(anew, module.state_dict(), path)
    difference = _difference(path, module, example)
    if difference:
        for written in (path, _beside(path)):
            written.unlink(missing_ok=True)
        raise ExportError(difference)


def flat_outputs(outputs: object) -> list[torch.Tensor]:
    """Return a network's outputs in the order of the ONNX graph's; what is None is left out.

    Raises
    ------
    TypeError
        When there is something else than tensors in them.
    """
    found = leaves(outputs)
    strange = next((leaf for leaf in found if not isinstance(leaf, torch.Tensor)), None)
    if strange is not None or not found:
        what = f"gives {shown(strange)} (a {type(strange).__name__})" if found else "gives no output"
        raise TypeError(f"the network {what}; a tensor, or a tuple, list or dict of tensors is wanted")
    return [leaf.float() if leaf.dtype == torch.bfloat16 else leaf for leaf in found]  # NumPy has no such type


class _Flat(nn.Module):
    """A network as a graph has it: inputs in a row, outputs in a row."""

    def __init__(self, network: nn.Module, example: Arrays) -> None:
        super().__init__()
        # The exporter calls weights "network.<their name>", so none can bear an input's name.
        self.network = network
        self.example = example

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        given = self.example.as_given(dict(zip(self.example.by_name, inputs, strict=True)))
        return tuple(flat_outputs(called(self.network, given)))


class _Weight(NamedTuple):
    """A weight that a structure lacks: its name in the graph and in the network, its type by torch's name."""

    name: str
    key: str
    shape: Sequence[int]
    dtype: str

    @property
    def size(self) -> int:
        """Bytes in a file."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize

    def problem(self, state: Mapping[str, torch.Tensor]) -> str:
        """Say what is wrong with it in a network's state, if anything."""
        if self.key not in state:
            return f"{self.key} is missing"
        shape = list(state[self.key].shape)
        return "" if shape == list(self.shape) else f"{self.key} has the shape {shape} instead of {list(self.shape)}"

    def header(self) -> onnx.TensorProto:
        """Return it as ONNX has it, but without its values."""
        data_type = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype))
        return onnx.TensorProto(name=self.name, dims=self.shape, data_type=data_type)

    def values(self, state: Mapping[str, torch.Tensor]) -> memoryview:
        """Return its bytes, without a copy where it is of its type already."""
        array = state[self.key].detach().to("cpu", getattr(torch, self.dtype)).contiguous().numpy()
        return array.reshape(-1).view(np.uint8).data


def _leave_names(graph: Any, inputs: Collection[str]) -> None:  # noqa: ANN401 - onnx_ir's
    """Rename what the exporter has given an input's name: it makes up names without a look at those it is given."""
    for node in graph.all_nodes():
        for value in node.outputs:
            if value.name in inputs:
                value.name = f"network.{value.name}"


def _taken_out(initializers: Any, state: Mapping[str, torch.Tensor]) -> list[_Weight]:  # noqa: ANN401 - onnx_ir's
    """Remove the weights from a graph, and return what is needed to put them back; other constants stay."""
    weights = []
    for key, tensor in state.items():
        name = f"network.{key}"
        if name in initializers and list(initializers[name].shape) == list(tensor.shape):
            initializers.pop(name).const_value = None  # nor is it a constant any more
            weights.append(_Weight(name, key, list(tensor.shape), str(tensor.dtype).removeprefix("torch.")))
    return weights


def _write_in_one(
    structure: onnx.ModelProto, weights: Sequence[_Weight], state: Mapping[str, torch.Tensor], path: Path
) -> None:
    """Write a file as Protocol Buffers would, but with each weight straight from its memory.

    Their own way holds all weights twice more: in the message, and in its bytes.
    """
    graph = structure.graph.SerializeToString()
    structure.ClearField("graph")
    raw_data = onnx.TensorProto.RAW_DATA_FIELD_NUMBER
    heads = [weight.header().SerializeToString() + _prefix(raw_data, weight.size) for weight in weights]
    fields = [
        _prefix(onnx.GraphProto.INITIALIZER_FIELD_NUMBER, len(head) + weight.size) + head
        for head, weight in zip(heads, weights, strict=True)
    ]
    size = len(graph) + sum(len(field) + weight.size for field, weight in zip(fields, weights, strict=True))
    with path.open("wb") as file:
        file.write(structure.SerializeToString())
        file.write(_prefix(onnx.ModelProto.GRAPH_FIELD_NUMBER, size))
        file.write(graph)
        for field, weight in zip(fields, weights, strict=True):
            file.write(field)
            file.write(weight.values(state))


def _prefix(number: int, size: int) -> bytes:
    """Return what stands before a field of `size` bytes: its number and wire type 2, and the size, as varints."""
    return _varint(number << 3 | 2) + _varint(size)


def _varint(value: int) -> bytes:
    digits = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(digit | 0x80 for digit in digits[:-1]), digits[-1]])


def _write_beside(
    structure: onnx.ModelProto, weights: Sequence[_Weight], state: Mapping[str, torch.Tensor], path: Path
) -> None:
    offsets = itertools.accumulate((weight.size for weight in weights), initial=0)
    for weight, offset in zip(weights, offsets, strict=False):  # the last offset is the file's end
        header = structure.graph.initializer.add()
        header.CopyFrom(weight.header())
        header.data_location = onnx.TensorProto.EXTERNAL
        for key, value in {"location": _beside(path).name, "offset": offset, "length": weight.size}.items():
            header.external_data.add(key=key, value=str(value))
    with _beside(path).open("wb") as file:
        for weight in weights:
            file.write(weight.values(state))
    onnx.save(structure, path)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.data")


def _batch(example: Arrays, size: int) -> Arrays:
    """Return as many examples as asked for, from the first on and over again; what is a scalar has none."""
    scalars = [name for name, array in example.by_name.items() if not np.ndim(array)]
    if scalars:
        raise ExportError(f"the input {scalars[0]!r} is a scalar; give an array with one value for each example")
    return example.take(np.arange(size) % len(example))


def _tensors(batch: Arrays) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in batch.by_name.items()}


def _float32_twin(module: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode, in float32; where the network is in float32 it shares the parameters.

    A copy, because what is traced or called may leave traces: in the mode, in buffers, in attributes.
    """
    parameters = list(module.parameters())
    if any(parameter.is_floating_point() and parameter.dtype != torch.float32 for parameter in parameters):
        return copy.deepcopy(module, shared_in_copies(module)).float().eval()
    shared = {id(parameter): parameter for parameter in parameters} | shared_in_copies(module)
    return copy.deepcopy(module, shared).eval()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what torch and the user's code say while they are traced off the terminal; errors are raised all the same.

    The encoder's fast path is off: it is one operator that ONNX lacks, and gives zeros for masked positions, which
    the network that was trained does not.
    """
    disabled, fast = logging.root.manager.disable, torch.backends.mha.get_fastpath_enabled()
    logging.disable(logging.CRITICAL)
    torch.backends.mha.set_fastpath_enabled(False)
    said = io.StringIO()
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
            torch.no_grad(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        logging.disable(disabled)


def _refuse_fixed_batch(inputs: Sequence[Any]) -> None:
    """Raise where tracing has found that the network works for one number of examples only."""
    fixed = [value.name for value in inputs if isinstance(value.shape[0], int)]
    if fixed:
        raise ExportError(
            f"it works for batches of {EXAMPLES} examples only, by the input {fixed[0]!r}; take the number of examples "
            "from the input's shape, and never as a constant"
        )


def _difference(
    path: Path,
    module: nn.Module,
    example: Arrays,
    others: Sequence[int] = OTHER_SIZES,
    level: Any = ALL,  # noqa: ANN401 - ONNX Runtime has no types
) -> str | None:
    """Say where ONNX Runtime's outputs on a file are not the network's; None where they are."""
    options = untimed_options()
    options.graph_optimization_level = level
    with _quiet():
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            network = _float32_twin(module)
            for size in dict.fromkeys((len(example), *others)):
                batch = _batch(example, size)
                wanted = _outputs(network, batch)
                difference = _unlike(wanted, session.run(None, dict(batch.by_name)))
                if difference and _unlike(wanted, _outputs(network, batch)):
                    return "the network's outputs differ between two calls; draw nothing at random in eval mode"
                if difference:
                    return f"ONNX Runtime's {difference}, in a batch of {size}"
        # ONNX Runtime's errors have no common class, and a user's code raises what it likes.
        except (Exception, SystemExit) as error:  # noqa: BLE001
            return _essence(error)
    return None


def _outputs(network: nn.Module, batch: Arrays) -> list[NDArray[Any]]:
    outputs = flat_outputs(called(network, batch.as_given(_tensors(batch))))
    return [output.numpy() for output in outputs]


def _unlike(wanted: Sequence[NDArray[Any]], got: Sequence[NDArray[Any]]) -> str:
    """Say how outputs differ from those that are wanted by more than rounding, if they do."""
    if len(wanted) != len(got):
        return f"outputs are {len(got)}, and the network's {len(wanted)}"
    for at, (ours, theirs) in enumerate(zip(wanted, got, strict=True)):
        if ours.shape != np.shape(theirs):
            return f"output {at} has the shape {np.shape(theirs)}, and the network's {ours.shape}"
        share = _relative(ours.astype(np.float64), np.asarray(theirs).astype(np.float64))
        if not share < ROUNDING:
            return f"output {at} differs from the network's by {share:.2g} of its norm"
    return ""


def _relative(wanted: NDArray[np.float64], got: NDArray[np.float64]) -> float:
    """Return the norm of the difference by that of what is wanted; masks' infinities must be the same."""
    finite = np.isfinite(wanted)
    if not np.array_equal(wanted[~finite], got[~finite], equal_nan=True):
        return np.inf
    norm, difference = np.linalg.norm(wanted[finite]), np.linalg.norm(wanted[finite] - got[finite])
    return float(difference / norm) if norm else float(difference)


_ON_A_VALUE = ("datadependent", "data-dependent", "data dependent")
"""How torch says that Python asks for a number that only the data have."""


def _reason(error: BaseException) -> str:
    """Return in one line why torch.onnx gave up, with the line of the user's file that is to blame."""
    chain = _chain(error)
    place = _place(chain)
    where = f" ({Path(place[0]).name}:{place[1]})" if place else ""
    told = " ".join(f"{type(link).__name__} {link}" for link in chain).lower()
    if not any(word in told for word in _ON_A_VALUE):
        return f"{_essence(chain[-1])}{where}"
    source = linecache.getline(*place).strip() if place else ""
    word = re.match(r"(?:el)?if|while|assert", source)
    what = f"a Python `{word[0]}` on a tensor" if word else "a Python number taken from a tensor"
    return f"{what}{where}; write it with tensors, such as torch.where"


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and what it came from, the first cause last."""
    chain = [error]
    while (cause := chain[-1].__cause__) and cause not in chain:
        chain.append(cause)
    return chain


def _place(chain: Sequence[BaseException]) -> tuple[str, int] | None:
    """Return the innermost line of foreign code: where the error passed, or else where its message says it was."""
    for link in reversed(chain):
        frames = [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(link.__traceback__)]
        named = [(file, int(line)) for file, line in re.findall(r'File "([^"]+)", line (\d+)', str(link))]
        for places in (frames, named):
            foreign = [place for place in places if _is_foreign(place[0])]
            if foreign:
                return foreign[-1]
    return None


_MACHINERY = tuple(
    f"{Path(spec.origin).resolve().parent}{os.sep}"
    for name in ("torch", "onnx", "onnxscript", "onnx_ir", "numpy")
    if (spec := importlib.util.find_spec(name)) and spec.origin  # importing them takes a second
)
_PACKAGE = f"{Path(__file__).resolve().parents[1]}{os.sep}"
_PYTHON = f"{Path(sysconfig.get_path('stdlib')).resolve()}{os.sep}"


def _is_foreign(file: str) -> bool:
    """Tell whether a file is neither Python's, nor torch's and what it exports with, nor this package's."""
    path = str(Path(file).resolve())
    python = path.startswith(_PYTHON) and "site-packages" not in path
    return not (python or path.startswith((*_MACHINERY, _PACKAGE)) or file.startswith("<"))


def _essence(error: BaseException) -> str:
    """Return an error's first line that says something, not too long."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}..."
