"""What `significand.analysis` costs on large tables: 3 million made-up runs, and a million points' frontier.

Measured are the public functions for a caller who holds such a table as columns, each named in what is printed; what
the commands take for a folder of that size, `benchmarks/scale_folders.py` measures. ``python benchmarks/scale.py``
takes about half a minute.
The rows are 100 setups x 1,000 hosts x 30 repeats with five metrics, in random order. Time is the fastest of a few
tries, on the wall and on the CPU; the curves are of CPU time, which a busy machine changes least. Memory is the
process's peak so far, made-up rows included (``ru_maxrss``, getrusage(2)).
"""

import argparse
import math
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from significand.analysis import (
    block_table,
    compare,
    frontier,
    frontier_uncertainty,
    grouped_estimates,
    mean_by_host,
    relative_to_baseline,
)

SETUPS = 100
METRICS = ("train_time", "latency", "memory", "energy", "accuracy")
CURVE = ((2, 5), (10, 10), (100, 10), (1000, 10))
"""Hosts and repeats of the tables that the curves are of: 1,000 to a million rows."""

MOST_S, MOST_MB, FRONTIER_MOST_S = 10.0, 2000.0, 1.0

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Runs as columns, shape (n_rows,) each."""

    setups: Codes
    hosts: Codes
    repeats: Codes
    metrics: dict[str, Floats]
    n_hosts: int
    n_repeats: int

    @property
    def blocks(self) -> Codes:
        """The block of each row: its host and repeat."""
        return self.hosts * self.n_repeats + self.repeats


def made_up(n_hosts: int, n_repeats: int) -> Rows:
    """Return runs whose costs differ by setup and by host, in random order."""
    random = np.random.default_rng(1)
    n_rows = SETUPS * n_hosts * n_repeats
    place = random.permutation(n_rows)
    setups, block = np.divmod(place, n_hosts * n_repeats)
    hosts, repeats = np.divmod(block, n_repeats)
    of_setup, of_host = random.normal(0.0, 0.5, SETUPS), random.normal(0.0, 0.3, n_hosts)
    costs = {
        name: np.exp(of_setup[setups] + of_host[hosts] + 0.05 * random.standard_normal(n_rows)) for name in METRICS[:4]
    }
    accuracy = 0.9 + 0.02 * of_setup[setups] + 0.005 * random.standard_normal(n_rows)
    return Rows(setups, hosts, repeats, costs | {"accuracy": np.clip(accuracy, 0.0, 1.0)}, n_hosts, n_repeats)


def summarise_rows(rows: Rows) -> None:
    """Estimate every metric per setup and host, which is what costs may be pooled over, and per setup."""
    of_host = rows.setups * rows.n_hosts + rows.hosts
    for values in rows.metrics.values():
        grouped_estimates(values, of_host, SETUPS * rows.n_hosts)
        grouped_estimates(values, rows.setups, SETUPS)


def compare_rows(rows: Rows) -> None:
    """Compare 99 setups with the first on five metrics, paired by host and repeat."""
    names = [f"setup {k}" for k in range(SETUPS)]
    compare(rows.metrics, rows.setups, rows.blocks, names, 0, energy_measured=True)


def frontier_of_rows(rows: Rows) -> None:
    """Find the frontier of latency and accuracy with its uncertainty, the host being the unit."""
    values = np.column_stack([rows.metrics["latency"], rows.metrics["accuracy"]])
    n_blocks = rows.n_hosts * rows.n_repeats
    table = block_table(values, rows.blocks, rows.setups, (n_blocks, SETUPS))
    relative = relative_to_baseline(table, [False, True], 0)
    by_host = mean_by_host(relative, np.arange(n_blocks) // rows.n_repeats)
    frontier_uncertainty(by_host, [False, True])


STAGES: dict[str, Callable[[Rows], None]] = {
    "summary": summarise_rows,
    "comparisons": compare_rows,
    "frontier with uncertainty": frontier_of_rows,
}

CALLED = {
    "summary": "grouped_estimates, by setup and host, and by setup",
    "comparisons": "compare, paired by host and repeat",
    "frontier with uncertainty": "block_table, relative_to_baseline, mean_by_host, frontier_uncertainty",
}
"""The functions of `significand.analysis` that each stage calls on columns in memory."""


def fastest_s(tries: int, call: Callable[..., object], *arguments: object) -> tuple[float, float]:
    """Return the wall time and the CPU time of the fastest of some calls, each."""
    wall_s, cpu_s = [], []
    for _ in range(tries):
        start, cpu_start = time.perf_counter(), time.process_time()
        call(*arguments)
        wall_s.append(time.perf_counter() - start)
        cpu_s.append(time.process_time() - cpu_start)
    return min(wall_s), min(cpu_s)


def peak_mb() -> float:
    """Return the process's peak resident memory so far, in MB (10^6 bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def clouds(n: int) -> dict[str, tuple[Floats, Floats]]:
    """Return points as latencies and accuracies: a cloud, whose frontier is short, and one that is all frontier."""
    random = np.random.default_rng(n)
    latency = random.uniform(size=n)
    return {"cloud": (latency, random.uniform(size=n)), "all on the frontier": (latency, latency.copy())}


