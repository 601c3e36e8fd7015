"""Real networks against their targets, beside bare loops in the same minutes.

``python benchmarks/networks.py resnet`` (some 4 minutes on two cores), ``training`` (4), ``memory`` (3), or all.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil

import significand

HERE = Path(__file__).parent
NETWORKS = HERE / "networks"
MNIST = HERE.parent / "examples" / "cnn_images.py"


def measured(folder: Path, *words: str) -> float:
    """Measure into a folder; return the seconds of the command."""
    command = [sys.executable, "-m", "significand", "run", *words, "-q", "--output-dir", str(folder)]
    begin = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - begin


def told(figure: str, value: str, target: str) -> None:
    """Print a figure beside its target."""
    print(f"{figure:<58}{value:>22}  {target}", flush=True)


def alternating(first: Callable[[], float], second: Callable[[], float], rounds: int = 30) -> float:
    """Return the median ratio of two times, taken in turns."""
    ratios = []
    for number in range(rounds):
        order = (first, second) if number % 2 else (second, first)
        times = {call: call() for call in order}
        ratios.append(times[first] / times[second])
    return float(np.median(ratios))


PROCESSES = 5


def resnet() -> None:
    """Measure ResNet-18 without training: the wall, and the latency beside a bare loop on the kept file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = (
            "--precision",
            "float32,int8",
            "--repeats",
            "5",
            "--epochs",
            "0",
            "--batch-size",
            "1",
            "--threads",
            "1",
        )
        wall_s = measured(folder, str(NETWORKS / "resnet18.py"), *words, "--round-duration-s", "0.5", "--keep-networks")
        runs = significand.load(folder).runs
        counted_s = float(runs["timed_s"].sum())
        export_s = exporting_s()
        told(
            "ResNet-18: wall less one export / time in counted calls",
            f"{(wall_s - export_s) / counted_s:.2f}",
            "<= 2.0",
        )
        print(f"  wall {wall_s:.1f} s, export {export_s:.1f} s, counted calls {counted_s:.1f} s")
        for mode in ("float32", "int8"):
            ours, bare = session_call(folder, mode), bare_call(folder / "networks" / f"r000-{mode}.onnx")
            told(
                f"ResNet-18 {mode}: our call / a bare loop's, in turns",
                f"{alternating(ours, bare):.3f}",
                "0.95 to 1.05",
            )
            latency_s = float(np.median(runs.filter(runs["setup"] == mode)["batch_latency_p50_s"]))
            told(
                f"ResNet-18 {mode}: reported / a bare loop's now",
                f"{latency_s / np.median([bare() for _ in range(30)]):.3f}",
                "",
            )


def exporting_s() -> float:
    """Return how long exporting ResNet-18 takes in a process of its own, with the check that the file is right."""
    code = (
        "import runpy, sys, time, pathlib, tempfile\n"
        "from significand.workload.arrays import Arrays\n"
        "from significand.workload.export import check_structure, export\n"
        f"found = runpy.run_path({str(NETWORKS / 'resnet18.py')!r})\n"
        "x = found['data']()[0][:2].numpy()\n"
        "network, example = found['model'](), Arrays({'input': x})\n"
        "begin = time.perf_counter()\n"
        "with tempfile.TemporaryDirectory() as name:\n"
        "    export(network, example, pathlib.Path(name) / 'structure')\n"
        "    check_structure(network, example, pathlib.Path(name) / 'structure')\n"
        "print(time.perf_counter() - begin)"
    )
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def session_call(folder: Path, mode: str) -> Callable[[], float]:
    """Return what times a call as significand makes it, on the kept file."""
    from significand.engines.base import get_engine  # noqa: PLC0415 - torch and ONNX Runtime
    from significand.plan.experiment import stored_experiment  # noqa: PLC0415
    from significand.results.read import read_json_object  # noqa: PLC0415

    fields = read_json_object(folder / "manifest.json")["experiment"]
    assert isinstance(fields, dict)
    setup = next(one for one in stored_experiment(fields).setups() if one.precision == mode)
    session = get_engine("onnxruntime").open(folder / "networks" / f"r000-{mode}.onnx", setup)
    return timed(session.bind({"input": image()}))


