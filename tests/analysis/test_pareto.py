import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.analysis.pareto import (
    Zone,
    block_table,
    frontier,
    mean_by_host,
    nondominated,
    relative_to_baseline,
    select_objectives,
)
from significand.plan.metrics import METRICS

# Few distinct values, so that ties in one objective and equal points are the rule, not the exception.
TIED = st.sampled_from([0.0, -0.0, 0.25, 0.5, 1.0])
# Not so small that a change of unit rounds them, or to 0: no latency and no accuracy is.
SPREAD = st.floats(min_value=-1e6, max_value=1e6).filter(lambda value: value == 0 or abs(value) > 1e-300)
BROKEN = st.sampled_from([math.nan, math.inf, -math.inf])
POINTS = st.lists(st.tuples(TIED | SPREAD, TIED | SPREAD), max_size=30)
POINTS_SOME_BROKEN = st.lists(st.tuples(TIED | BROKEN, TIED | BROKEN), max_size=30)


def expected_frontier(points: list[tuple[float, float]]) -> list[bool]:
    """Compare every point with every other, straight from the definition."""
    verdicts = []
    for latency, accuracy in points:
        beaten = any(
            math.isfinite(other_latency)
            and math.isfinite(other_accuracy)
            and other_latency <= latency
            and other_accuracy >= accuracy
            and (other_latency < latency or other_accuracy > accuracy)
            for other_latency, other_accuracy in points
        )
        verdicts.append(math.isfinite(latency) and math.isfinite(accuracy) and not beaten)
    return verdicts


def actual_frontier(points: list[tuple[float, float]]) -> list[bool]:
    """Give the points to the function as two columns."""
    marked = frontier([point[0] for point in points], [point[1] for point in points])
    return [bool(flag) for flag in marked]


@given(POINTS)
def test_frontier_follows_the_definition(points: list[tuple[float, float]]) -> None:
    """Every point is judged as by comparing it with every other."""
    assert actual_frontier(points) == expected_frontier(points)


@given(POINTS_SOME_BROKEN)
def test_points_without_a_number_neither_win_nor_beat(points: list[tuple[float, float]]) -> None:
    """NaN and infinities are never on the frontier and keep no other point off it."""
    assert actual_frontier(points) == expected_frontier(points)


@given(POINTS, st.randoms(use_true_random=False))
def test_order_does_not_matter(points: list[tuple[float, float]], random: Random) -> None:
    """Shuffling the points shuffles the verdicts with them."""
    order = list(range(len(points)))
    random.shuffle(order)
    verdicts = actual_frontier(points)
    assert actual_frontier([points[i] for i in order]) == [verdicts[i] for i in order]


@given(POINTS, st.sampled_from([0.125, 2.0, 1024.0]), st.sampled_from([0.5, 4.0]))
def test_units_do_not_matter(points: list[tuple[float, float]], latency_unit: float, accuracy_unit: float) -> None:
    """Another unit of either objective (exact in binary, so that no tie is rounded away) changes no verdict."""
    scaled = [(latency * latency_unit, accuracy * accuracy_unit) for latency, accuracy in points]
    assert actual_frontier(scaled) == actual_frontier(points)


@given(POINTS, st.data())
def test_duplicate_shares_the_verdict(points: list[tuple[float, float]], data: st.DataObject) -> None:
    """A point given twice has its verdict twice, and the others keep theirs."""
    if points:
        points = [*points, data.draw(st.sampled_from(points))]
        verdicts = actual_frontier(points)
        assert verdicts[-1] == verdicts[points.index(points[-1])]
        assert verdicts[:-1] == actual_frontier(points[:-1])


@given(st.lists(st.tuples(TIED, TIED, TIED, TIED), min_size=1, max_size=20), st.tuples(*[st.booleans()] * 4))
def test_directions_apply_to_each_of_many_objectives(
    points: list[tuple[float, ...]], maximise: tuple[bool, ...]
) -> None:
    """With four objectives, maximising one is the same as minimising its negative."""
    signs = np.where(maximise, -1.0, 1.0)
    costs = np.array(points) * signs
    expected = [not any((other <= cost).all() and (other < cost).any() for other in costs) for cost in costs]
    assert nondominated(points, maximise).tolist() == expected


def test_equal_points_are_on_it_together() -> None:
    """Two setups with the same latency and accuracy are both on the frontier."""
    assert frontier([1.0, 1.0, 2.0], [0.9, 0.9, 0.8]).tolist() == [True, True, False]


