"""The table of precision modes: what each trains in and what it infers in."""

from dataclasses import dataclass
from typing import Literal

Quantisation = Literal["static", "dynamic"]


@dataclass(frozen=True)
class PrecisionMode:
    """A named pair: the numerics a network trains in and the numerics it infers in.

    Attributes
    ----------
    name
        The name users give, for example ``"int8"``.
    trains_in
        Format of the forward and backward pass: ``"float64"``, ``"float32"``, ``"bfloat16"`` or ``"float16"``.
        The last two run under autocast with float32 master weights.
    infers_in
        Format that inference is asked to compute in.
    quantisation
        How weights and activations become integers: ``"static"`` (scales calibrated beforehand on training data),
        ``"dynamic"`` (activation scales found at run time) or None.
    """

    name: str
    trains_in: str
    infers_in: str
    quantisation: Quantisation | None = None

    @property
    def autocast(self) -> bool:
        """Whether training runs under autocast, with master weights in float32."""
        return self.trains_in in {"bfloat16", "float16"}

    @property
    def loss_scaling(self) -> bool:
        """Whether the loss is scaled, because float16 gradients underflow below 6e-8."""
        return self.trains_in == "float16"

    @property
    def training_precision(self) -> str:
        """The training numerics in words, as shown beside results."""
        if not self.autocast:
            return self.trains_in
        return f"{self.trains_in} autocast" + (", loss scaling" if self.loss_scaling else "")


BASELINE = "float32"
"""What the others are compared with where it is among them."""

MODES = {
    mode.name: mode
    for mode in (
        PrecisionMode("float64", "float64", "float64"),
        PrecisionMode("float32", "float32", "float32"),
        PrecisionMode("bfloat16", "bfloat16", "bfloat16"),
        PrecisionMode("float16", "float16", "float16"),
        PrecisionMode("int8", "float32", "int8", "static"),
        PrecisionMode("int8-dynamic", "float32", "int8", "dynamic"),
    )
}
