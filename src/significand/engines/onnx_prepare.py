"""What all conversions of ONNX files have in common: folders, quiet tools, a prepared file, and reasons in one line."""

import io
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from significand.plan.problems import RunFailedError
from significand.workload.onnx_file import external_files, quantised_as
from significand.workload.ort import onnxruntime, untimed_options

# ruff: isort: split
from onnxruntime.quantization.shape_inference import quant_pre_process

LONGEST_REASON = 300
LAST_WITH_UPSAMPLE = 10
"""Version of the standard operators up to which ONNX Runtime's quantisers want files rewritten."""


class QuantisationError(RunFailedError):
    """A network that a mode's format cannot be made of; the text is the reason in one line."""


@contextmanager
def conversion(what: str, target: Path) -> Iterator[Path]:
    """Give a folder beside the target, keep the tools quiet, and say in one line what they stumble over.

    They put hundreds of MB into the system's folder of temporary files, and their advice is for whoever calls them.
    """
    disabled, system_folder = logging.root.manager.disable, tempfile.tempdir
    with (
        tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{target.name}.") as folder,
        warnings.catch_warnings(),
        redirect_stdout(io.StringIO()),
    ):
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
    """Return a network with all its tensors in one file: a copy where some lie beside it."""
    _opset(source)
    if not external_files(source):
        return source
    path = folder / "network.onnx"
    onnx.save(onnx.load(source), path)
    return path


def _opset(source: Path) -> int:
    """Return the version of the standard operators of a file that is not quantised already."""
    model = onnx.load(source, load_external_data=False)
    if already := quantised_as(model):
        raise QuantisationError(f"is quantised already ({already}); give the network in float32")
    return max((one.version for one in model.opset_import if one.domain in {"", "ai.onnx"}), default=0)


def prepared(source: Path, folder: Path) -> Path:
    """Fold constants and normalisations into weights, and infer shapes, as the quantisers want it.

    Large tensors lie beside the file: whoever looks at the graph alone need not load them. Symbolic inference of shapes
    is left out: on exported networks it raises (six of seven tried), and leaves a file in the working directory.
    """
    path = folder / "prepared.onnx"
    if _opset(source) <= LAST_WITH_UPSAMPLE:
        quant_pre_process(source, path, skip_symbolic_shape=True, save_as_external_data=True)
    else:  # the same without what is for older files: it has the network in memory three times
        optimised = folder / "optimised.onnx"
        _optimise(source, optimised)
        onnx.shape_inference.infer_shapes_path(optimised, path)
    model = onnx.load(path, load_external_data=False)
    if _flatten_biases(model.graph, folder):
        onnx.save(model, path)
    return path


def _optimise(source: Path, target: Path) -> None:
    """Have ONNX Runtime write what it makes of a network without regard to the processor."""
    options = untimed_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", f"{target.name}.data")
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])


def _flatten_biases(graph: onnx.GraphProto, folder: Path) -> bool:
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
        node.input[2] = f"{bias.name}.flat{columns}"
        if node.input[2] not in tensors:
            flat = np.broadcast_to(numpy_helper.to_array(bias, str(folder)).reshape(-1), (columns,))
            tensors[node.input[2]] = numpy_helper.from_array(flat.copy(), node.input[2])
            graph.initializer.append(tensors[node.input[2]])
        changed = True
    return changed


def try_out(path: Path) -> None:
    """Have ONNX Runtime load what a tool has written: not everything that it writes is valid."""
    onnxruntime.InferenceSession(str(path), untimed_options(), providers=["CPUExecutionProvider"])


def no_products(types: Sequence[str], path: Path | None = None) -> str:
    """Say that a network has no operators to quantise; of a file, also where such may be out of reach."""
    nodes = onnx.load(path, load_external_data=False).graph.node if path else ()
    branches = any(one.type == onnx.AttributeProto.GRAPH for node in nodes for one in node.attribute)
    where = " outside of its branches and loops, which the quantiser cannot enter" if branches else ""
    either = " or ".join([", ".join(types[:-1]), types[-1]] if types[1:] else types)
    return f"has no {either} with constant weights{where}: nothing to quantise"
