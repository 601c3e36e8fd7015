"""Blocks as jobs of Slurm: one job a block, alone on its node, through submitit.

Results come back as files in the experiment's folder, which nodes must share; none of them is a pickle. What submitit
itself pickles, it reads on the nodes only.
"""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from significand.plan.problems import PlanError, nearest, shown
from significand.results.files import TooLargeError, open_to_read
from significand.results.sent_blocks import LARGEST_BLOCK
from significand.runner import task
from significand.runner.dask_place import unfit_of
from significand.runner.places import Began, Ended, Event, HostFacts, PlaceError

if TYPE_CHECKING:
    import submitit

WISHES = ("partition", "constraint", "time", "nodelist", "jobs", "account", "qos")
FOLDER = ".significand.slurm"
"""In the experiment's folder while it runs: jobs, their logs, and what they send."""

MINUTES = 60
"""Of a job, where nobody says."""

JOBS = 4
"""Blocks that wait in Slurm's queue or run at the same time, where nobody says."""

LOOK_EVERY_S = 2.0
GRACE_S = 15.0
"""How long a file of a job that has ended may take to be seen here, on a folder that machines share."""

LOST_S = 300.0
"""How long Slurm may not answer."""

PROBE_S = 600.0
"""How long the first look at a node may wait in the queue."""

FACTS_BYTES = 1_000_000


@dataclass
class _Job:
    """A job, what it is for, and where it leaves its result."""

    job: "submitit.Job[None]"
    repeat: int
    result: Path
    is_running: bool = False
    ended_s: float | None = None


def wishes_of(text: str) -> dict[str, str]:
    """Return what Slurm is asked for, by name.

    Raises
    ------
    PlanError
        With a line for everything that cannot be asked for.
    """
    found: dict[str, str] = {}
    problems, last = [], ""
    for word in _words(text):
        name, equals, value = word.partition("=")
        name = name.strip().removeprefix("--")
        if not equals and last:  # nodelist=n1,n2
            found[last] += f",{word.strip()}"
        elif name not in WISHES:
            problems.append(
                f"slurm: {shown(name)} cannot be asked for{nearest(name, WISHES)}; give {', '.join(WISHES)}"
            )
        elif not value.strip():
            problems.append(f"slurm: {name} has no value; give {name}=...")
        else:
            last, found[name] = name, value.strip()
    for name in ("time", "jobs"):
        if name in found and not (found[name].isdecimal() and int(found[name])):
            unit = "minutes, such as 30" if name == "time" else "jobs at the same time, such as 8"
            problems.append(f"slurm: {name}: {shown(found[name])} is no number of {unit}")
    if problems:
        raise PlanError(problems)
    return found


def _words(text: str) -> list[str]:
    """Split at commas, but for those in brackets."""
    words, depth = [""], 0
    for sign in text:
        depth += (sign == "[") - (sign == "]")
        if sign == "," and depth <= 0:
            words.append("")
        else:
            words[-1] += sign
    return [word for word in words if word.strip()]


