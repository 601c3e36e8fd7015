import errno
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import pytest

from significand.meters.noise import NoiseMeter, own_involuntary_switches, process_cpu_ns
from significand.meters.noise_share import TICK_S, Noise

OWN = os.getpid()
OTHER = OWN + 1
NEW = OWN + 2
MS = 1_000_000  # in nanoseconds


@dataclass
class Machine:
    """A made-up machine: its files under `root`, and clocks that tests set."""

    root: Path
    now_ns: int = 0
    own_ns: int = 0
    switches: int = 0
    processes: dict[int, int] = field(default_factory=dict)
    """CPU time by pid, in nanoseconds; a listed process without one has just ended."""

    def write(self, path: str, text: str) -> None:
        """Write a file below the root."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="ascii")

    def list_processes(self, *pids: int) -> None:
        """Let /proc list processes."""
        for pid in pids:
            (self.root / "proc" / str(pid)).mkdir(parents=True, exist_ok=True)

    def set_ticks(self, *cpus: tuple[int, int, int]) -> None:
        """Write /proc/stat, layout of proc(5), from user, idle and steal ticks of each CPU."""
        lines = [f"cpu{number} {user} 0 0 {idle} 0 0 0 {steal} 0 0" for number, (user, idle, steal) in enumerate(cpus)]
        totals = [sum(column) for column in zip(*cpus, strict=True)]
        self.write(
            "proc/stat", "\n".join([f"cpu  {totals[0]} 0 0 {totals[1]} 0 0 0 {totals[2]} 0 0", *lines, "intr 7"])
        )

    def set_waits_ms(self, waits_ms: Mapping[int, int]) -> None:
        """Let this process have the given threads, and no others, with the time each has waited so far."""
        tasks = self.root / "proc/self/task"
        for old in tasks.glob("*/schedstat"):
            old.unlink()
            old.parent.rmdir()
        for tid, wait_ms in waits_ms.items():
            self.write(f"proc/self/task/{tid}/schedstat", f"123456 {wait_ms * MS} 9\n")

    def clock_of(self, pid: int) -> int:
        """Return a process's CPU time, or raise what the kernel's clocks raise."""
        if pid not in self.processes:
            raise ProcessLookupError(errno.ESRCH, "No such process")
        return self.processes[pid]

    def meter(self, threads: int = 2, cpus: int = 2, cores: int = 2) -> NoiseMeter:
        """Return a meter for `threads` on the first `cpus` CPUs of a machine with `cores` cores."""
        return NoiseMeter(
            threads,
            self.root,
            clock_ns=lambda: self.now_ns,
            own_clock_ns=lambda: self.own_ns,
            process_clock_ns=self.clock_of,
            involuntary_switches=lambda: self.switches,
            cpus=range(cpus),
            physical_cores=cores,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine with this process and another one, which has used 1000 ms."""
    made_up = Machine(tmp_path, processes={OTHER: 1000 * MS})
    made_up.list_processes(OWN, OTHER)
    return made_up


def step(machine: Machine, meter: NoiseMeter, change: Callable[[], object], duration_ms: int = 100) -> Noise:
    """Return the noise of a step of `duration_ms` in which `change` happens."""
    reading = meter.start()
    machine.now_ns += duration_ms * MS
    change()
    return meter.since(reading)


def test_others_are_the_growth_of_their_clocks(machine: Machine) -> None:
    """What another process used in the window is seen to the nanosecond; two threads on two cores lose that share."""
    noise = step(machine, machine.meter(), lambda: machine.processes.update({OTHER: 1030 * MS}))
    assert noise.window_s == 0.1
    assert noise.others_cpu_s == 0.03
    assert noise.share == pytest.approx(0.03 / 0.2)


def test_own_process_is_nobody_else(machine: Machine) -> None:
    """The clock of the measuring process is never among the others."""
    machine.processes[OWN] = 0
    noise = step(machine, machine.meter(), lambda: machine.processes.update({OWN: 50 * MS}))
    assert noise.others_cpu_s == 0
    assert noise.share == 0


