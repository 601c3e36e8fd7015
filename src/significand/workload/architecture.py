"""The network as plain values, for engines and training alike. No torch here."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Weights = Sequence[tuple[np.ndarray, np.ndarray]]
"""Per layer the matrix, shape (outputs, inputs), and the bias, shape (outputs,)."""


@dataclass(frozen=True)
class Architecture:
    """The structure of the network: units per layer, input first, and one activation per transition."""

    layer_sizes: tuple[int, ...]
    activations: tuple[str, ...]
