"""What the forkserver does before it imports anything that takes long, or that starts an OpenMP runtime."""

import contextlib
import os
import sys

from significand.runner.guard import start_guard


def launch() -> int:
    """Take all CPUs that the program may use, and start the guard; return the guard's process id.

    The last five arguments are the program's process id, the numbers of the CPUs, a folder that the program removes
    itself, the one for temporary files, and the number of the socket to the conductor.
    """
    program, cpus, of_program, scratch, connection = sys.argv[-5:]
    if hasattr(os, "sched_setaffinity"):
        # The program's own thread may be bound to one CPU. Where a CPU was taken away meanwhile, all stays as it is.
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, map(int, cpus.split(",")))
    return start_guard(int(program), scratch, (int(connection),), of_program)
