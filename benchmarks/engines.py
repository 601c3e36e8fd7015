"""Engines side by side against their targets: calls beside bare loops, idle threads, a grid's wall, operators' times.

``python benchmarks/engines.py calls`` (some 8 minutes on two cores), ``idle`` (1), ``grid`` (3), ``explain`` (4), or
all. OpenVINO is needed: ``pip install significand[openvino]``; a C++ compiler, for torch-compile, is used where it is.
"""

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from networks import NETWORKS, alternating, measured, timed, told
from significand.answers.folder import read_folder
from significand.engines.base import get_engine
from significand.plan.setup import Setup
from significand.workload.program import load_functions

ENGINES = ("onnxruntime", "openvino", "torch")
THREADS = ("--threads", "1")
NO_TRAINING = ("--repeats", "1", "--epochs", "0", "--latency-rounds", "3", *THREADS)


TORCH = ("torch", "torch-compile") if shutil.which(os.environ.get("CXX", "g++")) else ("torch",)
"""The engines of torch modules that this machine has: one needs a compiler."""


def calls() -> None:
    """Time a call of each engine on a kept network beside a bare loop on the same file, in turns."""
    load_functions(str(NETWORKS / "resnet18.py"))  # torch's file names its classes
    of_files = [name for name in ENGINES if name not in TORCH]
    for engines, modes in ((of_files, "float32,int8"), (TORCH, "float32,int8-dynamic")):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            words = ("--engine", ",".join(engines), "--precision", modes, "--batch-size", "1", "--keep-networks")
            measured(folder, str(NETWORKS / "resnet18.py"), *NO_TRAINING, *words)
            for setup in setups_of(folder):
                label = f"{setup.precision}, {setup.engine}: our call / a bare loop's, in turns"
                told(label, f"{beside_bare(setup, folder):.3f}", "0.95 to 1.05")


def beside_bare(setup: Setup, folder: Path) -> float:
    """Return the time of our call on a kept network over that of a bare loop on it, in turns."""
    path = next((folder / "networks").glob(f"r000-{setup.name}.*"))
    session = get_engine(setup.engine).open(path, setup)
    x = np.random.default_rng(0).standard_normal((1, 3, 224, 224)).astype(np.float32)
    return alternating(timed(session.bind({"input": x})), timed(BARE[setup.engine](path, x)))


def setups_of(folder: Path) -> Sequence[Setup]:
    """Return the setups of an experiment that came to its end."""
    return read_folder(folder).experiment.setups()


def bare_onnxruntime(path: Path, x: np.ndarray) -> Callable[[], object]:
    """Return a call of ONNX Runtime with nothing of ours around it, in the same session settings."""
    import onnxruntime  # noqa: PLC0415 - after the child processes

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.spin_duration_us", "1000")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return functools.partial(session.run, None, {"input": x})


def bare_openvino(path: Path, x: np.ndarray) -> Callable[[], object]:
    """Return a call of OpenVINO with nothing of ours around it, in the same settings."""
    import openvino  # noqa: PLC0415 - the same

    settings = {
        "INFERENCE_NUM_THREADS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
        "ENABLE_HYPER_THREADING": True,
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
    }
    model = openvino.Core().read_model(path)
    model.reshape(x.shape)
    request = openvino.compile_model(model, "CPU", settings).create_infer_request()
    return functools.partial(request.infer, {0: x}, share_inputs=True, share_outputs=True)


def bare_torch(path: Path, x: np.ndarray, *, compiles: bool = False) -> Callable[[], object]:
    """Return a call of torch with nothing of ours around it, of the network as it is or compiled for this shape."""
    import torch  # noqa: PLC0415 - the same

    sys.path.insert(0, str(NETWORKS))
    torch.set_num_threads(1)
    network = torch.load(path, weights_only=False)["network"]
    network = torch.compile(network, dynamic=False) if compiles else network
    tensor = torch.from_numpy(x)

    @torch.inference_mode()
    def call() -> object:
        return network(tensor)

    return call


