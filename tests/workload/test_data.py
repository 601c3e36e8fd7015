from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from significand.plan.problems import PlanError
from significand.workload.data import Dataset, draw, load_saved, load_source, make_synthetic, split

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


@pytest.mark.parametrize("name", ["nothing.csv", "nothing.npz", f"{300 * 'n'}.csv", "no\0where.csv"])
def test_missing_file_is_one_problem(tmp_path: Path, name: str) -> None:
    """A path to nothing is said to be missing, even one that no file system could hold."""
    (line,) = problems(tmp_path / name)
    assert "is missing; give the path of a .npz or .csv file" in line


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_folder_is_not_a_file(tmp_path: Path, suffix: str) -> None:
    """A folder with the name of a data file is said to be no file."""
    folder = tmp_path / f"folder{suffix}"
    folder.mkdir()
    (line,) = problems(folder)
    assert "is not a file" in line


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


def test_saved_dataset_reads_back(tmp_path: Path) -> None:
    """What a data set saves is what it loads."""
    dataset = make_synthetic((3, 2), 20, seed=1)
    dataset.save(tmp_path / "kept.npz")
    loaded = load_saved(tmp_path / "kept.npz")
    np.testing.assert_array_equal(loaded.x, dataset.x)
    np.testing.assert_array_equal(loaded.y, dataset.y)


def test_digits_are_the_published_ones() -> None:
    """The digits have 1797 samples of 64 features in 10 classes, as the UCI repository says of them."""
    facts = read("digits").facts
    assert (facts.n_samples, facts.n_features, facts.n_classes) == (1797, 64, 10)


def test_digits_are_those_of_scikit_learn() -> None:
    """What is read is what scikit-learn's own loader gives."""
    x, y = load_digits(return_X_y=True)
    digits = read("digits")
    assert np.array_equal(digits.x, x)
    assert np.array_equal(digits.y, y)


def test_synthetic_data_has_no_source() -> None:
    """Synthetic data is made per seed, not loaded."""
    assert load_source("synthetic", None) is None


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 2**31 - 1), st.integers(0, 60))
def test_synthetic_data_fits_any_network(features: int, outputs: int, seed: int, more: int) -> None:
    """Features and classes follow the network, all classes are present and their numbers differ by one at most."""
    classes = max(2, outputs)
    dataset = make_synthetic((features, 5, outputs), classes + more, seed)
    assert dataset.x.shape == (classes + more, features)
    assert np.isfinite(dataset.x).all()
    counts = np.bincount(dataset.y, minlength=classes)
    assert len(counts) == classes
    assert counts.min() >= 1
    assert np.ptp(counts) <= 1


def test_synthetic_data_follows_its_seed() -> None:
    """The same seed gives the same data, another seed other data."""
    first, again, other = (make_synthetic((4, 3), 50, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.x, again.x)
    np.testing.assert_array_equal(first.y, again.y)
    assert not np.array_equal(first.x, other.x)


def numbered(n_samples: int) -> Dataset:
    """Return samples whose label is their own number, so that it is seen where each went."""
    x = np.random.default_rng(n_samples).normal(3.0, 2.0, size=(n_samples, 3))
    return Dataset(x, np.arange(n_samples))


@given(st.integers(2, 80), st.floats(0.01, 0.99), st.integers(0, 1000), st.data())
def test_split_parts_the_samples(n: int, test_fraction: float, seed: int, data: st.DataObject) -> None:
    """Both parts together are n_samples different samples, neither is empty, the held-out share is as asked."""
    n_samples = data.draw(st.integers(2, n))
    parts = split(numbered(n), n_samples, test_fraction, seed)
    used = n_samples
    assert len({*parts.train_y.tolist(), *parts.test_y.tolist()}) == used == len(parts.train_y) + len(parts.test_y)
    assert len(parts.test_y) == min(max(1, round(test_fraction * used)), used - 1)
    assert (len(parts.train_x), len(parts.test_x)) == (len(parts.train_y), len(parts.test_y))


def test_split_is_standardised_on_the_training_part_only() -> None:
    """Training features have mean 0 and deviation 1; held-out ones are transformed with the same numbers."""
    dataset = numbered(400)
    parts = split(dataset, 400, 0.25, seed=5)
    np.testing.assert_allclose(parts.train_x.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(parts.train_x.std(axis=0), 1, atol=1e-6)
    raw_train = dataset.x[parts.train_y]
    expected = (dataset.x[parts.test_y] - raw_train.mean(axis=0)) / raw_train.std(axis=0)
    np.testing.assert_allclose(parts.test_x, expected, rtol=1e-6, atol=1e-6)
    assert abs(parts.test_x.mean(axis=0)).max() > 1e-3


def test_split_follows_its_seed() -> None:
    """The same seed draws the same parts, another seed others."""
    first, again, other = (split(numbered(50), 30, 0.2, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.train_y, again.train_y)
    np.testing.assert_array_equal(first.test_x, again.test_x)
    assert not np.array_equal(first.train_y, other.train_y)


@pytest.mark.parametrize("constant", [0.0, 5.0, 0.1, 1e6 / 3])
def test_feature_constant_in_training_is_not_blown_up(constant: float) -> None:
    """A feature that never varies in training is only centred, although its mean is rounded."""
    x = np.column_stack([np.full(512, constant), np.arange(512.0)])
    test_rows = split(Dataset(x, np.arange(512)), 512, 0.2, seed=3).test_y
    x[test_rows[0], 0] += 0.25
    parts = split(Dataset(x, np.arange(512)), 512, 0.2, seed=3)
    np.testing.assert_allclose(parts.train_x[:, 0], 0, atol=1e-6)
    assert parts.test_x[0, 0] == pytest.approx(0.25, abs=1e-6)


def test_draw_makes_synthetic_data_from_the_repeats_seed() -> None:
    """Without a data set the samples come from the seed."""
    whole = make_synthetic((4, 3), 60, seed=9)
    made, same = draw(None, (4, 3), 60, 0.25, seed=9), split(whole, 60, 0.25, seed=9)
    np.testing.assert_array_equal(made.train_x, same.train_x)
    assert made.train_x.dtype == np.float32
    assert made.train_y.dtype == np.int64
