"""How sure a Pareto frontier is: who is on it, and who dominates whom, had the runs been repeated.

Values come as a table, shape (blocks, setups, objectives); `block_table` makes it of flat columns. For runs of one
host give that table to `frontier_uncertainty`. For several either do so host by host, or make blocks comparable first
(`relative_to_baseline`) and then make the host the unit (`mean_by_host`): a thousand repeats on three machines say
little about a fourth.

This module may import NumPy and moocore only.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

from significand.analysis.pareto import Floats, Zone, checked_table, nondominated
from significand.results.records import told_method

RESAMPLES = 2000
"""The standard error that sampling adds to a probability is then at most 0.011."""

REFERENCE_MARGIN = 0.1
"""How far the reference point lies beyond the worst mean, in ranges of the means: the worst setup counts too."""

MOST_WEIGHTED_BLOCKS = 1000
PAIRS_AT_ONCE = 2**20  # of setups: a few MB, which stay in the cache


@dataclass(frozen=True, eq=False)
class Hypervolume:
    """The part of a fixed box of objective values that a frontier dominates.

    The box spans `reference` to `ideal`, so that the number has no unit and neither unit nor shift of an objective
    changes it. The product of the box's sides times `share` is the hypervolume of Zitzler and Thiele (1999).

    Attributes
    ----------
    share, low, high
        Point and 95 % bounds, shares of the box; NaN where undefined. Above 1 where means may lie beyond `ideal`.
        The bounds allow for the point being too large where setups are nearly equal: then it may lie outside them.
    reference
        Shape (objectives,), the worst mean of each objective and a tenth of the range of the means beyond; it is
        the same for all resamples.
    ideal
        Shape (objectives,), the best mean of each.
    method, level
        How the interval was made, and its confidence level.
    sequential
        As in `significand.analysis.intervals.Estimate`.
    """

    share: float
    low: float
    high: float
    reference: Floats
    ideal: Floats
    method: str = "basic multiplier bootstrap over blocks"
    level: float = 0.95
    sequential: bool = False


@dataclass(frozen=True, eq=False)
class FrontierUncertainty:
    """A frontier on means, and how far the blocks determine it.

    Attributes
    ----------
    on_frontier
        Shape (setups,): not dominated on the means over the blocks used.
    on_frontier_all_runs
        Shape (setups,): not dominated on the means over all that each setup has, whatever blocks that is. It may
        compare the blocks and not the setups; summary_stats and the plot have it.
    p_on_frontier
        Shape (setups,): the probability of not being dominated. NaN for a setup that could not be ranked, and
        for all with fewer than two blocks.
    p_dominates
        Shape (setups, setups): the probability that the setup of the row dominates that of the column.
    hypervolume
        Of the frontier.
    ranked
        Shape (setups,): whether the setup had a result in at least half of the blocks.
    n_blocks, n_blocks_in_all
        Blocks used: those in which every ranked setup has a result; and how many there are.
    resamples
        Draws behind the probabilities; one of 0 or 1 means fewer than about one in `resamples`.
    as_good_as
        Shape (setups,): of a setup that is on the frontier only because what it is worse by does not matter, one that
        beats it by so little; else -1.
    method
        How the probabilities came about.
    sequential
        Whether measuring went on until intervals were narrow enough.
    """

    on_frontier: NDArray[np.bool_]
    on_frontier_all_runs: NDArray[np.bool_]
    p_on_frontier: Floats
    p_dominates: Floats
    hypervolume: Hypervolume
    ranked: NDArray[np.bool_]
    n_blocks: int
    n_blocks_in_all: int
    resamples: int
    as_good_as: NDArray[np.int64]
    method: str = "multiplier bootstrap over blocks, paired across setups, Student t scale"
    sequential: bool = False

    def to_dict(self, setups: Sequence[str], objectives: Sequence[str]) -> dict[str, object]:
        """Return plain values under names, as pareto.json holds them; what is undefined is NaN."""
        volume = self.hypervolume
        return {
            "objectives": list(objectives),
            "method": told_method(self.method, sequential=self.sequential),
            "resamples": self.resamples,
            "blocks": self.n_blocks,
            "blocks_in_all": self.n_blocks_in_all,
            "setups": [
                {
                    "setup": setup,
                    "ranked": bool(self.ranked[i]),
                    "on_frontier": bool(self.on_frontier[i]),
                    "on_frontier_all_runs": bool(self.on_frontier_all_runs[i]),
                    "as_good_as": setups[self.as_good_as[i]] if self.as_good_as[i] >= 0 else "",
                    "p_on_frontier": float(self.p_on_frontier[i]),
                    "p_dominates": dict(zip(setups, self.p_dominates[i].tolist(), strict=True)),
                }
                for i, setup in enumerate(setups)
            ],
            "hypervolume": {
                "method": told_method(volume.method, sequential=volume.sequential),
                "level": volume.level,
                "share": volume.share,
                "ci95_low": volume.low,
                "ci95_high": volume.high,
                "reference": dict(zip(objectives, volume.reference.tolist(), strict=True)),
                "ideal": dict(zip(objectives, volume.ideal.tolist(), strict=True)),
            },
        }


FRONTIER_KEYS = {
    "objectives": ("what the frontier is sought in", ""),
    "method": ("how the probabilities came about", ""),
    "resamples": ("draws behind them", ""),
    "blocks": ("repeats used: those in which every ranked setup has a result", ""),
    "blocks_in_all": ("repeats in all", ""),
    "setups[].setup": ("name of the setup: the precision mode", ""),
    "setups[].ranked": ("whether it has a result in at least half of the repeats, and so takes part", ""),
    "setups[].on_frontier": ("whether no other dominates it on the means over the repeats used", ""),
    "setups[].on_frontier_all_runs": ("the same on the means over all finished runs, as in summary_stats", ""),
    "setups[].as_good_as": (
        "where it is on the frontier only because of --indifferent: a setup that beats it by less than matters",
        "",
    ),
    "setups[].p_on_frontier": ("probability of being on the frontier, given the repeats", "1"),
    "setups[].p_dominates": ("by setup, the probability of dominating it", "1"),
    "hypervolume.method": ("how its interval came about", ""),
    "hypervolume.level": ("confidence level of its interval", "1"),
    "hypervolume.share": ("part of the box from reference to ideal that the frontier dominates", "1"),
    "hypervolume.ci95_low": (
        "lower bound of its 95 % interval; 0, with twice the share as upper bound, where noise is larger than the box",
        "1",
    ),
    "hypervolume.ci95_high": ("its upper bound; above 1 where the true means may lie beyond the ideal", "1"),
    "hypervolume.reference": ("by objective, the box's corner a tenth beyond the worst mean", "of the objective"),
    "hypervolume.ideal": ("by objective, the best mean", "of the objective"),
    "reason": ("why there is no frontier; then nothing stands beside it but the objectives", ""),
}
"""What pareto.json holds, by dotted names, ``[]`` for each entry of a list: what each means, and its unit."""


def frontier_uncertainty(
    table: ArrayLike,
    maximise: Sequence[bool],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    overlaps: Sequence[float] = (),
    zones: Sequence[Zone] = (),
) -> FrontierUncertainty:
    """Return the frontier on means with the probabilities that other blocks would have confirmed it.

    Every resample gives each block a random weight, the same for all setups, so that the pairing is kept: with
    independent standard normal g_b and chi-square c of n - 1 degrees of freedom, the resampled mean is::

        mean + sum_b g_b (x_b - mean) / sqrt(n (n - 1)) * sqrt((n - 1) / c)

    The first factor is the multiplier bootstrap (van der Vaart and Wellner 1996, section 2.9). Its n (n - 1) mends the
    plain bootstrap's spread, too small by sqrt((n - 1) / n) (Efron and Tibshirani 1993, section 5.3; Hesterberg 2015,
    section 3.2); the chi-square makes of the normal tails Student's, for a spread known from n blocks only. So the
    probability that one setup is better than another in one objective is the one-sided p-value of the paired t test.

    Counts of blocks drawn with replacement are not used: where nothing differs and n = 3, they call a difference
    certain in every fourth experiment (6 % at n = 5), whenever the few blocks happen to agree. For the same reason a
    setup that wins in each of few blocks, by margins that vary much, has a probability below 1 here.

    A setup without results in at least half of the blocks is not ranked: it neither is on the frontier nor dominates.
    Of the rest every block with a missing result is left out, because means over different blocks would compare the
    blocks. Values that are equal in all blocks stay equal in all
    resamples. Time and memory grow with the square of the number of setups; the hypervolume of more than five
    objectives may take milliseconds a resample where a hundred setups are on the frontier.

    Parameters
    ----------
    table
        Shape (blocks, setups, objectives); NaN or an infinity where there is no result.
    maximise
        Whether larger is better, one bool per objective.
    resamples
        How many, at least 1.
    seed
        Of the random weights.
    overlaps
        By objective, what is added to 1 / n in the variance of a mean, as blocks share examples: see
        `significand.analysis.resplits.overlap`. By default nothing.
    zones
        By objective, what does not matter; see `significand.analysis.pareto.nondominated`. By default everything does.

    Raises
    ------
    ValueError
        If `table` has not three dimensions, `maximise` not one entry per objective, or `resamples` is below 1.
    """
    values = checked_table(table, maximise)
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}; it must be at least 1. Leave it out for {RESAMPLES}.")
    n_setups, n_objectives = values.shape[1:]
    has_result: NDArray[np.bool_] = np.asarray(np.isfinite(values).all(axis=2))
    ranked = (2 * has_result.sum(axis=0) >= len(values)) & has_result.any(axis=0)
    used = values[has_result[:, ranked].all(axis=1)][:, ranked] if ranked.any() else values[:0, ranked]
    n = len(used)
    # Minimise everything; one contiguous row per mean, which NumPy then sums as it does for a single list.
    signs = np.where(maximise, -1.0, 1.0)
    columns = np.ascontiguousarray((used * signs).reshape(n, used.shape[1] * n_objectives).T)
    columns += 0.0  # makes -0.0 0.0: equal values, equal bytes
    means = (columns.mean(axis=1) if n else np.full(len(columns), np.nan)).reshape(-1, n_objectives)

    on_frontier = np.zeros(n_setups, dtype=np.bool_)
    zones = tuple(zones) or (Zone(),) * n_objectives
    on_frontier[ranked] = nondominated(means, zones=zones)
    as_good_as = np.full(n_setups, -1)
    as_good_as[ranked] = _as_good_as(means, on_frontier[ranked], np.flatnonzero(ranked))
    p_on_frontier = np.full(n_setups, np.nan)
    p_dominates = np.full((n_setups, n_setups), np.nan)
    resampled = np.empty((0, *means.shape))
    if n > 1:
        resampled = resampled_means(columns, resamples, np.random.default_rng(seed)).reshape(resamples, *means.shape)
        for objective, overlap in enumerate(overlaps):
            if overlap:  # the same for all setups, so that what is equal stays equal
                drawn, centre = resampled[..., objective], means[:, objective]
                resampled[..., objective] = centre + (drawn - centre) * math.sqrt(1 + n * overlap)
        on, dominates = _dominance_counts(resampled, zones)
        p_on_frontier[ranked] = on / resamples
        p_dominates[np.ix_(ranked, ranked)] = dominates / resamples
    return FrontierUncertainty(
        on_frontier=on_frontier,
        on_frontier_all_runs=nondominated(_means_of_all(values), maximise, zones),
        p_on_frontier=p_on_frontier,
        p_dominates=p_dominates,
        hypervolume=_hypervolume(means, resampled, signs),
        ranked=ranked,
        n_blocks=n,
        n_blocks_in_all=len(values),
        resamples=resamples if n > 1 else 0,
        as_good_as=as_good_as,
    )


def _as_good_as(means: Floats, on: NDArray[np.bool_], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which setup beats each one by no more than does not matter, by its place; -1 where none does."""
    best = np.flatnonzero(nondominated(means))
    found = np.full(len(means), -1)
    for row in np.flatnonzero(on & ~nondominated(means)):
        beating = best[(means[best] <= means[row]).all(axis=1)]
        found[row] = places[beating[0]]
    return found


