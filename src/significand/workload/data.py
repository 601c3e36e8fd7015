"""Data sets: made from a seed, shipped with scikit-learn, or from a file; and their parts. No torch here."""

import hashlib
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from significand.plan.experiment import DataFacts, TableFormat
from significand.plan.problems import PlanError
from significand.workload.data_files import read_csv, read_npz

CLUSTERS_PER_CLASS = 2
CLUSTER_SPREAD = 4.0
"""Typical distance of a cluster's centre from the origin, in standard deviations of the noise: hard enough that a
network does not reach 100 % on held-out data at once, easy enough that it learns."""


@dataclass(frozen=True)
class Dataset:
    """Samples and labels.

    Attributes
    ----------
    x
        Features, float64, shape (samples, features).
    y
        Labels 0 .. classes - 1, int64, shape (samples,).
    """

    x: np.ndarray
    y: np.ndarray

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

    def save(self, path: Path) -> None:
        """Write the data set for `load_saved`."""
        np.savez(path, x=self.x, y=self.y)


@dataclass(frozen=True)
class Split:
    """Training and held-out part, standardised on the training part. x are float32, y int64."""

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


def load_saved(path: Path) -> Dataset:
    """Read what `Dataset.save` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return Dataset(arrays["x"], arrays["y"])


def load_source(data: str, label_column: str | None) -> Dataset | None:
    """Return the data set of that name or path; None for ``"synthetic"``, which is made per seed by `make_synthetic`.

    Parameters
    ----------
    data
        ``"synthetic"``, ``"digits"``, or the path of a .npz file (X, y) or a .csv file.
    label_column
        Column of a .csv file that holds the label; None for the last.

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
        return Dataset(*(read_csv(path, label_column) if path.suffix == ".csv" else read_npz(path)))
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
            self._read[data, form] = load_source(data, form.label_column)
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
    """
    chosen = np.random.default_rng(seed).permutation(len(dataset.x))[:n_samples]
    n_test = min(max(1, round(test_fraction * len(chosen))), len(chosen) - 1)
    test, train = chosen[:n_test], chosen[n_test:]
    centre = dataset.x[train].mean(axis=0)
    spread = dataset.x[train].std(axis=0)
    # A constant feature stays constant; rounding may give it a tiny spread that would blow up the held-out part.
    spread[np.ptp(dataset.x[train], axis=0) == 0] = 1

    def standardised(rows: np.ndarray) -> np.ndarray:
        part: np.ndarray = ((dataset.x[rows] - centre) / spread).astype(np.float32)
        return part

    return Split(standardised(train), dataset.y[train], standardised(test), dataset.y[test])


def draw(
    dataset: Dataset | None,
    layer_sizes: tuple[int, ...],
    n_samples: int,
    test_fraction: float,
    seed: int,
) -> Split:
    """Return the data of one repeat: made from the seed where there is no data set, then split."""
    if dataset is None:
        dataset = make_synthetic(layer_sizes, n_samples, seed)
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
