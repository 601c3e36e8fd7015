"""A network that is an ONNX file: what `significand.testing.modules.Several` does, by other operators."""

import functools
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper, parser

from significand.testing.workloads import TABLE
from significand.workload.examined import Examined
from significand.workload.onnx_network import OnnxFileNetwork
from significand.workload.trial_onnx import examine_file

TEXT = """
<ir_version: 10, opset_import: ["" : 21]>
net (float[n, 24] right, float[n, 24] left, int64[n] row) => (float[n, 3] values, int64[n] next, float[n, 32] state) {
  of_left = MatMul(left, first)
  of_right = MatMul(right, second)
  of_row = Gather(table, row)
  difference = Sub(of_left, of_right)
  sum = Add(difference, of_row)
  state = Tanh(sum)
  values = Gemm(state, head, bias)
  one = Constant<value = int64 {1}>()
  next = Add(row, one)
}"""

WEIGHTS = {"first": (24, 32), "second": (24, 32), "table": (TABLE, 32), "head": (32, 3), "bias": (3,)}


def trained_file(path: Path, seed: int) -> OnnxFileNetwork:
    """Return the network with the weights of a seed, as a file at `path`."""
    return OnnxFileNetwork(path, _written(path, seed))


@functools.cache
def _written(path: Path, seed: int) -> Examined:
    generator = np.random.default_rng(seed)
    model = parser.parse_model(TEXT)
    for name, shape in WEIGHTS.items():
        values = (generator.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    onnx.save(model, path)
    folder = path.with_suffix("")
    folder.mkdir()
    return examine_file(path, folder, None, (), seed)
