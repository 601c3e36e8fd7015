"""Checks of the processor's surroundings: who else computes, memory, environment variables, temporary files."""

import tempfile
from collections.abc import Iterable

from significand.doctor.check import Check, Instruments, Level
from significand.meters import machine
from significand.meters.noise_share import CpuReading
from significand.meters.openmp import overridden

LOAD_WINDOW_S = 0.5
BUSY, TOO_BUSY = 0.05, 0.5
"""CPU time of others, in cores, from which the load is warned of and bad."""
BUSIEST_SHOWN = 3
SHOWN_FROM = 0.01
"""A process is named when it uses this much of a core."""

LOW_MEMORY_MB, TOO_LITTLE_MEMORY_MB = 1000, 450
"""A process that imports torch and does one run of a small network was seen to peak at 450 MB."""
SWAP_MB = 100
LOW_DISK_MB, TOO_LITTLE_DISK_MB = 1000, 100

OVERRIDDEN = "no effect, the runs are started without it"
LIMITED = "keeps instructions from torch that the CPU has"
ENVIRONMENT = {
    "ATEN_CPU_CAPABILITY": LIMITED,
    "ONEDNN_MAX_CPU_ISA": LIMITED,
    "DNNL_MAX_CPU_ISA": LIMITED,
    "ONEDNN_DEFAULT_FPMATH_MODE": "torch may compute float32 in a lower format",
    "DNNL_DEFAULT_FPMATH_MODE": "torch may compute float32 in a lower format",
}
"""Variables that bear on how the runs compute, as oneDNN's manual and torch say. Those about threads do not: see
`significand.meters.openmp`."""


def load(given: Instruments) -> Iterable[Check]:
    """Measure for half a second what others use, and name the busiest."""
    before = given.noise_meter.start()
    given.sleep(LOAD_WINDOW_S)
    after, noise = given.noise_meter.start(), given.noise_meter.since(before)
    average = given.words("proc/loadavg")[:1]
    loads = f"; load average {average[0]}" if average else ""
    cores = noise.others_cpu_s / noise.window_s
    if cores != cores:  # noqa: PLR0124 - NaN: nobody else is seen
        yield Check("load", "warn", f"what others use cannot be seen{loads}", "close other programs")
        return
    found = f"others use {cores:.2f} of a core{loads}"
    if cores <= BUSY:
        yield Check("load", "ok", found)
        return
    busiest = _busiest(before, after)
    names = ", ".join(f"{pid} {given.process_name(pid)} {used:.2f}" for pid, used in busiest.items())
    remedy = (
        f"stop them, or wait; who they are: ps -p {','.join(map(str, busiest))}"
        if busiest
        else "look with top, on the host too"
    )
    yield Check("load", "bad" if cores > TOO_BUSY else "warn", f"{found}: {names or 'by whom is not seen'}", remedy)


def memory(given: Instruments) -> Iterable[Check]:
    """Tell how much memory is available and how much is swapped out."""
    amounts_mb = machine.memory_mb(given.root)
    if "MemAvailable" not in amounts_mb:
        yield Check("memory", "warn", "/proc/meminfo cannot be read", "see that a few hundred MB are free for each run")
        return
    available = amounts_mb["MemAvailable"]
    swapped = amounts_mb.get("SwapTotal", 0.0) - amounts_mb.get("SwapFree", 0.0)
    found = (
        f"{available:.0f} of {amounts_mb.get('MemTotal', float('nan')):.0f} MB available, {swapped:.0f} MB swapped out"
    )
    if available < LOW_MEMORY_MB:
        level: Level = "bad" if available < TOO_LITTLE_MEMORY_MB else "warn"
        yield Check("memory", level, found, f"close programs until {LOW_MEMORY_MB} MB are available")
    elif swapped > SWAP_MB:
        yield Check("memory", "warn", found, "fetch it back while memory is free: sudo swapoff -a && sudo swapon -a")
    else:
        yield Check("memory", "ok", found)


def environment(given: Instruments) -> Iterable[Check]:
    """List the variables that change how the runs compute."""
    limits = {name: value for name in ENVIRONMENT if (value := given.environment.get(name, ""))}
    set_here = overridden(given.environment) | limits
    if set_here:
        found = "; ".join(f"{name}={value}: {ENVIRONMENT.get(name, OVERRIDDEN)}" for name, value in set_here.items())
        yield Check("environment", "warn", found, f"unset {' '.join(set_here)}; set threads with --threads")
    else:
        yield Check("environment", "ok", "nothing is set that changes threads or instructions")


def temporary_folder(given: Instruments) -> Iterable[Check]:
    """Try to write a temporary file."""
    remedy = "set TMPDIR to a folder that can be written, with 1 GB free"
    try:
        folder = given.temporary_folder()
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"significand")
        free_mb = given.free_bytes(folder) / 1e6
    except OSError as error:
        yield Check("temporary_folder", "bad", f"cannot be written: {error}", remedy)
        return
    if free_mb < LOW_DISK_MB:
        level: Level = "bad" if free_mb < TOO_LITTLE_DISK_MB else "warn"
        yield Check("temporary_folder", level, f"{folder}: {free_mb:.0f} MB free", remedy)
    else:
        yield Check("temporary_folder", "ok", f"{folder}: {free_mb:.0f} MB free")


def _busiest(before: CpuReading, after: CpuReading) -> dict[int, float]:
    """Return the cores used by the processes that used most, most first, by pid."""
    window_ns = after.at_ns - before.at_ns
    grown = {pid: cpu_ns - before.process_cpu_ns.get(pid, 0) for pid, cpu_ns in after.process_cpu_ns.items()}
    most = sorted(grown, key=grown.__getitem__, reverse=True)[:BUSIEST_SHOWN]
    return {pid: grown[pid] / window_ns for pid in most if grown[pid] >= SHOWN_FROM * window_ns}
