import json
import math

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from significand.analysis.pareto import Zone, frontier, mean_by_host, relative_to_baseline
from significand.analysis.pareto_bootstrap import (
    MOST_WEIGHTED_BLOCKS,
    FrontierUncertainty,
    _areas,
    frontier_uncertainty,
)
from significand.results.values import jsonable

Floats = NDArray[np.float64]
LATENCY_AND_ACCURACY = [False, True]
RELAXED = settings(max_examples=25, deadline=None)


def uncertainty(table: Floats, resamples: int = 200) -> FrontierUncertainty:
    """Latency against accuracy, with few resamples."""
    return frontier_uncertainty(table, LATENCY_AND_ACCURACY, resamples=resamples)


def noisy(n_blocks: int, means: list[tuple[float, float]], noise: float = 0.1, seed: int = 0) -> Floats:
    """Return a table with noise in common to a block, and twice as little of each setup's own."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((n_blocks, 1, 2))
    own = rng.standard_normal((n_blocks, len(means), 2))
    return np.array(means) + noise * (common + own / 2)


@st.composite
def tables(draw: st.DrawFn) -> Floats:
    """Return a table of 2 to 6 blocks and 1 to 5 setups, some values of which are equal."""
    n_blocks, n_setups = draw(st.integers(2, 6)), draw(st.integers(1, 5))
    value = st.sampled_from([0.5, 0.75, 1.0]) | st.integers(100, 10_000).map(lambda thousandths: thousandths / 1000)
    values = draw(st.lists(value, min_size=2 * n_blocks * n_setups, max_size=2 * n_blocks * n_setups))
    return np.reshape(values, (n_blocks, n_setups, 2))


# The probability itself


@pytest.mark.parametrize("n", [2, 3, 5, 10, 30, MOST_WEIGHTED_BLOCKS + 1])
def test_probability_of_being_better_is_the_paired_t_test(n: int) -> None:
    """In one objective, the probability that one is better leaves the one-sided p of scipy.stats.ttest_rel to 1."""
    table = noisy(n, [(1.0, 0.0), (1.0 + 0.1 / math.sqrt(n), 0.0)], seed=n)[:, :, :1]
    result = frontier_uncertainty(table, [False], resamples=8000)
    p = stats.ttest_rel(table[:, 0, 0], table[:, 1, 0], alternative="less").pvalue
    assert result.p_dominates[0, 1] == pytest.approx(1 - p, abs=0.02)
    assert result.p_dominates[1, 0] == pytest.approx(p, abs=0.02)


def probabilities_of_pairs(n: int, shift: float) -> Floats:
    """Return, for 200 independent experiments of n blocks, the probability that the first of two setups is better.

    Each setup has normal noise of deviation 1; the first is better by `shift`.
    """
    table = np.random.default_rng(n).standard_normal((n, 400, 1))
    table[:, 1::2] += shift
    return frontier_uncertainty(table, [False], resamples=400).p_dominates[np.arange(0, 400, 2), np.arange(1, 400, 2)]


@pytest.mark.parametrize("n", [3, 5, 10, 30])
def test_probability_is_calibrated_where_nothing_differs(n: int) -> None:
    """With equal true means it is 1/2 on average, and beyond 5 and 95 % in one experiment of ten."""
    p = probabilities_of_pairs(n, 0.0)
    assert p.mean() == pytest.approx(0.5, abs=0.06)
    assert ((p < 0.05) | (p > 0.95)).mean() == pytest.approx(0.1, abs=0.06)


@pytest.mark.parametrize("n", [3, 5, 10, 30])
def test_probability_is_right_for_a_true_distance(n: int) -> None:
    """Two standard errors apart it is, on average, Student's distribution over the non-central one (scipy.stats)."""
    p = probabilities_of_pairs(n, 2 * math.sqrt(2 / n))
    quantiles = stats.nct.ppf((np.arange(100) + 0.5) / 100, n - 1, 2)
    assert p.mean() == pytest.approx(stats.t.cdf(quantiles, n - 1).mean(), abs=0.04)


