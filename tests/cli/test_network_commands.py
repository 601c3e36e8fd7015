"""Behaviour of the commands for a user's own network."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import significand
from significand.cli import BAD_INPUT, DONE, main
from significand.engines.base import engines_tried, runs
from significand.engines.onnx_quantise import quantise_static
from significand.engines.onnx_weights import quantise_weights
from significand.plan.precision import MODES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("warm"),
]

FILE = """
import torch
from torch import nn


def model(width=8):
    return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 3))


def data():
    x = torch.randn(120, 4)
    return x, x[:, :3].argmax(1)
"""
SHORT = ["--epochs=1", "--repeats=1", "--latency-rounds=1", "--round-duration-s=0.005", "--threads=1", "--quiet"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a user's file."""
    path = tmp_path / "mine.py"
    path.write_text(FILE, "utf-8")
    return path


def test_a_start_is_written_and_never_over_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`init` says what to try next; given the same name again it refuses."""
    path = tmp_path / "my.py"
    assert main(["init", str(path)]) == DONE
    assert f"significand modes {path}" in capsys.readouterr().out
    assert "def model(" in path.read_text("utf-8")
    assert main(["init", str(path)]) == BAD_INPUT
    assert "is there already" in capsys.readouterr().err


def test_a_network_is_tried_in_every_mode(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each mode of each engine runs once: in what it computed, how far off, how fast; or why an engine lacks it."""
    assert main(["modes", str(file), "--json"]) == DONE
    support = json.loads(capsys.readouterr().out)
    ran = {(one["engine"], one["precision_mode"]): one for one in support}
    assert ran["onnxruntime", "int8"]["effective_precision"] == "int8"
    assert ran["torch", "bfloat16"]["effective_precision"] == "bfloat16"
    assert list(ran) == [(engine, mode) for engine in engines_tried() for mode in MODES]
    for (engine, mode), one in ran.items():
        assert one["why"] if one["how"] == "no" else runs(engine, mode) and 0 < one["latency_s"] < 1
    assert all(ran[engine, "float32"]["how"] == "native" for engine in ("onnxruntime", "torch"))
    assert ran["torch", "int8"]["why"].startswith("not on this engine; on: onnxruntime")
    assert ran["torch", "float64"]["relative_output_error"] < 1e-12 < ran["torch", "bfloat16"]["relative_output_error"]


def test_an_onnx_file_is_tried_in_the_modes_that_there_are_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the engines that take files; one that is quantised already as what it is."""
    plain, quantised, packed = (tmp_path / f"{name}.onnx" for name in ("plain", "quantised", "packed"))
    weights = numpy_helper.from_array(np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32), "w")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size]) for name, size in (("x", 16), ("y", 4))]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"], "p")], "g", ends[:1], ends[1:], [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), plain)
    examples = {"x": np.random.default_rng(1).normal(size=(64, 16)).astype(np.float32)}
    quantise_static(plain, quantised, examples, reduce_range=True)
    quantise_weights(plain, packed, bits=4, block_size=16)
    tried, why = {}, {}
    for path in (plain, quantised, packed):
        assert main(["modes", str(path), "--json"]) == DONE
        support = {(one["engine"], one["precision_mode"]): one for one in json.loads(capsys.readouterr().out)}
        tried[path] = [mode for mode in MODES if support["onnxruntime", mode]["how"] != "no"]
        why[path] = {pair: one["why"] for pair, one in support.items() if one["how"] == "no"}
    modes = ["float32", "float16", "int8", "int8-dynamic", "int8-weights", "int4"]
    assert tried == {plain: modes, quantised: ["int8"], packed: ["int4"]}
    assert why[plain]["torch", "float32"] == "it runs torch modules only, and no .onnx file"
    assert why[quantised]["onnxruntime", "float32"] == "the file is int8 already"


def test_fields_of_a_network_alone_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a file there is nothing that `--set` could be of."""
    assert main(["modes", "--set", "width=3"]) == BAD_INPUT
    assert "give its file" in capsys.readouterr().err


def test_networks_are_kept_as_they_were_measured(file: Path, tmp_path: Path) -> None:
    """Each finished run's file is in the folder, and raw_runs.csv has its digest."""
    folder = tmp_path / "out"
    words = ["--engine=torch", "--precision=float32,float16", f"--output-dir={folder}", "--keep-networks"]
    assert main(["run", str(file), *SHORT, *words]) == DONE
    kept = {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / "networks").iterdir()}
    runs = significand.load(folder).runs
    assert dict(zip([f"r000-{name}" for name in runs["setup"]], runs["network_sha256"], strict=True)) == kept


def test_options_of_the_model_are_an_axis(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Several values make setups, told apart by them; a name that `model` does not take is refused by that name."""
    words = ["--engine=torch", "--precision=float32", f"--output-dir={tmp_path / 'out'}"]
    assert main(["run", str(file), *SHORT, *words, "--set", "width=4,16"]) == DONE
    summary = significand.load(tmp_path / "out").summary
    assert list(summary["setup"]) == ["float32-width=4", "float32-width=16"]
    assert list(summary["options"]) == ["width=4", "width=16"]
    sizes = list(summary["model_size_mean"])
    assert sizes[0] < sizes[1]
    capsys.readouterr()
    assert main(["run", str(file), *SHORT, *words, "--set", "depth=4"]) == BAD_INPUT
    assert "depth" in capsys.readouterr().err
