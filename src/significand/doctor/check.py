"""What a check of this machine finds, and the instruments that it looks with."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Literal

import psutil

from significand.engines.probe import ModeSupport, probe_modes
from significand.meters.memory import PeakMemory
from significand.meters.noise import NoiseMeter
from significand.meters.openmp import usable_cpus
from significand.plan.experiment import default_threads

Level = Literal["ok", "warn", "bad"]


@dataclass(frozen=True)
class Check:
    """What one check found.

    Attributes
    ----------
    name
        Stable, snake_case.
    level
        ``"ok"``; ``"warn"``: measuring works, less well; ``"bad"``: results would be worth little.
    found
        What is so.
    remedy
        What to do about it; empty where there is nothing to do.
    """

    name: str
    level: Level
    found: str
    remedy: str = ""


def process_name(pid: int) -> str:
    """Return the name of a process's program; ``"ended"`` where there is no such process any more."""
    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:
        return "ended"


@dataclass(frozen=True)
class Instruments:
    """What the checks look at.

    Attributes
    ----------
    root
        Folder that holds ``proc`` and ``sys``.
    environment
        Environment variables.
    cpus
        Logical CPUs that this process may use.
    logical_cpus, physical_cores
        Of the whole machine; None where the system does not say.
    threads
        With which a run computes by default.
    clock_ns
        The clock that times the runs, in nanoseconds.
    sleep
        Waits that many seconds.
    noise_meter
        Sees what others do.
    process_name
        Name of a process by its pid.
    peak_memory
        Opens the memory meter on a process's folder in the proc file system.
    nvml
        As in `significand.meters.counters.probe_counters`.
    temporary_folder
        Returns the folder for temporary files; raises OSError where there is none.
    free_bytes
        Room in the file system of a folder.
    probe
        Runs every mode on every engine.
    """

    root: Path = Path("/")
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    cpus: frozenset[int] = field(default_factory=usable_cpus)
    logical_cpus: int | None = field(default_factory=psutil.cpu_count)
    physical_cores: int | None = field(default_factory=lambda: psutil.cpu_count(logical=False))
    threads: int = field(default_factory=default_threads)
    clock_ns: Callable[[], int] = time.perf_counter_ns
    sleep: Callable[[float], object] = time.sleep
    noise_meter: NoiseMeter = field(default_factory=lambda: NoiseMeter(threads=1))
    process_name: Callable[[int], str] = process_name
    peak_memory: Callable[[Path], PeakMemory] = PeakMemory
    nvml: ModuleType | None = None
    temporary_folder: Callable[[], str] = tempfile.gettempdir
    free_bytes: Callable[[str], int] = lambda folder: shutil.disk_usage(folder).free
    probe: Callable[[], list[ModeSupport]] = probe_modes

    def words(self, name: str) -> list[str]:
        """Return the words of a file below the root; none where it cannot be read."""
        try:
            return (self.root / name).read_text(encoding="ascii", errors="replace").split()
        except OSError:
            return []
