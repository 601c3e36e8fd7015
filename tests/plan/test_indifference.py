"""Differences in objectives that do not matter, as texts."""

import pytest

from significand.plan.indifference import Indifferences, zone_of, zones_of
from significand.plan.problems import SeveralProblemsError


@pytest.mark.parametrize(
    ("text", "metric", "size"),
    [
        ("latency=1%", "latency", 0.01),
        (" memory = 0.02 ", "memory", 0.02),
        ("test-accuracy=0.1", "test_accuracy", 0.1),
        ("accuracy=2 points", "accuracy", 2.0),
    ],
)
def test_a_difference_is_a_share_of_a_cost_and_points_of_a_score(text: str, metric: str, size: float) -> None:
    """In what the flag is given."""
    found, number = zone_of(text)
    assert found == metric
    assert number == pytest.approx(size)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("latency", "give objective=size, such as latency=1%"),
        ("latncy=1%", "did you mean 'latency'?"),
        ("load_time=1%", "'load_time' is not an objective"),
        ("latency=1", "write 1% or 100%"),
        ("latency=-1%", "is out of range; give more than 0"),
        ("accuracy=0", "such as accuracy=0.1, points or units of the score"),
        ("accuracy=much", "is out of range"),
    ],
)
def test_what_is_none_says_what_is_wrong(text: str, told: str) -> None:
    """And what would do."""
    with pytest.raises(ValueError, match=r"^") as caught:
        zone_of(text)
    assert told in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    """One line each; an objective is named once."""
    with pytest.raises(SeveralProblemsError) as caught:
        Indifferences().read("latency=1%,latency=2%,speed=1%")
    assert len(caught.value.problems) == 2


def test_every_form_reads_alike() -> None:
    """A text, a list of texts as a repeated flag gives, a table of TOML; and what is written is read again."""
    kind, wanted = Indifferences(), ("latency=1%", "test_accuracy=0.1")
    assert kind.read("latency=1%, test-accuracy=0.1") == wanted
    assert kind.read(["latency=1%", "test_accuracy=0.1"]) == wanted
    assert kind.read({"latency": "1%", "test_accuracy": 0.1}) == wanted
    assert kind.read(kind.written(wanted)) == wanted
    assert kind.read(kind.written(())) == ()


@pytest.mark.parametrize(("points", "size"), [(True, 0.001), (False, 0.1)])
def test_of_a_share_points_become_its_unit(size: float, *, points: bool) -> None:
    """Another score is in its own unit, and a cost is a share whatever the score is."""
    assert zones_of(["latency=1%", "test_accuracy=0.1"], points=points) == {
        "latency": 0.01,
        "test_accuracy": pytest.approx(size),
    }
