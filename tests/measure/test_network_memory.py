"""The memory that training a user's network needs, against what torch's own allocator says of the same steps."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import significand
from made_up_jobs import nothing_drawn

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("warm"),
]

CNN = """
import torch
from torch import nn

def model():
    layers = [nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 8 * 8, 128), nn.ReLU(), nn.Linear(128, 10))

def data():
    return torch.randn(130, 3, 32, 32), torch.randint(10, (130,))
"""

ENCODER = """
import torch
from torch import nn

class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(128, 4, 512, dropout=0.0, batch_first=True)
        self.words = nn.Embedding(1000, 128)
        self.encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
        self.head = nn.Linear(128, 4)

    def forward(self, x):
        return self.head(self.encoder(self.words(x)).mean(1))

def model():
    return Encoder()

def data():
    return torch.randint(1000, (130, 48)), torch.randint(4, (130,))
"""

BATCH = 32

ALLOCATED = """
import json, runpy, sys
import torch
from torch.profiler import ProfilerActivity, profile

path, trace, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
torch.set_num_threads(1)
user = runpy.run_path(path)
x, y = user["data"]()
with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
    network = user["model"]().train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    for at in range(0, 3 * size, size):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(x[at : at + size]), y[at : at + size]).backward()
        optimizer.step()
seen.export_chrome_trace(trace)
events = [one for one in json.load(open(trace))["traceEvents"] if one["name"] == "[memory]"]
held, peak = 0, 0
for one in sorted(events, key=lambda one: one["ts"]):
    held += one["args"]["Bytes"]
    peak = max(peak, held)
print(json.dumps(peak / 1e6))
"""
"""Weights, gradients, the optimizer's state and activations: every allocation and release of three steps, added up."""


@pytest.mark.parametrize("source", [CNN, ENCODER], ids=["cnn", "encoder"])
def test_training_peaks_are_within_a_tenth_of_what_the_steps_allocate(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resident memory of a process that is not timed agrees with the bookkeeping of another."""
    nothing_drawn(monkeypatch)
    file = tmp_path / "network.py"
    file.write_text(source, "utf-8")
    words = [sys.executable, "-c", ALLOCATED, str(file), str(tmp_path / "trace.json"), str(BATCH)]
    allocated_mb = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    significand.run(
        model=str(file),
        precision_modes=["float32"],
        engine="torch",
        batch_size=BATCH,
        threads=1,
        repeats=1,
        on_noise="mark",
        epochs=1,
        latency_rounds=1,
        round_duration_s=0.01,
        output_dir=tmp_path / "results",
    )
    (peak_mb,) = significand.load(tmp_path / "results").runs["training_peak_memory_mb"]
    assert peak_mb == pytest.approx(allocated_mb, rel=0.1)
