"""Whether a session's rounding error fits the formats that it claims.

This module may import NumPy only. The error is ||y - y64|| / ||y64|| over many samples and outputs, y64 the outputs of
the same weights in float64. It lies in a band that the coarsest format used decides; an error outside of the band means
that something else ran.

Sources. Unit roundoffs: Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., 2002, section 2.1. A sum of
n products has a relative error of at most gamma_n = n u / (1 - n u) times its condition number (section 3.1), in
practice of the order of sqrt(n) u (Higham and Mary, SIAM J. Sci. Comput. 41, 2019). A uniform quantiser with the step q
has the rms error q / sqrt(12) (Bennett, Bell Syst. Tech. J. 27, 1948).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNIT_ROUNDOFF = {
    "float64": 2.0**-53,
    "float32": 2.0**-24,
    "float16": 2.0**-11,
    "bfloat16": 2.0**-8,
    "int8": 1 / 254,
}
"""Largest relative error of rounding to the format; for int8, half a step of the 127 that the largest number has."""

LARGEST_ERROR = 2.0
"""Beyond it the outputs have nothing to do with the network's: two unrelated vectors of one norm are at most that far
apart, relative to it. It bounds int8, whose honest errors reached 1.1."""

SINGLE_ROUNDING = 0.38
"""Rms relative error, in unit roundoffs, of rounding once. An error uniform within half a unit in the last place has
the rms u / sqrt(3) for mantissas in [1, 2), whose own rms is sqrt(7 / 3) when they are uniform: 0.577 / 1.528. An int8
quantiser's is larger, 0.577 u times the largest number over the rms."""

LOW_MARGIN = 3.0
HIGH_ROUNDINGS = 2.0
"""Unit roundoffs allowed in a layer. Inputs, weights and outputs are rounded once each: sqrt(3) x 0.38 = 0.66."""

HIGH_GROWTH = 2.0
"""How much each further layer may amplify what came before it; this and the margins are from the evidence that
`error_bounds` reports."""

HIGH_ACCUMULATION = 2.0
"""Multiple of sqrt(n) u allowed for a sum of n products: room for cancellation, where the sum is small."""

WITNESS_SHARE, LARGEST_WITNESS_SHARE = 0.5, 4.0
"""Of what moving every scale of a quantised file changes, how much optimising the session may change: where its sums
may saturate, and where they cannot. See `check_witness`."""

FEWEST_VALUES = 32
"""Distinct outputs; the error of fewer can be small by chance."""


@dataclass(frozen=True)
class ErrorBounds:
    """The band in which a relative output error lies.

    Attributes
    ----------
    low, high
        Relative errors, without unit. `low` is for outputs that show every rounding (sensitivity 1), and 0 where the
        format allows none at all; `high` is infinite where the format allows any.
    """

    low: float
    high: float


def error_bounds(weights_format: str, compute_format: str, depth: int, widest_fan_in: int) -> ErrorBounds:
    """Return the band of relative output errors of a multilayer perceptron.

    With u the unit roundoff of the coarser format, low = 0.38 u / 3, a third of what rounding once gives. high =
    (2 u + 2 sqrt(n) v) 2^(depth - 1), v the unit roundoff of the sums: products of 8 and 16 bits are summed in float32
    or wider by the engines known here. int8 has no upper bound: its error is relative to the largest number of a
    tensor, and where few numbers are large the outputs can be lost altogether (errors up to 1.1 were seen).

    float64 has no lower bound: it is the yardstick, and the same operations give the same numbers.

    The upper bound is no theorem, as no bound without the network's condition number can be. It was checked on 1600
    networks of 1 to 6 layers of 4 to 1024 units, with eight hidden and six last activations, untrained to overtrained,
    on ONNX Runtime and PyTorch on an x86 CPU. All of 14000 sessions lay within: none came nearer to the upper bound
    than 0.72 of it. The lower was checked on 720 of these networks: none of 5700 sessions came nearer than 3.6 times
    the bound times `output_sensitivity`. (The factors were chosen on all but the last 260, which bore them out.)

    Parameters
    ----------
    weights_format, compute_format
        Keys of `UNIT_ROUNDOFF`.
    depth
        Linear layers, at least 1.
    widest_fan_in
        Inputs of the widest linear layer, at least 1.

    Raises
    ------
    ValueError
        When a format is unknown, or `depth` or `widest_fan_in` is below 1.
    """
    for name in (weights_format, compute_format):
        if name not in UNIT_ROUNDOFF:
            raise ValueError(f"format {name!r} is unknown; give one of {', '.join(UNIT_ROUNDOFF)}")
    for what, count in (("depth", depth), ("widest_fan_in", widest_fan_in)):
        if count < 1:
            raise ValueError(f"{what} is {count}; a network has at least 1")
    u = max(UNIT_ROUNDOFF[weights_format], UNIT_ROUNDOFF[compute_format])
    low = SINGLE_ROUNDING / LOW_MARGIN * u if u > UNIT_ROUNDOFF["float64"] else 0.0
    if "int8" in {weights_format, compute_format}:
        return ErrorBounds(low, math.inf)
    sums = min(u, UNIT_ROUNDOFF["float32"])
    layer = HIGH_ROUNDINGS * u + HIGH_ACCUMULATION * math.sqrt(widest_fan_in) * sums
    return ErrorBounds(low, layer * HIGH_GROWTH ** (depth - 1))


