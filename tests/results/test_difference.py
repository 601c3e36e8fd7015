import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.results.difference import as_names, differing
from significand.results.journal import first_line

JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=3), JSON_LIKE, max_size=3))
def test_nothing_differs_from_itself_as_json_keeps_it(facts: dict[str, object]) -> None:
    """What went through a journal is equal to what it came from."""
    assert not list(differing(facts, json.loads(first_line({"facts": facts}))["facts"]))


def test_differences_name_the_field_and_both_values() -> None:
    """Nested values go by their whole name; what one side lacks is nothing; order and sequence type do not count."""
    then = {"a": 1, "b": {"c": (1, 2), "d": "x"}, "e": math.nan, "f": {}}
    now = {"b": {"d": "y", "c": [1, 2]}, "a": 1, "e": None, "f": 3, "g": True}
    assert [one.told_in_time() for one in differing(then, now)] == [
        "b.d: 'x' then, 'y' now",
        "f: 0 entries then, 3 now",
        "g: nothing then, True now",
    ]


@pytest.mark.parametrize("prefix", ["machine", "against"])
def test_a_version_that_one_side_does_not_know_is_no_difference(prefix: str) -> None:
    """An optional package may not have been recorded, or is not there; known to both sides, or needed, it counts."""
    then = {prefix: {"versions": {"torch": "2.1", "nncf": "2.0"}}}
    now = {prefix: {"versions": {"openvino": "2026.0", "numpy": "2.0", "nncf": "3.0"}}}
    assert [one.field for one in differing(then, now)] == [
        f"{prefix}.versions.torch",
        f"{prefix}.versions.nncf",
        f"{prefix}.versions.numpy",
    ]


def test_a_single_text_is_one_name() -> None:
    """Who allows one field need not make a list of it."""
    assert as_names("machine.host") == ["machine.host"]
    assert as_names(("machine.host", "machine.os")) == ("machine.host", "machine.os")
