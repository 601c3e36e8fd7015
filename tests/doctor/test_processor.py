"""Behaviour of the checks of the processor."""

from dataclasses import replace
from pathlib import Path

import pytest

from made_up_machine import CPU, X86, Look, Machine, assert_says, fit_machine
from significand.doctor import processor

PROC_STAT = "cpu  1000 0 100 {idle} 0 0 0 {steal} 0 0\ncpu0 1000 0 100 {idle} 0 0 0 {steal} 0 0\n"
GOVERNOR = f"{CPU}/cpu1/cpufreq/scaling_governor"
NO_CPUFREQ = {f"{CPU}/cpu{cpu}/cpufreq/scaling_governor": None for cpu in (0, 1)}
NO_TURBO = {f"{CPU}/intel_pstate/no_turbo": None}
VIRTUAL = {"proc/cpuinfo": X86.replace("fpu", "fpu hypervisor")}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a made-up machine with nothing to warn of."""
    return fit_machine(tmp_path)


@pytest.mark.parametrize(
    ("files", "look", "level", "said", "remedy"),
    [
        ({"proc/cpuinfo": None}, processor.instruction_sets, "warn", "cannot be read", "modes"),
        (
            {"proc/cpuinfo": "flags : fpu avx2"},
            processor.instruction_sets,
            "ok",
            "no bfloat16 arithmetic, no instr",
            "",
        ),
        ({f"{CPU}/cpu1/topology/thread_siblings_list": None}, processor.threads, "ok", "cannot be read", ""),
        ({"sys/fs/cgroup/cpu.max": "200000 100000"}, processor.cpu_quota, "ok", "2 CPUs' worth of time: all", ""),
        ({"sys/fs/cgroup/cpu.max": "150000 100000"}, processor.cpu_quota, "warn", "1.5 CPUs", "--threads 1"),
        ({"sys/fs/cgroup/cpu.max": "50000 100000"}, processor.cpu_quota, "bad", "0.5 CPUs", "whole CPUs"),
        (
            {"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "50000 100000"},
            processor.cpu_quota,
            "bad",
            "0.5 CPUs",
            "whole CPUs",
        ),
        (
            {GOVERNOR: "powersave"},
            processor.governor,
            "warn",
            "performance, powersave",
            "echo performance | sudo tee /sys/",
        ),
        ({GOVERNOR: "userspace"}, processor.governor, "ok", "performance, userspace", ""),
        (NO_CPUFREQ, processor.governor, "warn", "cannot be read here", "firmware"),
        (NO_CPUFREQ | VIRTUAL, processor.governor, "ok", "host's business", ""),
        (
            {f"{CPU}/intel_pstate/no_turbo": "0"},
            processor.turbo,
            "warn",
            "on: ",
            f"echo 1 | sudo tee /{CPU}/intel_pstate/no_turbo",
        ),
        (
            NO_TURBO | {f"{CPU}/cpufreq/boost": "1"},
            processor.turbo,
            "warn",
            "on: ",
            f"echo 0 | sudo tee /{CPU}/cpufreq/boost",
        ),
        (NO_TURBO | {f"{CPU}/cpufreq/boost": "0"}, processor.turbo, "ok", "off", ""),
        (NO_TURBO, processor.turbo, "warn", "cannot be read here", "firmware"),
        (NO_TURBO | VIRTUAL, processor.turbo, "ok", "host's business", ""),
        (VIRTUAL, processor.virtual_machine, "warn", "neighbours", "dedicated host"),
        ({"proc/cpuinfo": "Features : fp asimd"}, processor.virtual_machine, "ok", "does not say", ""),
        (
            {"proc/stat": PROC_STAT.format(idle=8700, steal=200)},
            processor.steal,
            "warn",
            "2.0% of the CPU time",
            "dedicated",
        ),
        ({"proc/stat": PROC_STAT.format(idle=8850, steal=50)}, processor.steal, "ok", "0.50%", ""),
        ({"proc/stat": PROC_STAT.format(idle=7900, steal=1000)}, processor.steal, "warn", "10.0%", "dedicated host"),
        ({"proc/stat": PROC_STAT.format(idle=6900, steal=2000)}, processor.steal, "bad", "20.0%", "dedicated host"),
        ({"proc/stat": None}, processor.steal, "warn", "does not count", "the machine itself"),
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
        ({"cpus": frozenset({1})}, processor.affinity, "warn", "1 of 2 logical CPUs", "taskset -pc 0-1 $$"),
        ({"cpus": frozenset({1})}, processor.threads, "warn", "2 by default, on 1 physical core:", "--threads 1"),
        ({"logical_cpus": None, "physical_cores": None}, processor.cpu, "ok", "? physical cores, ? logical CPUs", ""),
    ],
)
def test_instruments_decide(
    machine: Machine, change: dict[str, object], look: Look, level: str, said: str, remedy: str
) -> None:
    """What the process says decides the level, and a warning says what to do."""
    (check,) = look(replace(machine.instruments(), **change))  # type: ignore[arg-type]  # fields of several types
    assert_says(check, level, said, remedy)


def test_a_quota_that_the_default_threads_fit_in_is_fine(machine: Machine) -> None:
    """One thread never uses up 1.5 CPUs' worth of time, so nothing is asked for."""
    machine.write({"sys/fs/cgroup/cpu.max": "150000 100000"})
    (check,) = processor.cpu_quota(replace(machine.instruments(), threads=1))
    assert (check.level, "enough for --threads 1" in check.found, check.remedy) == ("ok", True, "")
