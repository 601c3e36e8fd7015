import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.analysis.comparison import PairedRatio, paired_ratio

COSTS = st.floats(1e-9, 1e9)
PAIRS = st.lists(st.tuples(COSTS, COSTS), min_size=2, max_size=12)


def by_repeat(values: list[float]) -> dict[int, float]:
    """Give each value its repeat, from 0."""
    return dict(enumerate(values))


def ratio_of(pairs: list[tuple[float, float]]) -> PairedRatio:
    """Return the ratio of the first of each pair to the second."""
    return paired_ratio(by_repeat([a for a, _ in pairs]), by_repeat([b for _, b in pairs]))


def test_example_by_hand() -> None:
    """Log ratios of 1 to 5 times log 2 have mean 3 and deviation 1.5811 times log 2; t(0.975, 4) = 2.776."""
    result = paired_ratio(by_repeat([2.0, 4.0, 8.0, 16.0, 32.0]), by_repeat(5 * [1.0]))
    # By hand, with the t quantile of the published tables: 2.776 x 1.5811388 / sqrt(5) = 1.96293 powers of 2.
    half = 2.776 * 1.5811388 / math.sqrt(5)
    assert result.n == 5
    assert result.ratio == pytest.approx(8.0, rel=1e-12)
    assert result.low == pytest.approx(2 ** (3 - half), rel=1e-3)
    assert result.high == pytest.approx(2 ** (3 + half), rel=1e-3)


# Published tables of Student's t, two-sided 95 %, by degrees of freedom.
@pytest.mark.parametrize(("n", "quantile"), [(2, 12.706), (3, 4.303), (5, 2.776), (10, 2.262), (30, 2.045)])
def test_interval_uses_students_t(n: int, quantile: float) -> None:
    """The interval's half-width in logs is t(0.975, n - 1) s / sqrt(n)."""
    logs = [(-1) ** i * 0.1 for i in range(n)]
    centre = sum(logs) / n
    s = math.sqrt(sum((log - centre) ** 2 for log in logs) / (n - 1))
    result = paired_ratio(by_repeat([math.exp(log) for log in logs]), by_repeat(n * [1.0]))
    half = quantile * s / math.sqrt(n)
    assert math.log(result.high / result.low) == pytest.approx(2 * half, rel=3e-4)
    assert math.log(result.ratio) == pytest.approx(centre, abs=1e-12)


@given(PAIRS)
def test_ratio_of_the_other_way_round_is_the_inverse(pairs: list[tuple[float, float]]) -> None:
    """The ratio of a to b is 1 over that of b to a, and so are the bounds, exchanged."""
    there, back = ratio_of(pairs), ratio_of([(b, a) for a, b in pairs])
    assert there.ratio * back.ratio == pytest.approx(1, rel=1e-9)
    if math.isfinite(there.high) and there.low > 0 and math.isfinite(back.high) and back.low > 0:
        assert math.log(there.low) == pytest.approx(-math.log(back.high), rel=1e-9, abs=1e-9)
        assert math.log(there.high) == pytest.approx(-math.log(back.low), rel=1e-9, abs=1e-9)


@given(PAIRS, st.floats(1e-3, 1e3), st.permutations(range(12)))
def test_unit_and_order_do_not_matter(pairs: list[tuple[float, float]], unit: float, names: list[int]) -> None:
    """The ratio is the same in any unit, whatever the repeats are called and in any order."""
    first = ratio_of(pairs)
    moved = {names[i]: (unit * a, unit * b) for i, (a, b) in enumerate(pairs)}
    second = paired_ratio({r: a for r, (a, _) in reversed(moved.items())}, {r: b for r, (_, b) in moved.items()})
    assert second.ratio == pytest.approx(first.ratio, rel=1e-9)
    assert second.low == pytest.approx(first.low, rel=1e-6)
    assert second.high == pytest.approx(first.high, rel=1e-6)


@given(PAIRS)
def test_point_lies_within_its_interval(pairs: list[tuple[float, float]]) -> None:
    """The bounds enclose the point."""
    result = ratio_of(pairs)
    assert result.low <= result.ratio <= result.high


def test_pairing_removes_what_the_repeats_share() -> None:
    """Repeats that differ tenfold but in the same way for both give an exact ratio."""
    result = paired_ratio(by_repeat([2.0, 20.0, 200.0]), by_repeat([1.0, 10.0, 100.0]))
    assert (result.ratio, result.low, result.high) == pytest.approx((2.0, 2.0, 2.0), rel=1e-9)


def test_unpaired_repeats_are_left_out() -> None:
    """Only repeats that both sides have count."""
    alone = paired_ratio({1: 2.0, 2: 3.0}, {1: 1.0, 2: 1.0})
    assert paired_ratio({0: 99.0, 1: 2.0, 2: 3.0}, {1: 1.0, 2: 1.0, 7: 0.1}) == alone
    assert alone.n == 2


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf, -math.inf])
def test_what_is_no_cost_is_left_out_on_either_side(bad: float) -> None:
    """A pair in which either side is zero, negative, NaN or infinite does not count."""
    good = paired_ratio({1: 2.0, 2: 3.0}, {1: 1.0, 2: 1.0})
    assert paired_ratio({0: bad, 1: 2.0, 2: 3.0}, {0: 1.0, 1: 1.0, 2: 1.0}) == good
    assert paired_ratio({0: 1.0, 1: 2.0, 2: 3.0}, {0: bad, 1: 1.0, 2: 1.0}) == good


def test_single_pair_has_no_interval() -> None:
    """One pair gives a ratio and no bounds."""
    result = paired_ratio({3: 6.0}, {3: 2.0})
    assert result.ratio == pytest.approx(3.0, rel=1e-12)
    assert result.n == 1
    assert math.isnan(result.low)
    assert math.isnan(result.high)


@pytest.mark.parametrize(("values", "baseline"), [({}, {}), ({0: 1.0}, {1: 1.0}), ({0: math.nan}, {0: 1.0})])
def test_no_pair_gives_nan(values: dict[int, float], baseline: dict[int, float]) -> None:
    """Without a pair nothing is known: NaN, not 1 and not 0."""
    result = paired_ratio(values, baseline)
    assert result.n == 0
    assert all(map(math.isnan, (result.ratio, result.low, result.high)))


@given(st.lists(st.tuples(st.floats(min_value=0, exclude_min=True), st.floats(min_value=0)), min_size=1, max_size=4))
def test_no_magnitude_breaks_the_ratio(pairs: list[tuple[float, float]]) -> None:
    """The smallest and largest numbers there are give a ratio from 0 to infinity, or NaN, and no exception."""
    result = ratio_of(pairs)
    assert math.isnan(result.ratio) == (result.n == 0)
    assert not result.ratio < 0
