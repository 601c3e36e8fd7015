"""Behaviour of the checks of what surrounds the processor."""

from dataclasses import replace
from pathlib import Path

import pytest

from made_up_machine import MB, QUIET, Look, Machine, assert_says, fit_machine
from significand.doctor import surroundings

MEMINFO = "MemTotal: 16000000 kB\nMemAvailable: {} kB\nSwapTotal: 2000000 kB\nSwapFree: {} kB\n"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a made-up machine with nothing to warn of."""
    return fit_machine(tmp_path)


def without_folder() -> str:
    """Find no folder for temporary files."""
    raise FileNotFoundError("No usable temporary directory found")


@pytest.mark.parametrize(
    ("files", "look", "level", "said", "remedy"),
    [
        ({"proc/meminfo": MEMINFO.format(800_000, 2_000_000)}, surroundings.memory, "warn", "819 of", "close programs"),
        ({"proc/meminfo": MEMINFO.format(400_000, 2_000_000)}, surroundings.memory, "bad", "410 of", "close programs"),
        (
            {"proc/meminfo": MEMINFO.format(8_000_000, 1_000_000)},
            surroundings.memory,
            "warn",
            "1024 MB swapped",
            "swapoff",
        ),
        ({"proc/meminfo": None}, surroundings.memory, "warn", "cannot be read", "free"),
    ],
)
def test_files_decide(
    machine: Machine, files: dict[str, str | None], look: Look, level: str, said: str, remedy: str
) -> None:
    """What the kernel's files say decides the level, and a warning says what to do."""
    machine.write(files)
    (check,) = look(machine.instruments())
    assert_says(check, level, said, remedy)


@pytest.mark.parametrize(
    ("change", "look", "level", "said", "remedy"),
    [
        ({"free_bytes": lambda _: 500 * MB}, surroundings.temporary_folder, "warn", "500 MB free", "TMPDIR"),
        ({"free_bytes": lambda _: 50 * MB}, surroundings.temporary_folder, "bad", "50 MB free", "TMPDIR"),
        ({"temporary_folder": without_folder}, surroundings.temporary_folder, "bad", "cannot be written", "TMPDIR"),
        ({"temporary_folder": lambda: "/nowhere"}, surroundings.temporary_folder, "bad", "cannot be written", "TMPDIR"),
        (
            {"environment": {"OMP_NUM_THREADS": "1"}},
            surroundings.environment,
            "warn",
            "OMP_NUM_THREADS=1: no effect",
            "unset OMP",
        ),
        (
            {"environment": {"ONEDNN_MAX_CPU_ISA": "AVX2"}},
            surroundings.environment,
            "warn",
            "ONEDNN_MAX_CPU_ISA=AVX2: keeps instructions from torch",
            "unset ONEDNN_MAX_CPU_ISA",
        ),
        (
            {"environment": {"OMP_PLACES": "cores"}},
            surroundings.environment,
            "warn",
            "OMP_PLACES=cores: no effect",
            "unset",
        ),
        (
            {"environment": {"OMP_PROC_BIND": "FALSE", "HOME": "/"}},
            surroundings.environment,
            "ok",
            "nothing is set",
            "",
        ),
    ],
)
def test_instruments_decide(
    machine: Machine, change: dict[str, object], look: Look, level: str, said: str, remedy: str
) -> None:
    """What the environment or the file system says decides the level, and a warning says what to do."""
    (check,) = look(replace(machine.instruments(), **change))  # type: ignore[arg-type]  # fields of several types
    assert_says(check, level, said, remedy)


@pytest.mark.parametrize(("cores", "level"), [(0.04, "ok"), (0.06, "warn"), (0.5, "warn"), (0.97, "bad")])
def test_load_of_others_is_measured(machine: Machine, cores: float, level: str) -> None:
    """Up to 5 % of a core is nothing, more than half a core is bad; CPU time of before the check does not count."""
    machine.run(77, cores)
    (check,) = surroundings.load(machine.instruments())
    assert check.level == level


def test_the_busiest_processes_are_named(machine: Machine) -> None:
    """The three that use most are named, most first, with the command that shows them; the idle ones are not."""
    for pid, cores in {11: 0.1, 12: 0.4, 13: 0.005, 14: 0.2, 15: 0.05}.items():
        machine.run(pid, cores)
    (check,) = surroundings.load(machine.instruments())
    assert check.found.endswith(": 12 program12 0.40, 14 program14 0.20, 11 program11 0.10")
    assert check.remedy == "stop them, or wait; who they are: ps -p 12,14,11"


def test_load_by_nobody_in_sight_is_told(machine: Machine) -> None:
    """When only /proc/stat sees the others' time, the line says that their names are not seen."""
    instruments = machine.instruments()

    def sleep(seconds: float) -> None:
        machine.sleep(seconds)
        machine.write({"proc/stat": QUIET.replace("cpu0 500", "cpu0 520")})

    (check,) = surroundings.load(replace(instruments, sleep=sleep))
    assert (check.level, "by whom is not seen" in check.found) == ("warn", True)
    assert "on the host too" in check.remedy


def test_load_that_cannot_be_seen_is_not_called_none(tmp_path: Path) -> None:
    """Without processes and counters to read, the load is unknown: a warning, never 0."""
    (check,) = surroundings.load(Machine(tmp_path).instruments())
    assert (check.level, check.found) == ("warn", "what others use cannot be seen")
