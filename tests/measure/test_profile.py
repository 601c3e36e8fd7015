"""What a profiler tells of a run's operators."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from conftest import setup_of
from made_up_networks import normal, written
from significand.engines import base
from significand.engines.base import get_engine
from significand.engines.operators import CALL, Operator
from significand.measure.profile import Profile, operator_arrays, profile_calls
from significand.plan.setup import Setup
from significand.workload.arrays import Arrays
from significand.workload.base import Examples, Split

pytestmark = pytest.mark.slow

SETUP = setup_of((16, 32, 4), ("relu", "linear"), "float32", "onnxruntime")


def profiled(folder: Path, setup: Setup = SETUP) -> Profile:
    x = normal(64, 16)
    examples = Examples(Arrays({"input": x}))
    return profile_calls(setup, Split(examples, examples), written(get_engine(setup.engine), setup, folder, x))


def test_a_profiler_that_fails_says_why_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run goes on without the times of its operators."""

    def broken(*_: object) -> Mapping[str, float]:
        raise RuntimeError("no counters here\nand a long stack")

    monkeypatch.setattr(base.get_engine("onnxruntime").__class__, "profile", broken)
    assert profiled(tmp_path) == Profile({}, "onnxruntime's profiler failed: RuntimeError: no counters here")


def test_an_engine_without_a_profiler_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other packages' engines need not have one."""
    monkeypatch.delattr(base.get_engine("onnxruntime").__class__, "profile")
    assert profiled(tmp_path).reason == "onnxruntime has no profiler, or it told nothing"


def test_why_there_are_no_times_is_a_row_of_its_own() -> None:
    """Of the whole call, whose time is not known either."""
    arrays = operator_arrays([Operator("a", "Gemm", "float32", 8.0)], Profile(reason="no counters here"))
    assert arrays["operator_name"].tolist() == ["a", CALL]
    assert arrays["operator_note"].tolist() == ["", "no counters here"]
    assert np.isnan(arrays["operator_time_s"]).all()


def test_what_only_the_profiler_saw_is_a_row_without_a_format() -> None:
    """No time is lost, and none is given to an operator that did not take it."""
    operators = [Operator("a", "Gemm", "float32", 8.0), Operator("b", "Relu")]
    arrays = operator_arrays(operators, Profile({"a": 2e-6, "extra": 1e-6}, ""))
    assert arrays["operator_name"].tolist() == ["a", "b", "extra"]
    assert arrays["operator_format"].tolist() == ["float32", "", ""]
    assert np.array_equal(arrays["operator_time_s"], [2e-6, math.nan, 1e-6], equal_nan=True)
