"""The multilayer perceptron."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from significand.plan.precision import MODES
from significand.plan.setup import Perceptron, Setup
from significand.workload.architecture import Weights
from significand.workload.arrays import Arrays, Form
from significand.workload.base import Examples, Outputs, Split, Trained
from significand.workload.data import Dataset, draw
from significand.workload.training import Trainer, flag_optimizer

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


class MlpRecipe:
    """Cross-entropy of the logits; binary for sigmoids, one 0 or 1 per output."""

    def __init__(self, activations: Sequence[str]) -> None:
        self._activations = activations

    def outputs(self, network: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - of the protocol
        """Return the logits, or what the last activation gives where training runs it."""
        layers = list(network.children())
        for layer in layers[:-1] if self._activations[-1] in ON_LOGITS else layers:
            inputs = layer(inputs)
        return inputs

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of a batch."""
        if self._activations[-1] == "sigmoid":
            return nn.functional.binary_cross_entropy_with_logits(outputs, targets)
        return nn.functional.cross_entropy(outputs, targets)

    def targets(self, y: np.ndarray, outputs: int) -> np.ndarray:
        """Return class numbers for cross-entropy, or for binary cross-entropy one 0 or 1 per output."""
        if self._activations[-1] != "sigmoid":
            return y
        return (y[:, None] if outputs == 1 else np.eye(outputs, dtype=y.dtype)[y]).astype(np.float32)


class TrainedPerceptron:
    """The weights of a perceptron, as engines ask for them."""

    form: Form = "one"
    quantised = ""
    note = ""
    lasts = True
    quantised_types: Sequence[str] | None = None

    def __init__(self, workload: Perceptron, weights: Weights) -> None:
        self.weights = weights
        self._workload = workload

    def identity(self) -> str:
        """Return nothing: its yardstick takes no time."""
        return ""

    def module(self) -> nn.Sequential:
        """Return the network with these weights."""
        network = build_network(self._workload.layer_sizes, self._workload.activations).eval()
        if self.weights[0][0].dtype == np.float64:
            network.double()  # before the weights come in: they are float64 as trained
        write_weights(network, self.weights)
        return network

    def onnx_file(self, folder: Path) -> Path:
        """Write the graph that is built by hand."""
        import onnx  # noqa: PLC0415 - the torch engine can do without

        from significand.workload.mlp_graph import network_file  # noqa: PLC0415

        path = folder / "float32.onnx"
        onnx.save(network_file(self._workload, self.weights), path)
        return path

    def reference(self, inputs: Arrays) -> Outputs:
        """Return what the weights give in float64."""
        workload, (x,) = self._workload, inputs.by_name.values()
        return [reference_outputs(workload.layer_sizes, workload.activations, self.weights, x)]


class MlpMaterial:
    """The perceptron with its data; see `significand.workload.base.Material`."""

    probe_examples = 1024

    def __init__(self, workload: Perceptron, dataset: Dataset | None) -> None:
        self._workload = workload
        self._dataset = dataset

    def preload(self) -> None:
        """Import nothing: this module has imported all."""

    def load(self) -> None:
        """Import nothing, as `preload`."""

    def split(self, seed: int) -> Split:
        """Draw the data of one repeat."""
        workload = self._workload
        return draw(self._dataset, workload.layer_sizes, workload.n_samples, workload.test_fraction, seed)

    def new_trainer(self, setup: Setup, seed: int, part: Examples) -> Trainer:
        """Return the network before its first step."""
        workload, recipe = self._workload, MlpRecipe(self._workload.activations)
        assert part.targets  # noqa: S101 - these data have labels
        (y,) = part.targets.by_name.values()
        targets = Arrays({"target": recipe.targets(y, workload.layer_sizes[-1])})
        return Trainer(
            initial_network(workload.layer_sizes, workload.activations, seed),
            recipe,
            MODES[setup.precision],
            Examples(part.inputs, targets),
            batch_size=setup.batch_size,
            optimizer=flag_optimizer(workload.optimizer, workload.learning_rate, workload.momentum),
            learning_rate=workload.learning_rate,
            seed=seed,
        )

    def untrained(self, setup: Setup, seed: int) -> Trained:  # noqa: ARG002 - of the protocol
        """Return the network with its initial weights."""
        workload = self._workload
        network = initial_network(workload.layer_sizes, workload.activations, seed)
        return TrainedPerceptron(workload, read_weights(network))

    def trained(self, setup: Setup, trainer: Trainer) -> Trained:  # noqa: ARG002 - of the protocol
        """Return the network as training has left it."""
        return TrainedPerceptron(self._workload, read_weights(trainer.network))

    def scores(self, outputs: Outputs, targets: Arrays) -> np.ndarray:
        """Return right or wrong, 1 or 0."""
        (y,) = targets.by_name.values()
        right: np.ndarray = (predicted_classes(outputs[0]) == y).astype(np.float64)
        return right


def read_weights(network: nn.Module) -> Weights:
    """Return copies of the network's weights as NumPy arrays."""
    return [
        (layer.weight.detach().numpy().copy(), layer.bias.detach().numpy().copy())
        for layer in network.children()
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
