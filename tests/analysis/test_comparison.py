import math
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_ind, ttest_rel

from significand.analysis.comparison import BY_RANKS, ESTIMATED_ENERGY, Comparison, compare
from significand.analysis.intervals import Estimate
from significand.analysis.multiplicity import holm, smallest_detectable
from significand.analysis.ratios import Costs, paired_ratio
from significand.plan.metrics import resolutions

COSTS = st.floats(1e-9, 1e9)
PAIRS = st.lists(st.tuples(COSTS, COSTS), min_size=2, max_size=12)


def ratio_by_repeat(values: dict[int, float], baseline: dict[int, float]) -> Estimate:
    """Return the paired ratio of costs by repeat."""
    sides = (Costs(np.array([*side], dtype=np.int64), np.array([*side.values()])) for side in (values, baseline))
    return paired_ratio(*sides)


def by_repeat(values: list[float]) -> dict[int, float]:
    """Give each value its repeat, from 0."""
    return dict(enumerate(values))


def ratio_of(pairs: list[tuple[float, float]]) -> Estimate:
    """Return the ratio of the first of each pair to the second."""
    return ratio_by_repeat(by_repeat([a for a, _ in pairs]), by_repeat([b for _, b in pairs]))


def test_example_by_hand() -> None:
    """Log ratios of 1 to 5 times log 2 have mean 3 and deviation 1.5811 times log 2; t(0.975, 4) = 2.776."""
    result = ratio_by_repeat(by_repeat([2.0, 4.0, 8.0, 16.0, 32.0]), by_repeat(5 * [1.0]))
    # By hand, with the t quantile of the table cited below: 2.776 x 1.5811388 / sqrt(5) = 1.96293 powers of 2.
    half = 2.776 * 1.5811388 / math.sqrt(5)
    assert result.n == 5
    assert result.point == pytest.approx(8.0, rel=1e-12)
    assert result.low == pytest.approx(2 ** (3 - half), rel=1e-3)
    assert result.high == pytest.approx(2 ** (3 + half), rel=1e-3)


# NIST/SEMATECH e-Handbook of Statistical Methods, section 1.3.6.7.2, critical values of Student's t: the column 0.975
# at n - 1 degrees of freedom. At 1 and 2 they follow by hand from tan(0.475 pi) and 0.95 sqrt(2 / (1 - 0.95^2)).
@pytest.mark.parametrize(("n", "quantile"), [(2, 12.706), (3, 4.303), (5, 2.776), (10, 2.262), (30, 2.045)])
def test_interval_uses_students_t(n: int, quantile: float) -> None:
    """The interval's half-width in logs is t(0.975, n - 1) s / sqrt(n)."""
    logs = [(-1) ** i * 0.1 for i in range(n)]
    centre = sum(logs) / n
    s = math.sqrt(sum((log - centre) ** 2 for log in logs) / (n - 1))
    result = ratio_by_repeat(by_repeat([math.exp(log) for log in logs]), by_repeat(n * [1.0]))
    half = quantile * s / math.sqrt(n)
    assert math.log(result.high / result.low) == pytest.approx(2 * half, rel=3e-4)
    assert math.log(result.point) == pytest.approx(centre, abs=1e-12)


@given(PAIRS)
def test_ratio_of_the_other_way_round_is_the_inverse(pairs: list[tuple[float, float]]) -> None:
    """The ratio of a to b is 1 over that of b to a, and so are the bounds, exchanged."""
    there, back = ratio_of(pairs), ratio_of([(b, a) for a, b in pairs])
    assert there.point * back.point == pytest.approx(1, rel=1e-9)
    if math.isfinite(there.high) and there.low > 0 and math.isfinite(back.high) and back.low > 0:
        assert math.log(there.low) == pytest.approx(-math.log(back.high), rel=1e-9, abs=1e-9)
        assert math.log(there.high) == pytest.approx(-math.log(back.low), rel=1e-9, abs=1e-9)


@given(PAIRS.map(lambda pairs: pairs[:9]), st.floats(1e-3, 1e3), st.permutations(range(12)))
def test_unit_and_order_do_not_matter(pairs: list[tuple[float, float]], unit: float, names: list[int]) -> None:
    """The ratio of few repeats is the same in any unit, whatever the repeats are called and in any order."""
    first = ratio_of(pairs)
    moved = {names[i]: (unit * a, unit * b) for i, (a, b) in enumerate(pairs)}
    second = ratio_by_repeat({r: a for r, (a, _) in reversed(moved.items())}, {r: b for r, (_, b) in moved.items()})
    assert second.point == pytest.approx(first.point, rel=1e-9)
    assert second.low == pytest.approx(first.low, rel=1e-6)
    assert second.high == pytest.approx(first.high, rel=1e-6)


@given(PAIRS)
def test_point_lies_within_its_interval(pairs: list[tuple[float, float]]) -> None:
    """The bounds enclose the point."""
    result = ratio_of(pairs)
    assert result.low <= result.point <= result.high


def test_pairing_removes_what_the_repeats_share() -> None:
    """Repeats that differ tenfold but in the same way for both give an exact ratio."""
    result = ratio_by_repeat(by_repeat([2.0, 20.0, 200.0]), by_repeat([1.0, 10.0, 100.0]))
    assert (result.point, result.low, result.high) == pytest.approx((2.0, 2.0, 2.0), rel=1e-9)


