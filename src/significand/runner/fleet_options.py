"""Where the blocks of an experiment run, as the user asks for it: checked, and made."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from significand.plan.problems import nearest, shown
from significand.runner.fleet import Mode
from significand.runner.places import FleetPlace

HAND, SLURM, DASK = "hand", "slurm", "dask://"
EXTRAS = {SLURM: ("submitit", "slurm"), DASK: ("distributed", "dask")}
"""What a place needs to be installed, and the extra that it comes with."""

MODES: tuple[Mode, ...] = ("each", "share")

NewPlace = Callable[[Path], FleetPlace]


@dataclass(frozen=True)
class FleetOptions:
    """Where blocks run, and who gets which.

    Attributes
    ----------
    on
        ``dask://HOST:PORT``, ``slurm`` or ``hand``.
    hosts
        ``each`` or ``share``; None for what the folder says, else ``each``.
    slurm
        What Slurm is asked for, as ``partition=bench,time=30``.
    require_fit
        Whether a machine that the doctor finds unfit is refused.
    allow_mixed
        Whether machines of different processors may share.
    """

    on: str
    hosts: str | None = None
    slurm: str = ""
    require_fit: bool = False
    allow_mixed: bool = False


def kind_of(on: str) -> str:
    """Return which place is meant: `DASK`, `SLURM` or `HAND`; nothing for what is none."""
    if on.startswith((DASK, "tcp://", "tls://")) and len(on.partition("://")[2]) > 1:
        return DASK
    return on if on in {SLURM, HAND} else ""


def problems_of(options: FleetOptions, hosts: str, before: str = "") -> list[str]:
    """Return what is wrong with where an experiment is to run.

    Parameters
    ----------
    options
        What is asked for.
    hosts
        ``each`` or ``share``, by `options` or by what was begun.
    before
        The latter, where something was begun.
    """
    problems = []
    if hosts not in MODES:
        hosts_told = shown(hosts) if not before else f"{hosts!r}, as in this folder, which is put together"
        problems.append(f"hosts: {hosts_told} is neither each nor share{nearest(hosts, MODES)}; give one of them")
    kind = kind_of(options.on)
    if not kind:
        told = f"on: {shown(options.on)} is no place{nearest(options.on, (HAND, SLURM, DASK))}"
        problems.append(f"{told}; give dask://HOST:PORT, slurm, or hand")
    elif kind in EXTRAS and importlib.util.find_spec(EXTRAS[kind][0]) is None:
        package, extra = EXTRAS[kind]
        problems.append(
            f"on: {shown(options.on)} needs {package}, which is not installed; pip install 'significand[{extra}]'"
        )
    if options.slurm and kind != SLURM:
        problems.append(f"slurm: {shown(options.slurm)} means nothing without --on slurm; leave it out")
    return problems


def place_of(options: FleetOptions, allow: Sequence[str], folder: Path, *, each: bool) -> NewPlace:
    """Return what makes the place, given the bundle of the experiment; the folder is the experiment's."""
    if kind_of(options.on) == DASK:
        from significand.runner.dask_place import DaskPlace  # noqa: PLC0415 - an extra

        scheme = "tcp://" if options.on.startswith(DASK) else ""
        address = f"{scheme}{options.on.removeprefix(DASK)}"
        return lambda bundle: DaskPlace(address, lambda: bundle, allow, folder=folder)
    from significand.runner.slurm_place import SlurmPlace  # noqa: PLC0415 - an extra

    return lambda bundle: SlurmPlace(options.slurm, bundle, folder, allow, each=each, only_fit=options.require_fit)