def test_process_begun_in_the_window_counts_in_full(machine: Machine) -> None:
    """A pid that is new at the end used all its CPU time within the step."""

    def begin() -> None:
        machine.list_processes(NEW)
        machine.processes[NEW] = 20 * MS

    assert step(machine, machine.meter(), begin).others_cpu_s == 0.02


def test_process_that_ended_is_passed_over(machine: Machine) -> None:
    """A pid that is gone, or goes between the listing and its clock, disturbs no reading."""
    machine.list_processes(NEW)
    machine.processes[NEW] = 500 * MS
    assert step(machine, machine.meter(), lambda: machine.processes.pop(NEW)).others_cpu_s == 0


def test_pid_given_again_counts_in_full(machine: Machine) -> None:
    """A clock that went back belongs to a new process with the same pid."""
    assert step(machine, machine.meter(), lambda: machine.processes.update({OTHER: 5 * MS})).others_cpu_s == 0.005


def test_ticks_show_what_the_clocks_cannot_see(machine: Machine) -> None:
    """Others outside the namespace are known from busy ticks, less one for every CPU and our own CPU time."""
    machine.set_ticks((100, 100, 0), (100, 100, 0))

    def run() -> None:
        machine.own_ns += 110 * MS
        machine.set_ticks((110, 100, 0), (110, 100, 0))

    noise = step(machine, machine.meter(), run)
    assert noise.others_cpu_s == pytest.approx(2 * 9 * 0.01 - 0.110)
    assert noise.share == pytest.approx(0.07 / 0.2)


def test_busy_ticks_are_those_of_proc_stat(machine: Machine) -> None:
    """User, nice, system and interrupts are busy; idle, waiting for disks and guests (who are within user) are not."""
    machine.write("proc/stat", "cpu0 1 1 1 1 1 1 1 1 1 1\n")
    reading = machine.meter().start()
    machine.write("proc/stat", "cpu0 11 101 1001 9 9 10001 100001 3 9 9\n")
    later = machine.meter().start()
    assert later.cpu_ticks[0][0] - reading.cpu_ticks[0][0] == 111_110
    assert later.cpu_ticks[0][1] - reading.cpu_ticks[0][1] == 2


def test_idle_cpu_is_no_credit_for_a_busy_one(machine: Machine) -> None:
    """The tick taken off for the counter's coarseness never makes a CPU's share negative, nor the others' time."""
    machine.set_ticks((100, 100, 0), (100, 100, 0))

    def run() -> None:
        machine.own_ns += 40 * MS
        machine.set_ticks((106, 100, 0), (100, 110, 0))

    assert step(machine, machine.meter(), run).others_cpu_s == pytest.approx(0.01)
    machine.processes.clear()
    machine.set_ticks((100, 100, 0), (100, 100, 0))
    assert step(machine, machine.meter(), lambda: setattr(machine, "own_ns", 90 * MS)).others_cpu_s == 0


def test_others_on_cpus_that_we_may_not_use_do_not_disturb(machine: Machine) -> None:
    """Beside a process bound to one CPU of four, three busy ones elsewhere take nothing: by clocks and by ticks."""
    machine.set_ticks((0, 5, 0), (0, 5, 0), (0, 5, 0), (0, 5, 0))

    def run() -> None:
        machine.own_ns += 100 * MS
        machine.processes[OTHER] += 300 * MS
        machine.set_ticks((10, 5, 0), (10, 5, 9), (10, 5, 9), (10, 5, 9))

    noise = step(machine, machine.meter(threads=1, cpus=1, cores=4), run)
    assert noise.others_cpu_s == pytest.approx(0.3)
    assert noise.steal_s == 0
    assert noise.share == 0


def test_others_on_our_only_cpu_are_seen_in_its_ticks(machine: Machine) -> None:
    """Other cores are free, but this process may not use them: busy time of its CPU that is not its own is taken."""
    machine.set_ticks((0, 5, 0), (0, 5, 0))

    def run() -> None:
        machine.own_ns += 50 * MS
        machine.set_ticks((10, 5, 0), (0, 15, 0))

    assert step(machine, machine.meter(threads=1, cpus=1, cores=2), run).share == pytest.approx(0.04 / 0.1)


