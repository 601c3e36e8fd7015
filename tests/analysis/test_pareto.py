import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.analysis.pareto import frontier, nondominated

# Few distinct values, so that ties in one objective and equal points are the rule, not the exception.
TIED = st.sampled_from([0.0, -0.0, 0.25, 0.5, 1.0])
SPREAD = st.floats(min_value=-1e6, max_value=1e6)
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
