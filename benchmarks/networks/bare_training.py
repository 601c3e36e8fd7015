"""A training step of ours beside a bare PyTorch loop with the same autocast, in turns, on the same network and data."""

import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from significand.plan.precision import MODES
from significand.workload.arrays import Arrays
from significand.workload.base import Examples
from significand.workload.module import ProgramRecipe
from significand.workload.program import load_functions
from significand.workload.training import Trainer, flag_optimizer

BATCH, STEPS, ROUNDS = 32, 60, 6


def network() -> nn.Module:
    """Return a small convolutional network for 28 x 28 images."""
    layers = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 49, 10))


def bare(mode: str, x: torch.Tensor, y: torch.Tensor) -> Callable[[], float]:
    """Return what trains some steps as PyTorch's documentation does, and returns the seconds."""
    torch.manual_seed(0)
    net = network().train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    dtype = getattr(torch, MODES[mode].trains_in)
    scaler = torch.amp.GradScaler("cpu", enabled=MODES[mode].loss_scaling)

    def steps() -> float:
        begin = time.perf_counter()
        for batch in torch.randperm(len(x)).split(BATCH)[:STEPS]:  # type: ignore[no-untyped-call]  # torch
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=dtype, enabled=MODES[mode].autocast):
                outputs = net(x[batch])
            loss = nn.functional.cross_entropy(outputs.float(), y[batch])
            scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch
            scaler.step(optimizer)
            scaler.update()
        return time.perf_counter() - begin

    return steps


def ours(mode: str, x: torch.Tensor, y: torch.Tensor) -> Callable[[], float]:
    """Return the same with our loop."""
    torch.manual_seed(0)
    functions = load_functions("cnn")
    trainer = Trainer(
        network(),
        ProgramRecipe(functions),
        MODES[mode],
        Examples(Arrays({"input": x.numpy()}), Arrays({"target": y.numpy()})),
        batch_size=BATCH,
        optimizer=flag_optimizer("sgd", 0.01, 0.9),
        learning_rate=0.01,
        seed=0,
    )

    def steps() -> float:
        begin = time.perf_counter()
        trainer.epoch(STEPS)
        return time.perf_counter() - begin

    return steps


def main(mode: str) -> None:
    """Print the median ratio of the two times over rounds in turns."""
    torch.set_num_threads(1)
    x, y = torch.randn(4000, 1, 28, 28), torch.randint(10, (4000,))
    loops = {"ours": ours(mode, x, y), "bare": bare(mode, x, y)}
    ratios = []
    for number in range(ROUNDS + 1):
        order = ["ours", "bare"] if number % 2 else ["bare", "ours"]
        times = {name: loops[name]() for name in order}
        ratios.append(times["ours"] / times["bare"])
    print(f"{statistics.median(ratios[1:]):.3f}")
