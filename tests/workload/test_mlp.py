from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from significand.plan.options import ACTIVATIONS
from significand.workload.architecture import Weights
from significand.workload.mlp import (
    ACTIVATION_MODULES,
    MlpRecipe,
    build_network,
    initial_network,
    predicted_classes,
    read_weights,
    reference_outputs,
    write_weights,
)

pytestmark = pytest.mark.slow

SIZES = (5, 7, 3)


def random_weights(seed: int = 0) -> Weights:
    """Return float64 weights for the sizes above."""
    random = np.random.default_rng(seed)
    return [(random.normal(size=(outputs, inputs)), random.normal(size=outputs)) for inputs, outputs in pairwise(SIZES)]


def test_every_allowed_activation_can_be_built() -> None:
    """The activations a plan allows are those the network knows."""
    assert set(ACTIVATION_MODULES) == set(ACTIVATIONS)


def test_network_alternates_layers_and_activations() -> None:
    """Each transition is a linear layer of the right shape and its activation."""
    network = build_network(SIZES, ("tanh", "softmax"))
    assert [type(module) for module in network] == [nn.Linear, nn.Tanh, nn.Linear, nn.Softmax]
    assert [tuple(layer.weight.shape) for layer in network if isinstance(layer, nn.Linear)] == [(7, 5), (3, 7)]


def test_initial_weights_follow_the_seed() -> None:
    """The same seed gives the same initial weights, another seed others."""
    first, again, other = (read_weights(initial_network(SIZES, ("relu", "softmax"), seed)) for seed in (1, 1, 2))
    for (matrix, bias), (same_matrix, same_bias) in zip(first, again, strict=True):
        np.testing.assert_array_equal(matrix, same_matrix)
        np.testing.assert_array_equal(bias, same_bias)
    assert not np.array_equal(first[0][0], other[0][0])


def test_initial_network_leaves_the_callers_generator_alone() -> None:
    """Making a network draws nothing from torch's global generator."""
    before = torch.get_rng_state()
    initial_network(SIZES, ("relu", "softmax"), 1)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("last", "trained"), [("softmax", 3), ("sigmoid", 3), ("linear", 3), ("relu", 4), ("tanh", 4)])
def test_training_leaves_the_last_activation_to_its_loss(last: str, trained: int) -> None:
    """Softmax, sigmoid and linear outputs train on logits; other last activations train as they are."""
    activations = ("relu", last)
    network = initial_network(SIZES, activations, 1)
    x, y = torch.randn(6, SIZES[0]), torch.zeros(6, dtype=torch.long)
    assert torch.equal(MlpRecipe(activations).outputs(network, x, y), network[:trained](x))


def test_weights_read_are_copies_and_write_back() -> None:
    """Weights written are those read, bit for bit, and what was read does not change with the network."""
    network = build_network(SIZES, ("relu", "softmax")).double()
    weights = random_weights()
    write_weights(network, weights)
    kept = read_weights(network)
    write_weights(network, random_weights(seed=1))
    for (matrix, bias), (kept_matrix, kept_bias) in zip(weights, kept, strict=True):
        np.testing.assert_array_equal(kept_matrix, matrix)
        np.testing.assert_array_equal(kept_bias, bias)


# The definitions of relu, softmax, sigmoid and tanh, written in NumPy.
FORMULAS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda z: np.maximum(z, 0),
    "softmax": lambda z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "linear": lambda z: z,
}


@pytest.mark.parametrize("activations", [("relu", "softmax"), ("tanh", "sigmoid"), ("relu", "linear")])
def test_reference_is_the_forward_pass_in_float64(activations: tuple[str, str]) -> None:
    """The reference outputs are those of the formula in double precision."""
    weights = random_weights()
    x = np.random.default_rng(1).normal(size=(20, 5)).astype(np.float32)
    expected = x.astype(np.float64)
    for (matrix, bias), name in zip(weights, activations, strict=True):
        expected = FORMULAS[name](expected @ matrix.T + bias)
    outputs = reference_outputs(SIZES, activations, weights, x)
    assert outputs.dtype == np.float64
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("outputs", "classes"),
    [
        ([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]], [1, 0]),
        ([[0.4], [0.6], [0.5]], [0, 1, 0]),
    ],
    ids=["largest", "single output over a half"],
)
def test_predicted_class(outputs: list[list[float]], classes: list[int]) -> None:
    """The class is the largest output; a single output over 0.5 is class 1."""
    np.testing.assert_array_equal(predicted_classes(np.array(outputs)), classes)
