"""An ONNX file with labels: train a network on digits, and write it down with images that it has not seen.

Here the network is made by PyTorch; yours may come from anywhere. Make the two files and measure them with::

    python examples/onnx_with_labels.py
    significand run digits.onnx --data digits.npz

The .npz file holds an array for every input of the network, by the input's name, and the labels as `y`. The score is
the share of images that are read rightly.
"""

from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional


def trained_network(images: torch.Tensor, digits: torch.Tensor) -> nn.Module:
    """Return a small network that has learned to read the images."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    for _ in range(15):
        for batch in torch.randperm(len(images)).split(32):
            optimizer.zero_grad()
            functional.cross_entropy(network(images[batch]), digits[batch]).backward()
            optimizer.step()
    return network.eval()


def write(folder: Path) -> None:
    """Write ``digits.onnx`` and ``digits.npz`` into a folder."""
    pixels, labels = load_digits(return_X_y=True)
    images = torch.tensor(pixels / 16, dtype=torch.float32)
    digits = torch.tensor(labels)
    network = trained_network(images[:1400], digits[:1400])
    torch.onnx.export(
        network,
        (images[:2],),
        folder / "digits.onnx",
        dynamo=True,
        external_data=False,  # one file
        verbose=False,
        input_names=["image"],
        output_names=["digit"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),  # so that any number of images can be read at once
    )
    np.savez(folder / "digits.npz", image=images[1400:].numpy(), y=digits[1400:].numpy())


if __name__ == "__main__":
    write(Path())