def test_who_is_worse_by_what_does_not_matter_is_as_good() -> None:
    """It is on the frontier of means and of resamples, and the one that beats it is named."""
    table = noisy(20, [(1.0, 1.0), (1.01, 0.999), (2.0, 0.5)], seed=3)
    table[:, 1] = table[:, 0] * 1.01
    table[:, 1, 1] = table[:, 0, 1]
    plain = uncertainty(table, 200)
    wide = frontier_uncertainty(table, [False, True], resamples=200, zones=[Zone(share=0.02), Zone()])
    assert (plain.on_frontier[1], plain.p_on_frontier[1], plain.as_good_as.tolist()) == (False, 0, [-1, -1, -1])
    assert (wide.on_frontier[1], wide.p_on_frontier[1], wide.as_good_as.tolist()) == (True, 1, [-1, 0, -1])
    assert wide.to_dict(["a", "b", "c"], ["latency", "accuracy"])["setups"][1]["as_good_as"] == "a"  # type: ignore[index]


def test_means_of_blocks_that_share_examples_are_less_sure() -> None:
    """Adding so much to 1 / n has the effect of that many fewer blocks, and what is equal in all stays equal."""
    table = np.random.default_rng(0).standard_normal((10, 3, 1))
    table[:, 1] += 0.7
    table[:, 2] = table[:, 1]
    plain, widened = (frontier_uncertainty(table, [True], overlaps=by) for by in ((), (0.25,)))
    assert 0.5 < widened.p_dominates[1, 0] < plain.p_dominates[1, 0]
    assert widened.p_dominates[1, 2] == 0
    distance = (plain.p_dominates[1, 0], widened.p_dominates[1, 0])
    ratio = stats.t.ppf(distance[0], 9) / stats.t.ppf(distance[1], 9)
    assert ratio == pytest.approx(math.sqrt(1 + 10 * 0.25), rel=0.15)


@pytest.mark.parametrize("n", [200, MOST_WEIGHTED_BLOCKS + 200])
def test_many_blocks_agree_with_the_ordinary_bootstrap(n: int) -> None:
    """With many blocks the joint probabilities are those of drawing whole blocks with replacement."""
    gap = 0.1 / math.sqrt(n)
    table = noisy(n, [(1.0, 1.0), (1.0 + gap, 1.0 - gap), (1.0 - gap, 1.0 - gap)], seed=1)
    counts = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=2000)
    resampled = np.tensordot(counts / n, table, axes=1)
    expected = np.mean([frontier(*points.T) for points in resampled], axis=0)
    result = uncertainty(table, 2000)
    assert result.p_on_frontier == pytest.approx(expected, abs=0.05)
    assert 0.05 < expected[1] < 0.95  # undecided, or the comparison would be empty


@RELAXED
@given(tables())
def test_probabilities_are_coherent(table: Floats) -> None:
    """All lie in [0, 1], none dominates itself, and being on the frontier is being dominated by none."""
    result = uncertainty(table, 50)
    assert ((result.p_on_frontier >= 0) & (result.p_on_frontier <= 1)).all()
    assert (np.diag(result.p_dominates) == 0).all()
    assert (result.p_dominates + result.p_dominates.T <= 1).all()
    off = 1 - result.p_on_frontier
    assert (off >= result.p_dominates.max(axis=0) - 1e-9).all()
    assert (off <= result.p_dominates.sum(axis=0) + 1e-9).all()


@RELAXED
@given(tables(), st.floats(0.01, 1.0))
def test_winner_is_on_it_and_keeps_the_others_off(table: Floats, margin: float) -> None:
    """A setup better than each block's best, by what does not vary, is on it for sure; what it beats so never is."""
    winner, rival = table[:, :1], table[:, :1] + [margin, -margin]
    result = uncertainty(np.concatenate([winner, rival], axis=1), 50)
    assert result.on_frontier.tolist() == [True, False]
    assert result.p_on_frontier.tolist() == [1.0, 0.0]
    assert result.p_dominates.tolist() == [[0.0, 1.0], [0.0, 0.0]]


def test_clear_winner_is_on_it_for_sure() -> None:
    """A setup that wins every block, by many times what its lead varies, has probability 1."""
    result = uncertainty(noisy(5, [(1.0, 90.0), (30.0, 60.0), (50.0, 50.0)]), 2000)
    assert result.p_on_frontier.tolist() == [1.0, 0.0, 0.0]


def test_winning_few_blocks_is_not_certainty() -> None:
    """Three wins by 1, 2 and 30 are no proof: t = 1.16, so that Student's p is 0.18."""
    table = np.array([[[10.0], [11.0]], [[10.0], [12.0]], [[10.0], [40.0]]])
    assert frontier_uncertainty(table, [False]).p_on_frontier[0] == pytest.approx(1 - 0.183, abs=0.04)


