"""The weights of an ONNX file in 16 bits: the file half as large, its inputs and outputs as they were."""

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TYPES = {"float16": np.dtype(np.float16), "bfloat16": np.dtype(ml_dtypes.bfloat16)}


def round_weights(path: Path, number_format: str) -> None:
    """Round the weights of a file to 16 bits, in place; what is computed with them is left to the engine.

    Each float32 weight becomes one of the format and a conversion back, which engines fold. Numbers too large for the
    format become its largest. Single numbers stay: a tiny one, which keeps a divisor above zero, would become zero.

    Parameters
    ----------
    path
        A float32 file; weights beside it stay beside it.
    number_format
        ``"float16"`` or ``"bfloat16"``.
    """
    model = onnx.load(path)
    beside = path.with_name(f"{path.name}.data")
    graph, dtype = model.graph, TYPES[number_format]
    wide = [one for one in graph.initializer if one.data_type == TensorProto.FLOAT and np.prod(one.dims) > 1]
    casts = []
    for tensor in wide:
        rounded = numpy_helper.from_array(_rounded(numpy_helper.to_array(tensor), dtype), f"{tensor.name}.{dtype}")
        casts.append(helper.make_node("Cast", [rounded.name], [tensor.name], to=TensorProto.FLOAT))
        tensor.CopyFrom(rounded)
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
    if beside.exists():
        beside.unlink()
        onnx.save(model, path, save_as_external_data=True, location=beside.name)
    else:
        onnx.save(model, path)


def _rounded(values: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    largest = float(ml_dtypes.finfo(dtype).max)  # type: ignore[no-untyped-call]  # of ml_dtypes
    return np.where(np.isfinite(values), np.clip(values, -largest, largest), values).astype(dtype)
