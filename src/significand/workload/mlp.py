"""The multilayer perceptron."""

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from significand.workload.architecture import Weights

ACTIVATION_MODULES: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softmax": lambda: nn.Softmax(dim=-1),  # type: ignore[dict-item]  # called like a class
    "linear": nn.Identity,
}

ON_LOGITS = ("softmax", "sigmoid", "linear")
"""Last activations that training leaves to its loss, which is stabler on logits; inference applies them."""


def build_network(layer_sizes: Sequence[int], activations: Sequence[str]) -> nn.Sequential:
    """Return the network that inference runs: a linear layer and an activation per transition, alternating.

    Input has the shape (batch, layer_sizes[0]), output (batch, layer_sizes[-1]).
    """
    modules: list[nn.Module] = []
    for (inputs, outputs), activation in zip(itertools.pairwise(layer_sizes), activations, strict=True):
        modules += [nn.Linear(inputs, outputs), ACTIVATION_MODULES[activation]()]
    return nn.Sequential(*modules)


def initial_network(layer_sizes: Sequence[int], activations: Sequence[str], seed: int) -> nn.Sequential:
    """Return the network with PyTorch's default initial weights drawn from `seed`, the caller's generator untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_network(layer_sizes, activations)


def training_part(network: nn.Sequential, activations: Sequence[str]) -> nn.Sequential:
    """Return the part of `network` that training runs: without a last activation in `ON_LOGITS`. Weights are shared."""
    return nn.Sequential(*list(network)[:-1]) if activations[-1] in ON_LOGITS else network


def read_weights(network: nn.Sequential) -> Weights:
    """Return copies of the network's weights as NumPy arrays."""
    return [
        (layer.weight.detach().numpy().copy(), layer.bias.detach().numpy().copy())
        for layer in network
        if isinstance(layer, nn.Linear)
    ]


def write_weights(network: nn.Sequential, weights: Weights) -> None:
    """Copy `weights` into the network."""
    layers = [layer for layer in network if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer, (matrix, bias) in zip(layers, weights, strict=True):
            layer.weight.copy_(torch.from_numpy(matrix))
            layer.bias.copy_(torch.from_numpy(bias))


def reference_outputs(
    layer_sizes: Sequence[int], activations: Sequence[str], weights: Weights, x: np.ndarray
) -> np.ndarray:
    """Return what the weights give on `x` in float64, shape (samples, outputs): the yardstick of every precision."""
    network = build_network(layer_sizes, activations).double()
    write_weights(network, weights)
    with torch.inference_mode():
        outputs: np.ndarray = network(torch.from_numpy(x).double()).numpy()
    return outputs


def predicted_classes(outputs: np.ndarray) -> np.ndarray:
    """Return the class each row of outputs stands for: the largest output, or over 0.5 where there is only one."""
    if outputs.shape[1] == 1:
        return (outputs[:, 0] > 0.5).astype(np.int64)
    classes: np.ndarray = outputs.argmax(axis=1)
    return classes
