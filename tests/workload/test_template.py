import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from significand.plan.problems import PlanError
from significand.workload.program import load_functions, new_network, scored, training_loss
from significand.workload.template import TEMPLATE, write_template

pytestmark = pytest.mark.slow

OPTIONAL = ("train_data", "test_data", "loss", "score", "optimizer", "training_loss")


def with_everything() -> str:
    """Return the template with all that is commented out in it."""
    # What is code begins a function, or stands below one.
    return re.sub(r"^# ?(def .*\n)# (    .*\n)", r"\1\2", TEMPLATE, flags=re.MULTILINE)


def one_line_of(error: PlanError) -> str:
    """Return what an error says, where that is one line."""
    (line,) = error.problems
    assert "\n" not in line
    return line


def written(folder: Path, text: str) -> dict[str, Any]:
    """Write a file, run it, and return its names."""
    (folder / "start.py").write_text(text, "utf-8")
    return runpy.run_path(str(folder / "start.py"))


def test_start_runs_as_it_is(tmp_path: Path) -> None:
    """The written file has a model and data, whose outputs and targets fit each other."""
    names = runpy.run_path(str(write_template(tmp_path / "my.py")))
    inputs, targets = names["data"]()
    outputs = names["model"](width=8)(torch.from_numpy(inputs))
    assert outputs.shape == (len(targets), 2)
    assert set(targets.tolist()) == {0, 1}
    assert not set(OPTIONAL) & set(names)


def test_start_learns(tmp_path: Path) -> None:
    """A few epochs with the default optimizer beat guessing by far: the first run shows something."""
    functions = load_functions(str(write_template(tmp_path / "my.py")))
    network = new_network(functions, {}, seed=0)
    inputs, targets = (torch.from_numpy(array) for array in functions.data())
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    for batch in torch.arange(1600).repeat(5).split(32):  # type: ignore[no-untyped-call]  # torch
        optimizer.zero_grad()
        training_loss(functions, network, inputs[batch], targets[batch]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert scored(functions, network(inputs[1600:]), targets[1600:]).mean() > 0.85


def test_what_is_commented_out_is_the_default(tmp_path: Path) -> None:
    """Every optional function is there, is code, and gives what happens without it."""
    names = written(tmp_path, with_everything())
    assert set(OPTIONAL) <= set(names)
    plain = load_functions(str(write_template(tmp_path / "plain.py")))
    inputs, targets = (torch.from_numpy(array) for array in plain.data())
    network = new_network(plain, {}, seed=0)
    outputs = network(inputs)
    assert torch.equal(names["loss"](outputs, targets), training_loss(plain, network, inputs, targets))
    assert torch.equal(names["training_loss"](network, inputs, targets), names["loss"](outputs, targets))
    assert np.array_equal(names["score"](outputs, targets), scored(plain, outputs, targets))
    (group,) = names["optimizer"](network).param_groups
    assert (group["lr"], group["momentum"]) == (0.01, 0.9)


@pytest.mark.parametrize("text", [TEMPLATE, with_everything()], ids=["as written", "with everything"])
def test_start_has_no_mistakes_that_ruff_finds(tmp_path: Path, text: str) -> None:
    """All that is used is imported, and nobody's linter complains of the first file they have of us."""
    (tmp_path / "my.py").write_text(text, "utf-8")
    subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--select=E,F,W,I,B", "--line-length=120", tmp_path],
        check=True,
    )


def test_file_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    """Nothing is written over, not even an empty file or a link that leads nowhere."""
    mine, link = tmp_path / "mine.py", tmp_path / "link.py"
    mine.write_text("x = 1\n", "utf-8")
    link.symlink_to(tmp_path / "nowhere.py")
    for path in (mine, link):
        with pytest.raises(PlanError) as caught:
            write_template(path)
        assert "is there already" in one_line_of(caught.value)
    assert mine.read_text("utf-8") == "x = 1\n"
    assert not (tmp_path / "nowhere.py").exists()


@pytest.mark.parametrize("name", ["my", "my.txt", "my.PY", ".py", "", "a/", "my.py\n"])
def test_only_python_files_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A name that `significand run` would not take for a Python file is refused, and nothing is left behind."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PlanError) as caught:
        write_template(name)
    assert "does not end in .py" in one_line_of(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["missing/my.py", "file/my.py", f"{'a' * 300}.py", "a\0b.py", "~nobody-here/my.py"])
def test_what_cannot_be_written_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Missing folders, files in place of folders and impossible names each give one line."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(PlanError) as caught:
        write_template(name)
    assert one_line_of(caught.value).startswith("init: ")
