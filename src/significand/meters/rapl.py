"""RAPL: the energy counters of x86 packages and their memory, as Linux shows them in its power capping tree.

The tree is described in Linux Documentation/power/powercap/powercap.rst, the arithmetic is that of the kernel's
drivers/powercap/intel_rapl_common.c. AMD processors have the same zones under the same names, made by the same driver.
The counters are those of whole sockets: whatever else runs there counts too.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from significand.meters.energy import EnergyError, EnergyReading, NoCounterError

POWERCAP = "sys/class/powercap"
ZONE_FOLDER = re.compile(r"(intel-rapl|intel-rapl-mmio):(\d+)(?::(\d+))?")

POWER_BOUND_W = 500.0
"""What a zone draws at most over a window of minutes. The largest thermal design power of a stock socket is 500 W (AMD
EPYC 9965, Intel Xeon 6980P) and over minutes firmware holds a socket to about that. What the kernel gives as a zone's
maximum power can only raise this: the maximum of the long-term constraint is the thermal design power, which a turbo
exceeds."""

SETTLING_S = 0.05
"""A live counter moves every millisecond or so (Intel SDM volume 3B, RAPL domains)."""

MIRROR_TOLERANCE_UJ = 1_000_000
"""Two registers of one counter may be refreshed at different moments; two counters come this near once in 30000 times,
as the smallest usual range is 65 kJ."""


@dataclass(frozen=True)
class Zone:
    """One zone whose energy is counted.

    Attributes
    ----------
    name
        As the kernel gives it: ``"package-0"``, ``"dram"``, ``"psys"``.
    folder
        Where its files are.
    range_uj
        The largest value of its counter, in microjoules.
    power_bound_w
        What it draws at most, in watts.
    """

    name: str
    folder: Path
    range_uj: int
    power_bound_w: float

    @property
    def longest_window_s(self) -> float:
        """In a window shorter than this, in seconds, the counter wraps once at most."""
        return self.range_uj / 1e6 / self.power_bound_w

    def read_uj(self) -> int:
        """Return the counter in microjoules.

        Raises
        ------
        OSError
            When it cannot be read.
        ValueError
            When it is no number from 0 to its range.
        """
        count = int((self.folder / "energy_uj").read_text(encoding="ascii"))
        if not 0 <= count <= self.range_uj:
            raise ValueError(f"{count} is outside 0 to {self.range_uj}")
        return count

    def difference_uj(self, before: int, after: int) -> int:
        """Return the microjoules from one count to another, with at most one wrap between them.

        The kernel's count is that of a 32-bit register times its unit, rounded down, and the range is that of the
        register's largest value. So the range itself occurs, and 0 comes one unit (15 or 61 uJ, mostly) after it. The
        unit is not shown, so a wrap is taken to be worth the range: too little by one unit at most, which is the
        counter's resolution anyway.
        """
        return after - before if after >= before else after - before + self.range_uj


@dataclass(frozen=True)
class RaplCounter:
    """The sum of the zones' counters, as from `open_rapl`.

    `shortest_window_s` keeps the counter's refresh, about a millisecond, to a hundredth of a window.
    """

    zones: tuple[Zone, ...]
    clock_ns: Callable[[], int] = field(default=time.perf_counter_ns, repr=False)
    assumptions: str = ""
    kind: str = "measured"
    source: str = "rapl"
    shortest_window_s: float = 0.1

    @property
    def domains(self) -> str:
        """The zones' names, as ``"package-0+dram"``."""
        return "+".join(zone.name for zone in self.zones)

    def read(self) -> EnergyReading:
        """Read every zone, in microjoules.

        Raises
        ------
        EnergyError
            When one cannot be read.
        """
        return EnergyReading(self.clock_ns(), tuple(map(_read_uj, self.zones)))

    def energy_j(self, start: EnergyReading, end: EnergyReading) -> float:
        """Return the joules of all zones between two readings, wraps corrected.

        Raises
        ------
        EnergyError
            When a counter could have passed its range, so that a further wrap would not be seen, and when one stood
            still in a window of at least `shortest_window_s`: it is not live, and its energy is not 0.
        """
        elapsed_s = (end.time_ns - start.time_ns) / 1e9
        total_uj = 0
        for zone, before, after in zip(self.zones, start.counts, end.counts, strict=True):
            if elapsed_s >= zone.longest_window_s:
                raise EnergyError(
                    f"{zone.name}: in {elapsed_s:.4g} s at up to {zone.power_bound_w:g} W the counter may have passed "
                    f"its range of {zone.range_uj / 1e6:.6g} J more than once; keep an epoch under "
                    f"{zone.longest_window_s:.4g} s, with fewer samples for example"
                )
            difference_uj = zone.difference_uj(before, after)
            if difference_uj == 0 and elapsed_s >= self.shortest_window_s:
                raise EnergyError(f"{zone.name}: the counter stood still at {after} uJ for {elapsed_s:.4g} s")
            total_uj += difference_uj
        return total_uj / 1e6

    def close(self) -> None:
        """Do nothing: files are open only while they are read."""


