"""Latencies compared turn by turn: what a round has in common with those of other runs cancels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from significand.results.records import Run


def latencies_beside(runs: Sequence[Run], references: Sequence[Run]) -> list[float]:
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
        The runs that those of their repeat are compared with; of a repeat one at most.

    Returns
    -------
    list of float
        Seconds per sample, shape (n_runs,). Rounds that do not count in the latency of one of the two are left out. A
        run's own latency where there is no reference, or where the two did not take turns: where their numbers of
        rounds or sessions differ.
    """
    by_repeat = {run.repeat: (run, _log_rounds(run)) for run in references if run.finished}
    return [
        _beside(run, *by_repeat[run.repeat]) if run.repeat in by_repeat else run.inference_latency_per_sample_s
        for run in runs
    ]


def _beside(run: Run, reference: Run, reference_logs: NDArray[np.float64]) -> float:
    own_s = run.inference_latency_per_sample_s
    if not run.finished or run.session != reference.session:
        return own_s
    logs = _log_rounds(run)
    if logs.size != reference_logs.size:
        return own_s
    differences = (logs - reference_logs)[max(run.steady_from_round, reference.steady_from_round) :]
    known = differences[np.isfinite(differences)]
    if not known.size:
        return own_s
    return reference.inference_latency_per_sample_s * float(np.exp(np.median(known)))


def _log_rounds(run: Run) -> NDArray[np.float64]:
    """Return the log of every round's latency, shape (rounds,); NaN where it is no time."""
    rounds_s = np.array(run.round_latencies_s.split(), dtype=np.float64)
    return np.log(np.where(np.isfinite(rounds_s) & (rounds_s > 0), rounds_s, np.nan))
