"""Which setup of a result folder to ship, and how sure that is: the question, the evidence for it, the decision."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from significand.analysis.choose import Choice, choose
from significand.analysis.comparison import Comparison
from significand.analysis.loss import Flips
from significand.analysis.resplits import Population, population_of
from significand.analysis.turns import beside_baselines
from significand.answers.evidence import Losses, blur_of, by_repeat, limit_of_runs, logs_or_nan
from significand.plan.experiment import Experiment, usual_baseline
from significand.plan.limits import limit_of
from significand.plan.metrics import HELD_OUT, Metric, scored
from significand.plan.options import OPTIONS
from significand.plan.setup import OTHER, Setup
from significand.results.table import RunTable, setups_of

if TYPE_CHECKING:
    from significand.answers.folder import Folder

DEFAULT_LOSS = 0.01
"""Of the score: one percentage point where it is a share."""


@dataclass(frozen=True)
class Question:
    """What the setup to ship must be.

    Attributes
    ----------
    max_loss
        Held-out score that may be lost: percentage points of what is a share, or units of another score; None for the
        default.
    minimise
        The metric that is to be as small as possible.
    limits
        What must be kept, as ``"memory=50MB"``.
    """

    max_loss: float | None = None
    minimise: str = "latency"
    limits: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Decision:
    """Which setup to ship.

    Attributes
    ----------
    question
        What was asked.
    score, minimised
        The held-out score, and what is to be as small as possible.
    margin
        Of the loss, in the score's own unit: a share, or another number.
    setups, varying
        All of them, in the order of the choice's candidates, and the axes on which the experiment has several values.
    reference
        Index of the one that the others are held against.
    repeats
        Repeats that there are.
    choice
        None where the question has no answer, and then `problems` says why.
    population
        Of whom the score lost is where repeats are paired: `significand.analysis.resplits.Population`.
    sequential
        Whether repeats went on until intervals were narrow.
    against
        What is minimised, of each setup beside itself in the other environment; empty without one.
    """

    question: Question
    score: Metric
    minimised: Metric
    margin: float
    setups: Sequence[Setup]
    varying: frozenset[str]
    reference: int
    repeats: int
    choice: Choice | None
    problems: Sequence[str] = ()
    population: Population = "unknown"
    sequential: bool = False
    against: Sequence[Comparison] = ()

    @property
    def chosen(self) -> str:
        """Name of the setup to ship; empty where there is none, or nothing is decided."""
        if self.choice is None or self.choice.chosen is None or self.choice.verdict not in {"ship", "keep"}:
            return ""
        return self.setups[self.choice.chosen].name

    def to_dict(self) -> dict[str, object]:
        """Return plain values under names, as answer.json holds them; what is undefined is NaN."""
        choice = self.choice
        return {
            "verdict": choice.verdict if choice else "no answer",
            "chosen": self.chosen,
            "reference": self.setups[self.reference].name if self.setups else "",
            "minimise": self.question.minimise,
            "max_loss": self.margin,
            "limits": list(self.question.limits),
            "score": self.score.noun,
            "repeats": self.repeats,
            "possible": [self.setups[k].name for k in choice.possible] if choice else [],
            "more_repeats": choice.more.repeats if choice else None,
            "more_examples": choice.more.examples if choice else None,
            "more_repeats_range": _listed(choice.more.repeats_range if choice else None),
            "more_examples_range": _listed(choice.more.examples_range if choice else None),
            "setups": list(self._setups()),
            "problems": list(self.problems),
        }

    def _setups(self) -> Iterator[dict[str, object]]:
        for setup, one in zip(self.setups, self.choice.candidates if self.choice else (), strict=False):
            flips = one.loss.evidence if isinstance(one.loss.evidence, Flips) else None
            yield {
                "setup": setup.name,
                "status": one.status,
                "ratio": _ratio(one.log_cost),
                "ratio_ci95_t_low": _ratio(one.log_low),
                "ratio_ci95_t_high": _ratio(one.log_high),
                "loss": one.loss.point,
                "loss_at_most": one.loss.at_most(),
                "loss_paired_by": one.loss.unit if one.loss.evidence else "",
                "loss_n": one.loss.n,
                "lost": flips.lost / flips.n if flips else math.nan,
                "gained": flips.gained / flips.n if flips else math.nan,
                "changed": one.loss.changed,
                "loss_reason": one.loss.reason,
                "p_feasible": one.p_feasible,
                "among_best": one.among_best,
                "p_best": one.p_best,
            }


ANSWER_KEYS = {
    "verdict": ("ship, keep (the reference), undecided, nothing fits, or no answer", ""),
    "chosen": ("the setup to ship; empty where nothing is decided", ""),
    "reference": ("the setup that the others are held against: the first that is its own baseline", ""),
    "minimise": ("the metric that was to be as small as possible", ""),
    "max_loss": ("held-out score that may be lost", "of the score; 1 for a share"),
    "limits": ("what must be kept, as given", ""),
    "score": ("what the held-out score is", ""),
    "repeats": ("repeats that there are", ""),
    "possible": ("where nothing is decided, or might be decided better: setups that may be cheaper and feasible", ""),
    "more_repeats": ("about how many more repeats would decide; null where that is not known", ""),
    "more_examples": ("about how many more held-out examples would decide instead; null where they would not", ""),
    "more_repeats_range": (
        "how many more it takes in four of five cases, at least and at most (null: or more); null where not known",
        "",
    ),
    "more_examples_range": ("the same of held-out examples", ""),
    "setups[].setup": ("name of the setup", ""),
    "setups[].status": (
        "reference; feasible: loss and limits shown to be kept; ruled out: shown not to be; open; or not measured",
        "",
    ),
    "setups[].ratio": ("its cost over the reference's: geometric mean over repeats, paired", "1"),
    "setups[].ratio_ci95_t_low": ("lower bound of its 95 % t interval", "1"),
    "setups[].ratio_ci95_t_high": ("its upper bound", "1"),
    "setups[].loss": ("held-out score lost against the reference; below 0 where it is higher", "of the score"),
    "setups[].loss_at_most": ("upper bound of that, one-sided 95 %, of this setup alone", "of the score"),
    "setups[].loss_paired_by": ("example, where weights are the same and each example has a score; else repeat", ""),
    "setups[].loss_n": ("examples or repeats behind that", ""),
    "setups[].lost": ("share of the examples that the reference alone gets right", "1"),
    "setups[].gained": ("share of the examples that the setup alone gets right", "1"),
    "setups[].changed": ("share of the examples whose score is another one", "1"),
    "setups[].loss_reason": ("why the loss is not known", ""),
    "setups[].p_feasible": (
        "p-value of a loss or limit not kept, by Holm's method; feasible up to 0.04; null of a reference without any",
        "1",
    ),
    "setups[].among_best": ("whether it is feasible and cannot be told from the cheapest feasible one", ""),
    "setups[].p_best": ("probability of being the cheapest feasible one, given the repeats", "1"),
    "problems": ("why the question has no answer", ""),
}
"""What answer.json holds, by dotted names, ``[]`` for each entry of a list: what each means, and its unit."""


def question_of(fields: Mapping[str, object], experiment: Experiment) -> tuple[Question, list[str]]:
    """Read a question from texts by the names of an experiment's fields; what is left out is what the experiment asks.

    Returns
    -------
    tuple of Question and list of str
        The question as far as it can be read, and a line for every mistake.
    """
    values: dict[str, Any] = {name: getattr(experiment, name) for name in ("max_loss", "minimise", "limit")}
    problems = []
    for name in values:
        try:
            if (given := fields.get(name)) is not None:
                values[name] = OPTIONS[name].kind.read(given)
        except ValueError as error:
            problems += [f"{name}: {line}" for line in str(error).splitlines()]
    return Question(values["max_loss"], values["minimise"], values["limit"]), problems


def decide(results: "Folder", question: Question | None = None) -> Decision:
    """Decide which setup of a folder to ship; the question is by default what the experiment asks."""
    experiment, runs = results.experiment, results.runs
    question = question or question_of({}, experiment)[0]
    metrics = scored(results.score)
    score = metrics[HELD_OUT]
    margin = question.max_loss
    margin = DEFAULT_LOSS if margin is None else margin / 100 if score.scale == "points" else margin
    everywhere = setups_of(runs, experiment)
    # What runs in another environment is there to be held against: it is not here to be shipped.
    places = [k for k, setup in enumerate(everywhere) if not (experiment.against and setup.variant == OTHER)]
    setups = [everywhere[k] for k in places]
    alone = (
        replace(experiment, baseline=usual_baseline(experiment.precision_modes)) if experiment.against else experiment
    )
    reference = next((k for k, of in enumerate(alone.baselines(setups)) if k == of), 0)
    repeats = np.unique(runs.counts("repeat"))
    minimised = metrics[question.minimise]
    decision = Decision(
        question,
        score,
        minimised,
        margin,
        setups,
        experiment.varying,
        reference,
        repeats.size,
        None,
        population=population_of(runs),
        sequential=experiment.until is not None,
        against=_beside_the_other(results, minimised) if experiment.against else (),
    )
    limits, wrong = _limits(question, metrics, runs)
    problems = [*_problems(question.minimise, metrics, runs), *wrong]
    if not len(runs.rows_of(places[reference])):
        problems.append(f"no run of {setups[reference].name} finished, with which the others are compared")
    if problems:
        return replace(decision, problems=problems)
    costs = runs.numbers(minimised.column)
    if minimised.name == "latency":
        costs = beside_baselines(runs, (places[reference],) * len(everywhere))
    logs = logs_or_nan(by_repeat(runs, costs, repeats))[:, places]
    losses_of = Losses(results, everywhere, places[reference], repeats)
    choice = choose(
        logs,
        reference,
        [losses_of.of(k) for k in places],
        margin,
        [limit_of_runs(results, metric, bound, repeats, places) for metric, bound in limits],
        exact=minimised.is_exact,
        blur=blur_of(logs, results.resolution_of[minimised.name]),
    )
    return replace(decision, choice=choice)


def _beside_the_other(results: "Folder", minimised: Metric) -> list[Comparison]:
    return [one for one in results.claims.comparisons if one.metric == minimised.name]


def _limits(
    question: Question, metrics: Mapping[str, Metric], runs: RunTable
) -> tuple[list[tuple[Metric, float]], list[str]]:
    limits, problems = [], []
    for text in question.limits:
        try:
            limits.append(limit_of(text, metrics))
        except ValueError as error:
            problems.append(f"limit: {error}")
            continue
        problems += _problems(limits[-1][0].name, metrics, runs, "limit")
    return limits, problems


def _problems(name: str, metrics: Mapping[str, Metric], runs: RunTable, field: str = "minimise") -> list[str]:
    """Say why a metric can decide nothing here."""
    metric = metrics[name]
    known = np.isfinite(runs.numbers(metric.column)) & runs.finished
    if not known.any():
        return [f"{field}: no run of this folder tells its {metric.noun}; leave {name} out, or measure it"]
    if metric.may_be_estimated and set(runs.said("energy_kind", np.flatnonzero(known))) != {"measured"}:
        told = f"the {metric.noun} of this folder is an estimate, which restates CPU time"
        return [f"{field}: {told}; leave {name} out, or measure where an energy counter can be read"]
    return []


def _listed(ends: tuple[int, int | None] | None) -> list[int | None] | None:
    return None if ends is None else list(ends)


def _ratio(log: float) -> float:
    return math.exp(log) if math.isfinite(log) else math.nan