def test_weakly_dominated_points_are_off() -> None:
    """As fast but less accurate, or as accurate but slower, is dominated."""
    assert frontier([1.0, 1.0, 2.0], [0.9, 0.8, 0.9]).tolist() == [True, False, False]


def test_faster_and_less_accurate_is_a_tradeoff() -> None:
    """Points that win in one objective each are all on the frontier."""
    assert frontier([1.0, 2.0, 3.0], [0.7, 0.8, 0.9]).tolist() == [True, True, True]


def test_no_points_give_an_empty_answer() -> None:
    """Empty input is not an error."""
    marked = frontier([], [])
    assert marked.shape == (0,)
    assert marked.dtype == np.bool_


def test_one_point_is_on_it() -> None:
    """A single point is beaten by none."""
    assert frontier([3.0], [0.1]).tolist() == [True]


def test_only_broken_points() -> None:
    """If no point has both numbers, none is on the frontier."""
    assert frontier([math.nan, 1.0], [0.5, math.inf]).tolist() == [False, False]


def test_input_is_left_alone() -> None:
    """The caller's arrays are read, never written."""
    points = np.array([[1.0, 2.0], [2.0, 1.0], [2.0, 2.0]])
    before = points.copy()
    points.flags.writeable = False
    assert nondominated(points, maximise=True).tolist() == [False, False, True]
    assert (points == before).all()


@pytest.mark.parametrize(("latency", "accuracy"), [([1.0], [1.0, 2.0]), ([[1.0]], [[1.0]]), ([1.0], [])])
def test_columns_must_match(latency: list[float], accuracy: list[float]) -> None:
    """Columns of different lengths or of another shape are refused with both shapes."""
    with pytest.raises(ValueError, match=r"latency has shape .* accuracy has shape .*same n"):
        frontier(latency, accuracy)


def test_points_must_be_a_table() -> None:
    """A flat list of numbers is refused with its shape and the remedy."""
    with pytest.raises(ValueError, match=r"shape \(2,\).*column_stack"):
        nondominated([1.0, 2.0])


def test_one_direction_per_objective() -> None:
    """Too few directions are refused with both counts."""
    with pytest.raises(ValueError, match="1 entries for 2 objectives"):
        nondominated([[1.0, 2.0]], maximise=[True])


def test_objectives_are_chosen_by_name() -> None:
    """Names come as one text or as a sequence, and keep their order."""
    expected = (METRICS["accuracy"], METRICS["memory"], METRICS["latency"])
    assert select_objectives("accuracy, memory,latency") == expected
    assert select_objectives(["accuracy", "memory", "latency"]) == expected


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("latency,speed,size", "objectives has 'speed', 'size'; choose from latency, train_time"),
        ("latency,latency", "'latency,latency'.*each named once"),
        ("latency", "'latency'.*two or more"),
        ("", "objectives has ''; choose from"),
    ],
)
def test_objectives_that_make_no_frontier_are_refused(names: str, message: str) -> None:
    """An unknown name, a repeated one and a single objective are refused with what may be given."""
    with pytest.raises(ValueError, match=message):
        select_objectives(names)


def test_measured_energy_is_an_objective() -> None:
    """Energy that every run measured may be an objective."""
    assert select_objectives("latency,energy", ["measured", "measured"])[1] == METRICS["energy"]


@pytest.mark.parametrize(
    ("kinds", "found"),
    [
        (["estimated"], "estimated"),
        (["measured", "estimated"], "estimated, measured"),
        ([], "unknown"),
        ([""], "unknown"),
    ],
)
def test_estimated_energy_is_refused(kinds: list[str], found: str) -> None:
    """Energy that any run estimated, or of unknown origin, is refused with the reason and the remedy."""
    with pytest.raises(ValueError, match=f"energy_kind is {found};.*restates CPU time.*Leave energy out"):
        select_objectives("latency,energy", kinds)


def test_flat_columns_become_a_table() -> None:
    """Runs in any order find their places, and a place without a run is NaN."""
    table = block_table([[3.0, 0.3], [1.0, 0.1], [2.0, 0.2]], blocks=[1, 0, 0], setups=[0, 0, 1], shape=(2, 2))
    assert table[:, :, 0].tolist()[0] == [1.0, 2.0]
    assert table[0, 1].tolist() == [2.0, 0.2]
    assert table[1, 0].tolist() == [3.0, 0.3]
    assert np.isnan(table[1, 1]).all()
    assert block_table(np.empty((0, 2)), [], [], (1, 1)).shape == (1, 1, 2)