def test_unpaired_repeats_are_left_out() -> None:
    """Only repeats that both sides have count."""
    alone = ratio_by_repeat({1: 2.0, 2: 3.0}, {1: 1.0, 2: 1.0})
    assert ratio_by_repeat({0: 99.0, 1: 2.0, 2: 3.0}, {1: 1.0, 2: 1.0, 7: 0.1}) == alone
    assert alone.n == 2


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf, -math.inf])
def test_what_is_no_cost_is_left_out_on_either_side(bad: float) -> None:
    """A pair in which either side is zero, negative, NaN or infinite does not count."""
    good = ratio_by_repeat({1: 2.0, 2: 3.0}, {1: 1.0, 2: 1.0})
    assert ratio_by_repeat({0: bad, 1: 2.0, 2: 3.0}, {0: 1.0, 1: 1.0, 2: 1.0}) == good
    assert ratio_by_repeat({0: 1.0, 1: 2.0, 2: 3.0}, {0: bad, 1: 1.0, 2: 1.0}) == good


def test_single_pair_has_no_interval() -> None:
    """One pair gives a ratio and no bounds."""
    result = ratio_by_repeat({3: 6.0}, {3: 2.0})
    assert result.point == pytest.approx(3.0, rel=1e-12)
    assert result.n == 1
    assert math.isnan(result.low)
    assert math.isnan(result.high)


@pytest.mark.parametrize(("values", "baseline"), [({}, {}), ({0: 1.0}, {1: 1.0}), ({0: math.nan}, {0: 1.0})])
def test_no_pair_gives_nan(values: dict[int, float], baseline: dict[int, float]) -> None:
    """Without a pair nothing is known: NaN, not 1 and not 0."""
    result = ratio_by_repeat(values, baseline)
    assert result.n == 0
    assert all(map(math.isnan, (result.point, result.low, result.high)))


@given(st.lists(st.tuples(st.floats(min_value=0, exclude_min=True), st.floats(min_value=0)), min_size=1, max_size=4))
def test_no_magnitude_breaks_the_ratio(pairs: list[tuple[float, float]]) -> None:
    """The smallest and largest numbers there are give a ratio from 0 to infinity, or NaN, and no exception."""
    result = ratio_of(pairs)
    assert math.isnan(result.point) == (result.n == 0)
    assert not result.point < 0


# Student's sleep data: extra hours of sleep of ten patients on two drugs (Student, Biometrika 6, 1908; the data set
# `sleep` of R). Tested by R's t.test(extra ~ group, sleep), and with paired = TRUE; SciPy's tests repeat it below.
FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
# The sample that pingouin's tests give to `tost` of R's package equivalence.
TOST_A, TOST_B = [4.0, 7.0, 8.0, 6.0, 3.0, 2.0], [6.0, 8.0, 7.0, 10.0, 11.0, 9.0]
NAN, INF = math.nan, math.inf


def one(
    ours: Sequence[float | None], theirs: Sequence[float | None], metric: str = "latency", *, paired: bool = True,
    margin: float | None = None,
) -> Comparison:  # fmt: skip
    """Compare one setup with one baseline on one metric."""
    setups = [0] * len(theirs) + [1] * len(ours)
    blocks = [*range(len(theirs)), *range(len(ours))]
    margins = {} if margin is None else {metric: margin}
    (comparison,) = compare(
        {metric: [*theirs, *ours]}, setups, blocks if paired else None, ["float32", "int8"], 0, margins=margins
    )
    return comparison


def as_costs(logs: list[float]) -> list[float]:
    """Turn what a source tested as differences into costs whose ratios have just these logs."""
    return [math.exp(value) for value in logs]


def test_paired_ratio_is_students_paired_test_on_logs() -> None:
    """Costs whose logs are the sleep data have R's paired t-test: p 0.002833, exp(-1.58) [-2.4598858, -0.7001142]."""
    comparison = one(as_costs(FIRST), as_costs(SECOND))
    bounds = comparison.estimate.point, comparison.estimate.low, comparison.estimate.high
    assert [math.log(bound) for bound in bounds] == pytest.approx([-1.58, -2.4598858, -0.7001142], abs=1e-7)
    assert comparison.p_value == pytest.approx(0.002833, abs=5e-7)
    assert comparison.p_value == pytest.approx(ttest_rel(FIRST, SECOND).pvalue, rel=1e-9)
    assert (comparison.verdict, comparison.scale, comparison.estimate.method) == ("better", "ratio", "t")
    assert (comparison.estimate.n, comparison.left_out, comparison.paired) == (10, 0, True)


def test_unpaired_ratio_is_welchs_test_on_logs() -> None:
    """Unpaired, the same costs have R's Welch test: p 0.07939, interval -3.3654832 to 0.2054832."""
    comparison = one(as_costs(FIRST), as_costs(SECOND), paired=False)
    bounds = comparison.estimate.low, comparison.estimate.high
    assert [math.log(bound) for bound in bounds] == pytest.approx([-3.3654832, 0.2054832], abs=1e-7)
    assert comparison.p_value == pytest.approx(0.07939, abs=5e-6)
    assert comparison.p_value == pytest.approx(ttest_ind(FIRST, SECOND, equal_var=False).pvalue, rel=1e-9)
    assert (comparison.verdict, comparison.estimate.method) == ("no difference shown", "Welch t")
    assert comparison.estimate.n == 20


