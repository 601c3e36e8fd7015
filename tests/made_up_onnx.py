"""Made-up ONNX models whose tensors lie in another file."""

import onnx
from onnx import TensorProto, helper


def external(location: str) -> TensorProto:
    """Return a tensor of four numbers that lie in another file."""
    tensor = TensorProto(name="stolen", data_type=TensorProto.FLOAT, dims=[2, 2], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    tensor.external_data.add(key="length", value="16")
    return tensor


def product(node: onnx.NodeProto, *initializers: TensorProto) -> onnx.ModelProto:
    """Return a loadable model of one input and one output, both 1 x 2."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in "xy"]
    made = helper.make_graph([node], "g", ends[:1], ends[1:], initializers)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


MATMUL = helper.make_node("MatMul", ["x", "stolen"], ["y"])
