"""The examples that an examination has saved, as the parts of one repeat. No torch here."""

from pathlib import Path

import numpy as np

from significand.plan.setup import Network
from significand.workload.arrays import load_arrays
from significand.workload.base import Examples, Split

FEWEST = 2
"""Examples that can be split: one to train on or to calibrate with, one held out."""


def split_of(folder: Path, workload: Network, seed: int) -> Split:
    """Return what is trained on and what is held out.

    Where the user gave both parts they are taken as they are; otherwise `Network.test_fraction` of the examples is held
    out, drawn by seed. With `Network.n_samples` so many of the former, or of all, are drawn first.
    """
    examples = _part(folder, "train")
    drawn = np.random.default_rng(seed).permutation(len(examples))[: workload.n_samples]
    if (folder / "test-inputs").exists():
        return Split(examples.take(drawn), _part(folder, "test"))
    n_test = min(max(1, round(workload.test_fraction * len(drawn))), len(drawn) - 1)
    return Split(examples.take(drawn[n_test:]), examples.take(drawn[:n_test]))


def _part(folder: Path, name: str) -> Examples:
    targets = folder / f"{name}-targets"
    return Examples(load_arrays(folder / f"{name}-inputs"), load_arrays(targets) if targets.exists() else None)
