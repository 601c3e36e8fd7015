"""One experiment on several hosts: each host's ratios, and what hosts of a kind say together. Worked out once.

Latencies, memories and energies of different machines are never put together. A ratio is of two setups that took turns
on one host; over hosts of a kind ratios of costs have a random-effects mean. Scores have none: hosts that repeat the
same seeds train the same networks, so that their scores are no independent evidence. Where no repeat is on two hosts of
a kind, as where repeats are dealt out, its pairs are those of one host. The runs decide that, not how they came about.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from significand.analysis.hosts import OverHosts, over_hosts
from significand.analysis.measures import scaled_columns
from significand.analysis.moments import Codes, Floats, grouped_moments
from significand.analysis.multiplicity import holm
from significand.analysis.pairing import Effects, Matches, match, paired_effects
from significand.analysis.resplits import overlap_of
from significand.analysis.turns import beside_baselines
from significand.answers.folder import Folder
from significand.plan.metrics import LATENCY, METRICS, NO_UNIT, Metric, scored
from significand.results.fleet import Fleet, Host, read_fleet
from significand.results.table import RunTable, setups_of

LEVEL = 0.95

ONE_HOST = "one host: says nothing of others"
SAME_SEEDS = "hosts that repeat the same seeds are no independent evidence of a score"
BY_CHANCE = "hosts agree more closely than their errors make likely"
UNRESOLVED = "differs by less than the meter can tell"

_TURNS = ("repeat", "session", "steady_from_round", "status", LATENCY.column)


@dataclass(frozen=True, eq=False)
class MetricOnHosts:
    """One metric of every setup against its baseline, on each host and over the hosts of each kind.

    Arrays are on the scale of the comparison: logs of ratios of costs, differences of scores.

    Attributes
    ----------
    metric
        What is compared.
    mean, standard_error, low, high
        Of each host's pairs, with Student's t interval, shape (n_hosts, n_setups); NaN where there is none.
    pairs
        Behind each, of the same shape.
    over
        What the hosts of each kind say together, each array of shape (n_kinds x n_setups,); see `of_kind`.
    point, point_low, point_high
        What is said of each kind, shape (n_kinds, n_setups): the mean over its hosts, or what its only host shows.
    p_value, p_adjusted
        Two-sided, of no difference, alone and by Holm's method among all kinds and setups of the metric's family, of
        the same shape; NaN where no test was made.
    tests
        How many tests of no difference share the family's level.
    hosts
        Hosts behind each, of the same shape.
    reasons
        What must be known of each, of the same shape; empty where nothing.
    """

    metric: Metric
    mean: Floats
    standard_error: Floats
    low: Floats
    high: Floats
    pairs: Codes
    over: OverHosts
    point: Floats
    point_low: Floats
    point_high: Floats
    p_value: Floats
    p_adjusted: Floats
    tests: int
    hosts: Codes
    reasons: NDArray[np.object_]

    def of_kind(self, name: str) -> Floats:
        """Return an array of `over` by kind and setup, shape (n_kinds, n_setups)."""
        return np.asarray(getattr(self.over, name)).reshape(self.hosts.shape)

    def shown(self, values: Floats) -> Floats:
        """Take logs back to ratios; differences are what they are."""
        with np.errstate(over="ignore", under="ignore"):
            return np.exp(values) if self.metric.scale == "ratio" else values


@dataclass(frozen=True, eq=False)
class FleetAnswer:
    """What a fleet says.

    Attributes
    ----------
    fleet
        The folder's contents.
    setups
        Names of the setups.
    baselines
        Which of them each is compared with, by its index.
    """

    fleet: Fleet
    setups: tuple[str, ...]
    baselines: Sequence[int]

    @property
    def path(self) -> Path:
        """Where its files are."""
        return self.fleet.path

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Every metric by its name, the accuracies as the score that the network has."""
        return scored(folder_of(self.fleet, self.fleet.hosts[0]).score)

    @cached_property
    def kind_codes(self) -> Codes:
        """Which of `Fleet.kinds` each host is of, shape (n_hosts,)."""
        places = {kind: k for k, kind in enumerate(self.fleet.kinds)}
        return np.array([places[host.kind] for host in self.fleet.hosts])

    @cached_property
    def compared(self) -> Sequence[int]:
        """The setups that have a baseline."""
        return [k for k, baseline in enumerate(self.baselines) if baseline != k]

    @cached_property
    def cells(self) -> Codes:
        """Which host and setup each run is of, as host x n_setups + setup, shape (n_runs,)."""
        return self.fleet.host_codes * len(self.setups) + self.fleet.runs.codes

    @cached_property
    def seeds_once(self) -> bool:
        """Whether no repeat is on two hosts, so that all their scores are of different seeds."""
        repeats, codes = np.unique(self.fleet.runs.counts("repeat"), return_inverse=True)
        return bool(np.unique(self.fleet.host_codes * repeats.size + codes).size == repeats.size)

    @cached_property
    def ratios(self) -> Mapping[str, MetricOnHosts]:
        """Every metric that has a value, by its name."""
        return {one.metric.name: one for one in _judged(list(_on_hosts(self)))}


