"""Behaviour common to all engines."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conftest import setup_of
from made_up_networks import feeds, normal, reference, written
from significand.engines.base import ENGINES, get_engine, runs
from significand.plan.options import ACTIVATIONS
from significand.plan.precision import MODES

pytestmark = pytest.mark.slow

# Relative output error that one matrix product in the format cannot much exceed: its unit round-off with room for
# accumulation over 64 inputs, or for 8-bit steps.
LARGEST_ERROR = {"float64": 1e-14, "float32": 1e-5, "bfloat16": 3e-2, "float16": 4e-3, "int8": 0.15, "int4": 0.3}

EVERY_PAIR = [(engine, mode) for engine, entry in ENGINES.items() for mode in entry.modes]


@pytest.mark.parametrize(("engine_name", "mode"), EVERY_PAIR)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_engine_runs_every_activation_in_every_mode_of_its(
    engine_name: str, mode: str, activation: str, tmp_path: Path
) -> None:
    """Outputs are those of the weights in float64, to the accuracy of the format."""
    setup = setup_of((64, 48, 5), (activation, "linear"), mode, engine_name)
    x = normal(200, 64)
    engine = get_engine(engine_name)
    (outputs,) = engine.open(written(engine, setup, tmp_path, x), setup).predict(feeds(x))
    expected = reference(setup, x)
    assert outputs.dtype == np.float64
    error = np.linalg.norm(outputs - expected) / np.linalg.norm(expected)
    assert error < LARGEST_ERROR[MODES[mode].infers_in]


def test_an_engine_runs_its_modes_and_the_variants_that_it_names() -> None:
    """A variant of a mode that it runs may be none of its; an engine that is not there runs nothing."""
    assert runs("onnxruntime", "int8")
    assert runs("onnxruntime", "int8:minmax")
    assert not runs("torch", "int8:minmax")
    assert not runs("onnxruntime", "int8:nncf")
    assert not runs("abacus", "float32")


def test_the_registry_imports_no_engine() -> None:
    """Looking at which engine runs which mode imports neither torch nor ONNX Runtime."""
    code = (
        "import sys; from significand.engines.base import engine_modes; engine_modes();"
        "print([name for name in ('torch', 'onnxruntime') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_setups_need_is_there_after_preloading(tmp_path: Path) -> None:
    """Once a process has preloaded all setups, saving, looking at and opening them import no further package."""
    code = f"""
import sys
from pathlib import Path
import numpy as np
from conftest import setup_of
from significand.engines.base import get_engine
from made_up_networks import feeds, written
x = np.ones((40, 8), np.float32)
setups = [setup_of((8, 6, 3), ("relu", "softmax"), mode, engine) for engine, mode in {EVERY_PAIR!r}]
for setup in setups:
    get_engine(setup.engine).preload(setup)
before = {{name.partition(".")[0] for name in sys.modules}} | set(sys.stdlib_module_names)
for setup in setups:
    engine = get_engine(setup.engine)
    path = written(engine, setup, Path({str(tmp_path)!r}), x)
    engine.computes_in(path, setup, feeds(x))
    engine.open(path, setup).predict(feeds(x))
print(sorted({{name.partition(".")[0] for name in sys.modules}} - before))
"""
    tests = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tests)
    assert done.stdout.strip() == "[]"