@RELAXED
@given(tables(), st.data())
def test_order_of_the_setups_does_not_matter(table: Floats, data: st.DataObject) -> None:
    """Shuffled setups have their own probabilities, shuffled."""
    order = data.draw(st.permutations(range(table.shape[1])))
    result, shuffled = uncertainty(table, 50), uncertainty(table[:, order], 50)
    assert shuffled.p_on_frontier == pytest.approx(result.p_on_frontier[order])
    assert shuffled.p_dominates == pytest.approx(result.p_dominates[np.ix_(order, order)])
    assert shuffled.hypervolume.share == pytest.approx(result.hypervolume.share)


@RELAXED
@given(tables(), st.sampled_from([0.001, 3.0, 1e6]))
def test_units_do_not_matter(table: Floats, unit: float) -> None:
    """Another unit of the latency changes neither a probability nor the hypervolume."""
    result, scaled = uncertainty(table, 50), uncertainty(table * [unit, 1.0], 50)
    assert scaled.p_on_frontier == pytest.approx(result.p_on_frontier)
    assert scaled.p_dominates == pytest.approx(result.p_dominates)


def test_setups_in_common_noise_are_told_apart() -> None:
    """The pairing is kept: a hundredth between setups shows under noise of one that they share."""
    shared = np.random.default_rng(0).standard_normal((10, 1, 2))
    own = 0.001 * np.random.default_rng(1).standard_normal((10, 2, 2))
    result = uncertainty(shared + own + [[1.0, 1.0], [1.01, 0.99]])
    assert result.p_on_frontier.tolist() == [1.0, 0.0]


def test_seed_decides_the_draws() -> None:
    """The same seed gives the same probabilities; another one nearly the same."""
    table = noisy(5, [(1.0, 1.0), (1.01, 1.0)])
    first, again, other = (frontier_uncertainty(table, LATENCY_AND_ACCURACY, seed=seed) for seed in (1, 1, 2))
    assert first.p_on_frontier.tolist() == again.p_on_frontier.tolist()
    assert first.p_on_frontier.tolist() != other.p_on_frontier.tolist()
    assert first.p_on_frontier == pytest.approx(other.p_on_frontier, abs=0.05)


# Ties


@pytest.mark.parametrize("n", [2, 7, 30, 100, MOST_WEIGHTED_BLOCKS + 100])
def test_setups_equal_in_every_block_stay_equal(n: int) -> None:
    """Forty equal setups, and one less accurate: the forty are all on the frontier, and none dominates another.

    A matrix product may round equal columns differently; with 53 resamples that is seen at n = 100.
    """
    equal = np.repeat(noisy(n, [(0.0, 0.0)]), 40, axis=1)
    equal[0, :, 0] = [0.0, -0.0] * 20
    result = uncertainty(np.concatenate([equal, equal[:, :1] - [0.0, 0.3]], axis=1), 53)
    assert result.p_on_frontier.tolist() == [1.0] * 40 + [0.0]
    assert result.p_dominates[:40].tolist() == [[0.0] * 40 + [1.0]] * 40


def test_equal_accuracy_leaves_it_to_latency() -> None:
    """Where accuracies are the same in every block, zero of either sign too, the probability is latency's alone."""
    table = noisy(5, [(1.0, 0.0), (1.02, 0.0)])
    table[:, :, 1] = [0.0, -0.0]
    both = uncertainty(table, 8000)
    p = stats.ttest_rel(table[:, 0, 0], table[:, 1, 0], alternative="less").pvalue
    assert both.p_on_frontier == pytest.approx([1 - p, p], abs=0.02)


def test_frontier_is_the_specified_one_on_means() -> None:
    """Means that only another order of summing would tell apart are equal, as in the summary of each alone."""
    values = [0.1, 0.7, 0.3, 0.9, 0.2]
    table = np.array([[[1.0, a], [1.0, a], [0.5, 0.3]] for a in values])
    expected = frontier([1.0, 1.0, 0.5], [float(np.mean(values)), float(np.mean(values)), 0.3])
    assert uncertainty(table).on_frontier.tolist() == expected.tolist() == [True, True, True]


# Few blocks, missing results


def test_one_block_has_a_frontier_and_no_probability() -> None:
    """With n = 1 the frontier stands, and probabilities and bounds are NaN, never 0 or 1."""
    result = uncertainty(noisy(1, [(1.0, 0.9), (9.0, 0.1)]))
    assert result.on_frontier.tolist() == [True, False]
    assert np.isnan(result.p_on_frontier).all()
    assert np.isnan(result.p_dominates).all()
    assert math.isfinite(result.hypervolume.share)
    assert math.isnan(result.hypervolume.low)
    assert math.isnan(result.hypervolume.high)
    assert (result.n_blocks, result.resamples) == (1, 0)