def test_accuracy_is_a_difference_in_points() -> None:
    """Accuracies that are the sleep data in points have its difference in points, and higher is better."""
    comparison = one([0.5 + x / 100 for x in SECOND], [0.5 + x / 100 for x in FIRST], "accuracy")
    bounds = comparison.estimate.point, comparison.estimate.low, comparison.estimate.high
    assert bounds == pytest.approx((1.58, 0.7001142, 2.4598858), abs=1e-7)
    assert (comparison.verdict, comparison.scale) == ("better", "points")


def tost(first: Sequence[float], second: Sequence[float], margin: float, *, paired: bool) -> float:
    """Return the larger p-value of the two one-sided tests (Schuirmann 1987), by SciPy."""
    if paired:
        tests = (
            ttest_rel(np.add(first, margin), second, alternative="greater"),
            ttest_rel(np.subtract(first, margin), second, alternative="less"),
        )
    else:
        tests = (
            ttest_ind(np.add(first, margin), second, equal_var=False, alternative="greater"),
            ttest_ind(np.subtract(first, margin), second, equal_var=False, alternative="less"),
        )
    return max(float(test.pvalue) for test in tests)


# By `tost` of R's package equivalence, as quoted in pingouin's tests; repeated with SciPy's one-sided tests.
@pytest.mark.parametrize(
    ("margin", "paired", "p_value"), [(1.0, True, 0.9293826), (2.0, True, 0.8286101), (1.0, False, 0.9643479)]
)
def test_equivalence_is_two_one_sided_tests(margin: float, paired: bool, p_value: float) -> None:
    """The p-value of equivalence is R's, for points as for the logs of costs, and either way round."""
    assert tost(TOST_A, TOST_B, margin, paired=paired) == pytest.approx(p_value, abs=1e-7)
    points = [[x / 100 for x in sample] for sample in (TOST_A, TOST_B)]
    for ours, theirs in (points, points[::-1]):
        comparison = one(ours, theirs, "accuracy", paired=paired, margin=margin)
        assert comparison.p_equivalence == pytest.approx(p_value, abs=1e-7)
    ratio = one(as_costs(TOST_A), as_costs(TOST_B), paired=paired, margin=math.expm1(margin))
    assert ratio.p_equivalence == pytest.approx(p_value, abs=1e-7)


def test_equivalence_of_three_pairs_by_hand() -> None:
    """Differences -0.1, 0.1, 0.3 within 1: t = 0.9 sqrt(3) / 0.2, and of 2 degrees of freedom P is 0.0080, by hand."""
    # Of two degrees of freedom P(T > t) = 1/2 - t / (2 sqrt(2 + t^2)).
    t = 0.9 * math.sqrt(3) / 0.2
    by_hand = 0.5 - t / (2 * math.sqrt(2 + t * t))
    assert by_hand == pytest.approx(0.0080, abs=5e-5)
    points = one([0.499, 0.501, 0.503], [0.5, 0.5, 0.5], "accuracy", margin=1.0)
    ratio = one(as_costs([-0.1, 0.1, 0.3]), as_costs([0.0, 0.0, 0.0]), margin=math.expm1(1.0))
    for comparison in (points, ratio):
        assert comparison.p_equivalence == pytest.approx(by_hand, rel=1e-9)
        assert comparison.verdict == "equivalent"


@pytest.mark.parametrize(
    ("margin", "p_value", "verdict"), [(2.0, 0.15415723, "better"), (3.0, 0.00265557, "equivalent")]
)
def test_equivalence_of_the_sleep_data(margin: float, p_value: float, verdict: str) -> None:
    """A difference of 1.58 hours is not surely within 2, and surely within 3: by SciPy's one-sided tests."""
    comparison = one(as_costs(FIRST), as_costs(SECOND), margin=math.expm1(margin))
    assert tost(FIRST, SECOND, margin, paired=True) == pytest.approx(p_value, abs=1e-8)
    assert comparison.p_equivalence == pytest.approx(p_value, abs=1e-8)
    assert comparison.verdict == verdict


@pytest.mark.parametrize(
    ("metric", "factor", "verdict"),
    [("latency", 0.5, "better"), ("latency", 2.0, "worse"), ("accuracy", 0.5, "worse"), ("accuracy", 2.0, "better")],
)
def test_lower_cost_and_higher_accuracy_are_better(metric: str, factor: float, verdict: str) -> None:
    """The sign of a verdict follows what the metric means."""
    theirs = [0.40, 0.41, 0.39, 0.42, 0.40]
    ours = [factor * value + shift for value, shift in zip(theirs, [0.0, 0.002, -0.001, 0.001, 0.0], strict=True)]
    comparison = one(ours, theirs, metric)
    assert comparison.verdict == verdict
    assert (comparison.estimate.point > (1 if metric == "latency" else 0)) == (factor > 1)


QUIET = [1.000, 1.002, 0.999, 1.001, 1.000, 0.998]