def test_others_on_a_spare_core_do_not_disturb(machine: Machine) -> None:
    """One thread on two cores loses nothing to one busy process, and what exceeds the spare core to two."""
    meter = machine.meter(threads=1)
    assert step(machine, meter, lambda: machine.processes.update({OTHER: 1100 * MS})).share == 0
    assert step(machine, meter, lambda: machine.processes.update({OTHER: 1260 * MS})).share == pytest.approx(0.6)


def test_hyper_thread_is_no_spare_core(machine: Machine) -> None:
    """Two threads on two cores with four hyper-threads have no core to spare, by clocks and by ticks."""
    meter = machine.meter(cpus=4)
    noise = step(machine, meter, lambda: machine.processes.update({OTHER: 1050 * MS}))
    assert noise.share == pytest.approx(0.05 / 0.2)
    machine.set_ticks(*[(0, 5, 0)] * 4)
    noise = step(machine, meter, lambda: machine.set_ticks((6, 9, 0), *[(0, 15, 0)] * 3))
    assert noise.share == pytest.approx(0.05 / 0.2)


def test_waiting_while_others_run_counts_though_a_core_is_spare(machine: Machine) -> None:
    """A thread that had to wait was disturbed, as far as others had CPU time."""
    machine.set_waits_ms({1: 5, 2: 5})

    def run() -> None:
        machine.processes[OTHER] += 30 * MS
        machine.set_waits_ms({1: 15, 2: 15})

    noise = step(machine, machine.meter(threads=1), run)
    assert noise.run_queue_wait_s == 0.02
    assert noise.share == pytest.approx(0.02 / 0.1)
    machine.set_waits_ms({1: 0})
    assert step(machine, machine.meter(threads=1), lambda: machine.set_waits_ms({1: 90})).share == 0


def test_threads_that_wait_for_each_other_are_no_noise(machine: Machine) -> None:
    """Where a process had all the time of its CPUs, its waiting is of its own making, whatever others do elsewhere."""
    machine.set_waits_ms({1: 0, 2: 0})

    def run() -> None:
        machine.own_ns += 100 * MS
        machine.processes[OTHER] += 300 * MS
        machine.set_waits_ms({1: 50, 2: 50})

    assert step(machine, machine.meter(threads=2, cpus=1, cores=4), run).share == 0


def test_threads_may_come_and_go(machine: Machine) -> None:
    """A new thread's waiting counts in full, an ended one's not at all, and one with a used number in full."""
    machine.set_waits_ms({1: 10, 2: 70, 3: 40})
    noise = step(machine, machine.meter(), lambda: machine.set_waits_ms({1: 12, 3: 1, 4: 3}))
    assert noise.run_queue_wait_s == pytest.approx(0.006)


def test_kernel_that_does_not_count_waiting_leaves_it_missing(machine: Machine) -> None:
    """Zeros in schedstat stand for no account, since a thread that reads them has had its turn."""
    machine.write("proc/self/task/1/schedstat", "0 0 0\n")
    assert math.isnan(step(machine, machine.meter(), int).run_queue_wait_s)


@pytest.mark.parametrize(("stolen", "share"), [(0, 0.0), (1, 0.0), (3, 0.02 / 0.2)])
def test_steal_counts_beyond_one_tick(machine: Machine, stolen: int, share: float) -> None:
    """The steal is given as counted, but a single tick, which may be a rounding, marks no step."""
    machine.set_ticks((0, 5, 0), (0, 5, 8))
    noise = step(machine, machine.meter(), lambda: machine.set_ticks((0, 15, 0), (0, 15, 8 + stolen)))
    assert noise.steal_s == pytest.approx(stolen * 0.01)
    assert noise.share == pytest.approx(share)


