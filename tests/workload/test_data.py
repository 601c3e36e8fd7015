import math
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from made_up_networks import xy
from significand.plan.experiment import TableFormat
from significand.plan.problems import PlanError
from significand.workload.data import (
    Dataset,
    DataSources,
    check_splits,
    draw,
    load_saved,
    load_source,
    make_synthetic,
    split,
)


def problems(path: Path) -> tuple[str, ...]:
    """Return what is wrong with a path."""
    with pytest.raises(PlanError) as caught:
        load_source(str(path))
    return caught.value.problems


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


def test_saved_dataset_reads_back(tmp_path: Path) -> None:
    """What a data set saves is what it loads."""
    dataset = make_synthetic((3, 2), 20, seed=1)
    dataset.save(tmp_path / "kept.npz")
    loaded = load_saved(tmp_path / "kept.npz")
    np.testing.assert_array_equal(loaded.x, dataset.x)
    np.testing.assert_array_equal(loaded.y, dataset.y)


def digits() -> Dataset:
    """Return the handwritten digits."""
    dataset = load_source("digits")
    assert dataset is not None
    return dataset


def test_digits_are_the_published_ones() -> None:
    """The digits have 1797 samples of 64 features in 10 classes, as the UCI repository says of them."""
    facts = digits().facts
    assert (facts.n_samples, facts.n_features, facts.n_classes) == (1797, 64, 10)


def test_digits_are_those_of_scikit_learn() -> None:
    """What is read is what scikit-learn's own loader gives."""
    x, y = load_digits(return_X_y=True)
    shipped = digits()
    assert np.array_equal(shipped.x, x)
    assert np.array_equal(shipped.y, y)


def test_synthetic_data_has_no_source() -> None:
    """Synthetic data is made per seed, not loaded."""
    assert load_source("synthetic") is None


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
    assert (
        len({*xy(parts.train)[1].tolist(), *xy(parts.test)[1].tolist()})
        == used
        == len(xy(parts.train)[1]) + len(xy(parts.test)[1])
    )
    assert len(xy(parts.test)[1]) == min(max(1, round(test_fraction * used)), used - 1)
    assert (len(xy(parts.train)[0]), len(xy(parts.test)[0])) == (len(xy(parts.train)[1]), len(xy(parts.test)[1]))


