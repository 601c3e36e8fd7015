"""A BERT classifier as optimum-benchmark measures it and as significand does, in the same minutes.

``python benchmarks/rival_optimum.py [FOLDER]`` (some 8 minutes on two cores) makes a virtual environment with
optimum-benchmark in FOLDER, where there is none yet. Both run the same weights with PyTorch, in batches of 4 texts of
64 words, one thread. Its ONNX Runtime backend needs an older torch than 2.13 and is left out.

optimum-benchmark knows no ratio and no interval of one: here it measures both formats again and again, each in the
fresh process that it starts, and the interval is Student's t of the log ratios of neighbours. What time an interval of
+-2 % takes is reckoned from the intervals at hand, which shrink with the square root of the repeats.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import significand
from significand.analysis.intervals import mean_t

HERE = Path(__file__).parent
PACKAGES = ("optimum-benchmark==0.6.0", "optimum<2", "transformers<4.54", "torch==2.13.0")
BATCH, PAIRS, REPEATS = 4, 3, 10
LENGTH, WORDS = 64, 1000
TARGET = 0.02
FOUND = "found: "

THEIRS = f"""
import json, sys, time
from optimum_benchmark import Benchmark, BenchmarkConfig, InferenceConfig, ProcessConfig, PyTorchConfig

if __name__ == "__main__":
    begin = time.perf_counter()
    found = Benchmark.launch(BenchmarkConfig(
        name="bert",
        launcher=ProcessConfig(start_method="spawn"),
        scenario=InferenceConfig(
            latency=True, memory=False, input_shapes={{"batch_size": {BATCH}, "sequence_length": {LENGTH}}}
        ),
        backend=PyTorchConfig(
            model=sys.argv[1], task="text-classification", library="transformers", device="cpu", no_weights=False,
            torch_dtype=sys.argv[2], intra_op_num_threads=1, inter_op_num_threads=1,
        ),
    ))
    latency_s = found.to_dict()["forward"]["latency"]["mean"]
    print("{FOUND}" + json.dumps([latency_s, time.perf_counter() - begin]), flush=True)
"""
MADE = f"""
import sys, torch, transformers
torch.manual_seed(0)
config = transformers.BertConfig(
    vocab_size={WORDS}, hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=1024,
    max_position_embeddings={LENGTH},
)
transformers.BertForSequenceClassification(config).save_pretrained(sys.argv[1])
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{{n}}" for n in range({WORDS} - 5))]
open(sys.argv[1] + "/vocab.txt", "w").write("\\n".join(words))
transformers.BertTokenizerFast(sys.argv[1] + "/vocab.txt").save_pretrained(sys.argv[1])
"""


def environment(folder: Path) -> Path:
    """Return the Python of optimum-benchmark's environment, which is made where it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    return python


def theirs(python: Path, network: Path, scratch: Path, pairs: int) -> list[tuple[float, float, float]]:
    """Measure both formats so many times: latency in float32, in bfloat16, and seconds for both."""
    script = scratch / "theirs.py"
    script.write_text(THEIRS, "utf-8")
    found = []
    for _ in range(pairs):
        latencies, walls = [], []
        for kind in ("float32", "bfloat16"):
            command = [str(python), str(script), str(network), kind]
            said = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=True).stdout
            (line,) = (line for line in said.splitlines() if line.startswith(FOUND))  # among what it logs
            latency_s, wall_s = json.loads(line.removeprefix(FOUND))
            latencies.append(latency_s)
            walls.append(wall_s)
        found.append((latencies[0], latencies[1], sum(walls)))
    return found


def told(what: str, values: np.ndarray, unit: str, scale: float = 1.0) -> None:
    """Print a mean with its interval."""
    found = mean_t(values)
    low, high = found.low, found.high
    print(f"  {what:<44}{np.mean(values) * scale:8.2f} {unit} [{low * scale:.2f}, {high * scale:.2f}]", flush=True)


def to_target(logs: Sequence[float], wall_s: float) -> float:
    """Return how long an interval of `TARGET` takes, from so many repeats that took so long."""
    found = mean_t(logs)
    return wall_s * ((found.high - found.low) / 2 / TARGET) ** 2


def main() -> None:
    """Measure half of theirs, all of ours, and the other half."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        python = environment(Path(sys.argv[1]) if len(sys.argv) > 1 else scratch / "environment")
        network = scratch / "bert"
        subprocess.run([str(python), "-c", MADE, str(network)], check=True)
        found = theirs(python, network, scratch, PAIRS // 2)
        words = ["--set", f"folder={network}", "--engine", "torch", "--precision", "float32,bfloat16", "--epochs", "0"]
        words += [
            "--batch-size",
            str(BATCH),
            "--threads",
            "1",
            "--repeats",
            str(REPEATS),
            "--output-dir",
            name + "/ours",
        ]
        command = [sys.executable, "-m", "significand", "run", str(HERE / "networks" / "bert.py"), "-q", *words]
        subprocess.run(command, check=True)
        found += theirs(python, network, scratch, PAIRS - PAIRS // 2)
        results = significand.load(scratch / "ours")
        runs = results.runs
        manifest = json.loads((scratch / "ours" / "manifest.json").read_text("utf-8"))
    ours = {
        mode: runs.filter(runs["setup"] == mode)["batch_latency_p50_s"].to_numpy() for mode in ("float32", "bfloat16")
    }
    one, other, walls = (np.array(column) for column in zip(*found, strict=True))
    print("latency of a batch, with the 95 % interval of these repeats")
    for place, kind in enumerate(("float32", "bfloat16")):
        told(f"{kind}, optimum-benchmark (mean of a process)", (one, other)[place], "ms", 1e3)
        told(f"{kind}, significand (median of a run)", ours[kind], "ms", 1e3)
    their_logs, our_logs = np.log(other / one), np.log(ours["bfloat16"] / ours["float32"])
    print("bfloat16 / float32")
    for who, logs in (("optimum-benchmark", their_logs), ("significand", our_logs)):
        interval = mean_t(logs)
        low, high = np.exp([interval.low, interval.high])
        print(f"  {who:<44}{np.exp(logs.mean()):8.3f} [{low:.3f}, {high:.3f}]")
    our_s, their_s = to_target(our_logs, manifest["elapsed_s"]), to_target(their_logs, float(walls.sum()))
    print(
        f"time to +-2 %: significand {our_s:.0f} s, optimum-benchmark {their_s:.0f} s: {our_s / their_s:.2f}  (<= 0.5)"
    )


if __name__ == "__main__":
    main()
