"""What machine this is: the facts that a result depends on."""

import math
import os
import platform
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import psutil

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


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Return the CPU's feature flags as the kernel names them; nothing where they cannot be read."""
    for line in _read(cpuinfo).splitlines():
        name, _, value = line.partition(":")
        if name.strip() in {"flags", "Features"}:
            return frozenset(value.split())
    return frozenset()


def instruction_sets(flags: Iterable[str]) -> tuple[str, ...]:
    """Return the words for the number formats that the CPU has instructions for."""
    return tuple(sorted({PRECISION_FLAGS[flag] for flag in flags if flag in PRECISION_FLAGS}))


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Return how many CPUs' worth of time the control group allows, as in a container; None where it is not limited.

    Parameters
    ----------
    root
        Folder that holds ``sys``. The files are those of the kernel's cgroup v2 (cpu.max) and v1 documentation.
    """
    folder = root / "sys/fs/cgroup"
    words = _read(folder / "cpu.max").split() or [
        _read(folder / "cpu/cpu.cfs_quota_us").strip(),
        _read(folder / "cpu/cpu.cfs_period_us").strip(),
    ]
    try:
        quota, period = float(words[0]), float(words[1])
    except ValueError:  # "max", or no such file
        return None
    return quota / period if quota > 0 and period > 0 else None


def available_cpus(root: Path = Path("/")) -> int:
    """Return the number of logical CPUs this process may use, by its affinity and its control group's quota."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota(root)
    return cpus if quota is None else max(1, min(cpus, math.ceil(quota)))


def describe_machine(root: Path = Path("/")) -> dict[str, object]:
    """Return the machine's facts, each None where it cannot be read.

    Parameters
    ----------
    root
        Folder that holds ``proc`` and ``sys``.
    """
    cpuinfo = root / "proc/cpuinfo"
    flags = cpu_flags(cpuinfo)
    return {
        "host": platform.node(),
        "cpu": _cpu_model(cpuinfo),
        "architecture": platform.machine(),
        "physical_cores": psutil.cpu_count(logical=False),
        "logical_cpus": psutil.cpu_count(logical=True),
        "available_cpus": available_cpus(root),
        "cpu_quota": cpu_quota(root),
        "instruction_sets": list(instruction_sets(flags)),
        "virtual_machine": "hypervisor" in flags if flags else None,
        "frequency_governor": _read(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip() or None,
        "memory_mb": psutil.virtual_memory().total / 1e6,
        "os": platform.platform(),
        "python": platform.python_version(),
        "versions": {package: _version(package) for package in PACKAGES},
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
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _cpu_model(cpuinfo: Path) -> str | None:
    for line in _read(cpuinfo).splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or None


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
