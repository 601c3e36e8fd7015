import json
import math
import subprocess
from pathlib import Path

import pytest

from significand.meters.machine import (
    PACKAGES,
    available_cpus,
    cpu_flags,
    cpu_quota,
    describe_machine,
    git_revision,
    instruction_sets,
)

# Shortened from a Xeon of the Sapphire Rapids generation, in the layout of proc(5).
X86 = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Platinum 8480C
flags\t\t: fpu sse2 avx2 avx512f avx512_bf16 avx512_fp16 avx512_vnni avx_vnni amx_bf16 amx_tile amx_int8 hypervisor
bugs\t\t: spectre_v1

processor\t: 1
flags\t\t: fpu
"""
# Shortened from a Graviton 3; Arm's kernel writes Features and no model name.
ARM = """processor\t: 0
BogoMIPS\t: 2100.00
Features\t: fp asimd fphp asimdhp asimddp sve bf16 i8mm
CPU implementer\t: 0x41
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the root of a made-up machine with an x86 processor."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(X86, encoding="ascii")
    governor = tmp_path / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    governor.parent.mkdir(parents=True)
    governor.write_text("powersave\n", encoding="ascii")
    return tmp_path


@pytest.mark.parametrize(
    ("cpuinfo", "words"),
    [
        (X86, ("amx", "amx-bf16", "amx-int8", "avx2", "avx512f", "bf16", "fp16", "vnni")),
        (ARM, ("bf16", "fp16", "vnni")),
        ("flags\t\t: fpu sse2\n", ()),
        ("", ()),
    ],
    ids=["x86", "arm", "old x86", "empty"],
)
def test_instruction_sets_are_read_from_cpuinfo(tmp_path: Path, cpuinfo: str, words: tuple[str, ...]) -> None:
    """The formats a CPU computes in are found in its flags, sorted, each word once."""
    path = tmp_path / "cpuinfo"
    path.write_text(cpuinfo, encoding="ascii")
    assert instruction_sets(cpu_flags(path)) == words


def test_missing_cpuinfo_has_no_flags(tmp_path: Path) -> None:
    """Without /proc/cpuinfo there are no flags, and no exception."""
    assert cpu_flags(tmp_path / "cpuinfo") == frozenset()


def test_machine_is_described_from_its_files(root: Path) -> None:
    """Processor, instruction sets, governor and virtualisation come from the files under the root."""
    machine = describe_machine(root)
    assert machine["cpu"] == "Intel(R) Xeon(R) Platinum 8480C"
    assert "bf16" in str(machine["instruction_sets"])
    assert machine["frequency_governor"] == "powersave"
    assert machine["virtual_machine"] is True


def test_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    """On an empty root the facts of files are None or empty, never a guess or an exception."""
    machine = describe_machine(tmp_path)
    assert machine["instruction_sets"] == []
    assert machine["frequency_governor"] is None
    assert machine["virtual_machine"] is None


def test_description_of_this_machine_can_be_kept_as_json() -> None:
    """The real machine's description is plain data with plausible numbers and the versions behind a result."""
    machine = json.loads(json.dumps(describe_machine()))
    assert machine["available_cpus"] >= 1
    assert math.isfinite(machine["memory_mb"])
    assert machine["memory_mb"] > 100
    assert list(machine["versions"]) == list(PACKAGES)
    assert machine["versions"]["torch"]


def git(folder: Path, *words: str) -> str:
    """Run git as a user without configuration would."""
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_git_revision_tells_clean_from_changed(tmp_path: Path) -> None:
    """In a checkout the commit is given, and whether tracked files differ from it; untracked ones do not count."""
    git(tmp_path, "init", "--quiet")
    tracked = tmp_path / "a.txt"
    tracked.write_text("one", encoding="ascii")
    git(tmp_path, "add", "a.txt")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "untracked.txt").touch()
    assert git_revision(tmp_path) == {"commit": commit, "dirty": False}
    tracked.write_text("two", encoding="ascii")
    assert git_revision(tmp_path) == {"commit": commit, "dirty": True}
    (tmp_path / ".git/index").write_bytes(b"damaged")
    assert git_revision(tmp_path) == {"commit": commit, "dirty": None}, "what git cannot tell is not clean"


def test_git_revision_outside_a_checkout_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside a checkout, in one without a commit, in no folder and without git there is no revision."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_revision(tmp_path) is None
    assert git_revision(tmp_path / "nowhere") is None
    git(tmp_path, "init", "--quiet")
    assert git_revision(tmp_path) is None
    monkeypatch.setenv("PATH", "")
    assert git_revision(tmp_path) is None


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
    ids=["v2", "v2 without a limit", "v1", "v1 without a limit", "no control group"],
)
def test_a_containers_cpu_quota_is_read(files: dict[str, str], quota: float | None, tmp_path: Path) -> None:
    """The control group's quota over its period; never more CPUs than that, rounded up, count as available."""
    for name, text in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    assert cpu_quota(tmp_path) == quota
    assert 1 <= available_cpus(tmp_path) <= (math.ceil(quota) if quota else 10_000)
