"""What intervals are about, in words: a held-out score's of which population, a mean's of which time."""

from typing import TYPE_CHECKING

from significand.analysis.resplits import Population, population_of
from significand.plan.metrics import scored

if TYPE_CHECKING:
    from significand.answers.folder import Folder


THESE_MINUTES = "these minutes on this machine"
"""What the interval of a mean is about: on a shared machine it held a quarter to a third of the means of minutes later,
where that of a ratio held 94 to 96 % (benchmarks/RESULTS.md)."""


def population_sentence(results: "Folder") -> str:
    """Say it; empty where folders of earlier versions do not tell how examples were held out."""
    noun = scored(results.score)["test_accuracy"].title
    told = of_population(population_of(results.runs), trained=results.experiment.epochs > 0)
    return f"{noun} is about {told}." if told else ""


def of_population(population: Population, *, trained: bool) -> str:
    """Say of whom a mean of held-out scores over repeats is; empty where that is not known."""
    again = "networks trained anew" if trained else "other examples to take scales from"
    return {
        "one table": "the population behind the data: repeats hold out other examples of one table, which they share "
        "in part, and its intervals are widened for that (Nadeau and Bengio 2003)",
        "fixed": f"{again} on these held-out examples, the same in all repeats: nothing is corrected",
        "made anew": f"{again} on data made anew: no two repeats share examples, nothing is corrected",
        "unknown": "",
    }[population]