@pytest.mark.parametrize(
    ("values", "blocks", "setups", "message"),
    [
        ([[1.0], [2.0]], [0, 0], [1, 1], "2 runs have the same block and setup"),
        ([[1.0]], [2], [0], "outside the 2 blocks and 2 setups"),
        ([[1.0]], [0], [-1], "outside the 2 blocks and 2 setups"),
        ([[1.0]], [0, 1], [0, 1], r"values has shape \(1, 1\), blocks \(2,\)"),
        ([1.0], [0], [0], r"values has shape \(1,\)"),
    ],
)
def test_runs_without_a_place_of_their_own_are_refused(
    values: object, blocks: list[int], setups: list[int], message: str
) -> None:
    """Two runs in one place, a place outside the table and columns of different lengths are refused."""
    with pytest.raises(ValueError, match=message):
        block_table(values, blocks, setups, (2, 2))  # type: ignore[arg-type]  # an array-like


def test_relative_costs_do_not_know_the_machine() -> None:
    """On a machine seven times slower the ratios are the same: log 2 for twice the cost, and the accuracy's gain."""
    block = np.array([[1.0, 0.5], [2.0, 0.75]])
    table = relative_to_baseline([block, block * [7.0, 1.0]], [False, True], baseline=0)
    assert table == pytest.approx(np.array([[[0.0, 0.0], [math.log(2), 0.25]]] * 2))


@pytest.mark.parametrize("cost", [0.0, -1.0, math.nan, math.inf])
def test_cost_without_a_ratio_is_missing(cost: float) -> None:
    """A cost that is not positive and finite is NaN; in the baseline it takes its block's costs with it."""
    table = np.array([[[1.0, 0.5], [cost, 0.6]], [[cost, 0.5], [1.0, 0.6]]])
    relative = relative_to_baseline(table, [False, True], baseline=0)
    assert np.isnan(relative[:, :, 0]).tolist() == [[False, True], [True, True]]
    assert relative[:, 1, 1] == pytest.approx([0.1, 0.1])


def test_host_is_one_block() -> None:
    """Blocks of a host become their mean, without what is missing; hosts come sorted, whatever their blocks' order."""
    table = np.array([[[1.0]], [[10.0]], [[3.0]], [[math.nan]], [[math.nan]]])
    means = mean_by_host(table, ["b", "a", "b", "a", "c"])[:, 0, 0]
    assert means[:2].tolist() == [10.0, 2.0]
    assert math.isnan(means[2])
    assert mean_by_host(np.empty((0, 2, 2)), []).shape == (0, 2, 2)


def test_every_block_has_a_host() -> None:
    """Fewer hosts than blocks are refused, so that no block is lost."""
    with pytest.raises(ValueError, match=r"hosts has shape \(1,\) for 2 blocks"):
        mean_by_host(np.ones((2, 1, 1)), ["a"])


def test_what_is_worse_by_little_in_all_is_not_pushed_off() -> None:
    """Half a per cent slower and 0.05 points worse is as good, within 1 % and 0.1 points; more in one is not."""
    points = [[1.0, 0.900], [1.005, 0.8995], [1.02, 0.900], [1.0, 0.898], [0.5, 0.5]]
    zones = [Zone(share=0.01), Zone(size=0.001)]
    assert nondominated(points, [False, True], zones).tolist() == [True, True, False, False, True]
    assert nondominated(points, [False, True]).tolist() == [True, False, False, False, True]


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=12), st.floats(0, 0.5))
def test_a_zone_only_adds_to_the_frontier(points: list[tuple[int, int]], share: float) -> None:
    """Who is on it stays; who is added is beaten by nobody by more than the zone, whoever beats it."""
    zones = [Zone(share=share), Zone(size=3 * share)]
    array = np.array(points, dtype=float)
    plain, wider = nondominated(array), nondominated(array, zones=zones)
    assert (wider | ~plain).all()
    for row, on in enumerate(wider):
        beaten = any(
            (one <= array[row]).all() and (one[0] * (1 + share) < array[row][0] or one[1] + 3 * share < array[row][1])
            for one in array
        )
        assert on == (not beaten)
