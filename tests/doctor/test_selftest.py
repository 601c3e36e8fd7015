"""Behaviour of the self-test: counts, intervals, verdicts, its budget, and one real run."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nct, t

from made_up_place import Details, MadeUpPlace
from significand.analysis.intervals import Estimate
from significand.doctor.selftest import (
    WORKLOAD,
    Answer,
    SelfTest,
    _judge,
    _rate,
    assess,
    parse_budget,
    repeats_needed,
    run_selftest,
)
from significand.plan.setup import Setup
from significand.results.records import FAILED, Run
from significand.runner.block import Block

NONE = Estimate(math.nan, math.nan, math.nan, "t", 0.95, 0)

Latency = Callable[[Setup, int], float]


class MadeUp:
    """A made-up machine and its clock: every block takes a second, and so does starting the runs' processes."""

    def __init__(self, latency_s: Latency, interrupt_at: int | None = None) -> None:
        self.latency_s, self.interrupt_at = latency_s, interrupt_at
        self.now_s = 1000.0
        self.setups: Sequence[Setup] = ()

    def clock(self) -> float:
        """Return the made-up time."""
        return self.now_s

    def pass_second(self) -> None:
        """Let a second pass."""
        self.now_s += 1

    def measure(self, block: Block, setup: Setup) -> tuple[Run, Details]:
        """Return a made-up run, and let the block's time pass with its first."""
        self.setups = block.setups
        if setup == block.setups[0]:
            self.pass_second()
        if block.repeat == self.interrupt_at and setup.variant != "plain":
            raise KeyboardInterrupt
        latency_s = self.latency_s(setup, block.repeat)
        failed = math.isnan(latency_s)
        run = Run(
            variant=setup.variant,
            repeat=block.repeat,
            inference_latency_per_sample_s=latency_s,
            status=FAILED if failed else "finished",
            reason="made to fail" if failed else "",
            steps=10,
            disturbed_steps=1,
            remeasured_steps=2,
        )
        return run, {}

    def test(self, budget_s: float = math.inf, **arguments: object) -> SelfTest:
        """Run the self-test on this machine."""
        place = MadeUpPlace(on_ready=self.pass_second, make=self.measure)
        return run_selftest(budget_s, place=place, clock=self.clock, **arguments)  # type: ignore[arg-type]


def noisy(std: float, seed: int = 1) -> Latency:
    """Return latencies of 1 ms with what is injected and normal noise of their logs."""
    random = np.random.default_rng(seed)

    def latency_s(setup: Setup, repeat: int) -> float:  # noqa: ARG001 - every repeat is alike
        return 1e-3 * (1 + (setup.slowdown or 0.0)) * math.exp(random.normal(0, std))

    return latency_s


@pytest.mark.slow
def test_a_quiet_machine_is_to_be_trusted() -> None:
    """Both slowdowns are always found and measured as what they are; false alarms are as rare as promised."""
    result = MadeUp(noisy(0.002)).test(experiments=200)
    again, two, five = result.answers
    assert (result.verdict, result.remedy) == ("trust", "")
    assert (result.experiments, result.repeats, result.interrupted) == (200, 10, False)
    assert again.found.high <= 0.08
    assert (two.found.hits, five.found.hits) == (200, 200)
    assert two.found.high == 1
    assert [answer.injected for answer in result.answers] == [0, 0.02, 0.05]
    for answer in result.answers:
        assert answer.ratio.low < answer.ratio.point < answer.ratio.high
        assert answer.ratio.point == pytest.approx(1 + answer.injected, abs=5e-4)
    assert result.pair_std == pytest.approx(0.002 * math.sqrt(2), rel=0.1)
    assert (result.steps, result.disturbed_steps, result.remeasured_steps) == (80_000, 8_000, 16_000)


def test_the_interval_of_a_rate_is_the_exact_one() -> None:
    """Clopper and Pearson's bounds at the ends: 0 of 10 is up to 1 - 0.025^0.1, 10 of 10 is from 0.025^0.1."""
    again, two, _ = MadeUp(noisy(0.002)).test(experiments=10).answers
    assert (again.found.hits, again.found.low, two.found.hits, two.found.high) == (0, 0, 10, 1)
    assert again.found.high == pytest.approx(1 - 0.025**0.1)
    assert two.found.low == pytest.approx(0.025**0.1)