def test_split_is_standardised_on_the_training_part_only() -> None:
    """Training features have mean 0 and deviation 1; held-out ones are transformed with the same numbers."""
    dataset = numbered(400)
    parts = split(dataset, 400, 0.25, seed=5)
    np.testing.assert_allclose(xy(parts.train)[0].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(xy(parts.train)[0].std(axis=0), 1, atol=1e-6)
    raw_train = dataset.x[xy(parts.train)[1]]
    expected = (dataset.x[xy(parts.test)[1]] - raw_train.mean(axis=0)) / raw_train.std(axis=0)
    np.testing.assert_allclose(xy(parts.test)[0], expected, rtol=1e-6, atol=1e-6)
    assert abs(xy(parts.test)[0].mean(axis=0)).max() > 1e-3


def test_split_follows_its_seed() -> None:
    """The same seed draws the same parts, another seed others."""
    first, again, other = (split(numbered(50), 30, 0.2, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(xy(first.train)[1], xy(again.train)[1])
    np.testing.assert_array_equal(xy(first.test)[0], xy(again.test)[0])
    assert not np.array_equal(xy(first.train)[1], xy(other.train)[1])


@pytest.mark.parametrize("constant", [0.0, 5.0, 0.1, 1e6 / 3])
def test_feature_constant_in_training_is_not_blown_up(constant: float) -> None:
    """A feature that never varies in training is only centred, although its mean is rounded."""
    x = np.column_stack([np.full(512, constant), np.arange(512.0)])
    test_rows = xy(split(Dataset(x, np.arange(512)), 512, 0.2, seed=3).test)[1]
    x[test_rows[0], 0] += 0.25
    parts = split(Dataset(x, np.arange(512)), 512, 0.2, seed=3)
    np.testing.assert_allclose(xy(parts.train)[0][:, 0], 0, atol=1e-6)
    assert xy(parts.test)[0][0, 0] == pytest.approx(0.25, abs=1e-6)


HALVES = np.arange(200) % 2
PLAIN = np.random.default_rng(3).normal(size=200)


@pytest.mark.parametrize(
    "feature",
    [
        1e200 * PLAIN,
        1.5e308 * np.sign(PLAIN),
        1e-200 * PLAIN,
        5e-324 * np.round(1e6 * PLAIN),
        1e200 + 1e186 * np.round(PLAIN, 1),
        2.0**53 + 2 * HALVES,
        -(2.0**53) - 2 * HALVES,
        1e15 + np.round(PLAIN),
        1e-300 + 1e-314 * np.round(PLAIN, 2),
    ],
    ids=["1e200", "ends", "1e-200", "subnormal", "offset of 1e200", "2**53", "-2**53", "1e15", "offset of 1e-300"],
)
def test_features_of_extreme_size_are_standardised(feature: np.ndarray) -> None:
    """At either end of the range and far from 0, a feature has mean 0 and deviation 1, as exact arithmetic says."""
    dataset = Dataset(np.column_stack([PLAIN, feature]), np.arange(200))
    parts = split(dataset, 200, 0.25, seed=5)
    exact = [Fraction(value) for value in feature.tolist()]
    train = [exact[row] for row in xy(parts.train)[1]]
    mean = sum(train) / len(train)
    scale = max(abs(value - mean) for value in train)
    deviation = math.sqrt(sum(((value - mean) / scale) ** 2 for value in train) / len(train))
    for x, y in ((xy(parts.train)[0], xy(parts.train)[1]), (xy(parts.test)[0], xy(parts.test)[1])):
        expected = [float((exact[row] - mean) / scale) / deviation for row in y]
        np.testing.assert_allclose(x[:, 1], expected, rtol=1e-6, atol=1e-6)


def test_ordinary_features_are_standardised_to_the_last_bit() -> None:
    """What is done for extreme numbers changes nothing of others: the same float32 as by the plain formula."""
    x = np.column_stack([PLAIN, 1e6 * PLAIN + 3e7, np.exp(9 * PLAIN), np.arange(200.0), HALVES])
    parts = split(Dataset(x, np.arange(200)), 200, 0.25, seed=5)
    train = x[xy(parts.train)[1]]
    plain = ((x[xy(parts.test)[1]] - train.mean(axis=0)) / train.std(axis=0)).astype(np.float32)
    np.testing.assert_array_equal(xy(parts.test)[0], plain)


@pytest.mark.parametrize("rest", [PLAIN, np.zeros(200), 1e-200 * PLAIN], ids=["plain", "constant", "tiny"])
@pytest.mark.parametrize("far", [1e200, -1e300])
def test_what_float32_cannot_hold_is_refused_by_name(rest: np.ndarray, far: float) -> None:
    """A held-out number too far from those trained on is refused with its feature, its value and its sample."""
    dataset = Dataset(np.column_stack([PLAIN, rest]), np.arange(200), ("size", "odd"))
    row = xy(split(dataset, 200, 0.25, seed=5).test)[1][0]
    dataset.x[row, 1] = far
    with pytest.raises(
        PlanError, match=rf"column odd has {re.escape(f'{far:g}')} in sample {row} \(counted from 0\), held out"
    ):
        split(dataset, 200, 0.25, seed=5)
    with pytest.raises(PlanError, match="column odd has"):
        check_splits(dataset, 200, 0.25, range(3, 7))
    with pytest.raises(PlanError, match=r"column 1 \(counted from 0\) has"):
        check_splits(Dataset(dataset.x, dataset.y), 200, 0.25, range(3, 7))


def test_small_numbers_beside_ordinary_ones_are_no_reason_to_refuse() -> None:
    """Probabilities near 0 are nothing that float32 could not hold, in any repeat."""
    tiny = np.where(HALVES, PLAIN, 1e-300)
    check_splits(Dataset(np.column_stack([PLAIN, tiny]), HALVES), 200, 0.25, range(20))


def test_names_are_saved(tmp_path: Path) -> None:
    """The names of features reach the process that needs them for an error."""
    Dataset(np.zeros((2, 2)), np.arange(2), ("größe", "b,c")).save(tmp_path / "kept.npz")
    assert load_saved(tmp_path / "kept.npz").names == ("größe", "b,c")
    Dataset(np.zeros((2, 2)), np.arange(2)).save(tmp_path / "kept.npz")
    assert load_saved(tmp_path / "kept.npz").names == ()


@pytest.mark.parametrize("name", ["a.csv", "A.CSV", "a.tsv"])
def test_tables_are_known_by_the_end_of_their_name(tmp_path: Path, name: str) -> None:
    """Capital letters do not matter, and a .tsv file is a table too."""
    (tmp_path / name).write_text("a\ty\n1\t0\n2\t1\n", encoding="utf-8")
    loaded = load_source(str(tmp_path / name))
    assert loaded is not None
    assert loaded.facts.n_samples == 2


def test_draw_makes_synthetic_data_from_the_repeats_seed() -> None:
    """Without a data set the samples come from the seed."""
    whole = make_synthetic((4, 3), 60, seed=9)
    made, same = draw(None, (4, 3), 60, 0.25, seed=9), split(whole, 60, 0.25, seed=9)
    np.testing.assert_array_equal(xy(made.train)[0], xy(same.train)[0])
    assert xy(made.train)[0].dtype == np.float32
    assert xy(made.train)[1].dtype == np.int64


def test_sources_are_read_once(tmp_path: Path) -> None:
    """However often a plan asks, a file is read at the first question; another column of it is another source."""
    path = tmp_path / "own.csv"
    path.write_text("a,b,c\n1,0,1\n2,1,0\n3,0,1\n4,1,0\n", encoding="utf-8")
    sources = DataSources()
    facts = sources.facts(str(path), TableFormat())
    dataset = sources.dataset(str(path), TableFormat())
    path.unlink()
    assert sources.dataset(str(path), TableFormat()) is dataset
    assert dataset is not None
    assert sources.facts(str(path), TableFormat()) == facts == dataset.facts
    with pytest.raises(PlanError, match="missing"):
        sources.dataset(str(path), TableFormat(label_column="b"))


def test_data_that_are_made_to_fit_have_no_facts() -> None:
    """Of synthetic data there is nothing to know before it is made."""
    sources = DataSources()
    assert sources.dataset("synthetic", TableFormat()) is None
    assert sources.facts("synthetic", TableFormat()) is None


def test_a_source_that_cannot_be_read_is_asked_for_again(tmp_path: Path) -> None:
    """A mistake is told each time, and mended in between it is none any more."""
    sources, path = DataSources(), tmp_path / "own.csv"
    for _ in range(2):
        with pytest.raises(PlanError, match="missing"):
            sources.facts(str(path), TableFormat())
    path.write_text("1,0\n2,1\n", encoding="utf-8")
    assert sources.facts(str(path), TableFormat()) is not None
