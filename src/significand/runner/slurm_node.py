"""What a job of Slurm's does on its node, and what it leaves there for the submitting machine, which trusts none of it.

Jobs leave files in a folder that both see. None of them is a pickle, and each is read with a limit.
"""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from significand.plan.problems import shown
from significand.results.files import TooLargeError, open_to_read
from significand.results.sent_blocks import LARGEST_BLOCK
from significand.runner import task

FACTS_BYTES = 1_000_000

UNFIT = b"unfit:"
"""What a job's answer begins with where its node measures nothing because the doctor finds it unfit; then, as JSON, the
node's name and what is wrong."""

LONGEST_NODE = 255
"""Signs of a node's name, as of a host's in DNS."""

NOT_JSON = (ValueError, TypeError, KeyError, RecursionError)
"""What reading JSON raises that is none, or another one than was asked for."""


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


def block_left(path: Path) -> tuple[bytes, str]:
    """Return the block that a job has left, or what begins as `UNFIT`, or why there is neither; and remove it."""
    content, reason = _taken(path, LARGEST_BLOCK)
    if content.startswith(UNFIT) or reason:
        return content, reason
    return task.told(content)


def facts_left(path: Path) -> tuple[bytes, str]:
    """Return what a node has left of itself, or the reason why that is nothing, and remove it."""
    return _taken(path, FACTS_BYTES)


def _taken(path: Path, most: int) -> tuple[bytes, str]:
    try:
        with open_to_read(path, most, "measure fewer setups at once") as file:
            content, reason = file.read(), ""
    except (OSError, TooLargeError) as error:
        content, reason = b"", str(error)
    path.unlink(missing_ok=True)
    return content, reason


def unfit_node(answer: bytes) -> tuple[str, str]:
    """Return the node that measures nothing because it is unfit, and what is wrong with it.

    Where the answer is none of ours, no node, and what came instead.
    """
    told = answer.removeprefix(UNFIT)[:FACTS_BYTES]
    try:
        said = json.loads(told)
        node, *unfit = said if isinstance(said, list) and all(isinstance(one, str) for one in said) else []
        if unfit and 0 < len(node) <= LONGEST_NODE:
            return node, "; ".join(unfit)[: task.LONGEST_REASON]
    except NOT_JSON:
        pass
    return "", f"its node calls itself unfit, and says {shown(told.decode(errors='replace'))} of it"


def facts_of(answer: bytes) -> tuple[Mapping[str, Any], tuple[str, ...]] | None:
    """Return what a node says that it is, and what its doctor finds bad; None where it does not say it."""
    try:
        facts = json.loads(answer)
        if not isinstance(facts["machine"]["host"], str):
            return None
        return facts, task.unfit_of(facts.get("checks"))
    except NOT_JSON:
        return None
