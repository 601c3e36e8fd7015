"""The handwritten digits that ship with scikit-learn, as the built-in networks take them."""

from typing import cast

import numpy as np
from numpy.typing import NDArray

from significand.workload.data import Dataset, load_source

MIDDLE = 8
"""Half of the darkest pixel."""


def digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return 1,797 images, shape (images, 8, 8), pixels from -1 to 1, and the digit that each shows."""
    read = cast("Dataset", load_source("digits"))  # None stands for synthetic data only
    return (read.x.reshape(-1, 8, 8) / MIDDLE - 1).astype(np.float32), read.y
