"""Behaviour of `significand.run`: any network, from Python."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import significand
from made_up_jobs import manifest, nothing_drawn
from significand.plan.problems import PlanError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("warm"),
]

QUICK: dict[str, Any] = {
    "engine": ["torch"],  # nothing has to be exported
    "precision": ["float32"],
    "epochs": 1,
    "repeats": 1,
    "latency_rounds": 2,
    "round_duration_s": 0.002,
    "on_noise": "mark",
}
X, Y = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32), np.arange(60) % 3

SCRIPT = """
import sys
import numpy as np
import significand
from torch import nn

def model():
    return nn.Linear(4, 3)

result = significand.run(
    model, (np.eye(60, 4, dtype=np.float32), np.arange(60) % 3), output_dir=sys.argv[1], engine=["torch"],
    precision=["float32"], epochs=1, repeats=1, latency_rounds=2, round_duration_s=0.002, on_noise="mark",
)
print(len(result.runs))
"""


class Net(nn.Linear):
    """A network by its class."""

    def __init__(self, width: int = 3) -> None:
        super().__init__(4, width)


def make() -> nn.Module:
    """Return a network."""
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


@pytest.mark.usefixtures("no_orphans")
@pytest.mark.parametrize(
    ("model", "data", "name"),
    [
        (make, lambda: (X, Y), "make"),
        (Net, TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)), "Net"),
    ],
    ids=["functions", "class and dataset"],
)
def test_functions_classes_and_data_are_taken(
    model: Any,  # noqa: ANN401 - that is the point
    data: Any,  # noqa: ANN401
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A function or a class for the model; a function, arrays or a Dataset for the data; the folder says which."""
    nothing_drawn(monkeypatch)
    result = significand.run(model, data, output_dir=tmp_path, **QUICK)
    assert len(result.runs) == 1
    assert manifest(tmp_path)["experiment"]["model"].partition("@")[0].endswith(f":{name}")


def test_functions_that_are_known_are_not_called_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resuming what is complete runs nothing of the user's; functions that compute otherwise are another experiment."""
    nothing_drawn(monkeypatch)
    counted = tmp_path / "counted"

    def model_of(width: int) -> Callable[[], nn.Module]:
        def model() -> nn.Module:
            with counted.open("a", encoding="utf-8") as file:
                file.write("x")
            return nn.Sequential(nn.Linear(4, width), nn.Linear(width, 3))

        return model

    significand.run(model_of(8), (X, Y), output_dir=tmp_path / "out", **QUICK)
    calls = len(counted.read_text("utf-8"))
    again = significand.run(model_of(8), (X, Y), output_dir=tmp_path / "out", resume=True, **QUICK)
    assert len(again.runs) == 1
    assert len(counted.read_text("utf-8")) == calls
    with pytest.raises(PlanError, match="network"):
        significand.run(model_of(9), (X, Y), output_dir=tmp_path / "out", resume=True, **QUICK)
    assert len(counted.read_text("utf-8")) > calls


@pytest.mark.parametrize("how", ["script", "-c"])
def test_neither_a_guard_nor_a_file_is_needed(how: str, tmp_path: Path) -> None:
    """From a script without a main guard, which no process imports again, and from the command line's -c."""
    (tmp_path / "script.py").write_text(SCRIPT, "utf-8")
    program = [str(tmp_path / "script.py")] if how == "script" else ["-c", SCRIPT]
    done = subprocess.run(
        [sys.executable, *program, str(tmp_path / "out")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"data": lambda: (X, Y)}, "model: nothing is given beside data"),
        ({"model": "net.py", "loss": lambda a, b: a - b}, "model: 'net.py' is a file, which has its own loss"),
        ({"model": make, "data": (X, Y), "epochs": -1}, "epochs: -1 is out of range"),
        ({"model": make, "data": (X, Y), "epoch": 1}, "epoch"),
        ({"model": make, "score": (number for number in range(3))}, "cannot be sent to the runs' processes"),
    ],
)
def test_mistakes_are_lines(given: dict[str, Any], told: str, tmp_path: Path) -> None:
    """Each is one line before any process is started, and nothing is written."""
    with pytest.raises(PlanError) as caught:
        significand.run(output_dir=tmp_path / "out", **given)
    (line,) = caught.value.problems
    assert told in line
    assert not (tmp_path / "out").exists()


def test_a_mistake_of_a_function_is_a_line(tmp_path: Path) -> None:
    """Data of unequal lengths: found when the function is called, and nothing is written either."""
    with pytest.raises(PlanError) as caught:
        significand.run(make, (X, Y[:-1]), output_dir=tmp_path / "out", **QUICK)
    (line,) = caught.value.problems
    assert "data()" in line
    assert not (tmp_path / "out").exists()