def output_sensitivity(reference: NDArray[np.float64], last_activation: str) -> float:
    """Return how much of a rounding error before the last activation the outputs can show, from 0 to 1.

    The product of two shares of the outputs' norm. First, what is left where the last activation saturates: y (1 - y)
    for softmax and sigmoid, their derivative, and y (1 - y^2) for tanh. Outputs near 0 or 1 are exact in every format.
    Second, what varies between samples: of a network whose outputs are the same for all, the biases alone may be left,
    which int8 does not round and float32 holds exactly.

    Parameters
    ----------
    reference
        Outputs in float64, shape (samples, outputs).
    last_activation
        Name of the activation that made them.

    Returns
    -------
    float
        0 where nothing can be told from a small error: all outputs saturated or the same, fewer than `FEWEST_VALUES`
        distinct outputs, or outputs that are not finite.
    """
    with np.errstate(over="ignore"):  # outputs beyond 1e154 have squares that are not finite
        size = float(np.linalg.norm(reference))
    if not 0 < size < math.inf or len(np.unique(reference)) < FEWEST_VALUES:
        return 0.0
    movable = reference
    if last_activation in {"softmax", "sigmoid"}:
        movable = reference * (1 - reference)
    elif last_activation == "tanh":
        movable = reference * (1 - reference**2)
    varying = reference - reference.mean(axis=0)
    return float(np.linalg.norm(movable) / size) * min(1.0, float(np.linalg.norm(varying)) / size)


def check_error(
    relative_output_error: float,
    weights_format: str,
    effective_precision: str,
    layer_sizes: Sequence[int],
    sensitivity: float,
) -> str:
    """Say what is wrong with an error that does not fit the formats claimed; ``""`` where it fits or cannot be judged.

    What it can tell, where `sensitivity` is at least 0.01: float32 and finer from 16 and 8 bits, in both directions. Of
    the coarser formats in place of float16 it finds most in networks of one and two layers (of bfloat16, all of 105 in
    one layer, three quarters in two, a quarter in three). It keeps silent on bfloat16 in place of int8, mostly on
    float16 in place of the two and on int8 in place of bfloat16, and on finer formats where `sensitivity` is nearly 0.
    An error above the band may also come from numbers too large or too small for float16.

    Parameters
    ----------
    relative_output_error
        ||y - y64|| / ||y64||. NaN where an output is none.
    weights_format
        Format that the weights are stored in: the mode's.
    effective_precision
        Format of the arithmetic as the engine says, several joined by ``+``; the coarsest decides. Not judged when one
        is unknown.
    layer_sizes
        Units per layer, inputs first.
    sensitivity
        From `output_sensitivity`; the lower bound is taken times this.
    """
    if not relative_output_error <= LARGEST_ERROR:
        return (
            f"relative output error {relative_output_error:.0e} is more than any rounding makes: the outputs "
            "overflowed, or something else ran"
        )
    formats = [weights_format, *effective_precision.split("+")]
    if not UNIT_ROUNDOFF.keys() >= set(formats):
        return ""
    depth = len(layer_sizes) - 1
    coarsest = max(formats, key=UNIT_ROUNDOFF.__getitem__)
    bounds = error_bounds(coarsest, coarsest, depth, max(layer_sizes[:-1]))
    if relative_output_error > bounds.high:
        layers = f"{depth} layer{'s' if depth > 1 else ''}"
        return (
            f"relative output error {relative_output_error:.0e} is above what {coarsest} allows in {layers} "
            f"({bounds.high:.0e}): something coarser ran"
        )
    low = bounds.low * sensitivity
    if relative_output_error < low:
        return (
            f"relative output error {relative_output_error:.0e} is below what {coarsest} can reach ({low:.0e}): "
            "it computed in a finer format"
        )
    return ""


def check_witness(witness_error: float, control: float, *, may_saturate: bool) -> str:
    """Say where an optimised session computes something else than its quantised file; ``""`` where it does not.

    A right session differs from the same file computed in float32 where a number falls on the edge of two steps: it is
    rounded up in one and down in the other, and what follows moves with it. How far depends on the network: up to 9e-4
    of the outputs' norm in perceptrons, 2e-3 in CNNs of 16 layers, 1e-2 in encoders of 8, where saturating networks
    began at 6e-3. So it is held against what the same network does when every scale is moved by a part in 8192, which
    makes many more such cases: half of that is the limit.

    Evidence, on an x86 CPU with AVX2 alone, ONNX Runtime: 14 kinds of networks (perceptrons with tanh, relu, sigmoid,
    softmax and linear outputs, CNNs of 2 to 16 layers, encoders of 1 to 8), two of each. 28 right ones, with weights of
    7 bits, lay at most at 0.23 of the control. 56 with weights of 8 bits, half of them planted to saturate in one
    layer, lay at least at 1.1. On OpenVINO, which rounds what it does not fuse in other places, 20 right ones lay at
    most at 0.36 and 20 planted ones at least at 0.55.

    Trained networks with weights of 7 bits, of which no sum can saturate, lay at up to 0.55 on ONNX Runtime and 1.5 on
    OpenVINO. So where saturating is impossible only what is many times as much is told: nobody has seen that yet.

    Parameters
    ----------
    witness_error
        ||y - w|| / ||w||, w the outputs of the file without optimisations; NaN where there are none.
    control
        The same of w with the scales moved, in place of y. Where it is 0, no scale could be moved, and nothing is said.
    may_saturate
        Whether this CPU sums products of 8-bit numbers in 16 bits, and the file's weights are large enough for that.
    """
    share = WITNESS_SHARE if may_saturate else LARGEST_WITNESS_SHARE
    if not (control > 0 and witness_error > share * control):
        return ""
    differ = (
        f"outputs differ by {100 * witness_error:.3g} % from the same file computed without optimisations; rounding "
        f"explains {100 * share * control:.1g} %"
    )
    if may_saturate:
        return f"{differ}: sums of 8-bit products saturate on this CPU; quantise weights to 7 bits (reduce_range)"
    return f"{differ}: the engine computes something else than its file says; try another version or engine"
