"""Blocks as jobs of Slurm: one job a block, alone on its node, through submitit.

Results come back as files in the experiment's folder, which nodes must share; none of them is a pickle. What submitit
itself pickles, it reads on the nodes only.
"""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from significand.plan.problems import PlanError, nearest, shown
from significand.results.files import TooLargeError, open_to_read
from significand.results.lock import FolderLock
from significand.results.sent_blocks import LARGEST_BLOCK
from significand.results.store import unwritable
from significand.runner import task
from significand.runner.places import Began, Ended, Event, HostFacts, PlaceError
from significand.runner.slurm_commands import ALIVE, slurm, states, take_back, why_ended, wishes_of

if TYPE_CHECKING:
    import submitit

FOLDER = ".significand.slurm"
"""In the experiment's folder while it runs: jobs, their logs, and what they send."""

MINUTES = 60
"""Of a job, where nobody says."""

JOBS = 4
"""Blocks that wait in Slurm's queue or run at the same time, where nobody says."""

LOOK_EVERY_S = 2.0
GRACE_S = 90.0
"""How long a file of a job that has ended may take to be seen here: NFS knows a folder as it was a minute ago."""

LOST_S = 300.0
"""How long Slurm may not answer."""

FACTS_BYTES = 1_000_000

UNFIT = b"unfit:"
"""What a job's answer begins with where its node measures nothing because the doctor finds it unfit; then, as JSON, the
node's name and what is wrong."""


