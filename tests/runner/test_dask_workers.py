"""What workers answer is read as what anybody may have sent."""

import json

import pytest

from significand.runner.dask_workers import Answer, described

NAME = ("tcp://10.0.0.1:1", "/scratch/worker")


def test_a_clock_is_compared_with_ours_when_its_machine_answers() -> None:
    """However long others take with their answers, and whenever they are read."""
    facts = {"machine": {"host": "a"}, "utc": "2026-01-01T10:00:02.500000Z"}
    ((worker,), problems) = described({NAME: Answer(json.dumps(facts), "2026-01-01T10:00:00.000000Z")})
    assert (worker.host, worker.facts["offset_s"], problems) == ("a", 2.5, [])


@pytest.mark.parametrize("content", ["", "{", "[]", '{"machine": {"host": "a"}}', None, TimeoutError("no answer")])
def test_who_does_not_say_what_it_is_has_a_line(content: object) -> None:
    """An answer without a machine or a time of day is none."""
    found, problems = described({NAME: Answer(content, "2026-01-01T10:00:00Z")})
    assert found == []
    assert problems[0].startswith("on: the worker tcp://10.0.0.1:1 does not say what it is (")
