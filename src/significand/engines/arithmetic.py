"""What an engine does with the numbers of a format: how it stores them, and how wide its products and sums are.

A layer with planted weights tells: its exact result says by its last digits what was rounded on the way. The method is
that of Fasi, Higham, Mikaitis and Pranesh, "Numerical behavior of NVIDIA tensor cores", PeerJ Computer Science 7:e330,
2021. With p the digits of the format, every column of the product but those of 8 bits is made so that

- 64 numbers of p digits and their rounded sum, taken off, leave 5 x 2^(1-p), which sums of p digits cannot hold;
- (1 + 2^(1-p))^2 less 1 + 2^(2-p) leaves 2^(2-2p), which only the unrounded product has;
- 1 + 2^-(p+2) less 1 leaves 2^-(p+2) of a number that is not stored in p digits.
"""

import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from significand.engines.base import get_engine
from significand.plan.precision import MODES
from significand.plan.setup import Perceptron, Setup

DIGITS = {"float32": 24, "bfloat16": 8, "float16": 11}
"""Binary digits of a significand, the one before the point too."""

INPUTS, OUTPUTS, SUMMED = 96, 16, 64
SHIFT = 2.0**12
"""By which products are multiplied, for what is left of them to be a normal number in float16."""

LARGE, SMALL, TERMS = 8.0, 0.028, 8
"""Weights of 8 bits: the largest of a column, and one below half of its step, 8 / 254. So many large ones are summed,
where two of them, times the largest input, are more than 16 bits hold."""

BATCH = 32

SLOW = frozenset({"torch-compile"})
"""Engines that nobody asks: a layer takes a second to compile, and its product is then a call of torch's own kernel."""


@dataclass(frozen=True)
class Arithmetic:
    """How numbers of a format are computed with.

    Attributes
    ----------
    number_format
        The format that was asked for.
    weights_stored, inputs_stored
        Whether these are rounded to it.
    products
        Whether those that it cannot hold are rounded to it, or kept wider, as a fused multiply-add keeps them.
    sums
        The same of sums, or that they saturate.
    """

    number_format: str
    weights_stored: bool
    inputs_stored: bool
    products: Literal["wider", "rounded"]
    sums: Literal["wider", "rounded", "saturate"]

    def __str__(self) -> str:
        """Say it in a few words."""
        if not self.weights_stored:
            stored = f"not stored in {self.number_format}"
        else:
            stored = f"{self.number_format} {'stored' if self.inputs_stored else 'weights'}"
        products, sums = (one.replace("rounded", f"in {self.number_format}") for one in (self.products, self.sums))
        both = f"products and sums {sums}" if products == sums else f"products {products}, sums {sums}"
        return f"{stored}, {both}"

    @property
    def is_wider(self) -> bool:
        """Whether a float format is one of storage alone: neither products nor sums are rounded to it."""
        return self.number_format in DIGITS and (self.products, self.sums) == ("wider", "wider")


@functools.cache
def arithmetic(engine_name: str, mode_name: str, threads: int = 1) -> Arithmetic | None:
    """Have an engine compute the planted layer in a mode; None where that tells nothing.

    Of weights alone in few bits the rest is float32, and float64 is wider than the inputs that an engine takes. An
    engine that refuses the layer, as one of other networks may, tells nothing either.
    """
    # torch, which those who ask for the words alone do not need
    from significand.workload.mlp import TrainedPerceptron  # noqa: PLC0415

    mode, engine = MODES[mode_name], get_engine(engine_name)
    if engine_name in SLOW or mode.quantisation == "weights" or mode.infers_in not in {*DIGITS, "int8"}:
        return None
    layer = Perceptron((INPUTS, OUTPUTS), ("linear",), "synthetic", 2 * BATCH, 0.5, 0, "sgd", 0.01, 0.9)
    setup = Setup(layer, mode_name, engine_name, batch_size=BATCH, threads=threads)
    x, weights = planted(mode.infers_in)
    feeds = {"input": np.tile(x, (BATCH, 1))}
    with tempfile.TemporaryDirectory(prefix="significand-") as folder:
        path = Path(folder) / f"layer{engine.file_suffix}"
        try:
            engine.save(TrainedPerceptron(layer, [(weights, np.zeros(OUTPUTS, np.float32))]), setup, feeds, path)
            (outputs,) = engine.open(path, setup).predict(feeds)
            return told(mode.infers_in, outputs[0])
        except Exception:  # noqa: BLE001 - whatever an engine raises, this is a note, and nobody's network
            return None


def planted(number_format: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return an example, shape (INPUTS,), and the weights of a layer, shape (OUTPUTS, INPUTS), that tell; no bias."""
    x, weights = np.ones(INPUTS), np.zeros((OUTPUTS, INPUTS))
    if number_format == "int8":
        weights[0, :TERMS] = LARGE
        weights[1, 0], weights[1, 1:SUMMED] = LARGE, SMALL
        return x.astype(np.float32), weights.astype(np.float32)
    ulp, product, stored, taken_off = 2.0 ** (1 - DIGITS[number_format]), SUMMED, SUMMED + 1, SUMMED + 2
    terms, total = _terms(ulp)
    weights[0, :SUMMED], weights[0, taken_off] = terms, -total
    x[product] = 1 + ulp
    for column, other in ((1, taken_off), (2, 0)):  # before the product and after it, as a sum is rounded in between
        weights[column, product], weights[column, other] = SHIFT * (1 + ulp), -SHIFT * (1 + 2 * ulp)
    weights[3, 0], weights[3, taken_off] = 1 + ulp / 8, -1
    x[stored] = 1 + ulp / 8
    weights[4, stored], weights[4, taken_off] = 1, -1
    return x.astype(np.float32), weights.astype(np.float32)


def _terms(ulp: float) -> tuple[NDArray[np.float64], float]:
    """Return numbers from 1 to 2, multiples of `ulp`, and their sum less 5 of these, which is a multiple of 64."""
    numbers = np.random.default_rng(0).integers(1, int(1 / ulp), SUMMED)
    numbers[0] += (5 - numbers.sum()) % SUMMED - (SUMMED if numbers[0] > 0.5 / ulp else 0)
    terms = 1 + ulp * numbers.astype(np.float64)
    return terms, float(terms.sum() - 5 * ulp)


def told(number_format: str, outputs: NDArray[np.float64]) -> Arithmetic:
    """Return what the outputs of the planted layer tell, shape (OUTPUTS,)."""
    if number_format == "int8":
        return Arithmetic(
            number_format,
            weights_stored=bool(outputs[1] < LARGE + (SUMMED - 1) * SMALL / 2),
            inputs_stored=True,
            products="wider",
            sums="saturate" if outputs[0] < 0.9 * TERMS * LARGE else "wider",
        )
    ulp = 2.0 ** (1 - DIGITS[number_format])
    return Arithmetic(
        number_format,
        weights_stored=not outputs[3],
        inputs_stored=not outputs[4],
        products="wider" if SHIFT * ulp**2 in outputs[1:3] else "rounded",
        sums="wider" if outputs[0] == 5 * ulp else "rounded",
    )
