"""Limits on metrics, as texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.plan.limits import Limits, limit_of
from significand.plan.problems import SeveralProblemsError


@pytest.mark.parametrize(
    ("text", "metric", "bound"),
    [
        ("memory=50MB", "memory", 50.0),
        ("memory = 0.5 GB", "memory", 500.0),
        ("latency=2ms", "latency", 2e-3),
        ("latency=20us", "latency", 2e-5),
        ("test-accuracy=95%", "test_accuracy", 0.95),
        ("model_size=1.5e2kB", "model_size", 0.15),
    ],
)
def test_a_limit_is_read_into_the_unit_of_its_column(text: str, metric: str, bound: float) -> None:
    """Megabytes, seconds and shares, whatever unit was given."""
    found, value = limit_of(text)
    assert found.name == metric
    assert value == pytest.approx(bound)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("memory=50s", "has the unit 's', which is none of peak memory; allowed: B, kB, MB, GB"),
        ("latency=2", "has no unit; allowed: ns, µs, ms, s"),
        ("memory=MB", "has no number; give memory=2MB"),
        ("speed=2ms", "'speed' is not a metric"),
        ("memry=2MB", "did you mean 'memory'?"),
        ("memory", "is no limit; give metric=value"),
        ("latency=-2ms", "can be kept by nothing; give a limit above 0"),
    ],
)
def test_a_mistake_says_what_would_be_right(text: str, told: str) -> None:
    """The value, what is allowed, and an example."""
    with pytest.raises(ValueError, match=r"give|allowed") as error:
        limit_of(text)
    assert told in str(error.value)


def test_all_mistakes_are_told_at_once() -> None:
    """A line for each limit that is wrong, and one for a metric that is limited twice."""
    with pytest.raises(SeveralProblemsError) as error:
        Limits().read(["memory=50s,latency=2ms", "latency=3ms", "foo=1"])
    assert len(error.value.problems) == 3


@given(st.sampled_from(["memory", "latency", "model_size"]), st.floats(0.001, 1e6))
def test_what_is_written_is_read_again(metric: str, number: float) -> None:
    """As the manifest keeps limits, and the page repeats them in a command."""
    unit = "ms" if metric == "latency" else "MB"
    limits = Limits().read(f"{metric}={number:.6f}{unit}")
    assert Limits().read(Limits().written(limits)) == limits
    assert Limits().read(Limits().written(())) == ()
