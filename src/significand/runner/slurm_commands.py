"""Slurm's commands: what it is asked for in the user's words, and what it says of jobs."""

import contextlib
import getpass
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping

from significand.plan.problems import PlanError, nearest, shown
from significand.runner.places import PlaceError

WISHES = ("partition", "constraint", "time", "nodelist", "jobs", "account", "qos")
COMMANDS = ("sbatch", "squeue", "srun", "sinfo", "scontrol", "scancel")
"""Of Slurm's, that are needed; srun by submitit only."""

COMMAND_S = 60.0
"""How long a command is waited for."""

ENDED = frozenset(
    {
        *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "LAUNCH_FAILED", "NODE_FAIL", "OUT_OF_MEMORY"),
        *("PREEMPTED", "RECONFIG_FAIL", "REVOKED", "TIMEOUT"),
    }
)
"""States in which a job stays; squeue(1) has all. Whatever else is said of one, its end is still to come."""

NODE = re.compile(r"[\w.-]+")
"""What a node can be called."""


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


def problems_of(wishes: Mapping[str, str], *, each: bool) -> Iterator[str]:
    """Say what is asked for and Slurm does not know, or what means nothing beside ``--hosts``, a line each."""
    yield from _unheard_of(wishes)
    if not each and "nodelist" in wishes:
        yield (
            "slurm: nodelist: with --hosts share Slurm chooses the nodes, and of a list each job would take all; give "
            "a constraint or a partition that only these nodes have, or --hosts each"
        )
    elif each and "nodelist" not in wishes:
        yield (
            "slurm: with --hosts each it must be known which nodes do every repeat; give nodelist=n[1-4], or "
            "--hosts share"
        )
    elif each:
        try:
            nodes_of(wishes["nodelist"])
        except PlaceError as error:
            told = f"slurm: nodelist: {shown(wishes['nodelist'])} cannot be read ({error})"
            yield f"{told}; give names as n[1-4],m7"
    if each and "jobs" in wishes:
        yield "slurm: jobs: with --hosts each every node has one job at a time; leave jobs out, or give --hosts share"


def _unheard_of(wishes: Mapping[str, str]) -> Iterator[str]:
    try:
        known = slurm("sinfo", "-h", "-o", "%R").split()
    except PlaceError as error:
        yield f"on: {error}; check that slurmctld runs and is reached from here"
        return
    partition = wishes.get("partition")
    if partition and partition not in known:
        told = f"slurm: partition: {shown(partition)} is not known here{nearest(partition, known)}"
        yield f"{told}; give one of {', '.join(known)}"


def slurm(*words: str) -> str:
    """Run a command of Slurm's, and return what it prints.

    Raises
    ------
    PlaceError
        Where it fails, or does not answer.
    """
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=COMMAND_S, check=False, env={**os.environ})
    except (OSError, subprocess.SubprocessError) as error:
        raise PlaceError(f"{words[0]} does not answer: {error}") from None
    if done.returncode:
        told = (done.stderr.strip().splitlines() or ["no reason"])[-1]
        raise PlaceError(f"{words[0]} failed: {told[:300]}")
    return done.stdout


def nodes_of(nodelist: str) -> list[str]:
    """Return the names of the nodes of a list such as ``n[1-3],m7``.

    Raises
    ------
    PlaceError
        Where Slurm cannot read it. It does not always say so: of ``n[1-`` it makes ``n]``.
    """
    nodes = slurm("scontrol", "show", "hostnames", nodelist).split()
    if not nodes or not all(map(NODE.fullmatch, nodes)):
        raise PlaceError(f"scontrol reads {shown(' '.join(nodes))} there")
    return nodes


def states(name: str) -> Mapping[str, tuple[str, str]]:
    """Return the state of every job of the user's that has a name, and the node that it is or was on.

    Raises
    ------
    PlaceError
        Where Slurm does not answer.
    """
    lines = slurm("squeue", "--me", "--name", name, "-h", "-t", "all", "-o", "%i %T %N").splitlines()
    words = ([*line.split(), ""] for line in lines)
    return {job: (state, node) for job, state, node, *_ in (one for one in words if len(one) > 2)}


def take_back(name: str) -> None:
    """End all jobs of the user's that have a name, whether they run or wait.

    Raises
    ------
    PlaceError
        Where Slurm does not answer.
    """
    slurm("scancel", "--user", getpass.getuser(), "--name", name)


def end(jobs: Iterable[str]) -> None:
    """End jobs, where there are some and Slurm answers."""
    if some := sorted(jobs):
        with contextlib.suppress(PlaceError):
            slurm("scancel", *some)


def why_ended(job: str) -> str:
    """Return what Slurm says of the end of a job."""
    with contextlib.suppress(PlaceError):
        words = slurm("scontrol", "-o", "show", "job", job).split()
        facts = dict(word.split("=", 1) for word in words if "=" in word)
        state, reason = facts.get("JobState", ""), facts.get("Reason", "")
        if state:
            return state if reason in {"", "None"} else f"{state}, {reason}"
    return "Slurm does not know it any more"
