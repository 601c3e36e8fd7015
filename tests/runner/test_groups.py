"""Behaviour of what decides how many runs live at once."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import NO_DATA, SMALL
from significand.plan.experiment import plan_experiment
from significand.runner.groups import (
    available_memory_mb,
    cut,
    memory_of_all_mb,
    own_memory_mb,
    processes_left,
    room_for,
)


@pytest.mark.parametrize(
    ("run_mb", "available_mb", "processes", "runs", "reason"),
    [
        (100.0, 10_000.0, None, 41, "a run may need 200 MB, 10000 MB are available"),
        (100.0, 50.0, None, 1, "a run may need 200 MB, 50 MB are available"),
        (100.0, 10_000.0, 7, 4, "7 more processes may be started"),
        (0.0, 10_000.0, None, 2**31, ""),
        (0.0, 0.0, 0, 1, "0 more processes may be started"),
    ],
)
def test_what_is_scarcest_limits_the_runs(
    run_mb: float, available_mb: float, processes: int | None, runs: int, reason: str
) -> None:
    """Memory or processes: whichever allows fewer, never less than one run, and the reason is told."""
    room = room_for(run_mb, available_mb, processes)
    assert (room.runs, room.reason) == (runs, reason)


@given(st.integers(1, 40), st.integers(1, 4))
def test_no_setup_is_cut_from_its_baseline(most: int, batches: int) -> None:
    """However a block is cut, every setup is in one group, in its order, and its baseline is in the same."""
    fields = SMALL | {"precision_modes": ["float32", "int8"], "batch_size": [2**k for k in range(batches)]}
    setups = plan_experiment(fields, NO_DATA).setups()
    baselines = {setup.name: setup.name.replace("int8", "float32") for setup in setups}
    groups = cut(setups, baselines, most)
    assert [setup for group in groups for setup in sorted(group, key=setups.index)] == sorted(
        setups, key=lambda setup: (next(k for k, group in enumerate(groups) if setup in group), setups.index(setup))
    )
    for group in groups:
        names = {setup.name for setup in group}
        assert {baselines[name] for name in names} <= names
        assert len(group) <= max(most, 2)


@pytest.mark.slow
def test_the_memory_of_a_child_counts() -> None:
    """All processes together need what this one needs and what its children do."""
    alone_mb = memory_of_all_mb()
    code = "block = bytearray(50_000_000); print('ready', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stdout.readline()
        together_mb, own_mb = memory_of_all_mb(), own_memory_mb(child.pid)
        child.communicate(b"\n")
    assert own_mb > 50
    assert together_mb > alone_mb + 45


def test_a_process_that_is_gone_needs_nothing() -> None:
    """What cannot be read is no limit."""
    assert own_memory_mb(2**22 - 1) == 0.0


def test_the_control_group_limits_too(tmp_path: Path) -> None:
    """Memory and processes are those that the group may still have, where it says so."""
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("300000000\n")
    (group / "memory.current").write_text("100000000\n")
    (group / "pids.max").write_text("20\n")
    (group / "pids.current").write_text("12\n")
    assert available_memory_mb(tmp_path) == 200.0
    left = processes_left(tmp_path)
    assert left is not None
    assert left <= 8
    (group / "memory.max").write_text("max\n")
    assert math.isfinite(available_memory_mb(tmp_path))
