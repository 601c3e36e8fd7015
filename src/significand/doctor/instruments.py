"""Checks of the meters: the clock, and what can be seen of noise, peak memory and energy."""

import os
from collections.abc import Callable, Iterable

from significand.doctor.check import Check, Instruments
from significand.meters import machine
from significand.meters.counters import probe_counters
from significand.meters.latency import SHORTEST_TIMING_NS
from significand.meters.memory import NOT_RESET, RESET

COARSE_NS = SHORTEST_TIMING_NS / 10
"""A step or a reading of the clock this long is a tenth of the shortest timing; one as long as it hides it."""
CLOCK_READS, MOST_CLOCK_READS = 5_000, 1_000_000
SLOW_CLOCKS = {"hpet", "acpi_pm", "jiffies", "refined-jiffies", "pit"}
"""Sources that are read from a device or tick with the timer interrupt (Linux Documentation/timers/timekeeping.rst)."""

FIRST_PID_NAMESPACE = "pid:[4026531836]"
"""The machine's own: PROC_PID_INIT_INO in Linux include/linux/proc_ns.h, as pid_namespaces(7) shows it."""


def clock(given: Instruments) -> Iterable[Check]:
    """Try the clock that times the runs."""
    sources = machine.clock_sources(given.root)
    source = sources[0] if sources else "source not shown"
    step_ns, read_ns = _clock_step_and_cost_ns(given.clock_ns)
    if step_ns is None:
        yield Check(
            "clock", "bad", f"{source}: it stands still", "look at the kernel's log: sudo dmesg | grep -i clock"
        )
        return
    found = f"{source}: steps of {step_ns} ns, {read_ns:.0f} ns to read"
    worst = max(step_ns, read_ns)
    if source not in SLOW_CLOCKS and worst <= COARSE_NS:
        yield Check("clock", "ok", found)
        return
    if "tsc" in sources[1:]:
        remedy = "echo tsc | sudo tee /sys/devices/system/clocksource/clocksource0/current_clocksource"
    else:
        remedy = "see why the kernel has no better clock: sudo dmesg | grep -i -e tsc -e clocksource"
    yield Check("clock", "bad" if worst > SHORTEST_TIMING_NS else "warn", found, remedy)


def noise_meter(given: Instruments) -> Iterable[Check]:
    """Tell what the noise meter cannot see."""
    proc = given.root / "proc"
    try:
        in_first_namespace = os.readlink(proc / "self/ns/pid") == FIRST_PID_NAMESPACE  # noqa: PTH115 - no path
    except OSError:
        in_first_namespace = False
    listed = (proc / "1").exists()
    ticks = machine.steal_share(given.root) is not None
    waits = given.words("proc/self/schedstat")
    missing = {
        "processes outside this pid namespace": not in_first_namespace
        and "run outside the container, or docker run --pid=host",
        "other users' processes": in_first_namespace and not listed and "mount /proc without hidepid",
        "CPU time in /proc/stat": not ticks and "let the container see the host's /proc/stat",
        "waiting for a CPU in /proc/self/schedstat": not (len(waits) == 3 and int(waits[2]))
        and "boot the kernel with delayacct",
    }
    unseen = {what: remedy for what, remedy in missing.items() if remedy}
    if not unseen:
        yield Check("noise_meter", "ok", "sees all processes, /proc/stat and how long threads wait for a CPU")
        return
    blind = not (in_first_namespace and listed) and not ticks
    found = f"does not see {', '.join(unseen)}{': noise cannot be told' if blind else ''}"
    yield Check("noise_meter", "bad" if blind else "warn", found, "; ".join(unseen.values()))


def peak_memory(given: Instruments) -> Iterable[Check]:
    """Tell how peak memory is measured."""
    method = given.peak_memory(given.root / "proc/self").method
    if method == RESET:
        yield Check("peak_memory", "ok", method)
    elif method == NOT_RESET:
        found = f"{method}: known only where a phase exceeds every earlier one"
        yield Check(
            "peak_memory", "warn", found, "let /proc/self/clear_refs be written: not in gVisor or a read-only /proc"
        )
    else:
        yield Check(
            "peak_memory", "warn", "not known here: peak memory will be missing", "use Linux with /proc mounted"
        )


def energy(given: Instruments) -> Iterable[Check]:
    """Tell which energy counters can be read."""
    probes = {probe.source: probe for probe in probe_counters(given.root, given.nvml)}
    rapl, nvml = probes["rapl"], probes["nvml"]
    if rapl.available:
        yield Check("energy_rapl", "ok", rapl.detail)
    else:
        yield Check("energy_rapl", "warn", f"{rapl.detail}: the CPU's energy will be an estimate", rapl.remedy)
    if nvml.available:
        yield Check("energy_nvml", "ok", nvml.detail)
    else:  # every engine computes on the CPU, so nothing is lost
        yield Check("energy_nvml", "ok", f"not needed, nothing runs on a GPU ({nvml.detail})")


def _clock_step_and_cost_ns(clock_ns: Callable[[], int]) -> tuple[int | None, float]:
    """Return the smallest step seen, None where there was none, and the time of a reading, both in nanoseconds."""
    smallest: int | None = None
    first = last = clock_ns()
    for reads in range(1, MOST_CLOCK_READS + 1):
        now = clock_ns()
        if now > last and (smallest is None or now - last < smallest):
            smallest = now - last
        last = now
        if smallest is not None and reads >= CLOCK_READS:
            break
    return smallest, (last - first) / reads