@pytest.mark.slow
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_made_up_slowdown_is_found(seed: int) -> None:
    """Whatever the draw, +2 % under noise of 0.3 % is found in every small experiment, as slower."""
    two = MadeUp(noisy(0.003, seed)).test(experiments=5, injected=[0.02]).answers[1]
    assert (two.found.hits, two.found.n) == (5, 5)


def test_a_call_found_quicker_is_no_detection() -> None:
    """A slowdown that comes out as a speed-up is not counted as found."""
    noise = noisy(1e-3)
    machine = MadeUp(lambda setup, repeat: noise(setup, repeat) / (1 + (setup.slowdown or 0)) ** 2)
    two = machine.test(experiments=3).answers[1]
    assert two.ratio.high < 1
    assert (two.found.hits, two.found.n) == (0, 3)


def test_false_alarms_forbid_trust() -> None:
    """Where equal runs are told apart more often than promised, beyond chance, verdicts are not to be trusted."""
    noise = noisy(1e-3)
    machine = MadeUp(lambda setup, repeat: noise(setup, repeat) * (1.03 if setup.variant == "again" else 1))
    result = machine.test(experiments=5)
    assert result.answers[0].found.hits == 5
    assert result.verdict == "do not trust"
    assert (
        result.reason == "5 of 5 experiments saw a difference where there is none: more than the 5 % that is promised"
    )
    assert "doctor" in result.remedy


def test_rounds_that_jump_together_are_compared_together() -> None:
    """A machine that jumps by a quarter between rounds hides 2 % from the runs' medians, not from neighbours."""
    random = np.random.default_rng(4)
    runs = []
    for repeat in range(50):
        levels = random.choice([1.0, 1.25], 11)
        for label, cost in (("plain", 1.0), ("again", 1.0), ("plus-2", 1.02)):
            own = np.where(random.random(11) < 0.2, random.choice([1.0, 1.25], 11), levels)
            rounds_s = 1e-3 * cost * own * np.exp(random.normal(0, 0.005, 11))
            runs.append(
                Run(
                    variant=label,
                    repeat=repeat,
                    inference_latency_per_sample_s=float(np.median(rounds_s)),
                    round_latencies_s=" ".join(map(str, rounds_s)),
                )
            )
    by_rounds, by_runs = (
        assess(some, {"again": 0.0, "plus-2": 0.02}, repeats=10, duration_s=1.0, interrupted=False)
        for some in (runs, [replace(run, round_latencies_s="") for run in runs])
    )
    assert (by_rounds.answers[0].found.hits, by_rounds.answers[1].found.hits) == (0, 5)
    assert by_rounds.pair_std < by_runs.pair_std / 3
    assert by_runs.answers[1].found.hits < 5


@pytest.mark.slow
def test_noise_asks_for_more_repeats() -> None:
    """Where 2 % is mostly missed, the number of repeats that would find it is named, and it does find it."""
    result = MadeUp(noisy(0.02, seed=4)).test(experiments=40)
    assert result.verdict == "trust with more repeats"
    assert result.repeats_needed is not None
    assert 20 < result.repeats_needed < 30
    assert result.remedy.startswith(f"--repeats {result.repeats_needed} ")
    better = MadeUp(noisy(0.02)).test(experiments=40, repeats=result.repeats_needed)
    assert better.answers[1].found.point > 0.75


def test_a_lucky_experiment_is_not_enough() -> None:
    """Where the few experiments happen to find 2 %, the spread of equal runs tells how many repeats it takes."""
    lucky = noisy(0.02, seed=3)
    machine = MadeUp(lambda setup, repeat: lucky(setup, repeat) * (1.2 if setup.slowdown else 1))
    result = machine.test(experiments=5)
    assert (result.answers[1].found.hits, result.answers[1].found.n) == (5, 5)
    assert result.verdict == "trust with more repeats"
    assert machine.test(experiments=1).verdict == "cannot say"


def judged(hits: int, n: int, *, found: int, needed: int | None) -> tuple[str, str, str]:
    """Judge `hits` false alarms in `n` experiments of ten repeats, of which `found` saw 2 %."""
    return _judge([Answer(0.0, _rate(hits, n), NONE), Answer(0.02, _rate(found, n), NONE)], 10, needed, "")


@pytest.mark.parametrize(("hits", "n"), [(1, 1), (2, 10), (4, 30), (15, 200), (11, 200)])
def test_alarms_above_the_promised_rate_are_no_trust(hits: int, n: int) -> None:
    """A rate above 5 % that may be chance, or much more than 5 %, is not passed: only more time can tell."""
    verdict, reason, remedy = judged(hits, n, found=n, needed=5)
    assert verdict == "cannot say"
    assert reason.startswith(f"{hits} of {n} experiments saw a difference where there is none; at most ")
    assert reason.endswith("more often than the 5 % that is promised, which may be chance or a fault")
    assert "--budget" in remedy


