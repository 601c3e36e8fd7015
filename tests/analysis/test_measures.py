import math

import numpy as np
import pytest

from significand.analysis.measures import band, checked_codes, scaled_columns, shown
from significand.plan.metrics import METRICS


def test_costs_become_logs_and_accuracies_points() -> None:
    """A cost that has no log, and a value that is missing, is NaN; the caller's array is left alone."""
    costs = np.array([1.0, math.e, 0.0, -1.0, math.nan, math.inf])
    costs.flags.writeable = False
    logs, points = scaled_columns({"memory": costs, "accuracy": [0.0, 0.5, 1.0, None, math.nan, 0.1]}, 6, {})
    assert logs == pytest.approx([0, 1, math.nan, math.nan, math.nan, math.inf], nan_ok=True)
    assert points == pytest.approx([0, 50, 100, math.nan, math.nan, 10], nan_ok=True)


def test_band_of_a_ratio_is_symmetric_in_logs() -> None:
    """A margin of 2 % ends at 1.02 and at 1/1.02; one of half a point at half a point."""
    cost, share = METRICS["latency"], METRICS["accuracy"]
    assert shown(cost, band(cost, 0.02)) == pytest.approx(1.02)
    assert shown(cost, -band(cost, 0.02)) == pytest.approx(1 / 1.02)
    assert shown(share, band(share, 0.5)) == 0.5


def test_codes_of_nothing_are_no_error() -> None:
    """An empty list has no type to refuse."""
    assert checked_codes("setups", [], 0).dtype == np.int64
