"""Two result folders against each other: what is better, worse or equivalent in the new one."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from significand.analysis.claims import comparison_row, sequential
from significand.analysis.comparison import Comparison, compare
from significand.analysis.intervals import mean
from significand.analysis.resplits import overlap_of
from significand.analysis.sessions import Between
from significand.answers.control import Control, control_of
from significand.answers.folder import Folder, read_folder, told_alike
from significand.answers.sessions import by_revision, pools_beside, spread_of
from significand.plan.kinds import LARGEST_SCORE_MARGIN, AmbiguousShareError, read_share
from significand.plan.metrics import HELD_OUT, METHOD_OF_ESTIMATE, METRICS, headlines, scored
from significand.plan.phrases import counted, merged
from significand.plan.problems import listed, nearest, shown
from significand.results.comparable import ResultsError, differences
from significand.results.difference import allow_problems, as_names, is_admitted
from significand.results.facts import allowed_fields

OLD, NEW = "OLD", "NEW"

BUSY_SHARE = 0.2
"""Of the steps that had to be measured again, from which on a machine counts as busy: on quiet ones here it was 1 to
3 %, and beside a test suite 96 %, when two equal experiments were found to differ by half."""

LARGEST_MARGIN = 10.0


@dataclass(frozen=True)
class FolderComparison:
    """What two result folders say about each other.

    Attributes
    ----------
    old, new
        The results.
    comparisons
        Every common mode and metric, new over old, judged together: ``setup`` is the mode, ``baseline`` is ``"OLD"``.
    means
        By mode and metric, the mean over the finished runs in old and in new, in the unit of raw_runs.csv.
    admitted
        What differs and was allowed to, a line each.
    lost
        Modes that finished in old, were tried in new, and failed in every run.
    unreached
        Modes that finished in old, were planned in new, and have no run there.
    notes
        What a reader must know besides, a sentence each.
    sessions
        Other sessions that tell how much the very same scatters from one to the next.
    spread
        How much, a standard deviation as a share, by metric, the median over modes; empty where unknown.
    control
        Training that is the same in both; None where there is none. Where `spread` does not say how much sessions
        scatter in a time, and nothing else can have made the difference, intervals allow for what this shows.
    of_revisions
        Whether the other sessions are of several revisions of the working directory, so that `spread` holds changes.
    """

    old: Folder
    new: Folder
    comparisons: Sequence[Comparison]
    means: Mapping[tuple[str, str], tuple[float, float]]
    admitted: Sequence[str]
    lost: Sequence[str]
    unreached: Sequence[str]
    notes: Sequence[str]
    sessions: int = 0
    spread: Mapping[str, float] = field(default_factory=dict)
    control: Control | None = None
    of_revisions: bool = False

    def modes(self) -> list[str]:
        """Return the modes that were compared."""
        return list(dict.fromkeys(one.setup for one in self.comparisons))

    def of_mode(self, mode: str) -> list[Comparison]:
        """Return a mode's comparisons."""
        return [one for one in self.comparisons if one.setup == mode]

    def to_dict(self) -> dict[str, object]:
        """Return everything as JSON holds it; each comparison has the keys of comparisons.csv and both means."""
        rows = []
        for one in self.comparisons:
            old_mean, new_mean = self.means[one.setup, one.metric]
            rows.append(comparison_row(one) | {"old_mean": old_mean, "new_mean": new_mean})
        return {
            "old": str(self.old.path),
            "new": str(self.new.path),
            "comparisons": rows,
            "admitted": list(self.admitted),
            "lost_modes": list(self.lost),
            "unreached_modes": list(self.unreached),
            "notes": list(self.notes),
            "sessions": self.sessions,
            "session_spread": dict(self.spread),
            "same_training": self.control.to_dict() if self.control else None,
        }


