"""Samples and labels from a .npz file that anybody may have written. Nothing in it is believed or executed."""

import sys
from pathlib import Path

import numpy as np
import psutil

from significand.plan.archives import unpacked_bytes
from significand.plan.problems import PlanError
from significand.workload.cells import brief, listed, lost_columns
from significand.workload.classes import classes_of_array, one_hot_classes

MOST_EXACT_BYTES = 4
"""Integers of so many bytes are the same in float64; so are floats of twice as many."""


def read_npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read features ``X`` and labels ``y`` from a .npz file; nothing in it is executed.

    Labels of the shape (samples,) are numbers or texts; of (samples, classes) they are one-hot, one 1 a row.

    Returns
    -------
    tuple[np.ndarray, np.ndarray]
        Features, float64, shape (samples, features), and labels 0 .. classes - 1, int64, shape (samples,).

    Raises
    ------
    PlanError
        With one line for everything that is wrong with the file.
    OSError
        When it cannot be read.
    """
    shown = repr(str(path))
    try:
        # Opened here, because numpy.load leaves a damaged file open. Without pickle nothing in the file is executed.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            check_fits(path, unpacked_bytes(file.zip.infolist(), {"X", "y"}))
            # A member that is no array comes as bytes.
            arrays = {name: np.asarray(file[name]) for name in file.files if name in {"X", "y"}}
            present = listed(file.files) or "nothing"
    except PlanError:
        raise
    except Exception as error:  # noqa: BLE001 - zipfile and NumPy raise many kinds on a damaged file
        remedy = "save it with numpy.savez, numbers and texts only"
        raise PlanError([f"{shown} is not a readable .npz of plain arrays ({brief(str(error))}); {remedy}"]) from None
    missing = [name for name in ("X", "y") if name not in arrays]
    if missing:
        remedy = "save it with numpy.savez(path, X=features, y=labels)"
        raise PlanError([f"{shown} has no array {' and no array '.join(missing)}, only {present}; {remedy}"])
    x, y = arrays["X"], arrays["y"]
    if problems := _misfits(shown, x, y):
        raise PlanError(problems)
    check_fits(path, 8 * x.size)
    with np.errstate(all="ignore"):  # what float64 cannot hold becomes infinite or NaN, which is said below
        floats = x.astype(float, copy=False)
    return floats, _checked(shown, x, floats, y)


def _checked(shown: str, x: np.ndarray, floats: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return labels 0 .. classes - 1, or say what is wrong with the values."""
    if x.size == 0:
        raise PlanError(
            [f"{shown} is empty: {x.shape[0]} samples of {x.shape[1]} features; at least one of each is needed"]
        )
    problems = []
    bad = ~np.isfinite(floats)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        problems.append(
            f"{shown} has {int(bad.sum())} values that are NaN or infinite, the first in sample {row}, "
            f"feature {column} (counted from 0); fill or drop them"
        )
    elif x.dtype.itemsize > (2 * MOST_EXACT_BYTES if x.dtype.kind == "f" else MOST_EXACT_BYTES):
        remedy = "scale them, or subtract what they have in common"
        problems += [
            f"{shown} loses its feature {at} (counted from 0): the values, such as {x[0, at]}, differ by too little "
            f"for float64; {remedy}"
            for at in lost_columns(floats, lambda at: list(x[:, at].tolist()))
        ]
    labels, wrong = _classes(y)
    problems += [f"{shown} has {problem}" for problem in wrong]
    if problems:
        raise PlanError(problems)
    return labels


def _classes(y: np.ndarray) -> tuple[np.ndarray, list[str]]:
    if y.ndim == 1:
        return classes_of_array(y)
    if y.shape[1] == 1:
        return classes_of_array(y[:, 0])
    column = one_hot_classes(y)
    if column is None:
        told = f"labels y of the shape {y.shape} that are not one-hot, one 1 a row and zeros else"
        return np.zeros(len(y), np.int64), [f"{told}; give one class number a sample, shape (samples,)"]
    return classes_of_array(column)


def _misfits(shown: str, x: np.ndarray, y: np.ndarray) -> list[str]:
    problems = []
    if x.ndim != 2:
        problems.append(f"{shown}: X has the shape {x.shape}; reshape it to (samples, features)")
    if y.ndim not in {1, 2} or (y.ndim == 2 and not y.shape[1]):
        problems.append(f"{shown}: y has the shape {y.shape}; give one class number a sample, shape (samples,)")
    if x.ndim and y.ndim and len(x) != len(y):
        problems.append(f"{shown}: X has {len(x)} samples and y {len(y)}; give one label a sample")
    if x.dtype.kind not in "biuf":
        problems.append(f"{shown}: X holds {x.dtype}, not real numbers; convert it")
    if y.dtype.kind not in "biufUS":
        problems.append(f"{shown}: y holds {y.dtype}, not numbers or texts; convert it")
    if not problems and y.dtype.kind == "U" and not _is_text(y):
        problems.append(f"{shown} is damaged: y holds what is no text; save it again")
    return problems


def _is_text(labels: np.ndarray) -> bool:
    """Whether texts hold Unicode only: NumPy takes any 32 bits for a character, and Python fails on some later."""
    if not labels.nbytes:
        return True
    codes = labels.astype(labels.dtype.newbyteorder("=")).view(np.uint32)
    return int(codes.max()) <= sys.maxunicode


def check_fits(path: Path, needed_bytes: int) -> None:
    """Refuse a file that needs more memory than is available."""
    available_bytes = psutil.virtual_memory().available
    if needed_bytes > available_bytes:
        room = f"at least {needed_bytes / 1e6:.0f} MB of memory, {available_bytes / 1e6:.0f} MB are available"
        raise PlanError([f"{str(path)!r} needs {room}; give fewer samples"])
