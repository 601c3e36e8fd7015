"""What machine this is: the facts that a result depends on."""

import math
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath

import psutil

from significand.meters.openmp import usable_cpus

PRECISION_FLAGS = {
    "avx2": "avx2",
    "avx512f": "avx512f",
    "avx512_fp16": "fp16",
    "avx512_bf16": "bf16",
    "avx512_vnni": "vnni",
    "avx_vnni": "vnni",
    "amx_tile": "amx",
    "amx_bf16": "amx-bf16",
    "amx_fp16": "amx-fp16",
    "amx_int8": "amx-int8",
    "asimdhp": "fp16",  # the names the Arm kernel gives: half precision, bfloat16, dot product
    "bf16": "bf16",
    "asimddp": "vnni",
}
"""Flags of /proc/cpuinfo that decide which formats have instructions, and the word for each in results."""

PACKAGES = ("significand", "torch", "onnx", "onnxruntime", "torchao", "numpy", "scipy", "scikit-learn")
"""What every installation has, and a result depends on."""

OPTIONAL_PACKAGES = ("openvino", "nncf")
"""What a result may depend on where it is installed: recorded there, and left out elsewhere."""

HOST = "SIGNIFICAND_HOST"
"""Variable of the environment that names the machine, where the system's own name does not tell it from others, as in
containers."""


def host_name() -> str:
    """Return what this machine is called."""
    return os.environ.get(HOST, "").strip() or platform.node()


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Return the CPU's feature flags as the kernel names them; nothing where they cannot be read."""
    for line in _read(cpuinfo).splitlines():
        name, _, value = line.partition(":")
        if name.strip() in {"flags", "Features"}:
            return frozenset(value.split())
    return frozenset()


