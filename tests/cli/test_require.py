"""Behaviour of `significand run --require`, before anything is measured."""

from pathlib import Path

import pytest

from significand.cli.require import check_require
from significand.plan.problems import PlanError


@pytest.mark.parametrize(
    ("require", "fields", "told"),
    [
        ("int9", {}, "require: 'int9' is none of the precisions; did you mean 'int8'?; give one of float32"),
        ("float64", {"precision_modes": "float32,int8"}, "give one of float32, int8, or a setup"),
    ],
)
def test_a_name_that_no_setup_will_have_is_refused(require: str, fields: dict[str, object], told: str) -> None:
    """Nobody waits for hours to learn of a misspelt word."""
    with pytest.raises(PlanError) as caught:
        check_require(require, fields, resume=False, elsewhere=False)
    assert told.split("give")[1] in str(caught.value)
    assert repr(require) in str(caught.value)


@pytest.mark.parametrize("require", [None, "int8", "int8-openvino-b32", "int8:entropy", "int8-entropy-torch"])
def test_what_may_be_the_name_of_a_setup_is_waited_for(require: str | None) -> None:
    """Names tell the precision first, then whatever varies."""
    check_require(require, {"precision_modes": ["float32", "int8", "int8:entropy"]}, resume=False, elsewhere=False)


def test_an_experiment_that_goes_on_tells_later(tmp_path: Path) -> None:
    """Its precisions are in its folder; and those that are wrong in themselves are told with all else."""
    del tmp_path
    check_require("int9", {}, resume=True, elsewhere=False)
    check_require("int9", {"precision_modes": "int99"}, resume=False, elsewhere=False)


def test_several_machines_have_no_answer_together() -> None:
    """Each has its own."""
    with pytest.raises(PlanError, match=r"significand choose DIR/hosts/HOST --require int8"):
        check_require("int8", {}, resume=False, elsewhere=True)