def test_small_differences_within_the_margin_are_equivalent() -> None:
    """Half a per cent is shown as worse, and as equivalent to whom 2 % does not matter."""
    ours = [1.005 * value for value in (1.0, 1.001, 1.0, 1.0015, 0.9995, 0.998)]
    assert one(ours, QUIET).verdict == "worse"
    within = one(ours, QUIET, margin=0.02)
    assert (within.verdict, within.margin) == ("equivalent", 0.02)
    assert within.p_value < 0.05
    assert one(ours, QUIET, margin=0.002).verdict == "worse"


# Twenty awkward pairs of samples: a name, ours, theirs, the pairs that remain and the verdict.
AWKWARD: list[tuple[str, list[float | None], list[float | None], int, str]] = [
    ("nothing", [], [], 0, "not tested"),
    ("baseline alone", [], [1.0, 2.0], 0, "not tested"),
    ("setup alone", [1.0, 2.0], [], 0, "not tested"),
    ("one pair", [1.0], [2.0], 1, "not tested"),
    ("two pairs far apart", [1.0, 100.0], [2.0, 2.0], 2, "no difference shown"),
    ("identical", [1.0, 2.0, 3.0], [1.0, 2.0, 3.0], 3, "no difference shown"),
    ("all equal", [1.0] * 5, [1.0] * 5, 5, "no difference shown"),
    ("the same ratio in all", [1.02, 2.04, 3.06, 0.0102], [1.0, 2.0, 3.0, 0.01], 4, "not tested"),
    ("constant", [2.0] * 5, [1.0] * 5, 5, "not tested"),
    ("one NaN", [1.0, NAN, 1.1, 0.9], [1.0, 1.0, 1.0, 1.0], 3, "no difference shown"),
    ("one None", [1.0, None, 1.1, 0.9], [1.0, 1.0, 1.0, 1.0], 3, "no difference shown"),
    ("all failed", [NAN] * 5, [*QUIET[:5]], 0, "not tested"),
    ("baseline failed", [*QUIET[:5]], [NAN] * 5, 0, "not tested"),
    ("all but one failed", [1.0, NAN, NAN], [2.0, 2.0, 2.0], 1, "not tested"),
    ("failed crosswise", [1.0, NAN, 3.0, NAN], [NAN, 1.0, NAN, 4.0], 0, "not tested"),
    ("zeros", [0.0, 0.0, 1.0, 1.2], [1.0, 0.0, 1.0, 1.0], 2, "no difference shown"),
    ("all zeros", [0.0] * 4, [0.0] * 4, 0, "not tested"),
    ("negative", [-1.0, 1.0, 1.1], [1.0, 1.0, 1.0], 2, "no difference shown"),
    ("infinite", [INF, 1.0, 1.1], [1.0, 1.0, 1.0], 2, "no difference shown"),
    ("infinite on both sides", [INF, INF, INF], [INF, INF, -INF], 0, "not tested"),
    ("unequal numbers", [1.0, 1.1], [1.0, 1.0, 1.0, 1.0, 1.0], 2, "no difference shown"),
    ("ties", [1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0], 4, "no difference shown"),
    ("largest and smallest", [5e-324, 1e308, 1.0], [1e308, 5e-324, 1.0], 3, "no difference shown"),
]


@pytest.mark.parametrize(
    ("ours", "theirs", "pairs", "verdict"), [case[1:] for case in AWKWARD], ids=[c[0] for c in AWKWARD]
)
def test_awkward_samples_have_a_verdict(
    ours: list[float | None], theirs: list[float | None], pairs: int, verdict: str
) -> None:
    """Every input has a defined answer, none is better or worse without a test, and no test means a reason."""
    for margin in (None, 0.02):
        comparison = one(ours, theirs, margin=margin)
        assert (comparison.estimate.n, comparison.verdict) == (pairs, verdict)
        assert comparison.left_out == max(len(ours), len(theirs)) - pairs
        assert math.isnan(comparison.estimate.point) == (pairs == 0)
        assert math.isnan(comparison.p_value) == bool(comparison.reason)
        assert math.isnan(comparison.smallest_detectable) == bool(comparison.reason)
        assert comparison.family == (0 if comparison.reason else 1)


@pytest.mark.parametrize(("ours", "theirs"), [case[1:3] for case in AWKWARD], ids=[case[0] for case in AWKWARD])
@pytest.mark.parametrize("metric", ["latency", "accuracy"])
def test_awkward_samples_never_differ_without_a_test(
    ours: list[float | None], theirs: list[float | None], metric: str
) -> None:
    """Unpaired and as accuracies, too: better or worse only where a test says so, and a reason where none was made."""
    for paired in (True, False):
        comparison = one(ours, theirs, metric, paired=paired)
        assert math.isnan(comparison.p_value) == bool(comparison.reason)
        if comparison.reason:
            assert comparison.verdict in {"not tested", "no difference shown"}


def test_constant_accuracy_difference_is_not_tested() -> None:
    """Differences that are equal but for rounding have no spread, in points as in ratios."""
    comparison = one([0.96, 0.95, 0.94], [0.97, 0.96, 0.95], "accuracy")
    assert comparison.verdict == "not tested"
    assert comparison.reason == "the same difference in all 3 pairs"
    assert comparison.estimate.point == pytest.approx(-1.0)