BARE: Mapping[str, Callable[[Path, np.ndarray], Callable[[], object]]] = {
    "onnxruntime": bare_onnxruntime,
    "openvino": bare_openvino,
    "torch": bare_torch,
    "torch-compile": functools.partial(bare_torch, compiles=True),
}

IDLE = """
import sys, time
from pathlib import Path
import numpy as np, psutil
from engines import setups_of
from significand.engines.base import get_engine
folder, name = Path(sys.argv[1]), sys.argv[2]
setup = next(one for one in setups_of(folder) if one.name == name)
session = get_engine(setup.engine).open(next((folder / "networks").glob(f"r000-{name}.*")), setup)
call = session.bind({"input": np.zeros((32, 1, 28, 28), np.float32)})
for _ in range(50):
    call()
time.sleep(0.05)  # as `significand.runner.worker` waits until no thread runs
process = psutil.Process()
before = sum(process.cpu_times()[:2])
time.sleep(5)
print((sum(process.cpu_times()[:2]) - before) / 5)
"""


def idle() -> None:
    """Look at the CPU time of each engine's process while it waits for its turn."""
    with tempfile.TemporaryDirectory() as name:
        words = ("--engine", ",".join(ENGINES), "--precision", "float32,int8", "--keep-networks", "--threads", "2")
        mnist = str(Path(__file__).parents[1] / "examples" / "cnn_images.py")
        measured(Path(name), mnist, "--repeats", "1", "--epochs", "0", "--latency-rounds", "2", *words)
        for setup in setups_of(Path(name)):
            command = [sys.executable, "-c", IDLE, name, setup.name]
            share = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
            told(f"{setup.name}: CPU time of an idle run", f"{100 * float(share.stdout):.2f} %", "<= 1 %")


def grid() -> None:
    """Compare three engines in three precisions on a small CNN with one command."""
    with tempfile.TemporaryDirectory() as name:
        words = ("--engine", ",".join(ENGINES), "--precision", "float32,bfloat16,int8", "--repeats", "5")
        wall_s = measured(Path(name), "cnn", *words)
        told("3 engines x 3 precisions on a CNN, 5 repeats", f"{wall_s:.0f} s", "<= 180 s")
        subprocess.run([sys.executable, "-m", "significand", "table", name], check=True)


def explain() -> None:
    """Explain ResNet-18 and a BERT encoder in float32 and int8 on three engines."""
    bert = Path(__file__).parents[1] / "examples" / "huggingface_classifier.py"
    sizes = ("--set", "width=512", "--set", "depth=4")
    for network, options in ((NETWORKS / "resnet18.py", ()), (bert, sizes)):
        with tempfile.TemporaryDirectory() as name:
            words = ("--engine", ",".join(ENGINES), "--precision", "float32,int8", "--batch-size", "1", *options)
            measured(Path(name), str(network), *NO_TRAINING, *words)
            command = [sys.executable, "-m", "significand", "explain", name, "--json"]
            begin = time.perf_counter()
            setups = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            print(f"  explain took {time.perf_counter() - begin:.1f} s")
            for one in setups:
                shares = {part: time_s / one["latency_s"] for part, time_s in one["times_s"].items()}
                label = f"{network.stem}, {one['setup']}"
                told(f"{label}: shares of time add up to", f"{100 * sum(shares.values()):.1f} %", "99 to 101 %")
                told(f"{label}: shares of work add up to", f"{100 * sum(one['formats'].values()):.1f} %", "99 to 101 %")
                outside = shares.get("outside of operators", float("nan"))
                told(f"{label}: outside of operators", f"{100 * outside:.1f} %", "<= 10 %, or a row of its own")
                told(f"{label}: profiled call / timed call", f"{one['slowing']:.2f}", "")
                formats = ", ".join(f"{name} {100 * share:.0f} %" for name, share in one["formats"].items())
                converts = 100 * shares.get("conversions", float("nan"))
                print(f"  a call {1e3 * one['latency_s']:.1f} ms; layers in {formats}; conversions {converts:.0f} %")


PARTS = {"calls": calls, "idle": idle, "grid": grid, "explain": explain}


def main() -> None:
    """Measure the parts that are asked for, or all."""
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()


if __name__ == "__main__":
    main()
