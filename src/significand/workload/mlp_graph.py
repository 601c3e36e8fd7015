"""The multilayer perceptron as an ONNX graph, built by hand: exporting it would take seconds in every experiment."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from significand.plan.setup import Perceptron
from significand.workload.architecture import Weights

INPUT, OUTPUT = "input", "output"
OPSET = 21
IR_VERSION = 10


def graph_without_weights(workload: Perceptron) -> onnx.ModelProto:
    """Return the graph of a network without its weights; its input and output are float32."""
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
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="significand",
    )


def network_file(workload: Perceptron, weights: Weights) -> onnx.ModelProto:
    """Return the graph with its weights, in float32."""
    model = graph_without_weights(workload)
    for layer, (matrix, bias) in enumerate(weights):
        # Gemm wants (inputs, outputs); ONNX Runtime then quantises per output channel.
        model.graph.initializer.append(numpy_helper.from_array(matrix.T.astype(np.float32), _matrix_name(layer)))
        model.graph.initializer.append(numpy_helper.from_array(bias.astype(np.float32), _bias_name(layer)))
    return model


def _matrix_name(layer: int) -> str:
    return f"matrix{layer}"


def _bias_name(layer: int) -> str:
    return f"bias{layer}"


def _activation_nodes(activation: str, source: str, target: str, layer: int) -> Sequence[onnx.NodeProto]:
    name = f"activation{layer}"
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
