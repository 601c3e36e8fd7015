"""The environment that an experiment is held against: whether it can take part, and what it consists of."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from significand import __version__
from significand.engines.base import engine_modes, packages_of
from significand.meters.machine import installed_versions
from significand.plan.experiment import Experiment
from significand.plan.problems import PlanError, shown
from significand.runner.interpreter import environment_of_other, interpreter_in

TIMEOUT_S = 120.0
"""A machine under load needs a while to start Python."""

# Every Python runs it, with whatever version of significand, or none. No module is imported from where it stands.
LOOK = """
import sys
sys.path[:] = filter(None, sys.path)
import json
told = {"python": ".".join(map(str, sys.version_info[:3])), "prefix": sys.prefix}
try:
    import significand
    told["significand"] = significand.__version__
    from significand.runner.against import facts_here
    told.update(facts_here(sys.argv[1:]))
except (Exception, SystemExit) as error:
    told["error"] = "{}: {}".format(type(error).__name__, error)
print()
print(json.dumps(told))
"""


def facts_here(engines: list[str]) -> dict[str, object]:
    """Return what another environment is to know of this one: versions, and what its engines run, or why nothing."""
    return {
        "versions": installed_versions(packages_of(engines)),
        "modes": {engine: _modes(engine) for engine in engines},
    }


def _modes(engine: str) -> list[str] | str:
    try:
        return list(engine_modes()[engine])
    except KeyError:
        return f"{engine!r} is not an engine there"
    except PlanError as error:
        return error.problems[0]


def other_environment(experiment: Experiment) -> Mapping[str, object] | None:
    """Return path, Python and versions of the environment that an experiment is held against; None without one.

    Raises
    ------
    PlanError
        With a line for everything for which it cannot take part.
    """
    if experiment.against is None:
        return None
    engines = list(dict.fromkeys(setup.engine for setup in experiment.setups()))
    told = _looked_at(experiment.against, engines)
    if problems := list(_problems(experiment, told)):
        raise PlanError([f"against: {line}" for line in problems])
    return {"path": experiment.against, "python": told["python"], "versions": told["versions"]}


def _looked_at(place: str, engines: list[str]) -> Mapping[str, Any]:
    """Have the environment's interpreter tell of itself."""
    python = interpreter_in(Path(place))
    if python is None:
        told = "holds no bin/python" if Path(place).is_dir() else "is neither a folder nor a program"
        raise PlanError([f"against: {shown(place)} {told}; give the folder of an environment, or its python"])
    try:
        with tempfile.TemporaryDirectory(prefix="significand-") as nowhere:
            done = subprocess.run(
                [python, "-c", LOOK, *engines],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT_S,
                env=environment_of_other(),
                cwd=nowhere,
                check=True,
            )
        found = json.loads(done.stdout.splitlines()[-1])
        return {"python": found["python"], **found}
    except (OSError, subprocess.SubprocessError) as error:
        cause = str(error)
    except (ValueError, LookupError, TypeError):
        cause = "it does not answer as Python does"
    raise PlanError([f"against: {shown(str(python))} cannot be run: {cause}; give a Python interpreter"])


def _problems(experiment: Experiment, told: Mapping[str, Any]) -> Iterator[str]:
    """Say why an environment cannot take part; the first reason makes the others pointless."""
    place, ours = shown(experiment.against), ".".join(map(str, sys.version_info[:3]))
    if os.path.realpath(told["prefix"]) == os.path.realpath(sys.prefix):
        yield f"{place} is this very environment; give another one"
    elif told["python"].split(".")[:2] != ours.split(".")[:2]:
        alike = "what the processes send each other is of one Python"
        yield f"Python is {told['python']} in {place} and {ours} here, and {alike}; give an environment of the same"
    elif told.get("significand", __version__) != __version__:
        there = told["significand"]
        yield f"significand is {there} in {place} and {__version__} here; install {__version__} there, or {there} here"
    elif "error" in told and "significand" in told:
        another = f"the significand {__version__} of here, but another state of it"
        yield f"{place} does not hold {another} ({told['error']}); install the same there"
    elif "error" in told:
        yield f"{place} cannot import significand ({told['error']}); install significand {__version__} there"
    else:
        yield from _of_engines(experiment, told["modes"])


def _of_engines(experiment: Experiment, modes: Mapping[str, list[str] | str]) -> Iterator[str]:
    for engine, known in modes.items():
        asked = dict.fromkeys(setup.precision for setup in experiment.setups() if setup.engine == engine)
        missing = [mode for mode in asked if mode not in known]
        if isinstance(known, str):
            yield f"in {shown(experiment.against)}, {known}"
        elif missing:
            yield f"{engine!r} does not run {', '.join(missing)} in {shown(experiment.against)}; leave it out"
