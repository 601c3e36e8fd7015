from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn import functional

from significand.plan.options import BUILT_IN_NETWORKS, MLP
from significand.testing import WORKLOADS

pytestmark = pytest.mark.slow

NAMES = ("cnn", "encoder", "lstm")

LEAST_RIGHT = {"cnn": 0.95, "encoder": 0.9, "lstm": 0.9}
"""Share of held-out digits that each reads rightly after ten epochs."""


def functions_of(name: str) -> Mapping[str, Any]:
    """Return what a built-in network's file has."""
    return vars(import_module(f"significand.workload.networks.{name}"))


def tensors_of(functions: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return its data."""
    inputs, targets = functions["data"]()
    return torch.from_numpy(inputs), torch.from_numpy(targets)


def default_optimizer(network: nn.Module) -> torch.optim.Optimizer:
    """Return what the flags say unless they say otherwise."""
    return torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)


def held_out_accuracy(functions: Mapping[str, Any], seed: int, epochs: int = 10) -> float:
    """Train with plain torch on four fifths of the data; return the share of the others that are read rightly."""
    torch.manual_seed(seed)
    inputs, targets = tensors_of(functions)
    network = functions["model"]()
    optimizer = functions.get("optimizer", default_optimizer)(network)
    held_out, trained = torch.randperm(len(inputs)).split([359, len(inputs) - 359])  # type: ignore[no-untyped-call]
    for _ in range(epochs):
        for batch in trained[torch.randperm(len(trained))].split(32):
            optimizer.zero_grad()
            functional.cross_entropy(network(inputs[batch]), targets[batch]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    network.eval()
    with torch.no_grad():
        return float((network(inputs[held_out]).argmax(1) == targets[held_out]).double().mean())


def test_every_built_in_network_is_tested_here() -> None:
    """The names that the command line knows are these, and the perceptron, which has tests of its own."""
    assert set(BUILT_IN_NETWORKS) == {MLP, *NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_network_takes_its_data(name: str) -> None:
    """Ten finite values come out for each image; inputs are float32 around 0, and every digit is among the targets."""
    functions = functions_of(name)
    inputs, targets = tensors_of(functions)
    assert inputs.dtype == torch.float32
    assert (float(inputs.min()), float(inputs.max())) == (-1, 1)
    assert np.array_equal(np.unique(targets), np.arange(10))
    outputs = functions["model"]()(inputs[:5])
    assert outputs.shape == (5, 10)
    assert outputs.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_network_learns(name: str) -> None:
    """Ten epochs are enough to read digits that it has not seen."""
    assert held_out_accuracy(functions_of(name), seed=0) >= LEAST_RIGHT[name]


@pytest.mark.parametrize(
    ("name", "options"),
    [("cnn", {"width": 4}), ("encoder", {"width": 12, "depth": 1, "heads": 3}), ("lstm", {"width": 5, "depth": 2})],
)
def test_size_can_be_chosen(name: str, options: dict[str, int]) -> None:
    """Options of the model change how large it is, and it still takes its data."""
    functions = functions_of(name)
    chosen, usual = functions["model"](**options), functions["model"]()
    assert sum(map(torch.numel, chosen.parameters())) < sum(map(torch.numel, usual.parameters()))
    assert chosen(tensors_of(functions)[0][:2]).shape == (2, 10)


def test_width_that_no_heads_can_share_is_refused() -> None:
    """The message names both values and what to choose."""
    with pytest.raises(ValueError, match="width=30 is not a multiple of heads=4; choose"):
        functions_of("encoder")["model"](width=30)


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", ["cnn", "encoder"])  # oneDNN has no LSTM in these on every machine
def test_network_trains_in_reduced_precision(name: str, precision: torch.dtype) -> None:
    """Under autocast the outputs are in the mode's own type, and every weight gets a finite gradient."""
    functions = functions_of(name)
    inputs, targets = tensors_of(functions)
    network = functions["model"]()
    with torch.autocast("cpu", dtype=precision):
        outputs = network(inputs[:32])
    assert outputs.dtype == precision
    functional.cross_entropy(outputs.float(), targets[:32]).backward()  # type: ignore[no-untyped-call]
    gradients = [weight.grad for weight in network.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("name", NAMES)
def test_network_has_a_float64_twin(name: str) -> None:
    """A copy in float64 agrees within float32's rounding: the yardstick of every precision."""
    functions = functions_of(name)
    network = functions["model"]().eval()
    inputs = tensors_of(functions)[0][:5]
    with torch.no_grad():
        outputs = network(inputs).double()
        exact = network.double()(inputs.double())
    assert exact.dtype == torch.float64
    assert torch.allclose(outputs, exact, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_exported_network_agrees(name: str, tmp_path: Path) -> None:
    """ONNX Runtime gives what PyTorch gives, for batches of two and five, from one file."""
    network = WORKLOADS[name].trained().module().eval()
    inputs = tensors_of(functions_of(name))[0]
    session = onnxruntime.InferenceSession(WORKLOADS[name].trained().onnx_file(tmp_path))
    for batch in (inputs[:2], inputs[:5]):
        with torch.no_grad():
            wanted = network(batch).numpy()
        np.testing.assert_allclose(session.run(None, {"input": batch.numpy()})[0], wanted, rtol=1e-4, atol=1e-5)