def open_rapl(root: Path = Path("/"), sleep: Callable[[float], object] = time.sleep) -> RaplCounter:
    """Find the zones that together are the processors and their memory, each counted once.

    All packages, and beside them the ``dram`` zones, which are no part of a package. ``core`` and ``uncore`` are parts
    of their package. ``psys`` is the platform, packages included: it is used only where there is no package. Zones of
    ``intel-rapl-mmio`` show the counters of ``intel-rapl`` again, under the same names. So do the dies of a package
    on some AMD processors; dies whose counters agree are taken for one. The flag ``enabled`` is not looked at: it is
    about power limits, and the counters run without them.

    Parameters
    ----------
    root
        Folder that holds ``sys``.
    sleep
        Waits that many seconds; called only where a counter reads 0.

    Raises
    ------
    NoCounterError
        Where there is no such zone, or one that cannot be read.
    """
    packages: list[Zone] = []
    zones: list[Zone] = []
    platform: list[Zone] = []
    for package, name, folder in _list_zones(root / POWERCAP):
        if name == package and name.startswith("package"):
            zone = _open_zone(name, folder)
            if not any(_mirrored(zone, other) for other in packages):
                packages.append(zone)
                zones.append(zone)
        elif name == "dram":
            zones.append(_open_zone(name, folder))
        elif name == "psys":
            platform.append(_open_zone(name, folder))
    chosen = zones if packages else platform
    live = [zone for zone in chosen if _live(zone, sleep)]
    dead = [zone for zone in chosen if zone not in live and zone.name != "dram"]
    if dead:
        raise NoCounterError(
            f"the counter {dead[0].folder / 'energy_uj'} stays at 0",
            "run on the machine itself: virtual machines may show a counter that does not count",
        )
    if not live:
        raise NoCounterError(
            f"no RAPL zone in {root / POWERCAP}",
            "run on x86 Linux on the machine itself, not in a virtual machine or a container that hides it; if the "
            "driver is not loaded: sudo modprobe intel_rapl_msr",
        )
    return RaplCounter(tuple(live))


def _list_zones(powercap: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield (name of the package, name of the zone, folder) in order, without what another driver shows again."""
    matches = [match for path in powercap.glob("intel-rapl*") if (match := ZONE_FOLDER.fullmatch(path.name))]
    packages: dict[tuple[str, str], str] = {}
    shown_by: dict[tuple[str, str], str] = {}
    for match in sorted(matches, key=lambda match: (match[1], int(match[2]), int(match[3] or -1))):
        driver, number, part = match.groups()
        folder = powercap / match[0]
        name = _read_file(folder / "name")
        package = packages.setdefault((driver, number), name) if part is None else packages.get((driver, number), "")
        if shown_by.setdefault((package, name), driver) == driver:
            yield package, name, folder


def _open_zone(name: str, folder: Path) -> Zone:
    text = _read_file(folder / "max_energy_range_uj")
    if not text.isdecimal() or int(text) == 0:
        raise NoCounterError(
            f"{folder / 'max_energy_range_uj'} holds {text!r}, not a number above 0",
            "without a range a wrap cannot be seen; a newer kernel may give it",
        )
    zone = Zone(name, folder, int(text), max([POWER_BOUND_W, *_maximum_powers_w(folder)]))
    _first_uj(zone)
    return zone


def _first_uj(zone: Zone) -> int:
    """Read a counter that may be unreadable, and say then what to do."""
    try:
        return _read_uj(zone)
    except EnergyError as error:
        raise NoCounterError(str(error), _remedy(error, zone)) from error


def _remedy(error: EnergyError, zone: Zone) -> str:
    if not isinstance(error.__cause__, PermissionError):
        return "look at the kernel's log: sudo dmesg | grep -i rapl"
    driver = zone.folder.name.partition(":")[0]
    return (
        f"let everyone read it until the next boot: sudo chmod a+r /{POWERCAP}/{driver}:*/energy_uj; for good, a file "
        f'in /etc/udev/rules.d with the line: SUBSYSTEM=="powercap", KERNEL=="{driver}:*", '
        'RUN+="/bin/chmod a+r /sys%p/energy_uj" '
        "(Linux keeps it to root since 5.10: other users' work can be watched through it, CVE-2020-8694)"
    )


def _maximum_powers_w(folder: Path) -> Iterator[float]:
    for path in folder.glob("constraint_*_max_power_uw"):
        try:
            yield int(path.read_text(encoding="ascii")) / 1e6
        except (OSError, ValueError):  # optional by powercap.rst, and the kernel answers ENODATA for some zones
            continue


def _mirrored(zone: Zone, other: Zone) -> bool:
    """Tell whether two dies of one package show one counter, as on some AMD Zen 1 and 2."""
    if zone.name.partition("-die-")[0] != other.name.partition("-die-")[0]:
        return False
    before, between, after = _first_uj(other), _first_uj(zone), _first_uj(other)
    since = other.difference_uj(before, after) + 2 * MIRROR_TOLERANCE_UJ
    return (between - before + MIRROR_TOLERANCE_UJ) % other.range_uj <= since


def _live(zone: Zone, sleep: Callable[[float], object]) -> bool:
    """Tell whether the counter counts. The kernel too takes a register that reads 0 for missing (rapl_check_domain)."""
    if _first_uj(zone) > 0:
        return True
    sleep(SETTLING_S)
    return _first_uj(zone) > 0


def _read_uj(zone: Zone) -> int:
    try:
        return zone.read_uj()
    except (OSError, ValueError) as error:
        raise EnergyError(f"cannot read {zone.folder / 'energy_uj'}: {_word(error)}") from error


def _read_file(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise NoCounterError(
            f"cannot read {path}: {_word(error)}",
            "run on the machine itself: a container may show the zones without their files",
        ) from error


def _word(error: OSError | ValueError) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