def test_welch_with_one_constant_side() -> None:
    """A side without spread leaves a test on the other's; a side of one run leaves none."""
    assert one([2.0, 2.1, 1.9, 2.0], [1.0] * 4, paired=False).verdict == "worse"
    alone = one([2.0], QUIET[:4], paired=False)
    assert (alone.verdict, alone.reason) == ("not tested", "a single run has no spread")
    assert one([2.0, 2.0], [1.0, 1.0], paired=False).reason == "the same ratio in all runs"
    empty = one([NAN], QUIET[:4], paired=False)
    assert (empty.reason, empty.left_out) == ("no usable run on one side", 1)


# Hosts

HOST_SPEEDS = {"slow": 100.0, "fast": 1.0, "other": 7.0}


def on_hosts(
    missing: Sequence[tuple[str, str]] = (), hosts: Sequence[str] = ("slow", "fast", "other")
) -> list[Comparison]:
    """Compare two setups with a baseline over four repeats on each host; `missing` lacks a host's setup."""
    names = ["float32", "int8", "float16"]
    rows = [
        (names.index(setup), block, HOST_SPEEDS[host] * speed * (1 + 0.01 * math.sin(7 * block + 10 * speed)))
        for block, (host, _) in enumerate((host, repeat) for host in hosts for repeat in range(4))
        for setup, speed in (("float32", 1.0), ("int8", 0.5), ("float16", 0.75))
        if (host, setup) not in missing
    ]
    setups, blocks, latency = zip(*rows, strict=True)
    return compare({"latency": latency}, setups, blocks, names, 0)


def test_one_host_is_its_repeats() -> None:
    """With a single host, host and repeat as block say what the repeats alone say, however slow the host is."""
    slow, fast = on_hosts(hosts=["slow"])[0], on_hosts(hosts=["fast"])[0]
    assert (slow.estimate.n, slow.left_out, slow.verdict) == (4, 0, "better")
    assert slow.estimate.point == pytest.approx(fast.estimate.point, rel=1e-12)
    assert slow.p_value == pytest.approx(fast.p_value, rel=1e-6)


def test_hosts_are_compared_within_themselves() -> None:
    """Hosts a hundredfold apart do not widen the interval: runs are paired by host and repeat, never across hosts."""
    int8, float16 = on_hosts()
    assert (int8.estimate.n, int8.left_out, int8.verdict) == (12, 0, "better")
    assert int8.estimate.point == pytest.approx(0.5, rel=0.02)
    assert int8.estimate.high / int8.estimate.low < 1.05
    assert float16.estimate.point == pytest.approx(0.75, rel=0.02)


def test_a_host_without_a_setup_leaves_out_its_pairs_only() -> None:
    """Where a host lacks a setup the others' blocks count, and the pairs lost are said; other setups keep theirs."""
    int8, float16 = on_hosts([("slow", "int8")])
    assert (int8.estimate.n, int8.left_out) == (8, 4)
    assert int8.estimate.point == pytest.approx(on_hosts(hosts=["fast", "other"])[0].estimate.point, rel=0.02)
    assert repr(float16.estimate) == repr(on_hosts()[1].estimate)
    without_baseline = on_hosts([("slow", "float32")])
    assert [(one.estimate.n, one.left_out) for one in without_baseline] == [(8, 4), (8, 4)]


def several(n_setups: int, n_blocks: int, seed: int, effect: float = 0.0) -> list[Comparison]:
    """Compare setups that differ from the first by `effect`, on normal logs with spread 0.1."""
    random = np.random.default_rng(seed)
    logs = random.normal(0, 0.1, (n_setups, n_blocks)) + random.normal(0, 1, n_blocks)
    logs[1:] += effect
    setups, blocks = np.divmod(np.arange(logs.size), n_blocks)
    return compare({"latency": np.exp(logs).ravel()}, setups, blocks, [f"s{i}" for i in range(n_setups)], 0)


def test_all_comparisons_share_one_chance_of_error() -> None:
    """Holm's method works over all metrics and setups at once: p-values grow with what is shown beside them."""
    random = np.random.default_rng(8)
    setups, blocks = np.repeat(np.arange(4), 6), np.tile(np.arange(6), 4)
    samples = {"latency": random.lognormal(0, 0.05, 24), "accuracy": random.uniform(0.9, 0.95, 24)}
    together = compare(samples, setups, blocks, list("abcd"), 0)
    assert [(c.metric, c.setup) for c in together] == [(m, s) for m in samples for s in "bcd"]
    assert [c.p_adjusted for c in together] == pytest.approx(list(holm([c.p_value for c in together])))
    assert {c.family for c in together} == {6}
    alone = compare({"latency": samples["latency"]}, setups, blocks, list("abcd"), 0)
    assert [c.p_value for c in alone] == [c.p_value for c in together[:3]]
    assert all(a.p_adjusted <= b.p_adjusted for a, b in zip(alone, together, strict=False))


def test_false_claims_of_a_family_are_rare() -> None:
    """Where nothing differs, some 5 % of families or fewer (they share a baseline) claim any difference."""
    claims = [any(c.verdict != "no difference shown" for c in several(6, 5, seed)) for seed in range(300)]
    assert np.mean(claims) < 0.08


