"""A real Dask scheduler on this machine, and workers that each believe to be a machine of their own."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil

from conftest import eventually
from warm_processes import OWN_NURSERY

AS_IT_IS = """
import runpy, sys, warnings
warnings.simplefilter("ignore")
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
ON_ONE_CPU = f"""
import os
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
{AS_IT_IS}"""

RESOURCE = ("--resources", "significand=1")


class LocalDask:
    """A scheduler with workers, all on loopback; use it as a context.

    Parameters
    ----------
    folder
        For logs, and for what workers keep.
    scheme
        ``"tcp"`` or ``"tls"``.
    environment
        Variables of the scheduler and all workers.
    """

    def __init__(self, folder: Path, scheme: str = "tcp", environment: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._scheme = scheme
        self._environment = environment or {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.address = ""

    def __enter__(self) -> Self:
        self._start(
            "scheduler", "distributed.cli.dask_scheduler", "--host", f"{self._scheme}://127.0.0.1", "--port", "0",
            "--no-dashboard",
        )  # fmt: skip
        log = self._folder / "scheduler.log"
        assert eventually(lambda: re.search(r"Scheduler at: +t\w+://\S+", log.read_text()) is not None, 60)
        found = re.search(rf"{self._scheme}://[0-9.]+:[0-9]+", log.read_text())
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

    def stop(self, name: str) -> None:
        """Let a process stand still, as one that hangs: its connections stay."""
        self._processes[name].send_signal(signal.SIGSTOP)

    def blocks_of(self, host: str) -> list[psutil.Process]:
        """Return the blocks that run as tasks of a worker."""
        children = psutil.Process(self._processes[host].pid).children()
        return [one for one in children if "block" in _words(one)]

    @property
    def bundles(self) -> list[Path]:
        """Experiments that were sent to workers, and are there still."""
        return list(self._folder.rglob("significand-*.zip"))

    def _start(self, name: str, module: str, *words: str, environment: Mapping[str, str] | None = None) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-c", ON_ONE_CPU if environment else AS_IT_IS, module, *words],
                env={**os.environ, OWN_NURSERY: "1", **self._environment, **(environment or {})},
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )


class Wire:
    """A way to a scheduler that can be cut, and mended; use it as a context.

    Parameters
    ----------
    address
        Of the scheduler.
    """

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix("tcp://").partition(":")
        self._there = host, int(port)
        self._is_cut = False
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(self, *error: object) -> None:
        self.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._ends):
            end.close()

    def cut(self) -> None:
        """Break every connection, and let none through."""
        self._is_cut = True
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Let connections through again."""
        self._is_cut = False

    def _begin(self, target: Callable[..., None], *arguments: socket.socket) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments))
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self._is_cut:
                    near.close()
                    continue
                far = socket.create_connection(self._there)
                self._ends += [near, far]
                for ends in ((near, far), (far, near)):
                    self._begin(_carry, *ends)


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while content := source.recv(1 << 16):
            target.sendall(content)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []
