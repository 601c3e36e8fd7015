"""What a workload is to the process that measures it: data, a network that may be trained, and how it is judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from significand.plan.setup import Setup
from significand.workload.arrays import Arrays, Form

if TYPE_CHECKING:
    from torch import nn

    from significand.workload.training import Trainer

PRODUCTS = ("Conv", "MatMul", "Gemm")
"""What static quantisation takes to 8 bits in real networks: with all operators the output error of a BERT encoder was
.138 instead of .084."""

Outputs = Sequence[NDArray[Any]]
"""What a network gives on a batch: its outputs in the order of an ONNX graph's, examples first."""


@dataclass(frozen=True)
class Examples:
    """Examples to train on, or to judge by; without targets there is nothing to be right about."""

    inputs: Arrays
    targets: Arrays | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, rows: "NDArray[np.int64] | slice") -> "Examples":
        """Return some of the examples."""
        return Examples(self.inputs.take(rows), self.targets.take(rows) if self.targets else None)


@dataclass(frozen=True)
class Split:
    """The part that is trained on, and from which quantisers take their scales, and the part held out.

    Attributes
    ----------
    test_rows
        Where the examples of the latter stand in the data that they were drawn from; None where nobody knows.
    drawn_from
        How many examples these data have, where all repeats draw from the same; else 0.
    """

    train: Examples
    test: Examples
    test_rows: NDArray[np.int64] | None = None
    drawn_from: int = 0


class Trained(Protocol):
    """A network with its weights, in whatever form an engine asks for it.

    Attributes
    ----------
    form
        How its module takes inputs: one, a tuple, or a dict as keyword arguments.
    quantised_types
        Operators whose products static quantisation takes to 8 bits; None for all.
    quantised
        What it is in already, as a file may be; empty where it is not quantised.
    note
        What is to be known of its yardstick; may be empty.
    lasts
        Whether its yardstick can still be asked for when it was given away, as a module or as a file.
    """

    form: Form
    quantised: str
    note: str
    lasts: bool
    quantised_types: Sequence[str] | None

    def identity(self) -> str:
        """Return what tells its weights from all others of its workload, before it was given away.

        It is empty where the yardstick is computed sooner than shared.
        """
        ...

    def module(self) -> "nn.Module":
        """Return it as a module in evaluation mode, which the engine may change.

        Raises
        ------
        ValueError
            Where there is none: an ONNX file.
        """
        ...

    def onnx_file(self, folder: Path) -> Path:
        """Write it as a float32 ONNX file into a folder, and return its path.

        Raises
        ------
        significand.workload.export.ExportError
            Where it cannot be exported.
        """
        ...

    def reference(self, inputs: Arrays) -> Outputs:
        """Return what the weights give in the most exact arithmetic there is: the yardstick of every precision."""
        ...


class Material(Protocol):
    """What a setup's workload stands for, with the data read.

    Attributes
    ----------
    probe_examples
        How many held-out examples the output error is taken over, at most.
    """

    probe_examples: int

    def preload(self) -> None:
        """Import what every run needs, so that processes forked from this one need not."""
        ...

    def load(self) -> None:
        """Import what the network's own file needs, in the process that infers, whatever that leaves behind."""
        ...

    def split(self, seed: int) -> Split:
        """Return the data of one repeat."""
        ...

    def new_trainer(self, setup: Setup, seed: int, part: Examples) -> "Trainer":
        """Return the setup's network before its first step; data of the mode's type already are not copied."""
        ...

    def untrained(self, setup: Setup, seed: int) -> Trained:
        """Return the setup's network as it is where it is not trained."""
        ...

    def trained(self, setup: Setup, trainer: "Trainer") -> Trained:
        """Return the network as training has left it."""
        ...

    def scores(self, outputs: Outputs, targets: Arrays) -> NDArray[np.float64]:
        """Return a value for each example, higher is better; or one for all of them, shape ()."""
        ...
