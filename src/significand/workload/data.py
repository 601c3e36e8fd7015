"""Data sets: made from a seed, shipped with scikit-learn, or from a file; and their parts. No torch here."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import numpy as np

from significand.plan.experiment import DataFacts, TableFormat
from significand.plan.problems import PlanError
from significand.workload.arrays import Arrays
from significand.workload.base import Examples, Split
from significand.workload.cells import brief
from significand.workload.csv_file import read_csv
from significand.workload.data_files import read_npz
from significand.workload.parts import n_held_out

CLUSTERS_PER_CLASS = 2
CLUSTER_SPREAD = 4.0
"""Typical distance of a cluster's centre from the origin, in standard deviations of the noise: hard enough that a
network does not reach 100 % on held-out data at once, easy enough that it learns."""

STEEP = 2.0**-20
"""A range that is smaller than this share of the values: their mean is rounded by too much of it to be taken away."""

WIDE = 2.0**40
"""Between the largest and the smallest number of a feature there is less in nearly all data. Then a deviation is not so
small beside the range that float32 could not hold their ratio."""


@dataclass(frozen=True)
class Dataset:
    """Samples and labels.

    Attributes
    ----------
    x
        Features, float64, shape (samples, features).
    y
        Labels 0 .. classes - 1, int64, shape (samples,).
    names
        What the features are called; empty where they have no names.
    """

    x: np.ndarray
    y: np.ndarray
    names: tuple[str, ...] = ()

    @property
    def facts(self) -> DataFacts:
        """What a plan needs to know."""
        return DataFacts(len(self.x), self.x.shape[1], int(self.y.max()) + 1)

    def sha256(self) -> str:
        """Return a digest of the content, by which an experiment that is gone on with knows its data."""
        digest = hashlib.sha256(repr((self.x.shape, self.x.dtype.str, self.y.dtype.str)).encode())
        digest.update(np.ascontiguousarray(self.x).data)
        digest.update(np.ascontiguousarray(self.y).data)
        return digest.hexdigest()

    def save(self, path: Path | IO[bytes]) -> None:
        """Write the data set for `load_saved`."""
        np.savez(path, x=self.x, y=self.y, names=np.array(self.names, dtype=str))

    def feature(self, at: int) -> str:
        """Return what a feature is called."""
        return f"column {brief(self.names[at])}" if self.names else f"feature {at} (counted from 0)"


def load_saved(path: Path) -> Dataset:
    """Read what `Dataset.save` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return Dataset(arrays["x"], arrays["y"], tuple(arrays["names"].tolist()))


def load_source(data: str, form: TableFormat = TableFormat()) -> Dataset | None:  # noqa: B008 - it is frozen
    """Return the data set of that name or path; None for ``"synthetic"``, which is made per seed by `make_synthetic`.

    Parameters
    ----------
    data
        ``"synthetic"``, ``"digits"``, or the path of a .npz file (X, y) or a .csv file.
    form
        How a .csv file is to be read.

    Raises
    ------
    PlanError
        With one line for everything that is wrong with the file.
    """
    if data == "synthetic":
        return None
    if data == "digits":
        return _read_digits()
    path = Path(data)
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises on a name that is too long
        state = "not a file" if os.path.exists(path) else "missing"  # noqa: PTH110 - the same
        raise PlanError([f"{data!r} is {state}; give the path of a .npz or .csv file"])
    try:
        return Dataset(*(read_npz(path) if path.suffix.lower() == ".npz" else read_csv(path, form)))
    except OSError as error:
        raise PlanError([f"{data!r} cannot be read ({error.strerror or error}); check the file"]) from None