def answer_of(fleet: Fleet) -> FleetAnswer:
    """Return what a fleet says; what is not asked for is not worked out."""
    setups = setups_of(fleet.runs, fleet.experiment)
    return FleetAnswer(fleet, fleet.runs.setups, fleet.experiment.baselines(setups))


def read_answer(path: Path) -> FleetAnswer:
    """Read a fleet's folder.

    Raises
    ------
    significand.results.comparable.ResultsError
        As `significand.results.fleet.read_fleet`.
    """
    return answer_of(read_fleet(path))


def folder_of(fleet: Fleet, host: Host) -> Folder:
    """Return one host's results, as of an experiment on it alone."""
    return Folder(host.folder, host.manifest, fleet.experiment, host.table)


def is_over_hosts(metric: Metric) -> bool:
    """Tell whether ratios of several hosts have a mean: of what is measured anew on each, not of what seeds decide."""
    return metric.scale == "ratio" and metric.units is not NO_UNIT


def _on_hosts(answer: FleetAnswer) -> Iterator[MetricOnHosts]:
    runs, finished = answer.fleet.runs, answer.fleet.runs.finished
    repeats, places = np.unique(runs.counts("repeat"), return_inverse=True)
    blocks = answer.fleet.host_codes * repeats.size + places
    n_setups = len(answer.setups)
    against = (np.arange(len(answer.fleet.hosts))[:, None] * n_setups + np.asarray(answer.baselines)).ravel()
    matches = match(answer.cells[finished], blocks[finished], against)
    beside_s, own_s = _beside(answer, blocks), runs.numbers(LATENCY.column)
    usable = (beside_s > 0) & (own_s > 0)
    longer = np.divide(beside_s, own_s, out=np.full(len(runs), math.nan), where=usable)
    for name, metric in answer.metrics.items():
        values = runs.numbers(metric.column)
        if metric is LATENCY:
            values = beside_s
        elif metric.power_of_latency:
            values = values * longer**metric.power_of_latency
        values = values[finished]
        if metric.may_be_estimated:
            values = _measured(runs, values, matches)
        if not np.isfinite(values[matches.rows]).any():
            continue
        (column,) = scaled_columns({name: values}, values.size, {}, answer.metrics)
        yield _metric_on_hosts(answer, metric, values, column, matches)


def _beside(answer: FleetAnswer, blocks: Codes) -> Floats:
    """Return every run's latency beside its baseline's, turn by turn on its own host."""
    runs = answer.fleet.runs
    # Blocks stand where one host's experiment has repeats: what is compared is what has the same number there.
    frame = runs.frame.select(_TURNS).with_columns(pl.Series("repeat", blocks))
    return beside_baselines(RunTable(frame, runs.rounds_s, runs.columns, runs.setups, runs.codes), answer.baselines)


def _measured(runs: RunTable, values: Floats, matches: Matches) -> Floats:
    """Return energies that can be compared: measured, and by the same counter as the baseline's."""
    finished = runs.finished
    kinds = runs.texts("energy_kind").to_numpy()[finished]
    sources = runs.energy_sources[finished]
    known = np.where(kinds == "measured", values, math.nan)
    known[matches.rows[sources[matches.rows] != sources[matches.partners]]] = math.nan
    return known


def _metric_on_hosts(
    answer: FleetAnswer, metric: Metric, values: Floats, column: Floats, matches: Matches
) -> MetricOnHosts:
    shape = len(answer.fleet.hosts), len(answer.setups)
    effects = paired_effects(column, matches)
    overlap = overlap_of(answer.fleet.runs) if metric.part == "test" else 0.0
    compared = np.zeros(shape, dtype=np.bool_)
    compared[:, answer.compared] = True
    pairs = np.where(compared.ravel(), effects.n, 0)
    mean = np.where(pairs > 0, effects.mean, math.nan)
    over = _over(answer, mean, effects, pairs)
    kinds = len(answer.fleet.kinds), shape[1]
    hosts = over.hosts.reshape(kinds)
    own = [np.where(pairs > 0, one, math.nan).reshape(shape) for one in _by_t(effects, overlap)]
    alone = hosts == 1
    only = [_of_the_only_host(answer, one, hosts) for one in own]
    together = [one.reshape(kinds) for one in (over.mean, over.low, over.high, over.p_value)]
    said = [np.where(alone, one, other) for one, other in zip(only, together, strict=True)]
    reasons = np.full(kinds, "", dtype=object)
    reasons[over.by_chance.reshape(kinds)] = BY_CHANCE
    reasons[alone] = ONE_HOST
    unresolved = _unresolved(answer, metric, values, matches)
    reasons[unresolved & (hosts > 0)] = UNRESOLVED
    if not is_over_hosts(metric):
        several, of_kinds = hosts > 1, _of_kinds(answer, matches)
        again = _repeated(answer, of_kinds).reshape(kinds)
        found = [one.reshape(kinds) for one in _by_t(paired_effects(column, of_kinds), overlap)]
        together = [np.where(again, math.nan, one) for one in found]
        said = [np.where(several, one, other) for one, other in zip(together, said, strict=True)]
        reasons[several] = np.where(again, SAME_SEEDS, "")[several]
    p_value = np.where(unresolved & ~np.isnan(said[3]), 1.0, said[3])
    return MetricOnHosts(
        metric=metric,
        mean=own[0],
        standard_error=np.where(effects.constant, 0.0, _error(effects, overlap)).reshape(shape),
        low=own[1],
        high=own[2],
        pairs=pairs.reshape(shape),
        over=over,
        point=said[0],
        point_low=said[1],
        point_high=said[2],
        p_value=p_value,
        p_adjusted=p_value,
        tests=0,
        hosts=hosts,
        reasons=reasons,
    )


