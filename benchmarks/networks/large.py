"""A network of 300 MB, all of it in matrices, on made-up inputs without labels."""

import torch
from torch import nn

WIDTH, LAYERS = 2500, 12


def model() -> nn.Module:
    """Return twelve layers of 2500 x 2500 numbers."""
    layers: list[nn.Module] = []
    for _ in range(LAYERS):
        layers += [nn.Linear(WIDTH, WIDTH), nn.ReLU()]
    return nn.Sequential(*layers)


def data() -> tuple[torch.Tensor, None]:
    """Return normal inputs."""
    return torch.randn(32, WIDTH), None
