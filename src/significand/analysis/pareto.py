"""Which points no other point beats: Pareto dominance over any number of objectives.

This module may import NumPy and moocore only.
"""

from collections.abc import Sequence

import moocore  # at the top: 0.05 s beyond NumPy, which is too little to hide in a function
import numpy as np
from numpy.typing import ArrayLike, NDArray


def nondominated(points: ArrayLike, maximise: bool | Sequence[bool] = False) -> NDArray[np.bool_]:
    """Mark the points that no other point dominates.

    A point dominates another if it is at least as good in every objective and strictly better in one. Equal
    points therefore never dominate each other: either all of them are marked or none is.

    Parameters
    ----------
    points
        Shape ``(n, m)``: n points with m objectives, each column in a unit of its own.
    maximise
        Whether larger is better: one bool for all objectives, or one for each of the m.

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
    array = np.asarray(points, dtype=np.float64)
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
    return marked


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
    latencies = np.asarray(latency, dtype=np.float64)
    accuracies = np.asarray(accuracy, dtype=np.float64)
    if latencies.ndim != 1 or latencies.shape != accuracies.shape:
        raise ValueError(
            f"latency has shape {latencies.shape} and accuracy has shape {accuracies.shape}; "
            "both must be (n,) with the same n. Give one latency and one accuracy per point."
        )
    return nondominated(np.column_stack([latencies, accuracies]), maximise=[False, True])