def compare_folders(
    old: Path,
    new: Path,
    *,
    metrics: Sequence[str] | None = None,
    allow: Sequence[str] = (),
    margin: float | str | None = None,
    accuracy_margin: float | str | None = None,
) -> FolderComparison:
    """Compare the results in two folders, mode by mode.

    Runs are paired by their seed where both experiments began with the same one; otherwise Welch's test compares them.

    Parameters
    ----------
    old, new
        Result folders.
    metrics
        Names from `significand.plan.metrics.METRICS`; by default the headlines, and of these energy where it was
        measured in both.
    allow
        Fields that may differ, such as ``machine.versions.torch``, or ``machine.versions`` for all below it.
    margin
        Costs that surely differ by less are equivalent: 0.02 or ``"2%"``.
    accuracy_margin
        The same for accuracies, in percentage points, and for other scores, in their own unit.

    Raises
    ------
    ResultsError
        With every reason why there is nothing to compare.
    """
    allow = as_names(allow)
    problems: list[str] = []
    sizes = {
        "ratio": _margin("margin", margin, LARGEST_MARGIN, problems),
        "points": _margin("accuracy_margin", accuracy_margin, LARGEST_SCORE_MARGIN, problems),
    }
    sizes["difference"] = sizes["points"]
    problems += metric_problems(metrics or ())
    sides = []
    for label, folder in ((OLD, old), (NEW, new)):
        try:
            sides.append(read_folder(folder, empty=True))
        except ResultsError as error:
            problems += [f"{label}: {line}" for line in error.problems]
    if len(sides) < 2:
        raise ResultsError(problems)
    if old.resolve() == new.resolve():
        raise ResultsError([f"{OLD} and {NEW} are the same folder, {str(old)!r}; give two results"])
    sides = told_alike(sides)
    one, other = sides
    modes = [mode for mode in one.setups() if len(one.finished(mode)) and len(other.finished(mode))]
    lost = [mode for mode in other.setups() if len(one.finished(mode)) and not len(other.finished(mode))]
    if not modes and not lost:
        tried = " and ".join(f"{', '.join(side.setups()) or 'nothing'} in {label}" for label, side in _labelled(sides))
        problems.append(f"precision_modes: no mode has finished runs in both ({tried}); measure one in both")
    measured = energy_measured(sides, modes)
    chosen = chosen_metrics(metrics, sides, energy_measured=measured)
    methods = method_columns(chosen, energy_measured=measured)
    facts = [side.facts_with_runs(modes, methods) for side in sides]
    problems += [line for label, side in _labelled(sides) for line in column_problems(side, chosen, label)]
    problems += allow_problems(allow, {*facts[0], *facts[1]})
    found, unrecorded = differences(*facts)
    admitted = [difference.told(OLD, NEW) for difference in found if is_admitted(difference.field, allow)]
    problems += [
        f"{difference.told(OLD, NEW)}; if that is what you compare, give --allow {difference.field}"
        for difference in found
        if not is_admitted(difference.field, allow)
    ]
    if problems:
        raise ResultsError(problems)
    kinds = scored(other.score)
    margins = {name: size for name in chosen if (size := sizes[kinds[name].scale]) is not None}
    pools, is_mixed = by_revision(pools_beside(sides, modes, methods) if modes else [])
    costs = [name for name in chosen if kinds[name].scale == "ratio" and not kinds[name].is_exact]
    scatter = {name: spread_of(pools, modes, name) for name in costs if any(pools)}
    control = control_of(one, other, modes, found)
    return FolderComparison(
        one,
        other,
        _compare(
            one,
            other,
            modes,
            chosen,
            margins,
            control.allow_for(scatter, [kinds[name] for name in costs], len(modes))
            if control and control.is_of_sessions
            else scatter,
            energy_measured=measured,
        ),
        {(mode, name): (_mean(one, mode, name), _mean(other, mode, name)) for mode in modes for name in chosen},
        admitted,
        lost,
        [
            mode
            for mode in one.setups()
            if len(one.finished(mode)) and mode in other.planned() and mode not in other.setups()
        ],
        list(_notes(one, other, modes, unrecorded)),
        sum(map(len, pools)),
        {
            name: float(np.expm1(np.sqrt(np.median(of.variance[of.known]))))
            for name, of in scatter.items()
            if of.known.any()
        },
        control,
        is_mixed and any(of.known.any() for of in scatter.values()),
    )


