"""Behaviour of the yardstick: computed once for runs that share weights, bit for bit what each would compute."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import significand
from conftest import small_experiment
from made_up_jobs import nothing_drawn
from significand.measure.yardstick import shared_folder, yardstick_of
from significand.plan.setup import Setup
from significand.workload.arrays import Arrays
from significand.workload.examined import ProgramError
from significand.workload.module import TrainedModule

pytestmark = pytest.mark.slow

INPUTS = Arrays({"input": np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)})


class Network(nn.Module):
    """Tells how often it computes in float64."""

    def __init__(self, seed: int, calls: list[int]) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.linear = nn.Linear(4, 3)
        self.calls = calls

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Count calls in float64."""
        if x.dtype == torch.float64:
            self.calls.append(1)
        return self.linear(x)  # type: ignore[no-any-return]

    def __deepcopy__(self, memo: dict[int, object]) -> "Network":
        """Count the copy's calls with our own."""
        copy = Network(0, self.calls)
        copy.load_state_dict(self.state_dict())
        return copy


CALLS = 2
"""Of the network for all inputs: they are more than a batch."""


def trained(calls: list[int], seed: int = 1, *, lasts: bool = True) -> TrainedModule:
    """Return a network that can be made again, or is gone once it was given away."""
    make: Callable[[], nn.Module] = lambda: Network(seed, calls)  # noqa: E731 - twice the same
    return TrainedModule(make(), INPUTS.take(slice(2)), Path("none"), make if lasts else None)


def setup(**changes: object) -> Setup:
    """Return a setup."""
    return replace(small_experiment().setups()[0], **changes)  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize("lasts", [True, False])
def test_runs_that_share_weights_compute_one_yardstick(tmp_path: Path, *, lasts: bool) -> None:
    """Four that ask at the same time get, to the bit, what one computes for itself, and it was computed once."""
    calls: list[int] = []
    (alone,) = trained([]).reference(INPUTS)
    folder = shared_folder(tmp_path, 7)
    networks = [trained(calls, lasts=lasts) for _ in range(4)]  # here: threads would share the seed
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda one: yardstick_of(one, setup(), INPUTS, folder)(), networks))
    assert len(calls) == CALLS
    for one in found:
        (outputs,) = one.outputs
        assert outputs.dtype == np.float64
        assert outputs.tobytes() == alone.tobytes()


@pytest.mark.parametrize(
    ("other", "at", "inputs"),
    [
        (2, setup(), INPUTS),
        (1, setup(threads=3), INPUTS),
        (1, setup(), INPUTS.take(slice(40))),
    ],
    ids=["weights", "threads", "inputs"],
)
def test_what_differs_is_not_shared(other: int, at: Setup, inputs: Arrays, tmp_path: Path) -> None:
    """Other weights, other examples and sums in another order have a yardstick of their own."""
    calls: list[int] = []
    folder = shared_folder(tmp_path, 7)
    yardstick_of(trained(calls), setup(threads=1), INPUTS, folder)()
    yardstick_of(trained(calls, other), replace(at, threads=at.threads or 1), inputs, folder)()
    assert len(calls) == 2 * CALLS


def test_what_is_known_of_a_yardstick_is_shared_too(tmp_path: Path) -> None:
    """That a network does not run in float64 is told of every run that is held against its float32."""

    class Narrow(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x.float())

    def again() -> nn.Module:
        torch.manual_seed(0)
        return Narrow(4, 3)

    folder = shared_folder(tmp_path, 7)
    notes = [
        yardstick_of(TrainedModule(again(), INPUTS, Path("none"), again), setup(), INPUTS, folder)().note
        for _ in range(2)
    ]
    assert notes == ["the yardstick is float32 in torch: the network does not run in float64"] * 2


def test_who_dies_over_a_yardstick_leaves_it_to_the_next(tmp_path: Path) -> None:
    """A process that ends while it computes holds nobody up, and leaves nothing that could be taken for a result."""

    class Dies(list[int]):
        def append(self, one: int, /) -> None:  # noqa: ARG002 - of a list
            os._exit(1)

    folder = shared_folder(tmp_path, 7)
    pid = os.fork()
    if pid == 0:
        try:
            yardstick_of(trained(Dies()), setup(), INPUTS, folder)()
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    calls: list[int] = []
    yardstick_of(trained(calls), setup(), INPUTS, folder)()
    assert len(calls) == CALLS


def test_the_yardstick_of_what_was_given_away_is_that_of_its_weights() -> None:
    """Whatever an engine does to a module that it was given, the yardstick is of the network as it was made."""
    network = trained([])
    later = yardstick_of(network, setup(), INPUTS, None)
    with torch.no_grad():
        for parameter in network.module().parameters():
            parameter.zero_()
    assert later().outputs[0].tobytes() == trained([]).reference(INPUTS)[0].tobytes()


def test_a_network_that_is_made_again_with_other_weights_is_refused(tmp_path: Path) -> None:
    """A `model()` that draws by something else than the seed is named, and nothing is held against another network."""
    seeds = iter(range(9))
    make: Callable[[], nn.Module] = lambda: Network(next(seeds), [])  # noqa: E731 - twice the same
    network = TrainedModule(make(), INPUTS, Path("none"), make)
    later = yardstick_of(network, setup(), INPUTS, shared_folder(tmp_path, 7))
    network.module()
    with pytest.raises(ProgramError, match="other weights at another call"):
        later()


def test_yardsticks_of_another_repeat_are_removed(tmp_path: Path) -> None:
    """They may be large, and nobody asks for them any more."""
    first = shared_folder(tmp_path, 7)
    yardstick_of(trained([]), setup(), INPUTS, first)()
    assert shared_folder(tmp_path, 7) == first
    assert any(first.iterdir())
    assert not any(shared_folder(tmp_path, 8).iterdir())
    assert not first.exists()


PROGRAM = """
import os
import torch
from torch import nn

class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x):
        if x.dtype == torch.float64:
            with open(os.environ["COUNTED"], "a") as file:
                file.write("x")
        return self.linear(x)

def model():
    return Network()

def data():
    return torch.randn(40, 4), None
"""


@pytest.mark.usefixtures("warm_test")
def test_an_experiment_computes_a_yardstick_a_repeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three precisions on two engines share one, and each repeat has its own."""
    nothing_drawn(monkeypatch)
    program, counted = tmp_path / "net.py", tmp_path / "counted"
    program.write_text(PROGRAM)
    monkeypatch.setenv("COUNTED", str(counted))
    result = significand.run(
        model=str(program),
        precision=["float32", "float16", "int8"],
        engine=["onnxruntime", "torch"],
        repeats=2,
        epochs=0,
        threads=1,
        batch_size=4,
        latency_rounds=1,
        round_duration_s=0.01,
        output_dir=tmp_path / "out",
    )
    errors = result.runs["relative_output_error"].to_list()
    assert len(errors) == 10  # torch has no int8 but a dynamic one
    assert all(error < 0.1 for error in errors)
    assert counted.read_text() == "xx"
