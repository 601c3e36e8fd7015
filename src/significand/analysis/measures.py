"""How each metric is compared, and the columns of runs on the scale of the comparison."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from significand.analysis.columns import collected, numbers
from significand.plan.metrics import METRICS, Metric

Column = ArrayLike | Sequence[float | None]


def shown(metric: Metric, difference: float) -> float:
    """Take a difference of logs back to a ratio; points are what they are."""
    with np.errstate(over="ignore", under="ignore"):  # an interval of a few wild ratios may reach infinity
        return float(np.exp(difference)) if metric.scale == "ratio" else float(difference)


def band(metric: Metric, margin: float) -> float:
    """Turn a margin into logs, where it is symmetric: from 1 / (1 + margin) to 1 + margin."""
    return math.log1p(margin) if metric.scale == "ratio" else margin


def scaled_columns(
    samples: Mapping[str, Column],
    n_runs: int,
    margins: Mapping[str, float],
    metrics: Mapping[str, Metric] = METRICS,
) -> list[NDArray[np.float64]]:
    """Return the logs of costs, accuracies in percentage points, and other scores as they are.

    Parameters
    ----------
    samples
        By metric, one value per run, shape (n_runs,); NaN or None where a run has none.
    n_runs
        Number of runs.
    margins
        By metric, only checked.
    metrics
        What each metric is; see `significand.plan.metrics.scored`.

    Returns
    -------
    list of numpy.ndarray
        In the order of `samples`; NaN for a cost that is not positive, which has no log.

    Raises
    ------
    ValueError
        If a metric is not in `METRICS`, a margin is not positive or of another metric, or a length differs.
    """
    for metric, margin in margins.items():
        if metric not in samples or not 0 < margin < math.inf:
            raise ValueError(
                f"the margin of {metric} is {margin}; it must be a positive number for one of {', '.join(samples)}: "
                "a share of a cost (0.02 for 2 %), percentage points of an accuracy, or a difference of another score."
            )
    columns = []
    for metric, values in samples.items():
        if metric not in METRICS:
            raise ValueError(f"metric {metric!r} cannot be compared; give one of {', '.join(METRICS)}.")
        column = numbers(metric, values)
        if column.shape != (n_runs,):
            raise ValueError(f"{metric} has shape {column.shape} for {n_runs} runs; give one value per run.")
        if metrics[metric].scale == "ratio":
            columns.append(np.log(column, out=np.full(n_runs, math.nan), where=column > 0))
        else:
            with np.errstate(over="ignore"):
                columns.append(100.0 * column if metrics[metric].scale == "points" else column)
    return columns


def checked_codes(name: str, values: ArrayLike, bound: int | None, size: int | None = None) -> NDArray[np.int64]:
    """Return codes as integers.

    Parameters
    ----------
    name
        How the error calls them.
    values
        Shape (n,): integers from 0.
    bound, size
        Number of codes there are, and the n wanted; None where that is open.

    Raises
    ------
    ValueError
        If they are not one integer each, or out of range.
    """
    codes = np.asarray(collected(values))
    if codes.size == 0:
        codes = codes.astype(np.int64)  # an empty list comes as floats
    if codes.ndim != 1 or not np.issubdtype(codes.dtype, np.integer) or (size is not None and codes.size != size):
        of = "" if size is None else f" for {size} runs"
        raise ValueError(
            f"{name} has shape {codes.shape} and type {codes.dtype}{of}; it must be one integer each. "
            "numpy.unique(..., return_inverse=True) makes codes of names."
        )
    if codes.size and (codes.min() < 0 or (bound is not None and codes.max() >= bound)):
        limit = "0 or more" if bound is None else f"from 0 to {bound - 1}, an index of names"
        raise ValueError(f"{name} has codes from {codes.min()} to {codes.max()}; they must be {limit}.")
    return codes.astype(np.int64, copy=False)