@pytest.mark.parametrize(
    ("hits", "n", "verdict"),
    [
        (0, 4, "cannot say"),
        (0, 5, "trust so far"),
        (1, 20, "trust so far"),
        (20, 400, "trust"),
        (23, 500, "trust"),
        (9, 30, "do not trust"),
    ],
)
def test_alarms_as_rare_as_promised_are_no_matter(hits: int, n: int, verdict: str) -> None:
    """A rate up to 5 % is what verdicts promise; one surely above it forbids trust; few experiments say nothing."""
    assert judged(hits, n, found=n, needed=5)[0] == verdict


def test_no_number_of_repeats_is_named_against_what_was_found() -> None:
    """Where the spread promises detection with the repeats made, and it fails, no number of repeats is advised."""
    verdict, reason, remedy = judged(0, 20, found=10, needed=8)
    assert (verdict, "--repeats" in remedy) == ("cannot say", False)
    assert reason.endswith("although equal runs scatter so little that 8 repeats should find it")
    assert judged(0, 20, found=17, needed=8)[0] == "trust so far"  # which nine in ten give often enough


def test_the_repeats_advised_are_for_a_single_comparison() -> None:
    """The remedy says what its number is for, and that several modes at once take more."""
    assert judged(0, 20, found=10, needed=24)[2].startswith(
        "--repeats 24 to see differences of 2 % in a single comparison (two modes beside the baseline are judged by "
        "10 tests together: about 1.6 times as many)"
    )
    # The first of Holm's ten levels is 0.005: what it takes beside 0.05 with 90 % power, by the noncentral t.
    assert repeats_needed(0.04) is not None
    single, first = (
        min(n for n in range(5, 200) if nct.sf(t.isf(level / 2, n - 1), n - 1, math.log(1.02) / 0.04 * n**0.5) >= 0.9)
        for level in (0.05, 0.005)
    )
    assert single == repeats_needed(0.04)
    assert first / single == pytest.approx(1.6, abs=0.05)


@pytest.mark.slow
def test_hopeless_noise_forbids_trust() -> None:
    """Where a thousand repeats would not find 2 %, no number is named."""
    result = MadeUp(noisy(0.5)).test(experiments=20)
    assert (result.verdict, result.repeats_needed) == ("do not trust", None)
    assert "1000 repeats would not be enough" in result.reason


def test_failed_runs_leave_their_pairs_out() -> None:
    """A failed run costs its pair, no more; where all fail the reason is said."""
    good = noisy(0.002)
    result = MadeUp(lambda setup, repeat: math.nan if repeat == 3 else good(setup, repeat)).test(experiments=2)
    assert (result.failed, result.answers[0].found.n, result.answers[0].ratio.n) == (4, 2, 19)
    broken = MadeUp(lambda setup, repeat: math.nan).test(experiments=2)  # noqa: ARG005
    assert (broken.verdict, broken.reason) == ("do not trust", "no experiment could be judged: made to fail")
    assert math.isnan(broken.pair_std)


def test_a_few_experiments_ask_for_more() -> None:
    """What few experiments leave open is said, and what to do about it."""
    result = MadeUp(noisy(0.002)).test(experiments=5)
    assert result.verdict == "trust so far"
    assert result.reason == "0 of 5 experiments saw a difference where there is none; at most 52 % do (95 % interval)"
    assert "--budget" in result.remedy


@pytest.mark.parametrize(("budget_s", "experiments"), [(1, 1), (20.9, 1), (21, 2), (30.9, 2), (31, 3), (101, 10)])
def test_no_experiment_begins_that_would_end_late(budget_s: float, experiments: int) -> None:
    """With a second to start and 10 s an experiment, the budget holds whole experiments only, and at least one."""
    result = MadeUp(noisy(0.002)).test(budget_s)
    assert result.experiments == experiments
    assert result.duration_s == 1 + 10 * experiments


def test_the_number_of_experiments_is_a_limit_too() -> None:
    """Whichever of budget and number is reached first ends the test."""
    assert MadeUp(noisy(0.002)).test(1000, experiments=3).experiments == 3
    assert MadeUp(noisy(0.002)).test(22, experiments=3).experiments == 2


