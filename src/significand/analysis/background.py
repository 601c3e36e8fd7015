"""What others on the machine add to a ratio of training times, although every step counts as quiet.

A step in which others took more than the limit is measured again; one in which they took less is kept. What a busy
background takes comes in bursts. A short step is hit by a whole burst, far beyond the limit, and measured again until
it is hit by none. A long step holds many bursts, a small share of it each time, and is kept: what remains in it is as
much as what was removed from the short one. Rounds of latency are all of one length, so that the ratio of their times
knows no such bias; epochs are not.
"""

from collections.abc import Sequence

import numpy as np

from significand.analysis.moments import Floats
from significand.results.table import RunTable

SHARE = "training_others_share"


def background_of(runs: RunTable, baselines: Sequence[int]) -> Floats:
    """Return by what others' remaining share multiplies the ratio of each setup's training time to its baseline's.

    Of a step in which others took a share s of the CPU time that it needed, 1 - s of the time is its own. The geometric
    mean over repeats of (1 - s of the baseline) / (1 - s of the setup), shape (setups,); NaN where shares are unknown.
    """
    shares, repeats = runs.numbers(SHARE), runs.counts("repeat")
    factors = np.full(len(baselines), np.nan)
    for setup, baseline in enumerate(baselines):
        rows, others = runs.rows_of(setup), runs.rows_of(baseline)
        _, own, theirs = np.intersect1d(repeats[rows], repeats[others], return_indices=True)
        left = [1 - shares[side] for side in (rows[own], others[theirs])]
        with np.errstate(invalid="ignore", divide="ignore"):
            logs = np.log(left[1]) - np.log(left[0])
        known = logs[np.isfinite(logs)]
        if setup != baseline and known.size:
            factors[setup] = np.exp(known.mean())
    return factors
