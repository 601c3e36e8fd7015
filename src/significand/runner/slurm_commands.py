"""Slurm's commands: what it is asked for in the user's words, and what it says of jobs."""

import contextlib
import getpass
import os
import subprocess
from collections.abc import Mapping

from significand.plan.problems import PlanError, nearest, shown
from significand.runner.places import PlaceError

WISHES = ("partition", "constraint", "time", "nodelist", "jobs", "account", "qos")
COMMAND_S = 60.0
"""How long a command is waited for."""

ALIVE = frozenset({"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED"})
"""States of a job whose end is still to come."""


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


def states() -> Mapping[str, tuple[str, str]]:
    """Return the state of every job of the user's that Slurm still has, and the node that it is or was on.

    Raises
    ------
    PlaceError
        Where Slurm does not answer.
    """
    lines = slurm("squeue", "--me", "-h", "-t", "all", "-o", "%i %T %N").splitlines()
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


def why_ended(job: str) -> str:
    """Return what Slurm says of the end of a job."""
    with contextlib.suppress(PlaceError):
        words = slurm("scontrol", "-o", "show", "job", job).split()
        facts = dict(word.split("=", 1) for word in words if "=" in word)
        state, reason = facts.get("JobState", ""), facts.get("Reason", "")
        if state:
            return state if reason in {"", "None"} else f"{state}, {reason}"
    return "Slurm does not know it any more"
