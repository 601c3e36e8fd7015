"""Checks of the processor: what it is, how much of it may be used, and what makes its speed vary."""

from collections.abc import Iterable

from significand.doctor.check import Check, Instruments, Level
from significand.engines.native import NEEDED, lacks_instructions
from significand.meters import machine

STEAL, TOO_MUCH_STEAL = 0.01, 0.1
"""Part of the CPU time since boot from which steal is warned of and bad."""


def cpu(given: Instruments) -> Iterable[Check]:
    """Name the processor and count its cores."""
    model = machine.cpu_model(given.root) or "unknown processor"
    yield Check("cpu", "ok", f"{model}; {_cores(given.physical_cores)}, {given.logical_cpus or '?'} logical CPUs")


def instruction_sets(given: Instruments) -> Iterable[Check]:
    """List the number formats that the processor has instructions for."""
    words = machine.instruction_sets(machine.cpu_flags(given.root / "proc/cpuinfo"))
    if not words:
        yield Check("instruction_sets", "warn", "cannot be read, or none", "see below what the modes really run in")
        return
    lacking = [NEEDED[number_format] for number_format in NEEDED if lacks_instructions(number_format, words)]
    without = f"; no {', no '.join(lacking)}" if lacking else ""
    yield Check("instruction_sets", "ok", f"{', '.join(words)}{without}")


def threads(given: Instruments) -> Iterable[Check]:
    """Compare the default number of threads with the physical cores behind the usable CPUs."""
    cores = machine.usable_cores(given.cpus, given.root)
    if cores is None:
        yield Check("threads", "ok", f"{given.threads} by default; which CPUs share a core cannot be read")
    elif given.threads > cores:
        found = f"{given.threads} by default, on {_cores(cores)}: hyper-threads share arithmetic units"
        yield Check("threads", "warn", found, f"--threads {cores}, or allow CPUs of more cores")
    else:
        yield Check("threads", "ok", f"{given.threads} by default, on {_cores(cores)}")


def affinity(given: Instruments) -> Iterable[Check]:
    """Tell whether this process may use all CPUs."""
    allowed, there = len(given.cpus), given.logical_cpus or len(given.cpus)
    if allowed < there:
        found = f"this process may use {allowed} of {there} logical CPUs, and others may use these too"
        yield Check("affinity", "warn", found, f"if that is not meant: taskset -pc 0-{there - 1} $$")
    else:
        yield Check("affinity", "ok", f"all {there} logical CPUs")


def cpu_quota(given: Instruments) -> Iterable[Check]:
    """Tell whether a control group withholds CPU time."""
    quota = machine.cpu_quota(given.root)
    if quota is None or quota >= len(given.cpus):
        yield Check("cpu_quota", "ok", "no limit" if quota is None else f"{quota:g} CPUs' worth of time: all of them")
        return
    whole = "give the container whole CPUs: docker run --cpuset-cpus, or the static CPU manager of Kubernetes"
    found = f"{quota:g} CPUs' worth of time"
    if quota < 1:
        yield Check("cpu_quota", "bad", f"{found}: even one thread is stopped in every period", whole)
    elif given.threads > quota:
        found += f" for {given.threads} threads by default: all stop when it is used up"
        yield Check("cpu_quota", "warn", found, f"--threads {int(quota)}, or {whole}")
    else:
        yield Check(
            "cpu_quota", "ok", f"{found}: enough for --threads {given.threads}, the default, if nothing else runs in it"
        )


def governor(given: Instruments) -> Iterable[Check]:
    """Tell whether the clock frequency follows the load."""
    governors = machine.frequency_governors(given.root)
    if not governors:
        yield _not_shown("governor", given, "set the processor to full performance in the firmware")
    elif set(governors) <= {"performance", "userspace"}:  # the user's own fixed frequency is as good
        yield Check("governor", "ok", ", ".join(governors))
    else:
        command = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        yield Check("governor", "warn", f"{', '.join(governors)}: the clock frequency follows the load", command)


def turbo(given: Instruments) -> Iterable[Check]:
    """Tell whether the clock frequency exceeds what lasts."""
    boost = machine.turbo(given.root)
    if boost is None:
        yield _not_shown("turbo", given, "turn turbo off in the firmware")
    elif boost.on:
        found = "on: the frequency depends on temperature and on how many cores are busy"
        yield Check("turbo", "warn", found, f"echo {boost.off} | sudo tee /{boost.switch}")
    else:
        yield Check("turbo", "ok", "off")


def virtual_machine(given: Instruments) -> Iterable[Check]:
    """Tell whether a hypervisor runs this machine."""
    match machine.virtual_machine(given.root):
        case True:
            found = "yes: neighbours on the host are invisible but for steal"
            yield Check("virtual_machine", "warn", found, "measure on the machine itself, or on a dedicated host")
        case False:
            yield Check("virtual_machine", "ok", "no hypervisor")
        case None:
            yield Check("virtual_machine", "ok", "this kind of processor does not say")


def steal(given: Instruments) -> Iterable[Check]:
    """Tell how much CPU time the hypervisor gave to others since boot."""
    share = machine.steal_share(given.root)
    if share is None:
        yield Check("steal", "warn", "/proc/stat does not count it", "measure on the machine itself")
    elif share > STEAL:
        found = f"{share:.1%} of the CPU time since boot went to others on the host"
        level: Level = "bad" if share > TOO_MUCH_STEAL else "warn"
        yield Check("steal", level, found, "move to a dedicated host, or measure at a quieter time")
    else:
        yield Check("steal", "ok", f"{share:.2%} of the CPU time since boot")


def _cores(count: int | None) -> str:
    return f"{count or '?'} physical core{'' if count == 1 else 's'}"


def _not_shown(name: str, given: Instruments, remedy: str) -> Check:
    if machine.virtual_machine(given.root):  # nothing can be done in here, and virtual_machine warns already
        return Check(name, "ok", "the host's business: a virtual machine does not show it")
    return Check(name, "warn", "cannot be read here", remedy)
