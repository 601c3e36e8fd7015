"""From flat columns of runs to one effect per setup: the mean difference to a baseline and its standard error.

Values are logs of costs or accuracies in percentage points, so neither has a unit.
Millions of rows are a matter of array operations: nothing here loops over rows.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from significand.analysis.autocorrelation import lag1
from significand.analysis.moments import Codes, Floats, grouped_moments
from significand.analysis.ranks import second_opinion

ROUNDING = 1e-12
"""A deviation below this, of logs or percentage points, is rounding: no clock, counter or count resolves as much."""


@dataclass(frozen=True)
class Matches:
    """Which row is compared with which.

    Attributes
    ----------
    rows, partners
        Shape (n_pairs,): a row of a setup and the row of its baseline in the same block.
    setups
        Shape (n_pairs,): the setup of each.
    blocks
        Shape (n_setups,): blocks in which the setup or its baseline has a row.
    """

    rows: Codes
    partners: Codes
    setups: Codes
    blocks: Codes


@dataclass(frozen=True)
class Effects:
    """The mean difference of each setup to its baseline; all arrays have shape (n_setups,).

    Attributes
    ----------
    mean
        NaN where either side has no value.
    standard_error, df
        Of the mean, and its degrees of freedom; NaN where there is no spread to estimate.
    n, n_baseline
        Values behind it: both are the number of pairs where values are paired.
    left_out
        Pairs of which a side is missing or unusable; where values are not paired, unusable rows.
    constant
        Whether all differences are equal up to rounding, so that no test exists; never with a single one.
    lag1
        Correlation of neighbouring differences; NaN where values are not paired.
    rank_point, rank_low, rank_high
        Hodges and Lehmann's estimate and its interval; NaN where values are not paired, or are too few.
    """

    mean: Floats
    standard_error: Floats
    df: Floats
    n: Codes
    n_baseline: Codes
    left_out: Codes
    constant: NDArray[np.bool_]
    lag1: Floats
    rank_point: Floats
    rank_low: Floats
    rank_high: Floats


def match(setups: Codes, blocks: Codes, baselines: Codes) -> Matches:
    """Find for every row the row of its setup's baseline in the same block.

    Parameters
    ----------
    setups, blocks
        Shape (n_rows,): codes from 0.
    baselines
        Shape (n_setups,): the setup that each is compared with.

    Raises
    ------
    ValueError
        If a setup has two rows in a block.
    """
    n_blocks = int(blocks.max(initial=0)) + 1
    keys = setups * n_blocks + blocks
    order = np.argsort(keys)  # keys are unique, or refused: stability would only cost time
    ranked = keys[order]
    repeated = np.flatnonzero(ranked[1:] == ranked[:-1])
    if repeated.size:
        setup, block = divmod(int(ranked[repeated[0]]), n_blocks)
        raise ValueError(
            f"setup {setup} has more than one row in block {block}, as have {repeated.size - 1} others; a pair is one "
            "run against one run. Keep the row of the run that counts."
        )
    own = setups[order]
    rows = order[baselines[own] != own]
    wanted = baselines[setups[rows]] * n_blocks + blocks[rows]
    places = np.minimum(np.searchsorted(ranked, wanted), max(ranked.size - 1, 0))
    found = ranked[places] == wanted
    rows, partners = rows[found], order[places[found]]
    n_rows = np.bincount(setups, minlength=baselines.size)
    n_matched = np.bincount(setups[rows], minlength=baselines.size)
    return Matches(rows, partners, setups[rows], n_rows + n_rows[baselines] - n_matched)


def paired_effects(values: Floats, matches: Matches, level: float = 0.95) -> Effects:
    """Return the mean of the differences within blocks.

    Parameters
    ----------
    values
        Shape (n_rows,); what is not finite is left out with its partner.
    matches
        From `match`.
    level
        Confidence level of the comparison; `significand.analysis.ranks.RANK_ERROR` says which one ranks have.
    """
    n_setups = matches.blocks.size
    ours, theirs = values[matches.rows], values[matches.partners]
    with np.errstate(invalid="ignore", over="ignore"):
        differences = ours - theirs
    usable = np.isfinite(differences)
    codes = matches.setups[usable]
    mean, variance, n = grouped_moments(differences[usable], codes, n_setups)
    effects = _effects(mean, variance / np.maximum(n, 1), (n - 1).astype(np.float64), (n, n), matches.blocks - n)
    ranks = second_opinion(differences[usable], codes, n_setups, level)
    return replace(
        effects,
        lag1=lag1(differences[usable], codes, n_setups),
        rank_point=ranks.point,
        rank_low=ranks.low,
        rank_high=ranks.high,
    )


def unpaired_effects(values: Floats, setups: Codes, baselines: Codes) -> Effects:
    """Return the differences of the means, with Welch's standard error and degrees of freedom.

    Variances may differ (Welch, Biometrika 34, 1947; degrees of freedom by Satterthwaite, Biometrics Bulletin 2, 1946).

    Parameters
    ----------
    values, setups
        Shape (n_rows,); a value that is not finite is left out.
    baselines
        Shape (n_setups,): the setup that each is compared with.
    """
    usable = np.isfinite(values)
    mean, variance, n = grouped_moments(values[usable], setups[usable], baselines.size)
    unusable = np.bincount(setups[~usable], minlength=baselines.size)
    ours = variance / np.maximum(n, 1)
    theirs = ours[baselines]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        # Both shares lie in [0, 1], so that no square underflows; the textbook's form is the same.
        share = ours / (ours + theirs)
        df: Floats = 1 / (share**2 / (n - 1.0) + (1 - share) ** 2 / (n[baselines] - 1.0))
        difference = mean - mean[baselines]
    return _effects(difference, ours + theirs, df, (n, n[baselines]), unusable + unusable[baselines])


def _effects(mean: Floats, squared_error: Floats, df: Floats, counts: tuple[Codes, Codes], left_out: Codes) -> Effects:
    n, n_baseline = counts
    several = (n > 1) & (n_baseline > 1)
    standard_error = np.sqrt(squared_error)
    constant = several & (standard_error * np.sqrt(np.minimum(n, n_baseline)) <= ROUNDING)
    testable = several & ~constant & np.isfinite(standard_error)
    return Effects(
        mean,
        np.where(testable, standard_error, np.nan),
        np.where(testable, df, np.nan),
        n,
        n_baseline,
        left_out,
        constant,
        *np.full((4, mean.size), np.nan),
    )