def chosen_metrics(
    metrics: Sequence[str] | None, sides: Collection[Folder], *, energy_measured: bool
) -> tuple[str, ...]:
    """Return the metrics asked for, each once; where none are, the headlines that were measured on any side.

    Of a network that was only inferred, there are none of training.
    """
    asked = metrics or [
        metric.name
        for metric in headlines(energy_measured=energy_measured)
        if any(np.isfinite(side.runs.numbers(metric.column)).any() for side in sides)
    ]
    return tuple(dict.fromkeys(asked))


def metric_problems(metrics: Collection[str]) -> list[str]:
    """Return a line for every name that is no metric."""
    return [
        f"metrics: {shown(name)} is not a metric{nearest(name, METRICS)}; allowed: {', '.join(METRICS)}"
        for name in metrics
        if name not in METRICS
    ]


def column_problems(results: Folder, metrics: Collection[str], label: str) -> list[str]:
    """Return a line for every metric whose column the results lack, as those of an older version may."""
    known = [METRICS[name] for name in metrics if name in METRICS]
    held = ",".join(metric.name for metric in known if metric.column in results.runs.columns)
    return [
        f"metrics: {label} has no column {metric.column} for {metric.name}, its version did not write it; leave "
        f"{metric.name} out: --metrics {held or 'and others'}"
        for metric in known
        if metric.column not in results.runs.columns
    ]


def method_columns(metrics: Collection[str], *, energy_measured: bool) -> list[str]:
    """Return the columns that say how these metrics were measured."""
    known = [METRICS[name] for name in metrics if name in METRICS]
    columns = [column for metric in known for column in metric.method_columns]
    if not energy_measured and any(metric.may_be_estimated for metric in known):
        columns += METHOD_OF_ESTIMATE
    return list(dict.fromkeys(columns))


def energy_measured(sides: Collection[Folder], modes: Collection[str]) -> bool:
    """Tell whether every energy was measured, and none estimated."""
    kinds = {
        kind
        for side in sides
        for mode in modes
        for kind in side.runs.texts("energy_kind")[side.finished(mode)].unique()
    }
    return kinds == {"measured"}


def _compare(
    one: Folder,
    other: Folder,
    modes: Sequence[str],
    metrics: Sequence[str],
    margins: Mapping[str, float],
    scatter: Mapping[str, Between],
    *,
    energy_measured: bool,
) -> list[Comparison]:
    """Compare 2 k setups, of which the second k have the first as baselines."""
    twice = {
        name: Between(*(np.tile(part, 2) for part in (of.variance, of.within, of.df))) for name, of in scatter.items()
    }
    rows = [(side, side.finished(mode)) for side in (one, other) for mode in modes]
    paired = one.fields["seed"] == other.fields["seed"]
    seeds = np.concatenate([np.empty(0, dtype=np.int64), *(side.runs.counts("seed")[mine] for side, mine in rows)])
    comparisons = compare(
        {
            name: np.concatenate([[], *(side.runs.numbers(METRICS[name].column)[mine] for side, mine in rows)])
            for name in metrics
        },
        setups=np.repeat(np.arange(len(rows)), [mine.size for _, mine in rows]),
        blocks=np.unique(seeds, return_inverse=True)[1] if paired else None,
        names=[*([OLD] * len(modes)), *modes],
        baselines=np.tile(np.arange(len(modes)), 2),
        margins=margins,
        energy_measured=energy_measured,
        score=other.score,
        overlaps={HELD_OUT: max(overlap_of(side.runs) for side in (one, other))},
        resolution_of={name: max(one.resolution_of[name], other.resolution_of[name]) for name in metrics},
        sessions=twice,
    )
    return sequential(comparisons) if _is_sequential(one) or _is_sequential(other) else comparisons