def _error(effects: Effects, overlap: float) -> Floats:
    return np.asarray(effects.standard_error * np.sqrt(1 + effects.n * overlap))


def _by_t(effects: Effects, overlap: float) -> list[Floats]:
    """Return the mean of pairs, the bounds of its t interval, and the p-value of no difference."""
    error, mean = _error(effects, overlap), effects.mean
    half = np.where(effects.constant, 0.0, stdtrit(effects.df, (1 + LEVEL) / 2) * error)
    p_value = np.where(error > 0, 2 * stdtr(effects.df, -np.abs(mean) / error), math.nan)
    return [mean, mean - half, mean + half, p_value]


def _of_kinds(answer: FleetAnswer, matches: Matches) -> Matches:
    """Return the pairs of all hosts, by kind and setup instead of by host and setup."""
    n_setups = len(answer.setups)
    hosts, setups = np.divmod(matches.setups, n_setups)
    codes = answer.kind_codes[hosts] * n_setups + setups
    order = np.argsort(codes, kind="stable")  # the pairs of a setup stand together
    pairs = np.bincount(codes, minlength=len(answer.fleet.kinds) * n_setups)
    return Matches(matches.rows[order], matches.partners[order], codes[order], pairs)


def _repeated(answer: FleetAnswer, matches: Matches) -> NDArray[np.bool_]:
    """Tell by kind and setup whether pairs of a repeat are on two hosts: the same seed, so that they are no more."""
    repeats, codes = np.unique(answer.fleet.runs.counts("repeat"), return_inverse=True)
    of_pairs = codes[answer.fleet.runs.finished][matches.rows]
    pairs, counts = np.unique(matches.setups * repeats.size + of_pairs, return_counts=True)
    found = np.zeros(matches.blocks.size, dtype=np.bool_)
    found[pairs[counts > 1] // repeats.size] = True
    return found


def _over(answer: FleetAnswer, mean: Floats, effects: Effects, pairs: Codes) -> OverHosts:
    """Return what hosts of a kind say together."""
    n_setups = len(answer.setups)
    groups = (answer.kind_codes[:, None] * n_setups + np.arange(n_setups)).ravel()
    variances = np.where(effects.constant, 0.0, effects.standard_error**2 * effects.n)
    return over_hosts(mean, variances, pairs, groups, len(answer.fleet.kinds) * n_setups, LEVEL)


def _of_the_only_host(answer: FleetAnswer, values: Floats, hosts: Codes) -> Floats:
    """Return by kind and setup the value of the host that has one; where several have one, of any of them."""
    kinds, setups = np.nonzero(np.isfinite(values))
    found = np.full(hosts.shape, math.nan)
    found[answer.kind_codes[kinds], setups] = values[kinds, setups]
    return found


def _unresolved(answer: FleetAnswer, metric: Metric, values: Floats, matches: Matches) -> NDArray[np.bool_]:
    """Tell by kind and setup whether hosts show less of a difference, on average, than the meter can tell."""
    n_setups = len(answer.setups)
    shape = len(answer.fleet.kinds), n_setups
    if not metric.resolution:
        return np.zeros(shape, dtype=np.bool_)
    differences = values[matches.rows] - values[matches.partners]
    known = np.isfinite(differences)
    n_cells = len(answer.fleet.hosts) * n_setups
    of_hosts, _, _ = grouped_moments(differences[known], matches.setups[known], n_cells)
    cells = np.flatnonzero(np.isfinite(of_hosts))
    groups = answer.kind_codes[cells // n_setups] * n_setups + cells % n_setups
    of_kinds, _, _ = grouped_moments(of_hosts[cells], groups, shape[0] * n_setups)
    return np.asarray(np.abs(np.nan_to_num(of_kinds, nan=math.inf)) < metric.resolution).reshape(shape)


def _judged(found: Sequence[MetricOnHosts]) -> Iterator[MetricOnHosts]:
    """Adjust the tests of each family: of all its metrics, setups and kinds together, as one host's claims are."""
    for family in dict.fromkeys(METRICS[one.metric.name].family for one in found):
        members = [one for one in found if one.metric.family == family]
        adjusted = holm(np.stack([one.p_value for one in members]))
        for one, p_adjusted in zip(members, adjusted, strict=True):
            yield replace(one, p_adjusted=p_adjusted, tests=int(np.count_nonzero(~np.isnan(adjusted))))
