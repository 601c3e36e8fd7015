"""An ONNX graph, looked at. ONNX Runtime, which runs it, is not needed."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import onnx
from onnx import TensorProto

INTEGER_PRODUCTS = frozenset(
    {
        "ConvInteger",
        "DynamicQuantizeLSTM",
        "DynamicQuantizeMatMul",
        "MatMulInteger",
        "MatMulInteger16",
        "MatMulIntegerToFloat",
        "QAttention",
        "QGemm",
        "QLinearConv",
        "QLinearConvTranspose",
        "QLinearMatMul",
        "QOrderedAttention",
        "QOrderedLongformerAttention",
        "QOrderedMatMul",
    }
)
PACKED_PRODUCTS = frozenset({"MatMulNBits", "MatMulNBitsMlp", "MatMulNBitsQkv", "QMoE"})
"""Operators on weights of a few bits, which are unpacked on the way."""

FLOAT_PRODUCTS = frozenset(
    {
        "Attention",
        "Conv",
        "ConvTranspose",
        "ConvTransposeWithDynamicPads",
        "DecoderAttention",
        "DecoderMaskedMultiHeadAttention",
        "DecoderMaskedSelfAttention",
        "DeformConv",
        "Einsum",
        "FusedConv",
        "FusedGemm",
        "FusedMatMul",
        "FusedMatMulActivation",
        "GRU",
        "Gemm",
        "GemmFastGelu",
        "GroupQueryAttention",
        "LSTM",
        "LinearAttention",
        "LongformerAttention",
        "MatMul",
        "MoE",
        "MultiHeadAttention",
        "NhwcConv",
        "NhwcFusedConv",
        "PackedAttention",
        "PackedMultiHeadAttention",
        "RNN",
        "SparseAttention",
        "TransposeMatMul",
    }
)
"""Operators on real numbers of any format."""

SCALES = {"DequantizeLinear": 1, "MatMulIntegerToFloat": 2, "DynamicQuantizeMatMul": 2, "DynamicQuantizeLSTM": 8}
"""Operators whose result is no integer though their weights are: which input, a scale, has the type of the result."""

RESHAPING = frozenset(
    {"Cast", "Concat", "DequantizeLinear", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"}
)
"""Operators through which weights remain weights; exporters put the gates of recurrent cells together from slices."""

FORMATS: dict[int | None, str] = {
    TensorProto.DOUBLE: "float64",
    TensorProto.FLOAT: "float32",
    TensorProto.BFLOAT16: "bfloat16",
    TensorProto.FLOAT16: "float16",
    TensorProto.INT8: "int8",
    TensorProto.UINT8: "int8",
    TensorProto.INT32: "int32",
    TensorProto.INT64: "int64",
}


def effective_precision(optimised: onnx.ModelProto) -> str:
    """Return the formats of the products in an optimised graph.

    Parameters
    ----------
    optimised
        The graph as ONNX Runtime runs it.

    Returns
    -------
    str
        ``"int8"`` for integer products, else the type of the operands; several are joined by ``+``, the one with the
        largest share of the multiply-adds first. ``"unknown"`` where the type of an operand cannot be told. Empty where
        nothing is multiplied.
    """
    return "+".join(shares(optimised))


def shares(optimised: onnx.ModelProto) -> dict[str, float]:
    """Return what share of the multiply-adds is computed in each format, the largest first.

    The multiply-adds of a product are its weights times the positions at which they are applied. Sizes that the graph
    leaves open, such as that of the batch, count as 1; so does a product of which nothing is known. Those without
    weights, as in attention, count where the graph tells the shape of their result. Each branch and each body of a loop
    counts once.

    Parameters
    ----------
    optimised
        The graph as ONNX Runtime runs it.
    """
    work: dict[str, float] = {}
    for name, multiply_adds in _products(optimised.graph, _Values({}, {}, {}, {})):
        work[name] = work.get(name, 0.0) + max(1.0, multiply_adds)
    total = sum(work.values())
    ranked = sorted(work.items(), key=lambda one: -one[1])
    return {name: size / total for name, size in ranked}


def _products(graph: onnx.GraphProto, outer: "_Values") -> Iterator[tuple[str, float]]:
    """Find the operators that multiply, each with its format and its multiply-adds."""
    values = outer.within(graph)
    for node in graph.node:
        values.follow(node)
        if name := _format(node, values):
            yield name, _multiply_adds(node, values)
        for attribute in node.attribute:
            for body in (attribute.g, *attribute.graphs):
                yield from _products(body, values)


def _format(node: onnx.NodeProto, values: "_Values") -> str:
    if node.op_type in INTEGER_PRODUCTS:
        return "int8"
    if node.op_type in PACKED_PRODUCTS:
        return f"int{_integer(node, 'bits', 4)}"
    if node.op_type not in FLOAT_PRODUCTS:
        return ""
    operands = [*node.input[1:2], *node.input[:1]]  # the weights first, and what they are multiplied with
    return FORMATS.get(next((values.types[name] for name in operands if name in values.types), None), "unknown")


def _multiply_adds(node: onnx.NodeProto, values: "_Values") -> float:
    matrices = [shape for name in node.input if len(shape := values.weights.get(name, ())) > 1]
    if not matrices:
        return _without_weights(node, values)
    weights, first = sum(math.prod(shape) for shape in matrices), matrices[0]
    if node.op_type in PACKED_PRODUCTS:
        weights, summed = _integer(node, "K", 1) * _integer(node, "N", 1), _integer(node, "K", 1)
    elif "ConvTranspose" in node.op_type:
        summed = first[0]
    elif "Conv" in node.op_type:
        return weights * max(1.0, values.elements.get(node.output[0], 0) / max(1, first[0]))
    else:
        summed = first[-1 if _integer(node, "transB", 0) or node.op_type in {"LSTM", "GRU", "RNN"} else -2]
    return weights * max(1.0, values.elements.get(node.input[0], 0) / max(1, summed))


def _without_weights(node: onnx.NodeProto, values: "_Values") -> float:
    """Count the product of two values: each element of the first meets each column of the result."""
    columns = values.shapes.get(node.output[0], (0,))[-1:]
    return values.elements.get(node.input[0], 0) * sum(columns) if "MatMul" in node.op_type else 0.0


def _integer(node: onnx.NodeProto, name: str, otherwise: int) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == name), otherwise)


@dataclass
class _Values:
    """What is known of values by their names, operator after operator in the order of the graph.

    Attributes
    ----------
    types
        Types of elements.
    shapes
        Shapes that the graph tells; unknown sizes as 1.
    elements
        How many elements there are; estimated from what a value is made of where the graph does not tell.
    weights
        Shapes of constants, also behind operators that only change their form.
    """

    types: dict[str, int]
    shapes: dict[str, tuple[int, ...]]
    elements: dict[str, float]
    weights: dict[str, tuple[int, ...]]

    def within(self, graph: onnx.GraphProto) -> "_Values":
        """Return what is known inside of a graph, which sees the values around it."""
        inner = _Values(dict(self.types), dict(self.shapes), dict(self.elements), dict(self.weights))
        for value in (*graph.input, *graph.value_info, *graph.output):
            inner._tell(value)
        for tensor in graph.initializer:
            inner._keep(tensor.name, tensor)
        return inner

    def follow(self, node: onnx.NodeProto) -> None:
        """Learn of what an operator makes from what it takes."""
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    self._keep(node.output[0], attribute.t)
        kind, elements = self._type_made(node), self._elements_made(node)
        for name in node.output:
            if kind:
                self.types.setdefault(name, kind)
            if elements:
                self.elements.setdefault(name, elements)
        if node.op_type in RESHAPING and node.input[0] in self.weights:
            self.weights[node.output[0]] = self.weights[node.input[0]]

    def _tell(self, value: onnx.ValueInfoProto) -> None:
        told = value.type.tensor_type
        if told.elem_type:
            self.types[value.name] = told.elem_type
        if told.HasField("shape"):
            self.shapes[value.name] = tuple(size.dim_value or 1 for size in told.shape.dim)
            self.elements[value.name] = math.prod(self.shapes[value.name])

    def _keep(self, name: str, tensor: TensorProto) -> None:
        self.types[name] = tensor.data_type
        self.weights[name] = tuple(tensor.dims)

    def _type_made(self, node: onnx.NodeProto) -> int:
        if node.op_type == "Cast":
            return _integer(node, "to", 0)
        scale = node.input[SCALES[node.op_type] :][:1] if node.op_type in SCALES else node.input
        return next((self.types[name] for name in scale if name in self.types), 0)

    def _elements_made(self, node: onnx.NodeProto) -> float:
        """Estimate: a strided operator keeps one of so many positions, a convolution changes the channels."""
        if (
            node.op_type == "Gather" and node.input[0] in self.weights
        ):  # an embedding: a row of the table for each index
            return self.elements.get(node.input[1], 0.0) * math.prod(self.weights[node.input[0]][1:])
        elements = next((self.elements[name] for name in node.input if name in self.elements), 0.0)
        steps = next((math.prod(one.ints) for one in node.attribute if one.name == "strides"), 1)
        kernel = next((shape for name in node.input if len(shape := self.weights.get(name, ())) > 2), None)
        if "Conv" in node.op_type and "Transpose" not in node.op_type and kernel:
            elements *= kernel[0] / max(1, kernel[1] * _integer(node, "group", 1))
        return elements / max(1, steps)
