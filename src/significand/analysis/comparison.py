"""Setups against a baseline: ratios and differences with their tests and verdicts."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from significand.analysis.autocorrelation import widening
from significand.analysis.columns import numbers
from significand.analysis.intervals import DEPENDENT, RESPLIT, SESSIONS, Estimate, check_level
from significand.analysis.measures import Column, band, checked_codes, scaled_columns, shown
from significand.analysis.moments import Codes, Floats, grouped_spread
from significand.analysis.multiplicity import assured_detectable, holm, remaining_alpha
from significand.analysis.pairing import ROUNDING, Effects, Matches, match, paired_effects, unpaired_effects
from significand.analysis.sessions import Between, allowed_for
from significand.plan.metrics import ACCURACY, Family, Metric, Scale, resolutions, scored

Verdict = Literal["better", "worse", "no difference shown", "equivalent", "not tested"]


ESTIMATED_ENERGY = "estimated energy restates CPU time"
SAME = "the same by construction"
BY_RANKS = "signed ranks do not show it"
"""Why a cost that Student's t finds different is not called so: where one side's noise is skewed, t finds too much."""


@dataclass(frozen=True)
class Comparison:
    """One metric of one setup against the baseline.

    Attributes
    ----------
    metric, setup, baseline
        What is compared.
    scale
        ``"ratio"``: setup over baseline, without unit. ``"points"``: setup minus baseline, in percentage points.
        ``"difference"``: the same of a score that is no share, in its own unit.
    estimate
        The ratio or difference and its interval, which is not widened for the other comparisons.
    paired
        Whether runs were compared block by block; else ``estimate.n`` counts the runs of both sides.
    left_out
        Pairs of which a side failed, is missing or cannot be used; where runs are not paired, such runs.
    p_value, p_adjusted
        Two-sided, of "no difference", alone and by Holm's method among the `family` tests shown together; NaN where no
        test was made.
    p_equivalence
        Of "the difference is at least the margin": the larger of the two one-sided tests, by Holm's method among the
        equivalence tests shown together; NaN without a margin.
    verdict
        ``"equivalent"`` goes before better and worse: whoever gave the margin said that less does not matter.
    smallest_detectable
        What these data would have shown with 80 % power at the level that Holm's method left to this test, and the
        meter can tell: a ratio above 1 (or its inverse), or points (of either sign).
    margin
        The equivalence band: 0.02 is a ratio from 1/1.02 to 1.02, 0.5 is half a point, or half of a score's unit,
        either way. None without one.
    level
        Confidence level; 1 - level is what all tests of the family share.
    family
        Tests of "no difference" made together.
    reason
        Why there is no test, or what is unusual; empty where nothing is.
    family_name
        Which of an experiment's families of tests this is one of: each has the whole level to itself.
    score
        What kind of score the accuracies are.
    ranks
        A second opinion on paired values, by signed ranks (`significand.analysis.ranks`), in the same sense as
        `estimate`, at the level that `RANK_ERROR` leaves; bounds are NaN with fewer than five pairs.
    lag1
        Correlation of the differences of neighbouring blocks; NaN where unknown. Where it matters, the interval of a
        cost is widened for it.
    background
        By what others' remaining share multiplies the ratio (`significand.analysis.background`); NaN where unknown.
    """

    metric: str
    setup: str
    baseline: str
    scale: Scale
    estimate: Estimate
    paired: bool
    left_out: int
    p_value: float
    p_adjusted: float
    p_equivalence: float
    verdict: Verdict
    smallest_detectable: float
    margin: float | None
    level: float
    family: int
    reason: str
    family_name: Family = "primary"
    score: str = ACCURACY
    ranks: tuple[float, float, float] = (math.nan, math.nan, math.nan)
    lag1: float = math.nan
    background: float = math.nan

    @property
    def disagreement(self) -> str:
        """What signed ranks say otherwise: ``"shown"`` or ``"not shown"``; empty where both say the same."""
        nothing = 1.0 if self.scale == "ratio" else 0.0
        _, *by_ranks = self.ranks
        by_t = (self.estimate.low, self.estimate.high)
        if self.verdict in {"not tested", "equivalent"} or not all(map(math.isfinite, (*by_ranks, *by_t))):
            return ""
        is_shown, was_shown = (not low <= nothing <= high for low, high in (by_ranks, by_t))
        return "" if is_shown == was_shown else "shown" if is_shown else "not shown"

    @property
    def measured(self) -> Metric:
        """What is compared, as it is with that kind of score."""
        return scored(self.score)[self.metric]


def compare(
    samples: Mapping[str, Column],
    setups: ArrayLike,
    blocks: ArrayLike | None,
    names: Sequence[str],
    baselines: int | ArrayLike,
    *,
    level: float = 0.95,
    margins: Mapping[str, float] | None = None,
    energy_measured: bool = False,
    score: str = ACCURACY,
    overlaps: Mapping[str, float] | None = None,
    resolution_of: Mapping[str, float] = MappingProxyType({}),
    constructed: Mapping[str, Collection[int]] = MappingProxyType({}),
    sessions: Mapping[str, Between] = MappingProxyType({}),
) -> list[Comparison]:
    """Compare every setup with its baseline on every metric, and judge all comparisons together.

    Costs are compared through the mean of log ratios, accuracies through the mean difference, each with Student's t
    interval and test over pairs, or with Welch's where runs are not paired. A cost is better or worse only where signed
    ranks over pairs show it, too: a claim is about the usual pair, and where the noise of one side is skewed Student's
    t alone finds a difference too often, of few pairs and of many (`benchmarks/claims.py`). Holm's method keeps the
    chance of even one false "better" or "worse" in the whole answer at 1 - `level`; the equivalence tests (Schuirmann,
    Journal of Pharmacokinetics and Biopharmaceutics 15, 1987) are kept at the same level among themselves. Where all
    differences are equal there is nothing to test against, and nothing is called better or worse.

    Pairs of several hosts count alike: the interval is about the hosts at hand. For a statement about hosts in general,
    give one value per setup and host, and hosts as blocks.

    Parameters
    ----------
    samples
        By metric (a key of `significand.plan.metrics.METRICS`), one value per run, shape (n_runs,): memory in MB (10^6
        bytes), other costs in any unit, accuracies in [0, 1]; NaN or None where a run has none. A cost that is not
        positive has no ratio, so its pair is left out.
    setups, blocks
        Shape (n_runs,): codes of each run's setup, an index of `names`, and of its block, the host and repeat it shares
        with the runs it is paired with. None for `blocks` where runs of different seeds are compared: then nothing is
        paired, and all runs must come from one host.
    names
        Shape (n_setups,): how each setup is called.
    baselines
        Code of the setup that all are compared with, or one code per setup, shape (n_setups,); a setup that is its own
        baseline is not compared. Two result folders are 2 k setups, of which the second k have the first as baselines.
    level
        Confidence level.
    margins
        Equivalence margin by metric; see `Comparison`.
    energy_measured
        Whether every energy was measured. An estimate is shown and never judged.
    score
        What kind of score the accuracies are, a key of `significand.plan.metrics.SCORES`.
    overlaps
        By metric, what is added to 1 / n in the variance of a mean, of paired differences or of either side, as blocks
        share examples; see `significand.analysis.resplits.overlap`.
    resolution_of
        By metric, the smallest difference that the meters can tell; see `significand.plan.metrics.resolutions`. By
        default that of few CPUs.
    constructed
        By metric, codes of setups that do the very same as their baselines: there is nothing to test.
    sessions
        By cost, how much sessions scatter, an entry per setup: where a setup and its baseline are of two sessions.

    Returns
    -------
    list of Comparison
        Metric by metric in the order of `samples`, in each the setups in their order.

    Raises
    ------
    ValueError
        If a metric is unknown, lengths differ, a code has no setup, a margin or level is out of range, or a setup has
        two runs in one block.
    """
    check_level(level)
    samples = {metric: numbers(metric, values) for metric, values in samples.items()}
    names, bands = list(names), dict(margins or {})
    own = checked_codes("setups", setups, len(names))
    known = scored(score)
    columns = scaled_columns(samples, own.size, bands, known)
    against = checked_codes("baselines", np.broadcast_to(np.asarray(baselines), len(names)), len(names))
    if not columns:
        return []
    matches = None if blocks is None else match(own, checked_codes("blocks", blocks, None, own.size), against)
    if matches is None:
        effects = [unpaired_effects(column, own, against) for column in columns]
    else:
        effects = [paired_effects(column, matches, level) for column in columns]
    compared = np.flatnonzero(against != np.arange(len(names)))
    metrics = np.repeat(list(samples), compared.size)
    # From here on one entry per comparison, on the scale of logs and points.
    effect = Effects(
        **{f.name: np.concatenate([getattr(e, f.name)[compared] for e in effects]) for f in fields(Effects)}
    )
    overlap = np.array([(overlaps or {}).get(metric, 0.0) for metric in metrics])
    effect, methods = _widened(effect, overlap, [known[metric] for metric in metrics], paired=blocks is not None)
    effect, methods = _over_sessions(effect, methods, samples, compared, sessions)
    bands_of = np.array([band(known[metric], bands.get(metric, math.nan)) for metric in metrics])
    is_estimate = np.array([known[metric].may_be_estimated and not energy_measured for metric in metrics])
    is_same = np.array([code in constructed.get(metric, ()) for metric in samples for code in compared.tolist()])
    unjudged = is_estimate.astype(np.bool_) | is_same.astype(np.bool_)
    smallest = {**resolutions(), **resolution_of}
    unresolved, resolution = (
        np.concatenate([part[compared] for part in parts])
        for parts in zip(
            *(_below_resolution(smallest[name], column, own, against, matches) for name, column in samples.items()),
            strict=True,
        )
    )
    p_values = np.where(unjudged, math.nan, 2 * stdtr(effect.df, -np.abs(effect.mean) / effect.standard_error))
    coarse = np.log1p(resolution)
    p_equivalence = holm(np.where(unjudged, math.nan, _p_beyond(effect, bands_of, coarse)))
    doubted = _doubted(effect, p_values <= 1 - level, [known[metric] for metric in metrics])
    # A difference that the meter cannot tell, or ranks do not show, is no rejection: other tests get no level from it.
    p_adjusted = holm(np.where((unresolved & ~np.isnan(p_values)) | doubted, 1.0, p_values))
    detectable = assured_detectable(effect.standard_error, effect.df, remaining_alpha(p_adjusted, 1 - level))
    detectable = np.maximum(detectable, coarse)
    half = np.where(effect.constant, 0.0, stdtrit(effect.df, (1 + level) / 2) * effect.standard_error)
    identical = effect.constant & (np.abs(effect.mean) <= ROUNDING) & ~unjudged
    family, paired = int(np.count_nonzero(~np.isnan(p_values))), blocks is not None
    comparisons = []
    for k, (metric, setup) in enumerate(zip(metrics.tolist(), np.tile(compared, len(columns)), strict=True)):
        measured, centre = known[metric], float(effect.mean[k])
        point, low, high = (shown(measured, bound) for bound in (centre, centre - half[k], centre + half[k]))
        runs = int(effect.n[k]) if paired else int(effect.n[k] + effect.n_baseline[k])
        verdict = _verdict(measured, centre, float(p_adjusted[k]), float(p_equivalence[k]), 1 - level)
        reason = ESTIMATED_ENERGY if is_estimate[k] else SAME if is_same[k] else ""
        reason = reason or (BY_RANKS if doubted[k] and verdict != "equivalent" else "")
        reason = reason or _untested(effect, k, measured, paired=paired)
        if identical[k]:
            verdict = "no difference shown"
        elif unresolved[k] and verdict != "equivalent" and effect.n[k] > 1:
            verdict = "no difference shown"
            reason = f"peaks less than {smallest[metric]:.3g} {measured.unit} apart cannot be told apart"
        comparisons.append(
            Comparison(
                metric=metric,
                setup=names[setup],
                baseline=names[against[setup]],
                scale=measured.scale,
                estimate=Estimate(point, low, high, methods[k], level, runs),
                paired=paired,
                left_out=int(effect.left_out[k]),
                p_value=float(p_values[k]),
                p_adjusted=float(p_adjusted[k]),
                p_equivalence=float(p_equivalence[k]),
                verdict=verdict,
                smallest_detectable=shown(measured, detectable[k]),
                margin=bands.get(metric),
                level=level,
                family=family,
                reason=reason,
                score=score,
                ranks=(
                    shown(measured, effect.rank_point[k]),
                    shown(measured, effect.rank_low[k]),
                    shown(measured, effect.rank_high[k]),
                ),
                lag1=float(effect.lag1[k]),
            )
        )
    return comparisons


def _widened(effect: Effects, overlap: Floats, metrics: Sequence[Metric], *, paired: bool) -> tuple[Effects, list[str]]:
    """Return effects with the standard errors of values that depend on each other, and how each interval is made."""
    in_time = np.array([one.scale == "ratio" and not one.is_exact for one in metrics])  # a score knows no time
    dependence = np.where(in_time, widening(effect.lag1, effect.n), 1.0)
    shared = np.sqrt(1 + np.minimum(effect.n, effect.n_baseline) * overlap)
    of_pairs = (
        RESPLIT if by else DEPENDENT if wider > 1 else "t" for by, wider in zip(overlap, dependence, strict=True)
    )
    methods = [method if paired else "Welch t" for method in of_pairs]
    return replace(effect, standard_error=effect.standard_error * shared * dependence), methods


def _over_sessions(
    effect: Effects, methods: list[str], metrics: Collection[str], compared: Codes, sessions: Mapping[str, Between]
) -> tuple[Effects, list[str]]:
    """Return effects that allow for how much sessions scatter, where that is known, and how each interval is made."""
    unknown = np.full(compared.size, np.nan)
    found = [sessions.get(metric) for metric in metrics]
    parts = [
        np.concatenate([getattr(one, name)[compared] if one else unknown for one in found])
        for name in ("variance", "within", "df")
    ]
    error, df = allowed_for(effect.standard_error, effect.df, Between(*parts))
    told = [SESSIONS if wider else own for wider, own in zip(error > effect.standard_error, methods, strict=True)]
    return replace(effect, standard_error=error, df=df), told


def _below_resolution(
    resolution: float, values: Column, own: NDArray[np.int64], against: NDArray[np.int64], matches: Matches | None
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Tell of every setup whether its mean differs from the baseline's by less than the meter can tell.

    And how large that smallest difference is, as a share of the smaller of the two; both of shape (n_setups,). The
    test rests on the spread of the runs, which does not hold the meter's own error.
    """
    if not resolution:
        return np.zeros(against.size, dtype=np.bool_), np.zeros(against.size)
    column = np.asarray(values, dtype=np.float64)
    if matches is None:
        known = np.isfinite(column)
        ours = grouped_spread(column[known], own[known], against.size)[0]
        theirs = ours[against]
    else:  # the same runs as are tested
        sides = column[matches.rows], column[matches.partners]
        known = np.isfinite(sides[0]) & np.isfinite(sides[1]) & (np.minimum(*sides) > 0)
        ours, theirs = (grouped_spread(side[known], matches.setups[known], against.size)[0] for side in sides)
    with np.errstate(invalid="ignore", over="ignore"):
        smaller = np.minimum(ours, theirs)
        share = np.divide(resolution, smaller, out=np.full(against.size, math.inf), where=smaller > 0)
        return np.abs(ours - theirs) < resolution, share


