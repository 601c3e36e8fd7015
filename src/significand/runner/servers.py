"""The forkservers of an experiment: one, or two where it is held against another environment."""

import contextlib
from collections.abc import Callable
from typing import Self

from significand.plan.setup import HERE, OTHER, Setup
from significand.runner.block import Block
from significand.runner.server import Server
from significand.workload.given import Data

NewServer = Callable[[Block, Data, Callable[[], None], str], Server]
"""Makes the forkserver of an environment, which is the last argument; the others are those of `Server`."""


class Servers:
    """The server of each environment, by the variants of setups; use it as a context, in which all are up."""

    def __init__(self, first: Block, data: Data, meanwhile: Callable[[], None], new_server: NewServer) -> None:
        self._here = new_server(first, data, meanwhile, HERE)
        self._other = new_server(first, data, lambda: None, OTHER) if first.experiment.against else None

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as entered:
            for server in self._all:
                entered.enter_context(server)
            self._entered = entered.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._entered.close()

    @property
    def _all(self) -> list[Server]:
        return [self._here, *([self._other] if self._other else [])]

    def of(self, setup: Setup) -> Server:
        """Return the one that forks the runs of a setup."""
        return self._other if self._other and setup.variant == OTHER else self._here

    def ensure_up(self) -> None:
        """Start those that have died."""
        for server in self._all:
            server.ensure_up()
