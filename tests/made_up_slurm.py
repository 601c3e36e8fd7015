"""Commands of Slurm's that a test puts on the path: they say what it wants, and take down what they are told."""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

COMMANDS = {
    "sinfo": "echo bench",
    "srun": "exit 0",
    "sbatch": """
    if [ -e "{folder}/refuses" ]; then cat "{folder}/refuses" >&2; exit 1; fi
    number=$(($(ls "{folder}/scripts" | wc -l) + 1))
    cp "$1" "{folder}/scripts/$number"
    echo "Submitted batch job $number"
    """,
    "squeue": 'cat "{folder}/queue"',
    "scontrol": """
    if [ "$2" = hostnames ]; then echo "$3" | tr , "\\n"; else echo "JobId=$4 JobState=FAILED Reason=NodeFail"; fi
    """,
    "scancel": 'echo "$@" >> "{folder}/cancelled"',
}

Answer = Callable[[tuple[Any, ...]], "bytes | None"]
"""Gives what a job leaves as its result, from what it was to be called with; None where it leaves none."""


class MadeUpSlurm:
    """Stands in for Slurm: jobs are what submitit has written down, and run as `answer` has it; use it as a context.

    Parameters
    ----------
    folder
        In which the commands are, to be put on the path.
    jobs
        Where submitit keeps its jobs.
    answer
        See `Answer`.
    """

    def __init__(self, folder: Path, jobs: Path, answer: Answer = lambda arguments: None) -> None:  # noqa: ARG005
        self.folder = folder
        self.answer = answer
        self._jobs = jobs
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        (folder / "scripts").mkdir(parents=True)
        self.queue("")
        for name in COMMANDS:
            self.command(name)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()

    def queue(self, *lines: str) -> None:
        """Let squeue say this: a job's number, its state, and its node, a line each."""
        (self.folder / "queue").write_text("".join(f"{line}\n" for line in lines))

    def refuse(self, told: str = "sbatch: error: invalid account") -> None:
        """Let sbatch refuse every job with these words; with none, let it take them again."""
        (self.folder / "refuses").write_text(told)
        if not told:
            (self.folder / "refuses").unlink()

    def command(self, name: str, script: str | None = None) -> None:
        """Let a command do something else, or again what it did at first."""
        text = (COMMANDS[name] if script is None else script).replace("{folder}", str(self.folder))
        (self.folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.folder / name).chmod(0o755)

    def script(self, number: int) -> str:
        """Return what sbatch was given for a job."""
        return (self.folder / "scripts" / str(number)).read_text()

    def result(self, number: int) -> Path:
        """Return where a job is to leave its result."""
        return Path(_called(self._jobs / f"{number}_submitted.pkl")[-1])

    @property
    def cancelled(self) -> list[str]:
        """What scancel was called with."""
        path = self.folder / "cancelled"
        return path.read_text().splitlines() if path.exists() else []

    def _run(self) -> None:
        done: set[Path] = set()
        while not self._is_over.wait(0.02):
            with contextlib.suppress(FileNotFoundError):  # the place removes all of it at its end
                for path in set(self._jobs.glob("[0-9]*_submitted.pkl")) - done:
                    done.add(path)
                    self._do(_called(path))

    def _do(self, arguments: tuple[Any, ...]) -> None:
        """Do a job, and leave its result whole at once, as jobs do."""
        content = self.answer(arguments)
        if content is not None:
            part = Path(arguments[-1] + ".part")
            part.write_bytes(content)
            part.replace(arguments[-1])


def _called(path: Path) -> tuple[Any, ...]:
    from submitit.core.utils import DelayedSubmission  # noqa: PLC0415 - an extra

    return tuple(DelayedSubmission.load(path).args)