def bare_call(path: Path) -> Callable[[], float]:
    """Return what times a call of ONNX Runtime with nothing of ours around it."""
    import onnxruntime  # noqa: PLC0415 - after the child processes

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feeds = {"input": image()}
    return timed(lambda: session.run(None, feeds))


def image() -> np.ndarray:
    """Return one made-up image."""
    return np.random.default_rng(0).standard_normal((1, 3, 224, 224)).astype(np.float32)


def timed(call: Callable[[], object]) -> Callable[[], float]:
    """Return what makes a call and returns its seconds; it is warm."""
    for _ in range(3):
        call()

    def seconds() -> float:
        begin = time.perf_counter()
        call()
        return time.perf_counter() - begin

    return seconds


def training() -> None:
    """Train a CNN on 5,000 images of MNIST in three precisions; the step beside a bare PyTorch loop's, in turns."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = ("--precision", "float32,bfloat16,float16", "--engine", "torch", "--repeats", "5", "--epochs", "2")
        measured(folder, str(MNIST), *words, "--threads", "1", "--latency-rounds", "3")
        runs = significand.load(folder).runs
        for mode in ("float32", "bfloat16", "float16"):
            of_mode = runs.filter(runs["setup"] == mode)
            scores = ", ".join(f"{score:.3f}" for score in of_mode["test_accuracy"])
            print(f"  {mode}: held-out scores {scores}; epoch {np.median(of_mode['train_time_per_epoch_s']):.2f} s")
    code = "import sys; sys.path.insert(0, sys.argv[1]); import bare_training; bare_training.main(sys.argv[2])"
    for mode in ("float32", "bfloat16", "float16"):
        command = [sys.executable, "-c", code, str(NETWORKS), mode]
        # Two equal loops of one process differ by up to 3 %, as their tensors happen to lie: so several processes.
        ratios = [
            float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(PROCESSES)
        ]
        told(f"MNIST {mode}: our training step / a bare loop's, in turns", f"{np.median(ratios):.3f}", "<= 1.03")


def memory() -> None:
    """Measure a network of 300 MB; watch the memory of all processes, and of the conductor."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-m", "significand", "run", str(NETWORKS / "large.py"), "-q", "--output-dir", name]
        command += ["--precision", "float32,int8", "--repeats", "1", "--epochs", "0", "--batch-size", "1"]
        process = subprocess.Popen(command)
        peaks = {"all": 0.0, "conductor": 0.0}
        watcher = threading.Thread(target=watch, args=(process, peaks))
        watcher.start()
        process.wait()
        watcher.join()
        facts = json.loads((folder / "manifest.json").read_text("utf-8"))["network"]
        size_mb = facts["size_mb"]
        told(
            f"network of {size_mb:.0f} MB: peak of all processes, MB",
            f"{peaks['all']:.0f}",
            f"<= {3 * size_mb + 1000:.0f}",
        )
        told("the conductor's own, MB", f"{peaks['conductor']:.0f}", "without the network")
        for run in significand.load(folder).runs.iter_rows(named=True):
            print(f"  {run['setup']}: {run['status']} {run['reason'] or ''}")


def watch(process: subprocess.Popen[bytes], peaks: dict[str, float]) -> None:
    """Note the largest proportional memory of a process and all below it, in MB; shared pages count once."""
    parent = psutil.Process(process.pid)
    while process.poll() is None:
        total = 0.0
        try:
            for one in (parent, *parent.children(recursive=True)):
                used_mb = one.memory_full_info().pss / 1e6
                total += used_mb
                if one.pid == process.pid:
                    peaks["conductor"] = max(peaks["conductor"], used_mb)
        except psutil.Error:
            continue
        peaks["all"] = max(peaks["all"], total)
        time.sleep(0.05)


PARTS = {"resnet": resnet, "training": training, "memory": memory}


def main() -> None:
    """Measure the parts that are asked for, or all."""
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()


if __name__ == "__main__":
    main()
