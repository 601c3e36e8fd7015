"""How much the same differs from one session to the next, and what that leaves of the difference of two sessions.

A session's runs know how much they differ among themselves, and nothing of what else the machine does an hour later. So
a session is a random effect, estimated from other sessions that measured the very same; or, where there are none, from
what took another time in the two although it is the same work to the last bit.

This module may import NumPy only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from significand.analysis.moments import Floats

FEWEST_DF = 2
"""Of the variance between sessions: of fewer, as two sessions have, hardly anything can be said."""


@dataclass(frozen=True, eq=False)
class Between:
    """What sessions show of their scatter; all arrays have one entry per setup.

    Attributes
    ----------
    variance
        Of the mean of a session around those of others, on the scale of logs; NaN where unknown.
    within
        What of that is the scatter of its own runs.
    df
        Degrees of freedom of `variance`.
    """

    variance: Floats
    within: Floats
    df: Floats

    @property
    def known(self) -> np.ndarray:
        """Where anything tells."""
        return np.isfinite(self.variance)

    def or_else(self, other: "Between") -> "Between":
        """Return what another source tells where this one tells nothing."""
        own = ((self.variance, other.variance), (self.within, other.within), (self.df, other.df))
        return Between(*(np.where(self.known, ours, theirs) for ours, theirs in own))


def between(pools: Sequence[Sequence[Floats]]) -> tuple[float, float, float]:
    """Return variance, its part within sessions, and degrees of freedom, as `Between` has them, of one setup.

    Parameters
    ----------
    pools
        Sessions that measured the very same; of each the logs of its runs, shape (runs,). Each pool has a level of its
        own.

    Returns
    -------
    tuple of float
        NaN, NaN and 0 of fewer than `FEWEST_DF` degrees of freedom.
    """
    squares, df, within = 0.0, 0, []
    for pool in pools:
        sessions = [one[np.isfinite(one)] for one in pool]
        sessions = [one for one in sessions if one.size]
        if len(sessions) > 1:
            means = np.array([one.mean() for one in sessions])
            squares += float(((means - means.mean()) ** 2).sum())
            df += len(sessions) - 1
            within += [float(one.var(ddof=1)) / one.size for one in sessions if one.size > 1]
    if df < FEWEST_DF:
        return np.nan, np.nan, 0.0
    return squares / df, float(np.mean(within)) if within else 0.0, float(df)


def unknown(setups: int) -> Between:
    """Return that nothing is known of so many setups."""
    return Between(np.full(setups, np.nan), np.full(setups, np.nan), np.zeros(setups))


def between_two(shift: float, standard_error: float, setups: int) -> Between:
    """Return what the same work in both of two sessions tells of each of so many setups.

    One shift is one degree of freedom. Where what is compared shifts together with that work it is hardly found to
    differ; where it shifts by as much on its own, in a third as many cases as without (`benchmarks/sessions.py`).

    Parameters
    ----------
    shift, standard_error
        Of the log of what the work takes, from one session to the other; the error is that of the runs, and no part of
        what sessions scatter.
    setups
        How many.
    """
    variance = max(shift**2 - standard_error**2, 0.0) / 2
    return Between(np.full(setups, variance), np.zeros(setups), np.ones(setups))


def allowed_for(standard_error: Floats, df: Floats, sessions: Between) -> tuple[Floats, Floats]:
    """Return standard error and degrees of freedom of a difference of two sessions.

    Its variance is twice that of a session's mean, and what the two sessions' own runs scatter beyond those of the
    others. Degrees of freedom by Satterthwaite (Biometrics Bulletin 2, 1946), at most those of the better known. Where
    the same is measured in sessions of as many runs, this is the t test of a new observation against earlier ones.

    Parameters
    ----------
    standard_error, df
        Of the difference, from the runs of the two sessions alone, shape (setups,).
    sessions
        Of the same setups.

    Returns
    -------
    tuple of numpy.ndarray
        The same where sessions are unknown.
    """
    of_sessions = 2 * sessions.variance
    beyond = np.maximum(standard_error**2 - 2 * sessions.within, 0.0)
    squared = of_sessions + beyond
    with np.errstate(invalid="ignore", divide="ignore"):
        together = squared**2 / (of_sessions**2 / sessions.df + beyond**2 / df)
    together = np.minimum(together, np.maximum(sessions.df, df))  # of two with one each it would be two
    matters = sessions.known & np.isfinite(standard_error) & (squared > standard_error**2)
    return np.where(matters, np.sqrt(squared), standard_error), np.where(matters, together, df)
