"""Training that is the same to the last bit in two results: that it took another time there, the sessions did.

It is the same work, so it is a control for what comes after training. It is none for a change that training itself may
have felt: then session and change cannot be told apart.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from significand.analysis.claims import TRAINED_BY
from significand.analysis.intervals import Estimate, mean_t, sample_std
from significand.analysis.moments import Floats
from significand.analysis.ratios import logs_of
from significand.analysis.sessions import Between, between_two, unknown
from significand.answers.folder import Folder
from significand.plan.metrics import METRICS, Metric
from significand.results.difference import Difference, is_admitted
from significand.results.table import Rows

AFTER_TRAINING = (
    *(f"machine.versions.{name}" for name in ("onnx", "onnxruntime", "onnxscript", "openvino", "nncf", "torchao")),
    "experiment.calibration_samples",
    "runs",
)
"""Facts of which training takes no longer, whatever they are; those of runs say how energy and memory were measured."""

FEWEST_REPEATS = 2


@dataclass(frozen=True)
class Control:
    """What the same training took in a new result, against an old one.

    Attributes
    ----------
    setups
        Those that trained alike: with the same loss to the last bit in every repeat that both results have.
    estimate
        Ratio of their training times, new over old: over repeats, of which each is the mean over the setups.
    standard_error
        Of its log, from the repeats.
    suspects
        Recorded facts that differ and may have changed how long training takes; without any, the sessions did it.
    """

    setups: Sequence[str]
    estimate: Estimate
    standard_error: float
    suspects: Sequence[str]

    @property
    def is_of_sessions(self) -> bool:
        """Whether nothing but the sessions can have made a difference, as far as is recorded."""
        return not self.suspects

    def allow_for(self, known: Mapping[str, Between], metrics: Sequence[Metric], setups: int) -> dict[str, Between]:
        """Return how sessions scatter by metric: of times of which nothing is known, as this control has it."""
        found = between_two(math.log(self.estimate.point), self.standard_error, setups)
        times = [one.name for one in metrics if one.is_time]
        return {**known, **{name: known.get(name, unknown(setups)).or_else(found) for name in times}}

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON holds it."""
        return {"setups": list(self.setups), "ratio": asdict(self.estimate), "suspects": list(self.suspects)}


def control_of(old: Folder, new: Folder, setups: Sequence[str], differing: Sequence[Difference]) -> Control | None:
    """Return what training that is the same in both tells; None where there is none, or of a single repeat.

    Parameters
    ----------
    old, new
        The results, with setups named alike.
    setups
        Those that finished in both.
    differing
        Facts that differ.
    """
    found = {setup: pairs for setup in setups if len((pairs := _same_training(old, new, setup))[0])}
    seeds = set.intersection(*(set(seeds.tolist()) for seeds, _ in found.values())) if found else set()
    if len(seeds) < FEWEST_REPEATS:
        return None
    logs = np.mean([logs[np.isin(of, list(seeds))] for of, logs in found.values()], axis=0)
    estimate = mean_t(logs)
    point, low, high = (math.exp(bound) for bound in (estimate.point, estimate.low, estimate.high))
    suspects = [one.field for one in differing if not is_admitted(one.field, AFTER_TRAINING)]
    return Control(
        list(found),
        replace(estimate, point=point, low=low, high=high),
        sample_std(logs) / math.sqrt(logs.size),
        suspects,
    )


def _same_training(old: Folder, new: Folder, setup: str) -> tuple[Rows, Floats]:
    """Return seeds, and the log ratios of the training times; none unless all losses are the same to the last bit."""
    rows = [side.finished(setup) for side in (old, new)]
    seeds = [side.runs.counts("seed")[mine] for side, mine in zip((old, new), rows, strict=True)]
    common, *places = np.intersect1d(*seeds, return_indices=True)
    sides = [(side.runs, mine[place]) for side, mine, place in zip((old, new), rows, places, strict=True)]
    losses, times = (
        [runs.numbers(column)[mine] for runs, mine in sides]
        for column in ("final_train_loss", METRICS["train_time"].column)
    )
    trained = [{column: runs.said(column, mine) for column in TRAINED_BY} for runs, mine in sides]
    is_known = all(np.isfinite(some).all() and (some > 0).all() for some in (*losses, *times))
    if not (common.size and is_known and np.array_equal(*losses) and trained[0] == trained[1]):
        return np.empty(0, dtype=np.int64), np.empty(0)
    return common, logs_of(times[1]) - logs_of(times[0])
