"""The network as an ONNX graph: built, given its weights, and looked at. ONNX Runtime, which runs it, is not needed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]  # comes with onnx
from onnx import TensorProto, helper, numpy_helper

from significand.plan.setup import Perceptron
from significand.workload.architecture import Weights

INPUT, OUTPUT = "input", "output"
OPSET = 21
IR_VERSION = 10

INTEGER_MATMULS = frozenset(
    {"QGemm", "QLinearMatMul", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul"}
)
FLOAT_MATMULS = frozenset({"Gemm", "FusedGemm", "MatMul", "FusedMatMul"})
FORMATS: dict[int | None, str] = {
    TensorProto.DOUBLE: "float64",
    TensorProto.FLOAT: "float32",
    TensorProto.BFLOAT16: "bfloat16",
    TensorProto.FLOAT16: "float16",
}


def graph_without_weights(workload: Perceptron) -> bytes:
    """Return the graph of a network without its weights, serialised; its input and output are float32."""
    nodes = []
    value = INPUT
    last = len(workload.activations) - 1
    for layer, activation in enumerate(workload.activations):
        nodes.append(
            helper.make_node(
                "Gemm",
                [value, _matrix_name(layer), _bias_name(layer)],
                [f"linear{layer}"],
                f"linear{layer}",
            )
        )
        value = OUTPUT if layer == last else f"activation{layer}"
        nodes += _activation_nodes(activation, f"linear{layer}", value, layer)
    sizes = workload.layer_sizes
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", sizes[0]])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", sizes[-1]])],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="significand",
    )
    return bytes(model.SerializeToString())


def with_weights(structure: bytes, weights: Weights, dtype: type[np.float16 | np.float32]) -> onnx.ModelProto:
    """Return what `graph_without_weights` gave with weights of the type, which its input and output then have too."""
    model = onnx.load_model_from_string(structure)
    for layer, (matrix, bias) in enumerate(weights):
        # Gemm wants (inputs, outputs); ONNX Runtime then quantises per output channel.
        model.graph.initializer.append(numpy_helper.from_array(matrix.T.astype(dtype), _matrix_name(layer)))
        model.graph.initializer.append(numpy_helper.from_array(bias.astype(dtype), _bias_name(layer)))
    if dtype is np.float16:
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.elem_type = TensorProto.FLOAT16
    return model


def refuse_external_data(path: Path) -> None:
    """Refuse a model whose tensors are not in the file itself.

    ONNX lets a tensor name another file, offset and length, which the runtime then reads. What the engine writes never
    does, and how far a runtime may be led (absolute, ``..``, links, addresses in memory) differs by release.

    Raises
    ------
    ValueError
        Naming the file, the tensor and the remedy; also for a file that is no ONNX model.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError as error:
        raise ValueError(f"{str(path)!r} is not an ONNX model ({error}); write it again") from None
    for tensor in _tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            places = [entry.value for entry in tensor.external_data if entry.key == "location"]
            raise ValueError(
                f"{str(path)!r} keeps the tensor {tensor.name!r} in another file ({', '.join(map(repr, places))}), "
                "which is not read; save the model with all its tensors in one file"
            )


def _tensors(message: Message) -> Iterator[TensorProto]:
    """Find the tensors wherever they are: in the graph, in attributes, subgraphs, functions, sparse tensors."""
    if isinstance(message, TensorProto):
        yield message
        return
    for _, value in message.ListFields():
        if isinstance(value, Message):
            yield from _tensors(value)
        elif not isinstance(value, str | bytes | int | float):
            for item in value:
                if not isinstance(item, Message):
                    break  # numbers or texts: all of one kind
                yield from _tensors(item)


def effective_precision(optimised: onnx.ModelProto) -> str:
    """Return the format of the matrix products in an optimised graph.

    Parameters
    ----------
    optimised
        The graph as ONNX Runtime runs it.

    Returns
    -------
    str
        ``"int8"`` for integer products, else the type of their weights; several are joined by ``+``. ``"unknown"``
        where a weight comes from an operator that this function does not know.
    """
    types = {tensor.name: tensor.data_type for tensor in optimised.graph.initializer}
    producers = {name: node for node in optimised.graph.node for name in node.output}

    def type_of(value: str) -> int | None:
        if value in types:
            return int(types[value])
        producer = producers.get(value)
        if producer is not None and producer.op_type == "DequantizeLinear":
            return type_of(producer.input[1])  # the scale, whose type the dequantised weights have
        if producer is not None and producer.op_type == "Cast":
            return int(next(attribute.i for attribute in producer.attribute if attribute.name == "to"))
        return None

    found = []
    for node in optimised.graph.node:
        if node.op_type in INTEGER_MATMULS:
            found.append("int8")
        elif node.op_type in FLOAT_MATMULS:
            found.append(FORMATS.get(type_of(node.input[1]), "unknown"))
    return "+".join(dict.fromkeys(found))


def _matrix_name(layer: int) -> str:
    return f"matrix{layer}"


def _bias_name(layer: int) -> str:
    return f"bias{layer}"


def activation_name(layer: int) -> str:
    """Return the name of the operator that ends a layer, counted from 0."""
    return f"activation{layer}"


def _activation_nodes(activation: str, source: str, target: str, layer: int) -> Sequence[onnx.NodeProto]:
    name = activation_name(layer)
    if activation == "silu":  # x * sigmoid(x): ONNX has an operator of its own only from opset 24 on
        return (
            helper.make_node("Sigmoid", [source], [f"{name}.gate"], f"{name}.gate"),
            helper.make_node("Mul", [source, f"{name}.gate"], [target], name),
        )
    operators: dict[str, tuple[str, dict[str, Any]]] = {
        "relu": ("Relu", {}),
        "leaky_relu": ("LeakyRelu", {"alpha": 0.01}),  # PyTorch's slope
        "elu": ("Elu", {"alpha": 1.0}),
        "gelu": ("Gelu", {}),
        "tanh": ("Tanh", {}),
        "sigmoid": ("Sigmoid", {}),
        "softmax": ("Softmax", {"axis": -1}),
        "linear": ("Identity", {}),
    }
    operator, attributes = operators[activation]
    return (helper.make_node(operator, [source], [target], name, **attributes),)
