"""Behaviour of the engine that compiles torch's networks."""

import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import made_up_networks
from conftest import setup_of
from made_up_networks import feeds, normal, reference
from significand.engines import torch_compile
from significand.engines.operators import CALL, UNKNOWN, shares
from significand.engines.torch_compile import ENGINE, TorchCompileSession
from significand.plan.problems import RunFailedError
from significand.plan.setup import Setup

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parents[1]
LARGEST_ERROR = {"float32": 1e-5, "bfloat16": 0.03, "float16": 4e-3}
X = normal(16, 64)


def small(mode: str = "float32") -> Setup:
    """Return a setup of a small network."""
    return replace(setup_of((64, 48, 5), ("gelu", "softmax"), "float32", "torch-compile"), precision=mode)


def opened(folder: Path, setup: Setup) -> tuple[Path, TorchCompileSession]:
    """Write a setup's network, and open it."""
    path = made_up_networks.written(ENGINE, setup, folder, X)
    session = ENGINE.open(path, setup)
    assert isinstance(session, TorchCompileSession)
    return path, session


@pytest.fixture(autouse=True)
def _compile_anew() -> None:
    """Forget what earlier tests have compiled."""
    ENGINE.preload(small())
    torch._dynamo.reset()


@pytest.mark.parametrize("mode", LARGEST_ERROR)
def test_a_network_is_compiled_before_it_is_called(mode: str, tmp_path: Path) -> None:
    """Binding tells how long compiling took; calls compute in the mode's format, and compile no more."""
    path, session = opened(tmp_path, small(mode))
    assert math.isnan(session.compile_time_s)
    call = session.bind(feeds(X))
    assert 0.01 < session.compile_time_s < 300
    graphs, _ = torch_compile._counts()
    output = call()
    (predicted,) = session.predict(feeds(X))
    assert torch_compile._counts()[0] == graphs > 0
    assert isinstance(output, torch.Tensor)
    assert output.is_inference()
    assert np.array_equal(output.double().numpy(), predicted)
    expected = reference(small(mode), X)
    assert np.linalg.norm(predicted - expected) / np.linalg.norm(expected) < LARGEST_ERROR[mode]
    assert list(shares(ENGINE.computes_in(path, small(mode), feeds(X)))) == [mode]


def test_what_was_compiled_before_has_no_time(tmp_path: Path) -> None:
    """A second session on the same network compiles nothing, and the time of that is missing, not small."""
    path, session = opened(tmp_path, small())
    session.bind(feeds(X))
    again = ENGINE.open(path, small())
    again.bind(feeds(X))
    assert math.isnan(again.compile_time_s)  # type: ignore[attr-defined]


def test_products_inside_compiled_kernels_are_unknown(tmp_path: Path) -> None:
    """On one example a layer of 8 inputs becomes a part of a kernel, whose format nobody has seen."""
    setup = setup_of((8, 4, 2), ("relu", "softmax"), "float32", "torch-compile")
    x = normal(1, 8)
    path = made_up_networks.written(ENGINE, setup, tmp_path, x)
    assert list(shares(ENGINE.computes_in(path, setup, feeds(x)))) == [UNKNOWN]


def test_a_profile_tells_of_kernels_too(tmp_path: Path) -> None:
    """Products go by the names of `computes_in`, and the whole call is longer than each of them."""
    path, _ = opened(tmp_path, small())
    seconds = dict(ENGINE.profile(path, small(), feeds(X), calls=5))  # type: ignore[attr-defined]
    whole = seconds.pop(CALL)
    products = {one.name for one in ENGINE.computes_in(path, small(), feeds(X)) if one.format}
    assert products <= set(seconds)
    assert 0 < max(seconds.values()) < whole


def test_a_compiler_that_fails_is_told_in_one_line() -> None:
    """The text of torch, which has many lines, is one."""
    ENGINE.preload(small())
    told = r"^torch cannot compile the network: it broke here and there$"
    with pytest.raises(RunFailedError, match=told), torch_compile._one_line():
        raise torch._dynamo.exc.InternalTorchDynamoError("it broke\n  here\nand there")


SCRIPT = """
import os, sys, tempfile
from pathlib import Path
from engines.test_torch_compile import X, small
import made_up_networks, psutil
from significand.engines.torch_compile import ENGINE
from significand.plan.problems import RunFailedError
ENGINE.preload(small())
print("threads", len(os.listdir("/proc/self/task")))
try:
    made_up_networks.written(ENGINE, small(), Path(sys.argv[1]), X)
except RunFailedError as error:
    print(error)
print("children", psutil.Process().children())
"""


def run(folder: Path, **environment: str) -> str:
    """Preload the engine and write a network in an interpreter of its own; return what it prints."""
    own = {name: value for name, value in os.environ.items() if name != torch_compile.CACHE}
    full = own | {"OPENBLAS_NUM_THREADS": "1", **environment}
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=TESTS, env=full)
    return done.stdout


def test_without_a_compiler_the_reason_names_the_remedy(tmp_path: Path) -> None:
    """One line says what lacks and what to install."""
    assert "torch-compile finds no C++ compiler; install one (apt install g++)" in run(tmp_path, CXX="/not/there")


def test_nothing_is_left_behind(tmp_path: Path, scratch: Path) -> None:
    """Compiling starts no process that stays, and writes neither to the system's folder nor to the user's."""
    home = tmp_path / "home"
    home.mkdir()
    told = run(tmp_path, HOME=str(home))
    assert re.search(r"^threads 1$", told, re.MULTILINE)
    assert "children []" in told
    assert not list(home.iterdir())
    assert not list(scratch.iterdir())
