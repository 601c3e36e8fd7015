import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from significand.analysis.ratios import Costs
from significand.analysis.stopping import Reached, ratio_half_width, reached, runs_needed
from significand.plan.options import FEWEST_SEQUENTIAL


def reached_by(costs: dict[str, dict[int, float]], baseline: str, target: float) -> Reached:
    """Return how narrow intervals are of costs by setup and repeat."""
    sides = {
        name: Costs(np.array([*of_setup], dtype=np.int64), np.array([*of_setup.values()]))
        for name, of_setup in costs.items()
    }
    return reached(sides, dict.fromkeys(sides, baseline), target)


def test_ratio_half_width_is_how_far_the_upper_bound_is() -> None:
    """The interval of the mean log, taken back: its upper bound over the point, less one."""
    logs = [0.1, 0.2, 0.4]
    low, high = stats.t.interval(0.95, 2, np.mean(logs), stats.sem(logs))
    assert ratio_half_width(logs) == pytest.approx(math.exp((high - low) / 2) - 1)


@pytest.mark.parametrize("values", [[], [1.0], [math.nan, 2.0]])
def test_one_run_has_no_width(values: list[float]) -> None:
    """Below two values nothing is known of the spread: NaN, never 0."""
    assert math.isnan(ratio_half_width(values))


# By hand from the t table: 2.262 x 0.03 / sqrt(10) = 0.02146 and
# 2.201 x 0.03 / sqrt(12) = 0.01906.
@pytest.mark.parametrize(("target", "runs"), [(0.0215, 10), (0.0214, 11), (0.0191, 12)])
def test_runs_needed_agrees_with_the_t_table(target: float, runs: int) -> None:
    """With a spread of 3 % the smallest number of runs is the one that the table of t gives."""
    assert runs_needed(0.03, target) == runs


@given(st.floats(1e-6, 0.5), st.floats(0.001, 0.2))
def test_runs_needed_is_enough_and_one_less_is_not(spread: float, target: float) -> None:
    """The answer is the smallest that reaches the target, and never below the fewest that a rule may stop at."""
    runs = runs_needed(spread, target)
    assert runs is not None

    def width(n: int) -> float:
        return float(stats.t.ppf(0.975, n - 1)) * spread / math.sqrt(n)

    assert runs >= FEWEST_SEQUENTIAL
    assert width(runs) <= target * (1 + 1e-9)
    assert runs == FEWEST_SEQUENTIAL or width(runs - 1) > target * (1 - 1e-9)


@pytest.mark.parametrize("spread", [math.nan, math.inf, 1e6])
def test_what_cannot_be_planned_is_none(spread: float) -> None:
    """Without a spread, or with more than a million runs to come, there is no number."""
    assert runs_needed(spread, 0.01) is None


def test_precision_looks_at_every_ratio_to_the_baseline() -> None:
    """Each setup's log ratios, paired by repeat, give its width; the target is reached when all are narrow enough."""
    costs = {
        "float32": {0: 1.0, 1: 2.0, 2: 3.0},
        "int8": {0: 0.5, 1: 1.0, 2: 1.5},
        "float16": {0: 1.0, 1: 2.2, 2: 3.0},
    }
    precision = reached_by(costs, "float32", 0.05)
    assert precision.half_widths["int8"] == pytest.approx(0, abs=1e-12)
    assert precision.half_widths["float16"] == pytest.approx(ratio_half_width([0.0, math.log(1.1), 0.0]))
    assert list(precision.missed) == ["float16"]
    assert not precision.is_reached
    assert reached_by(costs, "float32", 0.9).is_reached


def test_a_single_setup_is_judged_by_its_own_mean() -> None:
    """With nothing to compare with, the width is that of the setup's own geometric mean."""
    precision = reached_by({"int8": {0: 1.0, 1: 1.1, 2: 0.9}}, "int8", 0.01)
    assert precision.half_widths["int8"] == pytest.approx(ratio_half_width(np.log([1.0, 1.1, 0.9]).tolist()))


def test_an_unknown_width_is_a_target_missed() -> None:
    """With too few pairs, or costs that have no ratio, nothing is reached and nothing can be planned."""
    precision = reached_by({"float32": {0: 1.0, 1: 0.0}, "int8": {0: 1.0, 2: 1.0}}, "float32", 0.05)
    assert not precision.is_reached
    assert not precision.is_settled
    assert precision.runs_needed == {"int8": None}


def test_a_setup_that_always_fails_holds_no_other_up() -> None:
    """Without a single usable pair a setup is missed for good: the rest decides when all is settled, and the plan."""
    costs = {"float32": {0: 1.0, 1: 1.0, 2: 1.0}, "int8": {0: 0.5, 1: 0.51, 2: 0.5}, "float16": {}}
    wide, narrow = (reached_by(costs, "float32", target) for target in (0.001, 0.1))
    assert (wide.is_settled, narrow.is_settled) == (False, True)
    assert not narrow.is_reached
    assert list(narrow.missed) == list(narrow.without_pair) == ["float16"]
    assert wide.repeats_needed == wide.runs_needed["int8"]


def test_what_one_setup_leaves_open_is_planned_for_none() -> None:
    """While the spread of one setup with a pair is unknown, no number of repeats is foretold."""
    costs = {"float32": {0: 1.0, 1: 1.0, 2: 1.0}, "int8": {0: 0.5, 1: 0.51, 2: 0.5}, "float16": {2: 1.0}}
    assert reached_by(costs, "float32", 0.01).repeats_needed is None
    assert reached_by({"float32": {0: 1.0}, "int8": {}}, "float32", 0.01).repeats_needed is None
