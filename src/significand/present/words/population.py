"""What intervals are about, in words: a held-out score's of which population, a mean's of which time."""

from typing import TYPE_CHECKING

from significand.analysis.resplits import overlap_of
from significand.plan.metrics import scored

if TYPE_CHECKING:
    from significand.answers.folder import Folder


THESE_MINUTES = "these minutes on this machine"
"""What the interval of a mean is about: on a shared machine it held a quarter to a third of the means of minutes later,
where that of a ratio held 94 to 96 % (benchmarks/RESULTS.md)."""


def population_sentence(results: "Folder") -> str:
    """Say it; empty where folders of earlier versions do not tell how examples were held out."""
    runs = results.runs
    noun, drawn_from = scored(results.score)["test_accuracy"].title, runs.counts("test_drawn_from")
    again = "networks trained anew" if results.experiment.epochs else "other examples to take scales from"
    if overlap_of(runs):
        return (
            f"{noun} is about the population behind the data: repeats hold out other examples of one table, which they "
            "share in part, and its intervals are widened for that (Nadeau and Bengio 2003)."
        )
    if drawn_from.any():
        return f"{noun} is about {again} on these held-out examples, the same in all repeats: nothing is corrected."
    if results.experiment.data == "synthetic" and "test_drawn_from" in runs.columns:
        return f"{noun} is about {again} on data made anew: no two repeats share examples, nothing is corrected."
    return ""