def _means_of_all(values: Floats) -> Floats:
    """Return shape (setups, objectives): the mean over the blocks that have a value, as in a summary of the runs."""
    # One sum per column, as for a single list: NumPy adds along an axis in another order, which could break a tie.
    means = np.full(values.shape[1:], np.nan)
    with np.errstate(invalid="ignore", over="ignore"):
        for place in np.ndindex(means.shape):
            column = values[:, *place]
            known = column[~np.isnan(column)]
            if known.size:
                means[place] = np.mean(known)
    return means


def resampled_means(columns: Floats, resamples: int, rng: np.random.Generator) -> Floats:
    """Return shape (resamples, columns) of `columns`, shape (columns, n blocks)."""
    # Each different column once: the product may round equal columns differently, and break a tie.
    places: dict[bytes, int] = {}
    place = [places.setdefault(column.tobytes(), len(places)) for column in columns]
    distinct = columns[np.unique(place, return_index=True)[1]]
    n = columns.shape[1]
    means = distinct.mean(axis=1)
    deviations = (distinct - means[:, np.newaxis]).T
    if n > max(MOST_WEIGHTED_BLOCKS, len(distinct)):
        # Turning a vector of independent normals leaves its distribution as it is: the few rows of the triangular
        # factor stand for all blocks, exactly.
        deviations = np.linalg.qr(deviations, mode="r")
    scales = 1 / np.sqrt(n * rng.chisquare(n - 1, size=(resamples, 1)))
    weights = rng.standard_normal((resamples, len(deviations))) * scales
    return np.asarray((means + weights @ deviations)[:, place])


