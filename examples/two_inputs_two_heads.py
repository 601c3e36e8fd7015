"""Two inputs, two outputs, and a loss and a score of your own.

A network sees a picture and a few numbers about it, and says what the picture shows and how large it is. All is made
from a seed; nothing is downloaded. Run it with::

    significand run examples/two_inputs_two_heads.py --epochs 10

Inputs in a dict are keyword arguments of `forward`. Outputs and targets in a tuple come to `loss` and `score` as they
are. Where there are several of them, nobody but you knows what counts: so `loss` and `score` are needed.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

PICTURES, SIDE = 1500, 12

Two = tuple[torch.Tensor, torch.Tensor]


class TwoHeads(nn.Module):
    """Look at the picture and at the numbers, put together what was found, and answer two questions."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.eye = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, width), nn.ReLU())
        self.notes = nn.Sequential(nn.Linear(2, width), nn.ReLU())
        self.shape = nn.Linear(2 * width, 2)
        self.size = nn.Linear(2 * width, 1)

    def forward(self, picture: torch.Tensor, about: torch.Tensor) -> Two:
        """Return a value for each shape, (examples, 2), and the size, (examples, 1)."""
        found = torch.cat([self.eye(picture), self.notes(about)], dim=1)
        return self.shape(found), self.size(found)


def model(width: int = 64) -> nn.Module:
    """Return the network."""
    return TwoHeads(width)


def data() -> tuple[dict[str, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return pictures of squares and discs with brightness and noise of each; and the shape, and the size."""
    random = np.random.default_rng(0)
    is_disc = random.integers(2, size=PICTURES)
    half = random.uniform(2, 5, size=PICTURES)
    about = random.uniform([0.5, 0.0], [1.5, 0.3], size=(PICTURES, 2))
    away = abs(np.arange(SIDE) - (SIDE - 1) / 2)
    across, down = np.meshgrid(away, away)
    distance = np.where(is_disc[:, None, None], np.hypot(across, down), np.maximum(across, down))
    picture = about[:, 0, None, None] * (distance < half[:, None, None])
    picture = picture + about[:, 1, None, None] * random.normal(size=picture.shape)
    inputs = {"picture": picture.astype(np.float32), "about": about.astype(np.float32)}
    return inputs, (is_disc, (half - 3.5)[:, np.newaxis].astype(np.float32))


def loss(outputs: Two, targets: Two) -> torch.Tensor:
    """Return what training makes small: one number for the batch, of both questions."""
    (shape, size), (true_shape, true_size) = outputs, targets
    return functional.cross_entropy(shape, true_shape) + functional.mse_loss(size, true_size)


def score(outputs: Two, targets: Two) -> torch.Tensor:
    """Return one value per example, higher is better: 1 where the shape is right and the size within half a pixel."""
    (shape, size), (true_shape, true_size) = outputs, targets
    near = (size - true_size).abs().squeeze(1) < 0.5
    return ((shape.argmax(1) == true_shape) & near).float()
