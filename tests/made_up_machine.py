"""A made-up machine, for the checks of a machine's health."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from significand.doctor.check import Check, Instruments
from significand.engines.probe import ModeSupport
from significand.meters.noise import NoiseMeter

Look = Callable[[Instruments], Iterable[Check]]

MB = 1_000_000
CPU = "sys/devices/system/cpu"
CLOCK = "sys/devices/system/clocksource/clocksource0"
X86 = "model name\t: Made-up 9000\nflags\t\t: fpu avx2 avx512_fp16 avx512_bf16 avx512_vnni\n"
QUIET = "cpu  1000 0 100 8900 0 0 0 0 0 0\ncpu0 500 0 50 4450 0 0 0 0 0 0\ncpu1 500 0 50 4450 0 0 0 0 0 0\nintr 7\n"
FIT = {
    "proc/cpuinfo": X86,
    "proc/stat": QUIET,
    "proc/loadavg": "0.10 0.20 0.30 1/70 4321\n",
    "proc/meminfo": "MemTotal: 16000000 kB\nMemAvailable: 8000000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
    "proc/1/comm": "init\n",
    "proc/self/schedstat": "974272 120551 2\n",
    "proc/self/clear_refs": "",
    "proc/self/status": "VmHWM:\t 300 kB\nVmRSS:\t 200 kB\n",
    f"{CPU}/cpu0/topology/thread_siblings_list": "0\n",
    f"{CPU}/cpu1/topology/thread_siblings_list": "1\n",
    f"{CPU}/cpu0/cpufreq/scaling_governor": "performance\n",
    f"{CPU}/cpu1/cpufreq/scaling_governor": "performance\n",
    f"{CPU}/intel_pstate/no_turbo": "1\n",
    f"{CLOCK}/current_clocksource": "tsc\n",
    f"{CLOCK}/available_clocksource": "tsc hpet acpi_pm \n",
    "sys/class/powercap/intel-rapl:0/name": "package-0\n",
    "sys/class/powercap/intel-rapl:0/energy_uj": "123456\n",
    "sys/class/powercap/intel-rapl:0/max_energy_range_uj": "262143328850\n",
}
"""Files of a machine with nothing to warn of; layouts of proc(5) and of Linux Documentation/ABI/testing."""


class NoGpu(ModuleType):
    """A made-up pynvml on a machine without the driver."""

    class NVMLError(Exception):
        """Base of its errors."""

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.nvmlInit = self._refuse

    def _refuse(self) -> None:
        raise type("NVMLError_LibraryNotFound", (self.NVMLError,), {})("NVML Shared Library Not Found")


class Gpu(NoGpu):
    """A made-up pynvml with one GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.nvmlInit = self.nvmlShutdown = lambda: None
        self.nvmlDeviceGetHandleByIndex = int
        self.nvmlDeviceGetTotalEnergyConsumption = lambda _handle: 123_456


def supports(mode: str, how: str, effective: str = "", why: str = "", engine: str = "onnxruntime") -> ModeSupport:
    """Return the probe's answer for one mode."""
    return ModeSupport(engine, mode, how, effective, math.nan, why)  # type: ignore[arg-type]  # one of its words


@dataclass
class Machine:
    """A made-up machine: its files under `root`, its clocks, and what other processes use while the doctor sleeps."""

    root: Path
    now_ns: int = 0
    read_ns: int = 50
    used_ns: dict[int, int] = field(default_factory=dict)
    cores_used: dict[int, float] = field(default_factory=dict)

    def write(self, files: Mapping[str, str | None]) -> None:
        """Write files below the root; None takes one away."""
        for name, text in files.items():
            path = self.root / name
            if text is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="ascii")

    def clock_ns(self) -> int:
        """Give the time, which a reading takes some of."""
        self.now_ns += self.read_ns
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        """Let time pass and the others compute."""
        self.now_ns += round(seconds * 1e9)
        for pid, cores in self.cores_used.items():
            self.used_ns[pid] += round(cores * seconds * 1e9)

    def run(self, pid: int, cores: float) -> None:
        """Start a process that uses so many cores, after 10 s of CPU time before."""
        (self.root / "proc" / str(pid)).mkdir(parents=True, exist_ok=True)
        self.used_ns[pid] = 10_000_000_000
        self.cores_used[pid] = cores

    def instruments(self) -> Instruments:
        """Return instruments that look at this machine."""
        meter = NoiseMeter(
            1,
            self.root,
            clock_ns=lambda: self.now_ns,
            own_clock_ns=lambda: 0,
            process_clock_ns=lambda pid: self.used_ns.get(pid, 0),
            cpus=(0, 1),
            physical_cores=2,
        )
        return Instruments(
            root=self.root,
            environment={},
            cpus=frozenset({0, 1}),
            logical_cpus=2,
            physical_cores=2,
            threads=2,
            clock_ns=self.clock_ns,
            sleep=self.sleep,
            noise_meter=meter,
            process_name=lambda pid: f"program{pid}",
            nvml=Gpu(),
            temporary_folder=lambda: str(self.root),
            free_bytes=lambda _folder: 50_000 * MB,
            probe=lambda: [supports("float32", "native", "float32")],
        )


def fit_machine(root: Path) -> Machine:
    """Return a machine with nothing to warn of, whose files are written below `root`."""
    made_up = Machine(root)
    made_up.write(FIT)
    namespace = root / "proc/self/ns/pid"
    namespace.parent.mkdir(parents=True)
    namespace.symlink_to("pid:[4026531836]")
    return made_up


def assert_says(check: Check, level: str, said: str, remedy: str) -> None:
    """Hold a check to its level and what it says; a warning has a remedy, and what is well has none."""
    assert (check.level, said in check.found, remedy in check.remedy) == (level, True, True), check
    assert bool(check.remedy) == bool(remedy)
