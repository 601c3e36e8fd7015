"""Checks that hold an engine to the protocol, one of this package or of another: docs/engines.md shows their use.

A check is a call without arguments that raises `AssertionError`. Neither pytest nor, before one is called, torch is
needed.
"""

import functools
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from significand.engines.base import engine_modes
from significand.plan.precision import BASELINE, MODES
from significand.testing.case import Case, case_of
from significand.testing.network_checks import CHECKS
from significand.testing.process_checks import PROCESS_CHECKS
from significand.testing.workloads import WORKLOADS

__all__ = ["WORKLOADS", "Check", "check_engine", "checks_of"]


@dataclass(frozen=True)
class Check:
    """Something that an engine has to do, tried when the check is called.

    Attributes
    ----------
    name
        What is tried, on which workload in which mode: ``"numpy-perceptron-float32-gives_plain_arrays"``.
    wanted
        What has to hold, in a sentence.
    """

    name: str
    wanted: str
    _try: Callable[[], None] = field(repr=False)

    def __call__(self) -> None:
        """Try it.

        Raises
        ------
        AssertionError
            With what was found, what is wanted, and what to mend. What the engine itself raises passes.
        """
        self._try()

    def __str__(self) -> str:
        return self.name


def checks_of(
    engine: str,
    *,
    workloads: Iterable[str] = tuple(WORKLOADS),
    modes: Collection[str] | None = None,
    every_pair: bool = False,
) -> list[Check]:
    """Return the checks of an engine, which share the networks that they try.

    Parameters
    ----------
    engine
        Its name: one of this package, or what its entry point is called.
    workloads
        Names in `WORKLOADS` of those that it takes. Its processes are looked at with the first.
    modes
        Names of the precision modes to try; by default all that it runs, without their variants.
    every_pair
        Whether to try every mode on every workload. Otherwise it is every mode on the first workload, and on the others
        float32, or the first mode where that is not tried: enough to find most faults, in a fraction of the time.

    Raises
    ------
    ValueError
        For a workload or a mode that is not there.
    significand.engines.base.EngineMissingError
        When the engine cannot be had.
    """
    known = engine_modes()
    if engine not in known:
        raise ValueError(f"{engine!r} is no engine that is installed; there are {', '.join(known)}")
    tried = tuple([name for name in known[engine] if name in list(MODES)] if modes is None else modes)
    names = tuple(workloads)
    for what, given, allowed in (("workload", names, WORKLOADS), ("mode of the engine", tried, known[engine])):
        if unknown := [name for name in given if name not in allowed] or ([] if given else ["nothing"]):
            raise ValueError(f"{unknown[0]!r} is no {what}; give some of {', '.join(allowed)}")
    plain = BASELINE if BASELINE in tried else tried[0]
    cases = [
        case_of(engine, workload, mode)
        for workload in names
        for mode in tried
        if every_pair or workload == names[0] or mode == plain
    ]
    of_cases = [
        Check(f"{case}-{check.__name__}", _first_line(check), functools.partial(check, case))
        for case in cases
        for check in CHECKS
        if check.__name__ not in NEEDED_BY or NEEDED_BY[check.__name__](case)
    ]
    return of_cases + [
        Check(f"{engine}-{check.__name__}", _first_line(check), functools.partial(check, engine, names[0], tried))
        for check in PROCESS_CHECKS
    ]


def check_engine(
    engine: str,
    *,
    workloads: Iterable[str] = tuple(WORKLOADS),
    modes: Collection[str] | None = None,
    every_pair: bool = False,
) -> None:
    """Try all checks of `checks_of`, which has the parameters.

    Raises
    ------
    AssertionError
        With a line for each check that fails.
    """
    failed = []
    for check in checks_of(engine, workloads=workloads, modes=modes, every_pair=every_pair):
        try:
            check()
        except Exception as error:  # noqa: BLE001 - an engine raises what it likes, and the other checks go on
            failed.append(f"{check}: {'' if isinstance(error, AssertionError) else f'{type(error).__name__}: '}{error}")
    if failed:
        raise AssertionError("\n".join(failed))


NEEDED_BY: dict[str, Callable[[Case], bool]] = {
    "goes_by_names": lambda case: case.workload.has_several,
    "agrees_with_the_yardstick": lambda case: not case.workload.has_several,
    "is_no_finer_than_it_says": lambda case: case.workload.is_perceptron,
}
"""Of checks that only some networks allow: which."""


def _first_line(check: Callable[..., None]) -> str:
    return (check.__doc__ or "").partition("\n")[0]
