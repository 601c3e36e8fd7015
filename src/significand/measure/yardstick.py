"""What a network's weights give in the most exact arithmetic there is, computed once for all runs that share them."""

import fcntl
import functools
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from significand.plan.setup import Setup
from significand.results.store import replacing
from significand.workload.arrays import Arrays
from significand.workload.base import Outputs, Trained


@dataclass(frozen=True)
class Yardstick:
    """What every precision is held against.

    Attributes
    ----------
    outputs
        In float64, where the network can be had in it.
    note
        What is to be known of them; may be empty.
    """

    outputs: Outputs
    note: str


def shared_folder(scratch: Path, seed: int) -> Path:
    """Return a folder in which the runs of a repeat share their yardsticks, new or there; those of others are removed.

    Parameters
    ----------
    scratch
        Folder for temporary files of all runs, of which those of one repeat run at a time.
    seed
        Of the repeat.
    """
    folder = scratch / f"yardsticks-{seed}"
    for other in scratch.glob("yardsticks-*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)  # another run may be at it
    folder.mkdir(exist_ok=True)
    return folder


def yardstick_of(trained: Trained, setup: Setup, inputs: Arrays, shared: Path | None) -> Callable[[], Yardstick]:
    """Return what gives a network's yardstick, before or after it was converted.

    A network that is gone once it was converted is computed now; others when they are asked for, so that whoever
    converts least computes, and the others find it done.

    Parameters
    ----------
    trained, setup
        The network, and what it is a setup of.
    inputs
        Held-out examples.
    shared
        A folder of `shared_folder`; None where nobody shares.
    """
    find: Callable[[], Yardstick] = functools.partial(_computed, trained, inputs)
    if shared and (identity := trained.identity()):
        # Sums of several threads come in another order, and weights of the same name mean another network elsewhere.
        key = repr((identity, setup.options, setup.threads, inputs.sha256()))
        find = functools.partial(_once, shared / hashlib.sha256(key.encode()).hexdigest(), find)
    if trained.lasts:
        return find
    found = find()
    return lambda: found


def _computed(trained: Trained, inputs: Arrays) -> Yardstick:
    outputs = trained.reference(inputs)
    return Yardstick(outputs, trained.note)


def _once(path: Path, compute: Callable[[], Yardstick]) -> Yardstick:
    """Return what a file holds, or compute it and write it; others wait meanwhile, and the next does so if we die."""
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the kernel opens it when the process ends
        if path.exists():
            return _read(path)
        found = compute()
        with replacing(path, "wb") as file:
            np.savez(file, *found.outputs, note=np.array(found.note))
        return found


def _read(path: Path) -> Yardstick:
    with np.load(path, allow_pickle=False) as held:
        return Yardstick([held[f"arr_{at}"] for at in range(len(held.files) - 1)], str(held["note"]))
