"""The archived results of a folder in the order of time: each metric's mean per experiment, and its change points.

The unit here is the experiment: a change point is judged against how much the means of experiments scatter, not against
the narrower spread of the runs within one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from significand.analysis.comparison import ESTIMATED_ENERGY
from significand.analysis.intervals import Estimate, mean_t
from significand.analysis.levels import level_starts
from significand.analysis.measures import shown
from significand.analysis.steady import TOLERANCE
from significand.answers.compare import (
    chosen_metrics,
    column_problems,
    energy_measured,
    method_columns,
    metric_problems,
)
from significand.answers.folder import Folder, read_folder, told_alike
from significand.answers.sessions import archived_folders
from significand.plan.metrics import METRICS, Metric, scored
from significand.results.comparable import ResultsError, differences
from significand.results.folder import no_results
from significand.results.store import MANIFEST

FEWEST_RESULTS = 5
"""With fewer, a level of two results cannot be told from two odd ones."""

SHORTEST_LEVEL = 2
"""Folder that make a level. One that stands alone is compared (`significand.answers.compare`), and is no level yet."""

POINTS_TOLERANCE = 0.5
"""Percentage points of an accuracy that do not matter, as `TOLERANCE` of a cost does not; of another score, the same
share, in per cent, of its usual size."""

SIGNIFICANCE = 0.02
"""Of a change of level, shared by all series that are searched. Of simulated histories of 1 to 18 steady series of 5 to
30 results with normal noise at most 3 % show a change anywhere. Where single results are far off (Student's t with 3
degrees of freedom, 18 series of 30 results) 29 % do: two odd results beside each other look like a level."""


@dataclass(frozen=True)
class Change:
    """A new level.

    Attributes
    ----------
    index
        Of the first result on it, among those of the history.
    size
        The new level's ratio to the one before, for costs; its difference in percentage points, for accuracies; its
        plain difference, for other scores.
    verdict
        ``"better"`` or ``"worse"``.
    """

    index: int
    size: float
    verdict: str


@dataclass(frozen=True)
class MetricHistory:
    """One metric of one mode over the results.

    Attributes
    ----------
    precision_mode, metric
        What it is of.
    estimates
        Per result, the mean over its finished runs with Student's t interval, in the unit of raw_runs.csv; NaN where
        there is none.
    changes
        Where the level changed, in order.
    note
        Why no change could be found; empty where it was looked for.
    """

    precision_mode: str
    metric: str
    estimates: Sequence[Estimate]
    changes: Sequence[Change]
    note: str


@dataclass(frozen=True)
class Skipped:
    """A folder that is no part of the history, and why."""

    folder: Path
    reason: str


@dataclass(frozen=True)
class History:
    """What a folder and its archive hold.

    Attributes
    ----------
    folder
        The folder that was asked about.
    results
        Those that may be compared with the newest, oldest first.
    skipped
        The others.
    series
        Metric by metric, in each the modes.
    """

    folder: Path
    results: Sequence[Folder]
    skipped: Sequence[Skipped]
    series: Sequence[MetricHistory]

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """Every metric, the accuracies as the kind of score that the results have."""
        return scored(self.results[-1].score)

    def to_dict(self) -> dict[str, object]:
        """Return everything as JSON holds it."""
        return {
            "folder": str(self.folder),
            "results": [
                {
                    "folder": str(one.path),
                    "started_utc": one.started_utc,
                    "state": one.state,
                    "finished_runs": {mode: len(one.finished(mode)) for mode in one.setups()},
                    "failed_runs": {mode: one.failed(mode) for mode in one.setups()},
                }
                for one in self.results
            ],
            "skipped": [asdict(one) for one in self.skipped],
            "series": [_told(one) for one in self.series],
        }


def _told(series: MetricHistory) -> dict[str, object]:
    """Return a series as JSON holds it; none of its intervals is sequential, whatever the results' own are."""
    told = asdict(series)
    for estimate in told["estimates"]:
        del estimate["sequential"]
    return told


def read_history(folder: Path, *, metrics: Sequence[str] | None = None) -> History:
    """Read the results in a folder and in its archive, and find where the level of each metric changed.

    Parameters
    ----------
    folder
        A result folder.
    metrics
        Names from `significand.plan.metrics.METRICS`; by default what `significand compare` compares.

    Raises
    ------
    ResultsError
        Where there are no results, or a metric is unknown or not in the newest ones.
    """
    problems = metric_problems(metrics or ())
    dated, skipped = _read_all(folder)
    if not dated:
        problems += [_told_skipped(one) for one in skipped] or [no_results(folder)]
    if problems:
        raise ResultsError(problems)
    everything = told_alike([results for _, results in sorted(dated, key=lambda pair: pair[0])])
    newest = everything[-1]
    measured = energy_measured([newest], newest.setups())
    chosen = chosen_metrics(metrics, [newest], energy_measured=measured)
    if lacking := column_problems(newest, chosen, "the newest result"):
        raise ResultsError(lacking)
    columns = method_columns(chosen, energy_measured=measured)
    facts = newest.facts_with_runs(newest.setups(), columns)
    kept = []
    for results in everything:
        if lacking := [name for name in chosen if METRICS[name].column not in results.runs.columns]:
            skipped.append(Skipped(results.path, f"its version did not write {', '.join(lacking)}"))
        elif reason := _differing(results.facts_with_runs(newest.setups(), columns), facts):
            skipped.append(Skipped(results.path, reason))
        else:
            kept.append(results)
    modes = list(dict.fromkeys(mode for results in reversed(kept) for mode in results.setups()))
    series = [_series(kept, mode, metric) for metric in chosen for mode in modes]
    return History(folder, kept, skipped, with_changes(series, scored(newest.score)))


