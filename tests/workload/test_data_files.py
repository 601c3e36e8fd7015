import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from significand.plan.experiment import TableFormat
from significand.plan.problems import PlanError
from significand.workload.data import Dataset, load_saved, load_source

X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]])
Write = Callable[[str | bytes], str]


@pytest.fixture
def write_csv(tmp_path: Path) -> Write:
    """Return a function that writes a .csv file and returns its path."""

    def write(content: str | bytes) -> str:
        path = tmp_path / "a.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


def problems(path: Path | str, label_column: str | None = None) -> tuple[str, ...]:
    """Return what is wrong with a file."""
    with pytest.raises(PlanError) as caught:
        load_source(str(path), TableFormat(label_column))
    return caught.value.problems


def read(path: Path | str, label_column: str | None = None) -> Dataset:
    """Read a file that is in order."""
    dataset = load_source(str(path), TableFormat(label_column))
    assert dataset is not None
    return dataset


@pytest.mark.parametrize(
    "y",
    [
        np.array([4, -2, 4]),
        np.array([1.0, 0.0, 1.0]),
        np.array([True, False, True]),
        np.array(["b", "a", "b"]),
        np.array([b"b", b"a", b"b"]),
    ],
    ids=lambda y: str(y.dtype),
)
def test_npz_labels_of_every_kind(tmp_path: Path, y: np.ndarray) -> None:
    """Labels may be integers, whole floats, truth values or texts; features become float64."""
    path = tmp_path / "a.npz"
    np.savez(path, X=X.astype(np.float32), y=y)
    dataset = read(path)
    np.testing.assert_array_equal(dataset.y, [1, 0, 1])
    assert dataset.x.dtype == np.float64
    assert dataset.y.dtype == np.int64
    assert (dataset.facts.n_samples, dataset.facts.n_features, dataset.facts.n_classes) == (3, 2, 2)


LABELS = np.array([0, 1, 0])


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({}, ["has no array X and no array y, only nothing"]),
        ({"x": X, "y": LABELS}, ["has no array X, only x, y"]),
        ({"X": X[0], "y": LABELS}, ["X has the shape (2,); reshape", "X has 2 samples and y 3"]),
        ({"X": X[0, 0], "y": LABELS}, ["X has the shape (); reshape"]),
        ({"X": X, "y": LABELS[:, None, None]}, ["y has the shape (3, 1, 1); give one class number a sample"]),
        ({"X": X, "y": LABELS[:2]}, ["X has 3 samples and y 2; give one label a sample"]),
        ({"X": X.astype(complex), "y": LABELS}, ["X holds complex128, not real numbers"]),
        ({"X": X, "y": LABELS.astype("M8[s]")}, ["y holds datetime64[s], not numbers or texts"]),
        ({"X": np.zeros((0, 4)), "y": np.zeros(0, int)}, ["is empty: 0 samples of 4 features"]),
        ({"X": np.zeros((3, 0)), "y": LABELS}, ["is empty: 3 samples of 0 features"]),
        ({"X": X * np.nan, "y": LABELS}, ["has 6 values that are NaN or infinite, the first in sample 0, feature 0"]),
        ({"X": X, "y": 0 * LABELS}, ["has one class, '0'; at least two"]),
        ({"X": X * np.inf, "y": LABELS / 2}, ["NaN or infinite", "labels that are not whole numbers, such as 0.5"]),
        ({"X": X.astype(object), "y": LABELS}, ["is not a readable .npz of plain arrays"]),
        ({"X": X, "y": LABELS.astype(object)}, ["is not a readable .npz of plain arrays"]),
    ],
)
def test_npz_that_does_not_fit_is_said_in_full(tmp_path: Path, arrays: dict[str, np.ndarray], words: list[str]) -> None:
    """Every misfit of a .npz file is a line of its own; object arrays, which would need pickle, are refused."""
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]  # arrays by name
    found = problems(path)
    assert len(found) == len(words)
    assert [word for word, line in zip(words, found, strict=True) if word not in line] == []


