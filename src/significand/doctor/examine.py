"""Is this machine fit to measure on, what stands in the way, and what to do about it.

Each check stands in a module beside this one; here they get their order.
"""

from collections.abc import Callable, Collection, Iterable

from significand.doctor import instruments as meters
from significand.doctor import modes as engines
from significand.doctor import processor, surroundings
from significand.doctor.check import Check, Instruments

CHECKS: dict[str, Callable[[Instruments], Iterable[Check]]] = {
    "load": surroundings.load,
    "cpu": processor.cpu,
    "instruction_sets": processor.instruction_sets,
    "threads": processor.threads,
    "affinity": processor.affinity,
    "cpu_quota": processor.cpu_quota,
    "governor": processor.governor,
    "turbo": processor.turbo,
    "virtual_machine": processor.virtual_machine,
    "steal": processor.steal,
    "memory": surroundings.memory,
    "clock": meters.clock,
    "noise_meter": meters.noise_meter,
    "peak_memory": meters.peak_memory,
    "energy": meters.energy,
    "environment": surroundings.environment,
    "temporary_folder": surroundings.temporary_folder,
    "modes": engines.modes,
}
"""By name, in the order shown; energy and modes give several lines."""


def examine(instruments: Instruments | None = None, *, without: Collection[str] = ()) -> list[Check]:
    """Run every check but some, in a fixed order. One that fails itself is a warning, and the others go on."""
    given = instruments or Instruments()
    checks: list[Check] = []
    for name, look in CHECKS.items():
        if name in without:
            continue
        try:
            checks += look(given)
        except Exception as error:  # noqa: BLE001 - whatever this machine answers, the rest is still worth saying
            checks.append(
                Check(name, "warn", f"could not be checked: {type(error).__name__}: {error}", "the other checks stand")
            )
    return checks
