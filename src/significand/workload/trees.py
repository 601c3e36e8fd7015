"""What a user's network gives, and is held against: tensors in any form."""

from typing import Any

from torch.utils import _pytree


def leaves(tree: Any) -> list[Any]:  # noqa: ANN401 - the user's form
    """Return what outputs or targets hold, in the order of an ONNX graph's outputs; what is None is left out."""
    return [leaf for leaf in _pytree.tree_leaves(tree) if leaf is not None]