def test_smallest_detectable_difference_is_found_in_four_of_five() -> None:
    """A true effect of the size that the true spread makes detectable is shown in 80 % of comparisons."""
    detectable = float(smallest_detectable(math.sqrt(2) * 0.1 / math.sqrt(5), 4))
    random = np.random.default_rng(9)
    n = 2000
    logs = random.normal(0, 0.1, (2 * n, 5))
    logs[n:] += detectable
    setups, blocks = np.divmod(np.arange(logs.size), 5)
    baselines = np.tile(np.arange(n), 2)
    shown = compare({"latency": np.exp(logs).ravel()}, setups, blocks, ["s"] * (2 * n), baselines)
    assert len(shown) == n
    assert np.mean([c.p_value <= 0.05 for c in shown]) == pytest.approx(0.8, abs=0.03)
    truth = math.exp(detectable)
    assert 0.93 < np.mean([c.estimate.low <= truth <= c.estimate.high for c in shown]) < 0.97


@given(
    st.lists(st.tuples(st.floats(0.1, 10), st.floats(0.1, 10), st.floats(0.1, 10)), min_size=3, max_size=8),
    st.floats(1e-6, 1e6),
    st.randoms(use_true_random=False),
)
def test_unit_order_and_codes_do_not_matter(rows: list[tuple[float, ...]], unit: float, random: Random) -> None:
    """The same runs in another unit, order and numbering of blocks give the same ratios, p-values and verdicts."""
    values = np.array(rows).T
    setups, blocks = np.divmod(np.arange(values.size), len(rows))
    order = np.array(random.sample(range(values.size), values.size))
    names = np.array(random.sample(range(1000), len(rows)))
    first = compare({"memory": values.ravel()}, setups, blocks, list("abc"), 1)
    second = compare({"memory": unit * values.ravel()[order]}, setups[order], names[blocks[order]], list("abc"), 1)
    for a, b in zip(first, second, strict=True):
        assert (a.setup, a.baseline, a.estimate.n) == (b.setup, b.baseline, b.estimate.n)
        assert b.estimate.point == pytest.approx(a.estimate.point, rel=1e-9)
        if math.isfinite(a.p_value) and math.isfinite(b.p_value) and a.estimate.high / a.estimate.low > 1 + 1e-6:
            assert b.p_value == pytest.approx(a.p_value, rel=1e-5, abs=1e-9)


@given(PAIRS)
def test_agrees_with_the_ratio_of_two_dicts(pairs: list[tuple[float, float]]) -> None:
    """The columns of runs give the same ratio and bounds as the same runs by repeat."""
    estimate, ratio = one([a for a, _ in pairs], [b for _, b in pairs]).estimate, ratio_of(pairs)
    assert estimate.n == ratio.n
    assert estimate.point == pytest.approx(ratio.point, rel=1e-9)
    assert (estimate.low, estimate.high) == pytest.approx((ratio.low, ratio.high), rel=1e-6)


def test_estimated_energy_is_shown_and_never_judged() -> None:
    """An energy that is not said to be measured has no test, and does not count among the others."""
    samples = {"latency": [*QUIET, *(2 * v**2 for v in QUIET)], "energy": [*QUIET, *(3 * v**2 for v in QUIET)]}
    setups, blocks = [0] * 6 + [1] * 6, [*range(6)] * 2
    margins = {"energy": 0.1}
    latency, energy = compare(samples, setups, blocks, ["a", "b"], 0, margins=margins)
    assert (energy.verdict, energy.reason, latency.family) == ("not tested", ESTIMATED_ENERGY, 1)
    assert math.isnan(energy.p_adjusted)
    assert math.isnan(energy.p_equivalence)
    assert energy.estimate.point == pytest.approx(3, rel=0.01)
    _, measured = compare(samples, setups, blocks, ["a", "b"], 0, margins=margins, energy_measured=True)
    assert (measured.verdict, measured.family) == ("worse", 2)
    same = {"energy": QUIET * 2}
    (estimated,) = compare(same, setups, blocks, ["a", "b"], 0)
    assert (estimated.verdict, estimated.reason) == ("not tested", ESTIMATED_ENERGY)


def of_memory(baseline: list[float], ours: list[float], metric: str = "memory", **options: Any) -> Comparison:  # noqa: ANN401
    """Compare one setup with its baseline on one metric, pair by pair."""
    n = len(ours)
    (found,) = compare({metric: [*baseline, *ours]}, [0] * n + [1] * n, [*range(n)] * 2, ["a", "b"], 0, **options)
    return found


TOO_NEAR = "peaks less than 0.34 MB apart cannot be told apart"


def test_memory_of_many_cpus_has_to_differ_by_more() -> None:
    """2 MB more is a verdict on two CPUs, and none where 64 of them count for themselves."""
    small, larger = [10 * v for v in QUIET], [12 * v for v in reversed(QUIET)]
    assert of_memory(small, larger).verdict == "worse"
    coarse = of_memory(small, larger, resolution_of=resolutions(64))
    assert coarse.verdict == "no difference shown"
    assert coarse.reason == "peaks less than 33.6 MB apart cannot be told apart"


