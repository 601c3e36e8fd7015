import errno
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from significand.meters.energy import EnergyError, EnergyMeter, NoCounterError
from significand.meters.rapl import RaplCounter, open_rapl

SERVER, CLIENT = 65_532_610_987, 262_143_328_850
"""Ranges of real machines, in uJ: energy units of 2^-16 and 2^-14 J."""

START_UJ = 1_000_000_000


class FakeMachine:
    """A made-up powercap tree whose counters are the total energy modulo their range, and a clock."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.powercap = root / "sys/class/powercap"
        self.powercap.mkdir(parents=True)
        self.now_ns = 5_000_000_000
        self._totals: dict[str, tuple[int, int]] = {}

    def add(self, zone: str, name: str, range_uj: int = CLIENT, total_uj: int = START_UJ) -> Path:
        """Add a zone in the layout of powercap.rst, all zones side by side as under /sys/class."""
        folder = self.powercap / zone
        folder.mkdir()
        for file, text in {"name": name, "max_energy_range_uj": range_uj, "enabled": 0}.items():
            (folder / file).write_text(f"{text}\n", encoding="ascii")
        self._totals[zone] = (total_uj, range_uj)
        self.burn(zone, 0)
        return folder

    def burn(self, zone: str, energy_uj: int) -> None:
        """Let a zone use energy."""
        total_uj, range_uj = self._totals[zone]
        self._totals[zone] = (total_uj + energy_uj, range_uj)
        (self.powercap / zone / "energy_uj").write_text(f"{(total_uj + energy_uj) % range_uj}\n", encoding="ascii")

    def open(self) -> RaplCounter:
        """Return the counter on this tree, with the made-up clock."""
        zones = open_rapl(self.root, sleep=lambda _: None).zones
        return RaplCounter(zones, clock_ns=lambda: self.now_ns)

    def window_uj(self, seconds: float, energies_uj: dict[str, int]) -> float:
        """Return the microjoules read for a window in which the zones use that much."""
        counter = self.open()
        start = counter.read()
        self.now_ns += round(seconds * 1e9)
        for zone, energy_uj in energies_uj.items():
            self.burn(zone, energy_uj)
        return counter.energy_j(start, counter.read()) * 1e6


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    """Return a machine without zones."""
    return FakeMachine(tmp_path)


def test_one_socket_is_its_package_and_its_memory(machine: FakeMachine) -> None:
    """Core and uncore are parts of the package and not added; dram is no part of it and is."""
    for zone, name in {"0": "package-0", "0:0": "core", "0:1": "uncore", "0:2": "dram"}.items():
        machine.add(f"intel-rapl:{zone}", name)
    counter = machine.open()
    assert (counter.domains, counter.kind, counter.source) == ("package-0+dram", "measured", "rapl")
    assert counter.assumptions == ""
    energies = {"intel-rapl:0": 7_000_001, "intel-rapl:0:0": 5_000_000, "intel-rapl:0:1": 10, "intel-rapl:0:2": 20_002}
    assert machine.window_uj(1, energies) == pytest.approx(7_020_003, abs=1)
    counter.close()


def test_every_socket_counts(machine: FakeMachine) -> None:
    """Packages and memories of all sockets are added, in the order of their numbers."""
    energies: dict[str, int] = {}
    for number in (10, 0, 2):
        machine.add(f"intel-rapl:{number}", f"package-{number}", SERVER)
        machine.add(f"intel-rapl:{number}:0", "dram", SERVER)
        energies |= {f"intel-rapl:{number}": 1_000 + number, f"intel-rapl:{number}:0": 100}
    assert machine.open().domains == "package-0+dram+package-2+dram+package-10+dram"
    assert machine.window_uj(1, energies) == pytest.approx(3_312, abs=1)


def test_mirrored_zones_count_once(machine: FakeMachine) -> None:
    """The zones of intel-rapl-mmio with the names of intel-rapl's are not added; one that only it has is."""
    machine.add("intel-rapl:0", "package-0")
    machine.add("intel-rapl-mmio:0", "package-0", total_uj=START_UJ + 77)
    machine.add("intel-rapl-mmio:0:0", "dram")
    assert [zone.folder.name for zone in machine.open().zones] == ["intel-rapl:0", "intel-rapl-mmio:0:0"]
    both = dict.fromkeys(["intel-rapl:0", "intel-rapl-mmio:0"], 4_000)
    assert machine.window_uj(1, {**both, "intel-rapl-mmio:0:0": 50}) == pytest.approx(4_050, abs=1)


