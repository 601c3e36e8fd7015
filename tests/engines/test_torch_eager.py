"""Behaviour of the PyTorch engine."""

from pathlib import Path

import numpy as np
import pytest
import torch

from significand.engines.torch_eager import ENGINE
from significand.plan.precision import MODES
from significand.workload.architecture import Architecture
from significand.workload.model import initial_network, read_weights

SMALL = Architecture((64, 128, 10), ("relu", "softmax"))


def written(folder: Path, mode: str) -> Path:
    weights = read_weights(initial_network(SMALL.layer_sizes, SMALL.activations, seed=1))
    path = folder / f"{mode}.pt"
    ENGINE.write(path, b"", SMALL, weights, MODES[mode], np.zeros((1, 64), np.float32))
    return path


@pytest.mark.parametrize("mode", ["float64", "float32", "bfloat16", "float16"])
def test_plain_formats_compute_in_themselves(tmp_path: Path, mode: str) -> None:
    """The dtype of the operators that really ran is the mode's own."""
    assert ENGINE.effective_precision(written(tmp_path, mode), SMALL, MODES[mode], threads=1) == mode


def test_int8_dynamic_multiplies_integers(tmp_path: Path) -> None:
    """Tensors of torchao come down to an integer matrix product, and the file holds int8 weights."""
    path = written(tmp_path, "int8-dynamic")
    assert ENGINE.effective_precision(path, SMALL, MODES["int8-dynamic"], threads=1) == "int8"
    assert path.stat().st_size < 0.5 * written(tmp_path, "float32").stat().st_size


def test_calls_do_not_record_gradients(tmp_path: Path) -> None:
    """The timed call runs under inference mode."""
    session = ENGINE.open(written(tmp_path, "float32"), SMALL, MODES["float32"], threads=1)
    outputs = session.bind(np.zeros((2, 64), np.float32))()
    assert isinstance(outputs, torch.Tensor)
    assert outputs.is_inference()
