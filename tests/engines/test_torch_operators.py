"""The operators that torch runs."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from significand.engines.operators import UNKNOWN, Operator, shares
from significand.engines.torch_operators import operator_times, operators_of

pytestmark = pytest.mark.slow


def products(network: nn.Module, *inputs: torch.Tensor) -> list[Operator]:
    """Return the operators that multiply in a call of a network in evaluation mode."""
    network.eval()
    return [one for one in operators_of(network, lambda: network(*inputs)) if one.format]


@pytest.mark.parametrize(
    ("network", "shape", "multiply_adds"),
    [
        (nn.Linear(6, 5), (4, 6), 4 * 6 * 5),
        (nn.Linear(6, 5), (4, 3, 6), 4 * 3 * 6 * 5),
        (nn.Conv2d(3, 8, 3, padding=1), (2, 3, 10, 10), 2 * 10 * 10 * 8 * 3 * 9),
        (nn.Conv2d(4, 8, 3, groups=2), (1, 4, 5, 5), 3 * 3 * 8 * 2 * 9),
        (nn.ConvTranspose2d(3, 8, 2, stride=2), (1, 3, 5, 5), 5 * 5 * 3 * 8 * 4),
        (nn.LSTM(3, 4, batch_first=True), (2, 5, 3), 2 * 5 * (4 * 4 * 3 + 4 * 4 * 4)),
    ],
    ids=["linear", "linear on sequences", "convolution", "groups", "transposed", "lstm"],
)
def test_multiply_adds_are_those_of_the_textbook(
    network: nn.Module, shape: tuple[int, ...], multiply_adds: int
) -> None:
    """A product's work is its weights times the positions that they meet."""
    assert sum(one.multiply_adds for one in products(network, torch.zeros(shape))) == multiply_adds


def test_each_operator_is_named_by_its_module_and_has_its_format() -> None:
    """A network with one layer in another format shows that, by share."""
    network = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.Linear(8, 8).to(torch.bfloat16))
    network[3].register_forward_pre_hook(lambda *call: call[1][0].to(torch.bfloat16))
    found = products(network, torch.zeros(2, 8))
    assert [one.name for one in found] == ["0 addmm", "2 addmm", "3 addmm"]
    assert shares(found) == {"float32": pytest.approx(2 / 3), "bfloat16": pytest.approx(1 / 3)}


def test_an_operator_of_another_package_is_unknown() -> None:
    """What is not understood might multiply: it is never left out."""
    with torch.library._scoped_library("foreign", "DEF") as library:
        library.define("mystery(Tensor x) -> Tensor")
        library.impl("mystery", lambda x: x + 1, "CPU")
        network = nn.Sequential(nn.Linear(3, 3))
        network.register_forward_hook(lambda *call: torch.ops.foreign.mystery(call[-1]))
        assert set(shares(products(network, torch.zeros(1, 3)))) == {"float32", UNKNOWN}


def timed(network: nn.Module, x: torch.Tensor) -> tuple[list[Operator], Callable[[], object]]:
    """Return a network's operators, and its call as it is timed."""

    def call() -> object:
        with torch.inference_mode():
            return network(x)

    return operators_of(network.eval(), lambda: network(x)), call


def test_every_operator_gets_its_own_time() -> None:
    """Times come under the operators' names, the largest product's the longest, though the two are of one kind."""
    torch.set_num_threads(1)
    network = nn.Sequential(nn.Linear(512, 1024), nn.ReLU(), nn.Linear(1024, 4))
    operators, call = timed(network, torch.ones(256, 512))
    times = operator_times(operators, call, calls=5)
    assert {one.name for one in operators if one.format} <= times.keys()
    assert times["0 addmm"] > times["2 addmm"] > 0  # 256 times the work