def test_unpaired_means_of_shared_examples_are_less_sure() -> None:
    """Of either side, with the overlap given: the interval is wider by the same factor as where runs are paired."""
    values, setups = [0.90, 0.91, 0.92, 0.93, 0.93, 0.95], [0, 0, 0, 1, 1, 1]
    plain, widened = (
        compare({"test_accuracy": values}, setups, None, ["a", "b"], 0, overlaps={"test_accuracy": by})[0].estimate
        for by in (0.0, 0.25)
    )
    assert (widened.high - widened.low) / (plain.high - plain.low) == pytest.approx(math.sqrt(1 + 3 * 0.25))


def test_memory_has_to_differ_by_more_than_its_meter_can_tell() -> None:
    """However narrow the interval: 20 kB more is no verdict, 2 MB more is, and a latency knows no such limit."""
    small, larger = [0.10 * v for v in QUIET], [0.12 * v for v in reversed(QUIET)]
    found = of_memory(small, larger)
    assert (found.verdict, found.reason) == ("no difference shown", TOO_NEAR)
    assert (found.p_value < 0.001, found.p_adjusted) == (True, 1)
    assert found.smallest_detectable == pytest.approx(1 + 0.34 / 0.10, rel=0.01)
    assert of_memory([100 * v for v in small], [100 * v for v in larger]).verdict == "worse"
    assert of_memory(small, larger, "latency").verdict == "worse"
    constant = of_memory([0.1] * 4, [0.2] * 4)
    assert (constant.verdict, constant.reason) == (found.verdict, found.reason)
    assert of_memory([0.1], [0.2]).verdict == "not tested"


def test_memory_is_equivalent_only_where_its_meter_can_tell_the_margin() -> None:
    """0.34 MB are within 5 % of 20 MB, and far more than 5 % of 0.1 MB."""
    margins = {"memory": 0.05}
    same = list(reversed(QUIET))
    assert of_memory([20 * v for v in QUIET], [20 * v for v in same], margins=margins).verdict == "equivalent"
    small = of_memory([0.1 * v for v in QUIET], [0.1 * v for v in same], margins=margins)
    assert (small.verdict, small.reason) == ("no difference shown", TOO_NEAR)
    assert math.isnan(small.p_equivalence)
    # Measured 0.3 MB apart, it may be 0.64 MB: more than 2 % of 20 MB, less than 5 %.
    near = [20.3 * v for v in same]
    assert of_memory([20 * v for v in QUIET], near, margins={"memory": 0.02}).verdict != "equivalent"
    assert of_memory([20 * v for v in QUIET], near, margins={"memory": 0.05}).verdict == "equivalent"


def test_what_the_meter_cannot_tell_leaves_no_level_to_other_tests() -> None:
    """A memory difference below the meter's error counts as a test, however small its p-value: latency is as judged."""
    latency = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.01, 1.05, 1.02, 1.06, 0.995, 1.03]
    names, setups, blocks = ["a", "b"], [0] * 6 + [1] * 6, [*range(6)] * 2
    first, second = (
        compare(
            {"latency": latency, "memory": [*QUIET, *(times * v for v in reversed(QUIET))]}, setups, blocks, names, 0
        )
        for times in (1.0, 1.2)
    )
    assert 0.025 < first[0].p_value < 0.05
    assert second[1].p_value < 1e-3
    assert first[0].verdict == second[0].verdict == "no difference shown"


def test_the_meter_is_asked_about_the_pairs_that_are_tested() -> None:
    """Repeats that only one side has are in no test, so they decide nothing."""
    column = [10.0, 10.01, 9.99, 12.0, 12.1, 10.9, 10.91, 10.88]
    setups, blocks = [0] * 5 + [1] * 3, [0, 1, 2, 3, 4, 0, 1, 2]
    assert compare({"memory": column}, setups, blocks, ["a", "b"], 0)[0].verdict == "worse"
    column = [10.0, 10.01, 9.99, 8.0, 8.1, 10.1, 10.11, 10.08]
    found = compare({"memory": column}, setups, blocks, ["a", "b"], 0)[0]
    assert (found.verdict, found.reason) == ("no difference shown", TOO_NEAR)


@pytest.mark.parametrize("value", [1e-320, 1e308, math.inf])
def test_no_memory_is_too_odd(value: float) -> None:
    """Numbers at the ends of the range give an answer, and no warning."""
    assert of_memory([1.0, 2.0, 1.5], [value] * 3).verdict in {"worse", "better", "no difference shown", "not tested"}


def test_two_folders_are_compared_setup_by_setup() -> None:
    """Each setup may have a baseline of its own, as when every setup is compared with its former self."""
    names = ["old float32", "old int8", "new float32", "new int8"]
    values = [*QUIET, *(0.2 * v for v in QUIET), *reversed(QUIET), *(0.1 * v for v in reversed(QUIET))]
    first, second = compare({"latency": values}, np.repeat(range(4), 6), None, names, [0, 1, 0, 1])
    assert (first.setup, first.baseline, first.verdict) == ("new float32", "old float32", "no difference shown")
    assert (second.setup, second.baseline, second.verdict) == ("new int8", "old int8", "better")
    assert second.estimate.point == pytest.approx(0.5)


