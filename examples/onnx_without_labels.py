"""An ONNX file without labels: two inputs, one of a length that varies.

Here the network is made by PyTorch, with random weights; yours may come from anywhere. Make the files and measure them
with one of::

    python examples/onnx_without_labels.py
    significand run reader.onnx --data reader.npz
    significand run reader.onnx --shape words=32

The .npz file holds an array for every input of the network, by the input's name. Without labels nobody knows what is
right: the score says how far a quantised network agrees with the unquantised one. Without data, too, the inputs are
made up, which is said wherever they are shown; `--shape` says how long they are.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

WORDS, LENGTH, TEXTS = 500, 32, 200


class Reader(nn.Module):
    """Look up every word, weigh it, and judge by the sum."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, 64)
        self.layers = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 8))

    def forward(self, text: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Take numbers of words and their weights, both (texts, words), and return (texts, 8)."""
        return self.layers((self.words(text) * weight.unsqueeze(-1)).sum(1))


def write(folder: Path) -> None:
    """Write ``reader.onnx`` and ``reader.npz`` into a folder."""
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    text = random.integers(WORDS, size=(TEXTS, LENGTH))
    weight = random.dirichlet(np.ones(LENGTH), size=TEXTS).astype(np.float32)
    varying = {0: torch.export.Dim("batch"), 1: torch.export.Dim("words")}
    torch.onnx.export(
        Reader().eval(),
        (torch.tensor(text[:2]), torch.tensor(weight[:2])),
        folder / "reader.onnx",
        dynamo=True,
        external_data=False,  # one file
        verbose=False,
        input_names=["text", "weight"],
        dynamic_shapes=(varying, varying),
    )
    np.savez(folder / "reader.npz", text=text, weight=weight)


if __name__ == "__main__":
    write(Path())