def _p_beyond(effect: Effects, bands: Floats, coarse: Floats) -> Floats:
    """Return the p-values of "the difference is at least the margin"; NaN where the meter cannot tell so little.

    By symmetry, the larger of the two one-sided tests is the one against the nearer end of the band. What the meter
    cannot tell may come on top of what it found, so the band is narrower by that.
    """
    p = stdtr(effect.df, (np.abs(effect.mean) - (bands - coarse)) / effect.standard_error)
    return np.where(coarse >= bands, math.nan, p)


def _doubted(effect: Effects, by_t: NDArray[np.bool_], metrics: Sequence[Metric]) -> NDArray[np.bool_]:
    """Tell which costs Student's t finds different and signed ranks do not; with too few pairs ranks say nothing."""
    is_cost = np.array([one.scale == "ratio" for one in metrics], dtype=np.bool_)
    return by_t & is_cost & (effect.rank_low <= 0) & (effect.rank_high >= 0)


def _verdict(metric: Metric, centre: float, p_adjusted: float, p_equivalence: float, alpha: float) -> Verdict:
    if math.isnan(p_adjusted):
        return "not tested"
    if p_equivalence <= alpha:
        return "equivalent"
    if p_adjusted > alpha:
        return "no difference shown"
    return "better" if (centre < 0) == metric.lower_is_better else "worse"


def _untested(effect: Effects, k: int, metric: Metric, *, paired: bool) -> str:
    """Say why there is no test; empty where there is one."""
    fewest = int(min(effect.n[k], effect.n_baseline[k]))
    if fewest == 0:
        return "no pair of usable runs" if paired else "no usable run on one side"
    if fewest == 1:
        return "a single pair has no spread" if paired else "a single run has no spread"
    where = f"in all {fewest} pairs" if paired else "in all runs"
    if effect.constant[k]:
        if abs(effect.mean[k]) <= ROUNDING:
            return f"identical {where}"
        return f"the same {'ratio' if metric.scale == 'ratio' else 'difference'} {where}"
    return "" if math.isfinite(effect.df[k]) else "the spread is too large for a number"
