"""The table of precision modes: what each trains in and what it infers in; and their variants, ``int4:32``."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from significand.plan.kinds import Text
from significand.plan.problems import nearest, shown

Quantisation = Literal["static", "dynamic", "weights"]
Calibration = Literal["", "minmax", "entropy", "percentile", "nncf"]

CALIBRATIONS: tuple[Calibration, ...] = ("minmax", "entropy", "percentile", "nncf")
BLOCK_SIZES = (16, 32, 64, 128, 256)

CALIBRATION_SAMPLES = 1024
"""Training examples that scales are taken from, unless somebody says how many."""


@dataclass(frozen=True)
class PrecisionMode:
    """A named pair: the numerics a network trains in and the numerics it infers in.

    Attributes
    ----------
    name
        The name users give, for example ``"int8"`` or ``"int8:entropy"``. Modes that differ in nothing else are equal:
        ``"int4"`` is ``"int4:32"``.
    trains_in
        Format of the forward and backward pass: ``"float64"``, ``"float32"``, ``"bfloat16"`` or ``"float16"``.
        The last two run under autocast with float32 master weights.
    infers_in
        Format that inference is asked to compute in.
    quantisation
        What becomes integers, and how: weights and activations, ``"static"`` (scales calibrated beforehand on training
        data) or ``"dynamic"`` (activation scales found at run time); ``"weights"`` alone; None for nothing.
    calibration
        How scales are taken from examples; empty where none are.
    block_size
        How many weights share a scale, where only weights become integers; else None.
    """

    name: str = field(compare=False)
    trains_in: str
    infers_in: str
    quantisation: Quantisation | None = None
    calibration: Calibration = ""
    block_size: int | None = None

    @property
    def base(self) -> str:
        """The name without what a variant adds: ``"int8"`` of ``"int8:entropy"``."""
        return self.name.partition(":")[0]

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

    def variants(self) -> list["PrecisionMode"]:
        """Return the same mode with each of its options, named after them."""
        if self.calibration:
            return [replace(self, name=f"{self.name}:{one}", calibration=one) for one in CALIBRATIONS]
        return [replace(self, name=f"{self.name}:{size}", block_size=size) for size in BLOCK_SIZES if self.block_size]


class Modes(Mapping[str, PrecisionMode]):
    """Modes by their names. Variants are found, too; those that are listed have no options in their names."""

    def __init__(self, modes: Iterable[PrecisionMode]) -> None:
        self._listed = {mode.name: mode for mode in modes}
        self._variants = {one.name: one for mode in self._listed.values() for one in mode.variants()}

    def __getitem__(self, name: str) -> PrecisionMode:
        return self._listed.get(name) or self._variants[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed)

    def __len__(self) -> int:
        return len(self._listed)

    def variants(self, base: str = "") -> list[str]:
        """Return the names of the variants of a mode, of all modes where none is named."""
        return [name for name, mode in self._variants.items() if base in {"", mode.base}]


BASELINE = "float32"
"""What the others are compared with where it is among them."""

MODES = Modes(
    (
        PrecisionMode("float64", "float64", "float64"),
        PrecisionMode("float32", "float32", "float32"),
        PrecisionMode("bfloat16", "bfloat16", "bfloat16"),
        PrecisionMode("float16", "float16", "float16"),
        PrecisionMode("int8", "float32", "int8", "static", calibration="minmax"),
        PrecisionMode("int8-dynamic", "float32", "int8", "dynamic"),
        PrecisionMode("int8-weights", "float32", "int8", "weights", block_size=32),
        PrecisionMode("int4", "float32", "int4", "weights", block_size=32),
    )
)


@dataclass(frozen=True)
class ModeName(Text):
    """The name of a mode or of a variant."""

    words = tuple(MODES)

    def read(self, value: object) -> str:
        """Return the name."""
        name = super().read(value)
        if name in MODES:
            return name
        base, has_option, _ = name.partition(":")
        hint = nearest(name, [*MODES, *MODES.variants()])
        if has_option and base in MODES:
            allowed = [base, *MODES.variants(base)]
            raise ValueError(f"{shown(name)} is not a variant of {base}{hint}; allowed: {', '.join(allowed)}")
        raise ValueError(f"{shown(name)} is not a precision mode{hint}; allowed: {', '.join(MODES)}")
