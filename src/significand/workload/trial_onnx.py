"""An ONNX file tried on its data, before anything long begins."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from significand.workload.arrays import Arrays
from significand.workload.base import Outputs
from significand.workload.examined import Examined
from significand.workload.extremes import extremes_first
from significand.workload.held import Held
from significand.workload.onnx_file import (
    OnnxFileError,
    Signature,
    external_files,
    made_up_inputs,
    read_npz,
    read_signature,
    reason_of,
)
from significand.workload.onnx_names import FILE
from significand.workload.onnx_network import computed

MADE_UP = 64
"""Examples that are made up where there are no data: enough to calibrate with, and to compare outputs on."""

MOST_TRIED = 32
"""Examples of the batch that is tried."""


def examine_file(path: Path, folder: Path, data: Path | None, shape: Sequence[str], seed: int) -> Examined:
    """Read what an ONNX file takes, call it on a batch, and save its data as arrays.

    Parameters
    ----------
    path
        The file.
    folder
        Where ``train-inputs`` and ``train-targets`` are saved, and a link to the file; an empty one.
    data
        A .npz file of arrays by the names of the inputs, and ``y``, the targets; None to make inputs up.
    shape
        Sizes of open axes for what is made up, as ``"seq=128"``.
    seed
        Of what is made up.

    Raises
    ------
    OnnxFileError
        With a line for each mistake.
    """
    signature = read_signature(path)
    if data is None:
        inputs, targets = made_up_inputs(signature, MADE_UP, _sizes(shape), seed), None
    else:
        inputs, targets = read_npz(data, signature)
    if len(inputs) < 2:
        raise OnnxFileError([f"{str(data)!r} has 1 example; at least 2 are needed, one of them to calibrate with"])
    outputs, forward_s = _tried(path, inputs, signature)
    notes = _notes(signature, made_up=data is None)
    if any(np.isnan(one).any() for one in outputs):
        if data is not None:
            raise OnnxFileError([f"{str(path)!r} gives NaN on {str(data)!r}; correct the network or the data"])
        notes.append("the network gives NaN on these inputs")
    score = _score(outputs[0], targets)
    _save(path, folder, inputs, targets)
    digest = inputs.sha256() + (targets.sha256() if targets else "")
    return Examined(
        inputs=_signature(inputs),
        targets=_signature(targets) if targets else None,
        outputs=tuple((one.shape[1:], str(one.dtype)) for one in outputs),
        n_train=len(inputs),
        n_test=None,
        score=score,
        per_example=True,
        classes=outputs[0].shape[1] if score == "accuracy" else None,
        parameters=0,
        size_mb=_size_mb(path),
        forward_s=forward_s,
        threads_started=False,
        held=_held(path, data),
        data_sha256=digest,
        notes=tuple(notes),
        fixed_batch=signature.fixed_batch,
        quantised=signature.quantised,
        made_up=data is None,
    )


def _tried(path: Path, inputs: Arrays, signature: Signature) -> tuple[Outputs, float]:
    """Return outputs on some examples, those with extreme values among them, and the seconds that each took."""
    size = signature.fixed_batch or MOST_TRIED
    some = inputs.take(np.resize(extremes_first(inputs)[:MOST_TRIED], -(-min(MOST_TRIED, len(inputs)) // size) * size))
    begin = time.perf_counter()
    try:
        outputs = computed(path, some, size)
    except Exception as error:  # noqa: BLE001 - ONNX Runtime has several of its own
        raise OnnxFileError([f"{str(path)!r} does not run on its data: {reason_of(error)}"]) from None
    seconds = (time.perf_counter() - begin) / len(some)
    if len(outputs[0]) != len(some):  # others may be a state that is carried on
        told = f"is of shape {outputs[0].shape} for {len(some)} examples; they are to be the first axis"
        raise OnnxFileError([f"{str(path)!r}: its output {next(iter(signature.outputs))!r} {told}"])
    return outputs, seconds


def _signature(arrays: Arrays) -> dict[str, tuple[tuple[int, ...], str]]:
    return {name: (array.shape[1:], str(array.dtype)) for name, array in arrays.by_name.items()}


def _sizes(shape: Sequence[str]) -> dict[str, int]:
    sizes, problems = {}, []
    for one in shape:
        name, _, size = one.partition("=")
        if not name.strip() or not size.strip().isdecimal() or not int(size):
            problems.append(f"shape: {one!r} is no size of an axis; give name=size, such as seq=128")
        else:
            sizes[name.strip()] = int(size)
    if problems:
        raise OnnxFileError(problems)
    return sizes


def _score(output: np.ndarray, targets: Arrays | None) -> str:
    """Return how the first output is held against the targets; raise where it cannot be."""
    if targets is None:
        return "none"
    (y,) = targets.by_name.values()
    if y.dtype.kind == "f":
        if output.reshape(len(output), -1).shape[1] != y.reshape(len(y), -1).shape[1]:
            told = f"y: real targets of shape {y.shape[1:]} an example, an output of {output.shape[1:]}"
            raise OnnxFileError([f"{told}; equal shapes are wanted, or integers for classes"])
        if not np.ptp(y, axis=0).any():
            raise OnnxFileError(["y: all targets are the same, so that R² is not defined; give others, or integers"])
        return "R²"
    if output.ndim < 2 or output.shape[2:] != y.shape[1:]:
        told = f"y: integer targets of shape {y.shape[1:]} an example, an output of {output.shape[1:]}"
        raise OnnxFileError([f"{told}; one class for each row of the output's classes is wanted"])
    classes = output.shape[1]
    if outside := y[(y < 0) | (y >= classes)].tolist():
        raise OnnxFileError([f"y: the class {outside[0]} is none of the output's 0 to {classes - 1}; correct it"])
    return "accuracy"


def _save(path: Path, folder: Path, inputs: Arrays, targets: Arrays | None) -> None:
    inputs.save(folder / "train-inputs")
    if targets:
        targets.save(folder / "train-targets")
    (folder / FILE).symlink_to(path.resolve())


def _held(path: Path, data: Path | None) -> tuple[Held, ...]:
    """Return the file, those in which it keeps tensors, and that of the data."""
    file = path.resolve()
    beside = [Held.of(name, file.parent / name) for name in external_files(file)]
    return Held.of(path.name, file), *beside, *([Held.of("", data, for_runs=False)] if data else [])


def _size_mb(path: Path) -> float:
    return sum(one.stat().st_size for one in (path, *(path.parent / name for name in external_files(path)))) / 1e6


def _notes(signature: Signature, *, made_up: bool) -> list[str]:
    notes = []
    if made_up:
        notes.append("the inputs are made up: time is real, and agreement says nothing of your data")
    if signature.fixed_batch:
        notes.append(f"the file takes batches of {signature.fixed_batch} only")
    if signature.quantised:
        notes.append(f"the file is quantised already, {signature.quantised}: it is measured as it is")
    return notes
