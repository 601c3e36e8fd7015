"""The network's weights as plain values, for engines and training alike. No torch here."""

from collections.abc import Sequence

import numpy as np

Weights = Sequence[tuple[np.ndarray, np.ndarray]]
"""Per layer the matrix, shape (outputs, inputs), and the bias, shape (outputs,)."""
