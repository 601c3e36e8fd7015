"""What a grid says, in a sentence per precision: where it pays, where it does not, and where nobody can tell.

"Pays" means that the verdict on the latency is "better". All is derived from verdicts and numbers, never from text.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from significand.analysis.comparison import Comparison
from significand.plan.metrics import LATENCY, METRICS, Metric
from significand.present.rows import SummaryRow, repeats, visible
from significand.present.varying import Grid, Place
from significand.present.words.factors import times, written
from significand.present.words.findings import count, who
from significand.present.words.places import ORDERED, at, subject_words, where, with_place
from significand.present.words.sentences import HOPELESS, is_hopeless, margin_words, with_points

MOST_STORIES = 10
"""Sentences of all subjects together; beyond, each subject is told in one, by numbers of setups."""

NOTHING_COMPARED = (
    "Nothing is compared: every setup is its own baseline. Name one on an axis that varies, as --baseline batch_size=1."
)


@dataclass(frozen=True)
class Case:
    """One comparison of one setup.

    Attributes
    ----------
    place
        The setup's values on the axes that vary, but for those on which it differs from its baseline.
    finished, ended, baseline_finished
        Runs of the setup that finished, all of them, and finished runs of its baseline.
    """

    place: Place
    comparison: Comparison
    finished: int
    ended: int
    baseline_finished: int

    @property
    def kind(self) -> str:
        """What is said alike: the verdict, and where there is none, why."""
        one = self.comparison
        if one.verdict != "not tested":
            return one.verdict
        if one.estimate.n == 1:
            return "single"
        if one.estimate.n:
            return f"not tested: {visible(one.reason)}"
        if not self.finished:
            return "failed" if self.ended else "not measured"
        return "no baseline" if not self.baseline_finished else "no pair"

    @property
    def is_tested(self) -> bool:
        """Whether there is a verdict."""
        return self.comparison.verdict != "not tested"


@dataclass(frozen=True)
class Clause:
    """Cases of one kind: where they are, in words (empty: everywhere), and they themselves."""

    kind: str
    where: str
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Story:
    """What is said of one subject within a part of the grid: ``"int8 on onnxruntime"``."""

    subject: str
    clauses: tuple[Clause, ...]


@dataclass(frozen=True)
class Told:
    """A line to show: of what it is, to stand out, and the rest; the first may be empty."""

    head: str
    text: str

    def __str__(self) -> str:
        return f"{self.head}{self.text}"


def grid_lines(grid: Grid, rows: Sequence[SummaryRow], comparisons: Sequence[Comparison]) -> list[Told]:
    """Return what a grid says of its latencies, then what else was shown to differ.

    Parameters
    ----------
    grid, rows
        The setups; see `significand.present.varying.grid_of`.
    comparisons
        Of these setups, by their names.
    """
    if all(k == of for k, of in enumerate(grid.baselines)):
        return [Told("", NOTHING_COMPARED)]
    against = baseline_words(grid)
    level = f"{100 * comparisons[0].level:.3g} %" if comparisons else "95 %"
    lead = (
        f"Pays: lower latency than {against} is shown, all else equal; x: how many times lower, [{level} interval]. "
        "Verdicts allow for all comparisons, an interval for its own alone."
    )
    is_judged = any(one.metric == LATENCY.name and one.verdict in {"better", "worse"} for one in comparisons)
    return [
        *([Told("", lead)] if is_judged else []),
        *story_lines(grid, rows, comparisons, MOST_STORIES),
        *_without_baseline(grid, against),
        *_others(grid, rows, comparisons),
    ]


def story_lines(grid: Grid, rows: Sequence[SummaryRow], comparisons: Sequence[Comparison], most: int) -> list[Told]:
    """Say where each subject pays; in numbers of setups where that would take more than so many sentences."""
    by_subject = cases_of(grid, rows, comparisons, LATENCY)
    stories = [story for subject, cases in by_subject.items() for story in stories_of(subject, cases, grid)]
    if len(stories) > most:
        stories = [counted(subject, cases) for subject, cases in by_subject.items()]
    against = baseline_words(grid)
    return [Told(story.subject, story_text(story, against)) for story in stories]


def baseline_words(grid: Grid) -> str:
    """Say what setups are compared with: ``"float32"``, or that each has a baseline of its own."""
    baselines = {_subject(grid, of) for k, of in enumerate(grid.baselines) if k != of}
    return baselines.pop() if len(baselines) == 1 else "its baseline"


def _without_baseline(grid: Grid, against: str) -> Iterator[Told]:
    """Name the setups that have nothing to be compared with, as no engine runs it there."""
    references = {_subject(grid, of) for k, of in enumerate(grid.baselines) if k != of}
    alone = [k for k, of in enumerate(grid.baselines) if k == of and _subject(grid, k) not in references]
    if alone:
        yield Told("", f"Not compared, as {against} does not run there: {who(grid, alone)}.")


def cases_of(
    grid: Grid, rows: Sequence[SummaryRow], comparisons: Sequence[Comparison], metric: Metric
) -> dict[str, list[Case]]:
    """Return the comparisons of a metric by their subject, which is what differs from the baseline: ``"int8"``."""
    by_name = {one.setup: one for one in comparisons if one.metric == metric.name}
    found: dict[str, list[Case]] = {}
    for index, (row, place, of) in enumerate(zip(rows, grid.places, grid.baselines, strict=True)):
        comparison = by_name.get(str(row.get("setup")))
        if comparison is None or index == of:
            continue
        case = Case(
            place={axis: value for axis, value in place.items() if axis not in grid.compared},
            comparison=comparison,
            finished=repeats(row),
            ended=repeats(row) + count(row, "failed_runs"),
            baseline_finished=repeats(rows[of]),
        )
        found.setdefault(_subject(grid, index), []).append(case)
    return found


def _subject(grid: Grid, index: int) -> str:
    return subject_words({axis: grid.places[index][axis] for axis in grid.compared})


def stories_of(subject: str, cases: Sequence[Case], grid: Grid) -> list[Story]:
    """Return the fewest words that say of every case of a subject what it is.

    Where the kinds follow one axis alone, that is one story; else the axis is split that leaves the fewest.
    """
    told = _only_value(cases)
    axes = [axis for axis in cases[0].place if axis not in told]
    return _explained(with_place(subject, told), cases, axes, grid)


def _only_value(cases: Sequence[Case]) -> dict[str, str]:
    """Return the axes on which these cases have one value where the grid has several: a part is not everywhere."""
    return {axis: value for axis, value in cases[0].place.items() if len({case.place[axis] for case in cases}) == 1}


def _explained(subject: str, cases: Sequence[Case], axes: Sequence[str], grid: Grid) -> list[Story]:
    clauses = _by_one_axis(cases, axes, grid)
    if clauses is not None:
        return [Story(subject, clauses)]
    splits = []
    for axis in axes:
        parts = {value: [case for case in cases if case.place[axis] == value] for value in _present(cases, axis, grid)}
        rest = [other for other in axes if other != axis]
        splits.append(
            [
                story
                for value, part in parts.items()
                for story in _explained(with_place(subject, {axis: value}), part, rest, grid)
            ]
        )
    return min(splits, key=lambda stories: (len(stories), sum(len(story.clauses) for story in stories)))


def _by_one_axis(cases: Sequence[Case], axes: Sequence[str], grid: Grid) -> tuple[Clause, ...] | None:
    """Say where which kind is by one axis; None where no single axis does."""
    kinds = sorted({case.kind for case in cases}, key=_rank)
    if len(kinds) == 1:
        return (Clause(kinds[0], "", tuple(cases)),)
    for axis in sorted(axes, key=lambda axis: axis in ORDERED):
        present = _present(cases, axis, grid)
        by_value = {value: {case.kind for case in cases if case.place[axis] == value} for value in present}
        if all(len(kinds_there) == 1 for kinds_there in by_value.values()):
            return tuple(
                Clause(
                    kind,
                    where(axis, [value for value in present if kind in by_value[value]], present),
                    tuple(case for case in cases if case.kind == kind),
                )
                for kind in kinds
            )
    return None


def counted(subject: str, cases: Sequence[Case]) -> Story:
    """Say of a subject in how many setups it is what."""
    kinds = sorted({case.kind for case in cases}, key=_rank)
    by_kind = {kind: tuple(case for case in cases if case.kind == kind) for kind in kinds}
    told = with_place(subject, _only_value(cases))
    if len(kinds) == 1:
        return Story(told, (Clause(kinds[0], "", tuple(cases)),))
    return Story(
        told, tuple(Clause(kind, f"in {len(some)} of {len(cases)} setups", some) for kind, some in by_kind.items())
    )


def _present(cases: Sequence[Case], axis: str, grid: Grid) -> list[str]:
    return [value for value in grid.values[axis] if any(case.place[axis] == value for case in cases)]


_RANKS = ("better", "worse", "equivalent", "no difference shown", "single", "failed", "no baseline", "no pair")


def _rank(kind: str) -> tuple[int, str]:
    return (_RANKS.index(kind) if kind in _RANKS else len(_RANKS)), kind


def story_text(story: Story, against: str) -> str:
    """Say a story, without its subject.

    Parameters
    ----------
    against
        What the baseline is called.
    """
    first, *others = story.clauses
    if not others:
        return f"{_alone(first, against)}."
    if first.kind == "better":
        told = [f" pays {first.where}{_factors(first.cases)}", *(_beside(one, against) for one in others)]
        return f"{'; '.join(told)}."
    nowhere = all(case.is_tested for clause in story.clauses for case in clause.cases)
    said = "; ".join(_beside(one, against) for one in story.clauses)
    return f"{' pays nowhere' if nowhere else ''}: {said}."


def _alone(clause: Clause, against: str) -> str:
    """Say what all cases have in common."""
    one, cases = len(clause.cases) == 1, clause.cases
    if clause.kind == "better":
        return f" pays{'' if one else ' everywhere'}{_factors(cases)}"
    if clause.kind == "worse":
        return f" is slower{_factors(cases)}" if one else f" pays nowhere: it is slower everywhere{_factors(cases)}"
    if clause.kind == "no difference shown":
        return f": no difference is shown{'' if one else ' anywhere'}{_why_none(cases)}"
    if clause.kind == "equivalent":
        return f" is equivalent within {margin_words(cases[0].comparison)}{'' if one else ' everywhere'}"
    return f": {_unsaid(clause.kind, against)}{'' if one else ' everywhere'}"


def _beside(clause: Clause, against: str) -> str:
    """Say a clause among others."""
    if clause.kind == "worse":
        return f"{clause.where} it is slower{_factors(clause.cases)}"
    if clause.kind == "no difference shown":
        return f"{clause.where} no difference is shown{_why_none(clause.cases)}"
    if clause.kind == "equivalent":
        return f"{clause.where} it is equivalent within {margin_words(clause.cases[0].comparison)}"
    return f"{clause.where} {_unsaid(clause.kind, against)}"


def _unsaid(kind: str, against: str) -> str:
    return {
        "single": "not tested, a single repeat",
        "failed": "all runs failed",
        "not measured": "not measured yet",
        "no baseline": f"no finished run of {against} to compare with",
        "no pair": "no repeat in which both finished",
    }.get(kind, kind)


def _why_none(cases: Sequence[Case]) -> str:
    return f" ({HOPELESS})" if all(is_hopeless(case.comparison) for case in cases) else ""


def _factors(cases: Sequence[Case]) -> str:
    """Write the factor and its interval; of several cases those of the smallest and of the largest."""
    ordered = sorted((case.comparison for case in cases), key=_size)
    told = dict.fromkeys(map(size_text, (ordered[0], ordered[-1])))
    return f" ({' to '.join(told)})"


def _size(comparison: Comparison) -> float:
    """Return how large a difference is, whichever its direction."""
    point = comparison.estimate.point
    if comparison.scale != "ratio":
        return abs(point)
    return abs(math.log(point)) if point > 0 else math.inf


def size_text(comparison: Comparison) -> str:
    """Write how large a difference is, with its interval: ``"1.4x [1.3, 1.5]"``, ``"0.5 points [0.3, 0.7]"``."""
    point, low, high = comparison.estimate.point, comparison.estimate.low, comparison.estimate.high
    if comparison.scale != "ratio":
        point, low, high = (-point, -high, -low) if point < 0 else (point, low, high)
        # Negative, so that a small difference gets no more digits than its interval has.
        size, interval = written(-point, low, high, 0, terse=True)
        return f"{with_points(size.lstrip('-'), comparison)}{interval}"
    _, factor, interval = times(point, low, high, terse=True)
    return f"{factor}x{interval}"


def _others(grid: Grid, rows: Sequence[SummaryRow], comparisons: Sequence[Comparison]) -> Iterator[Told]:
    """Say of each subject what else was shown to differ, of the metrics that are always told."""
    metrics = [one for one in METRICS.values() if one.told == "always" and one is not LATENCY]
    metrics.append(METRICS["accuracy"])
    by_metric = {metric: cases_of(grid, rows, comparisons, metric) for metric in metrics}
    for subject in dict.fromkeys(name for cases in by_metric.values() for name in cases):
        clauses = [told for metric in metrics for told in _shown(by_metric[metric].get(subject, []), metric, grid)]
        if clauses:
            yield Told(subject, f": {'; '.join(clauses)}.")


def _shown(cases: Sequence[Case], metric: Metric, grid: Grid) -> Iterator[str]:
    """Say where a metric was shown to be higher or lower."""
    for verdict in ("better", "worse"):
        some = [case for case in cases if case.comparison.verdict == verdict]
        if some:
            direction = "lower" if (verdict == "better") == metric.lower_is_better else "higher"
            yield f"{some[0].comparison.measured.noun} {direction} {_part(some, cases, grid)}{_factors(some)}"


def _part(some: Sequence[Case], cases: Sequence[Case], grid: Grid) -> str:
    """Say which of the cases: by one axis where that does, else by their number."""
    if len(some) == len(cases):
        only = _only_value(cases)
        return " ".join(at(axis, [value]) for axis, value in only.items()) if len(cases) == 1 else "everywhere"
    names = {id(case) for case in some}
    for axis in cases[0].place:
        present = _present(cases, axis, grid)
        chosen = [v for v in present if all(id(case) in names for case in cases if case.place[axis] == v)]
        if chosen and sum(case.place[axis] in chosen for case in cases) == len(some):
            return where(axis, chosen, present)
    return f"in {len(some)} of {len(cases)} setups"


def refused_lines(refused: Sequence[tuple[str, str]]) -> list[str]:
    """Say which setups were left out, each reason once: ``"torch does not run int8: 2 setups left out."``."""
    reasons = [reason for _, reason in refused]
    counts: Mapping[str, int] = {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}
    return [f"{visible(reason)}: {n} setup{'s' if n > 1 else ''} left out." for reason, n in counts.items()]
