"""From a workload as a value to what it stands for, with its data."""

from pathlib import Path

from significand.plan.setup import Perceptron, Workload
from significand.workload.base import Material
from significand.workload.data import load_saved
from significand.workload.given import Data


def material_of(workload: Workload, data: Data) -> Material:
    """Return what a workload stands for; `data` may be the path that `saved` has returned."""
    if isinstance(workload, Perceptron):
        from significand.workload.mlp import MlpMaterial  # noqa: PLC0415 - torch

        return MlpMaterial(workload, load_saved(data) if isinstance(data, Path) else data)
    if not isinstance(data, Path):
        raise TypeError("a network that was not examined has no data")
    if workload.is_onnx:
        from significand.workload.onnx_network import OnnxMaterial  # noqa: PLC0415 - onnx

        return OnnxMaterial(workload, data)
    from significand.workload.module import ProgramMaterial  # noqa: PLC0415 - torch

    return ProgramMaterial(workload, data)
