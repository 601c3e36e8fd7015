"""An ONNX graph, looked at. ONNX Runtime, which runs it, is not needed."""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass

import onnx
from onnx import TensorProto

from significand.engines.operators import UNKNOWN, Operator

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
        "CausalConvWithState",
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

CONVERSIONS = frozenset(
    {
        "Cast",
        "CastLike",
        "DequantizeLinear",
        "DynamicQuantizeLinear",
        "QuantizeLinear",
        "ReorderInput",
        "ReorderOutput",
        "Transpose",
    }
)
"""Operators that only bring numbers into another format or layout."""

STANDARD_OPSET = 28
"""Version of ONNX up to which the standard operators were looked through for those that multiply."""

OF_ONNX_RUNTIME = frozenset(
    {
        "BiasAdd",
        "BiasGelu",
        "BiasSoftmax",
        "BiasSplitGelu",
        "CropAndResize",
        "EmbedLayerNormalization",
        "ExpandDims",
        "FastGelu",
        "GatherBlockQuantized",
        "GroupNorm",
        "MaxpoolWithMask",
        "NhwcMaxPool",
        "QEmbedLayerNormalization",
        "QLinearAdd",
        "QLinearAveragePool",
        "QLinearConcat",
        "QLinearGlobalAveragePool",
        "QLinearLeakyRelu",
        "QLinearMul",
        "QLinearReduceMean",
        "QLinearSigmoid",
        "QLinearSoftmax",
        "QLinearWhere",
        "QuickGelu",
        "ReduceSumInteger",
        "RemovePadding",
        "ReorderInput",
        "ReorderOutput",
        "RestorePadding",
        "SimplifiedLayerNormalization",
        "SkipGroupNorm",
        "SkipLayerNormalization",
        "SkipSimplifiedLayerNormalization",
        "UnfoldTensor",
    }
)
"""Operators of ONNX Runtime's own that multiply no matrices."""

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


def operators(optimised: onnx.ModelProto) -> list[Operator]:
    """Return the operators of an optimised graph, in its order, those of branches and loops behind their owner.

    The format of a product is ``"int8"`` of integers, and else the type of the operands. It is `UNKNOWN` where that
    cannot be told, and of any operator of which is not known that it multiplies nothing.

    The multiply-adds of a product are its weights times the positions at which they are applied. Sizes that the graph
    leaves open, such as that of the batch, count as 1; so does a product of which nothing is known. Those without
    weights, as in attention, count where the graph tells the shape of their result. Each branch and each body of a loop
    counts once.

    Parameters
    ----------
    optimised
        The graph as ONNX Runtime runs it.
    """
    found = list(_operators(optimised.graph, _Values({}, {}, {}, {}, {})))
    has_integers = any(one.format.startswith("int") for one in found)
    seen: dict[str, int] = {}
    told = []
    for one in found:
        seen[one.name] = seen.get(one.name, 0) + 1
        name = one.name if seen[one.name] == 1 else f"{one.name}#{seen[one.name]}"
        note = "" if one.note == LEFT and not has_integers else one.note
        told.append(dataclasses.replace(one, name=name, note=note))
    return told


LEFT = "the quantiser left it as it is"
"""Told only where something else in the graph is quantised."""

NOT_FUSED = "its operands are dequantised before the product: quantise and dequantise operators were not fused"
WEIGHTS_UNPACKED = "weights are stored in few bits and unpacked before the product, which is in {}"
EIGHT_BITS_UNPACKED = (
    "8-bit weights are unpacked in every call: ONNX Runtime has no kernel that multiplies them with float32 as they are"
)
"""Seen with ONNX Runtime 1.32 on a CPU with AVX2: 0.7 ms for 1 x 512 x 512 instead of 0.06 in float32; at its accuracy
level 4, which rounds the activations to int8 as well, 0.03."""
TWO_VALUES = "it multiplies two computed values, which the quantiser leaves as they are"


def _operators(graph: onnx.GraphProto, outer: "_Values") -> Iterator[Operator]:
    values = outer.within(graph)
    for node in graph.node:
        values.follow(node)
        name, form = node.name or f"{node.op_type} {node.output[0]}", _format(node, values)
        multiply_adds = max(1.0, _multiply_adds(node, values)) if form else 0.0
        conversion = node.op_type in CONVERSIONS
        yield Operator(name, node.op_type, form, multiply_adds, conversion, _note(node, form, values))
        for attribute in node.attribute:
            for body in (attribute.g, *attribute.graphs):
                yield from _operators(body, values)