def cpu_model(root: Path = Path("/")) -> str | None:
    """Return the processor's name; None where nothing gives it."""
    for line in _read(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or None


def instruction_sets(flags: Iterable[str]) -> tuple[str, ...]:
    """Return the words for the number formats that the CPU has instructions for."""
    return tuple(sorted({PRECISION_FLAGS[flag] for flag in flags if flag in PRECISION_FLAGS}))


def group_folders(root: Path = Path("/")) -> Iterator[Path]:
    """Find where this process's control group and those around it keep their CPU files (cgroups(7)), innermost first.

    In a container the listed path may be the host's and mean nothing here; the outermost folder is then the container's
    own.

    Parameters
    ----------
    root
        Folder that holds ``proc`` and ``sys``.
    """
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", maxsplit=2)
        if not controllers or "cpu" in controllers.split(","):
            top = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
            group = PurePosixPath(path.lstrip("/"))
            yield from (top / level for level in (group, *group.parents))


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Return how many CPUs' worth of time the control groups allow, as in a container; None where it is not limited.

    A group may be limited at every level above it, too; the tightest limit counts.

    Parameters
    ----------
    root
        Folder that holds ``proc`` and ``sys``. The files are those of the kernel's cgroup v2 (cpu.max) and v1
        documentation.
    """
    top = root / "sys/fs/cgroup"
    # The outermost folders in any case: in a container the listed groups may be the host's, or not be listed.
    folders = {top, top / "cpu", *group_folders(root)}
    return min((quota for quota in map(_group_quota, folders) if quota is not None), default=None)


def available_cpus(root: Path = Path("/")) -> int:
    """Return the number of logical CPUs this process may use: see `usable_cpus`, and its control group's quota."""
    cpus = len(usable_cpus())
    quota = cpu_quota(root)
    return cpus if quota is None else max(1, min(cpus, math.ceil(quota)))


def virtual_machine(root: Path = Path("/")) -> bool | None:
    """Tell whether a hypervisor runs this machine; None where the kernel does not say, as on Arm."""
    flags = cpu_flags(root / "proc/cpuinfo")
    if "hypervisor" in flags:
        return True
    return False if "fpu" in flags else None  # every x86 processor has it


def usable_cores(cpus: Iterable[int], root: Path = Path("/")) -> int | None:
    """Return the number of physical cores behind some logical CPUs; None where their topology cannot be read."""
    siblings = {_read(root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").strip() for cpu in cpus}
    return None if "" in siblings else len(siblings)


def frequency_governors(root: Path = Path("/")) -> tuple[str, ...]:
    """Return what governs the CPUs' clock frequency, each word once; nothing where it cannot be read."""
    paths = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
    return tuple(sorted({word for path in paths if (word := _read(path).strip())}))


@dataclass(frozen=True)
class Turbo:
    """Whether the CPUs may clock above what they can sustain.

    Attributes
    ----------
    switch
        The file below the root that turns it on and off.
    off
        What to write there to turn it off.
    """

    on: bool
    switch: str
    off: str


def turbo(root: Path = Path("/")) -> Turbo | None:
    """Return the state of turbo or boost; None where there is no switch that can be read.

    The switches are those of Linux Documentation/admin-guide/pm/intel_pstate.rst and cpufreq.rst.
    """
    folder = "sys/devices/system/cpu"
    for switch, off in ((f"{folder}/intel_pstate/no_turbo", "1"), (f"{folder}/cpufreq/boost", "0")):
        state = _read(root / switch).strip()
        if state in {"0", "1"}:
            return Turbo(state != off, switch, off)
    return None


def clock_sources(root: Path = Path("/")) -> tuple[str, ...]:
    """Return what the kernel reads the time from, then what else it could read; nothing where it does not say."""
    folder = root / "sys/devices/system/clocksource/clocksource0"
    current = _read(folder / "current_clocksource").strip()
    others = _read(folder / "available_clocksource").split()
    return (current, *(other for other in others if other != current)) if current else ()


def steal_share(root: Path = Path("/")) -> float | None:
    """Return the part of all CPU time since boot that the hypervisor gave to others; None where it is not counted.

    From the first line of /proc/stat (proc(5)); its last two numbers are within the first two.
    """
    name, *words = _read(root / "proc/stat").partition("\n")[0].split() or [""]
    ticks = [int(word) for word in words[:8]]
    total = sum(ticks)
    return ticks[7] / total if name == "cpu" and len(ticks) == 8 and total else None


def memory_mb(root: Path = Path("/")) -> dict[str, float]:
    """Return the entries of /proc/meminfo that are amounts of memory, in MB (10^6 bytes), under their names there."""
    lines = (line.replace(":", " ").split() for line in _read(root / "proc/meminfo").splitlines())
    return {words[0]: int(words[1]) * 1024 / 1e6 for words in lines if words[2:] == ["kB"]}  # which are KiB, proc(5)


def describe_machine(root: Path = Path("/"), *, packages: Iterable[str] = ()) -> dict[str, object]:
    """Return the machine's facts, each None where it cannot be read.

    Parameters
    ----------
    root
        Folder that holds ``proc`` and ``sys``.
    packages
        As for `installed_versions`.
    """
    cpuinfo = root / "proc/cpuinfo"
    flags = cpu_flags(cpuinfo)
    boost = turbo(root)
    return {
        "host": host_name(),
        "cpu": cpu_model(root),
        "architecture": platform.machine(),
        "physical_cores": psutil.cpu_count(logical=False),
        "logical_cpus": psutil.cpu_count(logical=True),
        "available_cpus": available_cpus(root),
        "cpu_quota": cpu_quota(root),
        "instruction_sets": list(instruction_sets(flags)),
        "virtual_machine": virtual_machine(root),
        "frequency_governor": _read(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip() or None,
        "turbo": boost.on if boost else None,
        "clock_source": next(iter(clock_sources(root)), None),
        "memory_mb": psutil.virtual_memory().total / 1e6,
        "os": platform.platform(),
        "python": platform.python_version(),
        "versions": installed_versions(packages),
    }


def git_revision(folder: Path) -> dict[str, object] | None:
    """Return the git commit of `folder` and whether its tree has changes; None where it is not in a checkout.

    ``dirty`` is None where git cannot tell.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(  # git is found on the path, as the user would
            ["git", "-C", str(folder), *words],  # noqa: S607 - the git that the user would run
            capture_output=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    # Names of files come in whatever encoding they were given; a commit and a mark of change are ASCII.
    return done.stdout.decode("ascii", errors="replace").strip()


def _group_quota(folder: Path) -> float | None:
    words = _read(folder / "cpu.max").split() or [
        _read(folder / "cpu.cfs_quota_us").strip(),
        _read(folder / "cpu.cfs_period_us").strip(),
    ]
    try:
        quota, period = float(words[0]), float(words[1])
    except ValueError:  # "max", or no such file
        return None
    return quota / period if quota > 0 and period > 0 else None


def installed_versions(packages: Iterable[str] = ()) -> dict[str, str | None]:
    """Return by package its version, found in its metadata without importing it; None where it is not installed.

    Parameters
    ----------
    packages
        Further ones to tell of, where they are installed, as are those of `OPTIONAL_PACKAGES`: such as add an engine.
    """
    further = {package: _version(package) for package in (*OPTIONAL_PACKAGES, *packages)}
    return {package: _version(package) for package in PACKAGES} | {
        package: version for package, version in further.items() if version is not None
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
