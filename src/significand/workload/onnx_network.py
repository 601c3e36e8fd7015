"""A network that is an ONNX file: inferred as it is, judged by labels or by its own unoptimised float32."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from numpy.typing import NDArray

from significand.plan.setup import Setup
from significand.workload.arrays import Arrays, Form
from significand.workload.base import PRODUCTS, Examples, Outputs, Trained
from significand.workload.examined import Examined
from significand.workload.onnx_file import external_files
from significand.workload.onnx_names import FILE
from significand.workload.ort import fed, onnxruntime, untimed_options
from significand.workload.parts import ExaminedMaterial, unchanged

if TYPE_CHECKING:
    from torch import nn

    from significand.workload.training import Trainer


class OnnxFileNetwork:
    """The file with its weights."""

    quantised_types: Sequence[str] | None = PRODUCTS
    form: Form = "dict"
    note = ""
    lasts = True

    def __init__(self, path: Path, facts: Examined) -> None:
        self._path = path
        self._held = facts.held
        self._fixed_batch = facts.fixed_batch
        self.quantised = facts.quantised

    def identity(self) -> str:
        """Return what the file says: it is the same to all runs."""
        return "the file"

    def module(self) -> "nn.Module":
        """Refuse: there is none."""
        raise ValueError("an .onnx file is no torch module; measure it with --engine onnxruntime")

    def onnx_file(self, folder: Path) -> Path:
        """Copy the file, and the weights beside it."""
        source, target = self._path.resolve(), folder / "float32.onnx"
        with unchanged(self._held):
            shutil.copy(source, target)
            for name in external_files(source):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source.parent / name, folder / name)
        return target

    def reference(self, inputs: Arrays) -> Outputs:
        """Return what the file gives in float32 without any optimisation."""
        with unchanged(self._held):
            return computed(self._path.resolve(), inputs, self._fixed_batch or inputs.untimed_batch())


class OnnxMaterial(ExaminedMaterial):
    """An ONNX file with its data; see `significand.workload.base.Material`."""

    def preload(self) -> None:
        """Import nothing: this module has imported all."""

    def load(self) -> None:
        """Import nothing, as `preload`."""

    def new_trainer(self, setup: Setup, seed: int, part: Examples) -> "Trainer":  # noqa: ARG002 - of the protocol
        """Refuse: an ONNX file is only inferred, as its plan says."""
        self._refuse_training()

    def untrained(self, setup: Setup, seed: int) -> Trained:  # noqa: ARG002 - of the protocol
        """Return the file's network."""
        return OnnxFileNetwork(self._folder / FILE, self._facts)

    def trained(self, setup: Setup, trainer: "Trainer") -> Trained:  # noqa: ARG002 - of the protocol
        """Refuse, as `new_trainer`."""
        self._refuse_training()

    def _refuse_training(self) -> NoReturn:
        raise ValueError("an .onnx file is not trained")

    def scores(self, outputs: Outputs, targets: Arrays) -> NDArray[np.float64]:
        """Return right or wrong of classes, or the part of R² of real targets; of several outputs the first counts."""
        import torch  # noqa: PLC0415 - the default score is one for all networks

        from significand.workload.judge import default_score  # noqa: PLC0415

        (wanted,) = targets.by_name.values()
        return default_score(torch.from_numpy(outputs[0]), torch.from_numpy(np.ascontiguousarray(wanted)))


def computed(path: Path, inputs: Arrays, size: int) -> Outputs:
    """Return what a file gives without optimisation, real numbers as float64, in batches of one size."""
    options = untimed_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    n = len(inputs)
    batches = []
    for at in range(0, n, size):
        rows = np.minimum(np.arange(at, at + size), n - 1)  # a file may take full batches only
        outputs = session.run(None, fed(session, inputs.take(rows).by_name))
        batches.append([one[: n - at] if n - at < size else one for one in outputs])
    joined = [np.concatenate(parts) for parts in zip(*batches, strict=True)]
    return [one.astype(np.float64) if one.dtype.kind == "f" else one for one in joined]
