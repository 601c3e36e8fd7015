"""Behaviour of choosing which examples a network is tried on."""

import numpy as np

from significand.workload.arrays import Arrays
from significand.workload.extremes import extremes, extremes_first


def test_examples_with_extreme_values_come_first_and_no_example_is_missing() -> None:
    """Of every input the smallest and the largest value; the order is the same at every call."""
    first, second = np.zeros((50, 3)), np.zeros((50, 2, 2), np.int64)
    first[7, 1], first[20, 0], second[33, 1, 1] = 5, -5, 9
    inputs = Arrays({"a": first, "b": second}, "dict")
    assert set(extremes(inputs)) == {0, 7, 20, 33}
    rows = extremes_first(inputs)
    assert set(rows[:4]) == {0, 7, 20, 33}
    assert sorted(rows) == list(range(50))
    assert np.array_equal(rows, extremes_first(inputs))
