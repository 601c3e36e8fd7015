"""Can verdicts be trusted on this machine? The product measures what it knows the answer to, and counts its mistakes.

A block holds four runs of one setup: as it is, as it is again, and made slower by a known share. Several blocks are a
small experiment, judged as every experiment is. A difference between the equal two is a false alarm.
"""

import dataclasses
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from scipy.stats import binomtest

from significand.analysis.comparison import Comparison, compare
from significand.analysis.intervals import Estimate, sample_std
from significand.analysis.multiplicity import POWER, smallest_detectable
from significand.analysis.ratios import Costs, log_ratios
from significand.analysis.turns import latencies_beside
from significand.engines.base import engine_modes
from significand.meters.counters import EnergyPlan
from significand.plan.experiment import Surroundings, plan_experiment
from significand.plan.options import FEWEST_SEQUENTIAL
from significand.results.records import Run
from significand.results.table import RunTable, table_of
from significand.runner.block import Block, Place
from significand.runner.conductor import Here

LEVEL = 0.95
ALLOWED = 1 - LEVEL
"""Rate of false alarms that verdicts at this level promise."""

SURE_BELOW = 0.08
"""Upper bound of that rate with which a test is long enough."""

FEWEST_EXPERIMENTS = 5
"""A spotless record of so many bounds the rate of false alarms at 52 % (exact binomial interval); of fewer, at more."""

WANTED_SHARE = 0.02
WANTED_RATE = 0.9
FEWEST_FOUND = 0.5
"""Verdicts are good enough where a call that is 2 % slower is found nine times out of ten. Where so few
experiments were made that it could be less than every second time, the spread of equal runs decides, unless what was
found denies that."""

INJECTED = (WANTED_SHARE, 0.05)
TOLD_REPEATS = (5, 10, 30)
MOST_REPEATS = 1000
MOST_BLOCKS = 1_000_000

BASE = "plain"
AGAIN = "again"

# A call long enough that 2 % of it is many steps of the clock, and little else: training only has to give a network.
WORKLOAD: Mapping[str, object] = {
    "layer_sizes": (512, 512, 512, 10),
    "activations": ("relu", "relu", "softmax"),
    "data": "synthetic",
    "n_samples": 32,
    "precision_modes": ("float32",),
    "batch_size": 32,
    "epochs": 1,
    "latency_rounds": 20,
    "round_duration_s": 0.01,
}

Verdict = Literal["trust", "trust so far", "trust with more repeats", "do not trust", "cannot say"]

EXAMINE = "`significand doctor` says what disturbs"

UNITS_S = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}


@dataclasses.dataclass(frozen=True)
class Rate:
    """How often something happened.

    Attributes
    ----------
    hits, n
        Times it happened, and times it could have.
    low, high
        Exact binomial 95 % interval (Clopper and Pearson, Biometrika 26, 1934); NaN where n is 0.
    """

    hits: int
    n: int
    low: float
    high: float

    @property
    def point(self) -> float:
        """Hits over n; NaN where n is 0."""
        return self.hits / self.n if self.n else math.nan


@dataclasses.dataclass(frozen=True)
class Answer:
    """How the small experiments judged one known difference.

    Attributes
    ----------
    injected
        Share of its own time by which the call was really longer; 0 for the same again.
    found
        How many of the experiments that could be judged called it a difference: for the same again a false alarm, else
        a detection, if in the right direction.
    ratio
        Latency over that of the plain setup, from all blocks together.
    """

    injected: float
    found: Rate
    ratio: Estimate


@dataclasses.dataclass(frozen=True)
class SelfTest:
    """What the test came to.

    Attributes
    ----------
    verdict, reason, remedy
        Whether to trust verdicts here, why, and what to do about it; no remedy where nothing is to be done.
    experiments, repeats
        Whole small experiments, and blocks in each.
    duration_s
        All of the time that it took.
    interrupted
        Whether it was ended before its time.
    answers
        To the same again, and to each injected slowdown.
    pair_std
        Sample standard deviation of the log ratio of two equal runs of one block, without unit.
    detectable
        By number of repeats, the smallest slowdown, as a share, that one comparison shows with 80 % power.
    threads
        Threads of the runs.
    repeats_needed
        Repeats with which 2 % would be found nine times out of ten, in a single comparison; None where more
        than 1000 or not known.
    steps, disturbed_steps, remeasured_steps
        Measured steps, those that stayed disturbed, and those that were measured more than once.
    failed
        Runs that failed.
    """

    verdict: Verdict
    reason: str
    remedy: str
    experiments: int
    repeats: int
    duration_s: float
    interrupted: bool
    answers: tuple[Answer, ...]
    pair_std: float
    detectable: Mapping[int, float]
    repeats_needed: int | None
    threads: int
    steps: int
    disturbed_steps: int
    remeasured_steps: int
    failed: int