def test_every_whole_experiment_is_told() -> None:
    """After each experiment its number and the time are told, the last one included."""
    told: list[tuple[int, float]] = []
    MadeUp(noisy(0.002)).test(experiments=3, on_experiment=lambda *now: told.append(now))
    assert told == [(1, 11), (2, 21), (3, 31)]


@pytest.mark.parametrize(("block", "experiments"), [(5, 0), (10, 1), (25, 2)])
def test_an_interruption_leaves_what_is_whole(block: int, experiments: int) -> None:
    """Ctrl-C in the middle of a block: the whole experiments before it are judged, the rest is left out."""
    result = MadeUp(noisy(0.002), interrupt_at=block).test(experiments=5)
    assert (result.interrupted, result.experiments) == (True, experiments)
    assert result.answers[0].ratio.n == 10 * experiments
    assert (result.verdict, "no experiment" in result.reason) == ("cannot say", experiments == 0)


def test_equal_setups_have_names_of_their_own() -> None:
    """The four setups differ in variant and slowdown alone, all have the frame, and the equal two are no neighbours."""
    machine = MadeUp(noisy(0.002))
    machine.test(experiments=1, repeats=2)
    assert [(setup.name, setup.slowdown) for setup in machine.setups] == [
        ("float32-plain", 0),
        ("float32-plus-2", 0.02),
        ("float32-again", 0),
        ("float32-plus-5", 0.05),
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "a budget of inf s and no number of experiments"),
        ({"budget_s": -1}, "a budget of -1 s"),
        ({"experiments": 0}, "0 experiments of 10 blocks; give from 1"),
        ({"experiments": 1, "repeats": 1}, "1 repeats; give from 2"),
        ({"experiments": 1, "injected": [0.0]}, "a slowdown of 0; give shares above 0"),
    ],
)
def test_what_cannot_be_is_refused(arguments: dict[str, object], said: str) -> None:
    """Numbers out of range are refused with the value and the limit, before anything runs."""
    with pytest.raises(ValueError, match=said):
        MadeUp(noisy(0.002)).test(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("2min", 120), ("2m", 120), (" 1.5 h ", 5400), ("10sec", 10), ("0.5s", 0.5)]
)
def test_times_are_read(text: str, seconds: float) -> None:
    """A number and a unit make seconds."""
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "min", "2 days", "-1s", "1e3s", "nan s", "inf min", "٣s", "2min 3s"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """The error gives the text and an example."""
    with pytest.raises(ValueError, match=r"is not a time; give a number and one of s, sec, m, min, h, such as 90s"):
        parse_budget(text)


def test_no_time_is_refused() -> None:
    """0 s is a time, but none in which anything can be measured."""
    with pytest.raises(ValueError, match="'0s' is no time at all"):
        parse_budget("0s")


@pytest.mark.parametrize("pair_std", [0.005, 0.02, 0.04, 0.15])
def test_the_repeats_needed_are_the_least(pair_std: float) -> None:
    """With so many repeats the power at +2 % is 90 %, with one less it is not: by scipy.stats' noncentral t."""
    n = repeats_needed(pair_std)
    assert n is not None

    def power(repeats: int) -> float:
        effect = math.log(1.02) / pair_std * math.sqrt(repeats)
        return float(nct.sf(t.ppf(0.975, repeats - 1), repeats - 1, effect))

    assert power(n) >= 0.9
    assert n == 2 or power(n - 1) < 0.9


@pytest.mark.parametrize("pair_std", [math.nan, 0.5])
def test_no_number_of_repeats_is_made_up(pair_std: float) -> None:
    """Where the spread is not known, or a thousand repeats are too few, there is no number."""
    assert repeats_needed(pair_std) is None


@pytest.mark.slow
@pytest.mark.usefixtures("warm_test", "no_orphans", "scratch")
def test_a_real_slowdown_is_measured_as_what_it_is() -> None:
    """With the product's own conductor and workers, calls made 300 % longer are measured as about 4 times as long.

    The machine of the tests is busy: what others cost there must be small beside what is injected.
    """
    workload: dict[str, object] = {
        **WORKLOAD,
        "layer_sizes": (256, 256, 4),
        "activations": ("relu", "softmax"),
        "threads": 1,
        "latency_rounds": 3,
        "on_noise": "mark",
    }
    result = run_selftest(experiments=1, repeats=3, injected=[3.0], workload=workload)
    _, slower = result.answers
    assert (result.experiments, result.failed, result.threads, slower.ratio.n) == (1, 0, 1, 3)
    assert 2.5 < slower.ratio.point < 6.5
