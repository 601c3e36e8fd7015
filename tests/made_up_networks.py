"""Perceptrons as engines and runs get them, with made-up inputs."""

from pathlib import Path

import numpy as np

from significand.engines.base import Engine
from significand.plan.setup import Perceptron, Setup
from significand.workload.arrays import Feeds
from significand.workload.base import Examples
from significand.workload.mlp import TrainedPerceptron, initial_network, read_weights, reference_outputs


def feeds(x: np.ndarray) -> Feeds:
    """Return a batch by the name of a perceptron's input."""
    return {"input": x}


def normal(n: int, features: int, seed: int = 0) -> np.ndarray:
    """Return normal features, float32, shape (n, features)."""
    return np.random.default_rng(seed).normal(size=(n, features)).astype(np.float32)


def trained(setup: Setup, seed: int = 1) -> TrainedPerceptron:
    """Return a setup's network with the initial weights of a seed."""
    workload = setup.workload
    assert isinstance(workload, Perceptron)
    network = initial_network(workload.layer_sizes, workload.activations, seed)
    return TrainedPerceptron(workload, read_weights(network))


def reference(setup: Setup, x: np.ndarray, seed: int = 1) -> np.ndarray:
    """Return what that network gives in float64."""
    workload = setup.workload
    assert isinstance(workload, Perceptron)
    return reference_outputs(workload.layer_sizes, workload.activations, trained(setup, seed).weights, x)


def written(engine: Engine, setup: Setup, folder: Path, x: np.ndarray, seed: int = 1) -> Path:
    """Have an engine write that network, calibrated on `x`, and return the file."""
    path = folder / f"{setup.precision}{engine.file_suffix}"
    engine.save(trained(setup, seed), setup, feeds(x), path)
    return path


def xy(part: Examples) -> tuple[np.ndarray, np.ndarray]:
    """Return features and labels of a part of a perceptron's data."""
    assert part.targets
    return part.inputs.by_name["input"], part.targets.by_name["target"]
