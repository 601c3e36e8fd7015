"""Behaviour of the perceptron's graph, which is built by hand."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator

from conftest import setup_of
from made_up_networks import feeds, normal, reference, trained
from significand.plan.options import ACTIVATIONS
from significand.plan.setup import Perceptron
from significand.workload.mlp_graph import graph_without_weights, network_file

pytestmark = pytest.mark.slow

WIDE = setup_of((784, 512, 512, 10), ("relu", "relu", "softmax"), "float32").workload


def test_the_graph_has_no_weights() -> None:
    """The graph holds no tensor; its input and output sizes are the network's, the batch is open."""
    assert isinstance(WIDE, Perceptron)
    model = graph_without_weights(WIDE)
    batch, features = model.graph.input[0].type.tensor_type.shape.dim
    assert not model.graph.initializer
    assert (batch.dim_param, features.dim_value) == ("batch", 784)
    assert model.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_graph_computes_what_the_network_does(activation: str) -> None:
    """Each activation has its operators, with PyTorch's constants."""
    setup = setup_of((8, 16, 4), (activation, "softmax"), "float32")
    assert isinstance(setup.workload, Perceptron)
    model = network_file(setup.workload, trained(setup).weights)
    onnx.checker.check_model(model, full_check=True)
    x = normal(5, 8)
    [outputs] = ReferenceEvaluator(model).run(None, dict(feeds(x)))
    assert np.allclose(outputs, reference(setup, x), rtol=1e-5, atol=1e-7)