@pytest.mark.parametrize("damage", ["empty", "garbage", "truncated", "one bit flipped", "npy"])
def test_damaged_npz_is_one_problem(tmp_path: Path, damage: str) -> None:
    """A damaged .npz file is one clear line, and it is not left open."""
    path = tmp_path / "a.npz"
    np.savez(path, X=np.random.default_rng(0).random((99, 9)), y=np.arange(99))
    content = bytearray(path.read_bytes())
    if damage == "npy":
        np.save(tmp_path / "b.npy", X)
        content = bytearray((tmp_path / "b.npy").read_bytes())
    content[len(content) // 2] ^= damage == "one bit flipped"
    kept: dict[str, bytes] = {
        "empty": b"",
        "garbage": b"PK\x03\x04 or not",
        "truncated": bytes(content[: len(content) // 2]),
    }
    path.write_bytes(kept.get(damage, bytes(content)))
    (line,) = problems(path)
    assert "is not a readable .npz of plain arrays" in line
    assert "save it with numpy.savez" in line


class Exploit:
    """Runs code when unpickled."""

    def __init__(self, proof: Path) -> None:
        self._proof = proof

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self._proof),)


def test_pickled_objects_are_refused_unexecuted(tmp_path: Path) -> None:
    """Object arrays, whose reading would execute code, are refused by every reader, and nothing is executed."""
    path, proof = tmp_path / "a.npz", tmp_path / "executed"
    objects = np.array([Exploit(proof)] * 3, dtype=object)
    np.savez(path, X=X, y=objects, x=objects)
    (line,) = problems(path)
    assert "Object arrays cannot be loaded" in line
    assert "save it with numpy.savez, numbers and texts only" in line
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        load_saved(path)
    with pytest.raises(ValueError, match="pickled"):
        load_saved(_bare_pickle(tmp_path, objects))
    assert not proof.exists()
    with np.load(path, allow_pickle=True) as file:
        file["y"]  # the file is what it is said to be
    assert proof.exists()


def _bare_pickle(folder: Path, content: object) -> Path:
    path = folder / "bare.npz"
    path.write_bytes(pickle.dumps(content))
    return path


def write_members(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> None:
    """Write a .npz file of members made by hand."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


def header(descr: str, shape: str) -> bytes:
    """Return the beginning of a .npy file, as numpy.lib.format describes it, that may promise anything."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def test_zip_bomb_is_refused_before_it_unpacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays larger than the memory there is are refused by the size the archive gives, in .csv by the file's."""
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=1_000_000))
    path = tmp_path / "a.npz"
    np.savez_compressed(path, X=np.zeros((300, 1_000)), y=np.arange(300))
    assert path.stat().st_size < 10_000
    (line,) = problems(path)
    assert "needs at least 2 MB of memory, 1 MB are available; give fewer samples" in line
    np.savez_compressed(path, X=np.zeros((300, 1_000), np.int8), y=np.arange(300))
    (line,) = problems(path)
    assert "needs at least 2 MB of memory" in line
    (tmp_path / "a.csv").write_text("1,2\n" * 50_000, encoding="ascii")
    (line,) = problems(tmp_path / "a.csv")
    assert "needs at least 2 MB of memory" in line


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packing_is_refused(tmp_path: Path, method: int) -> None:
    """Packing that NumPy never writes, and that unpacks in pieces of any size, is refused."""
    path = tmp_path / "a.npz"
    write_members(path, {"X": b"", "y": b""}, method)
    (line,) = problems(path)
    assert "X.npy is packed by a method that NumPy does not use" in line


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (header("<f8", f"({10**17}, 9)"), b"", "is not a readable .npz"),
        (header("<f8", f"({10**9}, 9)"), b"", "is not a readable .npz"),
        (header("<f8", "(-3, 2)"), b"", "is not a readable .npz"),
        (header("<f8", f"({10**10}, 0)"), header("<U0", f"({10**10},)"), "is empty"),
        (header("<f8", "(3, 2)" + 20_000 * " "), b"", "is not a readable .npz"),
        (header("<f8", 900 * "(" + 900 * ")"), b"", "is not a readable .npz"),
        (b"no array", b"no array", "X has the shape ()"),
        (header("<f8", "(2, 1)") + bytes(16), header("<U1", "(2,)") + b"\xff" * 8, "y holds what is no text"),
        (header("<f8", "(1, 1)") + bytes(8), header(">U2", "(1,)") + b"\0\x11\0\0\0\0\0\1", "y holds what is no text"),
    ],
    ids=[
        "petabytes",
        "more than is there",
        "negative",
        "nothing often",
        "long",
        "nested",
        "no array",
        "no text",
        "hardly text",
    ],
)
def test_headers_that_lie_are_a_problem(tmp_path: Path, x: bytes, y: bytes, words: str) -> None:
    """What a header promises is not believed: a problem, soon, whatever it says."""
    path = tmp_path / "a.npz"
    write_members(path, {"X": x, "y": y})
    assert words in problems(path)[0]