@pytest.mark.parametrize(
    ("second_die", "domains"),
    [
        (START_UJ + 300, "package-0-die-0+package-1-die-0"),
        (START_UJ - 300, "package-0-die-0+package-1-die-0"),  # refreshed later than the first
        (START_UJ + 50_000_000, "package-0-die-0+package-0-die-1+package-1-die-0"),
    ],
)
def test_dies_that_show_one_counter_count_once(machine: FakeMachine, second_die: int, domains: str) -> None:
    """Dies of a package that agree are one counter, dies that differ are two; other packages' are never compared."""
    machine.add("intel-rapl:0", "package-0-die-0")
    machine.add("intel-rapl:1", "package-0-die-1", total_uj=second_die)
    machine.add("intel-rapl:2", "package-1-die-0")
    assert machine.open().domains == domains


def test_platform_zone_counts_only_without_packages(machine: FakeMachine) -> None:
    """The platform contains the packages, so it is used where there is none."""
    machine.add("intel-rapl:1", "psys")
    assert machine.open().domains == "psys"
    assert machine.window_uj(1, {"intel-rapl:1": 900}) == pytest.approx(900, abs=1)
    machine.add("intel-rapl:0", "package-0")
    assert machine.open().domains == "package-0"


@pytest.mark.parametrize("range_uj", [SERVER, CLIENT, 65_712_999_613, 1_000_000])
@pytest.mark.parametrize("past_end_uj", [-2, -1, 0, 1, 2, 400_000])
def test_wrap_loses_nothing(machine: FakeMachine, range_uj: int, past_end_uj: int) -> None:
    """The energy put in comes out to 1 uJ where the counter ends just before, at and just after its range."""
    machine.add("intel-rapl:0", "package-0", range_uj, total_uj=range_uj - 500_000)
    injected = 500_000 + past_end_uj
    assert machine.window_uj(0.001, {"intel-rapl:0": injected}) == pytest.approx(injected, abs=1)


@pytest.mark.parametrize(("range_uj", "unit_nj"), [(CLIENT, 61_035), (SERVER, 15_258), (65_712_999_613, 15_300)])
@pytest.mark.parametrize("past_end", [-1, 0, 1, 1_000])
def test_wrap_of_the_kernels_register_costs_one_unit_at_most(
    machine: FakeMachine, range_uj: int, unit_nj: int, past_end: int
) -> None:
    """A 32-bit register times its unit, rounded down, as in intel_rapl_common.c: the range itself occurs."""
    assert (2**32 - 1) * unit_nj // 1000 == range_uj  # rapl_unit_xlate of ENERGY_STATUS_MASK
    folder = machine.add("intel-rapl:0", "package-0", range_uj)

    def show(register: int) -> None:
        (folder / "energy_uj").write_text(f"{register % 2**32 * unit_nj // 1000}\n", encoding="ascii")

    counter = machine.open()
    show(2**32 - 1 - 5_000)
    start = counter.read()
    show(2**32 - 1 + past_end)
    read_uj = counter.energy_j(start, counter.read()) * 1e6
    assert read_uj == pytest.approx((5_000 + past_end) * unit_nj / 1000, abs=unit_nj / 1000 + 1)


