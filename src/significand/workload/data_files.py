"""Samples and labels from a .npz or .csv file that anybody may have written. Nothing in it is believed or executed."""

import csv
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil

from significand.plan.problems import PlanError

MISSING_LABELS = ("", "nan", "na", "n/a", "null", "none")

LONGEST_LABEL = 200
"""Characters. NumPy gives every label the room of the longest, so that one of 100000 would need gigabytes."""

LONGEST_QUOTE, MOST_NAMES = 80, 20
"""Characters of a file's text, and names in a list, that an error shows."""

ROOM_PER_CSV_BYTE = 8
"""Least memory that reading takes: a cell is two bytes in the file or more, and two references of 8 bytes here."""


def read_npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read features ``X`` and labels ``y`` from a .npz file; nothing in it is executed.

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
            _check_members(path, file.zip.infolist())
            # A member that is no array comes as bytes.
            arrays = {name: np.asarray(file[name]) for name in file.files if name in {"X", "y"}}
            present = _listed(file.files) or "nothing"
    except PlanError:
        raise
    except Exception as error:  # noqa: BLE001 - zipfile and NumPy raise many kinds on a damaged file
        remedy = "save it with numpy.savez, numbers and texts only"
        raise PlanError([f"{shown} is not a readable .npz of plain arrays ({_brief(str(error))}); {remedy}"]) from None
    missing = [name for name in ("X", "y") if name not in arrays]
    if missing:
        remedy = "save it with numpy.savez(path, X=features, y=labels)"
        raise PlanError([f"{shown} has no array {' and no array '.join(missing)}, only {present}; {remedy}"])
    x, y = arrays["X"], arrays["y"]
    if problems := _misfits(shown, x, y):
        raise PlanError(problems)
    _check_fits(path, 8 * x.size)
    with np.errstate(all="ignore"):  # what float64 cannot hold becomes infinite or NaN, which is said below
        x = x.astype(float, copy=False)
        y = y.astype(float, copy=False) if y.dtype.kind == "f" else y
    return _checked(path, x, y)


def _misfits(shown: str, x: np.ndarray, y: np.ndarray) -> list[str]:
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
    if not problems and y.dtype.kind == "U" and not _is_text(y):
        problems.append(f"{shown} is damaged: y holds what is no text; save it again")
    return problems


def _is_text(labels: np.ndarray) -> bool:
    """Whether texts hold Unicode only: NumPy takes any 32 bits for a character, and Python fails on some later."""
    if not labels.nbytes:
        return True
    codes = labels.astype(labels.dtype.newbyteorder("=")).view(np.uint32)
    return int(codes.max()) <= sys.maxunicode


def _check_members(path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse arrays that unpack to more than there is room for: a few kB can stand for any number of zeros."""
    wanted = [member for member in members if member.filename.removesuffix(".npy") in {"X", "y"}]
    for member in wanted:
        # zlib is unpacked piece by piece, up to the size that is checked below; the other methods in large pieces.
        if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise ValueError(f"{member.filename} is packed by a method that NumPy does not use")
    _check_fits(path, sum(member.file_size for member in wanted))


def _check_fits(path: Path, needed_bytes: int) -> None:
    available_bytes = psutil.virtual_memory().available
    if needed_bytes > available_bytes:
        room = f"at least {needed_bytes / 1e6:.0f} MB of memory, {available_bytes / 1e6:.0f} MB are available"
        raise PlanError([f"{str(path)!r} needs {room}; give fewer samples"])


def read_csv(path: Path, label_column: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Read features and labels from a .csv file, with or without a first line of names.

    Parameters
    ----------
    path
        UTF-8, separated by commas, one sample a line.
    label_column
        Name of the column that holds the label; None for the last.

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
    _check_fits(path, ROOM_PER_CSV_BYTE * path.stat().st_size)
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
        raise PlanError([f"{shown} has no column {label_column!r}; its columns: {_listed(header)}"])
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
        place = f"line {number}, column {_brief(header[at]) if has_header else at + 1}"
        raise PlanError(
            [f"{shown} is not numeric: {place} holds {_cut(repr(cell))}; features must be numbers"]
        ) from None
    labels = [row[label_at].strip() for _, row in rows]
    longest = max(labels, key=len)
    if len(longest) > LONGEST_LABEL:
        found = f"{_cut(repr(longest))} with {len(longest)} characters"
        raise PlanError([f"{shown} has the label {found}; at most {LONGEST_LABEL} fit: name the column of the label"])
    return _checked(path, x, np.array(labels))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}..."


def _brief(text: str) -> str:
    """Return a file's text as an error may show it: on one line, without control characters, not long."""
    cut = _cut(text)
    return cut if cut.isprintable() else repr(cut)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(map(_brief, names[:MOST_NAMES])) + more


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _checked(path: Path, x: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return features and labels, these counted from 0, or say what is wrong with its values."""
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
        problems.append(f"{str(path)!r} has one class, {_cut(repr(str(names[0])))}; at least two are needed")
    if problems:
        raise PlanError(problems)
    return x, y.astype(np.int64).reshape(-1)
