"""Which examples to try a network on: those with extreme values break what others do not. No torch here."""

import numpy as np
from numpy.typing import NDArray

from significand.workload.arrays import Arrays

SEED = 0
"""Of the order: what is tried is the same each time."""


def extremes(inputs: Arrays) -> NDArray[np.int64]:
    """Return the examples with the smallest and the largest value of each input: an embedding may lack their rows."""
    values = [array.reshape(len(array), -1) for array in inputs.by_name.values()]
    return np.unique([row for array in values for row in (array.min(1).argmin(), array.max(1).argmax())])


def extremes_first(inputs: Arrays) -> NDArray[np.int64]:
    """Return all examples, `extremes` first, the others from all over the data."""
    rows = np.concatenate([extremes(inputs), np.random.default_rng(SEED).permutation(len(inputs))])
    return rows[np.sort(np.unique(rows, return_index=True)[1])]