@pytest.fixture(scope="module")
def two_sockets(tmp_path_factory: pytest.TempPathFactory) -> tuple[FakeMachine, RaplCounter]:
    """Return a machine with two sockets of different ranges, and its counter; every example goes on with them."""
    machine = FakeMachine(tmp_path_factory.mktemp("two-sockets"))
    machine.add("intel-rapl:0", "package-0", SERVER)
    machine.add("intel-rapl:1", "package-1", CLIENT)
    return machine, machine.open()


@settings(max_examples=25)  # each writes some 20 files
@given(
    st.integers(0, SERVER - 1),
    st.lists(st.tuples(st.integers(0, SERVER - 1), st.integers(0, CLIENT - 1)), min_size=1, max_size=6),
)
def test_windows_add_up_to_the_energy_put_in(
    two_sockets: tuple[FakeMachine, RaplCounter], first_uj: int, increments: list[tuple[int, int]]
) -> None:
    """Wherever the counters start and however much a window takes below the ranges, all of it is found."""
    machine, counter = two_sockets
    for zone in ("intel-rapl:0", "intel-rapl:1"):
        machine.burn(zone, first_uj)
    total_uj = 0.0
    before = counter.read()
    for increment in increments:
        for number, energy_uj in enumerate(increment):
            machine.burn(f"intel-rapl:{number}", energy_uj)
        after = counter.read()
        total_uj += counter.energy_j(before, after) * 1e6
        before = after
    assert total_uj == pytest.approx(sum(map(sum, increments)), abs=1)


def test_window_that_could_wrap_twice_is_refused(machine: FakeMachine) -> None:
    """At the assumed 500 W the counter passes 65.5 kJ in 131 s: up to there the energy is told, from there refused."""
    machine.add("intel-rapl:0", "package-0", SERVER)
    assert machine.window_uj(131.0, {"intel-rapl:0": SERVER - 1}) == pytest.approx(SERVER - 1, abs=1)
    with pytest.raises(EnergyError, match=r"package-0: in 131\.1 s at up to 500 W .* range of 65532\.6 J .* 131\.1 s"):
        machine.window_uj(131.07, {"intel-rapl:0": 1})


@pytest.mark.parametrize(
    ("maximum", "bound_w"), [("1000000000", 1000), ("125000000", 500), ("0", 500), ("", 500), ("?", 500)]
)
def test_known_maximum_power_only_raises_the_bound(machine: FakeMachine, maximum: str, bound_w: float) -> None:
    """A thermal design power below 500 W is no bound, as a turbo exceeds it; what is not readable is not used."""
    folder = machine.add("intel-rapl:0", "package-0", SERVER)
    (folder / "constraint_0_max_power_uw").write_text(maximum, encoding="ascii")
    (folder / "constraint_1_max_power_uw").mkdir()  # cannot be read
    assert machine.open().zones[0].power_bound_w == bound_w


def test_counter_that_stands_still_is_not_nothing(machine: FakeMachine) -> None:
    """A live counter moves within 0.1 s; in less time it may not have."""
    machine.add("intel-rapl:0", "package-0")
    machine.add("intel-rapl:0:0", "dram")
    assert machine.window_uj(0.099, {"intel-rapl:0": 5}) == pytest.approx(5, abs=1e-6)
    with pytest.raises(EnergyError, match=r"dram: the counter stood still at 1000000000 uJ for 0\.1 s"):
        machine.window_uj(0.1, {"intel-rapl:0": 5})


def test_counter_that_stays_at_0_is_none(machine: FakeMachine) -> None:
    """A memory zone at 0 is left out and a package at 0 makes no counter; one that moves meanwhile is live."""
    machine.add("intel-rapl:0", "package-0")
    machine.add("intel-rapl:0:0", "dram", total_uj=0)
    assert machine.open().domains == "package-0"
    assert open_rapl(machine.root, lambda _: machine.burn("intel-rapl:0:0", 3)).domains == "package-0+dram"
    machine.add("intel-rapl:1", "package-1", total_uj=0)
    with pytest.raises(NoCounterError, match=r"intel-rapl:1/energy_uj stays at 0; run on the machine itself"):
        machine.open()