class SlurmPlace:
    """Slurm; see `significand.runner.places.FleetPlace`.

    Parameters
    ----------
    wishes
        What it is asked for, as ``"partition=bench,time=30"``.
    bundle
        What the experiment needs.
    folder
        Of the experiment, which nodes must share.
    allow
        Fields of the machine that may differ.
    each
        Whether every node of a list does every repeat; else Slurm chooses the node of every block.
    """

    def __init__(self, wishes: str, bundle: Path, folder: Path, allow: Sequence[str], *, each: bool) -> None:
        self._wishes = wishes_of(wishes)
        self._source = bundle
        self._folder = folder.absolute() / FOLDER
        self._allow = tuple(allow)
        self._each = each
        self._nodes: dict[str, str] = {}
        self._jobs: dict[str, _Job] = {}
        self._looked_s = 0.0
        self._answered_s = time.monotonic()
        self._made: list[Path] = []
        self._refused: list[Event] = []

    def __enter__(self) -> Self:
        """Find out whether Slurm is there and knows what is asked for."""
        if shutil.which("sbatch") is None or shutil.which("squeue") is None:
            raise PlanError(["on: sbatch and squeue are not on the path here; submit where Slurm's commands are"])
        try:
            known = _slurm("sinfo", "-h", "-o", "%R").split()
        except PlaceError as error:
            raise PlanError([f"on: {error}; check that slurmctld runs and is reached from here"]) from None
        partition = self._wishes.get("partition")
        problems = []
        if partition and partition not in known:
            told = f"slurm: partition: {shown(partition)} is not known here{nearest(partition, known)}"
            problems.append(f"{told}; give one of {', '.join(known)}")
        if self._each and "nodelist" not in self._wishes:
            problems.append(
                "slurm: with --hosts each it must be known which nodes do every repeat; give nodelist=n[1-4], or "
                "--hosts share"
            )
        if problems:
            raise PlanError(problems)
        self._make_folder()
        return self

    def __exit__(self, *error: object) -> None:
        """End what still runs, and remove what only jobs needed."""
        with contextlib.suppress(Exception):
            self.cancel()
        shutil.rmtree(self._folder, ignore_errors=True)
        for made in reversed(self._made):
            with contextlib.suppress(OSError):  # there is something in it by now
                made.rmdir()

    def hosts(self) -> Sequence[HostFacts]:
        """Return the nodes, or the places in the queue; a job on each of the first tells what it is."""
        shutil.copy(self._source, self._folder / "bundle.zip")
        if not self._each:
            facts, unfit = self._probe([""])[""]
            slots = [f"job-{number}" for number in range(1, int(self._wishes.get("jobs", JOBS)) + 1)]
            self._nodes = dict.fromkeys(slots, "")
            return [HostFacts(slots[0], facts["machine"], unfit), *map(HostFacts, slots[1:])]
        nodes = _slurm("scontrol", "show", "hostnames", self._wishes["nodelist"]).split()
        found = self._probe(nodes)
        self._nodes = {str(facts["machine"]["host"]): node for node, (facts, _) in found.items()}
        if len(self._nodes) < len(found):
            raise PlanError(["on: several nodes have one name; set SIGNIFICAND_HOST in the environment of each"])
        return [HostFacts(str(facts["machine"]["host"]), facts["machine"], unfit) for facts, unfit in found.values()]

    def start(self, host: str, repeat: int) -> None:
        """Submit a job for a block."""
        result = self._folder / f"{repeat}-{time.monotonic_ns()}.block"
        arguments = (str(self._folder / "bundle.zip"), repeat, self._allow, str(result))
        try:
            self._jobs[host] = _Job(self._submit(run_there, arguments, self._nodes[host]), repeat, result)
        except PlanError as error:
            self._refused.append(Ended(host, repeat, reason=str(error)))

    def wait(self, timeout_s: float) -> Sequence[Event]:
        """Look at all jobs, every few seconds."""
        time.sleep(max(0.0, min(timeout_s, self._looked_s + LOOK_EVERY_S - time.monotonic())))
        self._looked_s = time.monotonic()
        states = self._states()
        return [event for host, job in list(self._jobs.items()) if (event := self._look(host, job, states))]

    def cancel(self) -> None:
        """Take every job back."""
        for job in self._jobs.values():
            with contextlib.suppress(Exception):
                job.job.cancel(check=False)
        self._jobs.clear()

    def _look(self, host: str, job: _Job, states: Mapping[str, str] | None) -> Event | None:
        if job.result.exists():
            del self._jobs[host]
            try:
                most = LARGEST_BLOCK if job.repeat >= 0 else FACTS_BYTES
                with open_to_read(job.result, most, "measure fewer setups at once") as file:
                    content, reason = task.told(file.read()) if job.repeat >= 0 else (file.read(), "")
            except (OSError, TooLargeError) as error:
                content, reason = b"", str(error)
            job.result.unlink(missing_ok=True)
            return Ended(host, job.repeat, content, reason)
        if states is None:
            return None
        state = states.get(job.job.job_id)
        if state == "RUNNING" and not job.is_running:
            job.is_running = True
            return Began(host, job.repeat)
        if state in {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED"}:
            return None
        job.ended_s = job.ended_s or time.monotonic()
        if time.monotonic() - job.ended_s < GRACE_S:
            return None
        del self._jobs[host]
        return Ended(host, job.repeat, reason=f"its job ended without a result: {_why(job.job)}")

    def _states(self) -> dict[str, str] | None:
        """Return the state of every job that Slurm still has; None where it does not answer."""
        try:
            lines = _slurm("squeue", "--me", "-h", "-t", "all", "-o", "%i %T").splitlines()
        except PlaceError:
            if time.monotonic() - self._answered_s > LOST_S:
                raise
            return None
        self._answered_s = time.monotonic()
        return {words[0]: words[1] for line in lines if len(words := line.split()) == 2}

    def _probe(self, nodes: Sequence[str]) -> dict[str, tuple[Mapping[str, Any], tuple[str, ...]]]:
        """Let every node say what it is, through the folder that it must share with this machine."""
        token = self._folder / "token"
        token.write_text(secrets.token_hex(16))
        jobs = {node: self._folder / f"facts-{number}.json" for number, node in enumerate(nodes)}
        for node, path in jobs.items():
            arguments = (str(token), token.read_text(), str(path))
            self._jobs[f"probe {node}"] = _Job(self._submit(describe_there, arguments, node), -1, path)
        deadline = time.monotonic() + PROBE_S
        found, problems = {}, []
        while self._jobs and time.monotonic() < deadline:
            events = self.wait(LOOK_EVERY_S)
            for event in events:
                if isinstance(event, Ended):
                    node = event.host.removeprefix("probe ")
                    facts = _facts(event.content)
                    if facts is None:
                        problems.append(_unseen(node or "a node", event.reason, self._folder.parent))
                    else:
                        found[node] = facts
        problems += [
            f"slurm: {name} did not begin within {PROBE_S / 60:.0f} minutes; see squeue, or ask for less"
            for name in self._jobs
        ]
        if problems:
            raise PlanError(problems)
        return found

    def _submit(self, function: Callable[..., None], arguments: Sequence[object], node: str) -> "submitit.Job[None]":
        import submitit  # noqa: PLC0415 - an extra

        executor = submitit.SlurmExecutor(folder=self._folder / "jobs")
        names = ("partition", "constraint", "account", "qos")
        wishes = {name: self._wishes[name] for name in names if name in self._wishes}
        minutes = int(self._wishes.get("time", MINUTES))
        executor.update_parameters(
            **wishes,
            **({"nodelist": node} if node else {}),
            time=minutes,
            nodes=1,
            exclusive=True,
            stderr_to_stdout=True,
            use_srun=False,  # a step would get the processors of one task, and a block takes the whole node
            job_name="significand",
            additional_parameters={"no-requeue": True},  # who does a lost block again is decided here
        )
        try:
            return executor.submit(function, *arguments)
        except Exception as error:  # noqa: BLE001 - submitit has its own for what sbatch refuses
            lines = [line for line in str(error).splitlines() if line.strip()]
            told = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "")
            raise PlanError([f"slurm: the job was refused ({told.strip()[:300]}); change what is asked for"]) from None

    def _make_folder(self) -> None:
        for folder in reversed([self._folder, *self._folder.parents]):
            if not folder.exists():
                folder.mkdir()
                self._made.append(folder)


