"""The examples that an examination has saved, as the parts of one repeat. No torch here."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from significand.plan.setup import Network
from significand.workload.arrays import load_arrays
from significand.workload.base import Examples, Split
from significand.workload.examined import Examined, ProgramError
from significand.workload.held import Held


def n_held_out(n: int, test_fraction: float) -> int:
    """Return how many of n examples are held out: a share, rounded, but at least one and never all."""
    return min(max(1, round(test_fraction * n)), n - 1)


def split_of(folder: Path, workload: Network, seed: int) -> Split:
    """Return what is trained on and what is held out.

    Where the user gave both parts they are taken as they are, at most `Network.n_samples` of each. Else so many are
    drawn of all, and `Network.test_fraction` of these is held out. The seed decides what is drawn.
    """
    examples = _part(folder, "train")
    generator, most = np.random.default_rng(seed), workload.n_samples
    drawn = generator.permutation(len(examples))[:most]
    if (folder / "test-inputs").exists():
        test = _part(folder, "test")
        is_more = most is not None and len(test) > most
        rows = generator.permutation(len(test))[:most] if is_more else np.arange(len(test))
        return Split(examples.take(drawn), test.take(rows) if is_more else test, rows, len(test))
    n_test = n_held_out(len(drawn), workload.test_fraction)
    return Split(examples.take(drawn[n_test:]), examples.take(drawn[:n_test]), drawn[:n_test], len(examples))


@contextlib.contextmanager
def unchanged(files: Iterable[Held]) -> Iterator[None]:
    """Refuse what was read inside where a file is not what it was, also where that is why reading it raises.

    Raises
    ------
    ProgramError
        With a line for each such file.
    """
    try:
        yield
    except Exception:
        _check(files)
        raise
    _check(files)


class ExaminedMaterial:
    """What the materials have in common that stand on an examination.

    Parameters
    ----------
    workload
        What is measured.
    folder
        Of the examination (`significand.workload.trial`).
    """

    def __init__(self, workload: Network, folder: Path) -> None:
        self._workload = workload
        self._folder = folder
        self._facts = Examined.read(folder)
        self.probe_examples = self._facts.probe_examples

    def split(self, seed: int) -> Split:
        """Return what is trained on or calibrated with, and what is scored."""
        return split_of(self._folder, self._workload, seed)


def _part(folder: Path, name: str) -> Examples:
    targets = folder / f"{name}-targets"
    return Examples(load_arrays(folder / f"{name}-inputs"), load_arrays(targets) if targets.exists() else None)


def _check(files: Iterable[Held]) -> None:
    remedy = "this run would measure another network; start anew, and leave the file as it is until the end"
    if problems := [
        f"{file.name} {problem}: {remedy}" for file in files if file.for_runs and (problem := file.problem())
    ]:
        raise ProgramError(problems)