@pytest.mark.parametrize("shape", [(0, 2, 2), (3, 2, 2), (3, 0, 2)])
def test_nothing_measured_is_nothing_known(shape: tuple[int, int, int]) -> None:
    """Without blocks, results or setups no setup is on the frontier and every number is NaN."""
    result = uncertainty(np.full(shape, np.nan))
    assert not result.on_frontier.any()
    assert not result.ranked.any()
    assert np.isnan(result.p_on_frontier).all()
    assert math.isnan(result.hypervolume.share)
    assert result.n_blocks == 0


@pytest.mark.parametrize("gap", [math.nan, math.inf, -math.inf])
def test_block_with_a_missing_result_is_left_out(gap: float) -> None:
    """One failed run takes its block from all setups: the rest is as if that block had never been."""
    table = noisy(6, [(1.0, 1.0), (1.05, 1.05), (1.0, 0.95)])
    broken = table.copy()
    broken[2, 1, 0] = gap
    result, expected = uncertainty(broken), uncertainty(np.delete(table, 2, axis=0))
    assert result.n_blocks == 5
    assert result.ranked.all()
    assert result.p_dominates.tolist() == expected.p_dominates.tolist()


def test_setup_that_mostly_fails_costs_the_others_nothing() -> None:
    """A setup with results in fewer than half of the blocks is not ranked, and every block stays."""
    table = noisy(5, [(1.0, 1.0), (0.1, 9.0), (1.02, 1.02)])
    table[:3, 1] = np.nan
    result, expected = uncertainty(table), uncertainty(table[:, [0, 2]])
    assert result.ranked.tolist() == [True, False, True]
    assert result.n_blocks == 5
    assert not result.on_frontier[1]
    assert np.isnan(result.p_on_frontier[1])
    assert np.isnan(result.p_dominates[1]).all()
    assert np.isnan(result.p_dominates[:, 1]).all()
    assert result.p_on_frontier[[0, 2]].tolist() == expected.p_on_frontier.tolist()


def test_the_frontier_over_all_runs_stands_beside_that_of_complete_blocks() -> None:
    """Where a block is left out for one setup's failure, both frontiers are told, and how many blocks were used."""
    nan = math.nan
    latency = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [10.0, nan]])
    result = uncertainty(np.stack([latency, np.where(np.isnan(latency), nan, 0.9)], axis=2))
    # By hand: over four blocks the first needs 1, the second 2; over all it has, the first needs 14 / 5 = 2.8.
    assert result.on_frontier.tolist() == [True, False]
    assert result.on_frontier_all_runs.tolist() == [False, True]
    assert (result.n_blocks, result.n_blocks_in_all, result.ranked.tolist()) == (4, 5, [True, True])


# Hypervolume


def test_hypervolume_by_hand() -> None:
    """Latency 1, 2 and accuracy 0.5, 1: of a box of 1.1 by 0.55, all but 1 by 0.5 is dominated."""
    result = uncertainty(np.array([[[1.0, 0.5], [2.0, 1.0]]] * 2)).hypervolume
    assert result.reference == pytest.approx([2.1, 0.45])
    assert result.ideal.tolist() == [1.0, 1.0]
    assert result.share == pytest.approx((1.1 * 0.55 - 1.0 * 0.5) / (1.1 * 0.55))
    assert (result.low, result.high) == pytest.approx((result.share, result.share))


def test_hypervolume_is_that_of_the_indicator() -> None:
    """The share times the box is moocore's hypervolume of the means in their own units, here in three objectives."""
    table = np.random.default_rng(0).random((4, 12, 3))
    maximise = [False, True, False]
    volume = frontier_uncertainty(table, maximise, resamples=10).hypervolume
    expected = moocore.hypervolume(table.mean(axis=0), ref=volume.reference, maximise=maximise)
    assert volume.share * np.prod(np.abs(volume.reference - volume.ideal)) == pytest.approx(expected)


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.sampled_from([1, 12]))
def test_hypervolumes_of_two_objectives_are_those_of_the_indicator(seed: int, setups: int, digits: int) -> None:
    """All resamples at once give what moocore gives one by one: with ties, and with points outside of the box."""
    gains = np.round(np.random.default_rng(seed).normal(0.4, 0.6, (20, setups, 2)), digits)
    expected = [moocore.hypervolume(points, ref=0, maximise=True) for points in gains]
    assert _areas(gains) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("accuracy", [0.0, 0.9, -2.0])