def _dominance_counts(costs: Floats, zones: Sequence[Zone]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count, over costs of shape (resamples, setups, objectives), who is on the frontier and who dominates whom."""
    n_setups = costs.shape[1]
    on = np.zeros(n_setups, dtype=np.int64)
    dominates = np.zeros((n_setups, n_setups), dtype=np.int64)
    step = max(1, PAIRS_AT_ONCE // n_setups**2)
    for start in range(0, len(costs), step):
        part = np.ascontiguousarray(np.moveaxis(costs[start : start + step], 2, 0))
        no_worse = np.ones((part.shape[1], n_setups, n_setups), dtype=np.bool_)
        beyond = np.zeros_like(no_worse)
        for cost, zone in zip(part, zones, strict=True):
            no_worse &= cost[:, :, np.newaxis] <= cost[:, np.newaxis, :]
            if zone != Zone():
                least = cost + np.abs(cost) * zone.share + zone.size
                beyond |= least[:, :, np.newaxis] < cost[:, np.newaxis, :]
            else:
                beyond |= cost[:, :, np.newaxis] < cost[:, np.newaxis, :]
        dominating = no_worse & beyond
        dominates += dominating.sum(axis=0)
        on += (~dominating.any(axis=1)).sum(axis=0)
    return on, dominates


def _hypervolume(means: Floats, resampled: Floats, signs: Floats) -> Hypervolume:
    """Return the hypervolume of costs, shape (setups, objectives), the box's corners in the objectives' own signs.

    The interval is the basic one, 2 x point - quantiles (Davison and Hinkley 1997, section 5.2): noise pushes single
    setups outwards, so the hypervolume of means is too large, and that of resampled means as much again. Simulated with
    five setups in two objectives it covered 91 to 97 % at n = 3 to 30, with three of them equal too (there the
    percentile interval covers 80 to 88 %), and 88 % with all five equal.
    """
    if not np.isfinite(means).any():
        nothing = np.full(means.shape[1], np.nan)
        return Hypervolume(math.nan, math.nan, math.nan, nothing, nothing)
    ideal, worst = means.min(axis=0), means.max(axis=0)
    span = np.where(worst > ideal, worst - ideal, np.abs(ideal))  # no range: a tenth of the value
    reference = worst + REFERENCE_MARGIN * np.where(span > 0, span, 1.0)
    measure = moocore.Hypervolume(ref=np.zeros(means.shape[1]), maximise=True)

    def share(points: Floats) -> float:
        return float(measure((reference - points) / (reference - ideal)))

    point, low, high = share(means), math.nan, math.nan
    if len(resampled):
        scaled = (reference - resampled) / (reference - ideal)
        shares = _areas(scaled) if scaled.shape[-1] == 2 else [share(points) for points in resampled]
        tails = np.quantile(shares, [0.975, 0.025])
        low, high = (max(0.0, float(bound)) for bound in 2 * point - tails)
    return Hypervolume(point, low, high, reference * signs, ideal * signs)


def _areas(gains: Floats) -> Floats:
    """Return the area that the points of each resample dominate from the origin, shape (resamples, setups, 2), at once.

    Of points in the order of their first gain, largest first, each adds a strip as high as the best second gain so far.
    """
    gains = np.maximum(gains, 0.0)
    order = np.argsort(-gains[..., 0], axis=1)
    first, second = (np.take_along_axis(gains[..., objective], order, axis=1) for objective in (0, 1))
    widths = -np.diff(first, axis=1, append=0.0)
    return np.asarray((widths * np.maximum.accumulate(second, axis=1)).sum(axis=1))
