import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from made_up_packages import write_metadata
from significand.meters.machine import (
    OPTIONAL_PACKAGES,
    PACKAGES,
    Turbo,
    available_cpus,
    clock_sources,
    cpu_flags,
    cpu_model,
    cpu_quota,
    describe_machine,
    frequency_governors,
    git_revision,
    installed_versions,
    instruction_sets,
    memory_mb,
    steal_share,
    turbo,
    usable_cores,
    virtual_machine,
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
    assert [name for name in machine["versions"] if name not in OPTIONAL_PACKAGES] == list(PACKAGES)
    assert machine["versions"]["torch"]


def test_versions_of_optional_packages_are_recorded_where_they_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From their metadata, without importing them; what is not there is not among them, rather than without version."""
    write_metadata(tmp_path, "nncf", "9.9.9", {})
    write_metadata(tmp_path, "significand-made-up", "1.2", {})
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    versions = installed_versions(["significand-made-up", "significand-not-there"])
    assert versions == dict.fromkeys(PACKAGES) | {"nncf": "9.9.9", "significand-made-up": "1.2"}


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


@pytest.mark.parametrize("name", [b"gr\xc3\xb6\xc3\x9fe.txt", b"gr\xf6\xdfe.txt", b"line\nbreak \xff"])
def test_names_in_any_encoding_are_no_hindrance(name: bytes, tmp_path: Path) -> None:
    """A changed file whose name is no text in this locale, as git prints it, is a changed file."""
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "config", "core.quotePath", "false")
    tracked = tmp_path / os.fsdecode(name)
    tracked.touch()
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    tracked.write_text("changed", encoding="ascii")
    code = f"""
from pathlib import Path
from significand.meters.machine import git_revision
print(git_revision(Path({str(tmp_path)!r}))["dirty"])
"""
    plain = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=plain, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


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


def write(root: Path, files: dict[str, str]) -> None:
    """Write files below a made-up root."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="ascii")


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"a/cpu.max": "max 100000\n", "a/b/cpu.max": "150000 100000\n"}, 1.5),
        ({"a/cpu.max": "50000 100000\n", "a/b/cpu.max": "150000 100000\n"}, 0.5),
        ({"a/cpu.max": "50000 100000\n", "a/b/cpu.max": "max 100000\n"}, 0.5),
        ({"cpu.max": "300000 100000\n", "a/b/cpu.max": "max 100000\n"}, 3.0),
        ({"cpu/c/cpu.cfs_quota_us": "70000\n", "cpu/c/cpu.cfs_period_us": "100000\n"}, 0.7),
        ({"a/other/cpu.max": "50000 100000\n", "memory/c/cpu.max": "50000 100000\n"}, None),
    ],
    ids=["own", "above is tighter", "above only", "outermost", "v1", "of others"],
)
def test_the_tightest_quota_of_nested_groups_counts(files: dict[str, str], quota: float | None, tmp_path: Path) -> None:
    """A group is limited by every group around it (cgroups(7)); those of other processes do not matter."""
    write(tmp_path, {"proc/self/cgroup": "4:memory:/c\n1:cpu,cpuacct:/c\n0::/a/b\n"})
    write(tmp_path / "sys/fs/cgroup", files)
    assert cpu_quota(tmp_path) == quota


@pytest.mark.parametrize(
    ("cpuinfo", "virtual"),
    [(X86, True), ("flags : fpu sse2\n", False), (ARM, None), ("", None)],
    ids=["guest", "host", "arm", "empty"],
)
def test_a_virtual_machine_is_told_where_the_kernel_tells(cpuinfo: str, virtual: bool | None, tmp_path: Path) -> None:
    """On x86 the hypervisor flag decides; Arm's kernel has no such flag, so nothing is claimed."""
    write(tmp_path, {"proc/cpuinfo": cpuinfo})
    assert virtual_machine(tmp_path) is virtual


