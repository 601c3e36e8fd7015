"""Behaviour of the PyTorch engine."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import made_up_networks
from conftest import setup_of
from made_up_networks import feeds
from significand.engines.operators import shares
from significand.engines.torch_eager import ENGINE
from significand.plan.setup import Setup

pytestmark = pytest.mark.slow

LAYER_SIZES, ACTIVATIONS = (64, 128, 10), ("relu", "softmax")
ONE = np.zeros((1, 64), np.float32)


def small(mode: str) -> Setup:
    """Return a setup of a small network."""
    return setup_of(LAYER_SIZES, ACTIVATIONS, mode, "torch")


def written(folder: Path, mode: str) -> Path:
    """Write the network in a mode, and return the file."""
    return made_up_networks.written(ENGINE, small(mode), folder, ONE)


def seen(path: Path, mode: str) -> str:
    """Return what a network in a mode is found to compute in."""
    return "+".join(shares(ENGINE.computes_in(path, small(mode), feeds(ONE))))


@pytest.mark.parametrize("mode", ["float64", "float32", "bfloat16", "float16"])
def test_plain_formats_compute_in_themselves(tmp_path: Path, mode: str) -> None:
    """The dtype of the operators that really ran is the mode's own."""
    assert seen(written(tmp_path, mode), mode) == mode


def test_looking_does_not_import_what_compiles(tmp_path: Path) -> None:
    """torch._dynamo takes seconds to import, and every run would wait for that."""
    path = written(tmp_path, "bfloat16")
    code = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import numpy as np
from conftest import setup_of
from significand.engines.torch_eager import ENGINE
setup = setup_of({LAYER_SIZES}, {ACTIVATIONS}, "bfloat16", "torch")
found = ENGINE.computes_in(Path({str(path)!r}), setup, {{"input": np.zeros((1, 64), np.float32)}})
assert {{one.format for one in found}} == {{"bfloat16", ""}}, found
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_int8_dynamic_multiplies_integers(tmp_path: Path) -> None:
    """Tensors of torchao come down to an integer matrix product, and the file holds int8 weights."""
    path = written(tmp_path, "int8-dynamic")
    assert seen(path, "int8-dynamic") == "int8"
    assert path.stat().st_size < 0.5 * written(tmp_path, "float32").stat().st_size


def test_calls_do_not_record_gradients(tmp_path: Path) -> None:
    """The timed call runs under inference mode."""
    session = ENGINE.open(written(tmp_path, "float32"), small("float32"))
    outputs = session.bind(feeds(ONE))()
    assert isinstance(outputs, torch.Tensor)
    assert outputs.is_inference()
