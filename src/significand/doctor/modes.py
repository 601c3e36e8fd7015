"""Check of the engines: which modes they compute natively on this machine."""

from collections.abc import Iterable

from significand.doctor.check import Check, Instruments, Level
from significand.engines.base import runs
from significand.engines.native import SIXTEEN_BITS
from significand.plan.precision import MODES


def modes(given: Instruments) -> Iterable[Check]:
    """Run every mode on every engine, and tell which does not compute in its own format."""
    support = given.probe()
    for one in support:
        if not runs(one.engine, one.precision_mode):
            continue  # by design, on any machine
        name = f"mode_{one.engine}_{one.precision_mode}".replace("-", "_")
        if one.how == "native":
            yield Check(name, "ok", "; ".join(filter(None, ["native", one.arithmetic, one.why])))
            continue
        able = [
            other.engine for other in support if (other.precision_mode, other.how) == (one.precision_mode, "native")
        ]
        does = "keeps its numbers so" if MODES[one.precision_mode].infers_in in SIXTEEN_BITS else "runs it natively"
        remedy = f"--engine {able[0]} {does}" if able else "no engine runs it natively here"
        if one.how == "other":
            yield Check(name, "warn", f"as {one.effective_precision}: {one.why}", remedy)
        else:  # without float32 there is nothing to compare with
            level: Level = "bad" if one.precision_mode == "float32" else "warn"
            yield Check(name, level, f"does not run: {one.why}", remedy)
