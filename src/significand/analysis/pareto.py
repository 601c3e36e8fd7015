"""Which points no other point beats: Pareto dominance over any number of objectives, and the values it works on.

For one frontier a point is a setup. For its uncertainty a table holds the values of all runs, shape (blocks, setups,
objectives). Costs are never pooled over machines: to use the blocks of several, make them comparable first.

This module may import NumPy and moocore only, and what reads numbers.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import moocore  # at the top: 0.05 s beyond NumPy, which is too little to hide in a function
import numpy as np
from numpy.typing import ArrayLike, NDArray

from significand.analysis.columns import collected, numbers
from significand.plan.metrics import METRICS, OBJECTIVES, Metric

Floats = NDArray[np.float64]


def select_objectives(names: str | Sequence[str], energy_kinds: Collection[str] = ()) -> tuple[Metric, ...]:
    """Return the objectives of these names, in the order given.

    Parameters
    ----------
    names
        Two or more names: ``"latency,accuracy,memory"`` or a sequence of them.
    energy_kinds
        The `energy_kind` of every run that is to be compared, in any order.

    Raises
    ------
    ValueError
        If a name is unknown or given twice, if there are fewer than two, or if energy is asked for although not
        every run's was measured: an estimate restates CPU time, so it would count the same cost a second time.
    """
    listed = [name.strip() for name in (names.split(",") if isinstance(names, str) else names)]
    unknown = [name for name in listed if name not in OBJECTIVES]
    if unknown:
        raise ValueError(f"objectives has {', '.join(map(repr, unknown))}; choose from {', '.join(OBJECTIVES)}.")
    if len(listed) < 2 or len(set(listed)) < len(listed):
        raise ValueError(
            f"objectives is {','.join(listed)!r}; a frontier needs two or more, each named once. "
            "Give for example latency,accuracy."
        )
    chosen = tuple(METRICS[name] for name in listed)
    estimated = [metric.name for metric in chosen if metric.may_be_estimated]
    if estimated and set(energy_kinds) != {"measured"}:
        found = ", ".join(sorted(kind or "unknown" for kind in set(energy_kinds))) or "unknown"
        raise ValueError(
            f"{estimated[0]} is an objective, but the runs' energy_kind is {found}; it must be measured in every run. "
            "An estimate restates CPU time, so a setup would win on the same cost twice. "
            f"Leave {estimated[0]} out of the objectives, or measure on a machine with an energy counter."
        )
    return chosen


@dataclass(frozen=True)
class Zone:
    """What does not matter in one objective: a share of what is better, or a plain difference; 0 and 0 where all does.

    The zone of indifference of Roy (Revue Francaise d'Informatique et de Recherche Operationnelle 8, 1968): who is
    worse by no more in every objective is as good.
    """

    share: float = 0.0
    size: float = 0.0


def nondominated(
    points: ArrayLike, maximise: bool | Sequence[bool] = False, zones: Sequence[Zone] = ()
) -> NDArray[np.bool_]:
    """Mark the points that no other point dominates.

    A point dominates another if it is at least as good in every objective and strictly better in one. Equal
    points therefore never dominate each other: either all of them are marked or none is.

    Parameters
    ----------
    points
        Shape ``(n, m)``: n points with m objectives, each column in a unit of its own.
    maximise
        Whether larger is better: one bool for all objectives, or one for each of the m.
    zones
        For each objective what does not matter: a point is then dominated only by one that is at least as good in every
        objective and better by more than that in one. By default everything matters.

    Returns
    -------
    numpy.ndarray
        Shape ``(n,)``, bool. A point with NaN or an infinity is never marked and dominates nothing: a setup
        without a result in one objective cannot be ranked.

    Raises
    ------
    ValueError
        If `points` has not two dimensions, or `maximise` has not one entry per objective.
    """
    array = numbers("points", points)
    if array.ndim != 2 or array.shape[1] < 1:
        raise ValueError(
            f"points has shape {array.shape}; it must be (n points, m objectives) with m >= 1. "
            "Stack one column per objective, for example with numpy.column_stack."
        )
    n_objectives = array.shape[1]
    directions = [maximise] * n_objectives if isinstance(maximise, bool) else [bool(flag) for flag in maximise]
    if len(directions) != n_objectives:
        raise ValueError(
            f"maximise has {len(directions)} entries for {n_objectives} objectives; "
            "give one bool per objective, or a single bool for all."
        )
    marked = np.zeros(len(array), dtype=np.bool_)
    rankable = np.isfinite(array).all(axis=1)
    if rankable.any():
        marked[rankable] = moocore.is_nondominated(array[rankable], maximise=directions, keep_weakly=True)
        if any(zone != Zone() for zone in zones):
            signs = np.where(directions, -1.0, 1.0)
            candidates = np.flatnonzero(rankable & ~marked)
            best = signs * array[marked]
            for row in candidates:  # what dominates by more is dominated by a point on the frontier, by as much
                marked[row] = not dominates(best, signs * array[row], zones).any()
    return marked


def dominates(costs: Floats, other: Floats, zones: Sequence[Zone]) -> NDArray[np.bool_]:
    """Tell which costs, shape (..., objectives), are no worse than others and in one better by more than its zone."""
    factors, sizes = (np.array([getattr(zone, name) for zone in zones]) for name in ("share", "size"))
    no_worse = (costs <= other).all(axis=-1)
    beyond = (costs + np.abs(costs) * factors + sizes < other).any(axis=-1)
    return np.asarray(no_worse & beyond)


def frontier(latency: ArrayLike, accuracy: ArrayLike) -> NDArray[np.bool_]:
    """Mark the points on the Pareto frontier of latency (minimised) against accuracy (maximised).

    Parameters
    ----------
    latency
        Shape ``(n,)``, in any unit that is the same for all points.
    accuracy
        Shape ``(n,)``, in any unit that is the same for all points.

    Returns
    -------
    numpy.ndarray
        Shape ``(n,)``, bool. Equal points are on the frontier together; a point with NaN or an infinity is
        never on it. Empty input gives an empty array.

    Raises
    ------
    ValueError
        If the two are not one-dimensional and of the same length.

    See Also
    --------
    nondominated : the same for any number of objectives.
    """
    latencies, accuracies = numbers("latency", latency), numbers("accuracy", accuracy)
    if latencies.ndim != 1 or latencies.shape != accuracies.shape:
        raise ValueError(
            f"latency has shape {latencies.shape} and accuracy has shape {accuracies.shape}; "
            "both must be (n,) with the same n. Give one latency and one accuracy per point."
        )
    return nondominated(np.column_stack([latencies, accuracies]), maximise=[False, True])


def block_table(values: ArrayLike, blocks: ArrayLike, setups: ArrayLike, shape: tuple[int, int]) -> Floats:
    """Arrange runs as (blocks, setups, objectives), NaN where there is no run.

    Parameters
    ----------
    values
        Shape (runs, objectives).
    blocks, setups
        Shape (runs,), whole numbers from 0: which block and which setup each run belongs to.
    shape
        How many blocks and setups there are.

    Raises
    ------
    ValueError
        If the lengths differ, a number lies outside `shape`, or two runs claim the same place.
    """
    runs = numbers("values", values)
    where = np.asarray(collected(blocks), dtype=np.intp), np.asarray(collected(setups), dtype=np.intp)
    if runs.ndim != 2 or where[0].shape != (len(runs),) or where[1].shape != (len(runs),):
        raise ValueError(
            f"values has shape {runs.shape}, blocks {where[0].shape} and setups {where[1].shape}; "
            "they must be (runs, objectives), (runs,) and (runs,). Give one block and one setup per run."
        )
    try:
        places = np.ravel_multi_index(where, shape)
    except ValueError:
        raise ValueError(
            f"blocks or setups has a number outside the {shape[0]} blocks and {shape[1]} setups; "
            "number both from 0, for example with numpy.unique(..., return_inverse=True)."
        ) from None
    if places.size and (most := int(np.bincount(places).max())) > 1:
        raise ValueError(f"{most} runs have the same block and setup; there may be one. Count each repeat as a block.")
    table = np.full((shape[0] * shape[1], runs.shape[1]), np.nan)
    table[places] = runs
    return table.reshape(*shape, -1)


def relative_to_baseline(table: ArrayLike, maximise: Sequence[bool], baseline: int) -> Floats:
    """Compare every setup with the baseline of its own block, so that blocks of different machines are comparable.

    Parameters
    ----------
    table
        Shape (blocks, setups, objectives).
    maximise
        One bool per objective. Costs (False) become the natural logarithm of the ratio to the baseline, whose
        mean is the geometric mean ratio; scores (True) become the difference.
    baseline
        Index of the setup.

    Returns
    -------
    numpy.ndarray
        The shape of `table`; NaN where either side is missing, or a cost is not positive.
    """
    relative = checked_table(table, maximise).copy()
    costs = ~np.asarray(maximise, dtype=np.bool_)
    relative[~np.isfinite(relative)] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):  # what is not positive becomes NaN or an infinity
        relative[..., costs] = np.log(relative[..., costs])
        relative -= relative[:, [baseline]]
    relative[~np.isfinite(relative)] = np.nan
    return relative


def mean_by_host(table: ArrayLike, hosts: ArrayLike) -> Floats:
    """Return one block per host: the mean over the host's blocks, without what is missing.

    Repeats on one host share what is peculiar to it, so for a statement about machines the host is the unit. Meant for
    values relative to the baseline: those do not depend on which of a host's blocks are missing.

    Parameters
    ----------
    table
        Shape (blocks, setups, objectives).
    hosts
        Shape (blocks,): the host of each block.

    Returns
    -------
    numpy.ndarray
        Shape (hosts, setups, objectives), in the sorted order of the hosts.

    Raises
    ------
    ValueError
        If there is not one host per block.
    """
    array, names = numbers("table", table), np.asarray(collected(hosts))
    if names.shape != array.shape[:1]:
        raise ValueError(f"hosts has shape {names.shape} for {len(array)} blocks; give one host per block.")
    codes = np.unique(names, return_inverse=True)[1]
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    if not starts.size:
        return array.copy()
    array = array[order]
    present = np.isfinite(array)
    with np.errstate(invalid="ignore"):  # nothing over nothing is NaN, as meant
        sums = np.add.reduceat(np.where(present, array, 0.0), starts, axis=0)
        return np.asarray(sums / np.add.reduceat(present, starts, axis=0, dtype=np.intp))


def checked_table(table: ArrayLike, maximise: Sequence[bool]) -> Floats:
    """Return `table` as an array.

    Raises
    ------
    ValueError
        If it is not (blocks, setups, objectives), or `maximise` has not one entry per objective.
    """
    array = numbers("table", table)
    if array.ndim != 3 or array.shape[2] != len(maximise) or not len(maximise):
        raise ValueError(
            f"table has shape {array.shape} and maximise {len(maximise)} entries; the table must be (blocks, setups, "
            "objectives) with one direction per objective. Arrange runs with block_table."
        )
    return array