def test_long_doubles_beyond_float64_are_infinite(tmp_path: Path) -> None:
    """A number that float64 cannot hold is said to be infinite."""
    path = tmp_path / "a.npz"
    np.savez(path, X=np.full((3, 1), np.longdouble("1e4000")), y=LABELS)
    (line,) = problems(path)
    assert "has 3 values that are NaN or infinite" in line


def test_many_names_are_not_all_listed(tmp_path: Path, write_csv: Write) -> None:
    """Of many names in a file the first twenty are shown, without control characters."""
    (line,) = problems(write_csv(",".join(f"name{at}" for at in range(1_000)) + "\n"), "z")
    assert line.endswith("name18, name19 and 980 more")
    path = tmp_path / "a.npz"
    write_members(path, {"\x1b[2J": b""})
    (line,) = problems(path)
    assert r"only '\x1b[2J'" in line


def both(tmp_path: Path, x: np.ndarray, y: np.ndarray) -> Path:
    """Write features and labels."""
    path = tmp_path / "a.npz"
    np.savez(path, X=x, y=y)
    return path


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint64, np.float32])
def test_one_hot_labels_are_classes(tmp_path: Path, dtype: type) -> None:
    """One 1 a row says the class; a column of labels is labels."""
    one_hot: np.ndarray = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]], dtype)
    np.testing.assert_array_equal(read(both(tmp_path, X, one_hot)).y, [1, 0, 2])
    np.testing.assert_array_equal(read(both(tmp_path, X, np.array([[1], [0], [1]], dtype))).y, [1, 0, 1])


@pytest.mark.parametrize(
    "y",
    [
        np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1]]),
        np.array([[0, 0, 0], [1, 0, 0], [0, 0, 1]]),
        np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]),
        np.array([[2, 0], [0, 2], [2, 0]]),
        np.array([[1, np.nan], [0, 1], [1, 0]]),
        np.array([["a", "b"], ["c", "d"], ["e", "f"]]),
    ],
    ids=["two labels", "no label", "probabilities", "twos", "NaN", "texts"],
)
def test_labels_in_columns_that_are_not_one_hot_are_refused(tmp_path: Path, y: np.ndarray) -> None:
    """Anything but one 1 a row is refused, with what to give instead."""
    (line,) = problems(both(tmp_path, X, y))
    assert "not one-hot, one 1 a row and zeros else; give one class number a sample, shape (samples,)" in line


@pytest.mark.parametrize(
    "column",
    [
        np.array([2**62, 2**62 + 1, 2**62 + 2]),
        np.array([2**64 - 1, 2**64 - 2, 2**64 - 3], np.uint64),
        np.array(["1e-4000", "2e-4000", "3e-4000"], np.longdouble),
        np.longdouble(1) + np.arange(3) * np.finfo(np.longdouble).eps,
    ],
    ids=["int64", "uint64", "below float64", "offset"],
)
def test_a_feature_that_float64_would_lose_is_refused(tmp_path: Path, column: np.ndarray) -> None:
    """Integers and long doubles that would become one number, or nearly, are refused with the number of the feature."""
    first, second = problems(both(tmp_path, np.column_stack([column, column]), LABELS))
    assert "loses its feature 1" in second
    assert "loses its feature 0 (counted from 0): the values, such as" in first


@pytest.mark.parametrize(
    "column",
    [
        np.array([2**62, 2**62, 2**62]) + 1,
        np.array([-(2**63), 0, 2**63 - 1]),
        np.array([1_700_000_000_000_000_001, 1_700_000_010_000_000_003, 1_700_000_090_000_000_005]),
        np.array([1e-300, 2e-300, 3e-300], np.longdouble),
    ],
    ids=["constant", "wide", "nanoseconds", "long doubles"],
)
def test_what_float64_rounds_a_little_is_kept(tmp_path: Path, column: np.ndarray) -> None:
    """Rounding that is nothing beside the range of the feature is no reason to refuse it."""
    np.testing.assert_array_equal(read(both(tmp_path, column[:, None], LABELS)).x[:, 0], column.astype(float))
