"""Measures callables with pytest-benchmark, one after the other.

It runs in the other tools' environment, where pytest is given this file and the texts of the callables, as of
`rival_calls.make`, stand in the environment variable RIVAL_CALLS, separated by spaces.
"""

import os
import time
from typing import Any

import pytest

from rival_calls import bare_s, make


@pytest.mark.parametrize(("place", "text"), enumerate(os.environ["RIVAL_CALLS"].split(" ")))
def test_call(benchmark: Any, place: int, text: str) -> None:  # noqa: ANN401 - pytest-benchmark has no types
    """The tool's documented way: its fixture, applied to the callable."""
    call = make(text)
    begin = time.perf_counter()
    benchmark(call)
    benchmark.extra_info["wall_s"] = time.perf_counter() - begin
    benchmark.extra_info["place"] = place
    benchmark.extra_info["bare_s"] = bare_s(call)
