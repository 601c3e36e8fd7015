"""What all conversions of ONNX files have in common: folders, quiet tools, a prepared file, and reasons in one line."""

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from significand.plan.problems import RunFailedError
from significand.workload.onnx_file import quantised_as
from significand.workload.ort import onnxruntime

# ruff: isort: split
from onnxruntime.quantization.shape_inference import quant_pre_process

LONGEST_REASON = 300


class QuantisationError(RunFailedError):
    """A network that a mode's format cannot be made of; the text is the reason in one line."""


@contextmanager
def conversion(what: str, target: Path) -> Iterator[Path]:
    """Give a folder beside the target, keep the tools quiet, and say in one line what they stumble over.

    They put hundreds of MB into the system's folder of temporary files, and their advice is for whoever calls them.
    """
    disabled, system_folder = logging.root.manager.disable, tempfile.tempdir
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{target.name}.") as folder, warnings.catch_warnings():
        try:
            warnings.simplefilter("ignore")
            logging.disable(logging.CRITICAL)
            onnxruntime.set_default_logger_severity(4)
            tempfile.tempdir = folder
            yield Path(folder)
        except QuantisationError:
            target.unlink(missing_ok=True)
            raise
        except Exception as error:  # the tools raise what they like on graphs that they did not expect
            target.unlink(missing_ok=True)
            raise QuantisationError(f"cannot be {what} by ONNX Runtime's tools: {_reason(error)}") from error
        finally:
            tempfile.tempdir = system_folder
            onnxruntime.set_default_logger_severity(2)  # as it is after the import
            logging.disable(disabled)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:LONGEST_REASON]}" if text else type(error).__name__


def in_one_file(source: Path, folder: Path) -> Path:
    """Copy a network with all its tensors: what the tools write beside their input shall not lie beside the user's."""
    path, model = folder / "network.onnx", onnx.load(source)
    if already := quantised_as(model):
        raise QuantisationError(f"is quantised already ({already}); give the network in float32")
    onnx.save(model, path)
    return path


def prepared(source: Path, folder: Path) -> Path:
    """Fold constants and normalisations into weights, and infer shapes, as the quantisers want it.

    Symbolic inference of shapes is left out: on exported networks it raises (six of seven tried), and leaves a file in
    the working directory.
    """
    path = folder / "prepared.onnx"
    quant_pre_process(in_one_file(source, folder), path, skip_symbolic_shape=True)
    model = onnx.load(path)
    if _flatten_biases(model.graph):
        onnx.save(model, path)
    return path


def _flatten_biases(graph: onnx.GraphProto) -> bool:
    """Give each Gemm a bias of one dimension, for which alone the quantiser computes; tell whether any had another."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    changed = False
    for node in graph.node:
        if node.op_type != "Gemm" or len(node.input) < 3 or node.input[1] not in tensors:
            continue
        bias, weights = tensors.get(node.input[2]), tensors[node.input[1]]
        columns = weights.dims[0 if any(one.name == "transB" and one.i for one in node.attribute) else 1]
        if bias is None or list(bias.dims) == [columns] or any(size != 1 for size in bias.dims[:-1]):
            continue
        flat = np.broadcast_to(numpy_helper.to_array(bias).reshape(-1), (columns,))
        node.input[2] = f"{bias.name}.flat{columns}"
        if node.input[2] not in tensors:
            tensors[node.input[2]] = numpy_helper.from_array(flat.copy(), node.input[2])
            graph.initializer.append(tensors[node.input[2]])
        changed = True
    return changed


def try_out(path: Path) -> None:
    """Have ONNX Runtime load what a tool has written: not everything that it writes is valid."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def no_products(types: Sequence[str], path: Path | None = None) -> str:
    """Say that a network has no operators to quantise; of a file, also where such may be out of reach."""
    nodes = onnx.load(path, load_external_data=False).graph.node if path else ()
    branches = any(one.type == onnx.AttributeProto.GRAPH for node in nodes for one in node.attribute)
    where = " outside of its branches and loops, which the quantiser cannot enter" if branches else ""
    either = " or ".join([", ".join(types[:-1]), types[-1]] if types[1:] else types)
    return f"has no {either} with constant weights{where}: nothing to quantise"
