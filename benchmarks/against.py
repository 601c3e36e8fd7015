"""False alarms and detection, beside pyperf, pytest-benchmark and torch's timer, on the same callables.

``python benchmarks/against.py --venv folder --pairs 20`` takes about half an hour on an otherwise idle machine, most of
it pyperf's; ``--tools`` leaves tools out, Ctrl-C ends it early. In every round each tool measures three callables: an
ONNX Runtime session, the same again in another session, and the same made 2 % slower by being busy for 2 % of the
call's own time. All three are in the same frame. A difference found between the first two is a false alarm; the third
called slower is a detection. Which tool goes first changes from round to round, and so does the order of the callables.

How each tool tells a difference, as its documentation has it and with its defaults:

pyperf                 ``pyperf timeit`` of each, then ``pyperf compare_to``: t test at 95 % over all values
pytest-benchmark       the fixture, then ``--benchmark-compare-fail=mean:1%`` in both directions. The threshold is the
                       user's to choose; half of the difference that is there is the best one could choose
torch.utils.benchmark  ``Timer.blocked_autorange``: the interquartile ranges of the two do not overlap
significand            ``significand selftest``'s way: blocks of interleaved runs, `significand.analysis.comparison`
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import binomtest

import rivals
from significand.doctor.selftest import WORKLOAD, run_selftest

SLOWDOWN = 0.02
THRESHOLD = SLOWDOWN / 2
LAYERS = (512, 512, 512, 10)
BATCH_SIZE = 32
TARGETS = "significand: false alarms <= 5 %, upper bound <= 8 %; detection >= 90 %"


@dataclass(frozen=True)
class Answer:
    """What a tool said in one round."""

    false_alarm: bool
    detected: bool


Tool = Callable[[bool], Answer]
"""Makes one round; told whether the callables go in backward order."""


def with_pyperf(python: Path, folder: Path, calls: list[str], options: list[str]) -> Tool:
    """Return pyperf's way."""

    def measure(backwards: bool) -> Answer:
        paths = [folder / f"{k}.json" for k in range(len(calls))]
        found: dict[int, rivals.Measured] = {}
        for k in list(range(len(calls)))[:: -1 if backwards else 1]:
            paths[k].unlink(missing_ok=True)
            found[k] = rivals.measure_pyperf(python, calls[k], paths[k], *options)
        return Answer(
            rivals.pyperf_differs(python, paths[0], paths[1]),
            rivals.pyperf_differs(python, paths[0], paths[2]) and found[2].reported_s > found[0].reported_s,
        )

    return measure


def with_one_process(
    calls: list[str],
    measure_all: Callable[[list[str]], list[rivals.Measured]],
    differs: Callable[[rivals.Measured, rivals.Measured], bool],
) -> Tool:
    """Return the way of a tool that measures all callables in one process."""

    def measure(backwards: bool) -> Answer:
        step = -1 if backwards else 1
        plain, again, slowed = measure_all(calls[::step])[::step]
        return Answer(differs(plain, again), differs(plain, slowed) and slowed.reported_s > plain.reported_s)

    return measure


def with_significand(repeats: int, rounds: int, threads: int) -> Tool:
    """Return significand's way; its blocks change the order of the callables themselves."""
    sizes: dict[str, object] = {"layer_sizes": LAYERS, "batch_size": BATCH_SIZE}
    workload = {**WORKLOAD, **sizes, "latency_rounds": rounds, "threads": threads}

    def measure(_: bool) -> Answer:
        result = run_selftest(experiments=1, repeats=repeats, workload=workload, injected=(SLOWDOWN,))
        again, slowed = (answer.found for answer in result.answers)
        if result.interrupted:
            raise KeyboardInterrupt
        if not again.n or not slowed.n:
            raise RuntimeError(f"a round without a verdict: {result.reason}")
        return Answer(bool(again.hits), bool(slowed.hits))

    return measure


def shown(hits: int, n: int) -> str:
    """Return a rate with its exact binomial 95 % interval (Clopper and Pearson 1934)."""
    interval = binomtest(hits, n).proportion_ci()
    return f"{hits:>5}/{n:<4}{hits / n:>5.0%} ({interval.low:>4.0%} to {interval.high:>4.0%})"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--venv", type=Path, required=True, help="folder for the other tools; made where it is not there"
    )
    parser.add_argument(
        "--pairs", type=int, default=20, help="rounds: each gives one pair of equals and one of unequals"
    )
    parser.add_argument("--repeats", type=int, default=10, help="blocks of an experiment of significand")
    parser.add_argument("--rounds", type=int, default=20, help="latency rounds of a run of significand")
    parser.add_argument("--threads", type=int, default=1, help="of the session, for every tool")
    parser.add_argument("--tools", default="significand,pyperf,pytest-benchmark,torch.utils.benchmark")
    parser.add_argument("--pyperf-options", default="", help="such as --fast, for a first look")
    arguments = parser.parse_args()
    python = rivals.environment(arguments.venv)
    print(rivals.versions(python))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        network = folder / "network.onnx"
        rivals.write_network(network, LAYERS)
        calls = [f"network|{network}|{BATCH_SIZE}|{arguments.threads}|{share}" for share in (0.0, 0.0, SLOWDOWN)]
        known: dict[str, Tool] = {
            "significand": with_significand(arguments.repeats, arguments.rounds, arguments.threads),
            "pyperf": with_pyperf(python, folder, calls, arguments.pyperf_options.split()),
            "pytest-benchmark": with_one_process(
                calls,
                lambda texts: rivals.measure_pytest(python, texts),
                lambda first, second: rivals.pytest_differs(first, second, THRESHOLD),
            ),
            "torch.utils.benchmark": with_one_process(
                calls, lambda texts: rivals.measure_torch(python, texts, arguments.threads), rivals.torch_differs
            ),
        }
        names = arguments.tools.split(",")
        answers: dict[str, list[Answer]] = {name: [] for name in names}
        taken_s = dict.fromkeys(names, 0.0)
        # Ctrl-C ends a campaign early: the rounds that were finished count.
        with contextlib.suppress(KeyboardInterrupt):
            for turn in range(arguments.pairs):
                first = turn % len(names)
                for name in names[first:] + names[:first]:
                    begin = time.perf_counter()
                    answer = known[name](turn // len(names) % 2 == 1)
                    taken_s[name] += time.perf_counter() - begin
                    answers[name].append(answer)
                    print(turn + 1, name, answer, file=sys.stderr, flush=True)
    print(f"{'tool':<24}{'false alarms':>30}{'detection of +2 %':>30}{'s per pair':>12}")
    for name, given in ((name, given) for name, given in answers.items() if given):
        alarms = shown(sum(answer.false_alarm for answer in given), len(given))
        detected = shown(sum(answer.detected for answer in given), len(given))
        print(f"{name:<24}{alarms:>30}{detected:>30}{taken_s[name] / (2 * len(given)):>12.1f}")
    print(f"95 % intervals; a round's time is that of two pairs. Targets for {TARGETS}.")


if __name__ == "__main__":
    main()
