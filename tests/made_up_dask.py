"""A real Dask scheduler on this machine, and workers that each believe to be a machine of their own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil

from conftest import eventually

RESOURCE = ("--resources", "significand=1")


class LocalDask:
    """A scheduler with workers, all on loopback; use it as a context.

    Parameters
    ----------
    folder
        For logs, and for what workers keep.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.address = ""

    def __enter__(self) -> Self:
        self._start(
            "scheduler", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"
        )
        log = self._folder / "scheduler.log"
        assert eventually(lambda: re.search(r"Scheduler at: +tcp://\S+", log.read_text()) is not None, 60)
        found = re.search(r"tcp://[0-9.]+:[0-9]+", log.read_text())
        assert found
        self.address = found[0]
        return self

    def __exit__(self, *error: object) -> None:
        for name in list(self._processes):
            self.kill(name)

    def worker(
        self, host: str, arguments: Sequence[str] = RESOURCE, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start a worker that calls its machine so; its own environment and CPU would slow a block down."""
        self._start(
            host, "distributed.cli.dask_worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard",
            "--local-directory", str(self._folder / f"of-{host}"), *arguments,
            environment={"SIGNIFICAND_HOST": host, "OMP_NUM_THREADS": "1", **(environment or {})},
        )  # fmt: skip

    def wait_for(self, *hosts: str) -> None:
        """Wait until workers are registered."""
        for host in hosts:
            log = self._folder / f"{host}.log"
            assert eventually(lambda log=log: "Registered to" in log.read_text(), 60), log.read_text()  # type: ignore[misc]

    def kill(self, name: str) -> None:
        """End a process as a power failure would."""
        process = self._processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def blocks_of(self, host: str) -> list[psutil.Process]:
        """Return the blocks that run as tasks of a worker."""
        children = psutil.Process(self._processes[host].pid).children()
        return [one for one in children if "block" in _words(one)]

    def _start(self, name: str, module: str, *words: str, environment: Mapping[str, str] | None = None) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            one_cpu = ["taskset", "-c", str(min(os.sched_getaffinity(0)))] if environment else []
            self._processes[name] = subprocess.Popen(
                [*one_cpu, sys.executable, "-W", "ignore", "-m", module, *words],
                env={**os.environ, **(environment or {})},
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []
