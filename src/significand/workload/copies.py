"""Deep copies of a user's network, which may hold what cannot be copied. No torch here."""

import copy
from collections.abc import Iterable
from typing import Any, Protocol


class Tree(Protocol):
    """A torch module, as far as it matters here."""

    def modules(self) -> Iterable[object]:
        """Return it and all below it."""
        ...


PARTS = ("_parameters", "_buffers", "_modules")
"""What of a module is copied in any case."""


def shared_in_copies(network: Tree) -> dict[int, Any]:
    """Return a memo for `copy.deepcopy` in which a copy shares with the network what cannot be copied.

    Such as a lock, an open file, a generator, or a tensor with a history that the last forward has left behind.
    """
    modules = list(network.modules())
    values = (value for module in modules for name, value in vars(module).items() if name not in PARTS)
    return {id(value): value for value in values if not _can_be_copied(value, modules)}


def _can_be_copied(value: object, modules: Iterable[object]) -> bool:
    """Tell whether a value can be copied; what of it are modules, such as its own, is copied elsewhere."""
    try:
        copy.deepcopy(value, {id(module): module for module in modules})
    except Exception:  # noqa: BLE001 - whatever the user's own class raises
        return False
    return True
