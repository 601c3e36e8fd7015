"""What it costs to run blocks on several machines: sending one, keeping 360,000 runs, and sharing repeats.

``python benchmarks/fleet.py`` does all three on this machine:

1. A block as a task of a real Dask worker on loopback, and the same block started here, in turns: the difference of the
   medians is what sending costs.
2. 10 to 1,000 machines that nobody has send 30 repeats of 12 setups: bytes of a real block, with each machine's name.
   Seconds from the first submission to the finished report, without those that making the bytes takes; and the peak of
   the memory, each in a process of its own.
3. Three machines share 30 repeats whose blocks wait, and one machine does them alone.
"""

import argparse
import io
import json
import math
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from significand.fleet_job import run_fleet_in
from significand.meters.machine import describe_machine
from significand.results.fleet_state import seconds_between
from significand.results.journal import JOURNAL
from significand.runner.bundle import Bundle
from significand.runner.dask_place import DaskPlace
from significand.runner.fleet_options import FleetOptions
from significand.runner.places import Ended, Event, HostFacts
from significand.runner.task import run_task, told

TINY: dict[str, object] = {
    "data": "synthetic", "layer_sizes": "16-32-4", "activations": "relu,softmax", "n_samples": 200, "epochs": 1,
    "latency_rounds": 2, "round_duration_s": 0.002, "threads": 1, "repeats": 30, "on_noise": "mark",
}  # fmt: skip
SEVERAL = {"precision_modes": "float32,float16,int8", "batch_size": "8,16,32,64"}
ONE = {"precision_modes": "float32", "batch_size": 16}
KINDS = ("AMD EPYC 9654", "Intel Xeon 8480", "AMD EPYC 7763")
SIZES = (10, 30, 100, 300, 1000)


class Template:
    """A real block, of which every machine and repeat gets a copy with its own name, number and seed."""

    def __init__(self, content: bytes, seed: int) -> None:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            self._members = {name: archive.read(name) for name in archive.namelist()}
        first, *self._lines = self._members.pop(JOURNAL).decode().splitlines(keepends=True)
        self._facts = json.loads(first)
        self._seed = seed

    def block(self, host: str, cpu: str, repeat: int) -> bytes:
        """Return the block of a machine."""
        facts = {**self._facts, "machine": {**self._facts["machine"], "host": host, "cpu": cpu}}
        old = ('"repeat": "0"', f'"seed": "{self._seed}"')
        new = (f'"repeat": "{repeat}"', f'"seed": "{self._seed + repeat}"')
        runs = (line.replace(old[0], new[0], 1).replace(old[1], new[1], 1) for line in self._lines)
        lines = [json.dumps(facts) + "\n", *runs]
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(JOURNAL, "".join(lines))
            for name, content in self._members.items():
                archive.writestr(name.replace("r000-", f"r{repeat:03d}-", 1), content)
        return buffer.getvalue()


class Simulated:
    """A scheduler of machines that nobody has.

    Parameters
    ----------
    template
        What they send.
    hosts
        How many.
    wait_s
        How long each block takes, by the clock; 0 for none.
    kinds
        Processors that they have in turn.
    """

    def __init__(self, template: Template, hosts: int, wait_s: float = 0.0, kinds: Sequence[str] = KINDS) -> None:
        self.queues = False
        self._template = template
        self._wait_s = wait_s
        here: dict[str, Any] = describe_machine()
        names = [f"node{number:04d}" for number in range(hosts)]
        self._cpus = {name: kinds[at % len(kinds)] for at, name in enumerate(names)}
        self._facts = [HostFacts(name, {**here, "host": name, "cpu": cpu}) for name, cpu in self._cpus.items()]
        self._running: deque[tuple[float, str, int]] = deque()
        self.begin_s = math.nan
        self.making_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def hosts(self) -> Sequence[HostFacts]:
        """Return the machines."""
        return self._facts

    def start(self, host: str, repeat: int) -> None:
        """Begin a block."""
        if math.isnan(self.begin_s):
            self.begin_s = time.perf_counter()
        self._running.append((time.perf_counter() + self._wait_s, host, repeat))

    def avoid(self, machine: str) -> None:
        """Every machine is chosen by its name."""

    def wait(self, timeout_s: float) -> Sequence[Event]:
        """Return the blocks that are done by now, 500 at most."""
        if self._running:
            time.sleep(min(timeout_s, max(0.0, self._running[0][0] - time.perf_counter())))
        begin = time.perf_counter()
        events: list[Event] = []
        while self._running and self._running[0][0] <= begin and len(events) < 500:
            _, host, repeat = self._running.popleft()
            events.append(Ended(host, repeat, self._template.block(host, self._cpus[host], repeat)))
        self.making_s += time.perf_counter() - begin
        return events

    def cancel(self) -> None:
        """Nothing runs anywhere."""


def bundle_of(fields: Mapping[str, object], folder: Path) -> Path:
    """Return the bundle of an experiment."""
    outcome = run_fleet_in(folder, fields, FleetOptions("hand"))
    assert outcome.bundle
    return outcome.bundle


def template_of(fields: Mapping[str, object], folder: Path) -> Template:
    """Measure a block of an experiment here, once."""
    bundle = bundle_of(fields, folder)
    content, reason = told(run_task(bundle, 0))
    if reason:
        raise SystemExit(f"the block could not be measured: {reason}")
    return Template(content, Bundle(bundle).experiment.seed)


