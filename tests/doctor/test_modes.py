"""Behaviour of the check of the engines."""

import pytest

from made_up_machine import supports
from significand.doctor import modes as engines
from significand.doctor.check import Check, Instruments
from significand.engines.probe import ModeSupport


def looked(support: list[ModeSupport]) -> list[Check]:
    """Return what is found where the probe gives that answer."""
    return list(engines.modes(Instruments(probe=lambda: support)))


@pytest.mark.parametrize(
    ("support", "name", "level", "said", "remedy"),
    [
        ([supports("float32", "no", why="broken")], "mode_onnxruntime_float32", "bad", "broken", "no"),
        ([supports("int8", "no", why="broken")], "mode_onnxruntime_int8", "warn", "broken", "no"),
        (
            [supports("int8-dynamic", "native", "int8", "slow")],
            "mode_onnxruntime_int8_dynamic",
            "ok",
            "native; slow",
            "",
        ),
        (
            [
                supports("float16", "other", "float32", "no kernels"),
                supports("float16", "native", "float16", engine="torch"),
            ],
            "mode_onnxruntime_float16",
            "warn",
            "as float32: no kernels",
            "--engine torch",
        ),
    ],
)
def test_the_probe_decides(support: list[ModeSupport], name: str, level: str, said: str, remedy: str) -> None:
    """How a mode runs decides the level, and a warning says which engine runs it natively, where one does."""
    check, *_ = looked(support)
    assert (check.name, check.level, said in check.found, remedy in check.remedy) == (name, level, True, True), check
    assert bool(check.remedy) == bool(remedy)


def test_a_mode_that_no_machine_runs_is_not_a_finding() -> None:
    """What an engine does not offer anywhere says nothing about this machine."""
    assert looked([supports("float64", "no", why="not on this engine")]) == []
