"""Behaviour of the checks of the meters."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from made_up_machine import CLOCK, MB, Look, Machine, NoGpu, assert_says, fit_machine
from significand.doctor import instruments as meters
from significand.meters.memory import PeakMemory


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a made-up machine with nothing to warn of."""
    return fit_machine(tmp_path)


@pytest.mark.parametrize(
    ("files", "look", "level", "said", "remedy"),
    [
        (
            {f"{CLOCK}/current_clocksource": "hpet"},
            meters.clock,
            "warn",
            "hpet",
            f"echo tsc | sudo tee /{CLOCK}/current",
        ),
        (
            {f"{CLOCK}/current_clocksource": "acpi_pm", f"{CLOCK}/available_clocksource": "acpi_pm"},
            meters.clock,
            "warn",
            "acpi_pm",
            "dmesg",
        ),
        ({f"{CLOCK}/current_clocksource": None}, meters.clock, "ok", "source not shown: steps of 50 ns", ""),
        ({"proc/self/schedstat": "0 0 0\n"}, meters.noise_meter, "warn", "waiting for a CPU", "delayacct"),
        ({"proc/self/schedstat": None}, meters.noise_meter, "warn", "waiting for a CPU", "delayacct"),
        ({"proc/1/comm": "init"}, meters.noise_meter, "ok", "all processes", ""),
        ({"proc/stat": "cpu  0 0 0 0 0 0 0 0 0 0\n"}, meters.noise_meter, "warn", "/proc/stat", "host's /proc/stat"),
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
    ("read_ns", "level", "said"),
    [(500, "ok", "500 ns"), (600, "warn", "600 ns"), (6000, "bad", "6000 ns"), (0, "bad", "stands still")],
)
def test_the_clock_is_tried(machine: Machine, read_ns: int, level: str, said: str) -> None:
    """A clock whose reading takes a tenth of the shortest timing (5 us) is warned of, one as slow as it is bad."""
    machine.read_ns = read_ns
    (check,) = meters.clock(machine.instruments())
    assert (check.level, said in check.found) == (level, True)
    assert bool(check.remedy) == (level != "ok")


def test_a_coarse_clock_shows_its_step_not_its_cost(machine: Machine) -> None:
    """A clock that ticks every 4 ms but is quick to read has steps of 4 ms."""
    reads = iter(range(10_000_000))
    instruments = replace(machine.instruments(), clock_ns=lambda: next(reads) * 100 // 4_000_000 * 4_000_000)
    (check,) = meters.clock(instruments)
    assert (check.level, "steps of 4000000 ns, 100 ns" in check.found) == ("bad", True), check


def test_hidden_processes_are_told(machine: Machine) -> None:
    """In a container, or where /proc hides other users' processes, the line says what is not seen and the remedy."""
    (machine.root / "proc/1/comm").unlink()
    (machine.root / "proc/1").rmdir()
    (check,) = meters.noise_meter(machine.instruments())
    assert (check.level, check.remedy) == ("warn", "mount /proc without hidepid")
    namespace = machine.root / "proc/self/ns/pid"
    namespace.unlink()
    namespace.symlink_to("pid:[4026532999]")
    (check,) = meters.noise_meter(machine.instruments())
    assert (check.level, "--pid=host" in check.remedy) == ("warn", True)
    machine.write({"proc/stat": None})
    (check,) = meters.noise_meter(machine.instruments())
    assert (check.level, "noise cannot be told" in check.found) == ("bad", True)


@pytest.mark.parametrize(
    ("open_meter", "said"),
    [
        (lambda proc: PeakMemory(proc, lambda: 300 * MB, lambda: 200 * MB), "high-water mark, not reset: known only"),
        (lambda proc: PeakMemory(proc, lambda: None, lambda: None), "peak memory will be missing"),
    ],
)
def test_the_fallback_of_the_memory_meter_is_told(
    tmp_path: Path, open_meter: Callable[[Path], PeakMemory], said: str
) -> None:
    """Where the high-water mark cannot be reset, the line says what is lost."""
    instruments = replace(Machine(tmp_path).instruments(), peak_memory=open_meter)
    (check,) = meters.peak_memory(instruments)
    assert (check.level, said in check.found, bool(check.remedy)) == ("warn", True, True)


def test_an_unreadable_rapl_is_warned_of(machine: Machine) -> None:
    """Without RAPL the CPU's energy is an estimate; the line says so, and what would make the counter readable."""
    machine.write({"sys/class/powercap/intel-rapl:0/name": "other"})
    check, _ = meters.energy(machine.instruments())
    assert (check.name, check.level, "will be an estimate" in check.found) == ("energy_rapl", "warn", True)
    assert "sudo modprobe intel_rapl_msr" in check.remedy


def test_a_missing_gpu_is_no_warning(machine: Machine) -> None:
    """Engines compute on the CPU, so a machine without a GPU's counter is fine, and there is nothing to do."""
    _, check = meters.energy(replace(machine.instruments(), nvml=NoGpu()))
    assert (check.name, check.level, check.remedy) == ("energy_nvml", "ok", "")
    assert check.found.startswith("not needed, nothing runs on a GPU (")
