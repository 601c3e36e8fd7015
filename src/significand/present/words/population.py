"""Which population the interval of a held-out score is about, in words."""

from typing import TYPE_CHECKING

from significand.analysis.resplits import overlap_of
from significand.plan.metrics import scored

if TYPE_CHECKING:
    from significand.answers.folder import Folder


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