def run_there(bundle: str, repeat: int, allow: Sequence[str], result: str) -> None:
    """Run a block as the job that this is, and leave what it came to."""
    _leave(Path(result), task.run_task(Path(bundle), repeat, allow))


def describe_there(token: str, text: str, result: str) -> None:
    """Leave what this node is, if it sees what the submitting machine has written."""
    seen = Path(token).read_text() == text
    facts = json.loads(task.describe_here()) if seen else {}
    _leave(Path(result), json.dumps({**facts, "checks": task.doctor_here() if seen else ""}).encode())


def _leave(path: Path, content: bytes) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)


def _facts(answer: bytes) -> tuple[Mapping[str, Any], tuple[str, ...]] | None:
    try:
        facts = json.loads(answer)
        if not isinstance(facts["machine"]["host"], str):
            return None
        return facts, unfit_of(facts.get("checks"))
    except (ValueError, TypeError, KeyError):
        return None


def _unseen(node: str, reason: str, folder: Path) -> str:
    remedy = "give an output folder that the nodes share, and install significand there at the same place"
    return f"on: {node} left no answer in {str(folder)!r} ({reason[:300] or 'it sees another folder'}); {remedy}"


def _why(job: "submitit.Job[None]") -> str:
    """Return what Slurm, or the job's own log, says of its end."""
    with contextlib.suppress(PlaceError):
        words = _slurm("scontrol", "-o", "show", "job", str(job.job_id)).split()
        facts = dict(word.split("=", 1) for word in words if "=" in word)
        state, reason = facts.get("JobState", ""), facts.get("Reason", "")
        if state:
            return state if reason in {"", "None"} else f"{state}, {reason}"
    return "Slurm does not know it any more"


def _slurm(*words: str) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, env={**os.environ})
    except (OSError, subprocess.SubprocessError) as error:
        raise PlaceError(f"{words[0]} does not answer: {error}") from None
    if done.returncode:
        told = (done.stderr.strip().splitlines() or ["no reason"])[-1]
        raise PlaceError(f"{words[0]} failed: {told[:300]}")
    return done.stdout
