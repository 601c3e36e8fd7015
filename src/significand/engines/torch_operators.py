"""The operators that torch runs on a batch, seen on their way to the kernels, and what its profiler says of each."""

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from significand.engines.operators import CALL, UNKNOWN, Operator

Count = Callable[[Sequence[Any], torch.Tensor], float]
"""Counts multiply-adds from an operator's arguments and result."""


def _matrix(first: int, second: int) -> Count:
    """Every element of the first operand meets each column of the second."""
    return lambda args, out: args[first].numel() * args[second].shape[-1]  # noqa: ARG005 - of the type


def _convolution(args: Sequence[Any], out: torch.Tensor) -> float:
    is_transposed = bool(args[6])
    positions = args[0] if is_transposed else out
    return float(positions.numel() * math.prod(args[1].shape[1:]))


def _at_every_position(args: Sequence[Any], out: torch.Tensor) -> float:  # noqa: ARG001 - of the type
    """Every position of the first argument meets every number of the matrices behind it."""
    matrices = (one for one in args[1:] if isinstance(one, torch.Tensor) and one.dim() == 2)
    return float(args[0].numel() / args[0].shape[-1] * sum(one.numel() for one in matrices))


def _cells(args: Sequence[Any], out: torch.Tensor) -> float:  # noqa: ARG001 - of the type
    """Count at every position the weights of the input and those of the state."""
    return float(args[0].numel() / args[0].shape[-1] * (args[1].numel() + args[2].numel()))


def _attention(args: Sequence[Any], out: torch.Tensor) -> float:  # noqa: ARG001 - of the type
    """Count what queries and keys, weights and values make."""
    return float(2 * args[0].numel() * args[1].shape[-2])


PRODUCTS: Mapping[str, tuple[int, Count]] = {
    "aten::_int_mm": (1, _matrix(0, 1)),
    "aten::_native_multi_head_attention": (5, _at_every_position),
    "aten::_scaled_dot_product_flash_attention_for_cpu": (1, _attention),
    "aten::_transformer_encoder_layer_fwd": (3, _at_every_position),
    "aten::_trilinear": (1, lambda args, out: args[1].numel() * args[0].numel() / args[0].shape[-1]),  # noqa: ARG005
    "aten::addbmm": (2, _matrix(1, 2)),
    "aten::addmm": (2, _matrix(1, 2)),
    "aten::addmv": (1, lambda args, out: args[1].numel()),  # noqa: ARG005 - of the type
    "aten::baddbmm": (2, _matrix(1, 2)),
    "aten::bmm": (1, _matrix(0, 1)),
    "aten::convolution": (1, _convolution),
    "aten::dot": (1, lambda args, out: args[0].numel()),  # noqa: ARG005 - of the type
    "aten::mkldnn_rnn_layer": (1, _cells),
    "aten::mm": (1, _matrix(0, 1)),
    "aten::mv": (0, lambda args, out: args[0].numel()),  # noqa: ARG005 - of the type
}
"""Operators that multiply: at which place each has its weights, or what stands for them, and its multiply-adds."""

LIKE_A_PRODUCT = re.compile(r"conv|mm\b|mm_|mv\b|linear(?!_)|rnn|lstm|gru|attention|einsum|matmul|dot|cdist|quantized")
"""Names of operators that may multiply: where one is none of `PRODUCTS`, its format is unknown."""

CONVERSIONS = frozenset({"aten::_to_copy", "aten::clone", "aten::contiguous", "aten::copy_", "aten::to"})

NAMESPACES = ("aten", "prim", "prims", "torchao")
"""Of torch's own operators; what another package adds is not understood."""


def operators_of(network: nn.Module, run: Callable[[], object]) -> list[Operator]:
    """Return the operators that run in a call of a network, each named by its module.

    Gradients are off by `torch.no_grad`: under inference mode, an operator that is made of others would hide them.

    Parameters
    ----------
    network
        Whose modules name the operators.
    run
        Calls it on a batch.
    """
    with _modules(network) as stack, torch.no_grad(), _Seen(stack) as seen:
        run()
    operators: list[Operator] = seen.operators
    return operators