@pytest.mark.parametrize(
    ("cgroup", "file", "text", "millisecond"),
    [
        # Layouts of the kernel's Documentation/admin-guide/cgroup-v2.rst and Documentation/scheduler/sched-bwc.rst.
        ("0::/a/b\n", "a/b/cpu.stat", "usage_usec 5\nthrottled_usec {}\n", 1_000),
        ("0::/a/b\n", "a/cpu.stat", "nr_throttled 5\nthrottled_usec {}\n", 1_000),
        ("0::/\n", "cpu.stat", "throttled_usec {}\n", 1_000),
        ("9:memory:/x\n4:cpu,cpuacct:/a\n0::/\n", "cpu/a/cpu.stat", "nr_throttled 2\nthrottled_time {}\n", 1_000_000),
        ("4:cpuacct,cpu:/of/the/host\n", "cpu/cpu.stat", "throttled_time {}\n", 1_000_000),
    ],
    ids=["v2", "v2 around", "v2 container", "v1", "v1 container"],
)
def test_throttling_is_read_from_the_control_group(
    machine: Machine, cgroup: str, file: str, text: str, millisecond: int
) -> None:
    """Time that a quota withheld is taken, wherever the quota stands and whichever version counts it."""
    machine.write("proc/self/cgroup", cgroup)
    machine.write(f"sys/fs/cgroup/{file}", text.format(4 * millisecond))
    later = text.format(54 * millisecond)
    noise = step(machine, machine.meter(), lambda: machine.write(f"sys/fs/cgroup/{file}", later))
    assert noise.throttled_s == pytest.approx(0.05)
    assert noise.share == pytest.approx(0.05 / 0.2)


def test_tightest_of_nested_quotas_counts_once(machine: Machine) -> None:
    """Groups within each other may withhold the same time; it is not added up."""
    machine.write("proc/self/cgroup", "0::/a\n")
    for name in ("", "a/"):
        machine.write(f"sys/fs/cgroup/{name}cpu.stat", "throttled_usec 0\n")

    def throttle() -> None:
        machine.write("sys/fs/cgroup/cpu.stat", "throttled_usec 30000\n")
        machine.write("sys/fs/cgroup/a/cpu.stat", "throttled_usec 40000\n")

    assert step(machine, machine.meter(), throttle).throttled_s == pytest.approx(0.04)


def test_group_without_an_account_of_throttling_leaves_it_missing(machine: Machine) -> None:
    """The outermost group of cgroup v2 counts no throttling: missing, not 0."""
    machine.write("proc/self/cgroup", "0::/\n")
    machine.write("sys/fs/cgroup/cpu.stat", "usage_usec 5\n")
    assert math.isnan(step(machine, machine.meter(), int).throttled_s)


def test_quota_lowers_what_the_step_can_have(machine: Machine) -> None:
    """Under a quota of one CPU a loss is set against one CPU, but the cores left free stay as many."""
    machine.write("sys/fs/cgroup/cpu.max", "100000 100000\n")
    meter = machine.meter(cpus=4, cores=4)
    assert step(machine, meter, lambda: machine.processes.update({OTHER: 1200 * MS})).share == 0
    assert step(machine, meter, lambda: machine.processes.update({OTHER: 1430 * MS})).share == pytest.approx(0.03 / 0.1)