def test_hypervolume_of_an_objective_without_range(accuracy: float) -> None:
    """Where all accuracies are the same the box still has an extent, and latency decides."""
    volume = uncertainty(np.array([[[1.0, accuracy], [2.0, accuracy]]] * 3)).hypervolume
    assert volume.share == pytest.approx(1.0)
    assert volume.reference[1] < accuracy


@pytest.mark.slow
def test_hypervolume_interval_covers() -> None:
    """With three setups equal in truth, where noise inflates the hypervolume, the interval covers over 90 %."""
    truth = [(1.0, 0.9), (1.0, 0.9), (1.0, 0.9), (2.0, 1.9)]
    covered = []
    for seed in range(150):
        volume = uncertainty(noisy(5, truth, 0.1, seed)).hypervolume
        points = (truth - volume.reference) / (volume.ideal - volume.reference)
        covered.append(volume.low <= moocore.hypervolume(points, ref=0, maximise=True) <= volume.high)
    assert np.mean(covered) > 0.9


# Several machines


def test_machines_that_differ_count_as_machines() -> None:
    """Where two machines disagree, many repeats on each leave the frontier open; taken as one heap they hide it."""
    rng = np.random.default_rng(0)
    hosts = np.repeat(np.arange(4), 30)
    factor = np.array([0.8, 0.8, 0.8, 1.1])[hosts]  # the second setup is faster on three machines of four
    table = np.ones((120, 2, 2))
    table[:, 1, 0] = factor
    table[:, :, 0] *= np.array([1.0, 5.0, 2.0, 9.0])[hosts, np.newaxis] * (1 + 0.01 * rng.standard_normal((120, 2)))
    relative = relative_to_baseline(table, LATENCY_AND_ACCURACY, baseline=0)
    heap, machines = uncertainty(relative), uncertainty(mean_by_host(relative, hosts))
    assert machines.n_blocks == 4
    assert heap.p_on_frontier[0] == 0
    assert machines.p_on_frontier[0] > 0.02


# Input and output


@pytest.mark.parametrize(("shape", "maximise"), [((2, 2), [True, True]), ((2, 2, 2), [True]), ((2, 2, 0), [])])
def test_table_must_have_three_dimensions_and_directions(shape: tuple[int, ...], maximise: list[bool]) -> None:
    """Another shape, or directions that do not match it, are refused with both and the remedy."""
    with pytest.raises(ValueError, match=r"table has shape .* entries; .*block_table"):
        frontier_uncertainty(np.ones(shape), maximise)


def test_no_resamples_are_refused() -> None:
    """At least one resample is needed."""
    with pytest.raises(ValueError, match="resamples is 0; it must be at least 1"):
        frontier_uncertainty(np.ones((2, 2, 2)), LATENCY_AND_ACCURACY, resamples=0)


def test_input_is_left_alone() -> None:
    """The caller's table is read, never written."""
    table = noisy(3, [(1.0, 1.0), (2.0, 2.0)])
    table.flags.writeable = False
    assert uncertainty(relative_to_baseline(table, LATENCY_AND_ACCURACY, 0)).n_blocks == 3
    assert uncertainty(table).n_blocks == 3


def test_result_goes_into_a_file() -> None:
    """Under names, everything is plain and becomes JSON, in which the unknown is null."""
    table = noisy(3, [(1.0, 1.0), (1.1, 2.0), (1.0, 1.0)])
    table[1:, 2] = np.nan
    content = uncertainty(table).to_dict(["float32", "int8", "float16"], ["latency", "accuracy"])
    read = json.loads(json.dumps(jsonable(content), allow_nan=False))
    assert read["setups"][2] == {
        "as_good_as": "",
        "setup": "float16",
        "ranked": False,
        "on_frontier": False,
        "on_frontier_all_runs": read["setups"][2]["on_frontier_all_runs"],
        "p_on_frontier": None,
        "p_dominates": {"float32": None, "int8": None, "float16": None},
    }
    assert read["setups"][0]["p_dominates"]["float16"] is None
    assert read["hypervolume"]["reference"].keys() == {"latency", "accuracy"}
    assert (read["blocks"], read["blocks_in_all"]) == (3, 3)
    assert (read["hypervolume"]["method"], read["hypervolume"]["level"]) == (
        "basic multiplier bootstrap over blocks",
        0.95,
    )
