"""Behaviour of an environment that an experiment is held against: what is refused, and what is known of it."""

import re
import sys
from pathlib import Path

import pytest

from conftest import small_experiment
from made_up_environment import made_up_environment, own_packages
from significand import __version__
from significand.meters.machine import installed_versions
from significand.plan.experiment import Experiment
from significand.plan.problems import PlanError
from significand.runner.against import other_environment


def held_against(place: Path, **changes: object) -> Experiment:
    """Return a small experiment that is held against an environment."""
    return small_experiment(against=str(place), **changes)


def refusal(place: Path, **changes: object) -> str:
    """Return the one line with which an environment is refused."""
    with pytest.raises(PlanError) as caught:
        other_environment(held_against(place, **changes))
    (line,) = caught.value.problems
    assert line.startswith("against: ")
    return line


def an_interpreter(folder: Path, answer: str) -> Path:
    """Write a program that answers as an interpreter of another kind may."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\necho '{answer}'\n", encoding="utf-8")
    program.chmod(0o755)
    return program


def test_without_another_environment_there_is_nothing_to_know() -> None:
    """No process is started for an experiment of this environment alone."""
    assert other_environment(small_experiment()) is None


def test_what_it_consists_of_is_known(tmp_path: Path) -> None:
    """Where it is, its Python and its versions are told, by its folder or its interpreter alike."""
    folder = made_up_environment(tmp_path / "next", onnxruntime="9.9.9")
    versions = installed_versions() | {"onnxruntime": "9.9.9"}
    python = ".".join(map(str, sys.version_info[:3]))
    for place in (folder, folder / "bin" / "python"):
        found = other_environment(held_against(place))
        assert found == {"path": str(place), "python": python, "versions": versions}


def test_a_place_without_an_interpreter_is_refused(tmp_path: Path) -> None:
    """A folder that is not there, one that is no environment, and a file that is no program are told apart."""
    (tmp_path / "notes.txt").touch()
    assert "is neither a folder nor a program; give the folder of an environment" in refusal(tmp_path / "nosuch")
    assert "is neither a folder nor a program" in refusal(tmp_path / "notes.txt")
    assert "holds no bin/python" in refusal(tmp_path)


def test_what_is_no_python_is_refused(tmp_path: Path) -> None:
    """A program that does something else is told with the remedy, whatever it prints."""
    assert "it does not answer as Python does; give a Python interpreter" in refusal(an_interpreter(tmp_path, "hello"))
    assert "cannot be run: " in refusal(Path("/bin/false"))


def test_this_very_environment_is_refused() -> None:
    """Nobody learns anything from it."""
    assert "is this very environment; give another one" in refusal(Path(sys.prefix))


def test_an_environment_without_significand_is_refused(tmp_path: Path) -> None:
    """The cause and the version to install are told."""
    line = refusal(made_up_environment(tmp_path / "empty", packages=False))
    assert "cannot import significand (ModuleNotFoundError: No module named 'significand')" in line
    assert line.endswith(f"install significand {__version__} there")


def test_another_version_of_significand_is_refused(tmp_path: Path) -> None:
    """Both versions are named: the processes speak one protocol."""
    folder = made_up_environment(tmp_path / "old")
    (own_packages(folder) / "significand").mkdir()
    (own_packages(folder) / "significand" / "__init__.py").write_text("__version__ = '0.0.1'", encoding="utf-8")
    line = refusal(folder)
    assert re.search(rf"significand is 0.0.1 in .* and {re.escape(__version__)} here; install", line)


def test_another_state_of_the_same_version_is_refused(tmp_path: Path) -> None:
    """One that lacks what this one asks it for is not told to install the version that it has."""
    folder = made_up_environment(tmp_path / "older")
    (own_packages(folder) / "significand").mkdir()
    (own_packages(folder) / "significand" / "__init__.py").write_text(
        f"__version__ = {__version__!r}", encoding="utf-8"
    )
    line = refusal(folder)
    assert "another state of it (ModuleNotFoundError: No module named 'significand." in line
    assert line.endswith("install the same there")


def test_another_python_is_refused(tmp_path: Path) -> None:
    """Both versions are named."""
    line = refusal(an_interpreter(tmp_path, '{"python": "3.9.1", "prefix": "/usr"}'))
    assert re.search(r"Python is 3.9.1 in .* and 3.\d+.\d+ here", line)


def test_an_engine_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Modes and engines of setups are looked up where they are to run."""
    folder = made_up_environment(tmp_path / "next")
    (own_packages(folder) / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, package=None: None if name == 'openvino' else find(name, package)\n",
        encoding="utf-8",
    )
    line = refusal(folder, engine="openvino")
    assert "'openvino' is not installed; pip install 'significand[openvino]'" in line