def overhead(turns: int, folder: Path) -> None:
    """Print what sending a block by Dask costs."""
    bundle = bundle_of(TINY | ONE, folder / "bundle")
    processes = []
    environment = os.environ | {"SIGNIFICAND_HOST": "worker"}
    address = "tcp://127.0.0.1:28786"
    scheduler = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "28786", "--no-dashboard"]
    worker = ["distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard",
              "--resources", "significand=1", "--local-directory", str(folder / "worker")]  # fmt: skip
    try:
        for words in (scheduler, worker):
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", *words],
                    env=environment,
                    cwd=folder,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            time.sleep(4)
        here, there = [], []
        with DaskPlace(address, lambda: bundle, (), with_doctor=False) as place:
            (host,) = place.hosts()
            for turn in range(turns):
                begin = time.perf_counter()
                assert told(run_task(bundle, turn))[1] == ""
                here.append(time.perf_counter() - begin)
                begin = time.perf_counter()
                place.start(host.name, turn)
                while not (ended := [one for one in place.wait(1.0) if isinstance(one, Ended)]):
                    pass
                assert ended[0].reason == "", ended[0].reason
                there.append(time.perf_counter() - begin)
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGKILL)
            process.wait()
    print("\n1. A block, started here and sent by Dask, in turns")
    print(f"   here {statistics.median(here):.2f} s, by Dask {statistics.median(there):.2f} s (medians of {turns})")
    print(f"   sending costs {statistics.median(there) - statistics.median(here):+.2f} s; the target is at most 0.5 s")


def simulate(hosts: int, folder: Path, template_file: Path) -> None:
    """Simulate a number of machines in this process, and print seconds, megabytes and sizes as JSON."""
    told_of = json.loads(template_file.with_suffix(".json").read_text())
    template = Template(template_file.read_bytes(), told_of["seed"])
    made: list[Simulated] = []

    def new_place(bundle: Path) -> Simulated:
        del bundle
        made.append(Simulated(template, hosts))
        return made[0]

    outcome = run_fleet_in(folder, TINY | SEVERAL, FleetOptions("dask://simulated:1"), new_place=new_place)
    end = time.perf_counter()
    assert not outcome.missing, outcome.missing
    place = made[0]
    size = (folder / "report.html").stat().st_size / 1e6
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({"seconds": end - place.begin_s - place.making_s, "making_s": place.making_s, "peak_mb": peak_mb,
                      "page_mb": size, "notes": list(outcome.notes)}))  # fmt: skip


def simulations(sizes: Sequence[int], folder: Path) -> None:
    """Print what it costs to keep the runs of many machines, and how that grows."""
    bundle = bundle_of(TINY | SEVERAL, folder / "bundle")
    content, reason = told(run_task(bundle, 0))
    assert not reason, reason
    template = folder / "template.zip"
    template.write_bytes(content)
    template.with_suffix(".json").write_text(json.dumps({"seed": Bundle(bundle).experiment.seed}))
    setups = len(Bundle(bundle).experiment.setups())
    print(f"\n2. Machines that nobody has: 30 repeats of {setups} setups each, {len(content) / 1e3:.0f} kB a block")
    print("   hosts     runs   seconds   per n log n   peak MB   page MB")
    for hosts in sizes:
        words = [sys.executable, __file__, "--simulate", str(hosts), "--folder", str(folder / str(hosts))]
        done = subprocess.run([*words, "--template", str(template)], capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"   {hosts:5d}   failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
            continue
        found = json.loads(done.stdout.strip().splitlines()[-1])
        runs = hosts * 30 * setups
        unit = 1e6 * found["seconds"] / (runs * math.log2(runs))
        print(f"   {hosts:5d} {runs:8d} {found['seconds']:9.1f} {unit:10.2f} µs {found['peak_mb']:9.0f} "
              f"{found['page_mb']:9.2f}", flush=True)  # fmt: skip
        for note in found["notes"][:3]:
            print(f"         {note}")
        shutil.rmtree(folder / str(hosts), ignore_errors=True)


def shares(wait_s: float, folder: Path) -> None:
    """Print how much sooner three machines finish the repeats that they share."""
    template = template_of(TINY | ONE, folder / "bundle")
    seconds = {}
    for hosts in (1, 3):
        place = Simulated(template, hosts, wait_s, KINDS[:1])
        run_fleet_in(
            folder / f"share-{hosts}", TINY | ONE, FleetOptions("dask://simulated:1", "share"),
            new_place=lambda _, place=place: place,  # type: ignore[misc]  # bound at once
        )  # fmt: skip
        blocks = json.loads((folder / f"share-{hosts}" / "fleet.json").read_text())["blocks"]
        first, last = min(one["submitted_utc"] for one in blocks), max(one["ended_utc"] for one in blocks)
        seconds[hosts] = seconds_between(first, last)
    print(f"\n3. 30 repeats of blocks that take {wait_s:g} s")
    print(f"   one machine {seconds[1]:.1f} s, three that share {seconds[3]:.1f} s: "
          f"{seconds[3] / seconds[1]:.2f} of its time; the target is at most 0.4")  # fmt: skip


def main() -> None:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", type=int, choices=(1, 2, 3), help="only one of the three")
    parser.add_argument("--turns", type=int, default=8, help="blocks here and by Dask, each")
    parser.add_argument("--sizes", type=lambda text: tuple(map(int, text.split(","))), default=SIZES, help="of fleets")
    parser.add_argument("--simulate", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--template", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.simulate:
        simulate(given.simulate, given.folder, given.template)
        return
    with tempfile.TemporaryDirectory(prefix="significand-fleet-") as scratch:
        parts: list[Callable[[Path], None]] = [
            lambda folder: overhead(given.turns, folder),
            lambda folder: simulations(given.sizes, folder),
            lambda folder: shares(0.5, folder),
        ]
        for part, function in enumerate(parts, 1):
            if given.part in {None, part}:
                folder = Path(scratch) / str(part)
                folder.mkdir()
                function(folder)


if __name__ == "__main__":
    main()
