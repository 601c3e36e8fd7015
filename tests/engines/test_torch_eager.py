"""Behaviour of the PyTorch engine."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import setup_of
from significand.engines.torch_eager import ENGINE
from significand.plan.setup import Setup
from significand.workload.mlp import initial_network, read_weights

pytestmark = pytest.mark.slow

LAYER_SIZES, ACTIVATIONS = (64, 128, 10), ("relu", "softmax")


def small(mode: str) -> Setup:
    """Return a setup of a small network."""
    return setup_of(LAYER_SIZES, ACTIVATIONS, mode, "torch")


def written(folder: Path, mode: str) -> Path:
    """Write the network in a mode, and return the file."""
    weights = read_weights(initial_network(LAYER_SIZES, ACTIVATIONS, seed=1))
    path = folder / f"{mode}.pt"
    ENGINE.save(path, b"", weights, small(mode), np.zeros((1, 64), np.float32))
    return path


@pytest.mark.parametrize("mode", ["float64", "float32", "bfloat16", "float16"])
def test_plain_formats_compute_in_themselves(tmp_path: Path, mode: str) -> None:
    """The dtype of the operators that really ran is the mode's own."""
    assert ENGINE.computes_in(written(tmp_path, mode), small(mode)) == mode


def test_looking_does_not_import_what_compiles(tmp_path: Path) -> None:
    """torch._dynamo takes seconds to import, and every run would wait for that."""
    path = written(tmp_path, "bfloat16")
    code = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from conftest import setup_of
from significand.engines.torch_eager import ENGINE
setup = setup_of({LAYER_SIZES}, {ACTIVATIONS}, "bfloat16", "torch")
assert ENGINE.computes_in(Path({str(path)!r}), setup) == "bfloat16"
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_int8_dynamic_multiplies_integers(tmp_path: Path) -> None:
    """Tensors of torchao come down to an integer matrix product, and the file holds int8 weights."""
    path = written(tmp_path, "int8-dynamic")
    assert ENGINE.computes_in(path, small("int8-dynamic")) == "int8"
    assert path.stat().st_size < 0.5 * written(tmp_path, "float32").stat().st_size


class Exploit:
    """Runs a command when unpickled as pickle does by itself."""

    def __init__(self, command: str) -> None:
        self._command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self._command,)


def test_a_malicious_file_is_refused_unexecuted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network file that would execute code when unpickled does not, even if the environment asks torch for it."""
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    path, proof = tmp_path / "network.pt", tmp_path / "executed"
    torch.save({"0.weight": Exploit(f"touch {proof}")}, path)
    with pytest.raises(pickle.UnpicklingError):
        ENGINE.open(path, small("float32"))
    assert not proof.exists()
    torch.load(path, weights_only=False)  # the file is what it is said to be
    assert proof.exists()


def test_calls_do_not_record_gradients(tmp_path: Path) -> None:
    """The timed call runs under inference mode."""
    session = ENGINE.open(written(tmp_path, "float32"), small("float32"))
    outputs = session.bind(np.zeros((2, 64), np.float32))()
    assert isinstance(outputs, torch.Tensor)
    assert outputs.is_inference()