def with_changes(series: Sequence[MetricHistory], metrics: Mapping[str, Metric] = METRICS) -> list[MetricHistory]:
    """Return series with their changes: looked for where there is no note, the significance shared by all of these."""
    significance = SIGNIFICANCE / max(1, sum(not one.note for one in series))

    def changes(one: MetricHistory) -> list[Change]:
        return level_changes([estimate.point for estimate in one.estimates], metrics[one.metric], significance)

    return [one if one.note else replace(one, changes=changes(one)) for one in series]


def level_changes(
    values: Sequence[float] | NDArray[np.float64], metric: Metric, significance: float = SIGNIFICANCE
) -> list[Change]:
    """Return where a sequence of means changes its level.

    PELT with the least-squares cost (Killick et al., Journal of the American Statistical Association 107, 2012) cuts
    the logs of costs, the accuracies in percentage points, or other scores as they are, into levels. Neighbours are
    merged, the least different first, while they differ by less than what matters or than a t test with Bonferroni's
    correction over all positions asks for.

    Parameters
    ----------
    values
        A mean per result, in order of time, shape (n,): costs in any unit, accuracies in [0, 1], other scores. What
        cannot be one, such as a cost that is not positive, is left out.
    metric
        How the metric is compared.
    significance
        Of a change, before the correction over all positions.

    Returns
    -------
    list of Change
        None with fewer than `FEWEST_RESULTS` values.
    """
    given = np.asarray(values, dtype=np.float64)
    ratio = metric.scale == "ratio"
    least, most = metric.possible
    usable = np.flatnonzero(np.isfinite(given) & ((given > 0) if ratio else (given >= least) & (given <= most)))
    if len(usable) < FEWEST_RESULTS:
        return []
    known = given[usable]
    scaled = np.log(known) if ratio else 100 * known if metric.scale == "points" else known
    tolerance = {
        "ratio": math.log1p(TOLERANCE),
        "points": POINTS_TOLERANCE,
        "difference": POINTS_TOLERANCE / 100 * float(np.median(np.abs(known))),
    }[metric.scale]
    starts = level_starts(scaled, tolerance, SHORTEST_LEVEL, significance)
    levels = [float(np.mean(part)) for part in np.split(scaled, starts[1:])]
    steps = np.diff(levels)
    return [
        Change(
            index=int(usable[start]),
            size=shown(metric, step),
            verdict="better" if (step < 0) == metric.lower_is_better else "worse",
        )
        for start, step in zip(starts[1:], steps, strict=True)
    ]


def _series(results: Sequence[Folder], mode: str, metric: str) -> MetricHistory:
    """Return the means, and why no change can be looked for."""
    estimates = [mean_t(one.runs.numbers(METRICS[metric].column)[one.finished(mode)]) for one in results]
    note = ""
    found = sum(math.isfinite(estimate.point) for estimate in estimates)
    if METRICS[metric].may_be_estimated and not energy_measured(results, [mode]):
        note = ESTIMATED_ENERGY
    elif found < FEWEST_RESULTS:
        note = f"too few results ({found}; at least {FEWEST_RESULTS})"
    return MetricHistory(mode, metric, estimates, [], note)


def _told_skipped(one: Skipped) -> str:
    """Say why results are left out; most reasons name the folder."""
    return one.reason if str(one.folder) in one.reason else f"{str(one.folder)!r}: {one.reason}"


def _read_all(folder: Path) -> tuple[list[tuple[datetime, Folder]], list[Skipped]]:
    dated, skipped = [], []
    for one in archived_folders(folder):
        try:
            results = read_folder(one, empty=True)
        except ResultsError as error:
            skipped.append(Skipped(one, error.problems[0]))
            continue
        if not results.runs.finished.any():
            skipped.append(Skipped(one, "no run finished"))
        elif (start := _time(results.started_utc)) is None:
            skipped.append(Skipped(one, f"{MANIFEST} does not say when it started"))
        else:
            dated.append((start, results))
    return dated, skipped


def _differing(here: Mapping[str, object], newest: Mapping[str, object]) -> str:
    """Say in which facts results differ from the newest; empty where in none."""
    found, _ = differences(here, newest)
    if not found:
        return ""
    others = f", and {len(found) - 1} more" if found[1:] else ""
    return found[0].told("it", "the newest") + others


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
