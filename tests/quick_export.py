"""torch's exporter without what it does anew for every network."""

import contextlib
import functools
from importlib import import_module


def remember_operators(*, at_once: bool = False) -> None:
    """Have its table of ONNX operators made once in this process: it is the same each time, and half of an export.

    Where another version of torch keeps it elsewhere, exports take as long as they do.

    Parameters
    ----------
    at_once
        Whether to make it now, for all that are forked from this process.
    """
    with contextlib.suppress(ImportError, AttributeError):
        registry = import_module("torch.onnx._internal.exporter._registration").ONNXRegistry
        registry.from_torchlib = classmethod(functools.cache(registry.from_torchlib.__func__))  # type: ignore[arg-type]
        if at_once:
            registry.from_torchlib(opset_version=import_module("torch.onnx._constants").ONNX_DEFAULT_OPSET)
