"""Behaviour of reading numbers from whatever holds them."""

import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # its types are a package of their own
import polars as pl
import pytest
import torch

from significand.analysis import block_table, compare, frontier, grouped_estimates, mean_by_host, relative_to_baseline
from significand.analysis.columns import column

pytestmark = pytest.mark.slow

V = (1.0, 2.0, 4.0)

HOLDERS: dict[str, Callable[[], object]] = {
    "list": lambda: list(V),
    "tuple": lambda: V,
    "generator": lambda: (value for value in V),
    "map": lambda: map(float, V),
    "values of a dict": lambda: dict(enumerate(V)).values(),
    "array": lambda: np.array(V),
    "integers": lambda: np.array([1, 2, 4]),
    "float32": lambda: np.array(V, dtype=np.float32),
    "objects": lambda: np.array(V, dtype=object),
    "pandas": lambda: pd.Series(V, index=[7, 8, 9]),
    "polars": lambda: pl.Series(V),
    "torch": lambda: torch.tensor(V),
    "decimals": lambda: [Decimal(1), Decimal(2), Decimal(4)],
    "fractions": lambda: [Fraction(1), Fraction(2), Fraction(4)],
    "texts of a CSV": lambda: ["1.0", "2", "4e0"],
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_numbers_are_the_same_in_whatever_holds_them(holder: str) -> None:
    """A generator, a series or an array is taken as the list of its values."""
    assert column("values", HOLDERS[holder]()).tolist() == list(V)


@pytest.mark.parametrize(
    "values",
    [
        [1.0, None],
        [1.0, math.nan],
        [1.0, ""],
        ["1.0", " "],
        (value for value in (1.0, None)),
        pd.Series([1, None], dtype="Int64"),
        pd.Series([1.0, None], dtype="Float64"),
        pl.Series([1.0, None]),
        np.ma.masked_array([1.0, 5.0], mask=[False, True]),
    ],
)
def test_what_is_missing_is_nan(values: object) -> None:
    """None, NaN, an empty cell, a null and a masked value are all missing."""
    first, second = column("values", values)
    assert first == 1
    assert math.isnan(second)


@pytest.mark.parametrize(
    ("values", "kind", "said"),
    [
        ("124", TypeError, "type str"),
        (b"124", TypeError, "type bytes"),
        ({1.0, 2.0}, TypeError, "type set"),  # equal runs would count once
        ({0: 1.0}, TypeError, "type dict"),
        (5, TypeError, "type int"),
        (None, TypeError, "type NoneType"),
        (["a"], ValueError, "'a'"),
        ([1 + 2j, 1], ValueError, "complex"),
        (np.array([1 + 2j]), ValueError, "complex"),
        ([10**400], ValueError, "too large"),
        (np.array(["2020-01-01"], dtype="M8[D]"), ValueError, "M8"),
        ([[1, 2], [3]], ValueError, "inhomogeneous"),
        ([[1, 2], [3, 4]], ValueError, r"shape \(2, 2\)"),
        (np.array(3.0), ValueError, r"shape \(\)"),
        (pd.DataFrame({"a": V}), ValueError, r"shape \(3, 1\)"),
        (torch.tensor(V, requires_grad=True), ValueError, "detach"),
    ],
    ids=str,
)
def test_what_is_no_column_of_numbers_is_one_clear_error(values: object, kind: type[Exception], said: str) -> None:
    """The error names the argument, what it is, and what to give; nothing is guessed."""
    with pytest.raises(kind, match=rf"values .*{said}.*give a list"):
        column("values", values)


def once(values: Iterable[object]) -> Any:  # noqa: ANN401 - what the annotations do not promise is taken all the same
    """Return what can be gone through once."""
    return iter(values)


def test_the_public_functions_take_generators() -> None:
    """What can be gone through once is enough for each of them."""
    costs, scores, codes = [1.0, 2.0, 1.1, 2.1], [0.9, 0.8, 0.9, 0.8], [0, 1, 0, 1]
    blocks = [0, 0, 1, 1]
    assert frontier(once(costs), once(scores)).tolist() == frontier(costs, scores).tolist()
    estimates = grouped_estimates(once(costs), once(codes), 2)
    assert estimates.mean.tolist() == grouped_estimates(costs, codes, 2).mean.tolist()
    values = list(zip(costs, scores, strict=True))
    table = block_table(once(values), once(blocks), once(codes), (2, 2))
    np.testing.assert_array_equal(table, block_table(values, blocks, codes, (2, 2)))
    relative = relative_to_baseline(once(table), [False, True], 0)
    np.testing.assert_array_equal(relative, relative_to_baseline(table, [False, True], 0))
    np.testing.assert_array_equal(mean_by_host(once(table), once("ab")), mean_by_host(table, ["a", "b"]))
    given = {"memory": once(costs), "accuracy": once(scores)}
    found = compare(given, once(codes), once(blocks), once(["a", "b"]), 0)
    assert [str(one) for one in found] == [
        str(one) for one in compare({"memory": costs, "accuracy": scores}, codes, blocks, ["a", "b"], 0)
    ]
