"""Behaviour of saying the same of several at once."""

import pytest

from significand.plan.phrases import counted, lasting, merged


def test_names_of_which_the_same_is_told_share_a_line() -> None:
    """In the order of their first telling; the same name may come twice."""
    told = [("a", "late"), ("b", "late"), ("c", "wrong"), ("a", "wrong")]
    assert merged(told) == [("a, b", "late"), ("c, a", "wrong")]


def test_many_names_are_counted() -> None:
    """Nobody reads a list of hundreds; names with commas stand apart."""
    told = merged((f"m{number}", "late") for number in range(100))
    assert merged([("a, b", "late"), ("c", "late")]) == [("a, b; c", "late")]
    assert told == [("m0, m1, m2, m3, m4, m5 and 94 more", "late")]


def test_counts_are_added_and_each_is_named() -> None:
    """A name that is alone needs no count beside it; without any there is nothing to say."""
    assert counted([("a", 2, 10), ("b", 0, 10), ("c", 1, 10)]) == ("a (2), c (1)", "3 of 20")
    assert counted([("a", 0, 10), ("b", 3, 10)]) == ("b", "3 of 10")
    assert counted([("a", 1, 10), ("a", 1, 10)]) == ("a (1), a (1)", "2 of 20")
    assert counted([("a", 0, 10)]) is None


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(59.6, "60 seconds"), (1089.0, "18 minutes"), (9000.0, "2.5 hours"), (274454.0, "3.2 days")],
)
def test_a_long_time_is_told_in_the_unit_that_suits_it(seconds: float, told: str) -> None:
    """Nobody plans by 3 days, 4:14:14."""
    assert lasting(seconds) == told
