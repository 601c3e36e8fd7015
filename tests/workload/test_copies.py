"""Behaviour of copies of networks that hold what cannot be copied."""

import copy
import threading
from typing import Any

import pytest
import torch
from torch import nn

from significand.workload.copies import shared_in_copies

pytestmark = pytest.mark.slow


class Holding(nn.Linear):
    """A network that holds what users' networks hold."""

    def __init__(self) -> None:
        super().__init__(4, 3)
        self.lock = threading.Lock()
        self.lines = [(line for line in "text")]
        self.sizes = [4, 3]
        self.function = lambda x: x
        self.bound = self.forward
        self.__dict__["itself"] = self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Keep what a loss may want."""
        self.last = super().forward(x)
        return self.last


def copied(network: nn.Module) -> Any:  # noqa: ANN401 - of the network's own class
    """Return a copy."""
    return copy.deepcopy(network, shared_in_copies(network))


def test_what_cannot_be_copied_is_shared_and_nothing_else() -> None:
    """Locks, generators and tensors with a history are shared; weights, lists and references to itself are copied."""
    network = Holding()
    network(torch.ones(2, 4))
    twin = copied(network)
    assert twin.lock is network.lock
    assert twin.lines is network.lines
    assert twin.sizes is not network.sizes
    assert twin.itself is twin
    with torch.no_grad():
        twin.weight.zero_()
    assert network.weight.any()


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
def test_weights_made_from_others_follow_them() -> None:
    """Weight normalisation keeps its result as a tensor with a history, and renews it at every call."""
    network = nn.utils.weight_norm(nn.Linear(4, 3))
    twin = copied(network).double()
    assert twin(torch.ones(1, 4, dtype=torch.float64)).dtype == torch.float64


def test_a_network_of_torch_alone_shares_nothing() -> None:
    """There is nothing in it that cannot be copied."""
    assert shared_in_copies(nn.Sequential(nn.Linear(4, 3), nn.LSTM(3, 3), nn.BatchNorm1d(3))) == {}
