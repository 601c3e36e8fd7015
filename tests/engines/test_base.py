"""Behaviour common to all engines."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from significand.engines.base import ENGINES, get_engine
from significand.plan.options import ACTIVATIONS
from significand.plan.precision import MODES
from significand.workload.architecture import Architecture
from significand.workload.model import initial_network, read_weights, reference_outputs

# Relative output error that one matrix product in the format cannot much exceed: its unit round-off with room for
# accumulation over 64 inputs, or for 8-bit steps.
LARGEST_ERROR = {"float64": 1e-14, "float32": 1e-5, "bfloat16": 3e-2, "float16": 4e-3, "int8": 0.15}

EVERY_PAIR = [(engine, mode) for engine, entry in ENGINES.items() for mode in entry.modes]


@pytest.mark.parametrize(("engine_name", "mode"), EVERY_PAIR)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_engine_runs_every_activation_in_every_mode_of_its(
    engine_name: str, mode: str, activation: str, tmp_path: Path
) -> None:
    """Outputs are those of the weights in float64, to the accuracy of the format."""
    architecture = Architecture((64, 48, 5), (activation, "linear"))
    weights = read_weights(initial_network(architecture.layer_sizes, architecture.activations, seed=3))
    x = np.random.default_rng(0).normal(size=(200, 64)).astype(np.float32)
    engine = get_engine(engine_name)
    path = tmp_path / f"network{engine.file_suffix}"
    engine.write(path, engine.export_structure(architecture), architecture, weights, MODES[mode], x)
    outputs = engine.open(path, architecture, MODES[mode], threads=1).predict(x)
    expected = reference_outputs(architecture.layer_sizes, architecture.activations, weights, x)
    assert outputs.dtype == np.float64
    error = np.linalg.norm(outputs - expected) / np.linalg.norm(expected)
    assert error < LARGEST_ERROR[MODES[mode].infers_in]


def test_the_registry_imports_no_engine() -> None:
    """Looking at which engine runs which mode imports neither torch nor ONNX Runtime."""
    code = (
        "import sys; from significand.engines.base import engine_modes; engine_modes();"
        "print([name for name in ('torch', 'onnxruntime') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