def test_without_permission_the_remedy_is_given(machine: FakeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The counter is root's since Linux 5.10: the command and the lasting rule that open it are named."""
    folder = machine.add("intel-rapl:0", "package-0")
    deny(monkeypatch, folder / "energy_uj")
    with pytest.raises(NoCounterError) as caught:
        machine.open()
    assert caught.value.detail == f"cannot read {folder / 'energy_uj'}: Permission denied"
    assert "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj" in caught.value.remedy
    assert "/etc/udev/rules.d" in caught.value.remedy
    assert "CVE-2020-8694" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no number\n", "invalid literal"),
        ("", "invalid literal"),
        ("-1\n", "-1 is outside 0 to 262143328850"),
        (f"{CLIENT + 1}\n", "262143328851 is outside 0 to 262143328850"),
        ("\xff\n", "codec can't decode"),
    ],
)
def test_garbage_is_no_count(machine: FakeMachine, text: str, why: str) -> None:
    """What is no number within the range is refused at the beginning and is missing energy later."""
    path = machine.add("intel-rapl:0", "package-0") / "energy_uj"
    meter = EnergyMeter(machine.open())
    with meter.window():
        path.write_text(text, encoding="latin-1")
    assert meter.energy_j != meter.energy_j
    assert why in meter.reason
    with pytest.raises(NoCounterError, match=rf"{why}.*; look at the kernel's log"):
        machine.open()


@pytest.mark.parametrize("text", ["0", "", "many", "-5"])
def test_counter_without_a_range_is_not_used(machine: FakeMachine, text: str) -> None:
    """Where the range is not known, a wrap cannot be corrected."""
    (machine.add("intel-rapl:0", "package-0") / "max_energy_range_uj").write_text(text, encoding="ascii")
    with pytest.raises(NoCounterError, match=rf"max_energy_range_uj holds '{text}', not a number above 0"):
        machine.open()


def test_file_that_vanishes_costs_its_windows_only(machine: FakeMachine) -> None:
    """Energy is missing with the reason, at the start or at the end of a window; what runs inside goes on."""
    path = machine.add("intel-rapl:0", "package-0") / "energy_uj"
    meter = EnergyMeter(machine.open())
    steps = []
    with meter.window():
        machine.burn("intel-rapl:0", 2_000_000)
    with meter.window():
        path.unlink()
        steps.append("ended without")
    with meter.window():
        machine.burn("intel-rapl:0", 1)
        steps.append("began without")
    assert steps == ["ended without", "began without"]
    assert meter.windows[0].energy_j == 2.0
    assert meter.energy_j != meter.energy_j
    assert meter.reason == f"2 of 3 windows without energy: cannot read {path}: No such file or directory"


def test_zone_without_files_is_said(machine: FakeMachine) -> None:
    """A container may show the zones and hide what is in them."""
    (machine.powercap / "intel-rapl:0").mkdir()
    with pytest.raises(NoCounterError, match=r"name: No such file or directory; .* container"):
        machine.open()


def test_machine_without_zones_has_no_counter(machine: FakeMachine, tmp_path: Path) -> None:
    """No tree, an empty one and one of other drivers all have nothing to read."""
    with pytest.raises(NoCounterError, match=r"no RAPL zone in .*; run on x86 Linux"):
        open_rapl(tmp_path / "elsewhere")
    for other in ("intel-rapl", "dtpm:0", "intel-rapl:0:0:0"):
        (machine.powercap / other).mkdir()
    with pytest.raises(NoCounterError, match="sudo modprobe intel_rapl_msr"):
        machine.open()


def deny(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Let a file be unreadable, also for root."""
    read_text = Path.read_text

    def read(self: Path, encoding: str | None = None, errors: str | None = None) -> str:
        if self == path:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return read_text(self, encoding, errors)

    monkeypatch.setattr(Path, "read_text", read)
