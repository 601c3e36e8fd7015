"""A small transformer encoder that reads a handwritten digit as eight tokens: the rows of its image."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from significand.workload.networks._digits import digits

ROWS, PIXELS = 8, 8


class Attention(nn.Module):
    """Self-attention of several heads.

    Query, key and value have a layer each: cut from one, as `torch.nn.MultiheadAttention` does it, they become
    operators on sequences in an ONNX file, which quantisers do not see through.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return tokens of the same shape: (examples, tokens, width)."""
        parts = (layer(tokens) for layer in (self.query, self.key, self.value))
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        seen = functional.scaled_dot_product_attention(query, key, value)
        return self.out(seen.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]  # a module of torch's


class Block(nn.Module):
    """Attention and two linear layers, each normalised before and added to what it takes."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, heads))
        self.layers = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return tokens of the same shape."""
        tokens = tokens + self.attention(tokens)
        return tokens + self.layers(tokens)  # type: ignore[no-any-return]  # a module of torch's


class Encoder(nn.Module):
    """Embed every row, add where it stands, let the rows see each other, and judge by their mean."""

    def __init__(self, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.embed = nn.Linear(PIXELS, width)
        self.places = nn.Parameter(torch.randn(ROWS, width) / 5)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)), nn.LayerNorm(width))
        self.head = nn.Linear(width, 10)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return a value for each digit, shape (examples, 10)."""
        return self.head(self.blocks(self.embed(rows) + self.places).mean(1))  # type: ignore[no-any-return]


def model(width: int = 32, depth: int = 2, heads: int = 4) -> nn.Module:
    """Return an encoder.

    Parameters
    ----------
    width
        Numbers a token, a multiple of `heads`.
    depth
        Blocks of attention and linear layers.
    heads
        Parts of a token that attend on their own.
    """
    if width % heads:
        raise ValueError(f"width={width} is not a multiple of heads={heads}; choose width as one")
    return Encoder(width, depth, heads)


def data() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return images, shape (images, 8 tokens, 8 pixels), and digits."""
    return digits()
