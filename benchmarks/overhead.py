"""What measuring a call costs: the time per counted call that a tool adds, beside pytest-benchmark and torch's timer.

``python benchmarks/overhead.py --venv folder`` takes about a minute, after the other tools have been installed into
that folder. Three callables: one that does nothing, one that is busy for 10 us, one for 100 us. *Added* is the reported
time minus that of a plain loop in the same process: what the tool counts as the call's. *Spent* is the wall time of
measuring divided by the counted calls, minus the plain loop's: warm-up, calibration, clock and keeping.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

from rival_calls import bare_s, make
from rivals import Measured, environment, measure_pytest, measure_torch, versions
from significand.meters.latency import calls_per_timing, measure_round

CALLS = ("empty", "spin|10", "spin|100")
ROUND_S = 0.03


def measure_here(text: str, rounds: int) -> Measured:
    """Measure as a run does: rounds, each after its warm-up; the median of all calls is reported."""
    call = make(text)
    begin = time.perf_counter()
    group = calls_per_timing(call)
    timings_s = [measure_round(call, ROUND_S, group) for _ in range(rounds)]
    wall_s = time.perf_counter() - begin
    reported_s = float(np.median(np.concatenate(timings_s)))
    return Measured((), reported_s, group * sum(one.size for one in timings_s), wall_s, bare_s(call))


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--venv", type=Path, required=True, help="folder for the other tools; made where it is not there"
    )
    parser.add_argument("--tries", type=int, default=5, help="the median of so many counts")
    parser.add_argument("--rounds", type=int, default=10, help="latency rounds, as in a run")
    arguments = parser.parse_args()
    python = environment(arguments.venv)
    print(versions(python))
    found: dict[str, list[list[Measured]]] = {"significand": [], "pytest-benchmark": [], "torch.utils.benchmark": []}
    tools = {
        "significand": lambda: [measure_here(text, arguments.rounds) for text in CALLS],
        "pytest-benchmark": lambda: measure_pytest(python, CALLS),
        "torch.utils.benchmark": lambda: measure_torch(python, CALLS, threads=1),
    }
    for turn in range(arguments.tries):
        names = list(tools)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            found[name].append(tools[name]())
    print(f"{'callable':<12}{'tool':<24}{'plain loop, us':>16}{'added, us':>12}{'spent, us':>12}{'calls':>10}")
    for k, text in enumerate(CALLS):
        for name, tries in found.items():
            ones = [one[k] for one in tries]
            bare, added, spent = (
                1e6 * statistics.median(values)
                for values in (
                    [one.bare_s for one in ones],
                    [one.reported_s - one.bare_s for one in ones],
                    [one.wall_s / one.calls - one.bare_s for one in ones],
                )
            )
            calls = statistics.median(one.calls for one in ones)
            print(f"{text:<12}{name:<24}{bare:>16.3f}{added:>12.3f}{spent:>12.3f}{calls:>10.0f}")


if __name__ == "__main__":
    main()
