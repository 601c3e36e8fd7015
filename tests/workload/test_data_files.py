import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

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
        load_source(str(path), label_column)
    return caught.value.problems


def read(path: Path | str, label_column: str | None = None) -> Dataset:
    """Read a file that is in order."""
    dataset = load_source(str(path), label_column)
    assert dataset is not None
    return dataset


@pytest.mark.parametrize("content", ["1,2,0\n3,4,1\n5,7,0\n", "a,b,y\n1,2,0\n3,4,1\n5,7,0\n"], ids=["bare", "header"])
def test_csv_header_is_recognised(write_csv: Write, content: str) -> None:
    """A first line of names is a header, a first line of numbers is a sample; the label is last."""
    dataset = read(write_csv(content))
    np.testing.assert_array_equal(dataset.x, X)
    np.testing.assert_array_equal(dataset.y, [0, 1, 0])


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffa,b,y\n1,2,0\n3,4,1\n5,7,0\n",
        "a,b,y\r\n1,2,0\r\n3,4,1\r\n5,7,0\r\n",
        '"a","b","y"\n"1","2","0"\n"3","4","1"\n"5","7","0"\n',
        "\na,b,y\n\n1,2,0\n 3 , 4 , 1 \n5,7,0\n,,\n",
    ],
    ids=["byte-order mark", "windows line ends", "quoted", "blanks"],
)
@pytest.mark.parametrize("label_column", [None, "y"])
def test_csv_dialects_read_alike(write_csv: Write, content: str, label_column: str | None) -> None:
    """A byte-order mark, Windows line ends, quotes and blank lines change nothing."""
    dataset = read(write_csv(content), label_column)
    np.testing.assert_array_equal(dataset.x, X)
    np.testing.assert_array_equal(dataset.y, [0, 1, 0])


def test_csv_label_column_is_found_by_name(write_csv: Write) -> None:
    """A named label column may stand anywhere; the others are the features."""
    dataset = read(write_csv('kind,a,"b, c"\ncat,1,2\ndog,3,4\ncat,5,7\n'), "kind")
    np.testing.assert_array_equal(dataset.x, X)
    np.testing.assert_array_equal(dataset.y, [0, 1, 0])


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["cat", "dog", "cat"], [0, 1, 0]),
        (["10", "9", "-3"], [2, 1, 0]),
        (["1.0", "2", "1"], [0, 1, 0]),
        (["b", "1", "a"], [2, 0, 1]),
        (["true", "false", "true"], [1, 0, 1]),
    ],
)
def test_labels_count_from_zero_in_sorted_order(write_csv: Write, labels: list[str], classes: list[int]) -> None:
    """Labels become 0 .. classes - 1 in their order: numbers by value, texts by alphabet."""
    lines = [f"{a},{b},{label}" for (a, b), label in zip(X, labels, strict=True)]
    dataset = read(write_csv("\n".join(lines)))
    np.testing.assert_array_equal(dataset.y, classes)
    assert dataset.facts.n_classes == len(set(classes))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("\n,\n", "is empty"),
        ("f,g\n", "has 0 samples of 1 features"),
        ("1\n2\n", "has 2 samples of 0 features"),
        ("1,2,0\n3,4\n5,7,1,1\n", "is ragged: line 2 has 2 columns, line 1 has 3 (2 such lines)"),
        ("1,0\nx,1\n", "line 2, column 1 holds 'x'; features must be numbers"),
        ("f,y\n1,0\n,1\n", "line 3, column f holds ''; features must be numbers"),
        ("1,0\nnan,1\n", "has 1 values that are NaN or infinite, the first in sample 1, feature 0"),
        ("1,0\n1e999,1\n", "has 1 values that are NaN or infinite"),
        ("1,0\n2,0\n", "has one class, '0.0'; at least two are needed"),
        ("1,0.5\n2,1\n", "labels that are not whole numbers, such as 0.5"),
        ("1,nan\n2,1\n", "labels that are NaN or infinite"),
        ("1,\n2,1\n", "has 1 samples without a label"),
        (b"\xff\xfe\n", "save it as UTF-8"),
        ("1," + 200_000 * "9", "field larger than field limit"),
    ],
)
def test_csv_that_does_not_fit_is_one_problem(write_csv: Write, content: str | bytes, words: str) -> None:
    """A broken .csv file is one line with its path, the place and the remedy."""
    path = write_csv(content)
    (line,) = problems(path)
    assert repr(path) in line
    assert words in line


def test_absent_label_column_is_named_with_those_present(write_csv: Write) -> None:
    """A label column that is not there is refused with the columns that are."""
    (line,) = problems(write_csv("a,b,y\n1,2,0\n3,4,1\n"), "z")
    assert "has no column 'z'; its columns: a, b, y" in line


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
        ({"X": X, "y": LABELS[:, None]}, ["y has the shape (3, 1); reshape"]),
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
    np.savez(path, X=X, y=np.array([0, 1, np.longdouble("1e4000")]))
    (line,) = problems(path)
    assert "labels that are NaN or infinite" in line


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("1,0\n\0,1\n", r"line 2, column 1 holds '\x00'"),
        (",".join(map(str, range(10**5))), "has one class"),
        (",".join("ab" for _ in range(10**5)) + "\n" + "1," * (10**5 - 1) + "1", "has one class"),
        ("9" * 100_000 + ",0\n1,1\n", "1 values that are NaN or infinite"),
        ("x" * 100_000 + ",0\n1,1\n2,0\ny,1\n", "line 4, column xxx"),
        ("1," + "x" * 100_000 + "\n2,y\n", "with 100000 characters; at most 200 fit"),
        ("1,0\n" + "x" * 100_000 + ",1\n", "line 2, column 1 holds 'xxx"),
    ],
    ids=["NUL", "wide", "wide header", "digits", "long name", "long label", "long cell"],
)
def test_csv_of_any_size_is_one_short_problem(write_csv: Write, content: str, words: str) -> None:
    """NULs, many columns, long numbers, names, labels and cells are one problem that fits a screen."""
    path = write_csv(content)
    (line,) = problems(path)
    assert words in line
    assert len(line) < len(path) + 300


def test_many_names_are_not_all_listed(tmp_path: Path, write_csv: Write) -> None:
    """Of many names in a file the first twenty are shown, without control characters."""
    (line,) = problems(write_csv(",".join(f"name{at}" for at in range(1_000)) + "\n"), "z")
    assert line.endswith("name18, name19 and 980 more")
    path = tmp_path / "a.npz"
    write_members(path, {"\x1b[2J": b""})
    (line,) = problems(path)
    assert r"only '\x1b[2J'" in line
