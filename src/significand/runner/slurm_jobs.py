"""A job of Slurm's: what it is to do, how it is submitted, and what sbatch says where it does not take it."""

import contextlib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from significand.plan.problems import PlanError

MINUTES = 60
"""Of a job, where nobody says."""

ASKED = ("partition", "constraint", "account", "qos")
"""Of the user's wishes, what sbatch takes by the same name."""

PASSING = re.compile(
    r"(unable|failed) to (contact|establish)|timed out|time-?out|socket error|zero bytes|standby|temporarily|sleeping"
    r"|connection (refused|reset)|not connected|no clusters can be reached",
    re.IGNORECASE,
)
"""What sbatch says where Slurm is away, or has too much to do; in its words, slurm_errno.c and slurm_protocol_api.c."""

LIMITS = re.compile(r"\b(?:Assoc|QOS|MaxSubmit)\w+")
"""What sbatch names on a line of its own where a limit refuses a job. Limits on submitted jobs have Submit in them."""

TOO_MANY = "job submit limit"
"""What it says where it names none, as older ones do."""


class NotNowError(RuntimeError):
    """Slurm takes no job now, but would take the same one later; the text says why."""


@dataclass
class Job:
    """A job, what it is for, where it leaves its result, and the node that it is on.

    Attributes
    ----------
    function, arguments
        What it runs on its node.
    repeat
        Which block that is; negative where it is none.
    result
        Where it leaves its result.
    wanted
        The node that it must be on; empty where Slurm chooses.
    number
        What Slurm calls it; empty as long as it was not submitted.
    node
        Where it is or was, once Slurm has said so.
    is_running
        Whether that was told.
    ended_s
        When Slurm was first heard to have it no more, or to have ended it, by `time.monotonic`.
    """

    function: Callable[..., None]
    arguments: Sequence[object]
    repeat: int
    result: Path
    wanted: str = ""
    number: str = ""
    node: str = ""
    is_running: bool = False
    ended_s: float | None = None


def submit(job: Job, folder: Path, name: str, wishes: Mapping[str, str], avoided: Sequence[str]) -> str:
    """Submit a job, alone on its node, and return what Slurm calls it.

    Parameters
    ----------
    job
        Which one.
    folder
        Where submitit keeps what it is to do, and its log.
    name
        Of the job.
    wishes
        What Slurm is asked for.
    avoided
        Nodes that it must not be on.

    Raises
    ------
    NotNowError
        Where Slurm takes no job now.
    PlanError
        Where it does not take this one.
    """
    import submitit  # noqa: PLC0415 - an extra

    try:
        executor = submitit.SlurmExecutor(folder=folder)
        executor.update_parameters(
            **{one: wishes[one] for one in ASKED if one in wishes},
            **({"nodelist": job.wanted} if job.wanted else {}),
            **({"exclude": ",".join(avoided)} if avoided else {}),
            time=int(wishes.get("time", MINUTES)),
            nodes=1,
            exclusive=True,
            stderr_to_stdout=True,
            use_srun=False,  # a step would get the processors of one task, and a block takes the whole node
            job_name=name,
            additional_parameters={"no-requeue": True},  # who does a lost block again is decided here
        )
        with contextlib.redirect_stderr(io.StringIO()):  # submitit prints there what it raises
            return str(executor.submit(job.function, *job.arguments).job_id)
    except OSError as error:
        raise PlanError([f"slurm: the job cannot be submitted: {error}; make room, or mend it"]) from None
    except Exception as error:  # noqa: BLE001 - submitit has its own for what sbatch refuses
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        told = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "")[:300]
        if _passes(str(error)):
            raise NotNowError(told) from None
        raise PlanError([f"slurm: the job was refused ({told}); change what is asked for"]) from None


def _passes(told: str) -> bool:
    limits = LIMITS.findall(told)
    is_full = any("Submit" in limit for limit in limits) if limits else TOO_MANY in told
    return is_full or PASSING.search(told) is not None
