"""The program as a process of its own, with experiments that take no time: ``python made_up_program.py MODULE WORDS``.

Where AWAIT_READER is set, nothing is measured before whoever reads stderr is gone.
"""

import os
import runpy
import select
import sys

import pytest

from made_up_jobs import take_no_time
from made_up_place import MadeUpPlace
from significand.runner.block import Timing


class PatientPlace(MadeUpPlace):
    """Waits until the reader of stderr is gone."""

    def run(self, *words: object) -> Timing:
        """Wait, and hand over the runs."""
        poll = select.poll()
        poll.register(2, select.POLLERR)
        poll.poll()
        return super().run(*words)  # type: ignore[arg-type]  # handed on


if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        take_no_time(patch)
        if os.environ.get("AWAIT_READER"):
            patch.setattr("significand.job.Here", PatientPlace)
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
