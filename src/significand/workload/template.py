"""The commented start that ``significand init my.py`` writes."""

import os
from pathlib import Path

from significand.plan.paths import expanded
from significand.plan.problems import PlanError, shown

TEMPLATE = '''\
"""My network, my data, my score.

Run it with:  significand run my.py --epochs 5

model() and data() are needed. Everything below them is optional: what is commented out is what happens without it.
"""

import numpy as np
import torch


def model(width=32):
    """Return a new network. --set width=64 changes an option, --set width=32,64 compares two."""
    return torch.nn.Sequential(torch.nn.Linear(2, width), torch.nn.ReLU(), torch.nn.Linear(width, 2))


def data():
    """Return (inputs, targets), one example after another; a part of them is held out for you.

    Either may be an array, a tensor, or several of them in a tuple or a dict; a dict's are keyword arguments of the
    network's forward(). Whole numbers as targets are classes, 0 to classes - 1; real numbers are values to be met.
    Without labels, give None as targets, and run with --epochs 0.
    """
    # Points in a square; is it in the upper right or lower left quarter, or in the other two? Put your own data here:
    # inputs, targets = np.load("inputs.npy"), np.load("targets.npy")
    random = np.random.default_rng(0)
    inputs = random.uniform(-1, 1, size=(2000, 2)).astype(np.float32)
    targets = (inputs[:, 0] * inputs[:, 1] > 0).astype(np.int64)
    return inputs, targets


# Where you have parts of your own, write these instead of data(); each returns (inputs, targets).
#
# def train_data():
#     return np.load("train_inputs.npy"), np.load("train_targets.npy")
#
#
# def test_data():
#     return np.load("test_inputs.npy"), np.load("test_targets.npy")


# What training makes small: one number for a batch. Of real targets it is torch.nn.functional.mse_loss.
#
# def loss(outputs, targets):
#     return torch.nn.functional.cross_entropy(outputs, targets)


# How good the outputs are: one value for each example, higher is better. Of real targets the mean of it is R².
#
# def score(outputs, targets):
#     return (outputs.argmax(dim=1) == targets).float()


# What takes the steps. Without it, --optimizer, --learning-rate and --momentum say so.
#
# def optimizer(model):
#     return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)


# Where the loss needs more than outputs and targets. Reduced precision, gradients and steps are taken care of.
#
# def training_loss(model, inputs, targets):
#     return loss(model(inputs), targets)
'''
"""Runs as it is."""


def write_template(path: Path | str) -> Path:
    """Write the start into a new file; ``~`` is the home folder.

    Returns
    -------
    Path
        Where it lies.

    Raises
    ------
    PlanError
        Where the file is no .py, is there already, or cannot be written.
    """
    target = Path(expanded("init", os.fspath(path)))
    if target.suffix != ".py":
        raise PlanError([f"init: {shown(str(path))} does not end in .py; give the name of a Python file, as my.py"])
    try:
        with target.open("x", encoding="utf-8") as file:  # never over what somebody wrote
            file.write(TEMPLATE)
    except FileExistsError:
        raise PlanError([f"init: {shown(str(path))} is there already; give another name, or remove it"]) from None
    except OSError as error:
        why = error.strerror or error
        raise PlanError(
            [f"init: {shown(str(path))} cannot be written ({why}); give a name in a folder of yours"]
        ) from None
    return target
