"""Every setup against its baseline on the same held-out examples: which answers it loses, gains and changes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from significand.analysis.examples import PairedExamples, paired_examples
from significand.plan.precision import MODES
from significand.plan.setup import Setup
from significand.results.read import read_examples
from significand.results.store import EXAMPLES_NPZ

if TYPE_CHECKING:
    from significand.answers.folder import Folder

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class SetupExamples:
    """A setup and its baseline, example by example.

    Attributes
    ----------
    setup, precision_mode, baseline
        What ran, and what it is compared with.
    same_weights
        Whether both have the same weights before conversion, so that only the format of inference differs.
    found
        What the two say; of one pair at least.
    """

    setup: str
    precision_mode: str
    baseline: str
    same_weights: bool
    found: PairedExamples

    def to_row(self) -> dict[str, object]:
        """Return it as a line of examples.csv."""
        found, difference = self.found, self.found.difference
        return {
            "precision_mode": self.precision_mode,
            "setup": self.setup,
            "baseline": self.baseline,
            "same_weights": self.same_weights,
            "pairs": found.n,
            "examples": found.examples,
            "lost": found.lost,
            "gained": found.gained,
            "changed": found.changed,
            "agreement": found.agreement,
            "difference": difference.point,
            "low": difference.low,
            "high": difference.high,
            "method": difference.method,
            "p_value": found.p_value,
        }


@dataclass(frozen=True)
class Scored:
    """What the repeats of a setup said, by pair: a code of repeat and example."""

    pairs: Codes
    examples: Codes
    scores: NDArray[np.float64]
    answers: Codes


def examples_of(results: "Folder") -> list[SetupExamples]:
    """Return every setup that has scores in common with its baseline, in the order of the experiment.

    None where runs have one score for all examples, and where it was not kept which example is which.

    Raises
    ------
    ValueError
        When the file of scores is damaged.
    """
    setups, baselines = results.experiment.setups(), results.experiment.baselines()
    known = scored_examples(results, [setup.name for setup in setups])
    found = []
    for own, base in zip(setups, (setups[place] for place in baselines), strict=True):
        if own.name == base.name or own.name not in known or base.name not in known:
            continue
        if paired := _paired(known[own.name], known[base.name]):
            found.append(SetupExamples(own.name, own.precision, base.name, same_weights(own, base), paired))
    return found


def scored_examples(results: "Folder", names: list[str]) -> dict[str, Scored]:
    """Return what each of these setups said; those without a score for each example are left out.

    Raises
    ------
    ValueError
        When the file of scores is damaged.
    """
    arrays = read_examples(results.path / EXAMPLES_NPZ)
    if not arrays:
        return {}
    rows, examples = np.unique(arrays["example"], return_inverse=True)
    pairs = arrays["repeat"].astype(np.int64) * max(rows.size, 1) + examples
    # Where each repeat makes its own data, the same row is another example each time.
    is_one_table = bool(results.runs.counts("test_drawn_from").any())
    found = {}
    for code, name in enumerate(arrays["setup_name"].tolist()):
        mine = np.flatnonzero((arrays["setup"] == code) & np.isfinite(arrays["score"]))
        if name in names and mine.size:
            keys = examples[mine] if is_one_table else pairs[mine]
            found[name] = Scored(pairs[mine], keys, arrays["score"][mine], arrays["answer"][mine])
    return found


def _paired(own: Scored, base: Scored) -> PairedExamples | None:
    _, ours, theirs = np.intersect1d(own.pairs, base.pairs, return_indices=True)
    if not ours.size:
        return None
    answers = own.answers[ours], base.answers[theirs]
    are_known = all(bool((side >= 0).all()) for side in answers)
    changed = int(np.count_nonzero(answers[0] != answers[1])) if are_known else None
    return paired_examples(own.scores[ours], base.scores[theirs], own.examples[ours], changed)


def same_weights(own: Setup, base: Setup) -> bool:
    """Tell whether two setups of a repeat convert the same weights: what decides training is the same in both."""
    if (own.options, own.variant) != (base.options, base.variant):  # another environment may train otherwise
        return False
    trained = [
        (MODES[one.precision].training_precision, one.batch_size, one.threads, one.device) for one in (own, base)
    ]
    return not own.workload.epochs or trained[0] == trained[1]
