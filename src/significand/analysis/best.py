"""Which setups cannot be told from the cheapest, and how probably each is the cheapest that will do."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from significand.analysis.below import Below
from significand.analysis.loss import Loss
from significand.analysis.moments import Floats
from significand.analysis.pareto_bootstrap import MOST_WEIGHTED_BLOCKS, resampled_means

DRAWS = 20_000
"""Behind a quantile of the largest of several t statistics; its standard error is then about 0.01."""

RESAMPLES = 2_000

MOST_RIVALS = 20
"""Of the cheapest setups, with how many each is compared."""

MOST_DRAWN = 12
"""Statistics whose largest is drawn; of more, its quantile is bounded."""


def among_best(
    logs: Floats, members: NDArray[np.int64], blurs: Floats, *, exact: bool = False, level: float = 0.95
) -> NDArray[np.bool_]:
    """Return which setups cannot be told from the cheapest one, shape (setups,).

    Hsu's multiple comparisons with the best (Annals of Statistics 9, 1981; Journal of the American Statistical
    Association 79, 1984): a setup stays unless another is shown to cost less, at the one-sided level at which all
    comparisons of the setup hold together. So the cheapest is among them with probability `level`. The critical value
    is that of the largest of the t statistics, with the correlations that the repeats show.

    Parameters
    ----------
    logs
        Log of the cost of each run, shape (repeats, setups).
    members
        Setups to compare; none of the others is among the best.
    blurs, exact
        As of `significand.analysis.choose.choose`.
    level
        Between 0 and 1.
    """
    stays = np.zeros(logs.shape[1], dtype=np.bool_)
    members = members[np.argsort(np.nanmean(logs[:, members], axis=0), kind="stable")] if members.size else members
    for k in members.tolist():
        others = [j for j in members.tolist() if j != k]
        # A setup is excluded by a cheap one, or by none.
        rivals = [Below(logs[:, j] - logs[:, k], exact, float(max(blurs[j], blurs[k]))) for j in others[:MOST_RIVALS]]
        critical = _largest_t(logs[:, others] - logs[:, [k]], level) if rivals else 0.0
        stays[k] = not any(_is_beyond(one, critical) for one in rivals)
    return stays


def _is_beyond(test: Below, critical: float) -> bool:
    distance = test.mean + test.blur
    if not distance < 0:
        return False
    if test.exact or test.deviation == 0:
        return True
    return test.n > 1 and -distance * math.sqrt(test.n) > critical * test.deviation  # of costs, which share nothing


def _largest_t(differences: Floats, level: float) -> float:
    """Return the quantile of the largest of the columns' t statistics where all means are 0; a column a comparison."""
    whole = differences[np.isfinite(differences).all(axis=1)]
    n = len(whole)
    if n < 2:
        return math.inf
    if whole.shape[1] == 1 or whole.shape[1] > MOST_DRAWN:
        return float(stdtrit(n - 1, 1 - (1 - level) / whole.shape[1]))  # Bonferroni's bound: a little larger
    deviations = whole - whole.mean(axis=0)
    scales = np.sqrt((deviations**2).sum(axis=0))
    moving = deviations[:, scales > 0] / scales[scales > 0]
    if not moving.size:
        return 0.0
    if n > max(MOST_WEIGHTED_BLOCKS, moving.shape[1]):
        moving = np.linalg.qr(moving, mode="r")  # a few rows stand for all repeats, exactly: see `resampled_means`
    random = np.random.default_rng(0)
    statistics = random.standard_normal((DRAWS, len(moving))) @ moving
    statistics *= np.sqrt((n - 1) / random.chisquare(n - 1, size=(DRAWS, 1)))
    return float(np.quantile(statistics.max(axis=1), level))


def p_best(logs: Floats, excesses: Sequence[Floats], losses: Sequence[Loss], margin: float, reference: int) -> Floats:
    """Return by setup the probability of being the cheapest of those that keep margin and limits.

    Over random weights of the repeats, as for the frontier (`significand.analysis.pareto_bootstrap`), and losses drawn
    from their distribution.

    Parameters
    ----------
    logs
        Log of the cost of each run, shape (repeats, setups); NaN where there is none.
    excesses
        Of each limit how far each run is beyond it, of the same shape.
    losses, margin, reference
        As of `significand.analysis.choose.choose`.

    Returns
    -------
    numpy.ndarray
        Shape (setups,); NaN of those that fewer than half of the repeats know, and where fewer than two know all.
    """
    p = np.full(logs.shape[1], np.nan)
    together = np.isfinite(logs) & np.isfinite(logs[:, [reference]])
    known = [
        k
        for k in np.flatnonzero(together.any(axis=0)).tolist()
        if 2 * np.count_nonzero(np.isfinite(logs[:, k])) >= len(logs)
    ]
    columns = np.array([part[:, k] for part in (logs, *excesses) for k in known])
    columns = columns[:, np.isfinite(columns).all(axis=0)] if known else np.empty((0, 0))
    if columns.shape[1] < 2:
        return p
    random = np.random.default_rng(0)
    drawn = resampled_means(np.ascontiguousarray(columns), RESAMPLES, random).reshape(RESAMPLES, -1, len(known))
    kept: NDArray[np.bool_] = np.asarray((drawn[:, 1:] < 0).all(axis=1))
    for place, k in enumerate(known):
        if k != reference:
            one = losses[k]
            lost = random.normal(one.point, one.standard_error, RESAMPLES) if one.evidence else np.full(1, np.nan)
            kept[:, place] &= lost < margin
    costs = np.where(kept, drawn[:, 0], np.inf)
    wins = (costs == costs.min(axis=1, keepdims=True)) & kept
    p[known] = (wins / np.maximum(1, wins.sum(axis=1, keepdims=True))).mean(axis=0)
    return p