def test_heat_and_frequency_of_our_cpus_are_read(machine: Machine) -> None:
    """Throttle events add up over our CPUs, the frequency is their mean in MHz, and neither is share."""

    def set_cpus(*values: tuple[int, int]) -> None:
        for cpu, (events, khz) in enumerate(values):
            machine.write(f"sys/devices/system/cpu/cpu{cpu}/thermal_throttle/core_throttle_count", f"{events}\n")
            machine.write(f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq", f"{khz}\n")

    set_cpus((5, 1_000_000), (6, 1_000_000), (7, 1_000_000))
    noise = step(machine, machine.meter(), lambda: set_cpus((7, 2_000_000), (9, 3_000_000), (99, 9_000_000)))
    assert noise.throttle_events == 5
    assert noise.frequency_mhz == 2500
    assert noise.share == 0


def test_involuntary_switches_are_the_growth_of_their_counter(machine: Machine) -> None:
    """The counter's difference is given as it is."""
    machine.switches = 3
    assert step(machine, machine.meter(), lambda: setattr(machine, "switches", 10)).involuntary_switches == 7


def test_where_nothing_can_be_read_nothing_is_quiet(tmp_path: Path) -> None:
    """Without /proc and /sys every field but the process's own is NaN, the share too."""
    machine = Machine(tmp_path / "no such folder")
    noise = step(machine, machine.meter(), int)
    missing = {entry.name for entry in fields(noise) if math.isnan(getattr(noise, entry.name))}
    assert missing == {entry.name for entry in fields(noise)} - {"window_s", "involuntary_switches"}


def test_without_clocks_of_processes_the_ticks_remain(machine: Machine) -> None:
    """Where no process's clock can be had, busy ticks still tell of others; without them nothing is known."""
    machine.processes.clear()
    assert math.isnan(step(machine, machine.meter(), int).others_cpu_s)
    machine.set_ticks((0, 5, 0), (0, 5, 0))
    noise = step(machine, machine.meter(), lambda: machine.set_ticks((10, 5, 0), (0, 15, 0)))
    assert noise.others_cpu_s == pytest.approx(0.09)


def test_waiting_alone_tells_of_others(machine: Machine) -> None:
    """Where others' CPU time is not known, waiting is put down to them, up to the time that our CPUs kept from us."""
    machine.processes.clear()
    machine.set_waits_ms({1: 0})

    def run() -> None:
        machine.own_ns += 70 * MS
        machine.set_waits_ms({1: 90})

    noise = step(machine, machine.meter(threads=1, cpus=1), run)
    assert math.isnan(noise.others_cpu_s)
    assert noise.share == pytest.approx(0.3)


def test_stat_of_zeros_is_not_a_quiet_machine(machine: Machine) -> None:
    """A sandbox that writes zeros (gVisor does) does not count; its steal is missing, not 0."""
    machine.set_ticks((0, 0, 0), (0, 0, 0))
    assert math.isnan(step(machine, machine.meter(), int).steal_s)


@pytest.mark.parametrize("threads", [0, -1])
def test_step_without_threads_is_refused(tmp_path: Path, threads: int) -> None:
    """The message holds the value, the limit and the remedy."""
    with pytest.raises(ValueError, match=f"threads is {threads}, it must be at least 1: give"):
        NoiseMeter(threads, tmp_path)


def test_clock_of_a_process_is_its_cpu_time() -> None:
    """The clock made from a pid is the kernel's: our own lies between two values of the standard one."""
    before_ns = time.process_time_ns()
    by_pid_ns = process_cpu_ns(OWN)
    assert before_ns <= by_pid_ns <= time.process_time_ns()


def test_clock_of_no_process_is_refused() -> None:
    """A pid above the kernel's greatest, 2^22 (proc(5), pid_max), has no clock."""
    with pytest.raises(OSError, match="Invalid argument"):
        process_cpu_ns(2**22 + 1)


def test_switches_of_ended_threads_stay_counted() -> None:
    """The counter never falls."""
    before = own_involuntary_switches()
    assert own_involuntary_switches() >= before


def test_real_machine_is_read() -> None:
    """On Linux others, steal and waiting are known for a window that holds the step."""
    meter = NoiseMeter(1)
    reading = meter.start()
    time.sleep(0.02)
    noise = meter.since(reading)
    assert noise.window_s >= 0.02
    for value in (noise.others_cpu_s, noise.steal_s, noise.run_queue_wait_s, noise.involuntary_switches, noise.share):
        assert math.isfinite(value)
        assert value >= 0
    assert noise.steal_s == pytest.approx(round(noise.steal_s / TICK_S) * TICK_S)


# In a process of its own, whose affinity may be narrowed: it shares one CPU with a process that never rests.
COMPETE = """
import os, subprocess, sys, time
from significand.meters.noise import NoiseMeter
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
busy = subprocess.Popen([sys.executable, "-c", "print(flush=True)\\nwhile True: pass"], stdout=subprocess.PIPE)
try:
    busy.stdout.readline()
    meter = NoiseMeter(1)
    reading = meter.start()
    end = time.perf_counter() + 0.2
    while time.perf_counter() < end:
        pass
    print(meter.since(reading).share)
finally:
    busy.kill()
    busy.communicate()
"""


def test_busy_process_on_the_same_cpu_is_seen() -> None:
    """Beside a process that never rests, a thread on the same CPU loses about half, and more where others run too."""
    done = subprocess.run([sys.executable, "-c", COMPETE], capture_output=True, text=True, check=True)
    assert float(done.stdout) > 0.2
