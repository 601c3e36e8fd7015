"""ONNX files whose weights alone are integers, of 8 or 4 bits with a scale a block, by ONNX Runtime's own quantiser."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from significand.engines.onnx_prepare import QuantisationError, conversion, no_products, prepared, try_out
from significand.workload.onnx_file import nodes_of

# ruff: isort: split
# The quantiser's module sets up the root logger unless somebody has.
_SOMEBODY = logging.NullHandler()
logging.root.addHandler(_SOMEBODY)
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer  # noqa: E402 - after that

logging.root.removeHandler(_SOMEBODY)

TYPES = ("MatMul", "Gemm")

Tensors = dict[str, TensorProto]


def quantise_weights(source: Path, target: Path, *, bits: int, block_size: int) -> None:
    """Write a network with the constant matrices of its products in few bits; all else stays in float32.

    Parameters
    ----------
    source
        A float32 file.
    target
        The file to write; temporary files are put beside it.
    bits
        8 or 4.
    block_size
        How many weights share a scale and a zero point: so many inputs of one output.

    Raises
    ------
    QuantisationError
        Where that cannot be done, or nothing was quantised.
    """
    with conversion(f"quantised to int{bits} weights", target) as folder:
        model = onnx.load(prepared(source, folder))
        _without_gemm(model.graph, {})
        quantiser = MatMulNBitsQuantizer(model, bits=bits, block_size=block_size, is_symmetric=False)
        quantiser.process()
        if not any(node.op_type == "MatMulNBits" for node in nodes_of(model)):
            raise QuantisationError(no_products(TYPES))
        _once(model.graph)
        onnx.save(model, target)
        del model, quantiser
        try_out(target)


def _without_gemm(graph: onnx.GraphProto, outer: Tensors) -> None:
    """Write each Gemm that has constant weights as MatMul and Add: the quantiser knows MatMul alone."""
    tensors = outer | {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        for body in _bodies(node):
            _without_gemm(body, tensors)
        nodes += _as_matmul(node, graph, tensors)
    del graph.node[:]
    graph.node.extend(nodes)


def _bodies(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def _as_matmul(node: onnx.NodeProto, graph: onnx.GraphProto, tensors: Tensors) -> list[onnx.NodeProto]:
    """Return the operators that compute the same; a Gemm that scales, or turns its other operand, stays one."""
    options = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    plain = options.get("alpha", 1) == options.get("beta", 1) == 1 and not options.get("transA", 0)
    if node.op_type != "Gemm" or node.input[1] not in tensors or not plain:
        return [node]
    x, weights, *bias = node.input
    if options.get("transB", 0):
        turned = f"{weights}.turned"
        if turned not in tensors:
            array = np.ascontiguousarray(numpy_helper.to_array(tensors[weights]).T)
            tensors[turned] = numpy_helper.from_array(array, turned)
            graph.initializer.append(tensors[turned])
        weights = turned
    if not any(bias):
        return [helper.make_node("MatMul", [x, weights], node.output, name=node.name)]
    product = f"{node.output[0]}.product"
    return [
        helper.make_node("MatMul", [x, weights], [product], name=node.name),
        helper.make_node("Add", [product, *bias], node.output, name=f"{node.name}.bias"),
    ]


def _once(graph: onnx.GraphProto) -> None:
    """Keep one of the tensors of a name: of weights that two products share the quantiser writes two."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    if len(tensors) < len(graph.initializer):
        kept = list(tensors.values())
        del graph.initializer[:]
        graph.initializer.extend(kept)
    for node in graph.node:
        for body in _bodies(node):
            _once(body)
