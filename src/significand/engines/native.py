"""Why a mode is not computed in its own format, and where it would be."""

from collections.abc import Collection, Container

from significand.engines.base import ENGINES, engines_of_modules, runs
from significand.plan.precision import PrecisionMode

INSTRUCTIONS = {
    "float16": {"fp16", "amx-fp16"},
    "bfloat16": {"bf16", "amx-bf16"},
    "int8": {"vnni", "amx-int8"},
}
"""Words of `significand.meters.machine.instruction_sets` any of which means that the CPU is made for the format: it has
16-bit arithmetic, or sums of int8 products. Without the latter, int8 is still computed, by instructions of any CPU."""

NEEDED = {
    "float16": "float16 arithmetic",
    "bfloat16": "bfloat16 arithmetic",
    "int8": "instructions for sums of int8 products (VNNI, AMX)",
}
"""What a CPU without any of these words lacks."""


SIXTEEN_BITS = ("bfloat16", "float16")


def lacks_instructions(number_format: str, instructions: Collection[str]) -> bool:
    """Tell whether the CPU has no instructions made for the format. It says nothing about speed: that is measured."""
    needed = INSTRUCTIONS.get(number_format)
    return needed is not None and not needed & set(instructions)


def lacks_for(mode: PrecisionMode, instructions: Collection[str]) -> str:
    """Return which instructions a mode is made for and the CPU does not have; empty where there are none.

    Weights that are only stored in few bits are unpacked before the product: no instruction is made for that.
    """
    lacking = mode.quantisation != "weights" and lacks_instructions(mode.infers_in, instructions)
    return NEEDED[mode.infers_in] if lacking else ""


def why_not_native(
    engine: str,
    mode: PrecisionMode,
    effective_precision: str,
    instructions: Collection[str],
    *,
    is_onnx_file: bool = False,
) -> str:
    """Return why `engine` computed the mode in another format, and which engine computes in the mode's own.

    Parameters
    ----------
    engine, mode, effective_precision
        What ran, and what it was found to compute in.
    instructions
        As from `significand.meters.machine.instruction_sets`.
    is_onnx_file
        Whether the network is an ONNX file, which engines of torch modules cannot run.

    Returns
    -------
    str
        Empty where the mode ran in its own format.
    """
    wanted = mode.infers_in
    if effective_precision in {wanted, ""}:  # without a product, there is nothing to compute in a format
        return ""
    if wanted in effective_precision.split("+"):
        return f"{engine} computes a part of the layers in {wanted} only"
    lacking = lacks_for(mode, instructions)
    cause = f"this CPU has no {lacking}" if lacking else f"{engine} has no {wanted} kernels for this CPU"
    unable: Container[str] = engines_of_modules() if is_onnx_file else ()
    able = [name for name in ENGINES if name != engine and name not in unable and runs(name, mode.name)]
    others = [name for name in able if mode.base in ENGINES[name].native_modes and ENGINES[name].is_tried]
    if not others:
        return cause
    one = len(others) == 1
    # Of 16 bits only a measurement tells in what sums are taken: mostly wider, and rounded when they are stored.
    does = f"keep{'s' * one} its numbers in {wanted}" if wanted in SIXTEEN_BITS else f"run{'s' * one} it natively"
    return f"{cause}; {' and '.join(others)} {does}"