@dataclass
class _Job:
    """A job, what it is for, where it leaves its result, and the node that it is on."""

    job: "submitit.Job[None]"
    repeat: int
    result: Path
    node: str = ""
    is_running: bool = False
    ended_s: float | None = None


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
    only_fit
        Whether a node that Slurm chooses asks the doctor first, and measures nothing where it is unfit.
    """

    queues = True

    def __init__(
        self, wishes: str, bundle: Path, folder: Path, allow: Sequence[str], *, each: bool, only_fit: bool = False
    ) -> None:
        self._wishes = wishes_of(wishes)
        self._source = bundle
        self._folder = folder.absolute() / FOLDER
        # By this name a program that goes on finds the jobs of one that was killed.
        self._name = f"significand-{hashlib.sha256(os.fsencode(self._folder.resolve())).hexdigest()[:12]}"
        self._allow = tuple(allow)
        self._each = each
        self._nodes: dict[str, str] = {}
        self._jobs: dict[str, _Job] = {}
        self._looked_s = 0.0
        self._answered_s = time.monotonic()
        self._made: list[Path] = []
        self._lock: FolderLock | None = None
        self._refused: list[Event] = []
        self._avoided: list[str] = []
        self._fit: set[str] | None = set() if only_fit and not each else None

    def __enter__(self) -> Self:
        """Find out whether Slurm is there and knows what is asked for, and end what a killed program has left."""
        if shutil.which("sbatch") is None or shutil.which("squeue") is None:
            raise PlanError(["on: sbatch and squeue are not on the path here; submit where Slurm's commands are"])
        try:
            known = slurm("sinfo", "-h", "-o", "%R").split()
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
        try:
            self._make_folder()
            self._lock = FolderLock(self._folder)
            self._remove_left()
        except OSError as error:
            self.__exit__()
            raise unwritable(self._folder.parent, error) from None
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        """End what still runs, and remove what only jobs needed."""
        with contextlib.suppress(Exception):
            self.cancel()
        if self._lock is not None:  # else these are another program's
            self._lock.release()
            shutil.rmtree(self._folder, ignore_errors=True)
        for made in reversed(self._made):
            with contextlib.suppress(OSError):  # there is something in it by now
                made.rmdir()

    def hosts(self) -> Sequence[HostFacts]:
        """Return the nodes, or the places in the queue; a job on each, or on one of them, tells what it is."""
        shutil.copy(self._source, self._folder / "bundle.zip")
        if not self._each:
            facts, unfit = self._probe([""])[""]
            slots = [f"job-{number}" for number in range(1, int(self._wishes.get("jobs", JOBS)) + 1)]
            self._nodes = dict.fromkeys(slots, "")
            told = unfit if self._fit is None else ()  # else its own blocks say it, and go elsewhere
            return [HostFacts(slots[0], facts["machine"], told), *map(HostFacts, slots[1:])]
        nodes = slurm("scontrol", "show", "hostnames", self._wishes["nodelist"]).split()
        found = self._probe(nodes)
        self._nodes = {str(facts["machine"]["host"]): node for node, (facts, _) in found.items()}
        if len(self._nodes) < len(found):
            raise PlanError(["on: several nodes have one name; set SIGNIFICAND_HOST in the environment of each"])
        return [HostFacts(str(facts["machine"]["host"]), facts["machine"], unfit) for facts, unfit in found.values()]

    def start(self, host: str, repeat: int) -> None:
        """Submit a job for a block."""
        result = self._folder / f"{repeat}-{time.monotonic_ns()}.block"
        fit = None if self._fit is None else tuple(self._fit)
        arguments = (str(self._folder / "bundle.zip"), repeat, self._allow, fit, str(result))
        try:
            self._jobs[host] = _Job(self._submit(run_there, arguments, self._nodes[host]), repeat, result)
        except PlanError as error:
            self._refused.append(Ended(host, repeat, reason=str(error)))

    def avoid(self, machine: str) -> None:
        """Let further jobs go to other nodes."""
        self._avoided.append(machine)

    def wait(self, timeout_s: float) -> Sequence[Event]:
        """Look at all jobs, every few seconds."""
        time.sleep(max(0.0, min(timeout_s, self._looked_s + LOOK_EVERY_S - time.monotonic())))
        self._looked_s = time.monotonic()
        refused, self._refused = self._refused, []
        known = self._states()
        seen = [event for host, job in list(self._jobs.items()) if (event := self._look(host, job, known))]
        return [*refused, *seen]

    def cancel(self) -> None:
        """Take every job back."""
        self._jobs.clear()
        if self._lock is not None and (self._folder / "jobs").exists():
            with contextlib.suppress(PlaceError):
                take_back(self._name)

    def _look(self, host: str, job: _Job, known: Mapping[str, tuple[str, str]] | None) -> Event | None:
        state, node = (known or {}).get(job.job.job_id, ("", ""))
        job.node = node or job.node
        if job.result.exists():
            return self._ended(host, job, *_content(job))
        if known is None:
            return None
        if state == "RUNNING" and not job.is_running:
            job.is_running = True
            return Began(host, job.repeat)
        if state in ALIVE:
            return None
        job.ended_s = job.ended_s or time.monotonic()
        with contextlib.suppress(OSError):
            list(job.result.parent.iterdir())  # a folder of NFS that is listed is asked for anew
        if time.monotonic() - job.ended_s < GRACE_S:
            return None
        return self._ended(host, job, b"", f"its job ended without a result: {why_ended(job.job.job_id)}")

    def _ended(self, host: str, job: _Job, content: bytes, reason: str) -> Ended:
        del self._jobs[host]
        if content.startswith(UNFIT):
            node, *unfit = json.loads(content.removeprefix(UNFIT))
            return Ended(host, job.repeat, b"", "; ".join(unfit), node, is_unfit=True)
        if content and job.repeat >= 0 and job.node and self._fit is not None:
            self._fit.add(job.node)
        return Ended(host, job.repeat, content, reason, "" if self._each else job.node)

    def _states(self) -> Mapping[str, tuple[str, str]] | None:
        """Return the state of every job that Slurm still has, and its node; None where it does not answer."""
        try:
            found = states()
        except PlaceError:
            if time.monotonic() - self._answered_s > LOST_S:
                raise
            return None
        self._answered_s = time.monotonic()
        return found

    def _probe(self, nodes: Sequence[str]) -> dict[str, tuple[Mapping[str, Any], tuple[str, ...]]]:
        """Let every node say what it is, through the folder that it must share; however long it is in the queue."""
        token = self._folder / "token"
        token.write_text(secrets.token_hex(16))
        jobs = {node: self._folder / f"facts-{number}.json" for number, node in enumerate(nodes)}
        for node, path in jobs.items():
            arguments = (str(token), token.read_text(), str(path))
            self._jobs[f"probe {node}"] = _Job(self._submit(describe_there, arguments, node), -1, path)
        found, problems = {}, []
        while self._jobs:
            for event in self.wait(LOOK_EVERY_S):
                if isinstance(event, Ended):
                    node = event.host.removeprefix("probe ")
                    facts = _facts(event.content)
                    if facts is None:
                        problems.append(_unseen(node or "a node", event.reason, self._folder.parent))
                    else:
                        found[node] = facts
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
            **({"exclude": ",".join(self._avoided)} if self._avoided else {}),
            time=minutes,
            nodes=1,
            exclusive=True,
            stderr_to_stdout=True,
            use_srun=False,  # a step would get the processors of one task, and a block takes the whole node
            job_name=self._name,
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

    def _remove_left(self) -> None:
        """End the jobs of a program that was killed in this folder, and remove what they had."""
        if self._folder in self._made:
            return
        try:
            take_back(self._name)
        except PlaceError as error:
            told = f"on: jobs of a program that was killed may run still, and cannot be ended: {error}"
            raise PlanError([f"{told}; end those that squeue calls {self._name}"]) from None
        for path in self._folder.glob("[!.]*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def run_there(bundle: str, repeat: int, allow: Sequence[str], fit: Collection[str] | None, result: str) -> None:
    """Run a block as the job that this is, and leave what it came to; or why not, where only fit nodes may run it."""
    node = os.environ.get("SLURMD_NODENAME", "")
    unfit = task.unfit_of(task.doctor_here()) if fit is not None and node not in fit else ()
    if unfit:
        _leave(Path(result), UNFIT + json.dumps([node, *unfit]).encode())
        return
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


def _content(job: _Job) -> tuple[bytes, str]:
    """Return what a job has left, and why that is nothing, and remove it."""
    try:
        most = LARGEST_BLOCK if job.repeat >= 0 else FACTS_BYTES
        with open_to_read(job.result, most, "measure fewer setups at once") as file:
            content, reason = file.read(), ""
        if job.repeat >= 0 and not content.startswith(UNFIT):
            content, reason = task.told(content)
    except (OSError, TooLargeError) as error:
        content, reason = b"", str(error)
    job.result.unlink(missing_ok=True)
    return content, reason


def _facts(answer: bytes) -> tuple[Mapping[str, Any], tuple[str, ...]] | None:
    try:
        facts = json.loads(answer)
        if not isinstance(facts["machine"]["host"], str):
            return None
        return facts, task.unfit_of(facts.get("checks"))
    except (ValueError, TypeError, KeyError):
        return None


def _unseen(node: str, reason: str, folder: Path) -> str:
    remedy = "give an output folder that the nodes share, and install significand there at the same place"
    return f"on: {node} left no answer in {str(folder)!r} ({reason[:300] or 'it sees another folder'}); {remedy}"