def test_nothing_to_compare_is_no_error() -> None:
    """No metric, or a baseline alone, gives no comparison."""
    assert compare({}, [0, 1], [0, 0], ["a", "b"], 0) == []
    assert compare({"latency": [1.0]}, [0], [0], ["a"], 0) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": {"speed": [1.0, 2.0]}}, r"metric 'speed' cannot be compared; give one of latency, "),
        ({"samples": {"latency": [1.0]}}, r"latency has shape \(1,\) for 2 runs"),
        ({"setups": [0, 2]}, r"setups has codes from 0 to 2; they must be from 0 to 1"),
        ({"setups": [0.0, 1.0]}, r"setups has shape .*float64.*return_inverse"),
        ({"blocks": [0]}, r"blocks has shape \(1,\) .*for 2 runs"),
        ({"blocks": [0, -1]}, r"blocks has codes from -1 to 0; they must be 0 or more"),
        ({"baselines": 2}, r"baselines has codes from 2 to 2"),
        ({"setups": [1, 1]}, r"setup 1 has more than one row in block 0"),
        ({"level": 95}, r"level is 95"),
        ({"margins": {"latency": 0.0}}, r"the margin of latency is 0\.0; .*positive"),
        ({"margins": {"memory": 0.1}}, r"the margin of memory is 0\.1; .*one of latency"),
    ],
)
def test_what_cannot_be_compared_is_refused(changes: dict[str, Any], message: str) -> None:
    """An error names the value, what is allowed and what to do."""
    arguments: dict[str, Any] = {
        "samples": {"latency": [1.0, 2.0]}, "setups": [0, 1], "blocks": [0, 0], "names": ["a", "b"], "baselines": 0
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        compare(**(arguments | changes))


def test_a_score_that_is_no_share_is_compared_in_its_own_unit() -> None:
    """Its difference, interval, smallest detectable difference and margin are not in hundredths; verdicts are alike."""
    scores = [-1500.0, -1490.0, -1510.0, -1480.0, -1471.0, -1488.0]
    setups, blocks = [0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2]

    def compared(kind: str, margin: float) -> Comparison:
        margins = {"test_accuracy": margin}
        samples = {"test_accuracy": scores}
        (one,) = compare(samples, setups, blocks, ["float32", "int8"], 0, margins=margins, score=kind)
        return one

    own, points = compared("score", 50.0), compared("accuracy", 5000.0)
    assert (own.scale, points.scale) == ("difference", "points")
    assert own.estimate.point == pytest.approx((20 + 19 + 22) / 3)
    assert own.verdict == points.verdict == "equivalent"
    assert own.p_value == pytest.approx(points.p_value)
    assert points.smallest_detectable == pytest.approx(100 * own.smallest_detectable)


def test_a_cost_differs_only_where_signed_ranks_show_it_too() -> None:
    """Student's t alone is not enough: of five pairs one lies on the other side. Scores are about their mean."""
    apart = np.array([0.050, 0.048, 0.052, 0.049, -0.001])
    setups, blocks = np.repeat([0, 1], 5), np.tile(np.arange(5), 2)
    samples = {"latency": np.exp(np.append(np.zeros(5), apart)), "accuracy": np.append(np.full(5, 0.5), 0.5 + apart)}
    cost, score = compare(samples, setups, blocks, ["a", "b"], 0)
    assert cost.p_value < 0.05
    assert (cost.verdict, cost.reason, cost.disagreement) == ("no difference shown", BY_RANKS, "not shown")
    assert cost.p_adjusted == 1.0
    assert (score.verdict, score.reason, score.disagreement) == ("better", "", "not shown")


def test_too_few_pairs_have_no_second_opinion() -> None:
    """Of four, ranks show nothing at any useful level: Student's t decides alone."""
    logs = np.array([0.050, 0.048, 0.052, 0.049])
    (cost,) = compare(
        {"latency": np.exp(np.append(np.zeros(4), logs))},
        np.repeat([0, 1], 4),
        np.tile(np.arange(4), 2),
        ["a", "b"],
        0,
    )
    assert (cost.verdict, cost.reason) == ("worse", "")
    assert np.isnan(cost.ranks[1])


def test_costs_of_repeats_that_resemble_each_other_are_less_sure_and_scores_are_not() -> None:
    """Logs that climb from repeat to repeat: the interval of a cost is wider than in any other order of the same."""
    n = 12
    logs = np.linspace(0.0, 0.1, n)
    mixed = logs[np.random.default_rng(3).permutation(n)]
    setups, blocks = [0] * n + [1] * n, [*range(n)] * 2
    climbing, shuffled = (
        compare({"latency": [1.0] * n + np.exp(one).tolist()}, setups, blocks, ["a", "b"], 0)[0]
        for one in (logs, mixed)
    )
    assert (climbing.estimate.method, shuffled.estimate.method) == ("t for dependent repeats", "t")
    assert climbing.lag1 > 0.5 > shuffled.lag1
    assert climbing.estimate.high > shuffled.estimate.high
    assert climbing.ranks == pytest.approx(shuffled.ranks)
    scores = [0.8] * n + (0.8 + logs).tolist()
    (score,) = compare({"test_accuracy": scores}, setups, blocks, ["a", "b"], 0)
    assert (score.estimate.method, score.lag1 > 0.5) == ("t", True)
