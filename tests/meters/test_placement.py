import os
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.meters.placement import Rotation, equal_cores


def machine(root: Path, files: Mapping[str, str]) -> Path:
    """Write files below the folder of the CPUs."""
    for name, content in files.items():
        path = root / "sys/devices/system/cpu" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n", encoding="ascii")
    return root


def test_hyper_threads_are_one_core(tmp_path: Path) -> None:
    """Of the logical CPUs of one physical core the first stands for it."""
    siblings = {f"cpu{cpu}/topology/thread_siblings_list": f"{cpu % 2},{cpu % 2 + 2}" for cpu in range(4)}
    assert equal_cores(range(4), machine(tmp_path, siblings)) == [0, 1]


def test_hyper_threads_outside_of_our_cpus_do_not_hide_a_core(tmp_path: Path) -> None:
    """A core of which only the second logical CPU is ours still counts."""
    siblings = {f"cpu{cpu}/topology/thread_siblings_list": f"{cpu % 2},{cpu % 2 + 2}" for cpu in range(4)}
    assert equal_cores([2, 1], machine(tmp_path, siblings)) == [1, 2]


@pytest.mark.parametrize("name", ["cpu_capacity", "cpufreq/cpuinfo_max_freq"])
def test_cores_that_save_energy_are_left_out(name: str, tmp_path: Path) -> None:
    """On a processor with two kinds of cores only the quick ones take turns; turbo differs a little among them."""
    speeds = {0: "5300000", 1: "5200000", 2: "3900000"}
    files = {f"cpu{cpu}/{name}": speed for cpu, speed in speeds.items()}
    assert equal_cores(speeds, machine(tmp_path, files)) == [0, 1]


def test_without_a_topology_every_cpu_is_a_core(tmp_path: Path) -> None:
    """Where the kernel shows nothing, logical CPUs are taken as they are."""
    assert equal_cores({3, 1}, tmp_path) == [1, 3]


def test_no_cpus_are_no_cores(tmp_path: Path) -> None:
    """Nothing to choose from is nothing chosen."""
    assert equal_cores([], tmp_path) == []


def test_one_thread_goes_round() -> None:
    """A single thread is on the next core in every turn, and begins again after the last."""
    rotation = Rotation(1, [0, 2, 4])
    assert [rotation.cpus(turn) for turn in range(4)] == [[0], [2], [4], [0]]


def test_as_many_threads_as_cores_change_places() -> None:
    """Threads that need all cores have one each, and change them."""
    rotation = Rotation(2, [0, 1])
    assert [rotation.cpus(turn) for turn in range(3)] == [[0, 1], [1, 0], [0, 1]]


def test_more_threads_than_cores_are_left_to_the_scheduler() -> None:
    """Threads that must share are not told where."""
    assert Rotation(3, [0, 1]).cpus(0) == []


@given(threads=st.integers(1, 16), cores=st.integers(1, 16))
def test_over_some_turns_every_core_is_used_equally_often(threads: int, cores: int) -> None:
    """No core is favoured, and no turn gives one to two threads."""
    rotation = Rotation(threads, list(range(cores)))
    turns = [rotation.cpus(turn) for turn in range(cores)]
    assert all(len(set(cpus)) == len(cpus) for cpus in turns)
    if threads <= cores:
        counts = [sum(cpus.count(core) for cpus in turns) for core in range(cores)]
        assert counts == [threads] * cores


def test_threads_are_on_their_cpu_inside_and_as_before_after() -> None:
    """All threads are on the turn's CPUs, the one that computes on the first of them; afterwards where they were."""
    before = os.sched_getaffinity(0)
    stop = threading.Event()
    idle = threading.Thread(target=stop.wait)
    idle.start()
    try:
        cpus = sorted(before)
        for turn, cpu in enumerate(cpus):
            with Rotation(1, cpus).at(turn):
                inside = os.sched_getaffinity(0), os.sched_getaffinity(idle.native_id or 0)
            assert inside == ({cpu}, {cpu})
            assert os.sched_getaffinity(0) == os.sched_getaffinity(idle.native_id or 0) == before
    finally:
        stop.set()
        idle.join()


def test_it_is_given_back_after_an_error() -> None:
    """An exception inside the block leaves no thread bound."""
    before = os.sched_getaffinity(0)
    with pytest.raises(KeyError), Rotation(1).at(0):
        raise KeyError
    assert os.sched_getaffinity(0) == before


def test_a_system_that_refuses_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where threads may not be moved the step runs where it is."""

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    with Rotation(1, sorted(os.sched_getaffinity(0))).at(1):
        pass


def test_without_a_proc_file_system_nothing_changes(tmp_path: Path) -> None:
    """Where threads cannot be listed none is moved."""
    before = os.sched_getaffinity(0)
    with Rotation(1, sorted(before), tmp_path).at(0):
        assert os.sched_getaffinity(0) == before


def test_a_system_without_affinity_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a system that has no such call, as macOS, there is no rotation."""
    monkeypatch.delattr(os, "sched_getaffinity")
    assert Rotation(1).cpus(0) == []


def test_who_computed_since_the_last_turn_goes_first(tmp_path: Path) -> None:
    """A thread that was busy once, and idles, does not keep a core from one that computes now."""

    def used(**ns: int) -> None:
        for thread, time_ns in ns.items():
            (tmp_path / "task" / thread[1:]).mkdir(parents=True, exist_ok=True)
            (tmp_path / "task" / thread[1:] / "schedstat").write_text(f"{time_ns} 0 1\n", encoding="ascii")

    used(_1=100, _2=900, _3=50)
    rotation = Rotation(2, [0, 1], tmp_path)
    assert rotation._threads_by_use() == [2, 1, 3]
    used(_1=500, _2=901, _3=250)
    assert rotation._threads_by_use() == [1, 3, 2]
