"""The networks that are modules: those built in, and one with several inputs and outputs."""

from importlib import import_module
from pathlib import Path

import torch
from torch import nn

from significand.testing.workloads import TABLE
from significand.workload.arrays import Arrays
from significand.workload.export import export
from significand.workload.module import TrainedModule


class Several(nn.Module):
    """Tells its inputs apart, and gives outputs of three shapes, whole numbers among them."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Linear(24, 32)
        self.right = nn.Linear(24, 32)
        self.table = nn.Embedding(TABLE, 32)
        self.head = nn.Linear(32, 3)

    def forward(self, right: torch.Tensor, left: torch.Tensor, row: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return values, shape (examples, 3), the next row, (examples,), and the state, (examples, 32)."""
        state = torch.tanh(self.left(left) - 2 * self.right(right) + self.table(row))
        return self.head(state), row + 1, state


class _Module(TrainedModule):
    """A module whose structure is exported when it is first asked for."""

    def onnx_file(self, folder: Path) -> Path:
        """Write it as a float32 ONNX file."""
        if not self._structure.exists():
            export(self._now(), self._example, self._structure)
        return super().onnx_file(folder)


def trained_module(name: str, example: Arrays, structure: Path, seed: int) -> TrainedModule:
    """Return a network with the weights of a seed.

    Parameters
    ----------
    name
        Of a built-in network, or ``"several"``.
    example
        Inputs for it.
    structure
        Where its exported structure is kept.
    seed
        Decides the weights; the caller's generator is left as it is.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name == "several":
            network: nn.Module = Several()
        else:
            network = import_module(f"significand.workload.networks.{name}").model()
    return _Module(network, example, structure)
