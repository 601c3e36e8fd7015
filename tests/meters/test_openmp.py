"""Behaviour of the view of this process's CPUs and thread variables, whatever an OpenMP runtime made of them."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from significand.meters.openmp import overridden, thread_variables, told_of_runs, unbound, usable_cpus

pytestmark = pytest.mark.slow

HERE = sorted(os.sched_getaffinity(0))

needs_two_cpus = pytest.mark.skipif(len(HERE) < 2, reason="one CPU cannot be narrowed; this machine grants one only")

LOOK = """
import os, json
from significand.meters.machine import available_cpus
from significand.meters.openmp import unbound, usable_cpus
narrow = sorted(os.sched_getaffinity(0))
with unbound():
    inside = sorted(os.sched_getaffinity(0))
print(json.dumps([narrow, sorted(usable_cpus()), available_cpus(), inside, sorted(os.sched_getaffinity(0))]))
"""
TORCH_FIRST = "import torch\n" + LOOK
SIGNIFICAND_FIRST = "import significand\nimport torch\n" + LOOK
RUNTIME = """
import ctypes, glob, importlib.util
(folder,) = importlib.util.find_spec("torch").submodule_search_locations
ctypes.CDLL(glob.glob(folder + "/lib/libgomp*")[0])
"""
"""What binds: the OpenMP runtime that torch brings and loads, alone, in a fraction of the time."""
RUNTIME_FIRST = RUNTIME + LOOK
RUNTIME_LAST = "import significand\n" + RUNTIME + LOOK
ONE = str(HERE[0])


@dataclass(frozen=True)
class Look:
    """What a process saw after the import of torch: its CPUs, how many may be used, CPUs in a block and after it."""

    narrow: list[int]
    usable: list[int]
    number: int
    inside: list[int]
    after: list[int]


def looked(code: str, variables: dict[str, str], cpus: list[int] = HERE) -> Look:
    """Return what a process sees that begins with some CPUs and variables."""
    words = ["taskset", "-c", ",".join(map(str, cpus)), sys.executable, "-c", code]
    done = subprocess.run(words, env=os.environ | variables, capture_output=True, text=True, check=True)
    return Look(*json.loads(done.stdout))


@needs_two_cpus
@pytest.mark.parametrize(
    ("code", "variables"),
    [
        (TORCH_FIRST, {"OMP_PROC_BIND": "true"}),
        (RUNTIME_FIRST, {"OMP_PLACES": "cores"}),
        (RUNTIME_FIRST, {"GOMP_CPU_AFFINITY": ONE}),
        (RUNTIME_FIRST, {"OMP_PLACES": f"{{{ONE}}}"}),
        (SIGNIFICAND_FIRST, {"GOMP_CPU_AFFINITY": ONE}),
    ],
    ids=str,
)
def test_cpus_that_an_openmp_runtime_took_away_count(code: str, variables: dict[str, str]) -> None:
    """After torch's import has bound the thread, the CPUs are those of before; lent in a block, and bound after it."""
    seen = looked(code, variables)
    assert len(seen.narrow) == 1
    assert seen.usable == seen.inside == HERE
    assert seen.number == len(HERE)
    assert seen.after == seen.narrow


@needs_two_cpus
@pytest.mark.parametrize(
    ("code", "variables"),
    [
        (RUNTIME_FIRST, {"OMP_PROC_BIND": "true"}),
        (RUNTIME_FIRST, {"GOMP_CPU_AFFINITY": "0-999"}),
        (RUNTIME_LAST, {"GOMP_CPU_AFFINITY": "0-999"}),
    ],
    ids=str,
)
def test_a_limit_of_the_user_stays_one(code: str, variables: dict[str, str]) -> None:
    """What taskset left is all there is, with and without a runtime that binds."""
    seen = looked(code, variables, HERE[:1])
    assert seen.usable == seen.inside == HERE[:1]
    assert seen.number == 1


@needs_two_cpus
def test_cpus_that_the_program_gave_up_are_gone() -> None:
    """A program that narrows itself, with no runtime that binds, has what it has left."""
    code = f"import significand, os; os.sched_setaffinity(0, {{{ONE}}})\n{RUNTIME_FIRST}"
    assert looked(code, {"OMP_NUM_THREADS": "2"}).usable == HERE[:1]


@needs_two_cpus
def test_intels_runtime_is_known_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Intel's or LLVM's runtime is loaded and told to bind, the CPUs at significand's import count."""
    maps = tmp_path / "maps"
    monkeypatch.setattr("significand.meters.openmp.AT_IMPORT", frozenset(HERE))
    os.sched_setaffinity(0, HERE[:1])
    try:
        for library, variables, cpus in (
            ("libiomp5.so", {"KMP_AFFINITY": "compact"}, HERE),
            ("libomp.so.5", {"OMP_PROC_BIND": "close"}, HERE),
            ("libiomp5.so", {}, HERE[:1]),
            ("libcompute.so", {"KMP_AFFINITY": "compact"}, HERE[:1]),
        ):
            maps.write_text(f"7f00-7f01 r-xp 00000000 fe:00 123   /opt/a folder/{library}\n7f02-7f03 rw-p 0 0:0 0\n")
            with monkeypatch.context() as patch:
                for name, value in variables.items():
                    patch.setenv(name, value)
                # The runner of the tests may have torch, and so threads on all CPUs.
                patch.setattr("significand.meters.openmp._of_all_threads", lambda: HERE[:1])
                assert sorted(usable_cpus(maps)) == cpus
    finally:
        os.sched_setaffinity(0, HERE)


def test_nothing_is_changed_where_nothing_was_taken() -> None:
    """Without a narrowed thread the usable CPUs are the affinity, and a block leaves it alone."""
    assert sorted(usable_cpus()) == HERE
    with unbound():
        assert sorted(os.sched_getaffinity(0)) == HERE
    assert sorted(os.sched_getaffinity(0)) == HERE


def test_variables_about_threads_are_known() -> None:
    """Those of every OpenMP runtime and of BLAS libraries; not what an installation needs, nor what is empty."""
    threads = {
        "OMP_PROC_BIND": "true",
        "KMP_HW_SUBSET": "1t",
        "OMP_NUM_THREADS_DEV": "1",
        "GOMP_SPINCOUNT": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    others = {"KMP_DUPLICATE_LIB_OK": "TRUE", "OMP_STACKSIZE": "8M", "OMP_PLACES": "", "PATH": "/bin", "COMPASS": "1"}
    assert thread_variables(threads | others) == dict(sorted(threads.items()))


def test_what_is_overridden_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line with names and values, whatever their encoding; a variable that says false is not worth one."""
    for name in thread_variables(os.environ):
        monkeypatch.delenv(name)
    assert told_of_runs() == ""
    monkeypatch.setenv("OMP_DYNAMIC", "FALSE")
    assert overridden() == {}
    monkeypatch.setenv("OMP_PLACES", os.fsdecode(b"\xe9"))
    monkeypatch.setenv("OMP_PROC_BIND", "true")
    assert overridden() == {"OMP_PLACES": "\ufffd", "OMP_PROC_BIND": "true"}
    assert told_of_runs() == (
        "the runs are started without OMP_PLACES=\ufffd, OMP_PROC_BIND=true; "
        "the option threads says how many threads they have"
    )
