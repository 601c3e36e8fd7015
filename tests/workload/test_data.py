from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from significand.plan.problems import PlanError
from significand.workload.data import Dataset, DataSources, draw, load_saved, load_source, make_synthetic, split


def problems(path: Path) -> tuple[str, ...]:
    """Return what is wrong with a path."""
    with pytest.raises(PlanError) as caught:
        load_source(str(path), None)
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
    dataset = load_source("digits", None)
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


def test_sources_are_read_once(tmp_path: Path) -> None:
    """However often a plan asks, a file is read at the first question; another column of it is another source."""
    path = tmp_path / "own.csv"
    path.write_text("a,b,c\n1,0,1\n2,1,0\n3,0,1\n4,1,0\n", encoding="utf-8")
    sources = DataSources()
    facts = sources.facts(str(path), None)
    dataset = sources.dataset(str(path), None)
    path.unlink()
    assert sources.dataset(str(path), None) is dataset
    assert dataset is not None
    assert sources.facts(str(path), None) == facts == dataset.facts
    with pytest.raises(PlanError, match="missing"):
        sources.dataset(str(path), "b")


def test_data_that_are_made_to_fit_have_no_facts() -> None:
    """Of synthetic data there is nothing to know before it is made."""
    sources = DataSources()
    assert sources.dataset("synthetic", None) is None
    assert sources.facts("synthetic", None) is None


def test_a_source_that_cannot_be_read_is_asked_for_again(tmp_path: Path) -> None:
    """A mistake is told each time, and mended in between it is none any more."""
    sources, path = DataSources(), tmp_path / "own.csv"
    for _ in range(2):
        with pytest.raises(PlanError, match="missing"):
            sources.facts(str(path), None)
    path.write_text("1,0\n2,1\n", encoding="utf-8")
    assert sources.facts(str(path), None) is not None
