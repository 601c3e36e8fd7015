"""torch's exporter without what it does anew for every network."""

import contextlib
import functools
from importlib import import_module
from typing import Any


def remember_operators(*, at_once: bool = False) -> None:
    """Have its two tables of operators made once in this process: they are the same each time, and half of an export.

    Where another version of torch keeps them elsewhere, exports take as long as they do.

    Parameters
    ----------
    at_once
        Whether to make them now, for all that are forked from this process.
    """
    with contextlib.suppress(ImportError, AttributeError):
        registry = import_module("torch.onnx._internal.exporter._registration").ONNXRegistry
        registry.from_torchlib = classmethod(functools.cache(registry.from_torchlib.__func__))  # type: ignore[arg-type]
        if at_once:
            registry.from_torchlib(opset_version=import_module("torch.onnx._constants").ONNX_DEFAULT_OPSET)
    with contextlib.suppress(ImportError, AttributeError):
        # Those that need not be decomposed. torch looks for new ones each time; no test adds one and exports it.
        name = "_collect_all_valid_cia_ops"
        users: list[Any] = [import_module(f"torch.export.{user}") for user in ("exported_program", "decomp_utils")]
        remembered = functools.cache(getattr(users[0], name))
        for user in users:
            setattr(user, name, remembered)
        if at_once:
            remembered()
            import_module("torch.export._trace")