def print_curve(name: str, sizes: Sequence[int], times_s: Sequence[float]) -> None:
    """Print how time grows from size to size, beside what growth as n log n would make it."""
    for k, (size, time_s) in enumerate(zip(sizes, times_s, strict=True)):
        line = f"{name:<32}{size:>10,}{1e3 * time_s:>12.2f}"
        if k:
            before = sizes[k - 1]
            allowed = size * math.log(size) / (before * math.log(before))
            line += f"{time_s / times_s[k - 1]:>10.1f}{allowed:>16.1f}"
        print(line)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--tries", type=int, default=3, help="the fastest of so many counts")
    parser.add_argument("--points", type=int, default=1_000_000, help="the largest frontier")
    arguments = parser.parse_args()

    base_mb = peak_mb()
    rows = made_up(arguments.hosts, arguments.repeats)
    print(f"{rows.setups.size:,} rows: {SETUPS} setups x {arguments.hosts:,} hosts x {arguments.repeats} repeats")
    print(f"\n{'stage':<32}{'wall s':>10}{'CPU s':>10}{'peak so far, MB':>18}  target")
    print(f"{'(nothing yet)':<32}{'':>20}{base_mb:>18.0f}")
    print(f"{'(making the rows up)':<32}{'':>20}{peak_mb():>18.0f}")
    wall_s = cpu_s = 0.0
    for name, stage in STAGES.items():
        stage_s = fastest_s(arguments.tries, stage, rows)
        wall_s, cpu_s = wall_s + stage_s[0], cpu_s + stage_s[1]
        print(f"{name:<32}{stage_s[0]:>10.2f}{stage_s[1]:>10.2f}{peak_mb():>18.0f}")
    print(f"{'together':<32}{wall_s:>10.2f}{cpu_s:>10.2f}{peak_mb():>18.0f}  <= {MOST_S:g} s, <= {MOST_MB:g} MB")
    del rows
    print("\nwhat was called, of significand.analysis, on columns in memory:")
    for name, called in CALLED.items():
        print(f"  {name}: {called}")

    print(f"\n{'curve':<32}{'n':>10}{'CPU ms':>12}{'times':>10}{'n log n allows':>16}")
    sizes = [size for size in (10**3, 10**4, 10**5, 10**6) if size <= arguments.points]
    # What the caches alone make of n log n: a plain sort, by place, of as many numbers.
    sorts_s = [fastest_s(arguments.tries, np.argsort, clouds(size)["cloud"][0])[1] for size in sizes]
    print_curve("numpy.argsort, for comparison", sizes, sorts_s)
    slowest_s = 0.0
    for name in clouds(2):
        measured = [fastest_s(arguments.tries, frontier, *clouds(size)[name]) for size in sizes]
        print_curve(f"frontier, {name}", sizes, [cpu_s for _, cpu_s in measured])
        slowest_s = max(slowest_s, measured[-1][0])
    print(f"slowest frontier of {sizes[-1]:,} points: {slowest_s:.2f} s; target <= {FRONTIER_MOST_S:g} s for a million")
    tables = [made_up(hosts, repeats) for hosts, repeats in CURVE if hosts <= arguments.hosts]
    for name, stage in STAGES.items():
        of_size = [fastest_s(arguments.tries, stage, table)[1] for table in tables]
        print_curve(f"rows, {name}", [table.setups.size for table in tables], of_size)


if __name__ == "__main__":
    main()
