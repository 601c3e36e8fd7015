"""Deep copies of a user's network, which may hold what cannot be copied. No torch here."""

import copy
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Protocol


class Tree(Protocol):
    """A torch module, as far as it matters here."""

    def modules(self) -> Iterable[object]:
        """Return it and all below it."""
        ...


PARTS = ("_parameters", "_buffers", "_modules")
"""What of a module is copied in any case."""

PLAIN = (bool, int, float, complex, str, bytes, type(None), type)
"""Surely copied: no need to try. Of a ResNet's 1,200 attributes nearly all are of these, or empty tables of hooks."""


def shared_in_copies(network: Tree) -> dict[int, Any]:
    """Return a memo for `copy.deepcopy` in which a copy shares with the network what cannot be copied.

    Such as a lock, an open file, a generator, or a tensor with a history that the last forward has left behind.
    """
    modules = {id(module): module for module in network.modules()}
    values = (value for module in modules.values() for name, value in vars(module).items() if name not in PARTS)
    return {id(value): value for value in values if not _can_be_copied(value, modules)}


def _can_be_copied(value: object, modules: Mapping[int, object]) -> bool:
    """Tell whether a value can be copied; what of it are modules, such as its own, is copied elsewhere."""
    if type(value) in PLAIN or (type(value) in {dict, list, set, OrderedDict} and not value):
        return True
    try:
        copy.deepcopy(value, dict(modules))
    except Exception:  # noqa: BLE001 - whatever the user's own class raises
        return False
    return True