class DataSources:
    """The data sets that a plan asks about, each read once."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, TableFormat], Dataset | None] = {}

    def dataset(self, data: str, form: TableFormat) -> Dataset | None:
        """Return what `load_source` gives.

        Raises
        ------
        PlanError
            As `load_source`.
        """
        if (data, form) not in self._read:
            self._read[data, form] = load_source(data, form)
        return self._read[data, form]

    def facts(self, data: str, form: TableFormat) -> DataFacts | None:
        """Return what a plan needs to know of it; None for data that is made to fit.

        Raises
        ------
        PlanError
            As `load_source`.
        """
        dataset = self.dataset(data, form)
        return dataset.facts if dataset else None


def make_synthetic(layer_sizes: tuple[int, ...], n_samples: int, seed: int) -> Dataset:
    """Make learnable data for a network: every class is a mixture of two Gaussian clusters.

    Features and classes follow the first and last layer; a single output means two classes. Labels are balanced.
    """
    features, classes = layer_sizes[0], max(2, layer_sizes[-1])
    random = np.random.default_rng(seed)
    # Scaled so that the distance between centres does not grow with the number of features.
    centres = random.normal(size=(classes, CLUSTERS_PER_CLASS, features)) * (CLUSTER_SPREAD / np.sqrt(features))
    y = random.permutation(np.arange(n_samples) % classes)
    cluster = random.integers(CLUSTERS_PER_CLASS, size=n_samples)
    x = centres[y, cluster] + random.normal(size=(n_samples, features))
    return Dataset(x, y.astype(np.int64))


def split(dataset: Dataset, n_samples: int, test_fraction: float, seed: int) -> Split:
    """Draw `n_samples` of the data by seed, hold out a part for test, and standardise on the rest.

    Parameters
    ----------
    dataset
        What to draw from.
    n_samples
        How many samples to use.
    test_fraction
        Share held out, rounded, but at least one sample and never all.
    seed
        Decides which samples are used and which are held out.

    Returns
    -------
    Split
        Features as float32, standardised on the training part, labels as int64.

    Raises
    ------
    PlanError
        Where a held-out value lies so many deviations off that float32 cannot hold it.
    """
    chosen = np.random.default_rng(seed).permutation(len(dataset.x))[:n_samples]
    n_test = n_held_out(len(chosen), test_fraction)
    test, train = chosen[:n_test], chosen[n_test:]
    scaled = dataset.x[train]
    # Squares, sums and differences stay within float64: powers of two change no digit, and a number near to all others
    # is taken away from them without rounding.
    scale = np.frexp(abs(scaled).max(axis=0))[1]
    scaled = np.ldexp(scaled, -scale)
    near = np.where(np.ptp(scaled, axis=0) < STEEP, scaled[0], 0.0)
    scaled -= near
    centre, spread = scaled.mean(axis=0), scaled.std(axis=0)
    # A constant feature stays constant; rounding may give it a tiny spread that would blow up the held-out part.
    constant = np.ptp(scaled, axis=0) == 0
    spread[constant] = np.ldexp(1.0, -scale[constant])

    held_out = dataset.x[test]
    with np.errstate(all="ignore"):  # what is too far off becomes infinite or NaN, which is said below
        held_out = np.ldexp(held_out, -scale) - near
        parts = [((part - centre) / spread).astype(np.float32) for part in (scaled, held_out)]
    _check_finite(dataset, parts[1], test)
    trained_on, scored = (_part(x, dataset.y[rows]) for x, rows in zip(parts, (train, test), strict=True))
    return Split(trained_on, scored, test, len(dataset.x))


def _part(x: np.ndarray, y: np.ndarray) -> Examples:
    return Examples(Arrays({"input": x}), Arrays({"target": y}))


def _check_finite(dataset: Dataset, held_out: np.ndarray, rows: np.ndarray) -> None:
    bad = np.argwhere(~np.isfinite(held_out))
    if len(bad):
        row, at = bad[0]
        found = f"{dataset.feature(at)} has {dataset.x[rows[row], at]:g} in sample {rows[row]} (counted from 0)"
        why = "held out, and too far from those trained on for float32 to hold it standardised"
        raise PlanError([f"{found}, {why}; take the feature's logarithm, or drop the sample"])


def check_splits(dataset: Dataset, n_samples: int, test_fraction: float, seeds: Iterable[int]) -> None:
    """Find out before anything runs whether float32 holds the data of every repeat.

    Raises
    ------
    PlanError
        As `split` does.
    """
    sizes = abs(dataset.x)
    largest = sizes.max(axis=0)
    smallest = np.where(sizes > 0, sizes, np.inf).min(axis=0)
    doubtful = np.flatnonzero((largest > WIDE) | (smallest < largest / WIDE))
    if doubtful.size:
        names = tuple(dataset.names[at] for at in doubtful) if dataset.names else ()
        # Without names a feature would be counted among the doubtful ones only.
        names = names or tuple(f"{at} (counted from 0)" for at in doubtful)
        doubted = Dataset(dataset.x[:, doubtful], dataset.y, names)
        for seed in seeds:
            split(doubted, n_samples, test_fraction, seed)


def draw(
    dataset: Dataset | None,
    layer_sizes: tuple[int, ...],
    n_samples: int,
    test_fraction: float,
    seed: int,
) -> Split:
    """Return the data of one repeat: made from the seed where there is no data set, then split."""
    if dataset is None:
        made = make_synthetic(layer_sizes, n_samples, seed)
        return replace(split(made, n_samples, test_fraction, seed), drawn_from=0)
    return split(dataset, n_samples, test_fraction, seed)


def _read_digits() -> Dataset:
    """Read the images of handwritten digits that ship with scikit-learn: 64 pixels a line, the digit last.

    `sklearn.datasets.load_digits` reads the same file; importing it takes 0.7 s, which every run would wait for.
    """
    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise PlanError(["'digits' ships with scikit-learn, which is not installed; pip install scikit-learn"])
    path = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
    if not path.is_file():  # a release that keeps it elsewhere
        from sklearn.datasets import load_digits  # noqa: PLC0415 - the reason above

        x, y = load_digits(return_X_y=True)
        return Dataset(np.asarray(x, dtype=float), np.asarray(y, dtype=np.int64))
    table = np.loadtxt(path, delimiter=",")
    return Dataset(table[:, :-1], table[:, -1].astype(np.int64))
