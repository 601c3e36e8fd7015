"""Other formats of an ONNX file: half precision, and 8 bits by ONNX Runtime's own quantisers."""

from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import TensorProto

from significand.engines.onnx_calibrate import ranges
from significand.engines.onnx_prepare import (
    QuantisationError,
    conversion,
    in_one_file,
    no_products,
    prepared,
    try_out,
)
from significand.workload.arrays import Feeds
from significand.workload.base import PRODUCTS
from significand.workload.onnx_file import nodes_of, quantised_as, tensors_of

# ruff: isort: split
from onnxruntime.quantization import QDQQuantizer, QuantType, quantize_dynamic
from onnxruntime.quantization.quant_utils import load_model_with_shape_infer
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry
from onnxruntime.transformers.float16 import convert_float_to_float16

SLOW_CONVOLUTIONS = (
    "dynamic quantisation of convolutions made ResNet-18 4 times slower than float32 where it was measured; "
    "int8, with calibrated scales, was the fast one there"
)


def to_float16(source: Path, target: Path) -> None:
    """Write a network with all its real numbers in half precision, inputs and outputs too.

    Operators that have no such form in ONNX keep float32, between conversions. Numbers too large for the format become
    its largest.

    Parameters
    ----------
    source
        A float32 file.
    target
        The file to write; temporary files are put beside it.

    Raises
    ------
    QuantisationError
        Where that cannot be done, or the file has no float32 numbers.
    """
    with conversion("converted to float16", target) as folder:
        inferred = folder / "inferred.onnx"
        onnx.shape_inference.infer_shapes_path(in_one_file(source, folder), inferred)
        model = onnx.load(inferred)
        if not _holds_floats(model):
            raise QuantisationError("has no float32 numbers: nothing to convert to float16")
        onnx.save(convert_float_to_float16(model, disable_shape_infer=True), target)
        del model
        try_out(target)


def quantise_static(
    source: Path,
    target: Path,
    examples: Feeds,
    *,
    reduce_range: bool,
    calibration: str = "minmax",
    types: Sequence[str] | None = PRODUCTS,
) -> None:
    """Write a network in 8 bits, by channel, with scales of values calibrated on examples.

    Parameters
    ----------
    source
        A float32 file.
    target
        The file to write; temporary files are put beside it.
    examples
        Inputs by their names.
    reduce_range
        Take weights to 7 bits, for processors that sum products of 8 bits in 16.
    calibration
        A key of `significand.engines.onnx_calibrate.METHODS`.
    types
        Operators that are taken to 8 bits; None for all that ONNX Runtime knows, but not the last, if it is no product:
        probabilities in steps of 1/256 would tie.

    Raises
    ------
    QuantisationError
        Where that cannot be done, or nothing was quantised.
    """
    with conversion("quantised to int8", target) as folder:
        ready = prepared(source, folder)
        chosen = list(types or {*QLinearOpsRegistry, *QDQRegistry})
        found = ranges(ready, examples, calibration, chosen, folder)  # first: it loads the network itself
        quantiser = QDQQuantizer(
            load_model_with_shape_infer(ready),
            per_channel=True,
            reduce_range=reduce_range,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=found,
            nodes_to_quantize=[],
            nodes_to_exclude=[] if types else _last_but_products(ready),
            op_types_to_quantize=chosen,
            extra_options={},
        )
        quantiser.quantize_model()
        quantiser.model.save_model_to_file(target)
        del quantiser
        if not quantised_as(onnx.load(target)):
            raise QuantisationError(no_products(types or PRODUCTS, ready))
        try_out(target)


def quantise_dynamic(source: Path, target: Path, *, reduce_range: bool) -> list[str]:
    """Write a network with weights in 8 bits, whose other operands are quantised while it runs.

    Parameters
    ----------
    source
        A float32 file.
    target
        The file to write; temporary files are put beside it.
    reduce_range
        Take weights to 7 bits, for processors that sum products of 8 bits in 16.

    Returns
    -------
    list of str
        What the user should know of it.

    Raises
    ------
    QuantisationError
        Where that cannot be done, or nothing was quantised.
    """
    with conversion("quantised to int8-dynamic", target) as folder:
        ready = prepared(source, folder)
        _quantise_with_branches(ready, target, reduce_range=reduce_range)
        model = onnx.load(target)
        if quantised_as(model) != "int8-dynamic":
            raise QuantisationError(no_products((*PRODUCTS, "LSTM"), ready))
        convolutions = any(node.op_type == "ConvInteger" for node in nodes_of(model))
        del model
        try_out(target)
    return [SLOW_CONVOLUTIONS] if convolutions else []


def _quantise_with_branches(source: Path, target: Path, *, reduce_range: bool) -> None:
    """Quantise branches and loops too; the tool fails there where weights lie outside of them: then what is outside."""
    for branches in (True, False):
        try:
            quantize_dynamic(
                source,
                target,
                per_channel=True,
                reduce_range=reduce_range,
                weight_type=QuantType.QInt8,
                extra_options={"EnableSubgraph": branches},
            )
        except Exception:  # as in `conversion`
            if not branches:
                raise
        else:
            return


def _last_but_products(path: Path) -> list[str]:
    graph = onnx.load(path, load_external_data=False).graph
    outputs = {value.name for value in graph.output}
    return [
        node.name for node in graph.node if node.name and node.op_type not in PRODUCTS and outputs & set(node.output)
    ]


def _holds_floats(model: onnx.ModelProto) -> bool:
    values = (*model.graph.input, *model.graph.output)
    return any(one.type.tensor_type.elem_type == TensorProto.FLOAT for one in values) or any(
        one.data_type == TensorProto.FLOAT for one in tensors_of(model)
    )
