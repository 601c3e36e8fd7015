"""Blocks as jobs of Slurm: one job a block, alone on its node, through submitit.

Results come back as files in the experiment's folder, which nodes must share; none of them is a pickle. What submitit
itself pickles, it reads on the nodes only.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from significand.plan.problems import PlanError
from significand.results.lock import FolderLock
from significand.results.store import unwritable
from significand.runner.places import Began, Ended, Event, HostFacts, PlaceError
from significand.runner.slurm_commands import (
    COMMANDS,
    ENDED,
    end,
    nodes_of,
    problems_of,
    states,
    take_back,
    why_ended,
    wishes_of,
)
from significand.runner.slurm_jobs import Job, NotNowError, submit
from significand.runner.slurm_node import (
    UNFIT,
    block_left,
    describe_there,
    facts_left,
    facts_of,
    run_there,
    unfit_node,
)

FOLDER = ".significand.slurm"
"""In the experiment's folder while it runs: jobs, their logs, and what they send."""

JOBS = 4
"""Blocks that wait in Slurm's queue or run at the same time, where nobody says."""

LOOK_EVERY_S = 2.0
GRACE_S = 90.0
"""How long a file of a job that has ended may take to be seen here: NFS knows a folder as it was a minute ago."""

LOST_S = 300.0
"""How long Slurm may not answer, or take no jobs though none of ours is in its queue."""


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
        self._jobs: dict[str, Job] = {}
        self._looked_s = 0.0
        self._answered_s = self._took_s = time.monotonic()
        self._made: list[Path] = []
        self._lock: FolderLock | None = None
        self._refused: list[Event] = []
        self._avoided: list[str] = []
        self._fit: set[str] | None = set() if only_fit and not each else None

    def __enter__(self) -> Self:
        """Find out whether Slurm is there and knows what is asked for, and end what a killed program has left."""
        if missing := [name for name in COMMANDS if shutil.which(name) is None]:
            told = f"on: {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not on the path here"
            raise PlanError([f"{told}; submit where Slurm's commands are"])
        if problems := [*problems_of(self._wishes, each=self._each)]:
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
        try:
            return self._found()
        except OSError as error:
            raise unwritable(self._folder.parent, error) from None

    def _found(self) -> Sequence[HostFacts]:
        shutil.copy(self._source, self._folder / "bundle.zip")
        if not self._each:
            facts, unfit = self._probe([""])[""]
            slots = [f"job-{number}" for number in range(1, int(self._wishes.get("jobs", JOBS)) + 1)]
            self._nodes = dict.fromkeys(slots, "")
            told = unfit if self._fit is None else ()  # else its own blocks say it, and go elsewhere
            return [HostFacts(slots[0], facts["machine"], told), *map(HostFacts, slots[1:])]
        found = self._probe(nodes_of(self._wishes["nodelist"]))
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
            self._begin(host, Job(run_there, arguments, repeat, result, self._nodes[host]))
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
        return [*refused, *seen, *self._again(known)]

    def cancel(self) -> None:
        """Take every job back."""
        self._jobs.clear()
        if self._lock is not None and (self._folder / "jobs").exists():
            with contextlib.suppress(PlaceError):
                take_back(self._name)

    def _begin(self, host: str, job: Job) -> None:
        """Submit a job; or keep it until Slurm takes jobs again."""
        takes = all(one.number for one in self._jobs.values())
        if takes:  # else it would be refused as the others
            self._took_s = time.monotonic()
            with contextlib.suppress(NotNowError):
                self._submit(job)
        self._jobs[host] = job

    def _submit(self, job: Job) -> None:
        job.number = submit(job, self._folder / "jobs", self._name, self._wishes, self._avoided)

    def _again(self, known: Mapping[str, tuple[str, str]] | None) -> Iterator[Ended]:
        """Submit again what Slurm did not take; tell it where that lasts, and none of our jobs is in its way."""
        waiting = {host: job for host, job in self._jobs.items() if not job.number}
        if not waiting or known is None:
            return
        alive = {number for number, (state, _) in known.items() if state not in ENDED}
        own = {job.number for job in self._jobs.values()}
        end(alive - own)  # sbatch had no answer about these, and Slurm took them
        now = time.monotonic()
        if alive & own:
            self._took_s = now
        is_over = now - self._took_s > LOST_S
        for host, job in waiting.items():
            try:
                self._submit(job)
            except NotNowError as error:
                if not is_over:
                    return  # the others would be refused, too
                self._took_s = now
                yield self._not_taken(host, job, f"slurm: it has taken no job for {LOST_S:.0f} s ({error})")
            except PlanError as error:
                yield self._not_taken(host, job, str(error))

    def _not_taken(self, host: str, job: Job, reason: str) -> Ended:
        if job.repeat < 0:  # nothing was begun
            raise PlanError([reason])
        del self._jobs[host]
        return Ended(host, job.repeat, reason=reason)

    def _look(self, host: str, job: Job, known: Mapping[str, tuple[str, str]] | None) -> Event | None:
        state, node = (known or {}).get(job.number, ("", ""))
        job.node = node or job.node
        if job.result.exists():
            return self._ended(host, job, *(block_left if job.repeat >= 0 else facts_left)(job.result))
        if known is None or not job.number:
            return None
        if state == "RUNNING" and not job.is_running:
            job.is_running, job.ended_s = True, None
            return Began(host, job.repeat)
        if state and state not in ENDED:
            job.ended_s = None
            return None
        job.ended_s = job.ended_s or time.monotonic()
        with contextlib.suppress(OSError):
            list(job.result.parent.iterdir())  # a folder of NFS that is listed is asked for anew
        if time.monotonic() - job.ended_s < GRACE_S:
            return None
        told = f"its job ended without a result: {why_ended(job.number)}"
        if state not in ENDED:  # nobody knows it, and it may run for all that
            end([job.number])
        return self._ended(host, job, b"", told)

    def _ended(self, host: str, job: Job, content: bytes, reason: str) -> Ended:
        del self._jobs[host]
        if content.startswith(UNFIT):
            node, told = unfit_node(content)
            return Ended(host, job.repeat, b"", told, node or job.node, is_unfit=bool(node))
        if content and job.repeat >= 0 and job.node and self._fit is not None:
            self._fit.add(job.node)
        return Ended(host, job.repeat, content, reason, "" if self._each else job.node)

    def _states(self) -> Mapping[str, tuple[str, str]] | None:
        """Return the state of every job of ours that Slurm still has, and its node; None where it does not answer."""
        try:
            found = states(self._name)
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
            self._begin(f"probe {node}", Job(describe_there, arguments, -1, path, node))
        found, problems = {}, []
        while self._jobs:
            for event in self.wait(LOOK_EVERY_S):
                if isinstance(event, Ended):
                    node = event.host.removeprefix("probe ")
                    facts = facts_of(event.content)
                    if facts is None:
                        problems.append(_unseen(node or "a node", event.reason, self._folder.parent))
                    else:
                        found[node] = facts
        if problems:
            raise PlanError(problems)
        return found

    def _make_folder(self) -> None:
        for folder in reversed([self._folder, *self._folder.parents]):
            if not folder.exists():
                folder.mkdir()
                self._made.append(folder)

    def _remove_left(self) -> None:
        """End the jobs that an earlier program has left, and remove what they had.

        Its folder may be gone: Slurm may not have answered when it ended.
        """
        try:
            take_back(self._name)
        except PlaceError as error:
            told = f"on: jobs that an earlier program has left may run still, and cannot be ended: {error}"
            raise PlanError([f"{told}; end those that squeue calls {self._name}"]) from None
        for path in self._folder.glob("[!.]*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _unseen(node: str, reason: str, folder: Path) -> str:
    remedy = "give an output folder that the nodes share, and install significand there at the same place"
    return f"on: {node} left no answer in {str(folder)!r} ({reason[:300] or 'it sees another folder'}); {remedy}"
