"""What workers of a Dask scheduler do for us: keep the experiment, and run its blocks."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from significand.runner import task


def keep_bundle(content: bytes, experiment: str, program: str, dask_worker: Any) -> tuple[str, str]:  # noqa: ANN401 - Dask's own type
    """Write a bundle into the folder of a worker, instead of one that an earlier program has left for the experiment.

    Returns
    -------
    tuple of str
        Where it is, and why it is not there.
    """
    folder = Path(dask_worker.local_directory)
    path = folder / f"{experiment}-{program}.zip"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{experiment}-*.zip"):
            left.unlink(missing_ok=True)
        path.write_bytes(content)
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()
        return "", str(error) or type(error).__name__
    return str(path), ""


def drop_bundle(experiment: str, program: str, dask_worker: Any) -> None:  # noqa: ANN401 - Dask's own type
    """Remove the bundle that a program has sent."""
    (Path(dask_worker.local_directory) / f"{experiment}-{program}.zip").unlink(missing_ok=True)


def run_here(bundle: str, repeat: int, allow: Sequence[str]) -> bytes:
    """Run a block as a task of the worker that this is, and end it when nobody waits for it any more."""
    from distributed import get_worker  # noqa: PLC0415 - an extra

    worker = get_worker()
    key = worker.get_current_task()

    def is_cancelled() -> bool:
        known = worker.state.tasks.get(key)
        return known is None or known.state != "executing" or worker.status.name not in {"running", "paused"}

    return task.run_task(Path(bundle), repeat, allow, is_cancelled)
