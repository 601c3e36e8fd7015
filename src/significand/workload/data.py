"""Data sets: made from a seed, shipped with scikit-learn, or read from a .npz or .csv file. No torch here."""

import csv
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from significand.plan.experiment import DataFacts
from significand.plan.problems import PlanError

MISSING_LABELS = ("", "nan", "na", "n/a", "null", "none")

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
        return _read_csv(path, label_column) if path.suffix == ".csv" else _read_npz(path)
    except OSError as error:
        raise PlanError([f"{data!r} cannot be read ({error.strerror or error}); check the file"]) from None


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


def _read_npz(path: Path) -> Dataset:
    shown = repr(str(path))
    try:
        # Opened here, because numpy.load leaves a damaged file open.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if name in {"X", "y"}}
            present = ", ".join(file.files) or "nothing"
    except Exception as error:  # noqa: BLE001 - zipfile and NumPy raise many kinds on a damaged file
        raise PlanError(
            [f"{shown} is not a readable .npz of plain arrays ({error}); save it with numpy.savez"]
        ) from None
    missing = [name for name in ("X", "y") if name not in arrays]
    if missing:
        remedy = "save it with numpy.savez(path, X=features, y=labels)"
        raise PlanError([f"{shown} has no array {' and no array '.join(missing)}, only {present}; {remedy}"])
    x, y = arrays["X"], arrays["y"]
    problems = []
    if x.ndim != 2:
        problems.append(f"{shown}: X has the shape {x.shape}; reshape it to (samples, features)")
    if y.ndim != 1:
        problems.append(f"{shown}: y has the shape {y.shape}; reshape it to (samples,)")
    if x.ndim and y.ndim and len(x) != len(y):
        problems.append(f"{shown}: X has {len(x)} samples and y {len(y)}; give one label a sample")
    if x.dtype.kind not in "biuf":
        problems.append(f"{shown}: X holds {x.dtype}, not real numbers; convert it")
    if y.dtype.kind not in "biufUS":
        problems.append(f"{shown}: y holds {y.dtype}, not numbers or texts; convert it")
    if problems:
        raise PlanError(problems)
    return _checked(path, x.astype(float), y)


def _read_csv(path: Path, label_column: str | None) -> Dataset:
    shown = repr(str(path))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            numbered = [(at, row) for at, row in enumerate(csv.reader(file), 1) if any(cell.strip() for cell in row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise PlanError([f"{shown} is not a .csv text ({error}); save it as UTF-8"]) from None
    if not numbered:
        raise PlanError([f"{shown} is empty; give one sample a line, features first, the label last"])
    width = len(numbered[0][1])
    ragged = [(number, row) for number, row in numbered if len(row) != width]
    if ragged:
        number, row = ragged[0]
        found = f"line {number} has {len(row)} columns, line {numbered[0][0]} has {width}"
        raise PlanError([f"{shown} is ragged: {found} ({len(ragged)} such lines); give every line the same columns"])
    header = [cell.strip() for cell in numbered[0][1]]
    # A first line with a feature that is no number names the columns.
    has_header = label_column is not None or not all(_is_number(cell) for cell in header[:-1])
    if label_column is not None and label_column not in header:
        raise PlanError([f"{shown} has no column {label_column!r}; its columns: {', '.join(header)}"])
    label_at = header.index(label_column) if label_column is not None else width - 1
    rows = numbered[1:] if has_header else numbered
    if width == 1 and ";" in header[0]:
        raise PlanError([f"{shown} has one column; is it separated by semicolons? Save it with commas"])
    if not rows or width < 2:
        raise PlanError([f"{shown} has {len(rows)} samples of {width - 1} features; at least one of each is needed"])
    features = [[cell for at, cell in enumerate(row) if at != label_at] for _, row in rows]
    try:
        x = np.array(features, dtype=float)
    except ValueError:
        number, at, cell = next(
            (number, at, cell)
            for number, row in rows
            for at, cell in enumerate(row)
            if at != label_at and not _is_number(cell)
        )
        place = f"line {number}, column {header[at] if has_header else at + 1}"
        raise PlanError([f"{shown} is not numeric: {place} holds {cell!r}; features must be numbers"]) from None
    return _checked(path, x, np.array([row[label_at].strip() for _, row in rows]))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _checked(path: Path, x: np.ndarray, labels: np.ndarray) -> Dataset:
    """Return the data set with labels counted from 0, or say what is wrong with its values."""
    problems = []
    if x.size == 0:
        raise PlanError(
            [f"{str(path)!r} is empty: {x.shape[0]} samples of {x.shape[1]} features; at least one of each is needed"]
        )
    bad = ~np.isfinite(x)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        problems.append(
            f"{str(path)!r} has {int(bad.sum())} values that are NaN or infinite, the first in sample {row}, "
            f"feature {column} (counted from 0); fill or drop them"
        )
    if labels.dtype.kind in "US" and all(_is_number(text) for text in labels):
        labels = labels.astype(float)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        problems.append(f"{str(path)!r} has labels that are NaN or infinite; drop these samples")
    elif labels.dtype.kind == "f" and (labels != np.floor(labels)).any():
        problems.append(
            f"{str(path)!r} has labels that are not whole numbers, such as {labels[labels != np.floor(labels)][0]}; "
            "significand measures classifiers: give class labels"
        )
    elif labels.dtype.kind in "US" and (unlabelled := int(np.isin(np.char.lower(labels), MISSING_LABELS).sum())):
        problems.append(f"{str(path)!r} has {unlabelled} samples without a label; fill or drop them")
    names, y = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        problems.append(f"{str(path)!r} has one class, {str(names[0])!r}; at least two are needed")
    if problems:
        raise PlanError(problems)
    return Dataset(x, y.astype(np.int64).reshape(-1))
