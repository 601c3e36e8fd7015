"""How outputs are held against targets: the default loss and score, and what a user's own score may give."""

import pickle
from collections.abc import Iterable
from typing import Any

import cloudpickle
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from torch.utils import _pytree

from significand.workload.examined import ProgramError
from significand.workload.guarded import described, message
from significand.workload.trees import leaves


def form_of(tree: Any) -> bytes:  # noqa: ANN401 - the user's form
    """Return the form of a network's outputs without the tensors, for `in_form`."""
    found, spec = _pytree.tree_flatten(tree)
    return bytes(cloudpickle.dumps((spec, [leaf is not None for leaf in found])))


def in_form(form: bytes, tensors: Iterable[torch.Tensor]) -> Any:  # noqa: ANN401 - the user's form
    """Return tensors, in the order of `leaves`, in the form of a network's outputs."""
    spec, there = pickle.loads(form)  # noqa: S301 - of our own examination
    rest = iter(tensors)
    return _pytree.tree_unflatten([next(rest) if one else None for one in there], spec)


def fitting(outputs: Any, targets: Any, name: str) -> tuple[torch.Tensor, torch.Tensor]:  # noqa: ANN401
    """Return the one output and the one target that a default of ``loss`` or ``score`` takes.

    Real targets have the output's shape then.

    Raises
    ------
    ProgramError
        Where they do not fit, with what to write.
    """
    out, wanted = leaves(outputs), leaves(targets)
    if len(out) != 1 or len(wanted) != 1:
        several = f"{len(out)} outputs and {len(wanted)} targets have no default"
        raise ProgramError([f"{name}: {several}; write loss(outputs, targets) and score(outputs, targets)"])
    output, target = out[0], wanted[0]
    shapes = f"{name}: an output of shape {tuple(output.shape)} and"
    if target.is_floating_point():
        if _squeezed(output.shape) != _squeezed(target.shape):
            wrong = f"{shapes} real targets of shape {tuple(target.shape)} do not fit"
            raise ProgramError([f"{wrong}; equal shapes are wanted, integers for classes, or your own {name}()"])
        return output, target.reshape(output.shape)
    if output.dim() < 2 or (output.shape[0], *output.shape[2:]) != tuple(target.shape):
        wrong = f"{shapes} integer targets of shape {tuple(target.shape)} do not fit"
        raise ProgramError([f"{wrong}; (N, classes, ...) and (N, ...) are wanted, or your own {name}()"])
    return output, target


def in_full(outputs: Any) -> Any:  # noqa: ANN401 - the user's form
    """Return outputs in float32 where they come in a half precision."""

    def full(leaf: Any) -> Any:  # noqa: ANN401 - not all need be tensors
        is_half = isinstance(leaf, torch.Tensor) and leaf.is_floating_point() and leaf.element_size() < 4
        return leaf.float() if is_half else leaf

    return _pytree.tree_map(full, outputs)


def default_loss(outputs: Any, targets: Any) -> torch.Tensor:  # noqa: ANN401 - the user's form
    """Return cross-entropy for integer targets, mean squared error for real ones."""
    output, target = fitting(outputs, targets, "loss")
    if target.is_floating_point():
        return functional.mse_loss(output, target.to(output.dtype))
    return functional.cross_entropy(output, target)


def default_score(outputs: Any, targets: Any) -> NDArray[np.float64]:  # noqa: ANN401 - the user's form
    """Return for each example whether it is right, or its part of R²; see `significand.workload.program.scored`."""
    output, target = fitting(outputs, targets, "score")
    output = output.detach()
    if not target.is_floating_point():
        right = (output.argmax(1) == target).double()
        return right.reshape(len(right), -1).mean(1).numpy()
    target = target.double().reshape(len(target), -1)
    squared_error = (output.double().reshape(target.shape) - target).square().mean(1)
    deviation = (target - target.mean(0)).square().mean()
    if not deviation:
        raise ProgramError(["score: these targets are all the same, so that R² is not defined; write score()"])
    return (1 - squared_error / deviation).numpy()


def score_values(given: Any, examples: int) -> NDArray[np.float64]:  # noqa: ANN401 - what the user's function gives
    """Return what a user's score gives as numbers: one for each example, or one of shape ().

    Raises
    ------
    ProgramError
        Where it is neither, or not finite.
    """
    wanted = "one number for each example, or one for all, is wanted"
    try:
        array = given.detach().cpu().double().numpy() if isinstance(given, torch.Tensor) else np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ProgramError(
            [f"score() gives {described(given)} that is no array ({message(error)}); {wanted}"]
        ) from None
    if array.dtype.kind not in "biuf":
        raise ProgramError([f"score() gives {described(given)}; {wanted}"])
    if array.shape == (examples, 1):
        array = array[:, 0]
    if array.shape not in {(), (examples,)}:
        raise ProgramError([f"score() gives values of shape {array.shape} for {examples} examples; {wanted}"])
    values = array.astype(np.float64)
    if not np.isfinite(values).all():
        first = values[~np.isfinite(values)].flat[0]
        raise ProgramError([f"score() gives {first}; only finite numbers can be compared"])
    return values


def _squeezed(shape: torch.Size) -> tuple[int, ...]:
    """Return a shape without a last axis of one, which makes no difference to a value an example."""
    return tuple(shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape)