def operator_times(operators: Sequence[Operator], run: Callable[[], object], calls: int) -> dict[str, float]:
    """Return the seconds that each operator takes in a call, with what it calls in turn, and the whole call.

    Parameters
    ----------
    operators
        As seen by `operators_of`.
    run
        Calls the network on a batch.
    calls
        Over which the mean is taken.
    """
    # torch.profiler itself would import Inductor, to look whether it is there: 2 s for nothing.
    with torch.autograd.profiler.profile(use_kineto=True) as profiler:
        begin = time.perf_counter()
        for _ in range(calls):
            run()
        call_s = (time.perf_counter() - begin) / calls
    kinds = {one.kind for one in operators}
    events = sorted(profiler.function_events, key=lambda event: event.time_range.start)
    by_kind: dict[str, list[float]] = {kind: [] for kind in kinds}
    for event in events:
        if event.name in kinds and not _is_within(event, kinds):
            by_kind[event.name].append(event.cpu_time_total / 1e6)
    times = {CALL: call_s}
    for kind, seconds in by_kind.items():
        of_kind = [one.name for one in operators if one.kind == kind]
        if len(seconds) == calls * len(of_kind):
            times |= {name: sum(seconds[at :: len(of_kind)]) / calls for at, name in enumerate(of_kind)}
        elif seconds:  # it runs otherwise than when it was looked at: all of the kind together
            times[kind] = sum(seconds) / calls
    return times


def _is_within(event: Any, kinds: set[str]) -> bool:  # noqa: ANN401 - torch's own
    parent = event.cpu_parent
    while parent is not None:
        if parent.name in kinds:
            return True
        parent = parent.cpu_parent
    return False


@contextmanager
def _modules(network: nn.Module) -> Iterator[list[str]]:
    """Keep the names of the modules whose forward is running, the innermost last."""
    names = {id(module): name for name, module in network.named_modules()}
    stack: list[str] = []

    def enter(module: nn.Module, args: object) -> None:  # noqa: ARG001 - torch's own signature
        stack.append(names.get(id(module)) or type(module).__name__)

    def leave(module: nn.Module, args: object, outputs: object) -> None:  # noqa: ARG001 - torch's own signature
        del stack[-1:]

    hooks = (
        nn.modules.module.register_module_forward_pre_hook(enter),
        nn.modules.module.register_module_forward_hook(leave),
    )
    try:
        yield stack
    finally:
        for hook in hooks:
            hook.remove()


class _Seen(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch
    """Sees every operator that runs, also those inside torchao's tensors."""

    def __init__(self, stack: Sequence[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch
        self.operators: list[Operator] = []
        self._stack = stack
        self._count: dict[str, int] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Do without torch's compiler, which is not at work here: importing it takes seconds in every run."""
        return False

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - torch's own signature
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - torch's own signature
        result = func(*args, **(kwargs or {}))
        kind = func.name().split(".")[0]
        form, multiply_adds = _product(kind, args, result)
        if form or not _is_view(func):
            self.operators.append(Operator(self._name(kind), kind, form, multiply_adds, kind in CONVERSIONS))
        return result

    def _name(self, kind: str) -> str:
        name = " ".join([*self._stack[-1:], kind.partition("::")[2]])
        self._count[name] = self._count.get(name, 0) + 1
        return name if self._count[name] == 1 else f"{name}#{self._count[name]}"


def _product(kind: str, args: Sequence[Any], result: Any) -> tuple[str, float]:  # noqa: ANN401 - any operator's
    """Return the format of an operator's products, and its multiply-adds; empty and 0 where it multiplies nothing."""
    if kind in PRODUCTS:
        at, count = PRODUCTS[kind]
        return str(args[at].dtype).removeprefix("torch."), max(1.0, count(args, result))
    is_understood = kind.startswith(tuple(f"{name}::" for name in NAMESPACES)) and not LIKE_A_PRODUCT.search(kind)
    return ("", 0.0) if is_understood else (UNKNOWN, 1.0)


def _is_view(func: Any) -> bool:  # noqa: ANN401 - an operator of torch
    """Tell whether an operator only looks at the same numbers in another way, which takes no time."""
    return any(result.alias_info is not None and not result.alias_info.is_write for result in func._schema.returns)
