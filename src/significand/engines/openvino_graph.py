"""What OpenVINO's CPU plugin really runs: the operators of a compiled model, their formats, their multiply-adds."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from significand.engines.operators import UNKNOWN, Operator

FORMATS = {
    "f64": "float64",
    "f32": "float32",
    "bf16": "bfloat16",
    "f16": "float16",
    "i8": "int8",
    "u8": "int8",
    "i4": "int4",
    "u4": "int4",
}
"""By how the name of a kernel ends, as in ``brgemm_avx2_f32``. The property `runtimePrecision` is not asked: it says u8
where a float32 kernel ran."""

NO_OPERATORS = frozenset({"Const", "Input", "Output", "Constant", "Parameter", "Result"})
BODIES = frozenset({"If", "Loop", "TensorIterator"})
CONVERSIONS = frozenset({"Convert", "FakeQuantize", "Reorder", "Transpose"})
DEQUANTISING = frozenset({"Subtract", "Multiply", "Reshape", *CONVERSIONS})
"""What a fused operator consists of that only converts: an offset taken off and a scale, beside the conversion."""

MISSING = "products not found"
"""Name of the operator that stands for the products of a network that no operator found accounts for."""

LEAST_MISSING = 0.01
"""Share of the multiply-adds from which products count as not found: rewriting a graph saves some."""

GENERATED = re.compile(r"(?<=[A-Za-z])_\d{4,}")
"""The number in a name that OpenVINO has made."""

Shapes = Sequence[tuple[int, ...]]


def operators(model: Any, compiled: Any, note: str = "") -> list[Operator]:  # noqa: ANN401 - OpenVINO's own
    """Return the operators of a compiled model, in the order in which they run.

    What is computed once, when the model is compiled, is none of them. Products that cannot be found in it, as their
    operators are of a kind that is not known here, are one more operator, of unknown format.

    Parameters
    ----------
    model
        What was compiled: with the shapes of the batch.
    compiled
        The compiled model.
    note
        Of the operators that multiply.
    """
    kinds = {node.get_friendly_name(): node.get_type_name() for node in model.get_ops()}
    products = dict(_products(model))
    names = stable_names(compiled)
    computed = _computed(compiled.get_runtime_model())
    found = [
        replace(one, name=names[one.name]) for one in (_operator(node, kinds, products, note) for node in computed)
    ]
    wanted = sum(products.values())
    missing = wanted - sum(one.multiply_adds for one in found)
    if missing > LEAST_MISSING * wanted:
        found.append(Operator(MISSING, "", UNKNOWN, missing, note="of kinds that are not known to multiply"))
    return found


def stable_names(compiled: Any) -> dict[str, str]:  # noqa: ANN401 - OpenVINO's own
    """Return what the operators of a compiled model are called, by their names in it.

    What OpenVINO has made itself bears a number that is another each time a model is read, as ``Multiply_209774``: it
    is counted in the order of the graph instead.
    """
    names: dict[str, str] = {}
    seen: dict[str, int] = {}
    for node in compiled.get_runtime_model().get_ordered_ops():
        name = node.get_friendly_name()
        plain = GENERATED.sub("", name)
        seen[plain] = seen.get(plain, 0) + 1
        names[name] = plain if plain == name or seen[plain] == 1 else f"{plain}#{seen[plain]}"
    return names


def _operator(node: Any, kinds: Mapping[str, str], products: Mapping[str, float], note: str) -> Operator:  # noqa: ANN401
    info = {key: value.astype(str) for key, value in node.get_rt_info().items()}
    kind, names = info["layerType"], [one for one in info["originalLayersNames"].split(",") if one in kinds]
    fused = {kinds[one] for one in names}
    name = node.get_friendly_name()
    if kind in MULTIPLY_ADDS or fused & BODIES & {kinds[one] for one in names if one in products}:
        number_format = UNKNOWN if kind in BODIES else kernel_format(info["primitiveType"])
        inside = sum(products.get(one, 0.0) for one in names)
        return Operator(name, kind, number_format, max(1.0, _multiply_adds(kind, node) or inside), note=note)
    if fused_in := [products[one] for one in names if one in products]:
        return Operator(name, kind, kernel_format(info["primitiveType"]), max(1.0, sum(fused_in)), note=note)
    only_converts = bool(fused & {"Convert", "FakeQuantize"}) and fused <= DEQUANTISING
    return Operator(name, kind, is_conversion=kind in CONVERSIONS or only_converts)


def kernel_format(primitive: str) -> str:
    """Return the format in the name of a kernel, as of ``jit_avx2_I8``; unknown where no kernel is named."""
    told = re.fullmatch(r"(?!unknown)\w+_(\w+?)", primitive)
    return FORMATS.get(told[1].lower(), UNKNOWN) if told else UNKNOWN


def _computed(runtime: Any) -> Iterator[Any]:  # noqa: ANN401
    """Give the operators that run in each call: those of constants alone have run before."""
    for node, is_constant in _told_constant(runtime):
        if not is_constant and node.get_rt_info()["layerType"].astype(str) not in NO_OPERATORS:
            yield node


def _products(model: Any) -> Iterator[tuple[str, float]]:  # noqa: ANN401
    """Give the operators of a model that multiply, those with a body that does among them, and their multiply-adds."""
    for node, is_constant in _told_constant(model):
        kind = node.get_type_name()
        if kind in BODIES:
            number = sum(size for body in _bodies(node) for _, size in _products(body))
        else:
            number = _multiply_adds(kind, node)
        if number and not is_constant:
            yield node.get_friendly_name(), number


def _bodies(node: Any) -> list[Any]:  # noqa: ANN401
    return [node.get_function(at) for at in range(2)] if node.get_type_name() == "If" else [node.get_function()]


def _told_constant(model: Any) -> Iterator[tuple[Any, bool]]:  # noqa: ANN401
    """Give the nodes of a graph, each with whether it depends on no input."""
    constant: set[str] = set()
    for node in model.get_ordered_ops():
        sources = [port.get_source_output().get_node().get_friendly_name() for port in node.inputs()]
        is_constant = constant.issuperset(sources) and not _is_input(node)
        if is_constant:
            constant.add(node.get_friendly_name())
        yield node, is_constant


def _is_input(node: Any) -> bool:  # noqa: ANN401
    return bool(node.get_type_name() in {"Parameter", "Input"})


def _multiply_adds(kind: str, node: Any) -> float:  # noqa: ANN401
    """Return the multiply-adds of an operator by the shapes of what it takes and gives; 0 where it multiplies nothing.

    A shape that depends on the values counts as nothing: then it is 1.
    """
    count = MULTIPLY_ADDS.get(kind)
    if count is None:
        return 0.0
    ports = (*(one.get_source_output() for one in node.inputs()), node.output(0))
    shapes = [port.get_partial_shape() for port in ports]
    if any(one.is_dynamic for one in shapes):
        return 1.0
    *inputs, output = (tuple(one.to_shape()) for one in shapes)
    return max(1.0, count(inputs, output))


def _convolution(weights_at: int) -> Callable[[Shapes, tuple[int, ...]], float]:
    """Each element of the result meets the weights of its channel."""
    return lambda inputs, output: math.prod(output) * math.prod(inputs[weights_at]) / output[1]


def _transposed(inputs: Shapes, output: tuple[int, ...]) -> float:  # noqa: ARG001 - of the type
    """Each element of the first operand meets the weights of its channel."""
    return math.prod(inputs[0]) * math.prod(inputs[1]) / inputs[0][1]


def _matrices(inputs: Shapes, output: tuple[int, ...]) -> float:
    """Each element of the result is a sum over what the operands share; which may be transposed."""
    first, second = inputs[:2]
    summed = first[0] if len(first) == 1 else second[0] if len(second) == 1 else first[-2] * first[-1] / output[-2]
    return math.prod(output) * summed


def _recurrent(inputs: Shapes, output: tuple[int, ...]) -> float:  # noqa: ARG001 - of the type
    """Each step of each example meets the weights of its input and of its state, which stand before the bias."""
    return math.prod(inputs[0][:-1]) * (math.prod(inputs[-3]) + math.prod(inputs[-2]))


def _attention(inputs: Shapes, output: tuple[int, ...]) -> float:
    """Let queries meet keys, and weights meet values."""
    return inputs[1][-2] * (math.prod(inputs[0]) + math.prod(output))


MULTIPLY_ADDS: Mapping[str, Callable[[Shapes, tuple[int, ...]], float]] = {
    "Convolution": _convolution(1),
    "ConvolutionBackpropData": _transposed,
    "Deconvolution": _transposed,
    "DeformableConvolution": _convolution(2),
    "FullyConnected": _matrices,
    "GRUCell": _recurrent,
    "GRUSequence": _recurrent,
    "GroupConvolution": _convolution(1),
    "GroupConvolutionBackpropData": _transposed,
    "LSTMCell": _recurrent,
    "LSTMSequence": _recurrent,
    "MatMul": _matrices,
    "RNNCell": _recurrent,
    "RNNSeq": _recurrent,
    "RNNSequence": _recurrent,
    "ScaledAttn": _attention,
    "ScaledDotProductAttention": _attention,
}
"""Kinds of operators that multiply, as OpenVINO's models and its CPU plugin call them."""


def times(first: Iterable[Any], last: Iterable[Any], calls: int, names: Mapping[str, str]) -> dict[str, float]:
    """Return the seconds that each operator takes in a call, to a microsecond.

    The plugin tells of each operator its mean over all calls so far.

    Parameters
    ----------
    first, last
        What it tells after a first call, which does not count, and after `calls` more.
    calls
        How many count.
    names
        As from `stable_names`.
    """
    warm_up = _means(first)
    return {
        names.get(name, name): max(0.0, ((calls + 1) * mean - warm_up[name]) / calls)
        for name, mean in _means(last).items()
    }


def _means(infos: Iterable[Any]) -> dict[str, float]:
    """Return the mean of each operator that ran, in seconds."""
    return {one.node_name: one.real_time.total_seconds() for one in infos if one.status == one.Status.EXECUTED}