def test_the_processors_name_is_read(root: Path) -> None:
    """The name is the first processor's model name."""
    assert cpu_model(root) == "Intel(R) Xeon(R) Platinum 8480C"


def test_hyper_threads_count_as_one_core(tmp_path: Path) -> None:
    """Logical CPUs with the same siblings are one core; one whose topology is not shown makes the number unknown."""
    siblings = {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}
    write(
        tmp_path,
        {f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list": f"{of}\n" for cpu, of in siblings.items()},
    )
    assert usable_cores(siblings, tmp_path) == 2
    assert usable_cores([0, 2], tmp_path) == 1
    assert usable_cores([0, 4], tmp_path) is None


def test_governors_of_all_cpus_are_read(root: Path) -> None:
    """Each governor in use is given once."""
    cpus = "sys/devices/system/cpu"
    write(root, {f"{cpus}/cpu{cpu}/cpufreq/scaling_governor": "schedutil\n" for cpu in (1, 10)})
    assert frequency_governors(root) == ("powersave", "schedutil")
    assert frequency_governors(root / "nowhere") == ()


@pytest.mark.parametrize(
    ("switch", "text", "on", "off"),
    [
        ("intel_pstate/no_turbo", "0", True, "1"),
        ("intel_pstate/no_turbo", "1", False, "1"),
        ("cpufreq/boost", "1", True, "0"),
        ("cpufreq/boost", "0", False, "0"),
    ],
)
def test_turbo_is_read_from_either_driver(switch: str, text: str, on: bool, off: str, tmp_path: Path) -> None:
    """Intel's driver counts 1 as off, the others as on; what turns it off is given with it."""
    path = f"sys/devices/system/cpu/{switch}"
    write(tmp_path, {path: f"{text}\n"})
    assert turbo(tmp_path) == Turbo(on, path, off)
    assert describe_machine(tmp_path)["turbo"] is on


def test_turbo_without_a_switch_is_unknown(tmp_path: Path) -> None:
    """Without a file, or with one that holds something else, nothing is claimed."""
    assert turbo(tmp_path) is None
    write(tmp_path, {"sys/devices/system/cpu/cpufreq/boost": "\n"})
    assert turbo(tmp_path) is None
    assert describe_machine(tmp_path)["turbo"] is None


def test_the_clock_source_in_use_comes_first(tmp_path: Path) -> None:
    """The source in use is first, the other available ones follow; without the files there are none."""
    assert clock_sources(tmp_path) == ()
    assert describe_machine(tmp_path)["clock_source"] is None
    folder = "sys/devices/system/clocksource/clocksource0"
    write(tmp_path, {f"{folder}/current_clocksource": "hpet\n", f"{folder}/available_clocksource": "tsc hpet \n"})
    assert clock_sources(tmp_path) == ("hpet", "tsc")
    assert describe_machine(tmp_path)["clock_source"] == "hpet"


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("cpu  100 0 100 700 50 0 0 50 99 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n", 0.05),
        ("cpu  0 0 0 0 0 0 0 0 0 0\n", None),
        ("cpu  1 2 3 4\n", None),
        ("intr 7\n", None),
        ("", None),
    ],
    ids=["counted", "all zeros", "old kernel", "no CPUs", "empty"],
)
def test_steal_since_boot(text: str, share: float | None, tmp_path: Path) -> None:
    """Steal over the sum of what proc(5) lists, guests' time counted once; None where the kernel does not count."""
    write(tmp_path, {"proc/stat": text})
    assert steal_share(tmp_path) == share


def test_memory_is_read_in_megabytes(tmp_path: Path) -> None:
    """Amounts in kB of /proc/meminfo, which are KiB, become MB; counts of pages are left out."""
    write(tmp_path, {"proc/meminfo": "MemAvailable:    1000000 kB\nHugePages_Total:       5\nActive(anon): 5 kB\n"})
    assert memory_mb(tmp_path) == {"MemAvailable": 1024.0, "Active(anon)": 0.00512}
    assert memory_mb(tmp_path / "nowhere") == {}
