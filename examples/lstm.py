"""An LSTM on sequences: tell four shapes of a noisy signal apart.

The signals are made from a seed; nothing is downloaded. Run it with::

    significand run examples/lstm.py --epochs 6

The optimizer is the file's own. `optimizer` may be any function of the model that returns one of PyTorch's.
"""

import numpy as np
import torch
from torch import nn

STEPS, SIGNALS = 40, 1200


class Listener(nn.Module):
    """Listen to a signal step by step, and judge by the largest values that its states ever had."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.lstm = nn.LSTM(input_size=1, hidden_size=width, batch_first=True)
        self.head = nn.Linear(width, 4)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Take signals of shape (examples, steps, 1), and return a value for each shape of signal."""
        states, _ = self.lstm(signal)
        return self.head(states.amax(dim=1))


model = Listener  # the class itself does as well as a function


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return signals, shape (signals, steps, 1), and the number of each one's shape."""
    random = np.random.default_rng(0)
    shapes = random.integers(4, size=SIGNALS)
    angle = np.linspace(0, 4 * np.pi, STEPS) + random.uniform(0, 2 * np.pi, size=(SIGNALS, 1))
    sine = np.sin(angle)
    signals = np.choose(shapes[:, np.newaxis], [sine, np.sign(sine), 2 / np.pi * np.arcsin(sine), np.sin(2 * angle)])
    noisy = signals + random.normal(scale=0.2, size=signals.shape)
    return noisy[..., np.newaxis].astype(np.float32), shapes


def optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """Return Adam, instead of what the command line's flags say."""
    return torch.optim.Adam(model.parameters(), lr=0.01)