def _notes(one: Folder, other: Folder, modes: Sequence[str], unrecorded: Sequence[str]) -> Iterator[str]:
    for label, side, without in ((OLD, one, other), (NEW, other, one)):
        yield from _notes_of(label, side, without)
    formats = {
        mode: [set(side.runs.texts("effective_precision")[side.finished(mode)].unique()) for side in (one, other)]
        for mode in modes
    }
    changed = (
        (mode, f"ran as {_listed(before)} in {OLD}, as {_listed(after)} in {NEW}.")
        for mode, (before, after) in formats.items()
        if before != after
    )
    yield from (f"{names} {told}" for names, told in merged(changed))
    if one.fields["seed"] != other.fields["seed"]:
        seeds = f"{shown(one.fields['seed'])} in {OLD}, {shown(other.fields['seed'])} in {NEW}"
        yield f"The seeds differ ({seeds}): runs are not paired."
    else:
        seeds_of = [[np.sort(side.runs.counts("seed")[side.finished(mode)]) for side in (one, other)] for mode in modes]
        if not all(np.array_equal(before, after) for before, after in seeds_of):
            counts = ", ".join(f"{b} and {a}" for b, a in sorted({(b.size, a.size) for b, a in seeds_of}))
            yield f"Verdicts are of the repeats that both have, the means of {OLD} and {NEW} of all runs ({counts})."
    if unrecorded:
        yield f"Known of one folder only, so not checked: {listed(unrecorded)}."


def _notes_of(label: str, side: Folder, without: Folder) -> Iterator[str]:
    if side.made_up:
        yield f"{label}: the inputs are made up."
    if not side.complete:
        yield f"{label}: the experiment is {side.state or 'of unknown state'}; the runs that finished are compared."
    finished = side.runs.finished
    steps, disturbed, again = (
        int(side.runs.counts(name)[finished].sum()) for name in ("steps", "disturbed_steps", "remeasured_steps")
    )
    if disturbed:
        yield f"{label}: others disturbed {disturbed} of {steps} measured steps; the machine was not quiet."
    if again > BUSY_SHARE * steps:
        yield (
            f"{label}: {again} of {steps} steps had to be measured again because others disturbed them; the machine "
            "was busy all the time, which slows steps in ways that no process shows. Measure again when it is quiet."
        )
    if allowed := allowed_fields(side.manifest):
        yield f"{label}: resumed although {listed(allowed)} differed, as was allowed; its runs are of both."
    if _is_sequential(side):
        yield f"{label}: measured until its intervals were narrow enough, which makes them a little too narrow."
    failed = ((mode, side.failed(mode), side.failed(mode) + len(side.finished(mode))) for mode in side.setups())
    if told := counted(failed):
        yield f"{told[0]} in {label}: {told[1]} runs failed and are in no number."
    if only := [mode for mode in side.setups() if mode not in without.setups()]:
        yield f"Only in {label}, so not compared: {', '.join(only)}."


def _margin(name: str, value: float | str | None, largest: float, problems: list[str]) -> float | None:
    """Read a margin, ``"2%"`` as 0.02 where it is a share."""
    if value is None:
        return None
    share = name == "margin"
    try:
        size = float(read_share(value) if share else value)  # type: ignore[arg-type]  # what is no number raises
    except AmbiguousShareError as error:
        problems.append(f"{name}: {error}")
        return None
    except ValueError:
        size = math.nan
    if 0 < size <= largest:
        return size
    examples = "a share such as 2% or 0.02" if share else "percentage points such as 0.5"
    problems.append(f"{name}: {shown(value)} is out of range; give {examples}, more than 0 and at most {largest:g}")
    return None


def _labelled(sides: Sequence[Folder]) -> list[tuple[str, Folder]]:
    return list(zip((OLD, NEW), sides, strict=True))


def _is_sequential(results: Folder) -> bool:
    return results.fields["until"] is not None


def _mean(results: Folder, mode: str, metric: str) -> float:
    return mean(results.runs.numbers(METRICS[metric].column)[results.finished(mode)])


def _listed(words: Collection[str]) -> str:
    return " and ".join(sorted(word or "an unknown format" for word in words))
