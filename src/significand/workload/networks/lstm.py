"""An LSTM that reads a handwritten digit row by row."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from significand.workload.networks._digits import digits

# PyTorch's own optimizer, which is ready three seconds sooner here; a file of yours takes torch.optim.Adam.
from significand.workload.training import Adam

PIXELS = 8


class Reader(nn.Module):
    """Judge by what the LSTM gives after the last row."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(PIXELS, width, num_layers=depth, batch_first=True)
        self.head = nn.Linear(width, 10)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return a value for each digit, shape (examples, 10)."""
        read, _ = self.lstm(rows)
        return self.head(read[:, -1])  # type: ignore[no-any-return]  # a module of torch's


def model(width: int = 64, depth: int = 1) -> nn.Module:
    """Return an LSTM and a linear layer.

    Parameters
    ----------
    width
        Numbers that the LSTM keeps in mind.
    depth
        LSTMs on top of each other.
    """
    return Reader(width, depth)


def data() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return images, shape (images, 8 rows, 8 pixels), and digits."""
    return digits()


def optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """Return Adam: gradients through eight rows are too small for plain gradient descent in a few epochs."""
    return Adam(model.parameters(), lr=3e-3)