def parse_budget(text: str) -> float:
    """Return a time such as ``90s``, ``2min``, ``2m`` or ``1h`` in seconds.

    Raises
    ------
    ValueError
        If it is none, or not above 0.
    """
    known = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*([a-z]+)\s*", text, re.ASCII)
    if known is None or known[2] not in UNITS_S:
        raise ValueError(f"{text!r} is not a time; give a number and one of {', '.join(UNITS_S)}, such as 90s or 2min")
    budget_s = float(known[1]) * UNITS_S[known[2]]
    if budget_s <= 0:
        raise ValueError(f"{text!r} is no time at all; give more than 0, such as 2min")
    return budget_s


def run_selftest(
    budget_s: float = math.inf,
    *,
    experiments: int | None = None,
    repeats: int = FEWEST_SEQUENTIAL,
    workload: Mapping[str, object] = WORKLOAD,
    injected: Sequence[float] = INJECTED,
    on_experiment: Callable[[int, float], None] = lambda number, elapsed_s: None,  # noqa: ARG005 - nobody watches
    place: Place | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> SelfTest:
    """Measure known differences in small experiments, and judge how they were judged.

    Parameters
    ----------
    budget_s
        No new experiment begins that would end later than so many seconds after the call; one is always made.
    experiments
        How many small experiments to make at most; None where the budget alone decides.
    repeats
        Blocks in a small experiment, at least 2.
    workload
        Values by the names of `Experiment`'s fields: one precision mode, on synthetic data.
    injected
        Slowdowns, as shares of the call's own time, each above 0.
    on_experiment
        Called after each whole experiment with its number, from 1, and the seconds so far; nothing is measured then.
    place
        Where it is measured; None for here.
    clock
        Seconds from any origin.

    Returns
    -------
    SelfTest
        After Ctrl-C, of the experiments that were whole by then.

    Raises
    ------
    ValueError
        If neither budget nor number of experiments is given, or one of the numbers is out of range.
    significand.plan.problems.PlanError
        With one line for every mistake in the workload.
    significand.runner.launched.RunnerError
        When the runs' processes cannot be started.
    """
    _check(budget_s, experiments, repeats, injected)
    start_s = clock()
    most = min(experiments or MOST_BLOCKS, max(1, MOST_BLOCKS // repeats))
    experiment = plan_experiment(
        {**workload, "repeats": most * repeats},
        Surroundings(engine_modes(), lambda name, column: None),  # noqa: ARG005
    )
    (plain,) = experiment.setups()
    shares = {AGAIN: 0.0} | {f"plus-{100 * share:g}": share for share in injected}
    # Runs that stand next to each other take their turns nearer in time: the equal two shall have no such advantage.
    slower = [label for label in shares if label != AGAIN]
    order = {label: shares.get(label, 0.0) for label in (BASE, *slower[:1], AGAIN, *slower[1:])}
    setups = tuple(dataclasses.replace(plain, variant=label, slowdown=share, name="") for label, share in order.items())
    runs: list[Run] = []
    size = len(setups) * repeats  # runs of a small experiment
    begun_s = start_s

    def keep(run: Run, details: Mapping[str, np.ndarray]) -> None:
        del details
        runs.append(run)
        number, rest = divmod(len(runs), size)
        if not rest:
            on_experiment(number, clock() - start_s)

    def is_enough(blocks: int) -> bool:
        nonlocal begun_s
        now_s = clock()
        if not blocks:
            begun_s = now_s  # before, the runs' processes were started
        number, rest = divmod(blocks, repeats)
        return bool(number) and not rest and now_s - start_s + (now_s - begun_s) / number > budget_s

    interrupted = False
    try:
        energy = EnergyPlan(experiment.watts_per_core)
        blocks = (Block(experiment, repeat, setups, energy) for repeat in range(experiment.repeats))
        (place or Here(None)).run(blocks, keep, is_enough)
    except KeyboardInterrupt:
        interrupted = True
    return assess(
        runs[: len(runs) // size * size],
        shares,
        repeats=repeats,
        duration_s=clock() - start_s,
        interrupted=interrupted,
    )


def assess(
    runs: Sequence[Run], shares: Mapping[str, float], *, repeats: int, duration_s: float, interrupted: bool
) -> SelfTest:
    """Judge how small experiments judged known differences.

    Parameters
    ----------
    runs
        Of whole experiments, finished or failed, experiment by experiment.
    shares
        By variant, what was injected; 0 for the same again.
    repeats
        Blocks in a small experiment.
    duration_s, interrupted
        As in `SelfTest`.
    """
    size = (len(shares) + 1) * repeats
    each = [runs[begin : begin + size] for begin in range(0, len(runs), size)]
    answers = []
    for label, share in shares.items():
        judged = [_compared(one, label) for one in each]
        verdicts = [one.verdict for one in judged if one.verdict != "not tested"]
        hits = sum(verdict == "worse" or (verdict == "better" and not share) for verdict in verdicts)
        answers.append(Answer(share, _rate(hits, len(verdicts)), _compared(runs, label).estimate))
    pair_std = sample_std(_log_ratios(runs, AGAIN))
    needed = repeats_needed(pair_std)
    verdict, reason, remedy = _judge(answers, repeats, needed, next((run.reason for run in runs if run.reason), ""))
    return SelfTest(
        verdict,
        reason,
        remedy,
        len(each),
        repeats,
        duration_s,
        interrupted,
        tuple(answers),
        pair_std,
        {n: math.expm1(float(_detectable(pair_std, n))) for n in TOLD_REPEATS},
        needed,
        threads=runs[0].threads if runs else 0,
        steps=sum(run.steps for run in runs),
        disturbed_steps=sum(run.disturbed_steps for run in runs),
        remeasured_steps=sum(run.remeasured_steps for run in runs),
        failed=sum(not run.finished for run in runs),
    )


def repeats_needed(pair_std: float, share: float = WANTED_SHARE, power: float = WANTED_RATE) -> int | None:
    """Return how many repeats show a slowdown with the given power, in one comparison at 95 %.

    Parameters
    ----------
    pair_std
        Sample standard deviation of log ratios.
    share
        The slowdown.
    power
        Probability with which it shall be found.

    Returns
    -------
    int or None
        At least 2; None where more than `MOST_REPEATS` are needed or the spread is not known.
    """
    numbers = np.arange(2, MOST_REPEATS + 1)
    enough = numbers[_detectable(pair_std, numbers, power) <= math.log1p(share)]
    return int(enough[0]) if enough.size else None


def _detectable(pair_std: float, repeats: int | np.ndarray, power: float = POWER) -> np.ndarray:
    """Return the log ratio that so many repeats show with the given power."""
    n = np.asarray(repeats)
    return smallest_detectable(pair_std / np.sqrt(n), n - 1, ALLOWED, power)


def _check(budget_s: float, experiments: int | None, repeats: int, injected: Sequence[float]) -> None:
    if experiments is None and not 0 < budget_s < math.inf:
        raise ValueError(f"a budget of {budget_s:g} s and no number of experiments; give a time above 0, or a number")
    if experiments is not None and not 1 <= experiments <= MOST_BLOCKS // max(repeats, 1):
        raise ValueError(f"{experiments} experiments of {repeats} blocks; give from 1 to {MOST_BLOCKS} blocks in all")
    if not 2 <= repeats <= MOST_REPEATS:
        raise ValueError(f"{repeats} repeats; give from 2, as one pair has no spread, to {MOST_REPEATS}")
    if wrong := [share for share in injected if not 0 < share <= 10]:
        raise ValueError(f"a slowdown of {wrong[0]:g}; give shares above 0 and at most 10, such as 0.02")


def _compared(runs: Sequence[Run], label: str) -> Comparison:
    """Compare a setup's latency with that of the plain one, as every experiment does."""
    sides, is_plain, beside_s = _sides(runs, label)
    (comparison,) = compare(
        {"latency": beside_s},
        (~is_plain).astype(np.int64),
        sides.counts("repeat"),
        [BASE, label],
        0,
        level=LEVEL,
    )
    return comparison


def _log_ratios(runs: Sequence[Run], label: str) -> np.ndarray:
    """Return the log ratio of a setup's latency to the plain one's in every block that has both."""
    sides, is_plain, beside_s = _sides(runs, label)
    repeats = sides.counts("repeat")
    return log_ratios(*(Costs(repeats[rows], beside_s[rows]) for rows in (~is_plain, is_plain)))


def _sides(runs: Sequence[Run], label: str) -> tuple[RunTable, np.ndarray, np.ndarray]:
    """Return the finished runs of a setup and of the plain one, which are the latter, and latencies beside these."""
    sides = [run for run in runs if run.finished and run.variant in {BASE, label}]
    is_plain = np.array([run.variant == BASE for run in sides], dtype=np.bool_)
    table = table_of(sides)
    return table, is_plain, latencies_beside(table, np.flatnonzero(is_plain))


def _rate(hits: int, n: int) -> Rate:
    if not n:
        return Rate(0, 0, math.nan, math.nan)
    interval = binomtest(hits, n).proportion_ci(LEVEL, "exact")
    return Rate(hits, n, float(interval.low), float(interval.high))


def _judge(answers: Sequence[Answer], repeats: int, needed: int | None, failure: str) -> tuple[Verdict, str, str]:
    """Return the verdict, its reason, and what to do about it."""
    alarms = answers[0].found
    if not alarms.n:
        return _nothing_judged(failure)
    counted = f"{alarms.hits} of {alarms.n} experiments saw a difference where there is none"
    if alarms.low > ALLOWED:
        more = f"{counted}: more than the {100 * ALLOWED:.0f} % that is promised"
        return "do not trust", more, f"make the machine quiet; {EXAMINE}"
    reason = f"{counted}; at most {100 * alarms.high:.0f} % do (95 % interval)"
    if alarms.point > ALLOWED and alarms.high > SURE_BELOW:
        chance = f"{reason}: more often than the {100 * ALLOWED:.0f} % that is promised, which may be chance or a fault"
        return "cannot say", chance, f"a longer --budget tells the two apart; {EXAMINE}"
    if alarms.n < FEWEST_EXPERIMENTS:
        return "cannot say", f"{reason}, which says little", "give it more time: a longer --budget"
    for detected in [one.found for one in answers if one.injected == WANTED_SHARE]:
        found = f"{reason}; 2 % slower was found by {detected.hits} of {detected.n}"
        if missed := _missed(found, detected, repeats, needed):
            return missed
    return _passed(alarms, reason)


def _passed(alarms: Rate, reason: str) -> tuple[Verdict, str, str]:
    """Say how far false alarms that are rare and a slowdown that was found carry."""
    if alarms.high <= SURE_BELOW:
        return "trust", reason, ""
    return "trust so far", reason, "a longer --budget would say it more surely"


def _nothing_judged(failure: str) -> tuple[Verdict, str, str]:
    if failure:
        return "do not trust", f"no experiment could be judged: {failure}", f"mend that; {EXAMINE}"
    return "cannot say", "no experiment was whole", "give it more time, such as --budget 2min"


def _missed(reason: str, detected: Rate, repeats: int, needed: int | None) -> tuple[Verdict, str, str] | None:
    """Say what follows where the wanted slowdown is not found as it should be; None where it is."""
    if needed is not None and needed <= repeats:
        if detected.high >= WANTED_RATE:
            return None
        # The number of repeats comes from the spread: where what was found denies it, there is none to name.
        denied = f"{reason}, although equal runs scatter so little that {needed} repeats should find it"
        return "cannot say", denied, f"make the machine quiet, and give a longer --budget; {EXAMINE}"
    if detected.point >= WANTED_RATE and detected.low >= FEWEST_FOUND:
        return None
    if needed is None:
        hopeless = f"{reason}, and {MOST_REPEATS} repeats would not be enough"
        return "do not trust", hopeless, f"make the machine quiet; {EXAMINE}"
    remedy = (
        f"--repeats {needed} to see differences of 2 % in a single comparison (two modes beside the baseline are "
        f"judged by 10 tests together: about 1.6 times as many), or a quieter machine; {EXAMINE}"
    )
    return "trust with more repeats", reason, remedy
