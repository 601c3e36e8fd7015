"""Ranges of a network's values on examples, by ONNX Runtime's calibrators: static quantisation makes scales of them."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from significand.workload.arrays import Arrays, Feeds
from significand.workload.ort import onnxruntime, untimed_options

# ruff: isort: split
from onnxruntime.quantization import CalibrationDataReader
from onnxruntime.quantization.calibrate import EntropyCalibrater, MinMaxCalibrater, PercentileCalibrater

ENTROPY_BINS = 512
"""ONNX Runtime's default, 128, is as many as int8 has steps: nothing is left to choose from, and ranges are the largest
that there are. The time to choose grows with the square of it."""

METHODS: dict[str, Callable[..., Any]] = {
    "minmax": MinMaxCalibrater,
    "entropy": functools.partial(EntropyCalibrater, num_bins=ENTROPY_BINS),
    "percentile": functools.partial(PercentileCalibrater, percentile=99.999, symmetric=True),
}
"""ONNX Runtime's calibrators, made as its own `create_calibrator` makes them; that would open the network, too."""


def ranges(network: Path, examples: Feeds, method: str, types: Sequence[str], folder: Path) -> Any:  # noqa: ANN401 - theirs
    """Return the range of every value that operators of some types take or give.

    Parameters
    ----------
    network
        A float32 file whose shapes are inferred.
    examples
        Inputs by their names.
    method
        A key of `METHODS`: the smallest and largest value; the range that keeps the distribution best; all but 0.001 %.
    types
        Of the operators.
    folder
        For temporary files.
    """
    calibrator = METHODS[method](network, types, str(folder / "calibrated.onnx"), use_external_data_format=True)
    calibrator.augment_graph()
    calibrator.infer_session = _on_one_thread(calibrator.augmented_model_path)
    cut = batches(examples, onnx.load(network, load_external_data=False).graph.input)
    # What a reader's batches give is kept until all are there: of minima and maxima that is little, of all values not.
    for together in [cut] if method == "minmax" else ([batch] for batch in cut):
        calibrator.collect_data(_Reader(together))
    return calibrator.compute_data()


def _on_one_thread(network: str) -> onnxruntime.InferenceSession:
    """Open the network whose values are watched on one thread, and with optimisations, other than a calibrator.

    What is watched is an output of the graph, which no optimisation takes away. A call of ResNet-18 took 54 instead of
    74 ms; ranges are the same to the rounding of sums in another order.
    """
    return onnxruntime.InferenceSession(network, untimed_options(), providers=["CPUExecutionProvider"])


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime has no types
    """Batches, as ONNX Runtime asks for them."""

    def __init__(self, some: Iterable[Feeds]) -> None:
        self._batches = map(dict, some)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next batch, in the end None."""
        return next(self._batches, None)


def batches(examples: Feeds, inputs: Iterable[onnx.ValueInfoProto]) -> Iterator[Feeds]:
    """Cut examples into batches: of the size that a network takes, where it is fixed, the last filled with the first.

    What has no axis of examples, a number or a state, stands in full beside each: a state is that of one example.
    """
    shapes = {value.name: value.type.tensor_type.shape.dim for value in inputs}
    cut = {name: array for name, array in examples.items() if array.ndim}
    whole = {name for name, array in examples.items() if array.ndim > len(shapes[name])}
    fixed = [shapes[name][0].dim_value for name in examples if name not in whole and len(shapes[name])]
    n = max(map(len, cut.values()), default=1)
    size = 1 if any(len(shapes[name]) for name in whole) else next(filter(None, fixed), 0)
    step = size or (Arrays(cut).untimed_batch() if cut else 1)
    for start in range(0, n, step):
        rows = np.arange(start, start + size) % n if size else slice(start, start + step)
        yield dict(examples) | {
            name: np.asarray(array[start]) if name in whole else array[rows] for name, array in cut.items()
        }
