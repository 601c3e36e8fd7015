import math
from statistics import fmean, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.analysis.pairing import match, paired_effects, unpaired_effects

VALUE = st.floats(-100, 100) | st.just(math.nan)
RUNS = st.dictionaries(st.tuples(st.integers(0, 3), st.integers(0, 6)), VALUE, max_size=28)
BASELINES = st.lists(st.integers(0, 3), min_size=4, max_size=4)


def columns(runs: dict[tuple[int, int], float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return values, setups and blocks of runs given by (setup, block)."""
    codes = np.array([*runs], dtype=np.int64).reshape(-1, 2)
    return np.array([*runs.values()]), codes[:, 0], codes[:, 1]


@given(RUNS, BASELINES)
def test_pairs_are_those_found_one_by_one(runs: dict[tuple[int, int], float], baselines: list[int]) -> None:
    """Means, errors and counts are those of a loop over blocks, whatever is missing or failed."""
    values, setups, blocks = columns(runs)
    effects = paired_effects(values, match(setups, blocks, np.array(baselines)))
    for setup, baseline in enumerate(baselines):
        if setup == baseline:
            continue
        either = {block for code, block in runs if code in {setup, baseline}}
        pairs = [(runs.get((setup, b), math.nan), runs.get((baseline, b), math.nan)) for b in either]
        differences = [ours - theirs for ours, theirs in pairs if math.isfinite(ours - theirs)]
        n = len(differences)
        assert (effects.n[setup], effects.left_out[setup]) == (n, len(either) - n)
        expected = fmean(differences) if n else math.nan
        assert effects.mean[setup] == pytest.approx(expected, abs=1e-9, nan_ok=True)
        if n > 1 and stdev(differences) > 1e-9:
            assert effects.standard_error[setup] == pytest.approx(stdev(differences) / math.sqrt(n), rel=1e-6)
            assert effects.df[setup] == n - 1
        if n < 2:
            assert math.isnan(effects.standard_error[setup])


@given(RUNS, BASELINES)
def test_samples_are_those_taken_one_by_one(runs: dict[tuple[int, int], float], baselines: list[int]) -> None:
    """Unpaired, mean and error are those of two samples; the degrees of freedom lie where Welch's must."""
    values, setups, _ = columns(runs)
    effects = unpaired_effects(values, setups, np.array(baselines))
    for setup, baseline in enumerate(baselines):
        ours, theirs = (
            [v for (c, _), v in runs.items() if c == code and math.isfinite(v)] for code in (setup, baseline)
        )
        assert (effects.n[setup], effects.n_baseline[setup]) == (len(ours), len(theirs))
        expected = fmean(ours) - fmean(theirs) if ours and theirs else math.nan
        assert effects.mean[setup] == pytest.approx(expected, abs=1e-9, nan_ok=True)
        if min(len(ours), len(theirs)) > 1 and max(stdev(ours), stdev(theirs)) > 1e-9:
            squared = stdev(ours) ** 2 / len(ours) + stdev(theirs) ** 2 / len(theirs)
            assert effects.standard_error[setup] == pytest.approx(math.sqrt(squared), rel=1e-6)
            assert min(len(ours), len(theirs)) - 1 <= effects.df[setup] * (1 + 1e-9)
            assert effects.df[setup] <= (len(ours) + len(theirs) - 2) * (1 + 1e-9)


def test_constant_differences_are_found_among_many_blocks() -> None:
    """Thirty thousand differences that are equal but for rounding have no spread, nor one of a large mean."""
    n = 30_000
    shared = np.random.default_rng(0).normal(-10, 1, n)
    values = np.concatenate([shared, shared + math.log(1.02)])
    setups, blocks = np.divmod(np.arange(2 * n), n)
    effects = paired_effects(values, match(setups, blocks, np.array([0, 0])))
    assert effects.constant.tolist() == [False, True]
    assert effects.mean[1] == pytest.approx(math.log(1.02), rel=1e-12)
    assert math.isnan(effects.standard_error[1])


def test_second_run_in_a_block_is_refused() -> None:
    """A run and its repetition are not two pairs: the setup, the block and the remedy are named."""
    with pytest.raises(ValueError, match=r"setup 1 has more than one row in block 4.*Keep the row"):
        match(np.array([0, 1, 1]), np.array([4, 4, 4]), np.array([0, 0]))