def _format(node: onnx.NodeProto, values: "_Values") -> str:
    if node.op_type in INTEGER_PRODUCTS:
        return "int8"
    if node.op_type in PACKED_PRODUCTS:
        return f"int{_integer(node, 'bits', 4)}"
    if node.op_type not in FLOAT_PRODUCTS:
        return "" if _multiplies_nothing(node) else UNKNOWN
    operands = [*node.input[1:2], *node.input[:1]]  # the weights first, and what they are multiplied with
    return FORMATS.get(next((values.types[name] for name in operands if name in values.types), None), UNKNOWN)


def _multiplies_nothing(node: onnx.NodeProto) -> bool:
    if node.domain in {"", "ai.onnx", "com.microsoft.nchwc"}:
        return onnx.defs.has(node.op_type, STANDARD_OPSET, "") or node.op_type in OF_ONNX_RUNTIME
    standard = node.op_type in CONVERSIONS or onnx.defs.has(node.op_type, STANDARD_OPSET, "")
    return node.domain == "com.microsoft" and (standard or node.op_type in OF_ONNX_RUNTIME)


def _note(node: onnx.NodeProto, form: str, values: "_Values") -> str:
    """Return why a product computes in its format, as far as the graph shows it."""
    if form == UNKNOWN:
        return "it is not understood"
    if node.op_type in PACKED_PRODUCTS:
        return _note_of_packed(_integer(node, "bits", 4), _integer(node, "accuracy_level", 0))
    if node.op_type not in FLOAT_PRODUCTS or not form:
        return ""
    dequantised = [values.makers.get(name) == "DequantizeLinear" for name in node.input[:2]]
    if dequantised and all(dequantised):
        return NOT_FUSED
    if dequantised[1:] == [True]:
        return WEIGHTS_UNPACKED.format(form)
    return LEFT if any(name in values.weights for name in node.input) else TWO_VALUES


def _note_of_packed(bits: int, accuracy_level: int) -> str:
    if accuracy_level == 4:
        return WEIGHTS_UNPACKED.format("int8")
    return EIGHT_BITS_UNPACKED if bits == 8 else WEIGHTS_UNPACKED.format("float32")


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
    makers
        Kinds of the operators that made them, changes of form not counted but for dequantising.
    """

    types: dict[str, int]
    shapes: dict[str, tuple[int, ...]]
    elements: dict[str, float]
    weights: dict[str, tuple[int, ...]]
    makers: dict[str, str]

    def within(self, graph: onnx.GraphProto) -> "_Values":
        """Return what is known inside of a graph, which sees the values around it."""
        inner = _Values(*(dict(getattr(self, one.name)) for one in dataclasses.fields(self)))
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
        reshapes = node.op_type in RESHAPING - {"DequantizeLinear"}
        maker = self.makers.get(node.input[0], "") if reshapes and node.input else node.op_type
        self.makers.update(dict.fromkeys(node.output, maker))

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
        """Estimate: a strided operator keeps one of so many positions; products change channels or columns."""
        if (
            node.op_type == "Gather" and node.input[0] in self.weights
        ):  # an embedding: a row of the table for each index
            return self.elements.get(node.input[1], 0.0) * math.prod(self.weights[node.input[0]][1:])
        elements = next((self.elements[name] for name in node.input if name in self.elements), 0.0)
        steps = next((math.prod(one.ints) for one in node.attribute if one.name == "strides"), 1)
        kernel = next((shape for name in node.input if len(shape := self.weights.get(name, ())) > 2), None)
        if "Conv" in node.op_type and "Transpose" not in node.op_type and kernel:
            elements *= kernel[0] / max(1, kernel[1] * _integer(node, "group", 1))
        if "MatMul" in node.op_type or "Gemm" in node.op_type:
            summed, columns = self._matrix(node)
            elements *= columns / max(1, summed)
        return elements / max(1, steps)

    def _matrix(self, node: onnx.NodeProto) -> tuple[int, int]:
        """Return how many numbers a product sums, and how many columns its weights have; 1 of each without weights."""
        if node.op_type in PACKED_PRODUCTS:
            return _integer(node, "K", 1), _integer(node, "N", 1)
        shape = next((shape for name in node.input if len(shape := self.weights.get(name, ())) == 2), (1, 1))
        return (shape[1], shape[0]) if _integer(node, "transB", 0) else (shape[0], shape[1])
