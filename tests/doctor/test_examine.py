"""Behaviour of the examination as a whole."""

from dataclasses import replace
from pathlib import Path

import pytest

from made_up_machine import Machine, fit_machine
from significand.doctor.check import Instruments
from significand.doctor.examine import CHECKS, examine
from significand.engines.probe import ModeSupport


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a made-up machine with nothing to warn of."""
    return fit_machine(tmp_path)


def test_a_fit_machine_has_only_ok_lines(machine: Machine) -> None:
    """On a machine with nothing to warn of every check is ok, none asks for anything, and the order is fixed."""
    checks = examine(machine.instruments())
    assert {check.level for check in checks} == {"ok"}, checks
    assert not [check for check in checks if check.remedy]
    names = [check.name for check in checks]
    assert names[-1] == "mode_onnxruntime_float32"
    assert names[: len(CHECKS) - 4] == list(CHECKS)[:-4]
    assert names[len(CHECKS) - 4 : -3] == ["energy_rapl", "energy_nvml"]


def test_what_is_found_is_said(machine: Machine) -> None:
    """An ok line gives the facts it rests on."""
    texts = {check.name: check.found for check in examine(machine.instruments())}
    assert texts["cpu"] == "Made-up 9000; 2 physical cores, 2 logical CPUs"
    assert texts["instruction_sets"] == "avx2, bf16, fp16, vnni"
    assert texts["load"] == "others use 0.00 of a core; load average 0.10"
    assert texts["clock"] == "tsc: steps of 50 ns, 50 ns to read"
    assert texts["memory"] == "8192 of 16384 MB available, 0 MB swapped out"
    assert texts["steal"] == "0.00% of the CPU time since boot"
    assert (texts["energy_rapl"], texts["energy_nvml"]) == ("package-0", "gpu-0")
    assert texts["temporary_folder"] == f"{machine.root}: 50000 MB free"


def test_a_check_that_fails_does_not_end_the_others(machine: Machine) -> None:
    """When a check itself breaks, it is a warning with the error under its name, and the other lines stand."""
    machine.write({"proc/meminfo": "MemTotal: lots kB\n"})

    def broken() -> list[ModeSupport]:
        raise RuntimeError("no engine")

    checks = {check.name: check for check in examine(replace(machine.instruments(), probe=broken))}
    assert checks["memory"].found.startswith("could not be checked: ValueError: ")
    assert checks["modes"].found == "could not be checked: RuntimeError: no engine"
    assert {checks[name].level for name in ("memory", "modes")} == {"warn"}
    assert checks["clock"].level == "ok"


def test_nothing_to_read_is_never_fine_by_default(tmp_path: Path) -> None:
    """On an empty root every line stands, and what only files can tell is no plain ok."""
    checks = {check.name: check for check in examine(Machine(tmp_path).instruments())}
    unknown = {"instruction_sets", "load", "governor", "turbo", "steal", "memory", "energy_rapl"}
    assert {checks[name].level for name in unknown} == {"warn"}
    assert checks["noise_meter"].level == "bad"
    assert not [check for check in checks.values() if "could not be checked" in check.found]


def test_this_machine_is_examined() -> None:
    """On the machine of the tests every check but the modes (elsewhere) answers, none breaks, and nothing is left."""
    checks = examine(Instruments(probe=list))
    assert [check for check in checks if "could not be checked" in check.found] == []
    assert len({check.name for check in checks}) == len(checks) == len(CHECKS)  # one for energy more, for modes less
    assert all(check.found for check in checks)
    assert all(check.remedy for check in checks if check.level != "ok")
