"""Latencies compared turn by turn: what a round has in common with those of other runs cancels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from significand.plan.metrics import LATENCY
from significand.results.table import Rows, RunTable

ROWS_AT_ONCE = 100_000
"""Whose rounds are compared in one pass: bounds the memory of a large table."""


def latencies_beside(runs: RunTable, references: Rows) -> NDArray[np.float64]:
    """Return every run's latency as its rounds beside those of its repeat's reference tell it.

    The runs of a repeat take turns, so their rounds of one number are neighbours in time, up to the steps that were
    measured again. The ratio of a run to the reference is the median over rounds of the ratio of the two rounds'
    latencies, and that ratio times the reference's latency is returned: a machine whose speed jumps now and then hits
    both alike, where the medians of the two runs each jump for themselves.

    Parameters
    ----------
    runs
        Of one experiment on one host.
    references
        Rows of the runs that those of their repeat are compared with; of a repeat one at most.

    Returns
    -------
    numpy.ndarray
        Seconds per sample, shape (n_runs,). Rounds that do not count in the latency of one of the two are left out. A
        run's own latency where there is no reference, or where the two did not take turns: where their numbers of
        rounds or sessions differ.
    """
    beside_s = runs.numbers(LATENCY.column).copy()
    own_s = beside_s.copy()
    partners = _partners(runs, references)
    sizes = runs.rounds_s.list.len().to_numpy().astype(np.int64)
    sessions, first = runs.counts("session"), runs.counts("steady_from_round")
    begins = np.concatenate([[0], np.cumsum(sizes)])
    rounds_s = runs.rounds_s.explode(empty_as_null=False).to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(np.where(np.isfinite(rounds_s) & (rounds_s > 0), rounds_s, np.nan))
    together = (partners >= 0) & runs.finished
    together &= (sessions == sessions[partners]) & (sizes == sizes[partners]) & (sizes > 0)
    for size in np.unique(sizes[together]).tolist():
        rows = np.flatnonzero(together & (sizes == size))
        for start in range(0, rows.size, ROWS_AT_ONCE):
            some = rows[start : start + ROWS_AT_ONCE]
            others = partners[some]
            rounds = np.arange(size)
            differences = logs[begins[some, None] + rounds] - logs[begins[others, None] + rounds]
            counted = rounds >= np.maximum(first[some], first[others])[:, None]
            medians = _medians(np.where(counted & np.isfinite(differences), differences, np.nan))
            told = np.isfinite(medians)
            beside_s[some[told]] = own_s[others[told]] * np.exp(medians[told])
    return beside_s


def beside_baselines(runs: RunTable, baselines: Sequence[int]) -> NDArray[np.float64]:
    """Return every run's latency beside its setup's baseline: see `latencies_beside`.

    Parameters
    ----------
    runs
        Of one experiment on one host.
    baselines
        For each of the table's setups, the index of the one that it is compared with.
    """
    known = tuple(baselines)
    if known not in runs.beside_s:
        runs.beside_s[known] = _beside_baselines(runs, baselines)
    return runs.beside_s[known]


def _beside_baselines(runs: RunTable, baselines: Sequence[int]) -> NDArray[np.float64]:
    against = np.asarray(baselines, dtype=np.int64)[runs.codes]
    beside_s = runs.numbers(LATENCY.column).copy()
    for baseline in np.unique(against):
        rows = np.flatnonzero((against == baseline) | (runs.codes == baseline))
        part = runs.take(rows) if rows.size < len(runs) else runs  # mostly there is one baseline: nothing to copy
        ours = against[rows] == baseline
        beside_s[rows[ours]] = latencies_beside(part, part.rows_of(baseline))[ours]
    return beside_s


def _partners(runs: RunTable, references: Rows) -> Rows:
    """Return for every run the row of its repeat's reference; -1 where there is none that finished."""
    references = references[runs.finished[references]]
    partners = np.full(len(runs), -1)
    if references.size:
        repeats = runs.counts("repeat")
        known, last = np.unique(repeats[references][::-1], return_index=True)
        places = np.minimum(np.searchsorted(known, repeats), known.size - 1)
        found = known[places] == repeats
        partners[found] = references[::-1][last][places][found]
    return partners


def _medians(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each row without what is NaN; NaN of nothing."""
    ranked = np.sort(values, axis=1)  # NaN comes last
    count = np.count_nonzero(~np.isnan(ranked), axis=1)
    rows = np.arange(len(ranked))
    low, high = ranked[rows, np.maximum(count - 1, 0) // 2], ranked[rows, np.minimum(count // 2, ranked.shape[1] - 1)]
    return np.where(count > 0, (low + high) / 2, np.nan)
